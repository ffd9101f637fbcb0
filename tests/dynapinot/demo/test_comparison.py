"""Promises of the comparison of a DynamoDB table with what Pinot would show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dynapinot.demo.comparison import differences, expected
from dynapinot.local.replica import UpsertTable

TABLE = UpsertTable(
    name="t",
    columns={
        "meetup_id": "STRING",
        "mtime": "TIMESTAMP",
        "venue_name": "STRING",
        "rsvp_count": "INT",
        "group_lat": "DOUBLE",
        "location": "BYTES",
        "eventName": "STRING",
        "changed": "LONG",
        "is_delete": "BOOLEAN",
    },
    primary_key=("meetup_id", "mtime"),
    comparison="changed",
    delete="is_delete",
    computed={"location": "stPoint(group_lon,group_lat)"},
)
TIME = 1719124016204


def item(key="a", **attributes):
    made = {"meetup_id": key, "mtime": Decimal(TIME), "venue_name": "Venue 1", "rsvp_count": Decimal(7), **attributes}
    return {name: value for name, value in made.items() if value is not None}


def row(key="a", **columns):
    made = {
        "meetup_id": key,
        "mtime": TIME,
        "venue_name": "Venue 1",
        "rsvp_count": 7,
        "eventName": "INSERT",
        "changed": TIME,
        "is_delete": False,
        **columns,
    }
    return {name: value for name, value in made.items() if value is not None}


def test_equal_sides_have_no_difference_whatever_their_order():
    assert differences([item("a"), item("b")], [row("b"), row("a")], TABLE) == []
    assert differences([], [], TABLE) == []


def test_a_missing_row_is_named():
    assert differences([item("a"), item("b")], [row("a")], TABLE) == [
        f"b / {TIME}: DynamoDB has it, Pinot would not show it"
    ]


def test_a_row_too_many_is_named():
    assert differences([item("a")], [row("a"), row("b")], TABLE) == [
        f"b / {TIME}: Pinot would show it, DynamoDB does not have it"
    ]


def test_a_row_shown_twice_is_named():
    assert differences([item("a")], [row("a"), row("a")], TABLE) == [
        f"a / {TIME}: DynamoDB has it once, Pinot would show it 2 times"
    ]


def test_a_stale_row_is_named_with_every_value():
    stale = differences([item(venue_name="Updated Venue 2", rsvp_count=Decimal(8))], [row()], TABLE)
    assert stale == [
        f"a / {TIME}: venue_name is 'Updated Venue 2' in DynamoDB, Pinot would show 'Venue 1'",
        f"a / {TIME}: rsvp_count is 8 in DynamoDB, Pinot would show 7",
    ]


def test_another_sort_key_is_another_item():
    different = differences([item(mtime=Decimal(TIME + 1))], [row()], TABLE)
    assert different == [
        f"a / {TIME + 1}: DynamoDB has it, Pinot would not show it",
        f"a / {TIME}: Pinot would show it, DynamoDB does not have it",
    ]


def test_an_attribute_that_is_gone_must_be_gone_from_the_row():
    assert differences([item(venue_name=None)], [row()], TABLE) == [
        f"a / {TIME}: venue_name is None in DynamoDB, Pinot would show 'Venue 1'"
    ]
    assert differences([item()], [row(venue_name=None)], TABLE) == [
        f"a / {TIME}: venue_name is 'Venue 1' in DynamoDB, Pinot would show None"
    ]


def test_a_number_is_compared_exactly():
    latitude = Decimal("11.194998")
    assert differences([item(group_lat=latitude)], [row(group_lat=11.194998)], TABLE) == []
    assert len(differences([item(group_lat=latitude)], [row(group_lat=11.194998000000001)], TABLE)) == 1


def test_computed_columns_and_attributes_without_a_column_are_left_aside():
    assert differences([item(location=b"x", event_time="2024")], [row()], TABLE) == []


@pytest.mark.parametrize(
    ("data_type", "value", "needed"),
    [
        ("STRING", Decimal("1.50"), "1.50"),
        ("STRING", Decimal("1E+2"), "100"),
        ("STRING", True, "true"),
        ("BOOLEAN", True, True),
        ("BIG_DECIMAL", Decimal("0.1"), Decimal("0.1")),
        ("FLOAT", Decimal("0.1"), 0.10000000149011612),
        ("LONG", Decimal("7.0"), 7),
    ],
)
def test_a_column_must_hold_the_items_value(data_type, value, needed):
    assert expected(data_type, value) == needed
    assert type(expected(data_type, value)) is type(needed)


@pytest.mark.parametrize(
    ("data_type", "value"), [("LONG", Decimal("1.5")), ("LONG", "1"), ("BYTES", b"1"), ("JSON", {}), ("LONG", True)]
)
def test_a_pair_that_cannot_be_compared_is_an_error_and_no_guess(data_type, value):
    with pytest.raises(ValueError, match=r"cannot be compared|no whole number"):
        expected(data_type, value)
