"""Promises of ``dynapinot add-table``."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from dynapinot.add_table import add_table
from dynapinot.pinot_server import Controller
from handlers.settings import SHIPPED_TABLES
from pinot_fake import Pinot, running

FOLDER = SHIPPED_TABLES / "pinot_dynamo_ingestion"


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
