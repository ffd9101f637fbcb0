"""The single-table example with the function itself. moto provides the three streams and the bucket."""

from __future__ import annotations

import json
from collections import defaultdict
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

import function
from examples.story import AT_THE_END, EVENTS, NAMES, TABLES, golden, live, records_of, replica
from function import forget, set_environment

STREAMS = {"users": "app-users", "orders": "app-orders", "order_lines": "app-order-lines"}
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request-1")
WRONG_VALUE = "300000000004711000758"  # the number of the order whose total is text


@pytest.fixture
def aws(monkeypatch):
    """The three streams and the bucket; ``handle`` is the function, started in this environment."""
    set_environment(monkeypatch, TABLES)
    with mock_aws():
        kinesis, s3 = boto3.client("kinesis"), boto3.client("s3")
        for stream in STREAMS.values():
            kinesis.create_stream(StreamName=stream, ShardCount=2)
        s3.create_bucket(Bucket="dead")
        handler = function.load("handlers.stream").handler
        yield SimpleNamespace(kinesis=kinesis, s3=s3, handle=lambda records: handler({"Records": records}, CONTEXT))
    forget("handlers.stream")


def read(kinesis, name):
    """The records of a table's stream, shard by shard."""
    stream = STREAMS[name]
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        start = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        for record in kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]:
            yield shard["ShardId"], record["PartitionKey"], record["Data"]


def rows_of_each_key(kinesis, name):
    """The rows on a table's stream, in order for each partition key; Pinot may read shards in any order."""
    rows = defaultdict(list)
    for _, key, data in read(kinesis, name):
        rows[key].append(json.loads(data))
    return rows


def golden_rows_of_each_key(name, events=EVENTS):
    rows = defaultdict(list)
    for line in (json.loads(line) for event in events for line in golden(event)):
        if line.get("table") == name:
            assert line["stream"] == STREAMS[name]
            rows[line["partition_key"]].append(line["row"])
    return rows


def in_pinot(kinesis):
    """The rows that the three tables would show."""
    replicas = {name: replica(name) for name in NAMES}
    for name, each in replicas.items():
        for shard, _, data in read(kinesis, name):
            each.ingest(shard, data)
    return live(replicas)


def dead_letters(s3):
    objects = s3.list_objects_v2(Bucket="dead").get("Contents", [])
    return {each["Key"]: json.loads(s3.get_object(Bucket="dead", Key=each["Key"])["Body"].read()) for each in objects}


def measured(capsys, name):
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return sum(sum(line[name]) for line in lines if name in line and "reason" not in line)


def test_the_story_becomes_the_golden_rows_on_three_streams_and_one_dead_letter(aws):
    for event in EVENTS:
        assert aws.handle(records_of(event)) == {"batchItemFailures": []}
    for name in NAMES:
        assert rows_of_each_key(aws.kinesis, name) == golden_rows_of_each_key(name)
    assert in_pinot(aws.kinesis) == AT_THE_END
    key = f"dead-letters/app/orders/2026-03-04/{WRONG_VALUE}.json"
    (dead_letter,) = dead_letters(aws.s3).items()
    assert (dead_letter[0], dead_letter[1]["reason"], dead_letter[1]["path"]) == (key, "type_mismatch", "total")


def test_changes_that_no_table_replicates_are_counted(aws, capsys):
    draft = next(event for event in EVENTS if event.stem == "02-draft-order")
    aws.handle(records_of(draft))
    assert measured(capsys, "ChangesIgnored") == len(records_of(draft))


def test_repeating_the_whole_story_as_one_batch_changes_nothing(aws):
    records = [record for event in EVENTS for record in records_of(event)]
    for _ in range(2):
        assert aws.handle(records) == {"batchItemFailures": []}
    assert in_pinot(aws.kinesis) == AT_THE_END


@pytest.mark.parametrize("missing", NAMES)
def test_a_missing_stream_keeps_no_row_from_the_others_and_its_rows_arrive_once_it_exists(aws, missing):
    records = [record for event in EVENTS for record in records_of(event)]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    aws.kinesis.delete_stream(StreamName=STREAMS[missing])
    (failure,) = aws.handle(records)["batchItemFailures"]
    for name in set(NAMES) - {missing}:
        assert rows_of_each_key(aws.kinesis, name) == golden_rows_of_each_key(name)

    earliest = next(place for place, each in enumerate(records) if STREAMS[missing] in streams_of(each))
    assert failure == {"itemIdentifier": numbers[earliest]}
    aws.kinesis.create_stream(StreamName=STREAMS[missing], ShardCount=2)
    assert aws.handle(records[earliest:]) == {"batchItemFailures": []}
    assert rows_of_each_key(aws.kinesis, missing) == golden_rows_of_each_key(missing)
    assert in_pinot(aws.kinesis) == AT_THE_END


def streams_of(record):
    """The streams of a record's rows, by the golden rows of its event."""
    event = next(event for event in EVENTS if record in records_of(event))
    keys = [each["S"] for each in record["dynamodb"]["Keys"].values()]
    lines = map(json.loads, golden(event))
    return {line["stream"] for line in lines if "row" in line and [line["row"]["pk"], line["row"]["sk"]] == keys}
