"""Markers are the canary's own items, always the same ones, and changed by each run."""

from __future__ import annotations

import pytest

from heartbeat.marker import HeartbeatError, KeyAttribute, Origin, change_of, check_templates, marker, stamped

MS = 1_719_082_124_987


def origin(**keys):
    return Origin(
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
def test_a_key_attribute_that_is_not_given_is_made_of_the_marker_s_name_or_a_number(keys, expected):
    assert marker({}, origin(**keys), 7, 100) == expected


def test_a_template_gives_attributes_and_says_where_the_marker_s_name_goes():
    template = {
        "PK": {"S": "MEETUP#{marker}"},
        "SK": {"S": "META"},
        "deep": {"M": {"list": {"L": [{"SS": ["{marker}", "x"]}, {"BOOL": True}, {"NULL": True}]}}},
    }
    assert marker(template, origin(PK="S", SK="S"), 0, 100) == {
        "PK": {"S": "MEETUP#dynapinot-heartbeat-0"},
        "SK": {"S": "META"},
        "deep": {"M": {"list": {"L": [{"SS": ["dynapinot-heartbeat-0", "x"]}, {"BOOL": True}, {"NULL": True}]}}},
    }
    assert template["PK"] == {"S": "MEETUP#{marker}"}


def test_every_put_is_a_change_as_only_the_time_of_it_differs():
    item = marker({}, origin(id="S"), 1, 100)
    assert stamped(item, MS) == {"id": {"S": "dynapinot-heartbeat-1"}, "heartbeat": {"N": str(MS)}}
    assert stamped(item, MS) != stamped(item, MS + 1)


def test_the_change_is_the_stream_s_with_whole_seconds():
    item = marker({"name": {"S": "n"}}, origin(id="S", mtime="N"), 1, 100)
    change = change_of(item, origin(id="S", mtime="N"), MS)
    assert (change.event_name, change.timestamp_ms, change.table, change.region) == (
        "INSERT",
        1_719_082_124_000,
        "meetups",
        "eu-west-1",
    )
    assert change.keys == {"id": {"S": "dynapinot-heartbeat-1"}, "mtime": {"N": "100"}}
    assert change.new_image == {**change.keys, "name": {"S": "n"}, "heartbeat": {"N": str(MS)}}


@pytest.mark.parametrize(
    ("keys", "template", "said"),
    [
        ({"heartbeat": "S"}, {}, "has heartbeat in its key"),
        ({"id": "S"}, {"heartbeat": {"N": "1"}}, "leave it out"),
        ({"id": "S", "mtime": "N"}, {"mtime": {"S": "1"}}, r'key attribute mtime: use \{"mtime": \{"N": "…"\}\}'),
        ({"id": "S"}, {"id": "text"}, "key attribute id"),
    ],
)
def test_a_template_that_contradicts_the_table_or_the_canary_is_refused(keys, template, said):
    with pytest.raises(HeartbeatError, match=said):
        check_templates([{}, template], origin(**keys))


def test_other_attributes_and_keys_of_the_right_type_are_taken():
    check_templates([{"id": {"S": "a"}, "n": {"N": "1"}}], origin(id="S", mtime="N"))
