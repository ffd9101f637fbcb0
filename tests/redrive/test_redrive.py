"""A redrive, whole: the bucket, the items, the stream; against moto, by the function and by the command."""

from __future__ import annotations

import json
import re
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
from redrive.bucket import bucket_in
from redrive.repair import Reading
from redrive.run import Bucket, Summary, redrive, survey

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


def lose(aws):
    """Let two changes be dead-lettered and one batch be given up; then mend an item."""
    records = [
        insert(key("bad"), {"price": {"S": "cheap"}}, sequence=1, awsRegion=REGION),
        insert(key("mended"), {"price": {"S": "cheap"}}, sequence=2, awsRegion=REGION),
    ]
    load("handlers.stream")({"Records": records}, CONTEXT)
    given_up = {
        "requestContext": {"condition": "RecordAgeExceeded"},
        "DDBStreamBatchInfo": {"batchSize": 2},
        "payload": json.dumps(
            {"Records": [insert(key("there"), {}, awsRegion=REGION), remove(key("gone"), awsRegion=REGION)]}
        ),
    }
    aws.s3.put_object(Bucket="dead", Key="aws/lambda/mapping/shard/2024/06/22/batch", Body=json.dumps(given_up))
    aws.dynamodb.put_item(TableName="meetups", Item={**key("bad"), "price": {"S": "cheap"}})
    aws.dynamodb.put_item(TableName="meetups", Item={**key("mended"), "price": {"N": "2"}, "raw": {"B": b"\x00"}})
    aws.dynamodb.put_item(TableName="meetups", Item={**key("there"), "name": {"S": "now"}})


LETTERS = [f"dead-letters/meetups/items/2024-06-22/{number:021d}.json" for number in (1, 2)]
BATCH = "aws/lambda/mapping/shard/2024/06/22/batch"


def without_time(rows):
    assert all(row.pop("changed") % 1000 == 999 for row in rows)
    return rows


def by_id(rows):
    return sorted(rows, key=lambda row: row["id"])


EXPECTED = [
    {"id": "mended", "deleted": False, "price": 2.0},
    {"id": "there", "name": "now", "deleted": False},
    {"id": "gone", "deleted": True},
]


def test_the_function_makes_good_what_it_can_and_tells_what_still_fails(aws, capsys):
    lose(aws)
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
    assert keys_in(aws.s3) == sorted([LETTERS[0], f"redriven/{LETTERS[1]}", f"redriven/{BATCH}"])
    measured, ended = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (measured["RedrivenChanges"], measured["RedriveFailures"]) == ([3.0], [1.0])
    assert (ended["message"], ended["result"]) == ("redrive ended", answer)


def test_a_second_run_goes_on_where_the_first_ended(aws, capsys):
    lose(aws)
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
    lose(aws)
    code, output = command("--dry-run", tables=aws.tables)
    assert (code, "In the bucket" in output) == (1, True)
    assert cells(output) == [["items", "type_mismatch", "2"], ["all", "RecordAgeExceeded", "2"]]
    assert keys_in(aws.s3) == sorted([*LETTERS, BATCH])
    assert rows_on(aws.kinesis) == []


def test_the_command_does_what_the_function_does(aws):
    lose(aws)
    code, output = command("--items-per-second", "1000", tables=aws.tables)
    assert (code, "3 changes made good by 3 rows, of 3 objects" in output) == (1, True)
    assert cells(output) == [["items", "type_mismatch", "1"]]
    assert without_time(rows_on(aws.kinesis)) == EXPECTED


def test_the_command_can_be_told_to_look_at_some_objects_only(aws):
    lose(aws)
    code, output = command("--prefix", "aws/", tables=aws.tables)
    assert (code, "Still failing: nothing" in output) == (0, True)
    assert keys_in(aws.s3) == sorted([*LETTERS, f"redriven/{BATCH}"])


def test_an_object_that_is_gone_by_now_is_nothing(aws):
    bucket = bucket_in(aws.s3, "dead")
    assert bucket.fetch("nix") is None


def test_what_is_done_is_never_looked_at_again(aws):
    aws.s3.put_object(Bucket="dead", Key="redriven/dead-letters/x", Body=b"")
    assert list(bucket_in(aws.s3, "dead", ("redriven/",)).list_keys()) == []


def test_an_empty_bucket_is_nothing_to_do(aws):
    assert command(tables=aws.tables)[0] == 0
    assert "In the bucket: nothing" in command("--dry-run", tables=aws.tables)[1]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda aws: aws.s3.delete_bucket(Bucket="dead"), "AWS refused ListObjectsV2: NoSuchBucket"),
        (lambda aws: (aws.tables / "items" / "schema.json").unlink(), "items/schema.json: the file: it is missing"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(aws, break_it, message):
    break_it(aws)
    code, output = command(tables=aws.tables)
    assert (code, output.count("\n"), message in output) == (2, 1, True)


def test_an_endpoint_that_is_not_there_is_told_in_a_line(aws, monkeypatch):
    nobody = boto3.client("s3", endpoint_url="http://127.0.0.1:9")
    monkeypatch.setattr("dynapinot.redrive.clients.s3", lambda: nobody)
    code, output = command(tables=aws.tables)
    assert (code, "Could not connect" in output) == (2, True)


# The run itself.


class Shelf:
    """A bucket of letters in memory."""

    def __init__(self, objects):
        self.objects = dict(objects)
        self.bucket = Bucket(list_keys=lambda: list(self.objects), fetch=self.objects.get, put_away=self.objects.pop)


def letters(*records, table="items"):
    return {
        str(number): json.dumps({"record": record, "reason": "fraction", "table": table}).encode()
        for number, record in enumerate(records)
    }


def go(shelf, *, published=None, errors=None, remaining=lambda: 1.0, image=None, max_record_bytes=1000):
    return redrive(
        shelf.bucket,
        [table()],
        read=lambda change, earliest: Reading({**change.keys, **(image or {})}, earliest),
        publish=lambda _, entries: Published(first_unpublished=published, resent=0, errors=errors or {}),
        max_record_bytes=max_record_bytes,
        remaining=remaining,
    )


def test_an_object_stays_until_its_rows_are_on_their_stream():
    shelf = Shelf(letters(insert(key("a"), {})))
    assert go(shelf, published=0).failing == {("all", "unpublished"): 1}
    denied = go(shelf, published=0, errors={"AccessDeniedException": 1})
    assert denied.failing == {("all", "unpublished AccessDeniedException"): 1}
    assert denied.good == 0
    assert list(shelf.objects) == ["0"]
    assert go(shelf) == Summary(objects=1, changes=1, rows=1)
    assert list(shelf.objects) == []


def test_a_run_ends_when_its_time_is_up():
    left = iter((1.0, 0.0))
    shelf = Shelf(letters(insert(key("a"), {}), insert(key("b"), {})))
    assert go(shelf, remaining=lambda: next(left)) == Summary(objects=1, changes=1, rows=1, unfinished=True)
    assert list(shelf.objects) == ["1"]


def test_an_object_that_another_run_took_meanwhile_is_passed_over():
    shelf = Shelf(letters(insert(key("a"), {})))
    vanished = Bucket(list_keys=lambda: ["gone", "0"], fetch=shelf.objects.get, put_away=shelf.objects.pop)
    assert survey(vanished).objects == 1
    shelf.bucket = vanished
    assert go(shelf) == Summary(objects=1, changes=1, rows=1)


def test_a_row_over_the_streams_limit_still_fails():
    shelf = Shelf(letters(insert(key("a"), {})))
    assert go(shelf, max_record_bytes=10).failing == {("items", "row_too_large"): 1}


def test_an_object_that_is_no_letter_is_counted_and_stays():
    shelf = Shelf({"0": b"hello"})
    assert survey(shelf.bucket).failing == {("all", "unreadable_object"): 1}
    assert go(shelf).failing == {("all", "unreadable_object"): 1}
    assert list(shelf.objects) == ["0"]


def test_an_item_with_many_lost_changes_in_one_batch_is_read_and_sent_once():
    batch = {"DDBStreamBatchInfo": {}, "payload": {"Records": [insert(key("a"), {}) for _ in range(50)]}}
    shelf = Shelf({"0": json.dumps(batch).encode()})
    assert go(shelf) == Summary(objects=1, changes=50, rows=1)
