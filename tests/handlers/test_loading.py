"""A load's worker, with a table in moto and a stream that keeps what it gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import msgspec
import pytest
from moto import mock_aws

from dynapinot.local.replica import Replica, read_upsert_table
from export_writer import full_export, item_line, put
from files import CONFIG, SCHEMA, table, with_setting
from handlers.catalog import hashes, load_tables
from handlers.loading import PlanError, Surroundings, planned_tables, shards_of, worker_of
from load.files import LoadFiles
from load.plan import ExportReader, Plan, PlannedTable, ScanReader, Unit
from load.work import work
from pinot.table import Target
from publisher.order import Published

NOW = 1_764_000_000
OTHER = with_setting(with_setting(CONFIG, "tableName", "others"), "ingestionConfig.streamIngestionConfig", {
    "streamConfigMaps": [{**CONFIG["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"][0],
                          "stream.kinesis.topic.name": "others-stream"}]
})  # fmt: skip
ITEMS = table()
OTHERS = table(with_setting(SCHEMA, "schemaName", "others"), OTHER)


class World:
    def __init__(self):
        self.dynamodb = boto3.client("dynamodb", "us-east-1")
        self.dynamodb.create_table(
            TableName="meetups",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        s3 = boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket="dead")
        self.files = LoadFiles(client=s3, bucket="dead", id="l")
        self.rows, self.letters = {}, []
        self.errors, self.store_error = {}, None
        self.around = Surroundings(
            dynamodb=self.dynamodb,
            s3=s3,
            publish=self.publish,
            store=self.store,
            lag=lambda: None,
            remaining=lambda: 60.0,
            clock=lambda: 0.0,
            wall_clock=lambda: NOW,
            sleep=lambda _: None,
            max_record_bytes=100_000,
        )

    def publish(self, target, entries):
        self.rows.setdefault(target.stream, []).extend(entries)
        return Published(first_unpublished=None, resent=0, errors=self.errors)

    def store(self, entries):
        if self.store_error:
            return entries[0].position, self.store_error
        self.letters += entries
        return None, None

    def put(self, **attributes):
        self.dynamodb.put_item(TableName="meetups", Item=attributes)


@pytest.fixture
def world(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield World()


def plan(**changes):
    made = {
        "id": "l",
        "table": "meetups",
        "region": "us-east-1",
        "keys": ("id",),
        "began": NOW,
        "tables": {name: PlannedTable(files=name, shards=shards) for name, shards in (("items", 2), ("others", 3))},
        "reader": ScanReader(segments=2, margin=1),
        "workers": 1,
        **changes,
    }
    return Plan(**made)


def load(world, made, tables=(ITEMS, OTHERS)):
    worker = worker_of(made, world.files, tables, world.around)
    return [work(world.files.unit(number), worker) for number in range(made.units)]


def test_every_item_is_a_row_of_every_table_at_a_time_before_its_read(world):
    for n in range(30):
        world.put(id={"S": f"a{n}"}, price={"N": "1.5"})
    results = load(world, plan())
    assert [reason for _, reason in results] == [None, None]
    assert sum(unit.items for unit, _ in results) == 30
    assert sum(unit.rows for unit, _ in results) == 60
    assert sum(unit.bytes for unit, _ in results) == sum(e.size for rows in world.rows.values() for e in rows)
    assert world.rows.keys() == {"items-stream", "others-stream"}
    replica = Replica(read_upsert_table(SCHEMA, CONFIG))
    for entry in world.rows["items-stream"]:
        replica.ingest(0, entry.data)
    assert {row["id"] for row in replica.live()} == {f"a{n}" for n in range(30)}
    assert all(row["changed"] % 1000 == 999 and not row["deleted"] for row in replica.live())
    assert world.files.units(2) == [unit for unit, _ in results]


def test_items_that_cannot_be_rows_are_dead_letters_as_changes_are(world):
    world.put(id={"S": "good"}, price={"N": "1"})
    world.put(id={"S": "bad"}, price={"S": "much"})
    results = load(world, plan(tables={"items": PlannedTable(files="x", shards=1)}), [ITEMS])
    total = {}
    for unit, _ in results:
        total |= unit.dead_letters
    assert total == {"type_mismatch": 1}
    (letter,) = world.letters
    assert letter.key.startswith("dead-letters/meetups/items/")
    document = json.loads(letter.data)
    assert document["record"]["dynamodb"]["Keys"] == {"id": {"S": "bad"}}
    assert (document["reason"], document["column"]) == ("type_mismatch", "price")


def test_a_dead_letter_that_is_not_stored_is_not_done(world):
    world.put(id={"S": "bad"}, price={"S": "much"})
    world.store_error = "AccessDenied"
    results = load(world, plan(reader=ScanReader(segments=1, margin=1)))
    assert results == [(Unit(number=0), "AccessDenied")]


def test_rejections_are_counted(world):
    world.put(id={"S": "a"})
    world.errors = {"ProvisionedThroughputExceededException": 2}
    (result,) = load(world, plan(reader=ScanReader(segments=1, margin=1)))
    assert result.unit.rejected == 4


def test_the_table_is_read_at_the_plans_rate(world):
    waited = []
    for n in range(3):
        world.put(id={"S": f"a{n}"})
    world.around = replace(world.around, sleep=waited.append)
    load(world, plan(reader=ScanReader(segments=2, margin=1, units_per_second=0.5)))
    assert waited[0] == 1 / 0.5  # the first segment's page cost a unit; the other wait is the stream's


def test_the_files_of_a_table_have_a_hash(tmp_path):
    def write(name, schema, config, source=None):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "schema.json").write_text(json.dumps(schema))
        (folder / "table.json").write_text(json.dumps(config))
        if source is not None:
            (folder / "source.toml").write_text(source)

    write("a", SCHEMA, CONFIG)
    write("b", with_setting(SCHEMA, "schemaName", "others"), OTHER)
    before = hashes(tmp_path)
    assert before.keys() == {"items", "others"}
    assert hashes(tmp_path, ["b"]) == {"others": before["others"]}
    write("b", with_setting(SCHEMA, "schemaName", "others"), OTHER, 'ttl_deletes = "keep"\n')
    after = hashes(tmp_path)
    assert after["items"] == before["items"]
    assert after["others"] != before["others"]
    tables, _ = load_tables(tmp_path)
    made = plan(tables={name: PlannedTable(files=text, shards=2) for name, text in before.items()})
    with pytest.raises(PlanError, match="the files of the table others are not those that the load l began with"):
        planned_tables(made, tables, after)
    with pytest.raises(PlanError, match="of the table others, which is not here"):
        planned_tables(made, tables[:1], before)
    assert [each.name for each in planned_tables(made, tables, before)] == ["items", "others"]
    assert shards_of(made, tables) == {Target("items-stream", "eu-west-1"): 2, Target("others-stream", "eu-west-1"): 2}
    only = msgspec.structs.replace(made, tables={"items": made.tables["items"]})
    assert [each.name for each in planned_tables(only, tables, after)] == ["items"]


def test_every_item_of_an_export_is_a_row_at_the_exports_time(world):
    lines = [item_line({"id": {"S": f"a{n}"}, "price": {"N": "1"}}) for n in range(9)]
    written = full_export([lines[:4], [], lines[4:]])
    world.around.s3.create_bucket(Bucket="exports")
    put(world.around.s3, "exports", written.objects)
    export = ExportReader(bucket="exports", folder=written.folder, files=3, second=NOW)
    results = load(world, plan(reader=export, tables={"items": PlannedTable(files="x", shards=1)}), [ITEMS])
    assert [(unit.items, unit.is_done) for unit, _ in results] == [(4, True), (0, True), (5, True)]
    rows = [json.loads(entry.data) for entry in world.rows["items-stream"]]
    assert [row["id"] for row in rows] == [f"a{n}" for n in range(9)]
    assert {row["changed"] for row in rows} == {NOW * 1000 - 1}


def test_threads_may_be_the_first_to_read_a_loads_files_and_to_make_rows():
    script = Path(__file__).with_name("first_in_threads.py")
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
