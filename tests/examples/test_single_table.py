"""The single-table example: one DynamoDB table becomes three Pinot tables."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from dynapinot.explain.run import explain
from examples.story import (
    ADA,
    AT_THE_END,
    BOB,
    EVENTS,
    FIRST,
    NAMES,
    ROOT,
    SECOND,
    TABLES,
    golden,
    live,
    load,
    records_of,
    replica,
)
from handlers.catalog import load_tables
from handlers.planner import plan
from pinot.table import Target

STREAMS = {"users": "app-users", "orders": "app-orders", "order_lines": "app-order-lines"}
MAX_RECORD_BYTES = 1024 * 1024


def planned(records):
    return plan(records, load(), max_record_bytes=MAX_RECORD_BYTES)


def whole_story():
    return [record for event in EVENTS for record in records_of(event)]


def test_each_folder_is_a_pinot_table_without_findings_and_with_its_own_stream():
    assert {table.name: (table.dynamodb_table, table.target) for table in load()} == {
        name: ("app", Target(stream, "us-east-1")) for name, stream in STREAMS.items()
    }


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stem)
def test_each_event_gives_its_golden_rows(event):
    assert list(explain(records_of(event), load())) == golden(event)


def test_each_event_has_golden_rows_and_each_golden_file_an_event():
    named = {path.name for path in (ROOT / "tests" / "golden").glob("single-table.*")}
    assert named == {f"single-table.{event.stem}.jsonl" for event in EVENTS}


def test_the_events_are_a_consistent_history_as_on_a_stream():
    items, numbers, seconds = {}, [], []
    for record in whole_story():
        assert record.keys() - {"userIdentity"} == {
            *("awsRegion", "dynamodb", "eventID", "eventName", "eventSource", "eventSourceARN", "eventVersion"),
        }
        change = record["dynamodb"]
        key = (change["Keys"]["PK"]["S"], change["Keys"]["SK"]["S"])
        old, new = change.get("OldImage"), change.get("NewImage")
        assert items.pop(key, None) == old, "an old image is the result of the change before"
        assert record["eventName"] == ("INSERT" if old is None else "REMOVE" if new is None else "MODIFY")
        assert old != new, "a stream has no change without an effect"
        if new is not None:
            assert {name: new[name] for name in ("PK", "SK")} == change["Keys"]
            items[key] = new
        numbers.append(int(change["SequenceNumber"]))
        seconds.append(change["ApproximateCreationDateTime"])
    assert numbers == sorted(set(numbers))
    assert seconds == sorted(seconds)
    assert items.keys() == {(ADA, "PROFILE"), (ADA, f"ORDER#{SECOND}")}, "the items of DynamoDB at the end"


def test_every_item_that_time_to_live_deletes_had_expired():
    expired = [record["dynamodb"] for record in whole_story() if "userIdentity" in record]
    assert len(expired) == 5
    for change in expired:
        assert int(change["OldImage"]["expires_at"]["N"]) < change["ApproximateCreationDateTime"]


def test_ignored_attributes_reach_no_row_and_no_other_attribute_is_unmapped():
    batch = planned(whole_story())
    rows = [json.loads(entry.data) for entries in batch.rows.values() for entry in entries]
    sent = json.dumps(rows)
    assert "argon2id" in json.dumps(whole_story())
    assert "argon2id" not in sent
    assert "GSI1" not in sent
    assert batch.unmapped == {}


def test_an_item_that_no_table_replicates_becomes_no_row_and_is_counted_once():
    session = [record for record in whole_story() if record["dynamodb"]["Keys"]["PK"]["S"].startswith("SESSION#")]
    assert [record["eventName"] for record in session] == ["INSERT", "REMOVE"]
    batch = planned(session)
    assert (dict(batch.rows), batch.dead_letters, batch.ignored) == ({}, [], 2)


def test_an_invalid_value_is_a_dead_letter_of_its_table_and_the_other_rows_of_the_transaction_are_sent():
    (event,) = (each for each in EVENTS if each.stem == "07-wrong-value")
    batch = planned(records_of(event))
    assert [
        (dead_letter.table, dead_letter.error.reason, dead_letter.error.path) for dead_letter in batch.dead_letters
    ] == [("orders", "type_mismatch", "total")]
    assert [(target.stream, len(entries)) for target, entries in batch.rows.items()] == [("app-order-lines", 1)]


def test_versions_distinguish_two_changes_of_an_order_in_one_second():
    (event,) = (each for each in EVENTS if each.stem == "03-order-placed")
    rows = [json.loads(line)["row"] for line in golden(event)]
    placed, paid = (row for row in rows if "status" in row)
    assert (placed["status"], paid["status"]) == ("PLACED", "PAID")
    assert placed["changed_at"] == paid["changed_at"]
    assert placed["version"] < paid["version"]


def test_without_old_images_only_ceasing_to_match_a_filter_on_attributes_is_undecidable():
    records = whole_story()
    for record in records:
        record["dynamodb"].pop("OldImage", None)
    with_images, without = planned(whole_story()), planned(records)
    unseen = [dead_letter for dead_letter in without.dead_letters if dead_letter.error.reason == "no_image"]
    assert [
        (dead_letter.table, dead_letter.record["dynamodb"]["NewImage"]["status"]["S"]) for dead_letter in unseen
    ] == [
        ("orders", "DRAFT"),
        ("orders", "CANCELLED"),
    ]
    for stream in ("app-users", "app-order-lines"):
        target = Target(stream, "us-east-1")
        deleted = [
            [(entry.key, json.loads(entry.data)["deleted"]) for entry in batch.rows[target]]
            for batch in (with_images, without)
        ]
        assert deleted[0] == deleted[1]


def test_attributes_that_are_not_ignored_are_in_the_rest_column(tmp_path):
    shutil.copytree(TABLES / "users", tmp_path / "users")
    source = tmp_path / "users" / "source.toml"
    source.write_text(re.sub("^leave_out .*$", "", source.read_text(), flags=re.MULTILINE))
    tables, _ = load_tables(tmp_path)
    batch = plan(records_of(EVENTS[0]), tables, max_record_bytes=MAX_RECORD_BYTES)
    (entry, _), *_ = batch.rows.values()
    assert "argon2id" in json.loads(entry.data)["other"]


LINES = tuple((f"ORDER#{FIRST}", f"LINE#{number:03d}") for number in (1, 2, 3))
LINE_OF_SECOND = (f"ORDER#{SECOND}", "LINE#001")

# What Pinot shows after each event: the users and their cities, the states of the orders, the order lines.
SHOWN = {
    "01-sign-up": ({ADA: "London", BOB: None}, {}, set()),
    "02-draft-order": ({ADA: "London", BOB: None}, {}, set()),
    "03-order-placed": ({ADA: "London", BOB: None}, {FIRST: "PAID"}, set(LINES)),
    "04-profile-changed": ({ADA: "Paris", BOB: None}, {FIRST: "PAID"}, set(LINES)),
    "05-line-removed": ({ADA: "Paris", BOB: None}, {FIRST: "PAID"}, {LINES[0], LINES[2]}),
    "06-expired": ({ADA: "Paris"}, {FIRST: "PAID"}, {LINES[0], LINES[2]}),
    "07-wrong-value": ({ADA: "Paris"}, {FIRST: "PAID"}, {LINES[0], LINES[2], LINE_OF_SECOND}),
    "08-fixed": ({ADA: "Paris"}, {FIRST: "PAID", SECOND: "PLACED"}, {LINES[0], LINES[2], LINE_OF_SECOND}),
    "09-cancelled-and-archived": ({ADA: "Paris"}, {FIRST: "PAID"}, {LINES[0], LINES[2]}),
    "10-delivered": ({ADA: "Paris"}, {FIRST: "DELIVERED"}, {LINES[0], LINES[2]}),
    "11-order-expired": ({ADA: "Paris"}, {FIRST: "DELIVERED"}, {LINES[0], LINES[2]}),
}


def test_pinot_shows_the_expected_rows_after_each_event():
    replicas = {name: replica(name) for name in NAMES}
    shown = {}
    for event in EVENTS:
        for line in golden(event):
            outcome = json.loads(line)
            if "row" in outcome:
                replicas[outcome["table"]].take(outcome["partition_key"], outcome["row"])
        users, orders, lines = (live(replicas)[name] for name in NAMES)
        shown[event.stem] = (
            {pk: row.get("city") for (pk, _), row in users.items()},
            {sk.removeprefix("ORDER#"): row["status"] for (_, sk), row in orders.items()},
            set(lines),
        )
    assert shown == SHOWN
    assert live(replicas) == AT_THE_END


def test_a_query_of_the_history_shows_expired_memberships():
    users = replica("users")
    for event in EVENTS:
        for line in map(json.loads, golden(event)):
            if line.get("table") == "users":
                users.take(line["partition_key"], line["row"])
    history = users.history((BOB, "PROFILE"))
    assert [(row["last_event"], row["lapsed"], row["deleted"]) for row in history] == [
        ("INSERT", False, False),
        ("REMOVE", True, True),
    ]
