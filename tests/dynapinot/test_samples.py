"""What files of samples may be, and what is said of the others."""

from __future__ import annotations

import gzip
import json

import pytest

import files
from changes import insert
from decoder.record import decode_record
from dynapinot.errors import CommandError
from dynapinot.samples import is_item, read_samples

NOW = 1_719_082_124_000
TABLES = (files.table(),)
A, B = {"id": {"S": "a"}, "name": {"S": "x"}}, {"id": {"S": "b"}}
RECORD = insert({"id": {"S": "a"}}, {})
BARE = {"eventName": "INSERT", "recordFormat": "application/json", "dynamodb": {}, "eventSource": "aws:dynamodb"}


@pytest.fixture
def read(tmp_path):
    def run(content, tables=TABLES, **options):
        file = tmp_path / "sample.json"
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_samples(file, tables, now_ms=NOW, **options)

    return run


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ({"Records": [RECORD, 1]}, [RECORD, 1]),
        ({"Records": []}, []),
        (RECORD, [RECORD]),
        ([RECORD, BARE], [RECORD, BARE]),
        ([], []),
        ([{"Records": [RECORD]}, {"Records": [RECORD]}], [RECORD, RECORD]),
    ],
)
def test_events_and_records_are_taken_as_they_are(read, content, records):
    assert read(content) == records


@pytest.mark.parametrize(
    ("content", "items"),
    [
        (A, [A]),
        ([A, B], [A, B]),
        ({"Item": A}, [A]),
        ({"Item": {"S": "an attribute of that name"}}, [{"Item": {"S": "an attribute of that name"}}]),
        ({"Items": [A, B], "Count": 2}, [A, B]),
        (b"\n".join(json.dumps({"Item": each}).encode() for each in (A, B)), [A, B]),
        (gzip.compress(json.dumps(A).encode(), mtime=0), [A]),
    ],
)
def test_plain_items_are_inserts_of_now(read, content, items):
    records = read(content)
    assert all(map(is_item, records))
    changes = [decode_record(record) for record in records]
    assert [change.new_image for change in changes] == items
    assert {(change.event_name, change.timestamp_ms, change.table) for change in changes} == {("INSERT", NOW, None)}


def test_a_change_record_is_no_item(read):
    assert not is_item(read(RECORD)[0])


def test_an_items_key_is_what_the_tables_take_for_it(read):
    assert read(A)[0]["dynamodb"]["Keys"] == {"id": {"S": "a"}}
    assert read(A, tables=())[0]["dynamodb"]["Keys"] == A


def test_the_items_table_is_the_one_that_is_replicated_or_named(read):
    one, other = (files.table(source={"dynamodb_table": name}) for name in ("one", "other"))
    assert read(A, tables=(one,))[0]["tableName"] == "one"
    assert read(A, tables=(one, other), dynamodb_table="other")[0]["tableName"] == "other"
    with pytest.raises(CommandError, match="Plain items do not name their table: give --table, one of one, other"):
        read(A, tables=(other, one))
    assert read(RECORD, tables=(one, other)) == [RECORD]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1, column 1: it is not JSON"),
        (b"{", "line 1, column 2: it is not JSON"),
        (b"\xff", "not text in UTF-8"),
        (b"\x1f\x8bnonsense", "its gzip data cannot be read"),
        (gzip.compress(json.dumps(A).encode(), mtime=0)[:-9], "its gzip data cannot be read"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"Item": {"a": {"S": "b"}}}\n\n{"Item": \n', "line 3: it is not JSON, as the lines before are"),
        (b'{"Item": {"a": {"S": "b"}}}\n[1]\n', "line 2[0]: it is no JSON object"),
        (b"1 2", "line 1, column 3: it is not JSON"),
        (b"1" * 5000, "sample.json: "),
        ({}, "neither an event, with its list Records, nor an item"),
        ({"a": {"X": 1}}, "neither an event"),
        ({"a": {"S": "1", "N": "1"}}, "neither an event"),
        ({"a": 1}, "neither an event"),
        ({"Items": [1]}, r"sample.json: Items[0]: it is no JSON object"),
        ("text", "it is no JSON object"),
    ],
)
def test_an_unusable_sample_is_reported_with_its_file_and_place(read, content, message):
    with pytest.raises(CommandError) as caught:
        read(content)
    assert "sample.json" in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(CommandError, match="nix: it cannot be read: No such file or directory"):
        read_samples(tmp_path / "nix")
