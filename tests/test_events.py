"""The sample events, and the golden rows beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from decoder.attribute import TAGS
from dynapinot.explain import explain, read_event
from handlers.catalog import load_tables
from handlers.settings import SHIPPED_TABLES

ROOT = Path(__file__).parent.parent
EVENTS = sorted((ROOT / "events").glob("*.json"))
GOLDEN = ROOT / "tests" / "golden"


def lines(event, tables):
    return list(explain(read_event(event), load_tables(tables)[0]))


def golden(name):
    return (GOLDEN / f"{name}.jsonl").read_text().splitlines()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stem)
def test_each_event_gives_its_golden_rows(event):
    assert lines(event, SHIPPED_TABLES) == golden(event.stem)


def test_there_is_an_event_for_every_kind_of_change():
    assert [event.stem for event in EVENTS] == [
        "all-types",
        "batch-100",
        "insert",
        "modify",
        "remove",
        "ttl-remove",
        "undecodable",
    ]


def test_the_events_are_what_a_stream_sends():
    for event in EVENTS:
        for record in json.loads(event.read_text())["Records"]:
            assert set(record) - {"userIdentity"} == {
                *("awsRegion", "dynamodb", "eventID", "eventName", "eventSource", "eventSourceARN", "eventVersion"),
            }


def test_the_batch_mixes_a_hundred_changes():
    records = read_event(ROOT / "events" / "batch-100.json")
    assert len(records) == 100
    assert {record["eventName"] for record in records} == {"INSERT", "MODIFY", "REMOVE"}
    assert any("userIdentity" in record for record in records)


def test_one_event_has_every_attribute_type():
    (record,) = read_event(ROOT / "events" / "all-types.json")
    assert {tag for attribute in record["dynamodb"]["NewImage"].values() for tag in attribute} == set(TAGS)


@pytest.mark.parametrize("tables", ["seed", "every_type"])
@pytest.mark.parametrize("name", ["insert", "modify", "remove", "all-types"])
def test_other_tables_give_their_golden_rows_too(tables, name):
    event = ROOT / "events" / f"{name}.json"
    assert lines(event, ROOT / "tests" / "tables" / tables) == golden(f"{tables}.{name}")


@pytest.mark.parametrize("name", ["insert", "modify", "remove"])
def test_the_seeds_own_records_give_rows_of_the_seeds_own_table(name):
    record = json.loads((ROOT / "tests" / "seed" / f"record-{name}.json").read_text())
    got = list(explain([record], load_tables(ROOT / "tests" / "tables" / "seed")[0]))
    assert got == golden(f"seed.record-{name}")
