from __future__ import annotations

import json

import pytest
from msgspec import Raw

from decoder.change import decode_change
from decoder.errors import MalformedError
from files import table
from handlers.planner import Account, Planner, plan
from snapshot.record import NetChange, NetChangeRecords, SnapshotRecords

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


OLD, NEW = {"id": {"S": "a"}, "city": {"S": "Oslo"}}, {"id": {"S": "a"}, "city": {"S": "Romé"}}


def net_change(*, old=None, new=None):
    raw = [None if each is None else Raw(as_json(each, ensure_ascii=False)) for each in (new, old)]
    return NetChange(Raw(b'{"id":{"S":"a"}}'), *raw)


def net_records(*changes, keeps=False):
    records = NetChangeRecords("meetups", "eu-west-1", keeps_ttl_deletes=keeps).records(changes, MS)
    return [decode_change(record) for record in records]


@pytest.mark.parametrize(
    ("old", "new", "name", "name_where_deletes_are_kept"),
    [(None, NEW, "INSERT", "INSERT"), (OLD, NEW, "MODIFY", "INSERT"), (OLD, None, "REMOVE", "REMOVE")],
)
def test_a_net_change_is_one_change_with_the_time_and_its_images(old, new, name, name_where_deletes_are_kept):
    (change,) = net_records(net_change(old=old, new=new))
    assert (change.event_name, change.timestamp_ms, change.sequence_number) == (name, MS, None)
    assert (change.table, change.region, change.keys) == ("meetups", "eu-west-1", {"id": {"S": "a"}})
    assert (change.old_image, change.new_image, change.ttl_delete) == (old, new, False)
    (kept,) = net_records(net_change(old=old, new=new), keeps=True)
    assert (kept.event_name, kept.new_image, kept.ttl_delete) == (name_where_deletes_are_kept, new, new is None)


def test_an_item_that_was_nothing_before_and_after_is_no_change():
    assert net_records(net_change(), net_change(new=NEW))[0].new_image == NEW
    assert net_records(net_change(), keeps=True) == []
