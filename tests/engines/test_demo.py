"""The demo, and so a load, with DynamoDB Local, whose stream has the time of a change in whole minutes."""

from __future__ import annotations

import io
import time

import boto3
import pytest
from rich.console import Console

from decoder.change import decode_change
from dynapinot.demo import live
from dynapinot.demo.options import Options
from dynapinot.errors import FOUND, OK
from handlers.catalog import load_tables
from pinot_fake import running
from reading_pinot import ReadingPinot

pytestmark = pytest.mark.engines

SECONDS = 10  # of a minute, by which a loaded row's time is after the minute began


def load_handler(folder):
    """A function that makes the right rows; the real one can be imported only once into a process."""
    (table,), _ = load_tables(folder)
    client = boto3.Session().client("kinesis")

    def handler(event, context):
        for record in event["Records"]:
            for row in table.rows(decode_change(record)):
                client.put_record(StreamName=table.stream, Data=row.data, PartitionKey=row.key)

    return handler


@pytest.mark.parametrize(("margin", "code"), [(60, OK), (1, FOUND)])
def test_no_loaded_row_wins_over_a_change_of_the_minute_because_of_the_margin(
    margin, code, dynamodb_local, monkeypatch
):
    monkeypatch.setattr("dynapinot.load.planning.DYNAMODB_LOCAL_READ", margin)
    monkeypatch.setattr("dynapinot.load.preconditions._stream_began", lambda *_: 0)  # no wait for the margin
    time.sleep(max(0, SECONDS - time.time() % 60))
    output = io.StringIO()
    with running(ReadingPinot()) as pinot:
        options = Options(
            controller=pinot.url,
            broker=pinot.url,
            dynamodb_endpoint=dynamodb_local.endpoint,
            table_suffix=f"margin_{margin}",
            timeout=10,
        )
        assert live.run(Console(file=output, width=200), options, load_handler) == code, output.getvalue()
    verdict = next(line for line in output.getvalue().splitlines() if line.startswith(("= ", "! ")))
    assert verdict.startswith(
        "= DynamoDB has 39 items, Pinot shows 39 rows, equal"
        if code == OK
        else "! DynamoDB has 39 items, Pinot shows 40 rows, not equal"
    )
