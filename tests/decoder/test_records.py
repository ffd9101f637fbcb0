"""Records that are not parsed before they are asked for are those that the event has, whatever stands in it."""

from __future__ import annotations

import json
from base64 import b64encode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changes import insert
from decoder.records import ParsedRecords, UnparsedRecords
from strategies import encode, values


def written(records, *, ascii_only=False, separators=(",", ":")):
    return json.dumps({"Records": records}, ensure_ascii=ascii_only, separators=separators).encode()


def of(event):
    return UnparsedRecords.of(event, json.loads)


def walk(records):
    """Look at the records one after the other, as the function does."""
    position, seen = 0, []
    while position < records.size:
        seen.append(records.record(position))
        position += 1
    return seen


changes = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1), values.map(encode), max_size=4
).map(lambda item: insert({"id": {"S": "a"}}, item))


@given(st.lists(changes, min_size=1, max_size=6), st.booleans())
def test_changes_as_an_event_source_mapping_writes_them_are_cut_where_each_begins(records, ascii_only):
    made = of(written(records, ascii_only=ascii_only))
    assert made.size == len(made) == len(records)
    assert list(made) == made[:] == records
    for position, record in enumerate(records):
        assert json.loads(made.text(position)) == made[position] == record
    assert made[-1:] == records[-1:]


names = st.sampled_from(["a", "b", 'a"', "Records", "},{", '},{"a":', "\\", ""])
scalars = st.none() | st.booleans() | st.integers() | names | st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=2000)
@given(st.lists(st.dictionaries(names, documents, min_size=1, max_size=3) | documents, min_size=1, max_size=5))
def test_whatever_stands_in_an_event_its_records_are_those_that_a_parser_finds(records):
    made = of(written(records))
    if made is not None:
        assert walk(made) == records
        assert list(made) == records


@pytest.mark.parametrize(
    "event",
    [
        b'{"Records":[{"a":1},{"b":2},{"a":3}]}',
        b'{"Records":[{"a":[{"a":1},{"a":2}]},{"a":3}]}',
        b'{"Records":[{"a":1}, {"a":2} ,{"a":3}]}',
        b'{"Records":[{"a":1},{"a":2}],"more":[{"a":3}]}',
        b'{"Records":[{"a":1},{"a":"},{\\"a\\":"}]}',
        b'{"Records":[{"a":1},2,{"a":3}]}',
        b'{"Records":[{"a":1,"a":2},{"a":3}]}',
        b'{"Records":[{"":1},{"":3}]}',
        b'{"Records":[{"a\\"":1},{"a\\"":3}]}',
        b'{"Records":[{"a" :1},{"a" :3}]}',
    ],
)
def test_a_cut_in_the_wrong_place_is_made_good(event):
    assert walk(of(event)) == list(of(event)) == json.loads(event)["Records"]


@pytest.mark.parametrize("second", [b'[{"a":3},{"a":4}]', b'[],"x":[{}]', b'[{"a":3}],"x":[{}]'])
def test_an_event_that_has_its_records_twice_is_not_cut(second):
    assert of(b'{"Records":[{"a":1},{"a":2}],"Records":' + second + b"}") is None


@pytest.mark.parametrize(
    "second",
    [
        *(b'"Rec\\u006frds":[{"a":3},{"a":4}]', b'"Records" :[{"a":3},{"a":2}]', b'"Records" :[],"x":[{}]'),
        *(b'"Records":5,"x":[{}]', b'"Records":{},"x":[{}]', b'"Records" :[{"a":1}],"x":[{"a":1}]'),
    ],
)
def test_an_event_that_turns_out_to_have_its_records_twice_is_refused(second):
    made = of(b'{"Records":[{"a":1},{"a":2}],' + second + b"}")
    with pytest.raises(ValueError, match=r'^the event has "Records" twice$'):
        walk(made)


def test_what_was_looked_at_before_a_wrong_cut_stays_what_it_was():
    made = of(b'{"Records":[{"a":1},{"a":2,"b":[{"a":3},{"a":4}]},{"a":5}]}')
    assert made.size == 4
    assert [made.text(0), made.record(0)] == [b'{"a":1}', {"a": 1}]
    assert made.record(1) == {"a": 2, "b": [{"a": 3}, {"a": 4}]}
    assert made.size == 3
    assert json.loads(made.text(2)) == made.record(2) == {"a": 5}


@pytest.mark.parametrize(
    "event",
    [
        *(b"", b"{}", b"[]", b'{"Records":[]}', b'{"Records":[1]}', b'{"Records":[{}]}', b'{"Records":{"a":1}}'),
        *(b'{"Records": [{"a":1}]}', b'{"Records":[ {"a":1}]}', b'{"Records":[{"a":1}] }', b'{"records":[{"a":1}]}'),
        b'{"Records":[{"a":1}',
    ],
)
def test_an_event_that_is_not_written_as_lambda_writes_one_is_not_cut(event):
    assert of(event) is None


@pytest.mark.parametrize("event", [b'{"Records":[{"a":}]}', b'{"Records":[{"a":1},{"a":2}}]}'])
def test_an_event_that_is_no_json_is_what_its_parser_says(event):
    made = of(event)
    with pytest.raises(json.JSONDecodeError) as whole:
        json.loads(event)
    with pytest.raises(json.JSONDecodeError, match=f"^{whole.value.msg}"):
        walk(made)


def test_a_text_with_characters_by_their_numbers_is_written_anew():
    record = insert({"id": {"S": "Köln"}}, {"path": {"S": "C:\\users"}})
    made = of(written([record], ascii_only=True))
    assert made.text(0) == orjson.dumps(record)


def test_a_text_that_is_no_utf_8_is_none():
    made = of(b'{"Records":[{"a":"\xff"}]}')
    assert made.text(0) == b""
    assert ParsedRecords([wrapped(b'{"a":"\xff"}')]).text(0) == b""


def wrapped(text):
    return {"kinesis": {"sequenceNumber": "1", "data": b64encode(text).decode()}, "eventSource": "aws:kinesis"}


def test_a_change_that_kinesis_wraps_is_taken_out_of_it():
    change = orjson.dumps(insert({"id": {"S": "a"}}, {}))
    records = [wrapped(change), wrapped(b"{}")]
    for made in (ParsedRecords(records), of(written(records))):
        assert [made.text(0), made.text(1)] == [change, b"{}"]
        assert list(made) == records


@pytest.mark.parametrize(
    "record",
    [
        {"eventSource": "aws:kinesis"},
        {"kinesis": {"data": "no base64"}, "eventSource": "aws:kinesis"},
        {"eventSource": "\ud800"},
        {"number": 2**64},
    ],
)
def test_a_record_without_a_text_of_its_own_has_none(record):
    assert ParsedRecords([record]).text(0) == b""


def test_there_is_no_record_beyond_the_last():
    for made in (of(b'{"Records":[{"a":1}]}'), ParsedRecords([{"a": 1}])):
        with pytest.raises(IndexError):
            made.record(1)
        assert list(made) == [{"a": 1}]
        assert made.text(0) == b'{"a":1}'


def test_records_are_a_sequence():
    made = ParsedRecords([1, 2, 3])
    assert [made[0], made[-1], made[1:], list(reversed(made)), 2 in made, len(made)] == [
        1,
        3,
        [2, 3],
        [3, 2, 1],
        True,
        3,
    ]
