"""Queries show a DynamoDB table at every stage: changes become rows on shards, and Pinot's own code upserts them."""

from __future__ import annotations

from copy import deepcopy
from itertools import permutations

import pytest

from changes import SECOND, TTL_IDENTITY, insert, modify, remove
from decoder.change import decode_change
from engines.feed import COMPLETE, INDEXED, MAX_RECORD_BYTES, consume, read_folder, rows_of, shard_of
from engines.pinot_engine import ROOT
from engines.roundtrip import schema_with
from files import SCHEMA, table, with_setting
from handlers.planner import plan
from redrive.current_rows import ItemSnapshot, current_rows
from redrive.failed_change import FailedChange

pytestmark = pytest.mark.engines

KEY = {"id": {"S": "a"}}
TABLE = table(SCHEMA, COMPLETE)
PARTIAL = with_setting(COMPLETE, "upsertConfig.mode", "PARTIAL")

ONE = {"name": {"S": "one"}, "price": {"N": "1"}}
TWO = {"name": {"S": "two"}, "price": {"N": "2"}}
NO_PRICE = {"name": {"S": "two"}}
AT = {"second": SECOND}
LATER = {"second": SECOND + 1}


def shown(consumer):
    """The live items: key -> name and price."""
    return {row["id"]: (row["name"], row["price"]) for row in consumer.live()}


def after(pinot, *records, config=COMPLETE, of=TABLE):
    """The shown items after these changes. They must be the same after a commit and a restart of the server."""
    with pinot.table(SCHEMA, config) as consumer:
        consume(consumer, rows_of(of, *records))
        live = shown(consumer)
        consumer.commit()
        assert shown(consumer) == live
        consumer.restart()
        assert shown(consumer) == live
        return live


# --- one item ---------------------------------------------------------------------------------------------------

MADE = insert(KEY, ONE, **AT)
GONE = remove(KEY, ONE, **LATER)
LIVES = {
    "made": ([MADE], ("one", 1.0)),
    "changed": ([MADE, modify(KEY, TWO, ONE, **LATER)], ("two", 2.0)),
    "lost an attribute": ([MADE, modify(KEY, NO_PRICE, ONE, **LATER)], ("two", None)),
    "deleted": ([MADE, GONE], None),
    "made again": ([MADE, GONE, insert(KEY, NO_PRICE, second=SECOND + 2)], ("two", None)),
    "expired": ([MADE, remove(KEY, ONE, **LATER, userIdentity=TTL_IDENTITY)], None),
}


@pytest.mark.parametrize("in_one_second", [False, True])
@pytest.mark.parametrize("life", LIVES)
def test_pinot_shows_the_current_item(pinot, life, in_one_second):
    records, expected = deepcopy(LIVES[life])
    for record in records if in_one_second else ():
        record["dynamodb"]["ApproximateCreationDateTime"] = SECOND
    assert after(pinot, *records) == ({} if expected is None else {"a": expected})


def test_items_that_time_to_live_deletes_stay_if_the_table_keeps_them(pinot):
    keeping = table(SCHEMA, COMPLETE, {"ttl_deletes": "keep"})
    gone = remove(KEY, ONE, **LATER, userIdentity=TTL_IDENTITY)
    assert after(pinot, insert(KEY, ONE, **AT), gone, of=keeping) == {"a": ("one", 1.0)}


def test_the_history_has_every_version_and_the_deletes_last_values(pinot):
    with pinot.table(SCHEMA, COMPLETE) as consumer:
        consume(
            consumer, rows_of(TABLE, insert(KEY, ONE, **AT), modify(KEY, TWO, ONE, **AT), remove(KEY, TWO, **LATER))
        )
        history = [(row["name"], row["price"], row["deleted"], row["changed"]) for row in consumer.history()]
        assert history == [
            ("one", 1.0, False, SECOND * 1000),
            ("two", 2.0, False, SECOND * 1000),
            ("two", 2.0, True, SECOND * 1000 + 1000),
        ]
        assert consumer.live() == []


# --- order ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data_type", "text"), [("LONG", "EPOCH|SECONDS"), ("INT", "EPOCH|SECONDS"), ("TIMESTAMP", "TIMESTAMP")]
)
def test_a_comparison_column_of_any_type_orders_changes(pinot, data_type, text):
    spec = {"name": "v", "dataType": data_type, "format": text, "granularity": "1:SECONDS"}
    config = with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["v"])
    ordered = table(schema_with(spec), config, {"columns": {"v": "$timestamp", "changed": "$timestamp"}})
    rows = rows_of(ordered, insert(KEY, ONE, **AT), modify(KEY, TWO, ONE, **LATER))
    for order in (rows, rows[::-1]):
        with pinot.table(schema_with(spec), config) as consumer:
            consume(consumer, order)
            assert shown(consumer) == {"a": ("two", 2.0)}


def test_of_two_changes_of_one_second_pinot_shows_the_one_it_read_last(pinot):
    rows = rows_of(TABLE, insert(KEY, ONE, **AT), modify(KEY, TWO, ONE, **AT))
    for order, expected in ((rows, "two"), (rows[::-1], "one")):  # why the stream must end in the newest change
        with pinot.table(SCHEMA, COMPLETE) as consumer:
            consume(consumer, order)
            assert consumer.live()[0]["name"] == expected


def test_with_versions_the_order_on_the_stream_does_not_matter(pinot):
    schema = schema_with({"name": "version", "dataType": "STRING"})
    config = with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["version"])
    versioned = table(schema, config, {"columns": {"version": "$version", "changed": "$timestamp"}})
    numbers = (9, 10, 10**21)  # as text 9 is the greatest
    changes = [
        insert(KEY, ONE, sequence=numbers[0]),
        remove(KEY, ONE, sequence=numbers[1]),
        insert(KEY, TWO, sequence=numbers[2]),
    ]
    for records, expected in ((changes, {"a": ("two", 2.0)}), (changes[:2], {})):
        for order in permutations(rows_of(versioned, *records)):
            with pinot.table(schema, config) as consumer:
                consume(consumer, [*order, order[0]])
                assert shown(consumer) == expected


def test_a_retried_batch_changes_nothing(pinot):
    keys = [{"id": {"S": name}} for name in "abc"]
    records = [insert(key, ONE, **AT) for key in keys]
    records += [modify(keys[0], TWO, ONE, **AT), remove(keys[1], ONE, **AT), modify(keys[2], NO_PRICE, ONE, **LATER)]
    rows = rows_of(TABLE, *records)
    expected = {"a": ("two", 2.0), "c": ("two", None)}
    for first in range(len(rows) + 1):  # all of it, or from a checkpoint
        with pinot.table(SCHEMA, COMPLETE) as consumer:
            consume(consumer, [*rows, *rows[first:]])
            assert shown(consumer) == expected
            assert len(consumer.history()) == 2 * len(rows) - first


def test_a_restarted_server_continues_and_shows_the_same(pinot):
    rows = rows_of(TABLE, insert(KEY, ONE, **AT), modify(KEY, TWO, ONE, **AT), remove(KEY, TWO, **AT))
    for committed in range(len(rows) + 1):
        with pinot.table(SCHEMA, COMPLETE) as consumer:
            consume(consumer, rows[:committed])
            consumer.commit()
            consume(consumer, rows[committed:])
            consumer.restart()
            consume(consumer, rows[committed:])
            assert shown(consumer) == {}
            consume(consumer, rows_of(TABLE, insert(KEY, ONE, **AT)))
            assert shown(consumer) == {"a": ("one", 1.0)}


# --- shards -----------------------------------------------------------------------------------------------------


def test_with_two_shards_each_key_is_on_one_shard(pinot):
    keys = [{"id": {"S": f"item {number}"}} for number in range(40)]
    rows = rows_of(TABLE, *(change for key in keys for change in (insert(key, ONE, **AT), modify(key, TWO, ONE, **AT))))
    assert {shard_of(row.key, 2) for row in rows} == {0, 1}
    with pinot.table(SCHEMA, COMPLETE, partitions=2) as consumer:
        consume(consumer, rows)
        assert shown(consumer) == {key["id"]["S"]: ("two", 2.0) for key in keys}
        places = {row["id"]: set() for row in consumer.live()}
        for place, row in consumer.placed(history=True):
            places[row["id"]].add(place)
        assert all(len(each) == 1 for each in places.values())


def test_a_key_in_two_shards_is_two_rows_and_a_delete_reaches_one(pinot):
    made, changed, gone = rows_of(
        TABLE, insert(KEY, ONE, **AT), modify(KEY, TWO, ONE, **LATER), remove(KEY, TWO, **LATER)
    )
    with pinot.table(SCHEMA, COMPLETE, partitions=2) as consumer:
        consumer.ingest([made.data], 0)
        consumer.ingest([changed.data], 1)  # after a split, for example
        assert [row["name"] for row in consumer.live()] == ["one", "two"]
        consumer.ingest([gone.data], 1)
        assert [row["name"] for row in consumer.live()] == ["one"]


# --- PARTIAL ----------------------------------------------------------------------------------------------------


def test_partial_upsert_keeps_a_removed_attribute(pinot):
    changes = insert(KEY, ONE, **AT), modify(KEY, NO_PRICE, ONE, **LATER)
    partial = table(SCHEMA, PARTIAL)
    assert after(pinot, *changes, config=PARTIAL, of=partial) == {"a": ("two", 1.0)}
    assert after(pinot, *changes) == {"a": ("two", None)}


def test_partial_upsert_starts_from_nothing_after_a_delete(pinot):
    changes = insert(KEY, ONE, **AT), remove(KEY, ONE, **AT), insert(KEY, NO_PRICE, **AT)
    assert after(pinot, *changes, config=PARTIAL, of=table(SCHEMA, PARTIAL)) == {"a": ("two", None)}


SEED = ROOT / "tests" / "tables" / "seed" / "pinot_dynamo_ingestion"
MEETUP = {"meetup_id": {"S": "m"}, "mtime": {"N": "1719080907442"}}
PLACE = {"group_lat": {"N": "24.506611"}, "group_lon": {"N": "84.687237"}, "venue_name": {"S": "Venue 4"}}


def test_the_recipes_own_table_works_except_for_the_effects_of_partial_upsert(pinot):
    schema, config, made = read_folder(SEED)
    with pinot.table(schema, config) as consumer:
        consume(consumer, rows_of(made, insert(MEETUP, PLACE, **AT)))
        ((row),) = consumer.live()
        assert (row["eventName"], row["is_delete"], row["location"][:1]) == ("INSERT", False, b"\x80")
        consume(consumer, rows_of(made, modify(MEETUP, {"venue_name": {"S": "Venue 5"}}, PLACE, **LATER)))
        ((row),) = consumer.live()
        assert (row["venue_name"], row["group_lat"], row["location"][:1]) == ("Venue 5", 24.506611, b"\x80")
        consume(consumer, rows_of(made, remove(MEETUP, PLACE, second=SECOND + 2)))
        assert consumer.live() == []
        assert [row["is_delete"] for row in consumer.history()] == [False, False, True]


def test_in_the_recipes_own_table_two_items_share_a_row_and_the_delete_of_one_hides_the_other(pinot):
    schema, config, made = read_folder(SEED)
    other = {**MEETUP, "mtime": {"N": "1719080907443"}}
    with pinot.table(schema, config) as consumer:
        consume(consumer, rows_of(made, insert(MEETUP, PLACE, **AT), insert(other, PLACE, **LATER)))
        assert [row["mtime"] for row in consumer.live()] == [1719080907443]
        consume(consumer, rows_of(made, remove(MEETUP, PLACE, second=SECOND + 2)))
        assert consumer.live() == []


# --- dead letters -----------------------------------------------------------------------------------------------

MISFIT = {"name": {"S": "odd"}, "price": {"S": "cheap"}}


def redriven(record, image, began):
    """The rows of a redrive of a dead letter, if the item is read as ``image``."""
    failed = FailedChange(reason="type_mismatch", table=None, change=decode_change(record))
    whole = None if image is None else {**KEY, **image}
    return [row for _, row in current_rows(failed, [TABLE], lambda change, earliest: ItemSnapshot(whole, began))]


def dead_letters_and_rows(*records):
    batch = plan(records, [TABLE], max_record_bytes=MAX_RECORD_BYTES)
    return [dead_letter.record for dead_letter in batch.dead_letters], batch.rows[TABLE.target]


def test_a_dead_letter_leaves_the_row_unchanged_until_it_is_redriven(pinot):
    (dead_letter,), rows = dead_letters_and_rows(insert(KEY, ONE, **AT), modify(KEY, MISFIT, ONE, **LATER))
    with pinot.table(SCHEMA, COMPLETE) as consumer:
        consume(consumer, rows)
        assert shown(consumer) == {"a": ("one", 1.0)}
        consume(consumer, redriven(dead_letter, TWO, SECOND + 60))
        assert shown(consumer) == {"a": ("two", 2.0)}


def test_redriving_a_deleted_item_deletes_its_row(pinot):
    (dead_letter,), rows = dead_letters_and_rows(insert(KEY, ONE, **AT), modify(KEY, MISFIT, ONE, **LATER))
    with pinot.table(SCHEMA, COMPLETE) as consumer:
        consume(consumer, [*rows, *redriven(dead_letter, None, SECOND + 60)])
        assert shown(consumer) == {}


@pytest.mark.parametrize("read_in", [2, 3, 60])
def test_a_redriven_row_never_wins_over_a_change_made_after_the_read_began(pinot, read_in):
    """In any order on the stream, the change of second 3 is part of the read item, or wins over it."""
    (dead_letter,), rows = dead_letters_and_rows(
        insert(KEY, ONE, **AT), modify(KEY, MISFIT, ONE, **LATER), modify(KEY, TWO, MISFIT, second=SECOND + 3)
    )
    repairs = redriven(dead_letter, TWO if read_in > 3 else ONE, SECOND + read_in)
    for order in ([*rows, *repairs], [*rows[:1], *repairs, *rows[1:]], [*repairs, *rows]):
        with pinot.table(SCHEMA, COMPLETE) as consumer:
            consume(consumer, order)
            assert shown(consumer) == {"a": ("two", 2.0)}


# --- forgotten deletes ------------------------------------------------------------------------------------------


def test_deleted_keys_ttl_counts_in_the_comparison_columns_unit_from_the_greatest_value_seen(pinot):
    config = with_setting(COMPLETE, "upsertConfig.deletedKeysTTL", 3_600_000)
    old, gone = rows_of(TABLE, insert(KEY, ONE, **AT), remove(KEY, ONE, **LATER))
    within, beyond = (
        rows_of(TABLE, insert({"id": {"S": "b"}}, ONE, second=SECOND + 1 + seconds)) for seconds in (3600, 3601)
    )
    for newer, expected in ((within, {"b"}), (beyond, {"a", "b"})):
        with pinot.table(SCHEMA, config) as consumer:
            consume(consumer, [old, gone, *newer])
            consumer.commit()  # the next consuming segment first forgets old keys
            assert consumer.ingest([old.data]) == [INDEXED]  # a replay
            assert shown(consumer).keys() == expected
