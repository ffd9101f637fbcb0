"""Logs and metrics about attributes that are not mapped."""

from __future__ import annotations

import json
import uuid

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

import files
from changes import insert
from handlers import telemetry
from handlers.planner import Planner
from handlers.relay import relay
from kinesis_fake import publish_everything


def report(*images):
    return relay(
        {"Records": [insert({"id": {"S": "a"}}, image) for image in images]},
        Planner([files.table()], max_record_bytes=10**6),
        publish=publish_everything,
        store=lambda _: pytest.fail("there are no dead letters here"),
    )


def images(*names):
    return [{name: {"S": "s3cr3t"}} for name in names]


def measured(of, capsys):
    metrics = Metrics(namespace="test", service="test")
    telemetry.measure(metrics, of, now_ms=1)
    metrics.flush_metrics()
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def logged(of, already_logged, capsys):
    telemetry.log_report(
        Logger(service=str(uuid.uuid4())), of, already_logged
    )  # a logger keeps the stdout of its first test
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["message"], line["table"], line["attribute"]) for line in lines]


def test_unmapped_attributes_are_counted_and_named_once_for_each_batch(capsys):
    line = measured(report(*images("name", "size", "colour", "size")), capsys)
    assert line["UnmappedAttributes"] == [2]
    assert line["unmapped_attributes"] == [["items", "colour"], ["items", "size"]]
    assert "s3cr3t" not in json.dumps(line)


def test_there_are_no_unmapped_attributes_if_every_attribute_is_used(capsys):
    line = measured(report(*images("name")), capsys)
    assert (line["UnmappedAttributes"], line.get("unmapped_attributes")) == ([0], None)


def test_no_more_names_are_emitted_than_a_metrics_record_can_hold(capsys):
    line = measured(report(*images(*(f"a{number:04}" for number in range(500)))), capsys)
    assert (line["UnmappedAttributes"], len(line["unmapped_attributes"])) == ([500], telemetry.MAX_NAMES)


def test_an_unmapped_attribute_is_logged_once_in_a_functions_lifetime(capsys):
    already_logged = set()
    assert logged(report(*images("size", "colour", "size")), already_logged, capsys) == [
        ("attribute not mapped", "items", "colour"),
        ("attribute not mapped", "items", "size"),
    ]
    assert logged(report(*images("size", "weight")), already_logged, capsys) == [
        ("attribute not mapped", "items", "weight")
    ]


def test_the_number_of_logged_attributes_is_limited(capsys):
    already_logged = set()
    assert (
        len(logged(report(*images(*(f"a{number}" for number in range(1500)))), already_logged, capsys))
        == telemetry.MAX_LOGGED
    )
    assert len(already_logged) == telemetry.MAX_LOGGED


def test_a_row_that_differs_between_the_paths_is_counted_and_logged_by_its_sequence_number(capsys):
    of = report(*images("name"))
    assert measured(of, capsys)["RowDifferences"] == [0]
    of.account.differences.append(0)
    assert measured(of, capsys)["RowDifferences"] == [1]
    telemetry.log_report(Logger(service=str(uuid.uuid4())), of, set())
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    number = of.account.records[0]["dynamodb"]["SequenceNumber"]
    assert (line["message"], line["level"], line["sequence_number"]) == ("row differs between paths", "ERROR", number)


def test_a_metrics_record_stays_small_whatever_attributes_are_called(capsys):
    """A line that CloudWatch Logs cuts would take the batch's metrics with it."""
    line = measured(report(*images(*(f"{number:03}" + "é" * 20_000 for number in range(120)))), capsys)
    assert line["UnmappedAttributes"] == [120]
    assert {len(name) for _, name in line["unmapped_attributes"]} == {telemetry.MAX_NAME}
    assert len(json.dumps(line).encode()) < 256 * 1024
