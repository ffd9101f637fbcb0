"""From an event to a batch response."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections import defaultdict

import pytest

from changes import insert, modify, record, remove
from files import CONFIG, REMOVED, SCHEMA, table, with_setting
from handlers.dead_letter import DeadLetter
from handlers.planner import Planner, plan
from handlers.relay import EventError, UnreportableError, relay
from handlers.version import VERSION
from pinot.table import Target
from publisher.order import Published

ITEMS = Target("items-stream", "eu-west-1")
STREAM = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0")
GOOD = {"name": {"S": "x"}}
BAD = {"price": {"S": "cheap"}}

MISFIT = (
    "a DynamoDB S does not fit DOUBLE, which takes N; "
    "CAST(… AS DOUBLE) in transformConfigs converts it, see docs/mapping.md"
)


class Outside:
    """Fakes Kinesis and S3 for the relay: keeps what it gets, and stops at configured positions."""

    def __init__(self, *, stops=None, store_stops=None):
        self.rows = defaultdict(list)
        self.dead_letters = []
        self.stops = stops or {}
        self.store_stops = store_stops

    def publish(self, target, entries):
        self.rows[target].extend(entries)
        return Published(first_unpublished=self.stops.get(target.stream), resent=0, errors={})

    def store(self, entries):
        self.dead_letters.extend(entries)
        return (None, None) if self.store_stops is None else (self.store_stops, "NoSuchBucket")


def run(records, *, tables=None, max_record_bytes=1024 * 1024, **stops):
    outside = Outside(**stops)
    report = relay(
        {"Records": records},
        Planner(tables or [table()], max_record_bytes=max_record_bytes),
        publish=outside.publish,
        store=outside.store,
    )
    return report, outside


def key(text):
    return {"id": {"S": text}}


def failures(report):
    return [failure["itemIdentifier"] for failure in report.response()["batchItemFailures"]]


def test_a_completed_batch_has_no_failures():
    report, outside = run([insert(key("a"), GOOD), modify(key("b"), GOOD), remove(key("a"))])
    assert report.response() == {"batchItemFailures": []}
    assert [(entry.key, entry.position) for entry in outside.rows[ITEMS]] == [("1:a", 0), ("1:b", 1), ("1:a", 2)]
    assert (report.rows, outside.dead_letters) == (3, [])


def test_an_empty_batch_is_complete():
    report, outside = run([])
    assert (report.response(), dict(outside.rows)) == ({"batchItemFailures": []}, {})


@pytest.mark.parametrize("event", [None, {}, [], {"Records": None}, {"Records": {}}, {"records": []}, "event"])
def test_an_event_without_records_is_refused(event):
    outside = Outside()
    with pytest.raises(EventError, match="Records"):
        relay(event, Planner([table()], max_record_bytes=100), publish=outside.publish, store=outside.store)


def test_the_earliest_unpublished_change_is_reported_and_no_other():
    records = [insert(key(text), GOOD) for text in "abcd"]
    report, _ = run(records, stops={"items-stream": 2})
    assert failures(report) == [records[2]["dynamodb"]["SequenceNumber"]]
    assert report.rows == 2


def test_a_change_that_can_never_be_a_row_becomes_a_dead_letter_and_the_batch_continues():
    records = [insert(key("a"), GOOD), insert(key("a"), BAD), insert(key("a"), GOOD)]
    report, outside = run(records)
    assert failures(report) == []
    assert [entry.position for entry in outside.rows[ITEMS]] == [0, 2]
    assert [entry.position for entry in outside.dead_letters] == [1]


def test_a_dead_letter_has_the_whole_record_and_the_reason():
    bad = insert(key("a"), BAD, sequence=77)
    _, outside = run([bad])
    (dead_letter,) = outside.dead_letters
    assert dead_letter.key == "dead-letters/meetups/items/2024-06-22/000000000000000000077.json"
    assert json.loads(dead_letter.data) == {
        "reason": "type_mismatch",
        "path": "price",
        "detail": MISFIT,
        "table": "items",
        "column": "price",
        "dynamodb_table": "meetups",
        "sequence_number": "000000000000000000077",
        "version": VERSION,
        "record": bad,
    }


def test_a_retried_change_gives_the_same_dead_letter():
    bad = insert(key("a"), BAD)
    assert run([bad])[1].dead_letters == run([bad])[1].dead_letters


@pytest.mark.parametrize(
    "junk", [None, 1, "text", [], {}, {"dynamodb": {"SequenceNumber": "../../x"}}, {"x": "\ud800"}]
)
def test_the_dead_letter_of_an_unreadable_record_is_named_by_its_hash(junk):
    report, outside = run([junk, insert(key("a"), GOOD)])
    assert failures(report) == []
    (dead_letter,) = outside.dead_letters
    *folders, name = dead_letter.key.split("/")
    assert folders == ["dead-letters", "unknown", "undecoded", "undated"]
    assert len(name) == 64 + len(".json")
    assert json.loads(dead_letter.data)["record"] == junk
    assert len(outside.rows[ITEMS]) == 1


def test_a_hostile_records_table_name_is_not_in_the_dead_letters_key():
    bad = insert(key("a"), BAD, tableName="../../x", sequence=1)
    assert run([bad])[1].dead_letters[0].key == "dead-letters/unknown/items/2024-06-22/000000000000000000001.json"


def test_a_change_is_retried_if_its_dead_letter_cannot_be_stored():
    records = [insert(key("a"), GOOD), insert(key("b"), BAD), insert(key("c"), GOOD)]
    report, outside = run(records, store_stops=1)
    assert failures(report) == [records[1]["dynamodb"]["SequenceNumber"]]
    assert [entry.position for entry in outside.rows[ITEMS]] == [0, 2]
    assert (report.store_error, report.rows) == ("NoSuchBucket", 1)


def test_the_earlier_of_two_failures_is_reported():
    records = [insert(key("a"), GOOD), insert(key("b"), BAD), insert(key("c"), GOOD)]
    report, _ = run(records, stops={"items-stream": 0}, store_stops=1)
    assert failures(report) == [records[0]["dynamodb"]["SequenceNumber"]]


def test_the_batch_fails_if_the_change_to_retry_has_no_sequence_number():
    report, _ = run(["junk"], store_stops=0)
    with pytest.raises(UnreportableError, match="record 0"):
        report.response()


@pytest.mark.parametrize("warm", [0, 30])
@pytest.mark.parametrize("tables", [1, 2])
def test_a_change_with_an_unreadable_image_becomes_one_undecoded_dead_letter(warm, tables):
    """It does not depend on the number of changes before it, or of tables."""
    good = [insert(key("a"), GOOD) for _ in range(warm)]
    bad = insert(key("a"), GOOD)
    bad["dynamodb"]["NewImage"]["id"] = {"S": "b"}
    report, outside = run([*good, bad], tables=[table(), others()][:tables])
    (dead_letter,) = outside.dead_letters
    number = bad["dynamodb"]["SequenceNumber"]
    assert dead_letter.key == f"dead-letters/unknown/undecoded/undated/{number}.json"
    assert json.loads(dead_letter.data)["path"] == "dynamodb.NewImage.id"
    assert {target: len(entries) for target, entries in outside.rows.items()} == dict.fromkeys(
        [ITEMS, OTHERS][: tables if warm else 0], warm
    )
    assert report.first_unpublished is None


def test_an_unreadable_record_is_malformed_even_if_no_table_replicates_its_source():
    bad = insert(key("a"), GOOD, table="unknown")
    bad["dynamodb"]["NewImage"]["id"] = {"S": "b"}
    report, _ = run([bad], tables=[others(dynamodb_table="venues")])
    assert [
        (dead_letter.error.reason, dead_letter.table, dead_letter.change) for dead_letter in report.account.dead_letters
    ] == [("malformed", None, None)]


def test_a_change_whose_row_exceeds_the_size_limit_becomes_a_dead_letter():
    long_name = insert(key("a"), {"name": {"S": "x" * 500}})
    report, outside = run([long_name], max_record_bytes=500)
    assert [dead_letter.error.reason for dead_letter in report.account.dead_letters] == ["row_too_large"]
    assert dict(outside.rows) == {}
    (entry,) = run([long_name])[1].rows[ITEMS]
    assert run([long_name], max_record_bytes=entry.size)[1].dead_letters == []
    assert len(run([long_name], max_record_bytes=entry.size - 1)[1].dead_letters) == 1


# Fan-out


def others(**source):
    config = with_setting(CONFIG, "tableName", "others")
    config = with_setting(config, (*STREAM, "stream.kinesis.topic.name"), "others-stream")
    config = with_setting(config, (*STREAM, "region"), REMOVED)
    return table(config=config, source=source)


OTHERS = Target("others-stream", None)


def test_one_change_becomes_rows_on_the_streams_of_all_its_tables():
    _, outside = run([insert(key("a"), GOOD)], tables=[table(), others()])
    assert {target: len(entries) for target, entries in outside.rows.items()} == {ITEMS: 1, OTHERS: 1}


def test_a_change_that_one_table_refuses_is_still_sent_to_the_other():
    _, outside = run([insert(key("a"), BAD)], tables=[table(), others(columns={"price": "cost"})])
    assert {target: len(entries) for target, entries in outside.rows.items()} == {OTHERS: 1}
    assert [entry.key.split("/")[2] for entry in outside.dead_letters] == ["items"]


def test_a_failure_of_one_stream_does_not_keep_rows_from_the_other():
    records = [insert(key(text), GOOD) for text in "ab"]
    report, outside = run(records, tables=[table(), others()], stops={"others-stream": 1})
    assert failures(report) == [records[1]["dynamodb"]["SequenceNumber"]]
    assert {target: len(entries) for target, entries in outside.rows.items()} == {ITEMS: 2, OTHERS: 2}


def test_an_error_on_one_stream_does_not_prevent_publishing_to_the_others():
    """The test has more streams than threads that start at once, and the first stream fails."""
    tables = [
        table(config=with_setting(CONFIG, (*STREAM, "stream.kinesis.topic.name"), f"stream-{number}"))
        for number in range(40)
    ]
    started = []

    def publish(target, entries):
        started.append(target.stream)
        if target.stream == "stream-0":
            raise OSError("gone")
        time.sleep(0.01)
        return Published(first_unpublished=None, resent=0, errors={})

    with pytest.raises(OSError, match="gone"):
        relay(
            {"Records": [insert(key("a"), GOOD)]},
            Planner(tables, max_record_bytes=10**6),
            publish=publish,
            store=lambda _: (None, None),
        )
    assert len(started) == 40


def test_changes_go_to_the_tables_that_replicate_their_dynamodb_table():
    tables = [table(source={"dynamodb_table": "meetups"}), others(dynamodb_table="venues")]
    _, outside = run([insert(key("a"), GOOD), insert(key("b"), GOOD, table="venues")], tables=tables)
    assert {target: [entry.key for entry in entries] for target, entries in outside.rows.items()} == {
        ITEMS: ["1:a"],
        OTHERS: ["1:b"],
    }


def test_a_change_of_a_table_that_is_not_replicated_becomes_a_dead_letter():
    report, outside = run([insert(key("a"), GOOD)], tables=[others(dynamodb_table="venues")])
    assert [(each.error.reason, each.table) for each in report.account.dead_letters] == [("no_table", None)]
    folder, _, number = report.account.dead_letters[0].entry().key.rpartition("/")
    assert (folder, number) == (
        "dead-letters/meetups/no_table/2024-06-22",
        f"{report.account.dead_letters[0].sequence_number}.json",
    )
    assert dict(outside.rows) == {}


def test_changes_that_a_tables_rules_ignore_are_counted():
    ttl = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    report, outside = run([remove(key("a"), userIdentity=ttl)], tables=[table(source={"ttl_deletes": "keep"})])
    assert (report.account.ignored, dict(outside.rows), failures(report)) == (1, {}, [])


def test_deletes_sent_without_a_last_value_are_counted():
    report, _ = run([remove(key("a"), BAD), remove(key("b"), BAD)])
    assert report.account.left_out == {("items", "price", "type_mismatch"): 2}


def test_a_dead_letter_has_the_position_of_its_record():
    report, _ = run([insert(key("a"), GOOD), record("UPSERT", key("a"))])
    assert [type(dead_letter) for dead_letter in report.account.dead_letters] == [DeadLetter]
    assert report.account.dead_letters[0].position == 1


def test_a_tombstone_is_sent_and_the_refused_new_row_becomes_a_dead_letter():
    moved = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))
    record_ = modify(key("a"), {**GOOD, **BAD}, {"name": {"S": "old"}})
    report, outside = run([record_], tables=[moved])
    assert [entry.key for entry in outside.rows[ITEMS]] == ["3:old"]
    assert [dead_letter.error.reason for dead_letter in report.account.dead_letters] == ["type_mismatch"]


def test_key_attributes_that_a_table_omits_are_reported_once_a_batch():
    keys = {**key("a"), "sk": {"S": "b"}}
    report, _ = run([insert(keys, GOOD), insert(key("b"), GOOD)], tables=[table(), others()])
    assert report.account.shared == {"items": ("sk",), "others": ("sk",)}


# Kinesis Data Streams for DynamoDB


def in_kinesis(change, number):
    change = {**change, "recordFormat": "application/json", "tableName": "meetups", "userIdentity": None}
    del change["eventSourceARN"]
    change["dynamodb"] = {
        **change["dynamodb"],
        "ApproximateCreationDateTime": 1719082124026123,
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    }
    del change["dynamodb"]["SequenceNumber"]
    data = b64encode(json.dumps(change).encode()).decode()
    return {"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": number, "data": data}}


def test_changes_are_decoded_from_kinesis_too():
    report, outside = run([in_kinesis(insert(key("a"), GOOD), "1"), in_kinesis(remove(key("a"), GOOD), "2")])
    assert failures(report) == []
    assert [json.loads(entry.data)["changed"] for entry in outside.rows[ITEMS]] == [1719082124026] * 2


def test_a_change_from_kinesis_is_reported_by_its_kinesis_sequence_number():
    report, _ = run([in_kinesis(insert(key("a"), GOOD), number) for number in "12"], stops={"items-stream": 1})
    assert failures(report) == ["2"]


def test_a_foreign_record_in_kinesis_becomes_a_dead_letter():
    foreign = {"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": "7", "data": "aGVsbG8="}}
    report, outside = run([foreign, in_kinesis(insert(key("a"), GOOD), "8")])
    assert failures(report) == []
    assert [each.key for each in outside.dead_letters] == ["dead-letters/unknown/undecoded/undated/7.json"]
    assert len(outside.rows[ITEMS]) == 1


@pytest.mark.parametrize(
    ("arn", "detail"),
    [
        (
            "arn:aws:dynamodb:eu-west-1:1:table/other/stream/x",
            "no folder of tables replicates the DynamoDB table other",
        ),
        ("eventsource_arn", "eventsource_arn is not the ARN of a DynamoDB table's stream"),
        (None, "the record names no DynamoDB table"),
    ],
)
def test_a_change_of_no_table_names_what_it_has(arn, detail):
    change = {**insert({"id": {"S": "a"}}, GOOD), "eventSourceARN": arn}
    batch = plan([change], [table(source={"dynamodb_table": "held"})], max_record_bytes=10**6)
    assert [(each.error.reason, each.error.detail) for each in batch.dead_letters] == [("no_table", detail)]
