"""Attributes without a column and values that do not fit are found, in samples and in the function's log."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

import files
from changes import insert, modify, remove
from decoder.change import decode_change
from dynapinot import drift
from dynapinot.aws import Aws
from dynapinot.cli.app import app
from dynapinot.defaults import DEMO_TABLES
from dynapinot.drift import NOT_MAPPED, Drift, drift_in, drift_in_logs
from kinesis_fake import publish_everything

KEY = {"id": {"S": "a"}}
STREAM_NAME = (
    *("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0"),
    "stream.kinesis.topic.name",
)
ROOT = Path(__file__).parents[2]


def found(*records, **parts):
    named = [(str(number), decode_change(record)) for number, record in enumerate(records)]
    return list(drift_in(named, [files.table(**parts)]).drift)


def test_an_attribute_that_no_column_takes_is_found_with_its_types():
    records = [
        insert(KEY, {"size": {"N": "1"}, "name": {"S": "x"}}),
        modify(KEY, {"size": {"S": "big"}}),
        modify(KEY, {"size": {"S": "big"}}),
    ]
    assert found(*records) == [
        Drift(
            table="items",
            reason=NOT_MAPPED,
            where="size",
            column="",
            types={"N": 1, "S": 2},
            count=3,
            items=["0", "1", "2"],
        )
    ]


def test_every_value_that_does_not_fit_is_found_not_only_the_first():
    image = {"name": {"M": {}}, "price": {"S": "cheap"}}
    assert found(insert(KEY, image), insert(KEY, {"price": {"BOOL": True}})) == [
        Drift(table="items", reason="type_mismatch", where="name", column="name", types={"M": 1}, count=1, items=["0"]),
        Drift(
            table="items",
            reason="type_mismatch",
            where="price",
            column="price",
            types={"S": 1, "BOOL": 1},
            count=2,
            items=["0", "1"],
        ),
    ]


def test_a_missing_key_is_found():
    source = {"columns": {"id": "other.id"}}
    (key,) = found(insert({"pk": {"S": "a"}}, {}), source={**source, "leave_out": ["pk"]})
    assert (key.reason, key.where, key.types) == ("missing_key", "id", {"none": 1})


def test_a_path_that_runs_through_something_else_is_found_where_that_stands():
    source = {"columns": {"name": "address.city"}}
    (path,) = found(insert(KEY, {"address": {"S": "Ulm"}}), source=source)
    assert (path.reason, path.where, path.column) == ("type_mismatch", "address", "name")
    (value,) = found(insert(KEY, {"address": {"M": {"city": {"L": []}}}}), source=source)
    assert (value.where, value.types) == ("address.city", {"L": 1})


@pytest.mark.parametrize(
    "record",
    [
        insert(KEY, {"name": {"S": "x"}, "price": {"N": "1"}}),
        insert(KEY, {"name": {"NULL": True}}),
        remove(KEY, {"size": {"S": "x"}}),  # what is gone drifts no more
    ],
)
def test_values_that_fit_and_deletes_and_nulls_are_no_drift(record):
    assert found(record) == []


def test_items_that_are_no_rows_of_a_table_do_not_drift_from_it():
    record = insert(KEY, {"size": {"S": "x"}})
    assert found(record, source={"when": {"size": "y"}}) == []
    assert found(record, source={"dynamodb_table": "another"}) == []
    assert found(record, source={"leave_out": ["size"]}) == []
    assert found(record, source={"columns": {"name": "$rest"}}) == []


METRIC = {"UnmappedAttributes": [2.0], "unmapped_attributes": [["items", "size"], ["items", "colour"]]}
LETTER = {"message": "change dead-lettered", "reason": "type_mismatch", "table": "items", "column": "price"}


def test_drift_in_the_functions_log_is_counted():
    entries = [METRIC, LETTER, {**METRIC, "unmapped_attributes": [["items", "size"]]}, {**LETTER, "column": None}]
    lines = [*map(json.dumps, entries), "START RequestId", "[1]", '{"message": "tables loaded"}']
    assert drift_in_logs(lines) == [
        Drift(table="items", reason=NOT_MAPPED, where="colour", column="", types={}, count=1),
        Drift(table="items", reason=NOT_MAPPED, where="size", column="", types={}, count=2),
        Drift(table="items", reason="type_mismatch", where="", column="price", types={}, count=1),
    ]


def test_the_functions_own_output_is_understood(capsys):
    """The two sides, what the function writes and what is read here, meet."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415
    from aws_lambda_powertools.metrics import Metrics  # noqa: PLC0415

    from handlers import telemetry  # noqa: PLC0415
    from handlers.planner import Planner  # noqa: PLC0415
    from handlers.relay import relay  # noqa: PLC0415

    report = relay(
        {"Records": [insert(KEY, {"size": {"S": "x"}}), insert(KEY, {"price": {"S": "x"}})]},
        Planner([files.table()], max_record_bytes=10**6),
        publish=publish_everything,
        store=lambda _: (None, None),
    )
    metrics = Metrics(namespace="drift", service="drift")
    telemetry.measure(metrics, report, now_ms=1)
    metrics.flush_metrics()
    telemetry.log_report(Logger(service="drift"), report, set())
    assert [(each.reason, each.where, each.column) for each in drift_in_logs(capsys.readouterr().out.splitlines())] == [
        (NOT_MAPPED, "size", ""),
        ("type_mismatch", "", "price"),
    ]


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "tables" / "items"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text(json.dumps(files.SCHEMA))
    (folder / "table.json").write_text(json.dumps(files.CONFIG))
    return folder.parent


@pytest.fixture
def on_samples(tables, tmp_path):
    def run(document, *options):
        (tmp_path / "sample.json").write_text(json.dumps(document))
        return CliRunner().invoke(app, ["drift", str(tmp_path / "sample.json"), "--tables", str(tables), *options])

    return run


def test_the_command_shows_drift_and_what_to_do(on_samples):
    result = on_samples([{**KEY, "size": {"S": "x"}, "price": {"BOOL": True}}])
    assert result.exit_code == 1
    assert "Drift in 1 change " in result.stdout
    assert (
        'items: size: add a column size to schema.json, or say leave_out = ["size"] in source.toml (id=a)\n'
        in result.stdout
    )
    assert "items: price: give column price a type that takes it, or fix the item" in result.stdout


def test_the_command_reports_that_there_is_no_drift(on_samples):
    result = on_samples([{**KEY, "name": {"S": "x"}}])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "No drift in 1 change: every attribute has its place and every value fits.",
        "Not looked at: items: column price, which no change fills",
    ]


def test_the_command_speaks_json(on_samples):
    result = on_samples([{**KEY, "size": {"S": "x"}}], "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "looked_at": "1 change",
        "drift": [
            {
                "table": "items",
                "reason": NOT_MAPPED,
                "where": "size",
                "column": None,
                "types": {"S": 1},
                "count": 1,
                "items": ["id=a"],
                "remedy": 'add a column size to schema.json, or say leave_out = ["size"] in source.toml',
            }
        ],
        "rows": {"items": 1},
        "unfilled_columns": {"items": ["name", "price"]},
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([1], "sample.json[0]: it is no JSON object"),
        ({}, "neither an event"),
    ],
)
def test_a_sample_that_cannot_be_used_is_reported(on_samples, document, message):
    result = on_samples(document)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_value_that_is_malformed_is_drift_since_it_is_a_dead_letter():
    assert [(each.reason, each.where, each.column) for each in found(insert(KEY, {"name": {"X": 1}}))] == [
        ("malformed", "name", "name")
    ]
    (key,) = found(insert({"id": {"S": 5}}, {}), source={"when": {"id": "a"}})
    assert (key.reason, key.where, key.column) == ("malformed", "id", "when")


@pytest.mark.parametrize(
    ("document", "options", "message"),
    [
        ([], [], "there is no change and no item"),
        ({"Items": [], "Count": 0}, [], "there is no change and no item"),
        ({"Records": [1, {}]}, [], "No record is a change that can be read"),
        ([KEY], ["--table", "another"], "No folder replicates the 1 change of another"),
        ({"Records": [remove(KEY, {})]}, ["--table", "app"], "No folder replicates the 1 change of meetups"),
    ],
)
def test_what_is_not_looked_at_is_never_no_drift(on_samples, tables, document, options, message):
    (tables / "items" / "source.toml").write_text('dynamodb_table = "app"')
    for form in ([], ["--json"]):
        result = on_samples(document, *options, *form)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr


@pytest.mark.parametrize("document", [[{**KEY, "name": {"S": "y"}}], {"Records": [remove(KEY, {"name": {"S": "x"}})]}])
def test_changes_none_of_which_is_a_row_are_not_looked_at(on_samples, tables, document):
    (tables / "items" / "source.toml").write_text('when = { name = "x" }')
    result = on_samples(document)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "None of 1 change has a new image that is a row, by when in source.toml" in result.stderr


def test_changes_of_other_tables_are_left_out_and_named(on_samples, tables):
    (tables / "items" / "source.toml").write_text('dynamodb_table = "app"')
    result = on_samples({"Records": [insert(KEY, {}, table=name) for name in ("app", "b", "a", "a")]})
    assert result.exit_code == 0
    assert result.stderr == "3 changes of a, b: no folder replicates it, so these are left out\n"


def test_tables_and_columns_that_no_change_shows_are_named(on_samples, tables):
    other = tables / "others"
    other.mkdir()
    (other / "schema.json").write_text(json.dumps({**files.SCHEMA, "schemaName": "others"}))
    config = files.with_setting({**files.CONFIG, "tableName": "others"}, STREAM_NAME, "others-stream")
    (other / "table.json").write_text(json.dumps(config))
    (other / "source.toml").write_text('when = { name = "x" }')
    (tables / "items" / "source.toml").write_text('[columns]\nname = "adress.city"')
    document = [{**KEY, "price": {"N": "1"}, "address": {"M": {"city": {"S": "Ulm"}}}}]
    result = on_samples(document)
    assert result.exit_code == 1  # for the address, which no column takes
    assert result.stdout.splitlines()[-2:] == [
        "Not looked at: items: column name, which no change fills",
        "Not looked at: others: no change is a row of it, by when in source.toml",
    ]
    shown = json.loads(on_samples(document, "--json").stdout)
    assert (shown["rows"], shown["unfilled_columns"]) == ({"items": 1, "others": 0}, {"items": ["name"]})


def test_the_items_that_drift_are_named(on_samples):
    items = [{"id": {"S": str(number)}, "price": {"S": "x"}} for number in range(150)]
    assert "each such change is a dead letter (id=0; id=1; id=2 and 147 more)\n" in on_samples(items).stdout
    (drift_found,) = json.loads(on_samples(items, "--json").stdout)["drift"]
    assert (drift_found["count"], drift_found["items"]) == (150, [f"id={number}" for number in range(100)])


def test_a_record_that_is_no_change_hides_no_drift(on_samples):
    result = on_samples({"Records": [1, insert(KEY, {"size": {"S": "x"}})]})
    assert result.exit_code == 1
    assert "sample.json: record 1 is left out: a record must be an object" in result.stderr
    assert "items: size: add a column size" in result.stdout


def test_the_shipped_events_do_not_drift_but_for_the_undecodable_ones():
    events = [str(each) for each in (ROOT / "events").glob("*.json") if each.stem not in ("undecodable", "all-types")]
    result = CliRunner().invoke(app, ["drift", *events, "--json", "--tables", str(DEMO_TABLES)])
    assert {each["where"] for each in json.loads(result.stdout)["drift"]} <= {"meetup_id"}


def test_only_the_folders_that_are_named_are_looked_at(on_samples, tables):
    (tables / "broken").mkdir()
    assert on_samples([{**KEY}]).exit_code == 2
    assert on_samples([{**KEY}], "--only", "items").exit_code == 0


def test_a_table_that_cannot_be_used_is_reported(on_samples, tables):
    (tables / "items" / "table.json").unlink()
    result = on_samples([])
    assert result.exit_code == 2
    assert "items/table.json: the file: it is missing" in result.stderr


@pytest.fixture
def logs(monkeypatch):
    """A log group as CloudWatch has it, with what the function wrote an hour ago and three days ago."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    now_ms = 1_719_082_124_000
    monkeypatch.setattr("dynapinot.cli.inspection.now_ms", lambda: now_ms)
    asked = []

    class Pages:
        def paginate(self, **request):
            asked.append(request)
            events = [(now_ms - 3_600_000, METRIC), (now_ms - 3 * 86_400_000, LETTER)]
            recent = [{"message": json.dumps(entry)} for time, entry in events if time >= request["startTime"]]
            yield {"events": recent[:1]}
            yield {"events": recent[1:]}

    client = SimpleNamespace(get_paginator=lambda name: {"filter_log_events": Pages()}[name])
    monkeypatch.setattr(Aws, "client", lambda self, service: {"logs": client}[service])
    return asked


def test_the_functions_log_is_read_page_by_page_as_far_back_as_asked(logs):
    def found(*options):
        result = CliRunner().invoke(app, ["drift", "--log-group", "/aws/lambda/dynapinot", "--json", *options])
        assert result.exit_code == 1
        return [(each["where"], each["column"]) for each in json.loads(result.stdout)["drift"]]

    assert found() == [("colour", None), ("size", None)]
    assert found("--hours", "100") == [("colour", None), ("size", None), ("", "price")]
    assert logs[0] == {
        "logGroupName": "/aws/lambda/dynapinot",
        "startTime": 1_719_082_124_000 - 86_400_000,
        "filterPattern": drift.PATTERN,
    }


def test_the_pattern_asks_for_what_is_read():
    assert set(re.findall(r"\$\.(\w+)", drift.PATTERN)) == {"UnmappedAttributes", "message"}
    assert f'"{LETTER["message"]}"' in drift.PATTERN


def test_a_log_group_that_is_not_there_is_reported(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        boto3.client("logs", region_name="eu-west-1").create_log_group(logGroupName="/aws/lambda/other")
        result = CliRunner().invoke(app, ["drift", "--log-group", "/aws/lambda/nix", "--region", "eu-west-1"])
    assert result.exit_code == 2
    assert "AWS refused FilterLogEvents: ResourceNotFoundException" in result.stderr


@pytest.mark.parametrize(("lines", "code"), [([], 2), (["START RequestId"], 0)])
def test_a_log_without_a_line_is_not_looked_at(monkeypatch, lines, code):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("logs", region_name="eu-west-1")
        client.create_log_group(logGroupName="/aws/lambda/f")
        client.create_log_stream(logGroupName="/aws/lambda/f", logStreamName="s")
        events = [{"timestamp": time.time_ns() // 1_000_000, "message": line} for line in lines]
        if events:
            client.put_log_events(logGroupName="/aws/lambda/f", logStreamName="s", logEvents=events)
        result = CliRunner().invoke(app, ["drift", "--log-group", "/aws/lambda/f", "--region", "eu-west-1"])
    assert result.exit_code == code
    assert (result.stdout or result.stderr).startswith(
        "No drift in /aws/lambda/f since" if lines else "Error: There is nothing in /aws/lambda/f since"
    )


@pytest.mark.parametrize("arguments", [[], ["x.json", "--log-group", "y"]])
def test_either_files_or_a_log_is_looked_at(arguments):
    result = CliRunner().invoke(app, ["drift", *arguments])
    assert (result.exit_code, result.stderr) == (2, "Error: Give either files to look at or --log-group\n")
