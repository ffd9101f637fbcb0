"""Each shape has the properties that it claims, and its table takes all of it."""

from __future__ import annotations

import json

import pytest

from bench.decode import tables_of
from bench.product import decode
from bench.shapes import SEED_TABLE, SHAPES, SPARSE_COLUMNS, SPARSE_PRESENT, WIDE_ATTRIBUTES
from dynapinot.defaults import DEMO_TABLES
from handlers.planner import plan
from publisher.order import MAX_RECORD_BYTES

EVENT_BYTES = 6 * 1024 * 1024  # an event source mapping's maximum
CHANGE = {"eventName", "is_delete", "ApproximateCreationDateTime"}  # the columns that no attribute fills


def image(record):
    inner = record["dynamodb"]
    return inner.get("NewImage") or inner["OldImage"]


def sample(name, count=20):
    return SHAPES[name].records(count)


def rows(name, count=20):
    return [json.loads(entry.data) for entry in decode(sample(name, count), tables_of(SHAPES[name]))]


def types(name):
    """The DynamoDB types of an item's top-level attributes."""
    return {tag for record in sample(name) for value in image(record).values() for tag in value}


@pytest.mark.parametrize("name", SHAPES)
def test_every_change_becomes_one_row_and_every_attribute_is_used(name):
    made = plan(sample(name), tables_of(SHAPES[name]), max_record_bytes=MAX_RECORD_BYTES)
    assert made.dead_letters == []
    assert made.ignored == 0
    assert {stream.stream: len(entries) for stream, entries in made.rows.items()} == {SHAPES[name].stream: 20}
    assert not any(made.unmapped.values())


@pytest.mark.parametrize("name", SHAPES)
def test_a_batch_fits_an_event(name):
    shape = SHAPES[name]
    assert len(shape.event(shape.batch)) < EVENT_BYTES


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_number_always_gives_the_same_change(name):
    assert SHAPES[name].event(5) == SHAPES[name].event(5)
    assert SHAPES[name].records(3) == SHAPES[name].records(5)[:3]


@pytest.mark.parametrize("name", SHAPES)
def test_the_sequence_numbers_of_changes_increase(name):
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in sample(name)]
    assert numbers == sorted(set(numbers))


def test_the_seeds_record_has_the_seeds_attributes_and_its_shipped_table():
    (record,) = json.loads((DEMO_TABLES.parents[2] / "events" / "modify.json").read_text())["Records"]
    made = sample("seed")[0]
    assert {name: set(value) for name, value in image(made).items()} == {
        name: set(value) for name, value in image(record).items()
    }
    assert made["dynamodb"].keys() == record["dynamodb"].keys()
    assert made["eventName"] == record["eventName"]
    assert [table.name for table in tables_of(SHAPES["seed"])] == [SEED_TABLE]


def test_a_wide_item_has_eighty_attributes_of_all_types_and_a_column_for_each():
    assert {len(image(record)) for record in sample("wide")} == {WIDE_ATTRIBUTES} == {80}
    assert types("wide") == {"S", "N", "B", "BOOL", "SS", "NS", "L", "M"}
    for record, row in zip(sample("wide"), rows("wide"), strict=True):
        assert row.keys() == image(record).keys() | CHANGE


def test_a_nested_item_has_4_kb_and_becomes_json_columns_and_columns_by_paths():
    for record in sample("nested"):
        assert len(json.dumps(image(record), separators=(",", ":"))) == pytest.approx(4096, rel=0.1)
    (row,) = rows("nested", 1)
    lines, customer = json.loads(row["lines"]), json.loads(row["customer"])
    assert (row["first_sku"], row["first_price"]) == (lines[0]["sku"], lines[0]["price"])
    assert row["city"] == customer["address"]["city"]
    assert row["gross"] == json.loads(row["totals"])["gross"]


def test_a_sparse_item_fills_six_of_sixty_columns():
    (table,) = tables_of(SHAPES["sparse"])
    assert len([column for column in table.columns if column.name not in CHANGE]) == SPARSE_COLUMNS == 60
    assert {len(row.keys() - CHANGE) for row in rows("sparse")} == {SPARSE_PRESENT} == {6}
    assert len({frozenset(row) for row in rows("sparse")}) > 10, "items fill different columns"


def test_changes_of_a_hot_key_share_one_partition_key_and_the_seeds_have_different_ones():
    keys = {name: {entry.key for entry in decode(sample(name), tables_of(SHAPES[name]))} for name in ("hot", "seed")}
    assert {name: len(found) for name, found in keys.items()} == {"hot": 1, "seed": 20}
    assert len({json.dumps(row) for row in rows("hot")}) == 20, "the changes differ"


def test_changes_of_the_shape_deletes_are_removes_with_the_old_image():
    assert {record["eventName"] for record in sample("deletes")} == {"REMOVE"}
    assert all("NewImage" not in record["dynamodb"] for record in sample("deletes"))
    assert all(row["is_delete"] and row["meetup_name"] for row in rows("deletes"))
