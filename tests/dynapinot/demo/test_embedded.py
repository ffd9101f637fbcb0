"""Promises of the demo: it walks the seed's walk, and exits 0 only if Pinot would show what the table holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import StringIO
from itertools import count
from pathlib import Path

import boto3
from click.testing import CliRunner
from rich.console import Console

from decoder.change import decode_change
from dynapinot.cli.app import app
from dynapinot.demo import embedded
from dynapinot.local.kinesis_stream import StreamReader
from handlers.catalog import load_tables

EXISTING = 4  # before the stream, see conftest


def walk(load_handler):
    output = StringIO()
    return embedded.run(Console(file=output, width=120), load_handler), output.getvalue()


def function(keep=lambda _change, _row: True, change=lambda row: row):
    """Give a function that makes the right rows, but for those that are kept back or changed on the way."""

    def load(folder):
        tables, _ = load_tables(folder)
        client = boto3.Session().client("kinesis")

        def handler(event, context):
            for record in event["Records"]:
                made = decode_change(record)
                for row in tables[0].rows(made):
                    content = json.loads(row.data)
                    if keep(made, content):
                        data = json.dumps(change(content)).encode()
                        client.put_record(StreamName=tables[0].stream, Data=data, PartitionKey=row.key)
            sys.stdout.write('{"log": "of the function"}')

        return handler

    return load


def test_the_command_walks_shows_and_exits_0():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [Path(sys.executable).parent / "dynapinot", "demo"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**environment, "AWS_PROFILE": "nobody"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("Publish item with meetup_id: ")]) == 10
    assert "(40 items were there before the stream was enabled: Pinot has no row of them.)" in lines
    loaded = done.stdout.partition("$ dynapinot demo publish")[0]
    assert "\nLoaded pinot-ingestion-demo: 40 items, 40 rows in " in loaded
    assert "\n= DynamoDB has 39 items, Pinot would show 39 rows, equal in every value that has a column\n" in loaded
    history = re.findall(r"^(.{8})…  (\S+ \S+) +(\w+) ", loaded, re.MULTILINE)
    assert sorted(name for _, _, name in history) == ["INSERT", "INSERT", "MODIFY", "REMOVE"]
    for change, of_load in (history[:2], history[2:]):
        assert (change[0], change[2] != "INSERT", of_load[2]) == (of_load[0], True, "INSERT")
        assert change[1] > of_load[1]
    changes = [line.split()[1] for line in lines if line.startswith("  change ")]
    assert changes == ["INSERT"] * 3 + ["MODIFY", "REMOVE"]
    assert "(The changes and rows of the first 3 are shown; those of 7 more are not.)" in lines
    rows = [json.loads(re.sub(r"  on shardId-0*[01]$", "", line[9:])) for line in lines if line.startswith("  row ")]
    assert [row["eventName"] for row in rows] == changes
    assert [row["is_delete"] for row in rows] == [False] * 4 + [True]
    assert "location" not in rows[0]
    assert "Column location is in no row: Pinot computes it" in done.stdout
    after_history = done.stdout.split("SET skipUpsert=true;")[2].splitlines()
    assert [line.split()[2] for line in after_history[3:6]] == ["REMOVE", "MODIFY", "INSERT"]
    assert lines[-1] == "= DynamoDB has 48 items, Pinot would show 48 rows, equal in every value that has a column"
    assert "werkzeug" not in done.stdout
    assert "_aws" not in done.stdout


def test_a_right_function_exits_0_and_its_log_is_kept_out_of_the_display():
    code, output = walk(function())
    assert code == 0
    assert "of the function" not in output


def test_a_missing_row_exits_1_and_is_named_and_the_log_is_shown():
    code, output = walk(function(keep=lambda change, _: change.event_name != "INSERT"))
    assert code == 1
    assert "! DynamoDB has 12 items, Pinot would show 3 rows, not equal" in output
    assert output.count("DynamoDB has it, Pinot would not show it") == 10 + 9 + 9 + 9
    assert '{"log": "of the function"}' in output


def test_a_stale_row_exits_1_though_it_is_deleted_in_the_end():
    modified = count()  # the first is made while the table is loaded, and comes
    code, output = walk(function(keep=lambda change, _: change.event_name != "MODIFY" or next(modified) == 0))
    assert code == 1
    assert re.search(r"venue_name is 'Updated Venue \d' in DynamoDB, Pinot would show 'Venue \d'", output)
    assert "= DynamoDB has 12 items, Pinot would show 12 rows, equal" in output


def test_a_row_too_many_exits_1():
    code, output = walk(function(keep=lambda change, _: change.event_name != "REMOVE"))
    assert code == 1
    assert "Pinot would show it, DynamoDB does not have it" in output


def test_both_changes_are_replicated_before_any_row_of_the_load_is_sent():
    before = []

    def load(folder):
        handler, (table,) = function()(folder), load_tables(folder)[0]
        rows = StreamReader(boto3.Session().client("kinesis"), table.stream)

        def looking(event, context):
            before.append([json.loads(record.data)["eventName"] for record in rows.read()])
            names.append([record["eventName"] for record in event["Records"]])
            return handler(event, context)

        return looking

    names = []
    code, output = walk(load)
    assert code == 0, output
    assert (before[0], names[0]) == ([], ["MODIFY", "REMOVE"])
    assert sorted(before[1]) == ["INSERT"] * EXISTING + ["MODIFY", "REMOVE"]


def test_a_loaded_row_that_wins_over_a_change_exits_1():
    code, output = walk(function(change=lambda row: {**row, "ApproximateCreationDateTime": 1}))
    assert code == 1
    loaded = output.partition("$ dynapinot demo publish")[0]
    assert f"! DynamoDB has {EXISTING - 1} items, Pinot would show {EXISTING} rows, not equal" in loaded
    assert re.search(r"venue_name is 'Updated Venue \d' in DynamoDB, Pinot would show 'Venue \d'", loaded)
    assert loaded.count("Pinot would show it, DynamoDB does not have it") == 1


def test_an_item_that_cannot_be_loaded_exits_1(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("dynapinot.demo.meetups._rsvp_count", lambda: "many")
    code, output = walk(function())
    assert code == 1
    assert f"{EXISTING} items cannot be rows and are dead letters: type_mismatch {EXISTING}" in output


def test_a_wrong_value_exits_1():
    code, output = walk(function(change=lambda row: {**row, "rsvp_count": row["rsvp_count"] + 1}))
    assert code == 1
    assert re.search(r"rsvp_count is \d+ in DynamoDB, Pinot would show \d+", output)


def test_a_row_that_pinot_would_drop_exits_1():
    code, output = walk(function(change=lambda row: {**row, "rsvp_count": "many"}))
    assert code == 1
    assert "column rsvp_count: 'many' is no INT" in output


def test_a_function_that_fails_exits_1_and_what_it_was_given_is_given_up(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)

    def load(_):
        def handler(event, context):
            raise RuntimeError("out of order")

        return handler

    code, output = walk(load)
    assert code == 1
    assert "1 changes from sequence number" in output
    assert "were given up: RetryAttemptsExhausted" in output
    assert "RuntimeError: out of order" in output


def test_a_function_cannot_be_loaded_twice_into_one_process(monkeypatch):
    monkeypatch.setitem(sys.modules, "handlers.stream", object())
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2
    assert result.stderr == "Error: handlers.stream is imported already, with the environment of then\n"


def test_a_terminal_gets_colours_and_whole_lines(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    output = StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system="standard")
    assert embedded.run(console, function()) == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.getvalue())
    assert "\x1b[" in output.getvalue()
    assert max(len(line) for line in plain.splitlines() if line.startswith("   ")) <= 80
    assert re.search(
        r"^ApproximateCreationDateTime +eventName +is_delete +venue_name +rsvp_count *$", plain, re.MULTILINE
    )
    assert re.search(r"rsvp_count, eventName *\n *FROM pinot_dynamo_ingestion ORDER BY mtime DESC LIMIT 10 *\n", plain)
    assert "arn:" not in plain
