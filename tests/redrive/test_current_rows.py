"""A failed change is redriven with its item as it is now, and never wins against a newer change."""

from __future__ import annotations

import json

import pytest

from changes import SECOND, TTL_IDENTITY, insert, modify, remove
from decoder.change import decode_change
from dynapinot.local.replica import Replica, read_upsert_table
from files import CONFIG, SCHEMA, table, with_setting
from redrive.current_rows import ItemSnapshot, RedriveError, current_rows
from redrive.failed_change import FailedChange

KEYS = {"id": {"S": "a"}}
NOW = SECOND + 100


def failed(record, *, of=None):
    return FailedChange(reason="fraction", table=of, change=decode_change(record))


def reading(image, read_second=NOW):
    reads = []

    def read(change, earliest):
        reads.append((change.table, change.keys, earliest))
        return ItemSnapshot(None if image is None else {**KEYS, **image}, read_second)

    read.reads = reads
    return read


def rows(each, read, *tables):
    return [(made.name, row.key, json.loads(row.data)) for made, row in current_rows(each, tables or [table()], read)]


def test_a_failed_change_becomes_the_row_of_the_item_as_it_is_now():
    read = reading({"name": {"S": "now"}})
    assert rows(failed(modify(KEYS, {"name": {"S": "then"}})), read) == [
        ("items", "1:a", {"id": "a", "name": "now", "deleted": False, "changed": NOW * 1000 - 1})
    ]
    assert read.reads == [("meetups", KEYS, SECOND + 1)]


@pytest.mark.parametrize("record", [insert(KEYS, {}), modify(KEYS, {}), remove(KEYS)])
def test_a_deleted_item_becomes_a_tombstone(record):
    assert rows(failed(record), reading(None)) == [
        ("items", "1:a", {"id": "a", "deleted": True, "changed": NOW * 1000 - 1})
    ]


def test_a_version_sorts_below_that_of_any_change_in_the_second_of_the_read():
    schema = with_setting(
        SCHEMA, "dimensionFieldSpecs", [*SCHEMA["dimensionFieldSpecs"], {"name": "v", "dataType": "STRING"}]
    )
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["v"])
    by_version = table(schema, config, {"columns": {"v": "$version", "changed": "$timestamp"}})
    ((_, _, row),) = rows(failed(insert(KEYS, {})), reading({}), by_version)
    assert row["v"] < decode_change(insert(KEYS, {}, second=NOW, sequence=0)).version
    assert row["v"] > decode_change(insert(KEYS, {}, second=NOW - 1, sequence=10**20)).version


def test_only_the_table_that_could_not_take_the_change_gets_a_row():
    config = with_setting(CONFIG, "tableName", "others")
    tables = [table(), table(config=config)]
    each = insert(KEYS, {})
    assert [name for name, _, _ in rows(failed(each, of="others"), reading({}), *tables)] == ["others"]
    assert [name for name, _, _ in rows(failed(each), reading({}), *tables)] == ["items", "others"]


@pytest.mark.parametrize(
    ("each", "reason"),
    [
        (FailedChange(reason="malformed", table=None, change=None), "malformed"),
        (failed(insert(KEYS, {}), of="nix"), "no_table"),
        (failed(insert(KEYS, {}, eventSourceARN=None)), "no_table"),
    ],
)
def test_a_change_without_an_item_or_a_table_is_reported_with_a_reason(each, reason):
    with pytest.raises(RedriveError, match=reason):
        rows(each, reading({}))


def test_an_item_that_still_does_not_fit_is_reported_with_a_reason():
    with pytest.raises(RedriveError, match="type_mismatch"):
        rows(failed(insert(KEYS, {})), reading({"price": {"S": "cheap"}}))


# Time to Live deletes that keep the row, and an item that is gone: what deleted it is not known any more.

BY_VERSION = (
    with_setting(SCHEMA, "dimensionFieldSpecs", [*SCHEMA["dimensionFieldSpecs"], {"name": "v", "dataType": "STRING"}]),
    with_setting(CONFIG, "upsertConfig.comparisonColumns", ["v"]),
    {"columns": {"v": "$version", "changed": "$timestamp"}},
)
IN_SECONDS = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
OLD, NEW = {"name": {"S": "old"}}, {"name": {"S": "new"}}


def keeping(schema=SCHEMA, config=CONFIG, source=None, **more):
    return table(schema, config, {"ttl_deletes": "keep", **(source or {}), **more})


def in_kinesis_form(each, milliseconds):
    inner = {name: value for name, value in each["dynamodb"].items() if name != "SequenceNumber"}
    inner |= {"ApproximateCreationDateTime": SECOND * 1000 + milliseconds}
    return {**each, "dynamodb": inner, "tableName": "meetups", "recordFormat": "application/json"}


def failures(each, read, *tables):
    made = []
    with pytest.raises(RedriveError) as caught:
        made.extend(current_rows(each, tables, read))
    assert made == []
    return [tuple(failure) for failure in caught.value.failures]


@pytest.mark.parametrize("files", [(), BY_VERSION], ids=["time", "version"])
def test_a_ttl_delete_that_keeps_its_row_needs_none(files):
    assert rows(failed(remove(KEYS, userIdentity=TTL_IDENTITY)), reading(None), keeping(*files)) == []


@pytest.mark.parametrize("record", [insert(KEYS, NEW), modify(KEYS, NEW, OLD), remove(KEYS, OLD)])
@pytest.mark.parametrize("schema", [SCHEMA, IN_SECONDS])
def test_a_kept_item_that_is_gone_fails_where_a_newer_change_of_its_second_may_be_in_pinot(record, schema):
    assert failures(failed(record), reading(None), keeping(schema)) == [("items", "order_unknown")]


def test_a_kept_item_that_is_gone_gets_the_lost_changes_own_row_where_its_version_orders_it():
    versions = keeping(*BY_VERSION)
    for record, deleted in ((insert(KEYS, NEW), False), (modify(KEYS, NEW, OLD), False), (remove(KEYS, OLD), True)):
        ((_, _, row),) = rows(failed(record), reading(None), versions)
        assert (row["v"], row["deleted"]) == (decode_change(record).version, deleted)


def test_a_kept_item_that_is_gone_gets_the_lost_changes_own_row_at_a_time_of_the_kinesis_form():
    each = failed(in_kinesis_form(modify(KEYS, NEW, OLD), 123))
    assert rows(each, reading(None), keeping()) == [
        ("items", "1:a", {"id": "a", "name": "new", "deleted": False, "changed": SECOND * 1000 + 123})
    ]
    assert failures(each, reading(None), keeping(IN_SECONDS)) == [("items", "order_unknown")]


def test_a_kept_item_that_is_there_gets_its_row():
    ((_, _, row),) = rows(failed(remove(KEYS, OLD)), reading(NEW), keeping())
    assert (row["name"], row["deleted"], row["changed"]) == ("new", False, NOW * 1000 - 1)


def test_a_kept_row_is_not_deleted_when_its_key_exists_again_as_an_item_that_is_no_row():
    when = {"when": {"name": {"in": ["old", "new"]}}}
    each, other = failed(modify(KEYS, NEW, OLD)), reading({"name": {"S": "other"}})
    assert failures(each, other, keeping(**when)) == [("items", "order_unknown")]
    ((_, _, row),) = rows(each, other, keeping(*BY_VERSION, **when))
    assert (row["name"], row["deleted"], row["v"]) == ("new", False, each.change.version)


def test_a_change_that_never_had_a_row_needs_none_whatever_became_of_the_item():
    each = failed(insert(KEYS, {"name": {"S": "other"}}))
    assert rows(each, reading(None), keeping(when={"name": "new"})) == []


# The second of the read, and the comparison column's unit.


@pytest.mark.parametrize(
    ("schema", "milliseconds", "earliest"),
    [(SCHEMA, 0, 1), (SCHEMA, 998, 1), (SCHEMA, 999, 2), (IN_SECONDS, 0, 2), (IN_SECONDS, 999, 2)],
)
def test_the_read_begins_late_enough_for_its_row_to_compare_greater(schema, milliseconds, earliest):
    each = failed(in_kinesis_form(modify(KEYS, NEW, OLD), milliseconds))
    read = reading(NEW)
    rows(each, read, table(schema))
    assert [second for _, _, second in read.reads] == [SECOND + earliest]


def test_the_row_of_a_coarse_comparison_column_lies_before_the_unit_of_the_read():
    minutes = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|MINUTES")
    ((_, _, row),) = rows(failed(insert(KEYS, {})), reading(NEW), table(minutes))
    assert row["changed"] == NOW // 60 - 1


def test_a_change_that_fails_for_several_tables_says_so_of_each():
    others = keeping(config=with_setting(CONFIG, "tableName", "others"), source={"columns": {"price": "cost"}})
    each = failed(insert(KEYS, {}))
    spoilt = {"price": {"S": "cheap"}, "cost": {"N": "1" * 400}}
    with pytest.raises(RedriveError) as caught:
        rows(each, reading(spoilt), table(), others)
    assert [failure.table for failure in caught.value.failures] == ["items", "others"]


def test_an_item_that_left_the_filter_becomes_a_tombstone():
    filtered = table(source={"when": {"name": "in"}})
    each = failed(modify(KEYS, {"name": {"S": "out"}}, {"name": {"S": "in"}}))
    ((_, key, row),) = rows(each, reading({"name": {"S": "out"}}), filtered)
    assert (key, row["deleted"], row["changed"]) == ("1:a", True, NOW * 1000 - 1)


# A Pinot primary key that is not made of DynamoDB's key.

MOVABLE = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))


def test_the_row_under_the_former_primary_key_is_deleted_at_the_changes_own_time():
    """Another item may have either primary key by now, and keeps its row if it took the key later."""
    each = failed(modify(KEYS, {"name": {"S": "failed"}}, {"name": {"S": "old"}}))
    assert rows(each, reading({"name": {"S": "now"}}), MOVABLE) == [
        ("items", "3:old", {"id": "a", "name": "old", "deleted": True, "changed": SECOND * 1000}),
        ("items", "3:now", {"id": "a", "name": "now", "deleted": False, "changed": SECOND * 1000}),
    ]


CITIES = table(with_setting(SCHEMA, "primaryKeyColumns", ["id", "name"]))


@pytest.mark.parametrize("target", [MOVABLE, CITIES], ids=["name", "id and name"])
def test_the_row_under_the_former_primary_key_is_deleted_even_if_the_item_cannot_be_a_row(target):
    each = failed(modify(KEYS, {"name": {"S": "failed"}}, {"name": {"S": "old"}}))
    made = []
    with pytest.raises(RedriveError, match="type_mismatch"):
        made.extend(current_rows(each, [target], reading({"name": {"S": "now"}, "price": {"S": "cheap"}})))
    assert [(json.loads(row.data)["name"], row.is_delete) for _, row in made] == [("old", True)]


def test_the_row_under_the_present_primary_key_stays_if_the_item_cannot_be_a_row():
    each = failed(modify(KEYS, {"name": {"S": "old"}, "price": {"S": "cheap"}}, {"name": {"S": "old"}}))
    now = {"name": {"S": "old"}, "price": {"S": "cheap"}}
    assert failures(each, reading(now), MOVABLE) == [("items", "type_mismatch")]


def test_a_primary_key_with_dynamodbs_whole_key_is_no_other_items_and_gets_the_time_of_the_read():
    each = failed(modify(KEYS, {"name": {"S": "failed"}}, {"name": {"S": "old"}}))
    assert [(row["name"], row["changed"]) for _, _, row in rows(each, reading({"name": {"S": "now"}}), CITIES)] == [
        ("old", NOW * 1000 - 1),
        ("now", NOW * 1000 - 1),
    ]


def test_a_shared_row_of_another_item_that_changed_later_stays():
    """Two items share a row. The one that changed last is shown, and a redrive of the other does not replace it."""
    replica = Replica(read_upsert_table(SCHEMA, CONFIG))
    first, second = ({"id": {"S": "a"}, "sk": {"S": sort}} for sort in "12")
    for row in table().rows(decode_change(insert(second, NEW, second=SECOND + 1))):
        replica.ingest(0, row.data)
    made = current_rows(failed(insert(first, OLD)), [table()], lambda *_: ItemSnapshot({**first, **OLD}, NOW))
    for _, row in made:
        replica.ingest(0, row.data)
    assert [row["name"] for row in replica.live()] == ["new"]


def test_the_row_of_a_primary_key_that_the_item_has_again_is_not_deleted():
    each = failed(modify(KEYS, {"name": {"S": "failed"}}, {"name": {"S": "old"}}))
    assert [key for _, key, _ in rows(each, reading({"name": {"S": "old"}}), MOVABLE)] == ["3:old"]


def test_a_failed_delete_deletes_its_row():
    each = failed(remove(KEYS, {"name": {"S": "old"}}))
    assert [(key, row["deleted"]) for _, key, row in rows(each, reading(None), MOVABLE)] == [("3:old", True)]


def test_a_failed_insert_of_a_deleted_item_needs_no_row():
    assert rows(failed(insert(KEYS, {"name": {"S": "x"}})), reading(None), MOVABLE) == []


def test_a_failed_delete_without_an_old_image_cannot_be_redriven():
    with pytest.raises(RedriveError, match="no_image"):
        rows(failed(remove(KEYS)), reading(None), MOVABLE)


# A primary key that leaves out a part of DynamoDB's key: several items may share it.

BOTH = {"id": {"S": "u1"}, "sk": {"S": "order"}}
USERS = table(source={"when": {"name": "user"}})


def test_an_item_that_was_never_a_row_deletes_no_other_items_row():
    for record in (
        modify(BOTH, {"name": {"S": "order"}}, {"name": {"S": "order"}}),
        remove(BOTH, {"name": {"S": "order"}}),
    ):
        assert rows(failed(record), reading(None), USERS) == []
        assert rows(failed(record), reading({"name": {"S": "order"}}), USERS) == []


def test_a_deleted_item_deletes_its_shared_row_at_the_changes_own_time():
    each = failed(remove(BOTH, {"name": {"S": "user"}}))
    assert [(key, row["changed"]) for _, key, row in rows(each, reading(None), USERS)] == [("2:u1", SECOND * 1000)]


def test_a_table_that_cannot_take_the_item_does_not_keep_it_from_another():
    others = table(config=with_setting(CONFIG, "tableName", "others"), source={"columns": {"price": "cost"}})
    made = current_rows(failed(insert(KEYS, {})), [table(), others], reading({"price": {"S": "cheap"}}))
    assert next(made)[0].name == "others"
    with pytest.raises(RedriveError) as caught:
        next(made)
    assert caught.value.failures == (("items", "type_mismatch"),)


def test_a_malformed_key_is_reported_before_anything_is_read():
    def read(_, __):
        raise AssertionError("read")

    with pytest.raises(RedriveError, match="malformed"):
        rows(failed(insert({"id": {"S": "a", "N": "1"}}, {})), read)


def test_the_items_own_attribute_as_comparison_column_does_not_order_its_changes():
    own = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["price"])
    by_price = keeping(SCHEMA, own, {"columns": {"changed": "$timestamp"}})
    each = failed(modify(KEYS, {"price": {"N": "2"}}, {"price": {"N": "1"}}))
    assert failures(each, reading(None), by_price) == [("items", "order_unknown")]
    assert [row["price"] for _, _, row in rows(each, reading({"price": {"N": "3"}}), by_price)] == [3.0]
