"""A whole redrive against moto, by the function and by the command: the bucket, the items, the stream."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

import function
from changes import insert, remove
from dynapinot.cli.app import app
from files import CONFIG, SCHEMA, table
from function import forget, set_environment
from publisher.order import Published
from redrive.bucket import open_bucket
from redrive.current_rows import ItemSnapshot
from redrive.run import Bucket, Summary, redrive, summarize

REGION = "eu-west-1"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request-1")


@pytest.fixture
def aws(monkeypatch, tmp_path):
    folder = tmp_path / "tables" / "items"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "table.json").write_text(json.dumps(CONFIG))
    set_environment(monkeypatch, folder.parent, AWS_DEFAULT_REGION=REGION, REDRIVE_ITEMS_PER_SECOND="1000")
    with mock_aws():
        kinesis = boto3.client("kinesis")
        kinesis.create_stream(StreamName="items-stream", ShardCount=1)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="dead", CreateBucketConfiguration={"LocationConstraint": REGION})
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(
            TableName="meetups",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield SimpleNamespace(kinesis=kinesis, s3=s3, dynamodb=dynamodb, tables=folder.parent)
    forget("handlers.stream", "handlers.redrive")


def load(name):
    return function.load(name).handler


def rows_on(kinesis):
    (shard,) = kinesis.list_shards(StreamName="items-stream")["Shards"]
    start = kinesis.get_shard_iterator(
        StreamName="items-stream", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return [json.loads(record["Data"]) for record in records]


def keys_in(s3):
    return sorted(each["Key"] for each in s3.list_objects_v2(Bucket="dead").get("Contents", []))


def key(text):
    return {"id": {"S": text}}


def fail_changes(aws):
    """Let two changes be dead-lettered and one batch be discarded; then fix an item."""
    records = [
        insert(key("bad"), {"price": {"S": "cheap"}}, sequence=1, awsRegion=REGION),
        insert(key("fixed"), {"price": {"S": "cheap"}}, sequence=2, awsRegion=REGION),
    ]
    load("handlers.stream")({"Records": records}, CONTEXT)
    discarded = {
        "requestContext": {"condition": "RecordAgeExceeded"},
        "DDBStreamBatchInfo": {"batchSize": 2},
        "payload": json.dumps(
            {"Records": [insert(key("there"), {}, awsRegion=REGION), remove(key("gone"), awsRegion=REGION)]}
        ),
    }
    aws.s3.put_object(Bucket="dead", Key="aws/lambda/mapping/shard/2024/06/22/batch", Body=json.dumps(discarded))
    aws.dynamodb.put_item(TableName="meetups", Item={**key("bad"), "price": {"S": "cheap"}})
    aws.dynamodb.put_item(TableName="meetups", Item={**key("fixed"), "price": {"N": "2"}, "raw": {"B": b"\x00"}})
    aws.dynamodb.put_item(TableName="meetups", Item={**key("there"), "name": {"S": "now"}})


DEAD_LETTERS = [f"dead-letters/meetups/items/2024-06-22/{number:021d}.json" for number in (1, 2)]
BATCH = "aws/lambda/mapping/shard/2024/06/22/batch"


def without_time(rows):
    assert all(row.pop("changed") % 1000 == 999 for row in rows)
    return rows


def by_id(rows):
    return sorted(rows, key=lambda row: row["id"])


EXPECTED = [
    {"id": "fixed", "deleted": False, "price": 2.0},
    {"id": "there", "name": "now", "deleted": False},
    {"id": "gone", "deleted": True},
]


def test_the_function_redrives_what_it_can_and_reports_what_still_fails(aws, capsys):
    fail_changes(aws)
    capsys.readouterr()
    answer = load("handlers.redrive")({}, CONTEXT)
    assert answer == {
        "objects": 3,
        "changes": 4,
        "rows": 3,
        "unfinished": False,
        "failing": [{"table": "items", "reason": "type_mismatch", "changes": 1}],
    }
    assert by_id(without_time(rows_on(aws.kinesis))) == by_id(EXPECTED)
    assert keys_in(aws.s3) == sorted([DEAD_LETTERS[0], f"redriven/{DEAD_LETTERS[1]}", f"redriven/{BATCH}"])
    measured, ended = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (measured["RedrivenChanges"], measured["RedriveFailures"]) == ([3.0], [1.0])
    assert (ended["message"], ended["result"]) == ("redrive ended", answer)


def test_a_second_run_continues_where_the_first_ended(aws, capsys):
    fail_changes(aws)
    load("handlers.redrive")({}, CONTEXT)
    aws.dynamodb.put_item(TableName="meetups", Item={**key("bad"), "price": {"N": "1"}})
    answer = load("handlers.redrive")({}, CONTEXT)
    assert (answer["objects"], answer["failing"]) == (1, [])
    assert without_time(rows_on(aws.kinesis))[3:] == [{"id": "bad", "deleted": False, "price": 1.0}]
    assert [name for name in keys_in(aws.s3) if not name.startswith("redriven/")] == []


def command(*options, tables):
    result = CliRunner().invoke(app, ["redrive", "--bucket", "dead", "--tables", str(tables), *options])
    return result.exit_code, result.output


def cells(output):
    return [re.findall(r"[\w./-]+", line) for line in output.splitlines() if line.startswith("│")]


def test_a_dry_run_counts_and_changes_nothing(aws):
    fail_changes(aws)
    code, output = command("--dry-run", tables=aws.tables)
    assert (code, "In the bucket" in output) == (1, True)
    assert cells(output) == [["items", "type_mismatch", "2"], ["all", "RecordAgeExceeded", "2"]]
    assert keys_in(aws.s3) == sorted([*DEAD_LETTERS, BATCH])
    assert rows_on(aws.kinesis) == []


def test_the_command_does_what_the_function_does(aws):
    fail_changes(aws)
    code, output = command("--items-per-second", "1000", tables=aws.tables)
    assert (code, "3 changes made good by 3 rows, of 3 objects" in output) == (1, True)
    assert cells(output) == [["items", "type_mismatch", "1"]]
    assert without_time(rows_on(aws.kinesis)) == EXPECTED


def test_the_command_can_be_limited_to_a_prefix_of_keys(aws):
    fail_changes(aws)
    code, output = command("--prefix", "aws/", tables=aws.tables)
    assert (code, "Still failing: nothing" in output) == (0, True)
    assert keys_in(aws.s3) == sorted([*DEAD_LETTERS, f"redriven/{BATCH}"])


def test_an_object_that_does_not_exist_any_more_is_none(aws):
    bucket = open_bucket(aws.s3, "dead")
    assert bucket.fetch("nix") is None


def test_archived_objects_are_never_listed(aws):
    aws.s3.put_object(Bucket="dead", Key="redriven/dead-letters/x", Body=b"")
    assert list(open_bucket(aws.s3, "dead", ("redriven/",)).list_keys()) == []


def test_an_empty_bucket_is_a_success(aws):
    assert command(tables=aws.tables)[0] == 0
    assert "In the bucket: nothing" in command("--dry-run", tables=aws.tables)[1]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda aws: aws.s3.delete_bucket(Bucket="dead"), "AWS refused ListObjectsV2: NoSuchBucket"),
        (lambda aws: (aws.tables / "items" / "schema.json").unlink(), "items/schema.json: the file: it is missing"),
    ],
)
def test_an_error_is_reported_in_one_line(aws, break_it, message):
    break_it(aws)
    code, output = command(tables=aws.tables)
    assert (code, output.count("\n"), message in output) == (2, 1, True)


def test_an_endpoint_without_a_server_is_reported_in_one_line(aws, monkeypatch):
    nobody = boto3.client("s3", endpoint_url="http://127.0.0.1:9")
    monkeypatch.setattr("dynapinot.redrive.clients.s3", lambda: nobody)
    code, output = command(tables=aws.tables)
    assert (code, "Could not connect" in output) == (2, True)


# The run itself.


class MemoryBucket:
    """A dead letter bucket in memory."""

    def __init__(self, objects):
        self.objects, self.progress = dict(objects), {}
        self.calls = Bucket(
            list_keys=lambda: list(self.objects),
            fetch=self.objects.get,
            archive=self.objects.pop,
            fetch_progress=self.progress.get,
            save_progress=self.progress.__setitem__,
            delete_progress=self.progress.pop,
        )


def dead_letters(*records, table="items"):
    return {
        str(number): json.dumps({"record": record, "reason": "fraction", "table": table}).encode()
        for number, record in enumerate(records)
    }


def run(bucket, *, published=None, errors=None, remaining=lambda: 1.0, image=None, max_record_bytes=1000):
    return redrive(
        bucket.calls,
        [table()],
        read_item=lambda change, earliest: ItemSnapshot({**change.keys, **(image or {})}, earliest),
        publish=lambda _, entries: Published(first_unpublished=published, resent=0, errors=errors or {}),
        max_record_bytes=max_record_bytes,
        remaining=remaining,
    )


def test_an_object_stays_until_its_rows_are_on_their_stream():
    bucket = MemoryBucket(dead_letters(insert(key("a"), {})))
    assert run(bucket, published=0).failing == {("all", "unpublished"): 1}
    denied = run(bucket, published=0, errors={"AccessDeniedException": 1})
    assert denied.failing == {("all", "unpublished AccessDeniedException"): 1}
    assert denied.redriven == 0
    assert list(bucket.objects) == ["0"]
    assert run(bucket) == Summary(objects=1, changes=1, rows=1)
    assert list(bucket.objects) == []


def test_a_run_ends_when_its_time_is_up():
    left = iter((1.0, 0.0))
    bucket = MemoryBucket(dead_letters(insert(key("a"), {}), insert(key("b"), {})))
    assert run(bucket, remaining=lambda: next(left)) == Summary(objects=1, changes=1, rows=1, unfinished=True)
    assert list(bucket.objects) == ["1"]


def test_an_object_that_another_run_has_archived_meanwhile_is_skipped():
    bucket = MemoryBucket(dead_letters(insert(key("a"), {})))
    vanished = replace(bucket.calls, list_keys=lambda: ["gone", "0"])
    assert summarize(vanished).objects == 1
    bucket.calls = vanished
    assert run(bucket) == Summary(objects=1, changes=1, rows=1)


def test_a_row_over_the_streams_limit_still_fails():
    bucket = MemoryBucket(dead_letters(insert(key("a"), {})))
    assert run(bucket, max_record_bytes=10).failing == {("items", "row_too_large"): 1}


def test_an_object_that_is_not_a_dead_letter_is_counted_and_stays():
    bucket = MemoryBucket({"0": b"hello"})
    assert summarize(bucket.calls).failing == {("all", "unreadable_object"): 1}
    assert run(bucket).failing == {("all", "unreadable_object"): 1}
    assert list(bucket.objects) == ["0"]


def test_an_item_with_many_failed_changes_in_one_batch_is_read_and_sent_once():
    batch = {"DDBStreamBatchInfo": {}, "payload": {"Records": [insert(key("a"), {}) for _ in range(50)]}}
    bucket = MemoryBucket({"0": json.dumps(batch).encode()})
    assert run(bucket) == Summary(objects=1, changes=50, rows=1)
