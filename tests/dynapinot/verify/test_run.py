"""The command: DynamoDB and Kinesis by moto, Pinot's broker over HTTP with a replica behind it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import count

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws
from rich.console import Console

from changes import SECOND, insert
from decoder.change import decode_change
from dynapinot.aws import Aws
from dynapinot.cli.app import app
from dynapinot.defaults import MAX_RECORD_BYTES
from dynapinot.errors import CommandError
from dynapinot.local.replica import Replica, read_upsert_table
from dynapinot.pinot_server import Broker
from dynapinot.verify import report, sample
from dynapinot.verify.run import Options, run
from files import CONFIG, SCHEMA, table, with_setting
from function import set_environment
from pinot_fake import Pinot, broker_response, result, running
from pinot_sql import SEGMENT, answer

LATER_MS = (int(time.time()) + 3600) * 1000
SOURCE = 'dynamodb_table = "meetups"\n'


class Setting:
    """A DynamoDB table with six items, a Pinot table that shows them, and the folder of their files."""

    def __init__(self, folder, pinot, schema=SCHEMA, source=SOURCE):
        self.folder, self.pinot = folder, pinot
        self.dynamodb = boto3.client("dynamodb")
        self.kinesis = boto3.client("kinesis", region_name="eu-west-1")
        self.write("items", schema, CONFIG, source)
        self.replica = Replica(read_upsert_table(schema, CONFIG))
        self.columns = {"name": {"S": "a name"}, "price": {"N": "1.5"}}
        for number in range(6):
            key = {"id": {"S": f"k{number}"}}
            self.dynamodb.put_item(TableName="meetups", Item={**key, **self.columns})
            for row in table(schema, CONFIG).rows(decode_change(insert(key, self.columns, second=SECOND))):
                self.replica.ingest(0, row.data)
        self.shard, self.queries = None, []
        pinot.answer = self.answer

    def write(self, name, schema, config, source):
        folder = self.folder / name
        folder.mkdir()
        (folder / "schema.json").write_text(json.dumps(schema))
        (folder / "table.json").write_text(json.dumps(config))
        (folder / "source.toml").write_text(source)

    def answer(self, method, path, params, body):
        self.queries.append(body["sql"])
        if self.shard is None:
            shard = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
            self.shard = self.kinesis.get_shard_iterator(StreamName="items-stream", **shard)["ShardIterator"]
        records = self.kinesis.get_records(ShardIterator=self.shard)
        self.shard = records["NextShardIterator"]
        for record in records["Records"]:
            self.replica.ingest(0, record["Data"])
        rows = [{**row, SEGMENT: f"items__{place}__7__20240101T0000Z"} for place, row in self.replica.placed()]
        found = broker_response(result([], [], answer(self.replica.table, rows, body["sql"])))
        return 200, {**found, "minConsumingFreshnessTimeMs": LATER_MS, **self.pinot.statistics}

    def lose(self, *names):
        for name in names:
            del self.replica._newest[0, (name,)]

    def invoke(self, *arguments):
        options = ["--broker", self.pinot.url, "--tables", str(self.folder), "--wait", "0"]
        return CliRunner().invoke(app, ["verify", *options, "--items-per-second", "1000", *arguments])


@pytest.fixture
def aws(monkeypatch, tmp_path):
    set_environment(monkeypatch, tmp_path)
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="meetups",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("kinesis", region_name="eu-west-1").create_stream(StreamName="items-stream", ShardCount=1)
        yield


@pytest.fixture
def setting(aws, tmp_path):
    with running(Pinot()) as pinot:
        yield Setting(tmp_path, pinot)


def words(result):
    return " ".join(result.stdout.split())


def test_equal_sides_exit_with_0(setting):
    done = setting.invoke()
    assert (done.exit_code, done.stderr) == (0, "")
    text = words(done)
    assert "items, of the DynamoDB table meetups" in text
    assert "6 items of 3 segments with rows compared with Pinot: all are equal, and there are no others" in text
    assert "6 rows compared with DynamoDB: all are equal, and there are no others" in text
    assert "Differences" not in text


def test_a_sample_says_what_it_bounds(setting):
    for number in range(100):
        key = {"id": {"S": f"more{number}"}}
        setting.dynamodb.put_item(TableName="meetups", Item=key)
        for row in table().rows(decode_change(insert(key, {}, second=SECOND))):
            setting.replica.ingest(0, row.data)
    done = setting.invoke("--sample", "10", "--json")
    (found,) = json.loads(done.stdout)["tables"]
    assert (done.exit_code, found["items"]["draws"], found["items"]["bound"]) == (0, 10, 0.3)
    assert found["rows"]["draws"] == found["rows"]["compared"]
    assert found["rows"]["bound"] == 3 / found["rows"]["draws"]
    assert not found["items"]["is_all"]
    assert "With 95 % confidence fewer than 30 % of all do" in words(setting.invoke("--sample", "10"))
    assert "none differ, and they are too few to tell more" in words(setting.invoke("--sample", "1"))


def test_differences_are_shown_with_their_remedies_and_exit_with_1(setting):
    setting.lose("k1")
    setting.replica._newest[0, ("k2",)] = {**setting.replica._newest[0, ("k2",)], "name": "a", "price": None}
    setting.replica._newest[1, ("k3",)] = setting.replica._newest[0, ("k3",)]
    done = setting.invoke()
    assert done.exit_code == 1
    text = words(done)
    assert "6 items of 3 segments with rows compared with Pinot: 3 differ" in text
    assert "missing │ id=k1" in text
    assert "name is cut; price is null" in text
    assert "in the partitions 0, 1" in text


def test_json_has_everything(setting):
    setting.lose("k1")
    setting.dynamodb.put_item(TableName="meetups", Item={"id": {"S": "odd"}, "price": {"S": "text"}})
    done = setting.invoke("--json")
    assert done.exit_code == 1
    (found,) = json.loads(done.stdout)["tables"]
    side = {"is_all": True, "different": 1, "bound": None}
    assert found == {
        "table": "items",
        "dynamodb_table": "meetups",
        "items": {**side, "compared": 6, "draws": 3},
        "rows": {**side, "compared": 5, "draws": 5, "different": 0, "bound": 0.0},
        "segments": 3,
        "segments_read": 3,
        "read_units": found["read_units"],
        "rows_not_compared": None,
        "is_stopped": False,
        "became_equal": 0,
        "in_flight": 0,
        "not_rows": 0,
        "kept": 0,
        "dead_letters": {"type_mismatch": 1},
        "kinds": {"missing": 1},
        "differences": [{"kind": "missing", "key": "id=k1", "columns": {}, "detail": None, "remedy": "--repair"}],
        "published": None,
        "left": 1,
    }


def test_a_repair_makes_them_equal(setting):
    setting.lose("k1")
    setting.replica.take(0, {"id": "gone", "deleted": False, "changed": SECOND * 1000})
    done = setting.invoke("--repair", "--yes")
    assert done.exit_code == 0
    assert "Published 1 row and 1 tombstone; 2 keys equal now" in words(done)
    assert words(done).count("│ repaired") == 2
    assert setting.invoke("--json").exit_code == 0
    assert json.loads(setting.invoke("--repair", "--yes", "--json").stdout)["tables"][0]["published"] is None


def test_a_dry_run_publishes_nothing(setting):
    setting.lose("k1")
    done = setting.invoke("--repair", "--dry-run")
    assert done.exit_code == 1
    assert "A repair would publish 1 row and 0 tombstones" in words(done)
    assert setting.invoke("--repair", "--dry-run", "--json").exit_code == 1


def test_what_cannot_be_repaired_leaves_1(setting):
    setting.replica._newest[1, ("k3",)] = setting.replica._newest[0, ("k3",)]
    done = setting.invoke("--repair", "--yes")
    assert done.exit_code == 1
    assert "docs/operations.md#resharding" in words(done).replace(" ", "")


def test_only_some_differences_are_shown(setting, monkeypatch):
    monkeypatch.setattr(report, "MOST_SHOWN", 2)
    monkeypatch.setattr(sample, "MOST_SUSPECTS", 3)
    setting.lose("k1", "k2", "k3")
    text = words(setting.invoke())
    assert text.count("missing") == 2
    assert "and 1 more, see --json" in text
    assert "Nothing more was drawn after 1,000 keys that differed at first" in text


def test_what_changes_all_the_time_is_counted_and_not_compared(setting):
    setting.lose("k1")
    setting.pinot.answer = busy(setting)
    done = setting.invoke()
    assert done.exit_code == 0
    assert "compared with Pinot: none differ" in words(done)
    assert "1 key changed all the time, in flight: not compared" in words(done)


def test_what_changes_all_the_time_after_its_repair_is_said_to(setting):
    setting.lose("k1")

    def ingest(*_):
        setting.pinot.answer = busy(setting)

    setting.replica.ingest = ingest
    done = setting.invoke("--repair", "--yes")
    assert done.exit_code == 0
    assert "published, and it changes all the time: verify again" in words(done)


def busy(setting):
    """Pinot's answers, with the item k1 changed before each, which Pinot never shows."""
    numbers = count()

    def answer(*given):
        item = {"id": {"S": "k1"}, "name": {"S": str(next(numbers))}}
        setting.dynamodb.put_item(TableName="meetups", Item=item)
        return setting.answer(*given)

    return answer


def test_what_is_not_of_the_sample_is_counted(aws, tmp_path):
    with running(Pinot()) as pinot:
        setting = Setting(tmp_path, pinot, source=SOURCE + 'ttl_deletes = "keep"\n[when]\nname = "a name"\n')
        setting.dynamodb.put_item(TableName="meetups", Item={"id": {"S": "other"}, "name": {"S": "another"}})
        setting.dynamodb.delete_item(TableName="meetups", Key={"id": {"S": "k1"}})
        setting.dynamodb.put_item(
            TableName="meetups", Item={"id": {"S": "odd"}, "name": {"S": "a name"}, "price": {"S": ""}}
        )
        done = setting.invoke()
        text = words(done)
        assert done.exit_code == 0
        assert "1 item left out by the table's rules" in text
        assert "1 row without an item, kept: Time to Live may have deleted it" in text
        assert "1 item cannot be a row: type_mismatch" in text


def test_a_row_that_is_not_repaired_is_said_to_be_so(setting):
    setting.lose("k1")
    setting.replica.ingest = lambda *_: None
    done = setting.invoke("--repair", "--yes")
    assert done.exit_code == 1
    assert "not repaired: see dynapinot doctor" in words(done)


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_the_operator_is_asked(setting, answer, code):
    setting.lose("k1")
    asked = []
    options = Options(
        aws=Aws(),
        broker=Broker(setting.pinot.url),
        tables=setting.folder,
        only=(),
        table=None,
        sample=100,
        wait_seconds=0.0,
        items_per_second=1_000,
        read_units=None,
        max_record_bytes=MAX_RECORD_BYTES,
        is_repair=True,
        asks=lambda question: (asked.append(question), answer)[1],
    )
    console = Console(quiet=True)
    assert run(console, options) == code
    assert asked == ["Publish 1 row and 0 tombstones to the stream items-stream?"]
    with pytest.raises(CommandError, match="Nobody can be asked here: look at --dry-run, then give --yes"):
        run(console, replace(options, asks=None))
    with pytest.raises(CommandError, match="--dry-run is of a repair: give --repair too"):
        run(console, replace(options, is_repair=False, is_dry_run=True))


def test_a_table_whose_key_tells_no_item_is_compared_in_one_direction(aws, tmp_path):
    with running(Pinot()) as pinot:
        by_price = with_setting(SCHEMA, "primaryKeyColumns", ["price"])
        setting = Setting(tmp_path, pinot, by_price)
        setting.replica._newest.clear()
        setting.replica.take(0, {"id": "k1", "name": "x", "price": 1.5, "deleted": False, "changed": SECOND * 1000})
        done = setting.invoke()
        assert done.exit_code == 1
        text = words(done)
        assert "No row was compared with its item: its primary key lacks id of the DynamoDB table's key" in text
        assert "Rows of deleted items are not seen" in text
        assert "undecided" in text
        setting.replica._newest.clear()
        text = words(setting.invoke("--repair", "--yes"))
        assert "missing" in text
        assert "Published" not in text


def test_each_table_is_verified_and_those_of_another_dynamodb_table_are_not(setting):
    other = with_setting(SCHEMA, "schemaName", "others")
    stream = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", 0, "stream.kinesis.topic.name")
    config = with_setting(with_setting(CONFIG, "tableName", "others"), stream, "others")
    setting.write("others", other, config, 'dynamodb_table = "others"\n')
    assert [each["table"] for each in json.loads(setting.invoke("--table", "meetups", "--json").stdout)["tables"]] == [
        "items"
    ]
    done = setting.invoke("--only", "others")
    assert (done.exit_code, "There is no DynamoDB table others" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "source", "message"),
    [
        ((), "", "The files of items name no DynamoDB table: give it by --table"),
        (("--table", "other"), SOURCE, "replicates the DynamoDB table other"),
        (("--only", "none"), SOURCE, "none"),
    ],
)
def test_tables_that_cannot_be_paired_are_errors(setting, arguments, source, message):
    (setting.folder / "items" / "source.toml").write_text(source)
    done = setting.invoke(*arguments)
    assert (done.exit_code, message in done.stderr) == (2, True)


def test_what_could_not_be_compared_exits_with_2(setting):
    for statistics, message in (
        ({"partialResult": True}, "Pinot's answer is incomplete"),
        ({"minConsumingFreshnessTimeMs": 0}, "Pinot does not say how far it has consumed"),
        ({"exceptions": [{"errorCode": 190, "message": "TableDoesNotExistError"}]}, "says 190"),
    ):
        setting.pinot.statistics = statistics
        done = setting.invoke()
        assert (done.exit_code, message in done.stderr, done.stdout) == (2, True, "")


def test_a_wrong_broker_is_an_error(setting):
    done = setting.invoke("--broker", "http://127.0.0.1:1")
    assert (done.exit_code, done.stderr.splitlines()) == (
        2,
        ["Error: Pinot's broker at http://127.0.0.1:1 cannot be reached (ConnectionError): is it there, and running?"],
    )
