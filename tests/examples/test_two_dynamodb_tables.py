"""Several DynamoDB tables in one function: each source.toml says whose changes its Pinot table takes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

import function
from changes import ARN, SECOND, insert, remove
from files import CONFIG, SCHEMA, with_column, with_setting
from function import forget, set_environment

REGION = "eu-west-1"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request-1")
TOPIC = (*"ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split("."), "stream.kinesis.topic.name")

# Both DynamoDB tables have an item of this key, and a change of this number.
KEY, NUMBER = {"id": {"S": "1"}}, 500
AUTHOR = insert(KEY, {"name": {"S": "Ada"}}, table="authors", sequence=NUMBER)
BOOK = insert(KEY, {"name": {"S": "Notes"}, "price": {"N": "12"}}, table="books", sequence=NUMBER)


def folder(root, name, source, schema=SCHEMA):
    """A Pinot table of the given name; its stream is called after it."""
    here = root / name
    here.mkdir()
    config = with_setting(with_setting(CONFIG, "tableName", name), TOPIC, f"{name}-stream")
    (here / "schema.json").write_text(json.dumps({**schema, "schemaName": name}))
    (here / "table.json").write_text(json.dumps(config))
    (here / "source.toml").write_text(source)


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """A bucket and an empty folder of tables; ``start`` makes the streams of some tables and gives the function."""
    set_environment(monkeypatch, tmp_path)
    with mock_aws():
        kinesis, s3 = boto3.client("kinesis", region_name=REGION), boto3.client("s3")
        s3.create_bucket(Bucket="dead")

        def start(*names):
            for name in names:
                kinesis.create_stream(StreamName=f"{name}-stream", ShardCount=1)
            handler = function.load("handlers.stream").handler
            return lambda *records: handler({"Records": list(records)}, CONTEXT)

        yield SimpleNamespace(kinesis=kinesis, s3=s3, tables=tmp_path, start=start)
    forget("handlers.stream")


def rows(kinesis, name):
    shard = kinesis.list_shards(StreamName=f"{name}-stream")["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName=f"{name}-stream", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    return [
        json.loads(record["Data"]) for record in kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    ]


def row(name, *, deleted=False, **more):
    return {"id": "1", "name": name, "deleted": deleted, **more, "changed": SECOND * 1000}


def dead_letters(s3):
    return [each["Key"] for each in s3.list_objects_v2(Bucket="dead").get("Contents", [])]


def test_the_two_changes_have_one_key_and_sequence_number_in_different_dynamodb_tables():
    assert AUTHOR["eventSourceARN"] == ARN.format("authors")
    assert BOOK["eventSourceARN"] == ARN.format("books")
    assert AUTHOR["dynamodb"]["Keys"] == BOOK["dynamodb"]["Keys"]
    assert AUTHOR["dynamodb"]["SequenceNumber"] == BOOK["dynamodb"]["SequenceNumber"]


@pytest.mark.parametrize("batches", [[[AUTHOR], [BOOK]], [[BOOK], [AUTHOR]], [[AUTHOR, BOOK]]])
def test_the_changes_of_each_dynamodb_table_go_to_its_own_pinot_table(aws, batches):
    folder(aws.tables, "writers", 'dynamodb_table = "authors"')
    folder(aws.tables, "titles", 'dynamodb_table = "books"')
    handle = aws.start("writers", "titles")
    for batch in batches:
        assert handle(*batch) == {"batchItemFailures": []}
    assert rows(aws.kinesis, "writers") == [row("Ada")]
    assert rows(aws.kinesis, "titles") == [row("Notes", price=12.0)]
    assert dead_letters(aws.s3) == []


def test_a_delete_in_one_dynamodb_table_leaves_the_other_ones_item_of_the_same_key_alone(aws):
    folder(aws.tables, "writers", 'dynamodb_table = "authors"')
    folder(aws.tables, "titles", 'dynamodb_table = "books"')
    handle = aws.start("writers", "titles")
    handle(AUTHOR)
    handle(BOOK)
    handle(remove(KEY, {"name": {"S": "Ada"}}, table="authors"))
    assert rows(aws.kinesis, "writers") == [row("Ada"), row("Ada", deleted=True)]
    assert rows(aws.kinesis, "titles") == [row("Notes", price=12.0)]


def test_invalid_values_in_both_tables_are_two_separate_dead_letters(aws):
    folder(aws.tables, "writers", 'dynamodb_table = "authors"')
    folder(aws.tables, "titles", 'dynamodb_table = "books"')
    handle = aws.start("writers", "titles")
    for name in ("authors", "books"):
        handle(insert(KEY, {"price": {"S": "much"}}, table=name, sequence=NUMBER))
    assert dead_letters(aws.s3) == [
        f"dead-letters/authors/writers/2024-06-22/{NUMBER:021d}.json",
        f"dead-letters/books/titles/2024-06-22/{NUMBER:021d}.json",
    ]


def test_changes_of_an_unlisted_dynamodb_table_are_dead_letters_and_block_nothing(aws):
    folder(aws.tables, "writers", 'dynamodb_table = "authors"')
    handle = aws.start("writers")
    assert handle(BOOK, AUTHOR) == {"batchItemFailures": []}
    assert rows(aws.kinesis, "writers") == [row("Ada")]
    (key,) = dead_letters(aws.s3)
    dead_letter = json.loads(aws.s3.get_object(Bucket="dead", Key=key)["Body"].read())
    assert (dead_letter["reason"], dead_letter["table"], dead_letter["record"]) == ("no_table", None, BOOK)


def test_two_dynamodb_tables_may_share_a_pinot_table_if_the_primary_key_distinguishes_them(aws):
    schema = with_setting(with_column("origin", "STRING"), "primaryKeyColumns", ["origin", "id"])
    folder(aws.tables, "things", '[columns]\norigin = "$table"', schema)
    handle = aws.start("things")
    handle(AUTHOR)
    handle(BOOK)
    handle(remove(KEY, {"name": {"S": "Ada"}}, table="authors"))
    shown = {(row["origin"], row["id"]): row for row in rows(aws.kinesis, "things")}
    assert {key: (row["name"], row["deleted"]) for key, row in shown.items()} == {
        ("authors", "1"): ("Ada", True),
        ("books", "1"): ("Notes", False),
    }
