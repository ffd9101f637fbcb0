from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from decoder.change import decode_change
from dynapinot.cli.app import app
from dynapinot.folders import read_tables
from dynapinot.load.preconditions import dynamodb_time as DYNAMODB_TIME  # noqa: N812  # not the one that is patched
from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.replica import Replica, read_upsert_table
from dynapinot.local.services import REGION, embedded_services
from files import CONFIG, SCHEMA, with_setting
from pinot_fake import Pinot, Table, broker_response, result, running
from pinot_sql import answer

STREAM_REGION = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0.region"
BUCKET, TABLE = "dead-letters", "app"


@dataclass
class World:
    """A table with a stream, a stream for Pinot and a bucket, embedded; and the command that loads."""

    services: Any
    tables: Any

    def __post_init__(self):
        self.services.kinesis.create_stream(StreamName="items-stream", ShardCount=4)
        self.services.s3.create_bucket(Bucket=BUCKET)
        self.services.dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.reader = StreamReader(self.services.kinesis, "items-stream")

    def put(self, *items):
        for start in range(0, len(items), 25):
            requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            self.services.dynamodb.batch_write_item(RequestItems={TABLE: requests})

    def put_many(self, count, **attributes):
        self.put(*({"id": {"S": f"item-{number}"}, **attributes} for number in range(count)))

    def rows(self):
        """The rows that have come since the last look."""
        return [json.loads(record.data) for record in self.reader.read()]

    def ids(self):
        return [row["id"] for row in self.rows()]

    def command(self, *words, bucket=BUCKET, trusted=True, **options):
        """Run a command with what it takes to find the load."""
        given = [*words, "--bucket", bucket]
        if words[0] == "load" and (words[1].startswith("-") or words[1] in ("resume", "sweep")):
            given += ["--tables", str(self.tables), *(["--trust-live-path"] if trusted else [])]
        return CliRunner().invoke(app, given, catch_exceptions=False, **options)

    def load(self, *words):
        return self.command("load", "--table", TABLE, "--here", "--yes", *words)

    def edit(self, name, change):
        """Change a JSON file of the table's folder."""
        file = self.tables / "items" / name
        file.write_text(json.dumps(change(json.loads(file.read_text()))))

    def live(self, *records):
        """Send the rows of changes, as the function that has the table's files does."""
        ((table,), _) = read_tables(self.tables, ())
        for record in records:
            for row in table.rows(decode_change(record)):
                self.services.kinesis.put_record(StreamName="items-stream", PartitionKey=row.key, Data=row.data)

    def files(self, name=""):
        """The load's files in the bucket: their contents by their names below the load's id."""
        listed = self.services.s3.list_objects_v2(Bucket=BUCKET, Prefix="loads/").get("Contents", [])
        found = {}
        for each in listed:
            if "/AWSDynamoDB/" in each["Key"]:  # an export, which is not the load's own
                continue
            body = self.services.s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
            found[each["Key"].split("/", 2)[2]] = json.loads(body)
        return {key: value for key, value in found.items() if key.startswith(name)}

    def dead_letters(self):
        listed = self.services.s3.list_objects_v2(Bucket=BUCKET, Prefix="dead-letters/").get("Contents", [])
        return [
            json.loads(self.services.s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()) for each in listed
        ]

    def load_id(self):
        (found,) = {
            re.match("loads/([^/]+)/", each["Key"])[1]
            for each in self.services.s3.list_objects_v2(Bucket=BUCKET, Prefix="loads/")["Contents"]
        }
        return found


@pytest.fixture
def tables(tmp_path):
    """A folder of tables, of one table in the region of the embedded services."""
    folder = tmp_path / "tables" / "items"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    config = with_setting(CONFIG, STREAM_REGION, REGION)
    properties = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
    factory = "org.apache.pinot.plugin.stream.kinesis.KinesisConsumerFactory"
    config = with_setting(config, (*properties, "stream.kinesis.consumer.factory.class.name"), factory)
    (folder / "table.json").write_text(json.dumps(with_setting(config, "tenants", {})))
    return folder.parent


@dataclass
class ConsumingPinot(Pinot):
    """A Pinot with the table of a world: it shows what the model of its upserts does."""

    world: Any = None
    replica: Any = None

    def __post_init__(self):
        self.statistics["minConsumingFreshnessTimeMs"] = (int(time.time()) + 3600) * 1000  # whatever is asked for
        folder = self.world.tables / "items"
        schema, config = (json.loads((folder / name).read_text()) for name in ("schema.json", "table.json"))
        segments = {f"items__{number}__0__20260301T0800Z": {"Server_a": "CONSUMING"} for number in range(4)}
        self.tables["items"] = Table(schema, config, ideal=segments, actual=segments)
        self.replica = Replica(read_upsert_table(schema, config))

    def answer(self, method, path, params, body):
        made = super().answer(method, path, params, body)
        if (method, path) == ("PUT", "/schemas/items"):
            self.replica.table = read_upsert_table(body, self.tables["items"].config)
        if path == "/query/sql":
            self.consume()
            rows = answer(self.replica.table, self.replica.live(), body["sql"])
            return 200, {**broker_response(result([], [], rows)), **self.statistics}
        return made

    def consume(self):
        for record in self.world.reader.read():
            self.replica.ingest(record.shard, record.data)

    def shown(self, column="name"):
        """What queries show of a column, by the id."""
        self.consume()
        return {row["id"]: row.get(column) for row in self.replica.live()}


@pytest.fixture
def pinot(world, monkeypatch):
    """A Pinot that consumes the world's stream, which is old: no load has to wait, and all clocks are right."""
    from dynapinot.load import preconditions  # noqa: PLC0415

    monkeypatch.setattr(preconditions, "_stream_began", lambda described, source: 1_700_000_000)
    for module in ("preconditions", "run"):
        monkeypatch.setattr(f"dynapinot.load.{module}.dynamodb_time", DYNAMODB_TIME)
    (world.tables / "items" / "source.toml").write_text(f'dynamodb_table = "{TABLE}"\n')
    with running(ConsumingPinot(world=world)) as fake:
        yield fake


@pytest.fixture
def world(tables):
    with embedded_services() as services:
        yield World(services, tables)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    """The embedded table's stream is a moment old: the clock of DynamoDB is ahead instead of a wait."""
    from dynapinot.load import preconditions  # noqa: PLC0415

    real = preconditions.dynamodb_time
    ahead = lambda aws, table: real(aws, table) + 3  # noqa: E731
    monkeypatch.setattr("dynapinot.load.preconditions.dynamodb_time", ahead)
    monkeypatch.setattr("dynapinot.load.run.dynamodb_time", ahead)
