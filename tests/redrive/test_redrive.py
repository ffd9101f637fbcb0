"""A whole redrive against moto, by the function and by the command: the bucket, the items, the stream."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

import function
from changes import insert, remove
from dynapinot.cli.app import app
from files import CONFIG, SCHEMA, table, with_setting
from function import forget, set_environment
from publisher.order import Published
from redrive.bucket import open_bucket
from redrive.current_rows import ItemSnapshot
from redrive.run import Bucket, BucketError, Summary, redrive, summarize

REGION = "eu-west-1"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
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
    return [
        [cell.strip() for cell in line.strip("│").split("│")] for line in output.splitlines() if line.startswith("│")
    ]


def test_a_dry_run_counts_and_changes_nothing(aws):
    fail_changes(aws)
    code, output = command("--dry-run", tables=aws.tables)
    assert (code, "In the bucket" in output) == (1, True)
    assert cells(output) == [
        ["items", "type_mismatch", "id=bad; id=fixed", "2"],
        ["all", "RecordAgeExceeded", "id=there; id=gone", "2"],
    ]
    assert keys_in(aws.s3) == sorted([*DEAD_LETTERS, BATCH])
    assert rows_on(aws.kinesis) == []


def test_the_command_does_what_the_function_does(aws):
    fail_changes(aws)
    code, output = command("--items-per-second", "1000", tables=aws.tables)
    assert (code, "3 changes redriven by 3 rows, of 3 objects" in output) == (1, True)
    assert cells(output) == [["items", "type_mismatch", "id=bad", "1"]]
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


def test_the_items_that_fail_are_named_in_json_too(aws):
    fail_changes(aws)
    aws.s3.put_object(Bucket="dead", Key="dead-letters/odd", Body=b"?")
    code, output = command("--items-per-second", "1000", "--json", tables=aws.tables)
    assert (code, json.loads(output)["failing"]) == (
        1,
        [
            {"table": "items", "reason": "type_mismatch", "changes": 1, "items": ["id=bad"]},
            {"table": "all", "reason": "unreadable_object", "changes": 1, "items": ["dead-letters/odd"]},
        ],
    )


def test_only_the_first_items_are_named(aws, monkeypatch):
    monkeypatch.setattr("dynapinot.redrive.MOST_ITEMS", 1)
    fail_changes(aws)
    assert [each["items"] for each in json.loads(command("--dry-run", "--json", tables=aws.tables)[1])["failing"]] == [
        *(["id=bad"], ["id=there"])
    ]


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--prefix", "nix/")])
def test_an_empty_bucket_is_a_success_and_said_to_be_empty(aws, options):
    code, output = command(*options, tables=aws.tables)
    places = "nix/" if "--prefix" in options else "dead-letters/ and aws/lambda/"
    assert code == 0
    assert output.splitlines()[-1] == f"There is no object below {places} in dead, so nothing was looked at"


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


def run(
    bucket,
    *,
    published=None,
    errors=None,
    remaining=lambda: 1.0,
    image=None,
    max_record_bytes=1000,
    tables=None,
    read_item=None,
    portion=500,
):
    return redrive(
        bucket.calls,
        tables or [table()],
        read_item=read_item or (lambda change, earliest: ItemSnapshot({**change.keys, **(image or {})}, earliest)),
        publish=lambda _, entries: Published(first_unpublished=published, resent=0, errors=errors or {}),
        max_record_bytes=max_record_bytes,
        remaining=remaining,
        portion=portion,
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


def batch_of(*records):
    return json.dumps({"DDBStreamBatchInfo": {}, "payload": {"Records": records}}).encode()


class Reader:
    """Reads items, and has time for some of them only."""

    def __init__(self, spoilt=()):
        self.read, self.spoilt, self.left = [], spoilt, 0

    def __call__(self, change, earliest):
        name = change.keys["id"]["S"]
        self.read.append(name)
        self.left -= 1
        return ItemSnapshot({**change.keys, **({"price": {"S": "cheap"}} if name in self.spoilt else {})}, earliest)

    def run(self, bucket, reads, **options):
        self.read, self.left = [], reads
        return run(bucket, read_item=self, remaining=lambda: self.left, **options)


def test_an_object_that_one_run_cannot_read_whole_is_done_by_several():
    bucket = MemoryBucket({"0": batch_of(*(insert(key(name), {}) for name in "abcdefgh"))})
    reader = Reader()
    summaries = [reader.run(bucket, 3, portion=2) for _ in range(3)]
    assert summaries == [
        Summary(objects=1, changes=3, rows=3, unfinished=True),
        Summary(objects=1, changes=3, rows=3, unfinished=True),
        Summary(objects=1, changes=2, rows=2),
    ]
    assert (bucket.objects, bucket.progress) == ({}, {})


def test_a_run_that_is_killed_leaves_the_progress_of_whole_portions():
    bucket = MemoryBucket({"0": batch_of(*(insert(key(name), {}) for name in "abcdefgh"))})

    def killed(change, earliest):
        if change.keys == key("g"):
            raise KeyboardInterrupt
        return ItemSnapshot(change.keys, earliest)

    with pytest.raises(KeyboardInterrupt):
        run(bucket, read_item=killed, portion=2)
    reader = Reader()
    reader.run(bucket, 10)
    assert reader.read == ["g", "h"]


def test_only_the_changes_that_fail_are_tried_again_and_counted():
    bucket = MemoryBucket({"0": batch_of(*(insert(key(name), {}) for name in "abc"))})
    reader = Reader(spoilt="b")
    assert reader.run(bucket, 10).failing == {("items", "type_mismatch"): 1}
    assert summarize(bucket.calls) == Summary(objects=1, changes=1, failed=1, failing={("all", "GivenUp"): 1})
    assert reader.run(bucket, 10) == Summary(objects=1, changes=1, failed=1, failing={("items", "type_mismatch"): 1})
    assert reader.read == ["b"]


def test_changes_that_fail_every_time_do_not_keep_those_behind_them_from_being_tried():
    bucket = MemoryBucket({"0": batch_of(*(insert(key(name), {}) for name in "abcd"))})
    reader = Reader(spoilt="ab")
    tried = []
    for _ in range(3):
        reader.run(bucket, 2)
        tried += reader.read
    assert tried == [*"abcdab"]


def test_the_progress_of_another_object_under_the_same_key_counts_for_nothing():
    bucket = MemoryBucket({"0": batch_of(*(insert(key(name), {}) for name in "abc"))})
    reader = Reader()
    reader.run(bucket, 2)
    bucket.objects["0"] = batch_of(*(insert(key(name), {}) for name in "abd"))
    reader.run(bucket, 10)
    assert reader.read == [*"abd"]
    bucket.objects["0"] = batch_of(*(insert(key(name), {}) for name in "abc"))
    bucket.progress["0"] = b"?"
    reader.run(bucket, 10)
    assert reader.read == [*"abc"]


def refusing(bucket, call, code):
    def refuse(*_):
        raise BucketError(code)

    bucket.calls = replace(bucket.calls, **{call: refuse})
    return bucket


def test_an_object_that_s3_does_not_return_does_not_end_the_run():
    bucket = MemoryBucket(dead_letters(insert(key("a"), {}), insert(key("b"), {})))
    fetch = bucket.calls.fetch

    def denied(name):
        if name == "0":
            raise BucketError("AccessDenied")
        return fetch(name)

    bucket.calls = replace(bucket.calls, fetch=denied)
    failing = {("all", "unreadable_object AccessDenied"): 1}
    assert run(bucket) == Summary(objects=2, changes=2, rows=1, failed=1, failing=failing)
    assert list(bucket.objects) == ["0"]
    assert summarize(bucket.calls).failing == failing


def test_what_s3_does_not_take_note_of_is_counted_and_the_run_goes_on():
    bucket = refusing(MemoryBucket(dead_letters(insert(key("a"), {}), insert(key("b"), {}))), "archive", "AccessDenied")
    assert run(bucket).failing == {("all", "not_archived AccessDenied"): 2}
    bucket = MemoryBucket({"0": batch_of(*(insert(key(name), {}) for name in "abc"))})
    reader = Reader(spoilt="b")
    summary = reader.run(refusing(bucket, "save_progress", "AccessDenied"), 10)
    assert summary.failing == {("all", "progress_not_kept AccessDenied"): 2, ("items", "type_mismatch"): 1}
    assert (summary.changes, summary.redriven) == (3, 0)


def two_tables():
    return [table(), table(config=with_setting(CONFIG, "tableName", "others"))]


def test_a_change_that_fails_for_several_tables_is_counted_under_each_and_once_in_all():
    bucket = MemoryBucket({"0": batch_of(insert(key("a"), {}))})
    summary = run(bucket, tables=two_tables(), image={"price": {"S": "cheap"}})
    assert summary.failing == {("items", "type_mismatch"): 1, ("others", "type_mismatch"): 1}
    assert (summary.changes, summary.failed, summary.redriven) == (1, 1, 0)


def test_a_publish_failure_stands_beside_the_misfits_of_its_object():
    bucket = MemoryBucket({"0": batch_of(*(insert(key(name), {}) for name in "abc"))})
    summary = Reader(spoilt="b").run(bucket, 10, published=1, errors={"Down": 1})
    assert summary.failing == {("items", "type_mismatch"): 1, ("all", "unpublished Down"): 1}
    assert (summary.changes, summary.failed) == (3, 2)
    reader = Reader()
    reader.run(bucket, 10)
    assert reader.read == ["b", "c"]  # the row of "a" was on its stream


def test_an_equal_row_keeps_its_last_place():
    """The same row twice, and another of its key in between, as with changes of one millisecond."""
    sent = []

    def in_ms(name, old=None):
        each = insert(key("a"), {"name": {"S": name}})
        inner = {k: v for k, v in each["dynamodb"].items() if k != "SequenceNumber"}
        inner["ApproximateCreationDateTime"] *= 1000
        return {**each, "dynamodb": inner, "tableName": "meetups", "recordFormat": "application/json"}

    bucket = MemoryBucket({"0": batch_of(in_ms("1"), in_ms("2"), in_ms("1"))})
    redrive(
        bucket.calls,
        [table(source={"ttl_deletes": "keep"})],
        read_item=lambda _, earliest: ItemSnapshot(None, earliest),
        publish=lambda _, entries: sent.extend(entries) or Published(first_unpublished=None, resent=0, errors={}),
        max_record_bytes=1000,
        remaining=lambda: 1.0,
    )
    assert [json.loads(entry.data)["name"] for entry in sent] == ["2", "1"]


# The bucket.


def test_of_two_runs_the_slower_finds_its_object_archived_and_goes_on(aws):
    fail_changes(aws)
    slower, faster = open_bucket(aws.s3, "dead"), open_bucket(aws.s3, "dead")
    assert slower.fetch(BATCH) == faster.fetch(BATCH)
    faster.archive(BATCH)
    slower.archive(BATCH)
    assert keys_in(aws.s3) == sorted([*DEAD_LETTERS, f"redriven/{BATCH}"])


def test_what_comes_under_the_key_of_an_archived_object_is_not_deleted(aws):
    class Late:
        """S3, where the object is gone when it is copied, and there again when it would be deleted."""

        def __init__(self, client):
            self.client = client

        def __getattr__(self, name):
            return getattr(self.client, name)

        def copy_object(self, **request):
            try:
                return self.client.copy_object(**request)
            finally:
                self.client.put_object(Bucket="dead", Key=BATCH, Body=b"new")

    open_bucket(Late(aws.s3), "dead").archive(BATCH)
    assert keys_in(aws.s3) == [BATCH]


@pytest.mark.parametrize("call", ["fetch", "archive"])
def test_an_object_that_s3_refuses_is_told_by_its_code(aws, call):
    fail_changes(aws)
    bucket = open_bucket(aws.s3, "nix")
    with pytest.raises(BucketError, match="NoSuchBucket"):
        getattr(bucket, call)(BATCH)
    with pytest.raises(BucketError, match="NoSuchBucket"):
        bucket.save_progress(BATCH, b"")


def test_an_object_whose_connection_breaks_is_told_by_the_error():
    nobody = boto3.client("s3", endpoint_url="http://127.0.0.1:9", region_name=REGION, **CREDENTIALS)
    with pytest.raises(BucketError, match="EndpointConnectionError"):
        open_bucket(nobody, "dead").fetch(BATCH)


def test_progress_is_kept_beside_the_objects_and_never_listed(aws):
    bucket = open_bucket(aws.s3, "dead", ("",))
    assert bucket.fetch_progress(BATCH) is None
    bucket.save_progress(BATCH, b"some")
    assert bucket.fetch_progress(BATCH) == b"some"
    assert (keys_in(aws.s3), list(bucket.list_keys())) == ([f"progress/{BATCH}"], [])
    bucket.delete_progress(BATCH)
    assert keys_in(aws.s3) == []
