"""No value of an item is ever in logs, metrics or errors, whatever happens to the change that holds it."""

from __future__ import annotations

import json
import logging
import re
import traceback
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

import function
from changes import TTL_IDENTITY, insert, modify, record, remove
from files import CONFIG, SCHEMA, with_setting
from function import forget, set_environment

REGION = "eu-west-1"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request-1")
SECRET = "s3cr3t"  # part of every value below
STREAMS = ("items-stream", "others-stream", "sums-stream")
NUMBER = "7734773477347734"  # part of every number below
MAPPING = Path(__file__).parent.parent.parent / "docs" / "mapping.md"

COLUMNS = [
    {"name": "count", "dataType": "INT"},
    {"name": "at", "dataType": "TIMESTAMP"},
    {"name": "notes", "dataType": "JSON"},
    {"name": "tags", "dataType": "STRING", "singleValueField": False},
    {"name": "rest", "dataType": "JSON"},
    {"name": "city", "dataType": "STRING"},
    {"name": "own", "dataType": "LONG"},
    {"name": "needed", "dataType": "LONG"},
]
KEY = {"id": {"S": f"{SECRET} key"}}


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """An environment with tables that give a dead letter for every reason."""
    _table(tmp_path, "items", SCHEMA["dimensionFieldSpecs"] + COLUMNS[:6], {"rest": "$rest", "city": "home.city"})
    _table(
        tmp_path,
        "others",
        SCHEMA["dimensionFieldSpecs"] + COLUMNS[6:],
        {"own": "own"},
        ("upsertConfig.comparisonColumns", ["own"]),
        ("segmentsConfig.timeColumnName", "needed"),
        dynamodb_table="others",
    )
    _table(
        tmp_path,
        "sums",
        [*SCHEMA["dimensionFieldSpecs"], {"name": "sum", "dataType": "DOUBLE"}],
        {},
        primary_key=["id", "sum"],
        dynamodb_table="sums",
    )
    set_environment(monkeypatch, tmp_path)
    with mock_aws():
        kinesis = boto3.client("kinesis", region_name=REGION)
        for stream in STREAMS:
            kinesis.create_stream(StreamName=stream, ShardCount=1)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="dead")
        yield SimpleNamespace(kinesis=kinesis, s3=s3, tables=tmp_path)
    forget("handlers.stream")


def _table(root, name, columns, mapped, *settings, primary_key=("id",), dynamodb_table=None):
    folder = root / name
    folder.mkdir()
    config = with_setting(CONFIG, "tableName", name)
    stream = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", "stream.kinesis.topic.name")
    config = with_setting(config, stream, f"{name}-stream")
    for path, value in settings:
        config = with_setting(config, path, value)
    schema = {**SCHEMA, "schemaName": name, "dimensionFieldSpecs": columns, "primaryKeyColumns": list(primary_key)}
    (folder / "schema.json").write_text(json.dumps(schema))
    (folder / "table.json").write_text(json.dumps(config))
    lines = [f'dynamodb_table = "{dynamodb_table or "meetups"}"', "[columns]"]
    (folder / "source.toml").write_text("\n".join([*lines, *(f'{a} = "{b}"' for a, b in mapped.items())]))


def load():
    return function.load("handlers.stream")


@pytest.fixture
def output(capfd, caplog):
    """Collect all output on stdout, on stderr and of any logger, and check that it has no value."""

    def gather(*more):
        out, err = capfd.readouterr()
        logged = [json.dumps(each.__dict__, default=repr) for each in caplog.records]
        text = "\n".join((out, err, *logged, *more))
        assert SECRET not in text
        assert NUMBER not in text
        return text

    caplog.set_level(logging.WARNING)
    return gather


def rows_and_dead_letters(aws):
    rows = []
    for stream in STREAMS:
        (shard,) = aws.kinesis.list_shards(StreamName=stream)["Shards"]
        start = aws.kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        rows += [each["Data"] for each in aws.kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]]
    objects = aws.s3.list_objects_v2(Bucket="dead").get("Contents", [])
    return rows, [json.loads(aws.s3.get_object(Bucket="dead", Key=each["Key"])["Body"].read()) for each in objects]


def text(value=""):
    return {"S": f"{SECRET} {value}"}


def good():
    new = {
        "name": text(),
        "price": {"N": NUMBER},
        "notes": {"M": {f"{SECRET}": text()}},
        "tags": {"SS": [f"{SECRET} tag"]},
        "home": {"M": {"city": text("city")}},
        "more": text(),
    }
    return [
        insert(KEY, new),
        modify(KEY, new, new),
        remove(KEY, {**new, "price": text()}),
        remove(KEY, new, userIdentity=TTL_IDENTITY),
    ]


def invalid_changes():
    """One record for each reason in docs/mapping.md."""
    without_image = record("MODIFY", KEY, None, None)
    return {
        "malformed": insert(KEY, {"more": {SECRET: SECRET}}),
        "type_mismatch": insert(KEY, {"price": text()}),
        "fraction": insert(KEY, {"count": {"N": f"{NUMBER}.5"}}),
        "out_of_range": insert(KEY, {"count": {"N": NUMBER}}),
        "not_milliseconds": insert(KEY, {"at": {"N": f"{NUMBER}{NUMBER}"}}),
        "not_a_time": insert(KEY, {"at": text()}),
        "nul_character": insert(KEY, {"name": text("\0")}),
        "too_long": insert(KEY, {"name": text("x" * 600)}),
        "too_many_values": insert(KEY, {"tags": {"L": [text(str(each)) for each in range(40_001)]}}),
        "missing_key": insert({"other": text()}, {"name": text()}),
        "missing_comparison": insert(KEY, {"needed": {"N": "1"}, "name": text()}, table="others"),
        "missing_time": insert(KEY, {"own": {"N": "1"}, "name": text()}, table="others"),
        "inexact_key": insert({**KEY, "sum": {"N": f"{NUMBER}{NUMBER}"}}, {}, table="sums"),
        "ambiguous_column": insert(KEY, {"changed": {"N": NUMBER}}),
        "no_image": without_image,
        "no_table": insert(KEY, {"name": text()}, table="unheard-of"),
        "row_too_large": insert(KEY, {"notes": text("x" * 1_100_000)}),
    }


def test_there_is_an_invalid_change_for_every_reason_in_the_documentation():
    section = MAPPING.read_text().partition("## Why a change becomes a dead letter")[2]
    assert set(invalid_changes()) == set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_only_rows_have_the_values_of_valid_changes(aws, output, monkeypatch, level):
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", level)
    assert load().handler({"Records": good()}, CONTEXT) == {"batchItemFailures": []}
    rows, dead_letters = rows_and_dead_letters(aws)
    assert len(rows) == 4
    assert all(SECRET.encode() in row for row in rows)
    assert dead_letters == []
    assert "deletes sent without a last value" in output()


@pytest.mark.parametrize("reason", list(invalid_changes()))
def test_dead_letters_have_the_values_and_their_logs_do_not(aws, output, reason):
    assert load().handler({"Records": [invalid_changes()[reason]]}, CONTEXT) == {"batchItemFailures": []}
    _, dead_letters = rows_and_dead_letters(aws)
    assert [each["reason"] for each in dead_letters] == [reason]
    assert SECRET in json.dumps(dead_letters[0]["record"])
    assert SECRET not in dead_letters[0]["detail"]
    text = output()
    assert "change dead-lettered" in text
    assert reason in text


@pytest.mark.parametrize(
    "junk", [SECRET, [SECRET], {SECRET: SECRET}, {"eventName": SECRET, "dynamodb": {}}, 7734773477347734]
)
def test_the_content_of_an_invalid_record_is_not_logged(aws, output, junk):
    assert load().handler({"Records": [junk]}, CONTEXT) == {"batchItemFailures": []}
    assert "change dead-lettered" in output()


def test_only_the_identities_of_a_hostile_record_are_logged(aws, output):
    """An event id and a table's name are logged by design, a sequence number if it is valid, and no other field."""
    bad = insert(KEY, {"price": text()}, eventName="INSERT", awsRegion=SECRET, userIdentity={"type": SECRET})
    bad["dynamodb"]["SizeBytes"] = int(NUMBER)
    worse = insert(KEY, {})
    worse["dynamodb"]["SequenceNumber"] = SECRET
    load().handler({"Records": [bad, worse]}, CONTEXT)
    assert "change dead-lettered" in output()


def test_no_values_are_logged_if_a_stream_is_missing(aws, output):
    aws.kinesis.delete_stream(StreamName="items-stream")
    assert load().handler({"Records": good()}, CONTEXT)["batchItemFailures"]
    assert "ResourceNotFoundException" in output()


def test_no_values_are_logged_if_the_bucket_is_missing(aws, output):
    aws.s3.delete_bucket(Bucket="dead")
    assert load().handler({"Records": [*good(), invalid_changes()["fraction"]]}, CONTEXT)["batchItemFailures"]
    assert "NoSuchBucket" in output()


def _raises(error):
    def call(*_, **__):
        raise error

    return call


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": SECRET}}, "PutRecords"),
        ClientError({"Error": {"Code": "ValidationException", "Message": f"Value {SECRET}"}}, "PutRecords"),
        ReadTimeoutError(endpoint_url=SECRET),
    ],
    ids=["throttled", "refused", "timeout"],
)
def test_the_error_message_of_a_service_is_not_logged(aws, output, monkeypatch, error):
    """A service may quote the request in its message. Only its error code is logged."""
    module = load()
    monkeypatch.setattr("time.sleep", lambda _: None)
    short = SimpleNamespace(get_remaining_time_in_millis=lambda: 50, aws_request_id="request-1")
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", _raises(error))
    assert module.handler({"Records": [*good(), invalid_changes()["fraction"]]}, short)["batchItemFailures"]
    assert "stream rejected rows" in output()


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"records": [SECRET]}, "EventError"),
        ({"Records": {SECRET: SECRET}}, "EventError"),
        ([SECRET], "EventError"),
        (SECRET, "EventError"),
        ({"Records": [{SECRET: SECRET}]}, "UnreportableError"),
    ],
)
def test_the_errors_of_a_failed_invocation_have_no_values(aws, output, event, error):
    """Lambda logs the traceback of what a function raises."""
    aws.s3.delete_bucket(Bucket="dead")
    with pytest.raises((ValueError, RuntimeError)) as raised:
        load().handler(event, CONTEXT)
    assert type(raised.value).__name__ == error
    output(*(line for line in traceback.format_exception_only(raised.value)))


def test_the_start_logs_no_environment_variables(aws, output, monkeypatch):
    monkeypatch.setenv("SOMETHING_ELSE", SECRET)
    load()
    assert "tables loaded" in output()
