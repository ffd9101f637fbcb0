"""Promises of the local parts: the SDK finds them and nothing else, and they leave nothing behind."""

from __future__ import annotations

import json
import logging
import os
import shutil

import pytest
from botocore.exceptions import ClientError

from dynapinot import local
from dynapinot.dynamodb_streams import Poller
from dynapinot.event_source import EventSource
from dynapinot.kinesis_stream import StreamReader


def test_the_environment_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://192.0.2.1")
    before, level = dict(os.environ), logging.getLogger("werkzeug").level
    with local.embedded_services() as services:
        assert "AWS_PROFILE" not in os.environ
        assert "AWS_ENDPOINT_URL_KINESIS" not in os.environ
        assert os.environ["AWS_ENDPOINT_URL"] == services.kinesis.meta.endpoint_url
        os.environ["LEFT_BEHIND"] = "1"
    assert dict(os.environ) == before
    assert logging.getLogger("werkzeug").level == level


def test_services_start_empty_and_do_not_share_a_port():
    with local.embedded_services() as first:
        first.kinesis.create_stream(StreamName="s", ShardCount=1)
        endpoint = first.kinesis.meta.endpoint_url
        with local.embedded_services() as second:
            assert second.kinesis.meta.endpoint_url != endpoint
    with local.embedded_services() as third:
        assert third.kinesis.list_streams()["StreamNames"] == []


def test_the_meetups_table_has_the_stream_a_replica_needs(services, meetups_stream):
    table = services.dynamodb.describe_table(TableName="pinot-ingestion-demo")["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("meetup_id", "HASH"),
        ("mtime", "RANGE"),
    ]
    assert table["LatestStreamArn"] == meetups_stream
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"


def test_the_seed_s_table_is_copied_without_the_others(tmp_path):
    shipped = tmp_path / "tables"
    for name in (local.PINOT_TABLE, "another"):
        folder = shipped / name
        folder.mkdir(parents=True)
        for file in (local.SHIPPED_TABLES / local.PINOT_TABLE).iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    with local.seed_tables(shipped) as files:
        assert [each.name for each in files.folder.iterdir()] == [local.PINOT_TABLE]
        assert files.stream == "pinot-ingestion-stream"
        assert files.upsert_table.name == local.PINOT_TABLE
    assert not files.folder.exists()


def test_a_missing_seed_table_is_an_error(tmp_path):
    with pytest.raises(local.LocalError, match="there is no folder"), local.seed_tables(tmp_path):
        pass


def test_a_suffix_gives_the_table_its_schema_and_its_stream_names_of_their_own():
    with local.seed_tables(suffix="mine") as files:
        folder = files.folder / local.PINOT_TABLE
        schema, config = (json.loads((folder / f"{name}.json").read_text()) for name in ("schema", "table"))
    name = f"{local.PINOT_TABLE}_mine"
    assert (files.upsert_table.name, files.stream) == (name, "pinot-ingestion-stream-mine")
    assert (schema["schemaName"], config["tableName"]) == (name, name)
    assert local.stream_config(config)["stream.kinesis.topic.name"] == "pinot-ingestion-stream-mine"


@pytest.mark.parametrize(
    "config",
    [
        {"ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [{"region": "r"}]}}},
        {"tableIndexConfig": {"streamConfigs": {"region": "r"}}, "ingestionConfig": {"transformConfigs": []}},
    ],
)
def test_the_settings_of_the_stream_are_found_in_both_places_pinot_reads(config):
    assert local.stream_config(config) == {"region": "r"}


def test_a_service_that_runs_elsewhere_is_the_one_that_is_called():
    elsewhere = {"AWS_ENDPOINT_URL_KINESIS": "http://192.0.2.1"}
    with local.embedded_services(elsewhere=elsewhere) as services:
        assert services.kinesis.meta.endpoint_url == "http://192.0.2.1"
        assert services.s3.meta.endpoint_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("table.json", '{"tableName": "t", "upsertConfig": {}}', "upsertConfig.mode"),
        ("schema.json", "{", "Expecting property name"),
        ("table.json", None, "No such file"),
    ],
)
def test_a_seed_table_that_cannot_be_used_is_an_error(tmp_path, file, text, said):
    shutil.copytree(local.SHIPPED_TABLES / local.PINOT_TABLE, tmp_path / local.PINOT_TABLE)
    path = tmp_path / local.PINOT_TABLE / file
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(local.LocalError, match=said), local.seed_tables(tmp_path):
        pass


def test_a_stream_of_another_region_is_made_there(tmp_path):
    shutil.copytree(local.SHIPPED_TABLES / local.PINOT_TABLE, tmp_path / local.PINOT_TABLE)
    path = tmp_path / local.PINOT_TABLE / "table.json"
    path.write_text(path.read_text().replace('"us-east-1"', '"eu-west-1"'))
    with local.seed_tables(tmp_path) as files, local.embedded_services(files.region) as services:
        services.kinesis.create_stream(StreamName=files.stream, ShardCount=1)
        stream = services.kinesis.describe_stream_summary(StreamName=files.stream)["StreamDescriptionSummary"]
        assert ":eu-west-1:" in stream["StreamARN"]


def test_a_context_counts_down():
    context = local.Context()
    assert 59_000 < context.get_remaining_time_in_millis() <= 60_000
    assert local.Context(deadline=0).get_remaining_time_in_millis() == 0
    assert context.aws_request_id != local.Context().aws_request_id


def test_an_event_and_a_response_are_json_on_the_way():
    seen = []

    def handler(event, context):
        seen.append(event)
        return {"batchItemFailures": ()}

    event = {"Records": ({"a": 1},)}
    assert local.invoke(handler, event) == {"batchItemFailures": []}
    assert seen == [{"Records": [{"a": 1}]}]


def test_records_given_up_are_kept_where_lambda_keeps_them(services):
    services.s3.create_bucket(Bucket=local.BUCKET)
    document = {
        "timestamp": "2024-06-22T18:50:00.123Z",
        "requestContext": {"requestId": "316aa6d0-8154-4000-9af7-85d5f4a6bc81"},
        "DDBStreamBatchInfo": {"shardId": "shard-1"},
    }
    local.failure_keeper(services.s3)(document)
    (kept,) = services.s3.list_objects_v2(Bucket=local.BUCKET)["Contents"]
    prefix, uuid, rest = kept["Key"].split("/", 3)[0:2], kept["Key"].split("/")[2], kept["Key"].split("/", 3)[3]
    assert prefix == ["aws", "lambda"]
    assert len(uuid) == 36
    assert rest == "shard-1/2024/06/22/2024-06-22T18.50.00-316aa6d0-8154-4000-9af7-85d5f4a6bc81"
    body = services.s3.get_object(Bucket=local.BUCKET, Key=kept["Key"])["Body"].read()
    assert json.loads(body) == document


def test_a_real_stream_is_polled_in_the_form_of_a_lambda_event(services, meetups_stream):
    events = []

    def connect(shard, read):
        return EventSource(read, events.append, clock=lambda: 0.0, sleep=lambda _: None)

    poller = Poller(services.streams, meetups_stream, connect)
    poller.drain()
    assert events == []
    item = {"meetup_id": {"S": "a"}, "mtime": {"N": "1"}, "b": {"B": b"\x00\xff"}, "m": {"M": {"l": {"L": []}}}}
    services.dynamodb.put_item(TableName="pinot-ingestion-demo", Item=item)
    services.dynamodb.delete_item(TableName="pinot-ingestion-demo", Key={"meetup_id": {"S": "a"}, "mtime": {"N": "1"}})
    poller.drain()
    poller.drain()
    (event,) = events
    made, removed = event["Records"]
    assert (made["eventName"], removed["eventName"]) == ("INSERT", "REMOVE")
    assert made["eventSourceARN"] == meetups_stream
    assert made["dynamodb"]["NewImage"] == {**item, "b": {"B": "AP8="}}
    assert removed["dynamodb"]["Keys"] == {"meetup_id": {"S": "a"}, "mtime": {"N": "1"}}
    assert int(made["dynamodb"]["SequenceNumber"]) < int(removed["dynamodb"]["SequenceNumber"])
    json.dumps(event)


def test_a_poller_can_go_on_behind_a_checkpoint_of_a_real_stream(services, meetups_stream):
    for number in range(3):
        services.dynamodb.put_item(
            TableName="pinot-ingestion-demo", Item={"meetup_id": {"S": "a"}, "mtime": {"N": str(number)}}
        )
    events = []

    def connect(checkpoint):
        return lambda _, read: EventSource(
            read, events.append, clock=lambda: 0.0, sleep=lambda _: None, checkpoint=checkpoint
        )

    Poller(services.streams, meetups_stream, connect(None)).drain()
    first = events[0]["Records"][0]["dynamodb"]["SequenceNumber"]
    Poller(services.streams, meetups_stream, connect(first)).drain()
    assert events[1]["Records"] == events[0]["Records"][1:]


def test_a_kinesis_stream_is_read_to_its_end_and_then_on(services):
    services.kinesis.create_stream(StreamName="s", ShardCount=2)
    reader = StreamReader(services.kinesis, "s")
    assert reader.read() == []
    for number in range(40):
        services.kinesis.put_record(StreamName="s", Data=b"%d" % number, PartitionKey=f"key {number % 8}")
    records = reader.read()
    assert sorted(int(record.data) for record in records) == list(range(40))
    assert {record.shard for record in records} == {"shardId-000000000000", "shardId-000000000001"}
    for key in {record.key for record in records}:
        of_key = [int(record.data) for record in records if record.key == key]
        assert of_key == sorted(of_key)
    services.kinesis.put_record(StreamName="s", Data=b"40", PartitionKey="key")
    assert [record.data for record in reader.read()] == [b"40"]
    assert reader.read() == []
    with pytest.raises(ClientError):
        StreamReader(services.kinesis, "missing").read()
