"""The sample events, and the golden rows beside them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from decoder.attribute import TAGS
from dynapinot.defaults import DEMO_TABLES
from dynapinot.explain.run import explain
from handlers.catalog import load_tables

ROOT = Path(__file__).parent.parent
EVENTS = sorted((ROOT / "events").glob("*.json"))
GOLDEN = ROOT / "tests" / "golden"
FOREIGN = "kinesis-foreign"


def records_of(event):
    return json.loads(event.read_text())["Records"]


def lines(event, tables):
    return list(explain(records_of(event), load_tables(tables)[0]))


def golden(name):
    return (GOLDEN / f"{name}.jsonl").read_text().splitlines()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stem)
def test_each_event_gives_its_golden_rows(event):
    assert lines(event, DEMO_TABLES) == golden(event.stem)


def test_there_is_an_event_for_every_kind_of_change():
    assert [event.stem for event in EVENTS] == [
        "all-types",
        "batch-100",
        "insert",
        "kinesis-foreign",
        "kinesis-insert",
        "kinesis-modify",
        "kinesis-remove",
        "modify",
        "remove",
        "ttl-remove",
        "undecodable",
    ]


OF_EVERY_SOURCE = {"awsRegion", "eventID", "eventName", "eventSource", "eventSourceARN", "eventVersion"}


def test_the_events_have_the_format_of_a_stream():
    for event in EVENTS:
        if not event.stem.startswith("kinesis-"):
            for record in records_of(event):
                assert set(record) - {"userIdentity"} == OF_EVERY_SOURCE | {"dynamodb"}


def test_the_kinesis_events_have_lambdas_format():
    for event in ROOT.glob("events/kinesis-*.json"):
        for record in records_of(event):
            inner = record["kinesis"]
            assert set(record) == OF_EVERY_SOURCE | {"invokeIdentityArn", "kinesis"}
            assert set(inner) == {
                *("approximateArrivalTimestamp", "data", "kinesisSchemaVersion", "partitionKey", "sequenceNumber"),
            }
            assert (record["eventSource"], record["eventName"]) == ("aws:kinesis", "aws:kinesis:record")
            assert record["eventID"] == f"shardId-000000000000:{inner['sequenceNumber']}"


def data_of(name):
    """Return the data of the records of a Kinesis event, as bytes."""
    return [base64.b64decode(each["kinesis"]["data"]) for each in records_of(ROOT / "events" / f"{name}.json")]


def test_the_kinesis_events_name_their_time_unit_or_omit_it_as_the_seeds_records_do():
    changes = {name: json.loads(data_of(f"kinesis-{name}")[0]) for name in ("insert", "modify", "remove")}
    assert {
        name: each["dynamodb"].pop("ApproximateCreationDateTimePrecision", None) for name, each in changes.items()
    } == {
        "insert": "MICROSECOND",
        "modify": None,
        "remove": "MILLISECOND",
    }
    for name in ("modify", "remove"):  # the seed's INSERT has keys that its table does not have
        assert changes[name] == json.loads((ROOT / "tests" / "seed" / f"record-{name}.json").read_text())


def test_foreign_records_become_dead_letters_and_a_duplicate_gives_the_same_row():
    first, again, text, aggregate, _ = data_of(FOREIGN)
    assert first == again
    assert text.decode().isprintable()
    assert aggregate.startswith(b"\xf3\x89\x9a\xc2")  # the magic number of the Kinesis Producer Library
    numbers = [int(each["kinesis"]["sequenceNumber"]) for each in records_of(ROOT / "events" / f"{FOREIGN}.json")]
    assert numbers == sorted(set(numbers))

    rows = [json.loads(line) for line in golden(FOREIGN)]
    assert [row.get("dead_letter", {}).get("path") for row in rows] == [
        None,
        None,
        "kinesis.data",
        "kinesis.data",
        None,
    ]
    assert [int(row["dead_letter"]["sequence_number"]) for row in rows[2:4]] == numbers[2:4]
    assert rows[0] == rows[1]
    assert rows[4]["partition_key"] == rows[0]["partition_key"]
    assert rows[4]["row"]["ApproximateCreationDateTime"] > rows[0]["row"]["ApproximateCreationDateTime"]


def test_the_batch_mixes_a_hundred_changes():
    records = records_of(ROOT / "events" / "batch-100.json")
    assert len(records) == 100
    assert {record["eventName"] for record in records} == {"INSERT", "MODIFY", "REMOVE"}
    assert any("userIdentity" in record for record in records)


def test_one_event_has_every_attribute_type():
    (record,) = records_of(ROOT / "events" / "all-types.json")
    assert {tag for attribute in record["dynamodb"]["NewImage"].values() for tag in attribute} == set(TAGS)


@pytest.mark.parametrize("tables", ["seed", "every_type"])
@pytest.mark.parametrize("name", ["insert", "modify", "remove", "all-types"])
def test_the_events_of_other_tables_give_their_golden_rows(tables, name):
    event = ROOT / "events" / f"{name}.json"
    assert lines(event, ROOT / "tests" / "tables" / tables) == golden(f"{tables}.{name}")


@pytest.mark.parametrize("name", ["insert", "modify", "remove"])
def test_the_seeds_own_records_give_rows_of_the_seeds_own_table(name):
    record = json.loads((ROOT / "tests" / "seed" / f"record-{name}.json").read_text())
    got = list(explain([record], load_tables(ROOT / "tests" / "tables" / "seed")[0]))
    assert got == golden(f"seed.record-{name}")
