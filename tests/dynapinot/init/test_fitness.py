"""The promise of a proposal: the function takes its files, and every item that was seen becomes a row that keeps it."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import strategies
from changes import insert, modify, remove
from decoder.attribute import decode
from decoder.change import decode_change
from dynapinot.init.columns import propose_columns
from pinot.errors import MisfitError
from print_counts import print_counts
from proposals import dynamodb_tables, encoded, exactly, is_document, key_of, load, natural, profile_of, scalar_of


def check_kept(column, value, row):
    """Check that a column of a row has an attribute's value, whole."""
    if value is None:
        assert column.name not in row
    elif column.choice.data_type == "JSON":
        text = row[column.name]
        if isinstance(value, str) and is_document(value):
            assert text == value
        else:
            assert exactly(text) == natural(value)
    elif column.choice.multi_value:
        members = sorted(value) if isinstance(value, frozenset) else value
        assert row[column.name] == [scalar_of(member, column.choice.data_type) for member in members]
    else:
        assert row[column.name] == scalar_of(value, column.choice.data_type)


def check_all_kept(columns, item, row):
    """Check that each attribute of an item stands in a row: in its column, or in that of the rest."""
    left_out = {each.attribute for each in columns.left_out}
    taken = {column.steps[0]: column for column in columns.columns if column.role in ("key", "attribute")}
    rest = {}
    for name, value in item.items():
        if name in taken:
            check_kept(taken[name], value, row)
        elif name not in left_out:
            rest[name] = value
    for column in columns.of("rest"):
        assert exactly(row.get(column.name, "{}")) == natural(rest)
    assert columns.of("rest") or not rest
    for column in columns.of("path"):
        value = item
        for step in column.steps:
            value = value.get(step) if isinstance(value, dict) else None
        check_kept(column, value, row)


def check(key, items, **options):
    """Check the promise: the files are taken, and every item becomes a row, and a tombstone, that keeps it."""
    profile = profile_of(*map(encoded, items))
    columns = propose_columns(profile, key, **options)
    table = load(columns)
    for item in items:
        image = encoded(item)
        keys = {attribute.name: image[attribute.name] for attribute in key}
        if any(each.get("S", "").count("\0") for each in keys.values()):
            with pytest.raises(MisfitError, match=r"U\+0000"):  # no column of a key holds it, as the proposal says
                list(table.rows(decode_change(insert(keys, image))))
            assert any("dead letters" in (column.choice.conflict or "") for column in columns.of("key"))
            continue
        (row,) = table.rows(decode_change(insert(keys, image)))
        check_all_kept(columns, item, json.loads(row.data))
        (row,) = table.rows(decode_change(modify(keys, image, image)))
        assert row.unmapped == ()
        (tombstone,) = table.rows(decode_change(remove(keys, image)))
        assert (tombstone.is_delete, tombstone.left_out, tombstone.key) == (True, (), row.key)
        assert table.is_keyed_by(keys)
        assert table.not_in_key(keys) == ()
    return columns


@pytest.mark.parametrize("paths", [False, True], ids=["plain", "with paths"])
@settings(max_examples=200)
@example(table=(key_of(("id", "S")), [{"id": "a", "n": Decimal(1)}, {"id": "b", "n": "x"}]))
@example(table=(key_of(("id", "S")), [{"id": "a", "m": {"a": {"b": "c"}}}, {"id": "b", "m": {"a": None}}]))
@example(table=(key_of(("id", "S")), [{"id": "a", "m": {"a": "b"}}, {"id": "b", "m": "text"}]))
@given(table=dynamodb_tables())
def test_every_item_that_was_seen_becomes_a_row_that_keeps_it(table, paths):
    key, items = table
    columns = check(key, items, paths=paths)
    for column in columns.columns:
        event(column.choice.label.partition("(")[0])


@settings(max_examples=100)
@given(table=dynamodb_tables(), max_columns=st.integers(0, 3), paths=st.booleans())
def test_the_rest_keeps_what_gets_no_column(table, max_columns, paths):
    key, items = table
    check(key, items, max_columns=max_columns, paths=paths)


@settings(max_examples=100)
@given(table=dynamodb_tables(), chosen=st.data())
def test_only_the_attributes_to_leave_out_are_left_out(table, chosen):
    key, items = table
    attributes = {name for item in items for name in item} - {attribute.name for attribute in key}
    leave_out = chosen.draw(st.lists(st.sampled_from(sorted(attributes)), unique=True)) if attributes else []
    columns = check(key, items, leave_out=leave_out)
    assert {each.attribute for each in columns.left_out} >= set(leave_out)


def test_the_random_tables_hold_all_that_there_is(capsys):
    """Not a promise of the proposal but of the test above: it does see every type of column and of conflict."""
    seen = {}

    @settings(max_examples=500, database=None, derandomize=True)
    @given(table=dynamodb_tables())
    def walk(table):
        key, items = table
        for column in propose_columns(profile_of(*map(encoded, items)), key).columns:
            if column.role == "attribute":
                label = column.choice.label.partition("(")[0]
                seen[label] = seen.get(label, 0) + 1
                seen["conflicts"] = seen.get("conflicts", 0) + bool(column.choice.conflict)

    walk()
    print_counts(capsys, "Attributes of random tables became", seen)
    single = {"BOOLEAN", "LONG", "DOUBLE", "BIG_DECIMAL", "STRING", "BYTES"}
    several = {f"multi-value {each}" for each in ("BOOLEAN", "LONG", "DOUBLE", "STRING")}
    assert seen.keys() >= single | several | {"JSON", "conflicts"}


def test_decoded_values_are_compared():
    """The test compares with Python values, so their encoding must say just them."""
    value = {"a": [Decimal(1), None, frozenset({b"x"})]}
    assert decode(strategies.encode(value)) == {"a": [Decimal(1), None, [b"x"]]}
