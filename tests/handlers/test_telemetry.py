"""What the function tells of the attributes that nothing uses."""

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


def logged(of, told, capsys):
    telemetry.log_report(Logger(service=str(uuid.uuid4())), of, told)  # a logger keeps the stdout of its first test
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["message"], line["table"], line["attribute"]) for line in lines]


def test_unmapped_attributes_are_counted_and_named_once_a_batch(capsys):
    line = measured(report(*images("name", "size", "colour", "size")), capsys)
    assert line["UnmappedAttributes"] == [2]
    assert line["unmapped_attributes"] == [["items", "colour"], ["items", "size"]]
    assert "s3cr3t" not in json.dumps(line)


def test_where_every_attribute_is_used_there_are_none(capsys):
    line = measured(report(*images("name")), capsys)
    assert (line["UnmappedAttributes"], line.get("unmapped_attributes")) == ([0], None)


def test_no_more_names_are_told_than_a_metrics_record_can_hold(capsys):
    line = measured(report(*images(*(f"a{number:04}" for number in range(500)))), capsys)
    assert (line["UnmappedAttributes"], len(line["unmapped_attributes"])) == ([500], telemetry.MAX_NAMES)


def test_an_unmapped_attribute_is_logged_once_in_a_functions_life(capsys):
    told = set()
    assert logged(report(*images("size", "colour", "size")), told, capsys) == [
        ("attribute not mapped", "items", "colour"),
        ("attribute not mapped", "items", "size"),
    ]
    assert logged(report(*images("size", "weight")), told, capsys) == [("attribute not mapped", "items", "weight")]


def test_attributes_without_end_are_not_logged_without_end(capsys):
    told = set()
    assert len(logged(report(*images(*(f"a{number}" for number in range(1500)))), told, capsys)) == telemetry.MAX_TOLD
    assert len(told) == telemetry.MAX_TOLD
