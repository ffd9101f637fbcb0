"""``dynapinot init`` against an embedded DynamoDB: what it writes, shows and refuses, and with which exit code."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from rich.console import Console

from dynapinot.aws import Aws
from dynapinot.cli.app import app
from dynapinot.defaults import DEMO_TABLES, MEETUPS_TABLE
from dynapinot.demo import meetups
from dynapinot.demo.meetups import create_meetups_table
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.init import run as init
from dynapinot.init.run import Options
from dynapinot.local.services import embedded_services
from handlers.catalog import load_tables

AWS = Aws()


class Terminal:
    """What a run shows: a console as wide as a page, or a terminal."""

    def __init__(self, width=120, *, is_terminal=False):
        self.shown = io.StringIO()
        self.console = Console(file=self.shown, width=width, force_terminal=is_terminal, color_system=None)

    @property
    def text(self):
        return self.shown.getvalue()


def run(tables, aws=AWS, **options):
    """Run the command; return its exit code and what it shows."""
    terminal = Terminal()
    code = init.run(terminal.console, aws, Options(tables=tables, **options))
    return code, terminal.text


def held(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def create(client, name, key=(("id", "S"),), items=(), **options):
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": tag} for each, tag in key],
        KeySchema=[
            {"AttributeName": each, "KeyType": kind} for (each, _), kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
        **{"BillingMode": "PAY_PER_REQUEST", **options},
    )
    for item in items:
        client.put_item(TableName=name, Item=item)


@pytest.fixture(scope="module")
def services():
    """The embedded services for all of these tests: each makes the tables it needs, and the command changes none."""
    with embedded_services() as running:
        yield running


@pytest.fixture(scope="module")
def demo(services):
    """The demo's table with its meetups."""
    create_meetups_table(services.dynamodb, MEETUPS_TABLE)
    with meetups.meetups_table(MEETUPS_TABLE) as table:
        meetups.publish(table, 30, lambda _: None)
    return MEETUPS_TABLE


SPECS = {
    "meetup_id": "STRING",
    "mtime": "LONG",
    "group_city": "STRING",
    "group_country": "STRING",
    "group_id": "LONG",
    "group_lat": "DOUBLE",
    "group_lon": "DOUBLE",
    "group_name": "STRING",
    "meetup_name": "STRING",
    "rsvp_count": "LONG",
    "venue_name": "STRING",
    "is_deleted": "BOOLEAN",
}


def test_the_demos_table_gets_files_that_the_function_takes(demo, tmp_path):
    code, shown = run(tmp_path, table=demo)
    assert code == OK
    assert held(tmp_path) == [f"pinot_ingestion_demo/{name}" for name in ("schema.json", "source.toml", "table.json")]
    schema = json.loads((tmp_path / "pinot_ingestion_demo" / "schema.json").read_text())
    assert {spec["name"]: spec["dataType"] for spec in schema["dimensionFieldSpecs"]} == SPECS
    assert schema["primaryKeyColumns"] == ["meetup_id", "mtime"]
    (table,), findings = load_tables(tmp_path)
    assert findings == ()
    assert (table.dynamodb_table, table.target) == (demo, ("pinot_ingestion_demo-stream", "us-east-1"))
    assert "All 30 items that a scan found were read." in shown
    assert shown.rstrip().endswith(str(tmp_path / "pinot_ingestion_demo" / "source.toml"))
    assert "Switch the table's stream on" not in shown


NASTY_KEY = (("pk#1", "S"), ("eventID", "N"))


def nasty_item(number):
    return {
        "pk#1": {"S": f"USER#{number}"},
        "eventID": {"N": str(number) if number else "1.5"},
        "created-at": {"S": "2024-06-22T18:48:44Z"},
        "mostly": {"N": "5"} if number else {"S": "n/a"},
        "is_deleted": {"BOOL": True},
        "\x1b[31mred": {"S": "x"},
        "[bold]": {"S": "x"},
        "tags": {"L": [{"S": "a"}]} if number else {"L": []},
        "address": {"M": {"city": {"S": "x"}}},
        "secret": {"S": "x"},
        "data": {"B": b"abc"},
    }


@pytest.fixture(scope="module")
def nasty(services):
    """A table that has everything a table should not have, with Time to Live and a stream of the wrong kind."""
    create(
        services.dynamodb,
        "My.Nasty-table",
        NASTY_KEY,
        map(nasty_item, range(40)),
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 10_000, "WriteCapacityUnits": 2_000},
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    services.dynamodb.update_time_to_live(
        TableName="My.Nasty-table", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    return "My.Nasty-table"


def test_conflicts_are_found_and_everything_is_reported_with_its_reason(nasty, tmp_path):
    code, shown = run(tmp_path, table=nasty, leave_out=("secret",))
    assert code == FOUND
    for said in (
        "mostly: N in 39 (97.5%), S in 1 (2.5%). It becomes STRING(512). LONG would dead-letter 1 (2.5%).",
        'pk#1 → pk_1, "\\u001b[31mred" → _31mred, [bold] → bold, created-at → created_at: Pinot\'s SQL needs names of',
        "secret: as you said",
        "eventID: LONG would dead-letter 1 (2.5%)",
        "tags: multi-value STRING would read 1 (2.5%), the empty lists, as null",
        "address: a map with 1 stable paths; --paths gives each a column, beside the JSON",
        " 8 shards - Writes: ",
        "2,000.0 a second (2,000 write units are provisioned; CloudWatch knows of no writes in 14 days)",
        "Time to Live is on",
        "it is NEW_IMAGE, and a delete has no last values then",
    ):
        assert said in " ".join(shown.split())
    assert "\x1b" not in shown
    (table,), findings = load_tables(tmp_path)
    assert (findings, table.name, "secret" in table.taken) == ((), "My_Nasty_table", True)
    source = (tmp_path / "My_Nasty_table" / "source.toml").read_text()
    assert '# Time to Live is on, by the attribute "expires".\n' in source


def test_paths_get_columns_if_they_are_asked_for(nasty, tmp_path):
    _, shown = run(tmp_path, table=nasty, paths=True)
    assert "address_city: STRING(512)" in shown
    assert "address: the JSON column keeps the whole map beside its 1 paths' columns" in shown
    (table,), _ = load_tables(tmp_path)
    assert {column.name for column in table.columns} >= {"address", "address_city"}


def test_no_value_of_an_item_is_shown(services, tmp_path):
    secret = "8c5f1e"  # in every place that a value can have
    item = {
        "id": {"S": secret},
        "text": {"S": secret},
        "map": {"M": {"inner": {"S": secret}}},
        "list": {"L": [{"S": secret}]},
        "mixed": {"S": secret},
    }
    create(services.dynamodb, "secretive", items=[item, {"id": {"S": "other"}, "mixed": {"N": "1"}}])
    _, shown = run(tmp_path, table="secretive", paths=True)
    _, as_json = run(tmp_path, table="secretive", paths=True, as_json=True, force=True)
    assert secret not in shown + as_json + "".join(path.read_text() for path in tmp_path.rglob("*.*"))


def test_the_document_has_the_same_for_scripts(nasty, tmp_path):
    code, shown = run(tmp_path, table=nasty, leave_out=("secret",), as_json=True, name="mine", stream="ours.1")
    document = json.loads(shown)
    assert code == FOUND
    assert document["files"] == {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()}
    assert {name: document[name] for name in ("dynamodb_table", "pinot_table", "stream", "region", "written")} == {
        "dynamodb_table": nasty,
        "pinot_table": "mine",
        "stream": "ours.1",
        "region": "us-east-1",
        "written": True,
    }
    assert document["conflicts"] == ["mostly"]
    assert document["left_out"] == [{"attribute": "secret", "why": "as you said"}]
    assert document["shards"]["count"] == 8
    assert next(column for column in document["columns"] if column["name"] == "mostly") == {
        "name": "mostly",
        "role": "attribute",
        "type": "STRING",
        "multi_value": False,
        "max_length": 512,
        "from": ["mostly"],
        "seen": 40,
        "of": 40,
        "dynamodb_types": {"N": 39, "S": 1},
        "why": "S and N, all as text, up to 3 characters",
        "conflict": "N in 39 (97.5%), S in 1 (2.5%)",
        "alternative": "LONG would dead-letter 1 (2.5%)",
        "hints": [],
        "notes": [],
    }


def test_a_dry_run_shows_the_files_and_writes_nothing(demo, tmp_path):
    code, shown = run(tmp_path, table=demo, dry_run=True)
    assert (code, held(tmp_path)) == (OK, [])
    assert '{"name": "rsvp_count", "dataType": "LONG"}' in shown
    assert f'dynamodb_table = "{demo}"' in shown
    assert "Written" not in shown


def test_files_that_are_there_are_overwritten_only_by_force(demo, tmp_path):
    run(tmp_path, table=demo)
    schema = tmp_path / "pinot_ingestion_demo" / "schema.json"
    schema.write_text("mine")
    with pytest.raises(CommandError, match=r"schema.json, .*table.json, .*source.toml: there already; give --force"):
        run(tmp_path, table=demo)
    assert schema.read_text() == "mine"
    assert run(tmp_path, table=demo, dry_run=True)[0] == OK
    assert schema.read_text() == "mine"
    run(tmp_path, table=demo, force=True)
    assert json.loads(schema.read_text())["schemaName"] == "pinot_ingestion_demo"


def test_an_empty_table_gets_its_key_and_a_warning(services, tmp_path):
    create(services.dynamodb, "empty", (("pk", "B"), ("sk", "N")))
    code, shown = run(tmp_path, table="empty")
    assert code == FOUND
    assert "! empty has no items, so nothing is known of what they have" in shown
    assert "Switch the table's stream on" in shown
    (table,), findings = load_tables(tmp_path)
    assert (findings, [column.name for column in table.columns]) == ((), ["pk", "sk", "is_deleted", "changed_at"])


def test_a_sample_reads_so_many_items_and_says_so(services, tmp_path):
    create(services.dynamodb, "sampled", items=({"id": {"S": f"{number}"}} for number in range(200)))
    _, shown = run(tmp_path, table="sampled", sample=50)
    said = "About 200 items. 50 were read, from 8 parts of the table in turn, not from its beginning alone."
    assert said in " ".join(shown.split())
    assert "A sample misses what is rare" in shown
    document = json.loads(run(tmp_path, table="sampled", sample=None, as_json=True, force=True)[1])
    assert document["items"] == {"read": 200, "in_table": 200, "method": "All 200 items that a scan found were read."}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "nothing"}, "There is no DynamoDB table nothing in us-east-1 at http"),
        ({"name": "a.b"}, "--name a.b: give at most 120 letters, digits and underscores, a letter first"),
        ({"stream": "a b"}, "--stream a b: Kinesis takes 1 to 128 letters"),
        ({"leave_out": ("mtime",)}, "--leave-out mtime: it is the table's sort key, and rows need it"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_read_or_written(demo, tmp_path, options, message):
    with pytest.raises(CommandError, match=f"^{message}"):
        run(tmp_path, **{"table": demo, **options})
    assert held(tmp_path) == []


def test_another_table_on_the_stream_is_reported_before_anything_is_written(demo, tmp_path):
    run(tmp_path, table=demo)
    with pytest.raises(
        CommandError, match=r"^The table pinot_ingestion_demo reads the stream pinot_ingestion_demo-stream"
    ):
        run(tmp_path, table=demo, name="other", stream="pinot_ingestion_demo-stream")
    assert {path.name for path in tmp_path.iterdir()} == {"pinot_ingestion_demo"}


def test_the_same_table_in_another_folder_is_reported_before_anything_is_written(demo, tmp_path):
    run(tmp_path, table=demo)
    (tmp_path / "pinot_ingestion_demo").rename(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match=r"^Another folder in .* has the table pinot_ingestion_demo already"):
        run(tmp_path, table=demo, stream="other")
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere"}


def aws_that_refuses_scans_as(code):
    def refuse(**_):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Scan")

    class Refusing(Aws):
        def client(self, service, region=None):
            client = super().client(service, region)
            client.meta.events.register("before-call.dynamodb.Scan", refuse)
            return client

    return Refusing()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "ProvisionedThroughputExceededException",
            "DynamoDB throttles the scan: give a lower --read-capacity, or a smaller --sample",
        ),
        ("AccessDeniedException", "AWS refused Scan: AccessDeniedException: no"),
    ],
)
def test_a_scan_that_is_throttled_or_refused_is_reported_and_nothing_is_written(demo, tmp_path, code, message):
    with pytest.raises(CommandError, match=f"^{message}$"):
        run(tmp_path, aws_that_refuses_scans_as(code), table=demo)
    assert held(tmp_path) == []


def test_a_table_in_the_folder_that_takes_the_changes_too_is_reported(demo, tmp_path):
    run(tmp_path, table=demo)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "table.json").write_text("{")
    _, shown = run(tmp_path, table=demo, name="other")
    assert "In the same folder, pinot_ingestion_demo would take this table's changes too" in shown


def test_without_credentials_the_command_says_so(services, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(CommandError, match=r"^There are no AWS credentials"):
        run(tmp_path, table="app")


def test_an_endpoint_of_ones_own_has_no_cloudwatch(demo, tmp_path, services):
    aws = Aws(endpoint_url=services.environment["AWS_ENDPOINT_URL"])
    _, shown = run(tmp_path, aws, table=demo)
    assert "Writes: not known (CloudWatch was not asked, because of --endpoint-url" in shown


def test_the_given_writes_decide_the_shard_count(demo, tmp_path):
    document = json.loads(run(tmp_path, table=demo, writes_per_second=5_000.0, as_json=True)[1])
    assert document["shards"]["count"] == 20
    assert document["shards"]["writes_known_by"] == "as you said"
    assert any("KinesisShardCount=20" in command for step in document["next_steps"] for command in step["commands"])


def test_the_busiest_minute_in_cloudwatch_makes_the_shards(services, tmp_path):
    create(services.dynamodb, "busy", items=[{"id": {"S": "k"}}])
    AWS.client("cloudwatch").put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": "ConsumedWriteCapacityUnits",
                "Dimensions": [{"Name": "TableName", "Value": "busy"}],
                "Value": 60_000.0,
                "Timestamp": datetime.now(UTC) - timedelta(hours=1),
            }
        ],
    )
    document = json.loads(run(tmp_path, table="busy", as_json=True)[1])
    assert (document["shards"]["writes_per_second"], document["shards"]["count"]) == (1_000.0, 4)


def test_progress_is_shown_only_in_a_terminal(demo, tmp_path):
    quiet, terminal = Terminal(), Terminal(is_terminal=True)
    options = Options(table=demo, tables=tmp_path, force=True)
    init.run(Terminal().console, AWS, options, progress=quiet.console)
    init.run(Terminal().console, AWS, options, progress=terminal.console)
    assert quiet.text.strip() == ""
    assert "Reading pinot-ingestion-demo" in terminal.text


def test_eighty_attributes_are_a_line_each_on_a_narrow_screen(services, tmp_path):
    item = {"id": {"S": "k"}, **{f"attribute_number_{number:02}": {"N": "5"} for number in range(80)}}
    create(services.dynamodb, "wide", items=[item])
    terminal = Terminal(width=100)
    init.run(terminal.console, AWS, Options(table="wide", tables=tmp_path))
    lines = [line for line in terminal.text.splitlines() if line.startswith("attribute_number_")]
    assert len(lines) == 80
    assert all(line.split()[:2] == [f"attribute_number_{n:02}", "100%"] for n, line in enumerate(lines))
    assert all("whole numbers of at most 64 bits" in line for line in lines)


def test_commands_are_not_broken_into_lines(demo, tmp_path):
    terminal = Terminal(width=60)
    init.run(terminal.console, AWS, Options(table=demo, tables=tmp_path))
    assert any(
        line.strip().startswith("dynapinot add-table ") and line.endswith(" --controller http://<controller>:9000")
        for line in terminal.text.splitlines()
    )


def test_the_first_command_works_beside_another_table_that_takes_the_changes_too(demo, tmp_path, monkeypatch):
    shutil.copytree(DEMO_TABLES, tmp_path, dirs_exist_ok=True)
    document = json.loads(run(tmp_path, table=demo, name="mine", as_json=True)[1])
    words = shlex.split(document["next_steps"][0]["commands"][1])
    assert words[:3] == ["dynapinot", "explain", "items.json"]
    item = AWS.client("dynamodb").scan(TableName=demo, Limit=1)
    (tmp_path / "items.json").write_text(json.dumps(item))
    monkeypatch.chdir(tmp_path)
    explained = CliRunner().invoke(app, words[1:])
    assert explained.exit_code == 0, explained.output
    assert "pinot_dynamo_ingestion" not in explained.stdout
