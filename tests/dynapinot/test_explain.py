from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from changes import insert
from dynapinot.cli import app
from files import CONFIG, SCHEMA

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "tables"
    (folder / "items").mkdir(parents=True)
    (folder / "items" / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "items" / "table.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture
def explained(tables, tmp_path):
    """Run explain on some records, or on a file's text."""

    def run(*events):
        files = []
        for number, event in enumerate(events):
            file = tmp_path / f"{number}.json"
            file.write_bytes(event if isinstance(event, bytes) else json.dumps({"Records": event}).encode())
            files.append(str(file))
        return CliRunner().invoke(app, ["explain", *files, "--tables", str(tables)])

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
        },
        {
            "table": "items",
            "stream": "items-stream",
            "partition_key": "1:b",
            "row": {"id": "b", "deleted": False, "changed": 1719082124000},
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
            "detail": "a DynamoDB S does not fit DOUBLE, which takes N",
        }
    }


def test_odd_names_in_a_dead_letter_are_escaped(explained):
    result = explained([insert(key("a"), {'odd "name"\n': {"Q": 1}})])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["dead_letter"]["path"] == '["odd \\"name\\"\n"]'


def test_nothing_to_explain_is_no_failure(explained):
    result = explained([])
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "line 1, column 2: it is not JSON"),
        (b"\xff", "it is not text in UTF-8"),
        (b"{}", 'no list "Records"; give the JSON of a Lambda event'),
        (b"[]", 'no list "Records"'),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"Records": [' + b"1" * 5000 + b"]}", "0.json"),
    ],
)
def test_an_event_that_cannot_be_used_is_told_with_its_file_and_makes_the_exit_code_2(explained, text, message):
    result = explained(text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "0.json: " in result.stderr
    assert message in result.stderr


def test_a_missing_event_is_told(tables):
    result = CliRunner().invoke(app, ["explain", "nix.json", "--tables", str(tables)])
    assert (result.exit_code, result.stderr) == (2, "nix.json: it cannot be read: No such file or directory\n")


def test_a_mistake_in_a_tables_files_makes_the_exit_code_2(explained, tables):
    (tables / "items" / "schema.json").write_text(json.dumps({**SCHEMA, "primaryKeyColumns": []}))
    result = explained([insert(key("a"), {})])
    assert result.exit_code == 2
    assert "items/schema.json: primaryKeyColumns: it names no column" in result.stderr


def test_a_warning_about_a_tables_files_goes_to_the_side(explained, tables):
    config = {**CONFIG, "upsertConfig": {**CONFIG["upsertConfig"], "mode": "PARTIAL"}}
    (tables / "items" / "table.json").write_text(json.dumps(config))
    result = explained([insert(key("a"), {})])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert result.stderr.startswith("warning: ")


def test_the_shipped_table_is_the_default():
    result = CliRunner().invoke(app, ["explain", str(ROOT / "events" / "insert.json")])
    assert (result.exit_code, json.loads(result.stdout)["table"]) == (0, "pinot_dynamo_ingestion")


def test_items_that_may_share_a_row_are_warned_of(explained):
    result = explained([insert({**key("a"), "sk": {"S": "b"}}, {})])
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: items: its primary key leaves out sk of the DynamoDB key: items may share a row\n"
    )


def test_changes_that_make_no_row_by_the_tables_own_rules_are_counted_to_the_side(explained, tables):
    (tables / "items" / "source.toml").write_text('when = { name = "x" }')
    result = explained([insert(key("a"), {}), insert(key("b"), {"name": {"S": "x"}})])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert result.stderr.startswith("1 times a change makes no row")
