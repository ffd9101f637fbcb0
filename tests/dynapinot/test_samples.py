"""What files of samples may be, and what is said of the others."""

from __future__ import annotations

import gzip
import json

import pytest

import files
from changes import insert, remove
from decoder.errors import ChangeError
from decoder.record import decode_record
from dynapinot.errors import CommandError
from dynapinot.samples import is_item, read_samples
from handlers.dead_letter import DeadLetter

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


def change_of(read, content, **options):
    (record,) = read(content, **options)
    return decode_record(record)


ONE = files.table(source={"dynamodb_table": "one"})
FETCHED = {name: value for name, value in RECORD.items() if name != "eventSourceARN"}


def fetched(**inner):
    """The answer of GetRecords, which names no table."""
    return {"Records": [{**FETCHED, "dynamodb": {**FETCHED["dynamodb"], **inner}}], "NextShardIterator": "x"}


@pytest.mark.parametrize("name", [None, "one", "items"])
def test_the_answer_of_get_records_is_of_the_table_that_is_replicated_or_named(read, name):
    assert change_of(read, fetched(), tables=(ONE,), dynamodb_table=name).table == "one"


def test_it_stays_without_a_table_where_several_are_replicated(read):
    other = files.table(source={"dynamodb_table": "other"})
    assert change_of(read, fetched(), tables=(ONE, other)).table is None
    assert change_of(read, fetched(), tables=(ONE, other), dynamodb_table="other").table == "other"


@pytest.mark.parametrize(
    "text",
    ["2024-06-22T18:48:44+00:00", "2024-06-22T20:48:44+02:00", "2024-06-22T18:48:44.000Z", "2024-06-22 18:48:44+00:00"],
)
def test_a_time_that_is_text_is_read_as_aws_cli_and_the_sdks_print_it(read, text):
    assert change_of(read, fetched(ApproximateCreationDateTime=text)).timestamp_ms == NOW


@pytest.mark.parametrize("text", ["yesterday", "2024-06-22T18:48:44", ""])
def test_other_text_is_left_to_the_decoder(read, text):
    content = fetched(ApproximateCreationDateTime=text)
    assert read(content, tables=()) == content["Records"]


def test_an_identity_in_the_apis_own_form_is_time_to_lives(read):
    record = remove({"id": {"S": "a"}}, {}, userIdentity={"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"})
    assert change_of(read, record).ttl_delete


@pytest.mark.parametrize("payload", [{"Records": [RECORD]}, json.dumps({"Records": [RECORD]})])
@pytest.mark.parametrize("kind", ["DDBStreamBatchInfo", "KinesisBatchInfo"])
def test_a_batch_that_lambda_gave_up_has_its_records(read, payload, kind):
    assert read({"requestContext": {}, kind: {}, "payload": payload}) == [RECORD]


def test_a_dead_letter_has_its_record(read):
    letter = DeadLetter(position=0, record=RECORD, error=ChangeError("fraction", "x"), table="items", change=None)
    assert read(letter.entry().data) == [RECORD]


MICROS = {"Metadata": {"WriteTimestampMicros": {"N": f"{NOW}999"}}, "Keys": {"id": {"S": "a"}}}


@pytest.mark.parametrize(
    ("images", "event_name"),
    [
        ({"NewImage": A}, "INSERT"),
        ({"OldImage": {**A, "name": {"S": "y"}}, "NewImage": A}, "MODIFY"),
        ({"OldImage": A}, "REMOVE"),
        ({}, "REMOVE"),
    ],
)
def test_a_line_of_an_incremental_export_is_a_change(read, images, event_name):
    change = change_of(read, {**MICROS, **images}, tables=(ONE,))
    assert (change.event_name, change.timestamp_ms, change.table) == (event_name, NOW, "one")
    assert (change.keys, change.new_image, change.old_image) == (
        *({"id": {"S": "a"}}, images.get("NewImage"), images.get("OldImage")),
    )


def test_several_lines_are_several_changes(read):
    text = b"\n".join(json.dumps({**MICROS, "NewImage": each}).encode() for each in (A, A))
    assert [decode_record(each).event_name for each in read(text)] == ["INSERT", "INSERT"]


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
        ({"payload": "{", "DDBStreamBatchInfo": {}}, "payload: it is no JSON object"),
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
