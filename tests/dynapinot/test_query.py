"""Promises of ``dynapinot query``."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from dynapinot.pinot_server import Broker
from dynapinot.query import query
from pinot_fake import Pinot, result, running


@pytest.fixture
def pinot():
    with running(Pinot()) as fake:
        yield fake


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


def test_rows_are_shown_as_a_table_and_null_is_seen(pinot, console):
    pinot.answers["SELECT"] = result(["name", "n"], ["STRING", "LONG"], [["[red]:smile:", None]])
    assert query(console, Broker(pinot.url), "SELECT name, n FROM t") == 0
    header, _, row, count = (line.rstrip() for line in console.file.getvalue().splitlines())
    assert (header.split(), row.split(), count) == (["name", "┃", "n"], ["[red]:smile:", "│", "null"], "1 rows")


def test_rows_are_lines_of_json_for_scripts_to_the_letter(pinot, console):
    rows = [["[red]:smile: " + "x" * 200, 1], ["ü", None]]
    pinot.answers["SELECT"] = result(["name", "n"], ["STRING", "LONG"], rows)
    assert query(console, Broker(pinot.url), "SELECT name, n FROM t", as_json=True) == 0
    lines = [json.loads(line) for line in console.file.getvalue().splitlines()]
    assert lines == [{"name": name, "n": number} for name, number in rows]
