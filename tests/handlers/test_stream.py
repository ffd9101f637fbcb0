"""The whole entry point against moto's Kinesis and S3."""

from __future__ import annotations

import gc
import json
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

import function
from changes import insert, modify, remove
from dynapinot.local.services import records_in_turn
from files import CONFIG, SCHEMA, with_setting
from function import forget, set_environment
from handlers import clients
from handlers.settings import SettingsError
from handlers.telemetry import MAX_LAGS
from pinot.errors import TableError
from publisher.order import Published

REGION = "eu-west-1"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request-1")
SECRET = "s3cr3t"
FUNCTIONS = ("handlers.stream", "handlers.redrive", "handlers.heartbeat")


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """A world with the stream, the bucket and a folder of tables; ``load`` starts the function in it."""
    write_table(tmp_path, "items", SCHEMA, CONFIG)
    set_environment(monkeypatch, tmp_path)
    with mock_aws(), records_in_turn():
        kinesis = boto3.client("kinesis", region_name=REGION)
        kinesis.create_stream(StreamName="items-stream", ShardCount=2)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="dead")
        yield SimpleNamespace(kinesis=kinesis, s3=s3, tables=tmp_path)
    forget(*FUNCTIONS)


def write_table(root, name, schema, config):
    folder = root / name
    folder.mkdir()
    (folder / "schema.json").write_text(json.dumps(schema))
    (folder / "table.json").write_text(json.dumps(config))


@pytest.fixture
def second_table(aws):
    """Another table of the same changes, on a stream of its own."""
    stream = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", "stream.kinesis.topic.name")
    config = with_setting(with_setting(CONFIG, "tableName", "others"), stream, "others-stream")
    write_table(aws.tables, "others", with_setting(SCHEMA, "schemaName", "others"), config)
    aws.kinesis.create_stream(StreamName="others-stream", ShardCount=1)


def load():
    return function.load("handlers.stream").handler


def rows_on(kinesis, stream="items-stream"):
    rows = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        start = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        rows += kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return [(row["PartitionKey"], json.loads(row["Data"])) for row in rows]


def dead_letters_in(s3):
    objects = s3.list_objects_v2(Bucket="dead").get("Contents", [])
    return {each["Key"]: json.loads(s3.get_object(Bucket="dead", Key=each["Key"])["Body"].read()) for each in objects}


def output(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def key(text):
    return {"id": {"S": text}}


def test_changes_become_rows_and_dead_letters(aws, capsys):
    handler = load()
    records = [
        insert(key("a"), {"name": {"S": SECRET}}),
        modify(key("a"), {"name": {"S": SECRET + "2"}}, {"name": {"S": SECRET}}),
        insert(key("b"), {"price": {"S": SECRET}}, sequence=42),
        remove(key("a"), {"price": {"S": SECRET}}),
    ]
    assert handler({"Records": records}, CONTEXT) == {"batchItemFailures": []}
    ms = 1719082124000
    assert rows_on(aws.kinesis) == [
        ("1:a", {"id": "a", "name": SECRET, "deleted": False, "changed": ms}),
        ("1:a", {"id": "a", "name": SECRET + "2", "deleted": False, "changed": ms}),
        ("1:a", {"id": "a", "deleted": True, "changed": ms}),
    ]
    letters = dead_letters_in(aws.s3)
    assert list(letters) == ["dead-letters/meetups/items/2024-06-22/000000000000000000042.json"]
    assert next(iter(letters.values()))["record"] == records[2]

    loaded, parser, by_reason, measured, dead_letter, left_out = output(capsys)
    assert (loaded["message"], loaded["tables"]) == ("tables loaded", ["items"])
    assert (parser["level"], parser["message"], parser["parser"], parser["wanted"]) == (
        *("INFO", "event parser"),
        *("runtime", "runtime"),
    )
    assert {name: measured[name] for name in ("ChangesReceived", "RowsPublished", "RowsResent", "ChangesIgnored")} == {
        "ChangesReceived": [4.0],
        "RowsPublished": [3.0],
        "RowsResent": [0.0],
        "ChangesIgnored": [0.0],
    }
    assert (measured["DeadLetters"], measured["BatchesStoppedEarly"], measured["service"]) == (
        [1.0],
        [0.0],
        "dynapinot",
    )
    assert len(measured["ReplicationLag"]) == 4
    assert min(measured["ReplicationLag"]) > 0
    assert (by_reason["DeadLetters"], by_reason["reason"]) == ([1.0], "type_mismatch")
    fields = ("message", "reason", "table", "column", "event_id", "sequence_number", "request_id")
    assert {name: dead_letter[name] for name in fields} == {
        "message": "change dead-lettered",
        "reason": "type_mismatch",
        "table": "items",
        "column": "price",
        "event_id": f"{42:032x}",
        "sequence_number": "000000000000000000042",
        "request_id": "request-1",
    }
    assert (left_out["message"], left_out["count"]) == ("deletes sent without a last value", 1)
    assert SECRET not in json.dumps([loaded, measured, by_reason, dead_letter, left_out])


def test_the_bucket_is_connected_once_for_the_first_dead_letter(aws, monkeypatch):
    made = []
    connect = clients.s3
    monkeypatch.setattr(clients, "s3", lambda: made.append(connect()) or made[-1])
    handler = load()
    counts = []
    for record in [insert(key("a"), {}), *(insert(key("b"), {"price": {"S": "x"}}, sequence=n) for n in (1, 2))]:
        assert handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
        counts.append((len(made), len(dead_letters_in(aws.s3))))
    assert counts == [(0, 0), (1, 1), (1, 2)]


def test_the_garbage_collector_ignores_objects_of_the_start(aws):
    load()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_missing_stream_is_reported_as_the_earliest_change(aws, capsys):
    aws.kinesis.delete_stream(StreamName="items-stream")
    records = [insert(key("a"), {}), insert(key("b"), {})]
    assert load()({"Records": records}, CONTEXT) == {
        "batchItemFailures": [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}]
    }
    _, _, measured, rejected, stopped = output(capsys)
    assert (measured["BatchesStoppedEarly"], measured["RowsPublished"]) == ([1.0], [0.0])
    assert "ReplicationLag" not in measured
    assert rejected["errors"] == {"ResourceNotFoundException": 2}
    assert (stopped["level"], stopped["message"], stopped["changes"]) == ("ERROR", "batch stopped early", 2)


@pytest.mark.parametrize(("wanted", "parser"), [("", "runtime"), ("runtime", "runtime"), ("orjson", "runtime")])
def test_the_event_parser_is_logged_at_start_and_is_the_default_without_a_runtime(
    wanted, parser, aws, monkeypatch, capsys
):
    monkeypatch.setenv("EVENT_PARSER", wanted)
    load()
    lines = [line for line in output(capsys) if line["message"] == "event parser"]
    assert [(line["wanted"], line["parser"]) for line in lines] == [(wanted or "runtime", parser)]


def test_a_change_is_sent_to_each_configured_table(aws, second_table, monkeypatch):
    row = ("1:a", {"id": "a", "deleted": False, "changed": 1719082124000})
    event = {"Records": [insert(key("a"), {})]}
    load()(event, CONTEXT)
    assert (rows_on(aws.kinesis), rows_on(aws.kinesis, "others-stream")) == ([row], [row])
    monkeypatch.setenv("TABLES", "others")
    load()(event, CONTEXT)
    assert (rows_on(aws.kinesis), rows_on(aws.kinesis, "others-stream")) == ([row], [row, row])


def test_while_one_tables_stream_fails_the_batch_is_retried_for_all_tables(aws, second_table):
    aws.kinesis.delete_stream(StreamName="others-stream")
    handler = load()
    event = {"Records": [insert(key("a"), {"name": {"S": name}}) for name in "xy"]}
    first = event["Records"][0]["dynamodb"]["SequenceNumber"]
    rows = [("1:a", {"id": "a", "name": name, "deleted": False, "changed": 1719082124000}) for name in "xy"]
    for _ in range(2):
        assert handler(event, CONTEXT) == {"batchItemFailures": [{"itemIdentifier": first}]}
    assert rows_on(aws.kinesis) == rows * 2  # in order: the last row is the newest each time

    aws.kinesis.create_stream(StreamName="others-stream", ShardCount=1)
    assert handler(event, CONTEXT) == {"batchItemFailures": []}
    assert rows_on(aws.kinesis, "others-stream") == rows


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_logs_and_measures_under_its_stacks_name(aws, monkeypatch, name):
    monkeypatch.setenv("HEARTBEAT_TABLE", "meetups")
    module = function.load(name)
    assert (module.logger.service, module.metrics.service) == ("dynapinot", "dynapinot")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"stack-of-{name}")
    module = function.load(name)
    assert (module.logger.service, module.metrics.service) == (f"stack-of-{name}", f"stack-of-{name}")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_the_configured_tables(aws, second_table, monkeypatch, name):
    monkeypatch.setenv("HEARTBEAT_TABLE", "meetups")
    assert [table.name for table in function.load(name)._tables] == ["items", "others"]
    monkeypatch.setenv("TABLES", "others")
    assert [table.name for table in function.load(name)._tables] == ["others"]
    monkeypatch.setenv("TABLES", "others,nix")
    with pytest.raises(TableError, match=r"TABLES: there is no folder nix\. Name some of items, others"):
        function.load(name)


def test_all_logs_and_metrics_of_a_batch_have_the_stacks_name(aws, monkeypatch, capsys):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "my-stack")
    load()({"Records": [insert(key("a"), {}), insert(key("b"), {"price": {"S": "x"}})]}, CONTEXT)
    lines = output(capsys)
    assert [line["service"] for line in lines] == ["my-stack"] * len(lines)
    dimensions = [
        sorted(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], key=len) for line in lines if "_aws" in line
    ]
    assert dimensions == [[["service", "reason"]], [["service"]]]


def test_items_that_may_share_a_row_are_logged_once(aws, capsys):
    handler = load()
    for _ in range(2):
        handler({"Records": [insert({**key("a"), "sk": {"S": "b"}}, {})]}, CONTEXT)
    lines = [line for line in output(capsys) if line.get("message") == "items may share a row"]
    assert [(line["table"], line["not_in_primary_key"]) for line in lines] == [("items", ["sk"])]


def test_a_change_is_retried_if_the_bucket_is_missing(aws, capsys):
    aws.s3.delete_bucket(Bucket="dead")
    records = [insert(key("a"), {}), insert(key("b"), {"price": {"S": "x"}})]
    assert load()({"Records": records}, CONTEXT) == {
        "batchItemFailures": [{"itemIdentifier": records[1]["dynamodb"]["SequenceNumber"]}]
    }
    assert [line["error"] for line in output(capsys) if line.get("message") == "dead letters not stored"] == [
        "NoSuchBucket"
    ]


def test_a_batch_can_have_ten_thousand_changes(aws, capsys):
    records = [insert(key(str(number % 700)), {"name": {"S": str(number)}}) for number in range(10_000)]
    assert load()({"Records": records}, CONTEXT) == {"batchItemFailures": []}
    last = {}
    rows = rows_on(aws.kinesis)
    for partition_key, row in rows:
        last[partition_key] = row["name"]
    assert len(rows) == 10_000
    assert last == {f"{len(str(n))}:{n}": str(max(range(n, 10_000, 700))) for n in range(700)}
    lags = [line["ReplicationLag"] for line in output(capsys) if "ReplicationLag" in line]
    assert sum(map(len, lags)) == MAX_LAGS


def test_a_missing_variable_fails_the_start_by_its_name(aws, monkeypatch):
    monkeypatch.delenv("DEAD_LETTER_BUCKET")
    with pytest.raises(SettingsError, match="DEAD_LETTER_BUCKET"):
        load()
    assert gc.isenabled(), "a failed start leaves the garbage collector enabled"


def test_a_mistake_in_a_tables_files_fails_the_start_with_file_column_and_remedy(aws):
    file = aws.tables / "items" / "schema.json"
    file.write_text(file.read_text().replace('"DOUBLE"', '"DECIMAL"'))
    with pytest.raises(TableError, match=r"items/schema.json: column price: dataType 'DECIMAL' .* Use one of INT"):
        load()


def test_a_warning_about_a_tables_files_is_logged_at_start(aws, capsys):
    file = aws.tables / "items" / "table.json"
    file.write_text(file.read_text().replace('"FULL"', '"PARTIAL"'))
    load()
    warning, *_ = output(capsys)
    assert (warning["level"], warning["where"]) == ("WARNING", "upsertConfig.mode")


@pytest.mark.parametrize(("rows_end", "stored"), [(42.1, True), (45.1, False)])
def test_dead_letters_begin_after_the_rows_and_not_after_three_quarters_of_the_time(aws, monkeypatch, rows_end, stored):
    """Rows end at 42 of 60 s. Their last request may end at 52 s, and one of S3 would then outlive the function."""
    handler, now, left = load(), [0.0], []
    monkeypatch.setattr("handlers.deadline.time", SimpleNamespace(monotonic=lambda: now[0]))

    def publish_within(remaining):
        def publish(_, entries):
            list(entries)
            left.append(remaining())
            now[0] = rows_end
            return Published(first_unpublished=None, resent=0, errors={})

        return publish

    streams = SimpleNamespace(publish_within=publish_within)
    monkeypatch.setattr("handlers.stream._streams", streams)
    bad = insert(key("b"), {"price": {"S": SECRET}}, sequence=42)
    failures = handler({"Records": [insert(key("a"), {}), bad]}, CONTEXT)["batchItemFailures"]
    assert [round(seconds) for seconds in left] == [42]
    assert (len(dead_letters_in(aws.s3)) == 1, failures == []) == (stored, stored)
