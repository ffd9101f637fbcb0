"""The whole heartbeat: through an embedded DynamoDB, the real stream function and an embedded Kinesis."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from types import SimpleNamespace

import pytest
from aws_lambda_powertools.metrics import Metrics
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

import function
from dynapinot.demo.meetups import create_meetups_table
from dynapinot.demo.pinot_table import PINOT_TABLE, seed_tables
from dynapinot.local.dynamodb_streams import Poller
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.function import BUCKET, Context, invoke
from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.services import embedded_services
from handlers.settings import SERVICE, SHIPPED_TABLES, HeartbeatSettings, SettingsError
from handlers.telemetry import NAMESPACE, measure_heartbeat
from heartbeat.aws import open_shards, shard_reader
from heartbeat.item import ATTRIBUTE, NUMBER_KEYS, PLACEHOLDER, PREFIX, HeartbeatError
from heartbeat.probe import CLOCK_TOLERANCE_MS, Shard, ShardLocation
from heartbeat.run import UnreadableError

PAGE = (Path(__file__).parents[2] / "docs" / "heartbeat.md").read_text()
TABLE = "meetups"
SHARDS = 3
NAMES = ("handlers.stream", "handlers.heartbeat")


def load(name, monkeypatch, **variables):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    return function.load(name)


@pytest.fixture
def world(monkeypatch):
    """A table with its stream, the seed's Kinesis stream of several shards, and the functions in between."""
    with seed_tables() as files, embedded_services(files.region) as services:
        stream_arn = create_meetups_table(services.dynamodb, TABLE)
        services.kinesis.create_stream(StreamName=files.stream, ShardCount=SHARDS)
        services.s3.create_bucket(Bucket=BUCKET)
        monkeypatch.setenv("TABLES_DIR", str(files.folder))
        monkeypatch.setenv("DEAD_LETTER_BUCKET", BUCKET)
        monkeypatch.setenv("HEARTBEAT_TABLE", TABLE)
        yield SimpleNamespace(services=services, stream_arn=stream_arn, files=files, kinesis=services.kinesis)
    for name in NAMES:
        sys.modules.pop(name, None)


# Powertools has one set of metrics a process; on Lambda the two functions are two processes.
METRICS_LOCK = Lock()


def locked(call):
    def called(*arguments):
        with METRICS_LOCK:
            return call(*arguments)

    return called


@contextmanager
def replicating(world, handler):
    """Replicate, in a thread, as the event source mapping would."""

    def connect(shard, read):
        return EventSource(
            read,
            locked(lambda event: invoke(handler, event)),
            clock=time.time,
            sleep=time.sleep,
            settings=Settings(report_batch_item_failures=True),
        )

    poller = Poller(world.services.streams, world.stream_arn, connect)
    stop = Event()

    def poll():
        while not stop.is_set():
            poller.drain()
            stop.wait(0.1)

    thread = Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def context(seconds):
    return Context(deadline=time.monotonic() + seconds)


def measured(capsys):
    """The values emitted, by metric, and the log lines about missing rows."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {"HeartbeatsMissing": [], "HeartbeatLag": []}
    for line in lines:
        for name, values in found.items():
            values.extend(line.get(name, []))
    return found, [line for line in lines if line.get("message") == "heartbeat missing"]


def heartbeat_items(world):
    items = world.services.dynamodb.scan(TableName=TABLE)["Items"]
    return {item["meetup_id"]["S"]: item for item in items}


def test_every_shard_is_measured_and_a_function_that_is_not_invoked_is_detected(world, monkeypatch, capsys):
    stream = load("handlers.stream", monkeypatch).handler
    module = load("handlers.heartbeat", monkeypatch)
    monkeypatch.setattr(module, "measure_heartbeat", locked(module.measure_heartbeat))
    heartbeat = module.handler
    before_ms = time.time_ns() // 1_000_000
    with replicating(world, stream):
        assert heartbeat({}, context(30)) == {"shards": SHARDS, "missing": 0}
    found, missing = measured(capsys)
    assert found["HeartbeatsMissing"] == [0.0]
    assert len(found["HeartbeatLag"]) == SHARDS
    assert all(0 <= lag < 20_000 for lag in found["HeartbeatLag"])
    assert missing == []
    first = heartbeat_items(world)
    assert len(first) == SHARDS
    for name, item in first.items():
        assert re.fullmatch(r"dynapinot-heartbeat-\d+", name)
        assert item["mtime"] == {"N": "946684800000"}
        assert int(item["heartbeat"]["N"]) >= before_ms
    rows = StreamReader(world.kinesis, world.files.stream).read()
    assert {row.shard for row in rows} == {f"shardId-{number:012d}" for number in range(SHARDS)}
    assert {json.loads(row.data)["meetup_id"] for row in rows} == first.keys()

    time.sleep(
        CLOCK_TOLERANCE_MS / 1000 + 1
    )  # a row's time is a whole second: one of a run just before may be this one's
    assert heartbeat({}, context(4)) == {"shards": SHARDS, "missing": SHARDS}
    found, missing = measured(capsys)
    assert found == {"HeartbeatsMissing": [float(SHARDS)], "HeartbeatLag": []}
    assert {(line["level"], line["table"], line["stream"], line["region"], line.get("error")) for line in missing} == {
        ("ERROR", world.files.upsert_table.name, world.files.stream, world.files.region, None)
    }
    assert {line["shard"] for line in missing} == {row.shard for row in rows}
    assert {line["request_id"] for line in missing} != {None}
    second = heartbeat_items(world)
    assert second.keys() == first.keys()  # the same items in every run
    assert all(second[name]["heartbeat"] != first[name]["heartbeat"] for name in first)

    with replicating(world, stream):  # the waiting rows arrive first, and do not count as this run's
        assert heartbeat({}, context(30)) == {"shards": SHARDS, "missing": 0}
    found, _ = measured(capsys)
    assert (found["HeartbeatsMissing"], len(found["HeartbeatLag"])) == ([0.0], SHARDS)


def test_an_item_of_the_user_is_never_overwritten(world, monkeypatch):
    heartbeat = load("handlers.heartbeat", monkeypatch, HEARTBEAT_ITEM='{"meetup_id": {"S": "{marker}"}}').handler
    heartbeat({}, context(0))
    name = next(iter(heartbeat_items(world)))
    mine = {"meetup_id": {"S": name}, "mtime": {"N": "946684800000"}, "venue_name": {"S": "mine"}}
    world.services.dynamodb.put_item(TableName=TABLE, Item=mine)
    with pytest.raises(HeartbeatError, match="has the key of a heartbeat item and is none"):
        heartbeat({}, context(0))
    assert heartbeat_items(world)[name] == mine


def test_further_attributes_are_written_in_the_sdks_form(world, monkeypatch):
    further = {
        "b": {"B": "AP8="},
        "bs": {"BS": ["AA==", "AQ=="]},
        "m": {"M": {"l": {"L": [{"B": "AA=="}, {"N": "1"}]}}},
        "group_city": {"S": "nowhere"},
    }
    load("handlers.heartbeat", monkeypatch, HEARTBEAT_ITEM=json.dumps(further)).handler({}, context(0))
    for item in heartbeat_items(world).values():
        assert item["b"] == {"B": b"\x00\xff"}
        assert sorted(item["bs"]["BS"]) == [b"\x00", b"\x01"]
        assert item["m"] == {"M": {"l": {"L": [{"B": b"\x00"}, {"N": "1"}]}}}
        assert item["group_city"] == {"S": "nowhere"}


def test_closed_shards_get_no_item(world, monkeypatch):
    first, second, _ = world.kinesis.list_shards(StreamName=world.files.stream)["Shards"]
    world.kinesis.merge_shards(
        StreamName=world.files.stream,
        ShardToMerge=first["ShardId"],
        AdjacentShardToMerge=second["ShardId"],
    )
    heartbeat = load("handlers.heartbeat", monkeypatch).handler
    assert heartbeat({}, context(0)) == {"shards": 2, "missing": 2}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"HEARTBEAT_TABLE": "missing"}, "HEARTBEAT_TABLE: there is no DynamoDB table missing"),
        ({"HEARTBEAT_ITEM": '{"mtime": {"S": "1"}}'}, "key attribute mtime"),
        ({"HEARTBEAT_ITEM": '{"rsvp_count": {"S": "many"}}'}, "column rsvp_count cannot be filled"),
    ],
)
def test_a_configuration_mistake_is_raised_with_its_remedy(world, monkeypatch, variables, message):
    heartbeat = load("handlers.heartbeat", monkeypatch, **variables).handler
    with pytest.raises(HeartbeatError, match=message):
        heartbeat({}, context(30))


def test_a_missing_stream_is_named(world, monkeypatch):
    world.kinesis.delete_stream(StreamName=world.files.stream)
    with pytest.raises(HeartbeatError, match="no Kinesis stream pinot-ingestion-stream in the region us-east-1"):
        load("handlers.heartbeat", monkeypatch).handler({}, context(30))


def test_a_table_that_nothing_replicates_fails_the_start(world, monkeypatch):
    source = world.files.folder / PINOT_TABLE / "source.toml"
    source.write_text('dynamodb_table = "another"\n')
    with pytest.raises(HeartbeatError, match="no folder of tables replicates the DynamoDB table meetups"):
        load("handlers.heartbeat", monkeypatch)


def test_the_shards_of_all_pages_are_found_and_a_token_is_sent_alone():
    asked = []

    def list_shards(**request):
        asked.append(request)
        number = len(asked)
        shard = {"ShardId": str(number), "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "9"}}
        return {"Shards": [{**shard, "SequenceNumberRange": {}}], **({"NextToken": "token"} if number < 2 else {})}

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)
    shards = open_shards(SimpleNamespace(list_shards=list_shards, exceptions=exceptions), "s")
    assert shards == [Shard(id="1", first=0, last=9), Shard(id="2", first=0, last=9)]
    assert asked == [{"StreamName": "s"}, {"NextToken": "token"}]


class FakeKinesis:
    """A client that gives these responses, one for each read."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.iterators = []

    def get_shard_iterator(self, **_):
        return {"ShardIterator": "0"}

    def get_records(self, *, ShardIterator):  # noqa: N803  # the SDK's name
        self.iterators.append(ShardIterator)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"Records": [], **answer}


def client_error(code, status):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetRecords")


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (client_error("ProvisionedThroughputExceededException", 400), UnreadableError, "ProvisionedThroughputExceeded"),
        (client_error("Odd", 503), UnreadableError, "Odd"),
        (ConnectTimeoutError(endpoint_url="x"), UnreadableError, "ConnectTimeoutError"),
        (EndpointConnectionError(endpoint_url="x"), UnreadableError, "EndpointConnectionError"),
        (ReadTimeoutError(endpoint_url="x"), UnreadableError, "ReadTimeoutError"),
        (client_error("AccessDeniedException", 400), ClientError, "AccessDenied"),
    ],
)
def test_only_transient_errors_leave_a_shard_to_be_read_again(error, expected, message):
    client = FakeKinesis(error, {"NextShardIterator": "1"}, {})
    read, location = shard_reader({"r": client}, 0), ShardLocation("s", "r", "shard")
    with pytest.raises(expected, match=message):
        read(location)
    assert [read(location), read(location), read(location)] == [[], [], []]  # in the end the shard is closed
    assert client.iterators == ["0", "0", "1"]


@pytest.mark.parametrize("count", [1, 99, 100, 120])
def test_each_shard_has_one_lag_even_with_very_many_shards(capsys, count):
    measure_heartbeat(Metrics(namespace=NAMESPACE, service=SERVICE), [SimpleNamespace(lag_ms=n) for n in range(count)])
    found, _ = measured(capsys)
    assert found == {"HeartbeatsMissing": [0.0], "HeartbeatLag": [float(each) for each in range(count)]}


def test_only_the_tables_name_is_required():
    assert HeartbeatSettings.from_mapping({"HEARTBEAT_TABLE": "t"}) == HeartbeatSettings(
        heartbeat_table="t",
        heartbeat_item=[{}],
        tables_dir=SHIPPED_TABLES,
        tables=(),
        powertools_service_name="dynapinot",
    )


def test_one_item_or_several_can_be_configured():
    variables = {
        "HEARTBEAT_TABLE": "t",
        "HEARTBEAT_ITEM": '{"a": {"S": "b"}}',
        "TABLES_DIR": "/opt/tables",
        "TABLES": "orders",
        "POWERTOOLS_SERVICE_NAME": "my-stack",
    }
    assert HeartbeatSettings.from_mapping(variables) == HeartbeatSettings(
        heartbeat_table="t",
        heartbeat_item=[{"a": {"S": "b"}}],
        tables_dir=Path("/opt/tables"),
        tables=("orders",),
        powertools_service_name="my-stack",
    )
    variables["HEARTBEAT_ITEM"] = '[{"a": {"S": "b"}}, {}]'
    assert HeartbeatSettings.from_mapping(variables).heartbeat_item == [{"a": {"S": "b"}}, {}]


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "HEARTBEAT_TABLE"),
        ({"HEARTBEAT_TABLE": ""}, "HEARTBEAT_TABLE"),
        *(({"HEARTBEAT_TABLE": "t", "HEARTBEAT_ITEM": text}, "HEARTBEAT_ITEM") for text in ("{", "1", "[]", "[1]")),
    ],
)
def test_an_invalid_variable_is_reported_by_its_name(variables, name):
    with pytest.raises(SettingsError, match=name):
        HeartbeatSettings.from_mapping(variables)


def test_the_page_has_the_names_in_the_code():
    code = (SHIPPED_TABLES.parent / "handlers" / "heartbeat.py").read_text()
    for name in (*re.findall(r'name="(\w+)", unit', code), *re.findall(r'logger\.\w+\("([^"]+)"', code)):
        assert f"| `{name}` |" in PAGE
    for name in ("HEARTBEAT_TABLE", "HEARTBEAT_ITEM", ATTRIBUTE, PLACEHOLDER, f"{PREFIX}<n>"):
        assert f"`{name}`" in PAGE
    assert all(str(number) in PAGE for number in NUMBER_KEYS)
