from __future__ import annotations

import json

import pytest

from decoder.change import decode_change
from decoder.errors import MalformedError
from files import table
from handlers.planner import Account, Planner, plan
from snapshot.record import SnapshotRecords

MS = 1_719_082_124_999
RECORDS = SnapshotRecords("meetups", "eu-west-1", ["id", "naïve key"])
ITEM = {"name": {"S": "é\U0001f600"}, "naïve key": {"N": "1"}, "id": {"B": "AA=="}, "l": {"L": [{"BS": ["AA=="]}]}}


def as_json(item, **options):
    return json.dumps(item, **options).encode()


@pytest.mark.parametrize("is_ascii", [True, False])
def test_the_record_of_an_item_is_an_insert_with_the_time_and_without_a_sequence_number(is_ascii):
    (record,) = RECORDS.records([as_json(ITEM, ensure_ascii=is_ascii)], MS)
    change = decode_change(record)
    assert (change.event_name, change.timestamp_ms, change.sequence_number) == ("INSERT", MS, None)
    assert (change.table, change.region) == ("meetups", "eu-west-1")
    assert change.keys == {"id": {"B": "AA=="}, "naïve key": {"N": "1"}}
    assert change.new_image == ITEM
    assert change.version == f"{MS}-{'0' * 40}"


@pytest.mark.parametrize("item", [b'{"id":{"S":"a"}}', b"[]", b'{"id"', b'{"id":1,"na\xffve key":2}'])
def test_an_item_without_its_key_is_malformed(item):
    with pytest.raises(MalformedError, match="primary key"):
        RECORDS.key_of(item)


def test_both_paths_make_the_same_rows_of_items_and_the_typed_path_makes_them():
    items = [as_json({"id": {"S": f"a{n}"}, "name": {"S": "é" * n}, "price": {"N": f"{n}.5"}}) for n in range(9)]
    records = SnapshotRecords("meetups", "eu-west-1", ["id"]).records(items, MS)
    planner = Planner([table()], max_record_bytes=10**6)
    account = Account(records=records)
    typed = [entry for _, entry in planner.rows(account)]
    assert typed == plan(list(records), [table()], max_record_bytes=10**6).rows[table().target]
    assert planner._typed_changes == len(items) - 1
    assert json.loads(typed[1].data) == {"id": "a1", "name": "é", "deleted": False, "price": 1.5, "changed": MS}
