"""Records that are parsed on access equal those of the whole parsed event, whatever it contains."""

from __future__ import annotations

import json
from base64 import b64encode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changes import insert
from decoder.records import ParsedRecords, RawRecords
from strategies import encode, values


def written(records, *, ascii_only=False, separators=(",", ":")):
    return json.dumps({"Records": records}, ensure_ascii=ascii_only, separators=separators).encode()


def of(event):
    return RawRecords.of(event, json.loads)


changes = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1), values.map(encode), max_size=4
).map(lambda item: insert({"id": {"S": "a"}}, item))


@given(st.lists(changes, max_size=6), st.booleans(), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_the_records_of_an_event_are_its_changes(records, ascii_only, separators):
    made = of(written(records, ascii_only=ascii_only, separators=separators))
    assert len(made) == len(records)
    assert list(made) == made[:] == records
    for position, record in enumerate(records):
        assert json.loads(bytes(made.text(position))) == made[position] == record
    assert made[-1:] == records[-1:]


names = st.sampled_from(["a", "b", 'a"', "Records", "},{", '},{"a":', "\\", ""])
scalars = st.none() | st.booleans() | st.integers() | names | st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=1000)
@given(st.lists(documents, max_size=5))
def test_splitting_an_event_gives_the_records_that_parsing_it_gives(records):
    assert list(of(written(records))) == records


@pytest.mark.parametrize(
    "event",
    [
        *(
            b"",
            b"{}",
            b"[]",
            b'{"Records":{"a":1}}',
            b'{"records":[{"a":1}]}',
            b'{"Records":[{"a":1}',
        ),
        *(b'{"Records":[{"a":}]}', b'{"Records":[{"a":1},{"a":2}}]}', b'{"Records":[NaN]}', b"\xff"),
        *(b'{"Records":[{"a":1}],"more":1}', b'{"Records":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ],
)
def test_only_an_event_with_records_and_nothing_else_is_split(event):
    assert of(event) is None


def test_of_duplicate_records_fields_the_last_counts_as_in_any_parser():
    event = b'{"Records":[{"a":1}],"Records":[{"a":2}]}'
    assert list(of(event)) == json.loads(event)["Records"] == [{"a": 2}]


def test_accessing_an_invalid_record_raises_its_parsers_error():
    made = of(b'{"Records":[{"a":"\xff"}]}')
    with pytest.raises(UnicodeDecodeError):
        made.record(0)


def wrapped(text):
    return {"kinesis": {"sequenceNumber": "1", "data": b64encode(text).decode()}, "eventSource": "aws:kinesis"}


def test_a_text_that_is_not_utf_8_is_empty():
    assert of(b'{"Records":[{"a":"\xff"}]}').text(0) == b""
    assert ParsedRecords([wrapped(b'{"a":"\xff"}')]).text(0) == b""


def test_the_text_of_a_kinesis_record_is_the_change_that_it_wraps():
    change = orjson.dumps(insert({"id": {"S": "Köln"}}, {}))
    records = [wrapped(change), wrapped(b"{}")]
    for made in (ParsedRecords(records), of(written(records))):
        assert [made.text(0), made.text(1)] == [change, b"{}"]
        assert list(made) == records


@pytest.mark.parametrize(
    "record",
    [
        {"eventSource": "aws:kinesis"},
        {"kinesis": {"data": "not base64"}, "eventSource": "aws:kinesis"},
        {"eventSource": "\ud800"},
        {"number": 2**64},
    ],
)
def test_a_record_that_cannot_be_serialized_has_an_empty_text(record):
    assert ParsedRecords([record]).text(0) == b""


def test_records_are_a_sequence():
    for made in (ParsedRecords([1, 2, 3]), of(b'{"Records":[1,2,3]}')):
        assert [made[0], made[-1], made[1:], list(reversed(made)), 2 in made, len(made)] == [
            1,
            3,
            [2, 3],
            [3, 2, 1],
            True,
            3,
        ]
        with pytest.raises(IndexError):
            made[3]
