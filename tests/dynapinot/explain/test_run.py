from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from changes import TTL_IDENTITY, insert, modify, remove
from dynapinot.cli.app import app
from dynapinot.explain.run import shard_of
from files import CONFIG, SCHEMA, with_column
from heartbeat.probe import hash_key

ROOT = Path(__file__).parents[3]

MISFIT = (
    "a DynamoDB S does not fit DOUBLE, which takes N; "
    "CAST(… AS DOUBLE) in transformConfigs converts it, see docs/mapping.md"
)


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "tables"
    (folder / "items").mkdir(parents=True)
    (folder / "items" / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "items" / "table.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture
def explained(tables, tmp_path, monkeypatch):
    """Run explain in its folder on some records, or on a file's text; with JSON by default."""
    monkeypatch.chdir(tmp_path)

    def run(*events, options=("--json",)):
        files = []
        for number, event in enumerate(events):
            file = Path(f"{number}.json")
            file.write_bytes(event if isinstance(event, bytes) else json.dumps({"Records": event}).encode())
            files.append(str(file))
        return CliRunner().invoke(app, ["explain", *files, "--tables", str(tables), *options])

    return run


def key(text):
    return {"id": {"S": text}}


def test_each_row_is_a_line_of_json(explained):
    result = explained([insert(key("a"), {"name": {"S": "ü"}})], [insert(key("b"), {})])
    assert (result.exit_code, result.stderr) == (0, "")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {
            "table": "items",
            "stream": "items-stream",
            "partition_key": "1:a",
            "row": {"id": "a", "name": "ü", "deleted": False, "changed": 1719082124000},
            "item": {"file": "0.json", "number": 1, "key": key("a")},
        },
        {
            "table": "items",
            "stream": "items-stream",
            "partition_key": "1:b",
            "row": {"id": "b", "deleted": False, "changed": 1719082124000},
            "item": {"file": "1.json", "number": 1, "key": key("b")},
        },
    ]


def test_a_dead_letter_is_a_line_in_its_place_and_makes_the_exit_code_1(explained):
    records = [insert(key("a"), {}), insert(key("b"), {"price": {"S": "cheap"}}, sequence=7), insert(key("c"), {})]
    result = explained(records)
    first, dead, last = map(json.loads, result.stdout.splitlines())
    assert (result.exit_code, first["partition_key"], last["partition_key"]) == (1, "1:a", "1:c")
    assert dead == {
        "dead_letter": {
            "reason": "type_mismatch",
            "path": "price",
            "sequence_number": "000000000000000000007",
            "table": "items",
            "detail": MISFIT,
        },
        "item": {"file": "0.json", "number": 2, "key": key("b")},
    }


def test_odd_names_in_a_dead_letter_are_escaped(explained):
    result = explained([insert(key("a"), {'odd "name"\n': {"Q": 1}})])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["dead_letter"]["path"] == '["odd \\"name\\"\n"]'


@pytest.mark.parametrize("empty", [b"[]", b'{"Items": [], "Count": 0}', b'{"Records": []}'])
def test_files_without_a_change_are_an_error(explained, empty):
    for options in ([], ["--json"]):
        result = explained(empty, empty, options=options)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Error: 0.json, 1.json: there is no change and no item, so nothing was looked")
    assert explained(empty, json.dumps(key("a")).encode()).exit_code == 0


def test_a_dash_is_the_standard_input(tables):
    item = json.dumps(key("a"))
    result = CliRunner().invoke(app, ["explain", "-", "--tables", str(tables), "--json"], input=item)
    assert json.loads(result.stdout)["item"] == {"file": "-", "number": 1, "key": key("a")}
    result = CliRunner().invoke(app, ["explain", "-", "--tables", str(tables)], input="[]")
    assert result.stderr.startswith("Error: standard input: there is no change")


def test_an_item_whose_key_is_not_known_is_named_by_its_place(explained, tables):
    (tables / "items" / "source.toml").write_text('[columns]\nid = "other.id"')
    lines = explained(json.dumps([{"x": {"S": "1"}}] * 2).encode()).stdout.splitlines()
    assert [json.loads(line)["item"] for line in lines] == [
        {"file": "0.json", "number": number, "key": None} for number in (1, 2)
    ]
    shown = explained(json.dumps([{"x": {"S": "1"}}]).encode(), options=[])
    assert shown.stdout.splitlines()[0] == "1. an item"


def test_only_what_failed_is_shown_where_that_is_asked(explained):
    records = [insert(key("a"), {}), insert(key("b"), {"price": {"S": "x"}}), {"eventName": "?"}]
    (dead, unread) = map(json.loads, explained(records, options=["--json", "--failed"]).stdout.splitlines())
    assert (dead["item"]["key"], unread["item"]) == (key("b"), {"file": "0.json", "number": 3, "key": None})
    lines = explained(records, options=["--failed"]).stdout.splitlines()
    assert [line.split(" ")[0] for line in lines if not line.startswith(" ")] == ["2.", "3.", "3"]


def test_many_changes_end_with_a_summary(explained, tables):
    (tables / "items" / "source.toml").write_text("when = { name = 'x' }")
    misfit = insert(key("b"), {"name": {"S": "x"}, "price": {"S": "z"}})
    records = [insert(key("a"), {"name": {"S": "x"}}), misfit, misfit, {"eventName": "?"}, insert(key("c"), {})]
    assert explained(records, options=[]).stdout.splitlines()[-1] == (
        "5 changes: 1 row, 3 dead letters (type_mismatch 2, malformed 1), 1 without a row, by source.toml"
    )
    both = explained([insert(key("a"), {})], [insert(key("b"), {})], options=[])
    assert both.stdout.splitlines()[-1] == "2 changes: 0 rows, 0 dead letters, 2 without a row, by source.toml"


def test_a_change_of_a_table_that_no_folder_replicates_is_named(explained, tables):
    (tables / "items" / "source.toml").write_text('dynamodb_table = "another"')
    result = explained([insert(key("a"), {}, table="app")], options=[])
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "1. INSERT in app at 2024-06-22 18:48:44.000 UTC: id=a",
        "  dead letter: no_table at eventSourceARN: no folder of tables replicates the DynamoDB table app",
    ]


def test_output_without_a_terminal_is_written_past_rich(tables, tmp_path, monkeypatch):
    """Rich takes a millisecond for a line, six times what the rest takes for an item."""
    (tmp_path / "items.json").write_text(json.dumps([key(str(number)) for number in range(50)]))
    printed = []
    monkeypatch.setattr("rich.console.Console.print", lambda *_, **__: printed.append(1))
    done = CliRunner().invoke(app, ["explain", str(tmp_path / "items.json"), "--tables", str(tables)])
    assert done.output.count("partition key") == 50
    assert len(printed) < 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "line 1, column 2: it is not JSON"),
        (b"\xff", "it is not text in UTF-8"),
        (b"{}", "neither an event, with its list Records, nor an item; give a Lambda event"),
        (b"1", "it is no JSON object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"Records": [' + b"1" * 5000 + b"]}", "0.json"),
    ],
)
def test_an_unusable_event_is_reported_with_its_file_and_exits_2(explained, text, message):
    result = explained(text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "0.json: " in result.stderr
    assert message in result.stderr


def test_a_missing_event_is_reported(tables):
    result = CliRunner().invoke(app, ["explain", "nix.json", "--tables", str(tables)])
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: nix.json: it cannot be read: No such file or directory\n",
    )


def test_a_mistake_in_a_tables_files_makes_the_exit_code_2(explained, tables):
    (tables / "items" / "schema.json").write_text(json.dumps({**SCHEMA, "primaryKeyColumns": []}))
    result = explained([insert(key("a"), {})])
    assert result.exit_code == 2
    assert "items/schema.json: primaryKeyColumns: it names no column" in result.stderr


def test_a_warning_about_a_tables_files_is_written_to_stderr(explained, tables):
    config = {**CONFIG, "upsertConfig": {**CONFIG["upsertConfig"], "mode": "PARTIAL"}}
    (tables / "items" / "table.json").write_text(json.dumps(config))
    result = explained([insert(key("a"), {})])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert result.stderr.startswith("warning: ")


def test_the_tables_of_the_checkout_are_the_default(tables, tmp_path, monkeypatch):
    shutil.copytree(tables, tmp_path / "src" / "tables")
    (tmp_path / "event.json").write_text(json.dumps({"Records": [insert(key("a"), {})]}))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["explain", "event.json", "--json"])
    assert (result.exit_code, json.loads(result.stdout)["table"]) == (0, "items")


def test_elsewhere_the_folder_of_tables_must_be_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["explain", "event.json"])
    assert result.exit_code == 2
    assert "The working directory is no checkout of dynapinot: there is no src/tables." in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_items_that_may_share_a_row_are_warned_of(explained):
    result = explained([insert({**key("a"), "sk": {"S": "b"}}, {})])
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: items: its primary key leaves out sk of the DynamoDB key: items may share a row",
        "items: no column takes sk: not replicated",
    ]


def test_changes_that_a_tables_rules_exclude_are_counted_on_stderr(explained, tables):
    (tables / "items" / "source.toml").write_text('when = { name = "x" }')
    result = explained([insert(key("a"), {}), insert(key("b"), {"name": {"S": "x"}})])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert result.stderr.startswith("1 change makes no row of any table")


def test_messages_on_stderr_are_written_once(explained):
    records = [insert({**key("a"), "sk": {"S": "b"}}, {})]
    assert len(explained(records, records).stderr.splitlines()) == 2


def test_a_plain_item_is_explained_as_it_would_be_inserted_now(explained):
    result = explained(json.dumps({**key("a"), "price": {"N": "1.5"}}).encode())
    row = json.loads(result.stdout)["row"]
    assert (result.exit_code, result.stderr) == (0, "")
    assert abs(row.pop("changed") - time.time_ns() // 1_000_000) < 60_000
    assert row == {"id": "a", "price": 1.5, "deleted": False}


def test_with_a_shard_count_each_row_has_its_shard(explained):
    shards = [
        json.loads(explained([insert(key(text), {})], options=["--json", "--shards", "4"]).stdout)["shard"]
        for text in "abcdefgh"
    ]
    assert shards == [shard_of(f"1:{text}", 4) for text in "abcdefgh"]
    assert set(shards) == {0, 1, 2, 3}


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 500])
def test_a_shard_is_the_one_that_kinesis_would_choose(shards):
    """moto divides the hash keys of a new stream as Kinesis does, and its shards say which they have."""
    with mock_aws():
        kinesis = boto3.client("kinesis", region_name="eu-west-1")
        kinesis.create_stream(StreamName="s", ShardCount=shards)
        ranges = [
            range(int(each["HashKeyRange"]["StartingHashKey"]), int(each["HashKeyRange"]["EndingHashKey"]) + 1)
            for page in kinesis.get_paginator("list_shards").paginate(StreamName="s")
            for each in page["Shards"]
        ]
    for number in range(50):
        assert hash_key(str(number)) in ranges[shard_of(str(number), shards)]


def test_the_verbose_json_accounts_for_bytes_put_units_attributes_and_columns(explained):
    text = "x" * 500
    line = json.loads(explained([insert(key("a"), {"name": {"S": text}})], options=["--json", "-v"]).stdout)
    assert (line["bytes"], line["put_units"]) == (len(json.dumps(line["row"], separators=(",", ":"))) + 3, 1)
    assert line["attributes"] == {
        "id": {"type": "S", "columns": ["id"], "why": "column id takes it"},
        "name": {"type": "S", "columns": ["name"], "why": "column name takes it"},
    }
    assert line["columns"] == {"deleted": "whether this row is a delete", "changed": "the change's time"}


@pytest.mark.parametrize(("size", "units"), [(25 * 1024, 1), (25 * 1024 + 1, 2), (100 * 1024, 4)])
def test_a_put_unit_is_25_kib(explained, tables, size, units):
    schema = with_column("text", "STRING", maxLength=200_000)
    (tables / "items" / "schema.json").write_text(json.dumps(schema))
    around = json.loads(explained([insert(key("a"), {"text": {"S": ""}})], options=["--json", "-v"]).stdout)["bytes"]
    record = insert(key("a"), {"text": {"S": "x" * (size - around)}})
    line = json.loads(explained([record], options=["--json", "-v"]).stdout)
    assert (line["bytes"], line["put_units"]) == (size, units)


def test_people_get_a_heading_a_row_and_its_size(explained):
    result = explained([insert(key("a"), {"name": {"S": "x"}}, table="app")], options=["--shards", "2"])
    assert result.stdout.splitlines() == [
        "1. INSERT in app at 2024-06-22 18:48:44.000 UTC: id=a",
        "  items: stream items-stream, shard 0 of 2, 64 bytes, 1 PUT unit, partition key 1:a",
        '    {"id":"a","name":"x","deleted":false,"changed":1719082124000}',
    ]


def test_people_see_dead_letters_and_changes_that_make_no_row(explained, tables):
    (tables / "items" / "source.toml").write_text("when = { name = 'x' }")
    records = [
        insert(key("a"), {"name": {"S": "y"}}),
        insert(key("b"), {"name": {"S": "x"}, "price": {"S": "z"}}),
        {"eventName": "?"},
        remove(key("c"), {"name": {"S": "x"}}, userIdentity=TTL_IDENTITY),
    ]
    result = explained(records, options=[])
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert lines[1] == "  items: no row, by its source.toml"
    assert lines[3] == f"  items: dead letter: type_mismatch at price: {MISFIT}"
    assert lines[4:6] == [
        "3. no change that can be read",
        "  dead letter: malformed at dynamodb: a DynamoDB change has an object here",
    ]
    assert lines[6].startswith("4. REMOVE by Time to Live in meetups at ")


def test_people_see_where_each_attribute_goes(explained):
    result = explained([insert(key("a"), {"name": {"NULL": True}, "x": {"N": "1"}})], options=["--verbose"])
    assert [line.strip() for line in result.stdout.splitlines()[3:]] == [
        "id    S     column id takes it",
        "name  NULL  column name takes it: NULL, so it is null",
        "x     N     no column takes it: it is not replicated",
        "column deleted: whether this row is a delete",
        "column changed: the change's time",
    ]


def test_several_files_are_shown_separately_and_an_item_is_shown_as_an_item(explained):
    item = json.dumps(key("a")).encode()
    lines = explained(item, item, options=[]).stdout.splitlines()
    assert [line for line in lines if line.endswith(".json")] == [lines[0], lines[4]]
    assert lines[1] == "1. an item: id=a"


def test_a_row_can_be_accounted_for_when_its_change_makes_two(explained, tables):
    (tables / "items" / "source.toml").write_text('[columns]\nid = "name"')
    record = modify({"pk": {"S": "1"}}, {"name": {"S": "new"}}, {"name": {"S": "old"}})
    old, new = map(json.loads, explained([record], options=["--json", "-v"]).stdout.splitlines())
    assert (old["row"]["id"], old["row"]["deleted"], new["row"]["id"]) == ("old", True, "new")
    assert old["attributes"]["name"] == new["attributes"]["name"]
    assert new["attributes"]["name"]["columns"] == ["id", "name"]


def test_an_odd_name_of_an_attribute_breaks_no_line(explained):
    result = explained([insert(key("a"), {"odd\nname": {"S": "x"}})], options=["-v"])
    assert '    "odd\\nname"  S     no column takes it: it is not replicated' in result.stdout.splitlines()
