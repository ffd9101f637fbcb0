"""Promises of ``dynapinot add-table``."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from dynapinot.add_table import add_table
from dynapinot.defaults import DEMO_TABLES
from dynapinot.errors import CommandError
from dynapinot.pinot_server import Controller
from pinot_fake import Pinot, running

FOLDER = DEMO_TABLES / "pinot_dynamo_ingestion"


@pytest.fixture
def pinot():
    with running(Pinot()) as fake:
        yield fake


@pytest.fixture
def controller(pinot):
    return Controller(pinot.url)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


def test_a_folder_becomes_a_table_and_properties_that_pinot_does_not_know_are_reported(pinot, controller, console):
    pinot.unrecognized = {"/realtime/upsertConfig/snapshots": "ENABLE"}
    assert add_table(console, controller, FOLDER) == 0
    assert console.file.getvalue().splitlines() == [
        "Pinot does not know realtime.upsertConfig.snapshots",
        f"Made pinot_dynamo_ingestion at {pinot.url}",
    ]
    assert pinot.tables["pinot_dynamo_ingestion"].schema == json.loads((FOLDER / "schema.json").read_text())


def test_a_stream_that_does_not_exist_is_said_without_the_ids_of_the_request(pinot, controller, console, monkeypatch):
    said = (
        "software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException: Stream s not found. "
        "(Service: Kinesis, Status Code: 400, Request ID: 1-2-3, Extended Request ID: 4) (SDK Attempt Count: 1)"
    )
    monkeypatch.setattr(pinot, "answer", lambda *_: (500, {"code": 500, "error": said}))
    with pytest.raises(CommandError) as error:
        add_table(console, controller, FOLDER)
    assert str(error.value).endswith(
        "ResourceNotFoundException: Stream s not found. Make the stream first, in the region that table.json names, "
        "and let Pinot's servers reach it"
    )
