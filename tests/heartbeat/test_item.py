"""Heartbeat items belong to the heartbeat. They are always the same ones, and each run changes them."""

from __future__ import annotations

import pytest

from heartbeat.item import (
    HeartbeatError,
    KeyAttribute,
    SourceTable,
    check_templates,
    heartbeat_item,
    insert_change,
    with_put_time,
)

MS = 1_719_082_124_987


def source(**keys):
    return SourceTable(
        table="meetups",
        region="eu-west-1",
        keys=[KeyAttribute(name=name, type=each) for name, each in keys.items()],
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"id": "S"}, {"id": {"S": "dynapinot-heartbeat-7"}}),
        ({"id": "B"}, {"id": {"B": "ZHluYXBpbm90LWhlYXJ0YmVhdC03"}}),
        ({"id": "N"}, {"id": {"N": "107"}}),
        ({"id": "S", "mtime": "N"}, {"id": {"S": "dynapinot-heartbeat-7"}, "mtime": {"N": "100"}}),
        ({"id": "N", "kind": "S"}, {"id": {"N": "107"}, "kind": {"S": "dynapinot-heartbeat-7"}}),
    ],
)
def test_a_missing_key_attribute_is_the_items_name_or_a_number(keys, expected):
    assert heartbeat_item({}, source(**keys), 7, 100) == expected


def test_a_template_has_attributes_and_a_placeholder_for_the_items_name():
    template = {
        "PK": {"S": "MEETUP#{marker}"},
        "SK": {"S": "META"},
        "deep": {"M": {"list": {"L": [{"SS": ["{marker}", "x"]}, {"BOOL": True}, {"NULL": True}]}}},
    }
    assert heartbeat_item(template, source(PK="S", SK="S"), 0, 100) == {
        "PK": {"S": "MEETUP#dynapinot-heartbeat-0"},
        "SK": {"S": "META"},
        "deep": {"M": {"list": {"L": [{"SS": ["dynapinot-heartbeat-0", "x"]}, {"BOOL": True}, {"NULL": True}]}}},
    }
    assert template["PK"] == {"S": "MEETUP#{marker}"}


def test_every_put_is_a_change_because_its_time_differs():
    item = heartbeat_item({}, source(id="S"), 1, 100)
    assert with_put_time(item, MS) == {"id": {"S": "dynapinot-heartbeat-1"}, "heartbeat": {"N": str(MS)}}
    assert with_put_time(item, MS) != with_put_time(item, MS + 1)


def test_the_change_is_as_in_the_stream_with_whole_seconds():
    item = heartbeat_item({"name": {"S": "n"}}, source(id="S", mtime="N"), 1, 100)
    change = insert_change(item, source(id="S", mtime="N"), MS)
    assert (change.event_name, change.timestamp_ms, change.table, change.region) == (
        "INSERT",
        1_719_082_124_000,
        "meetups",
        "eu-west-1",
    )
    assert change.keys == {"id": {"S": "dynapinot-heartbeat-1"}, "mtime": {"N": "100"}}
    assert change.new_image == {**change.keys, "name": {"S": "n"}, "heartbeat": {"N": str(MS)}}


@pytest.mark.parametrize(
    ("keys", "template", "message"),
    [
        ({"heartbeat": "S"}, {}, "has heartbeat in its key"),
        ({"id": "S"}, {"heartbeat": {"N": "1"}}, "leave it out"),
        ({"id": "S", "mtime": "N"}, {"mtime": {"S": "1"}}, r'key attribute mtime: use \{"mtime": \{"N": "…"\}\}'),
        ({"id": "S"}, {"id": "text"}, "key attribute id"),
    ],
)
def test_a_template_that_contradicts_the_table_or_the_heartbeat_is_refused(keys, template, message):
    with pytest.raises(HeartbeatError, match=message):
        check_templates([{}, template], source(**keys))


def test_other_attributes_and_keys_of_the_right_type_are_accepted():
    check_templates([{"id": {"S": "a"}, "n": {"N": "1"}}], source(id="S", mtime="N"))
