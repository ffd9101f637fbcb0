"""Promises of ``dynapinot update-table``."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from dynapinot.defaults import DEMO_TABLES
from dynapinot.errors import CommandError
from dynapinot.pinot_server import Controller
from dynapinot.update_table import update_table
from pinot_fake import Pinot, Table, running

NAME = "pinot_dynamo_ingestion"
FOLDER = DEMO_TABLES / NAME
SCHEMA, CONFIG = (json.loads((FOLDER / file).read_text()) for file in ("schema.json", "table.json"))
SEGMENTS = {f"{NAME}__{partition}__0__20240622T1848Z": {"Server_a": "CONSUMING"} for partition in (0, 1, 10)}


@pytest.fixture
def pinot():
    table = Table({"schemaName": NAME}, {"tableName": f"{NAME}_REALTIME"}, ideal=SEGMENTS, actual=SEGMENTS)
    with running(Pinot(tables={NAME: table})) as fake:
        yield fake


@pytest.fixture
def update(pinot):
    """Update the table, and give the output's lines and how long was waited."""

    def run():
        console, waits = Console(file=io.StringIO(), width=100), []
        assert update_table(console, Controller(pinot.url), FOLDER, timeout=5, sleep=waits.append) == 0
        return console.file.getvalue().splitlines(), waits

    return run


def changes_of(pinot):
    return [(method, path) for method, path, *_ in pinot.requests if method != "GET" and "validate" not in path]


def test_pinot_gets_the_schema_then_the_config_and_then_reloads(pinot, update):
    lines, waits = update()
    assert changes_of(pinot) == [
        ("PUT", f"/schemas/{NAME}"),
        ("PUT", f"/tables/{NAME}"),
        ("POST", f"/segments/{NAME}/reload"),
    ]
    assert pinot.tables[NAME].schema == SCHEMA
    assert pinot.tables[NAME].config["upsertConfig"] == CONFIG["upsertConfig"]
    assert waits == []
    assert lines == [
        f"Updated {NAME} at {pinot.url}. Waiting for 3 partitions",
        "Every partition consumes with the new schema: deploy the function now",
    ]


def test_it_waits_until_every_partition_has_a_new_segment(pinot):
    table, waits = pinot.tables[NAME], []
    table.renews = False
    first, *others = SEGMENTS

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 1:  # the others are renewed
            begun = {segment.replace("__0__2", "__1__2"): SEGMENTS[segment] for segment in others}
            table.actual = {first: SEGMENTS[first], **begun}
        elif len(waits) == 2:  # a segment begins while the old one still ends
            table.actual = {**table.actual, first.replace("__0__2", "__1__2", 1): SEGMENTS[first]}
        elif len(waits) == 3:
            table.actual = {**table.actual, first: {"Server_a": "ONLINE"}}

    console = Console(file=io.StringIO())
    assert update_table(console, Controller(pinot.url), FOLDER, timeout=5, sleep=sleep) == 0
    assert len(waits) == 3


def test_partitions_that_keep_the_old_schema_are_named(pinot, update):
    pinot.tables[NAME].renews = False
    with pytest.raises(CommandError, match=r"the partitions 0, 1, 10 of .* Do not deploy the function yet"):
        update()


def test_nothing_is_changed_where_pinot_refuses_or_does_not_consume(pinot, update):
    pinot.refusal = "no"
    with pytest.raises(CommandError, match=r"Pinot refuses the files: .* no"):
        update()
    pinot.refusal = None
    pinot.tables[NAME].paused = True
    with pytest.raises(CommandError, match="disabled or paused: nothing was changed"):
        update()
    pinot.tables.clear()
    with pytest.raises(CommandError, match="dynapinot add-table"):
        update()
    assert changes_of(pinot) == []
