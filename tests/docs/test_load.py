"""docs/load.md cannot lie: its commands can be parsed, and its tables are those of the code."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from dynapinot.cli.app import app
from dynapinot.load.estimate import duration, estimate, money, size
from dynapinot.load.planning import margin_of, read_rate, workers_for
from dynapinot.load.state import RUN
from dynapinot.prices import read_prices
from load.files import REPORT, LoadFiles
from load.plan import Control, ExportReader, Plan, PlannedTable, ScanReader, Swept, Unit
from proposals import table_description
from snapshot import version

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "load.md").read_text()
LOAD = app.commands["load"]

BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
TYPED = [line for block in BLOCKS for line in block.splitlines()]
NAMED = [text for text in re.findall(r"`([^`\n]+)`", PAGE) if text.startswith("dynapinot ")]
OPTIONS = [text for text in re.findall(r"`([^`\n]+)`", PAGE) if text.startswith("--")]
DESCRIBED = table_description(region="us-east-1", view_type=None)


def table(heading):
    """The cells of the table whose heading row begins so, row by row, without the heading."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def command_of(words):
    """Find the command that words name; return it, and the words that are left."""
    found, left = app, list(words)
    while isinstance(found, click.Group) and left and left[0] in found.commands:
        found = found.commands[left.pop(0)]
    return found, left


def options_of(*commands):
    return {option for command in commands for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("line", TYPED)
def test_a_command_that_is_typed_can_be_parsed(line):
    words = shlex.split(line, comments=True)
    assert words[0] == "dynapinot"
    command, left = command_of(words[1:])
    assert command is not app
    command.make_context(words[1], left, parent=click.Context(app, **app.context_settings))


@pytest.mark.parametrize("text", sorted(set(NAMED)))
def test_a_command_that_is_named_is_there_and_has_the_options(text):
    command, left = command_of(shlex.split(text)[1:])
    assert command is not app
    assert {word for word in left if word.startswith("--")} <= options_of(command)


@pytest.mark.parametrize("text", sorted(set(OPTIONS)))
def test_an_option_that_is_named_is_one_of_load(text):
    named = {word for word in shlex.split(text) if word.startswith("--")}
    assert named <= options_of(LOAD, *LOAD.commands.values())


def test_the_page_has_commands_and_options():
    assert len(TYPED) > 5
    assert len(set(NAMED)) > 3
    assert len(set(OPTIONS)) > 5


def test_the_margins_are_those_that_a_load_takes():
    global_table = replace(DESCRIBED, replicas=("eu-west-1",))
    emulated = replace(DESCRIBED, arn="arn:aws:dynamodb:ddblocal:000000000000:table/app")
    margins = (
        margin_of(DESCRIBED, consistent=True),
        margin_of(global_table, consistent=True),
        margin_of(emulated, consistent=True),
        margin_of(DESCRIBED, consistent=False),
        version.EXPORT,
        version.EXPORT,
    )
    rows = table("source | T")
    assert [row[2] for row in rows] == [f"{margin} s" for margin in margins]
    words = (
        *("strongly consistent (default)", "global table", "DynamoDB Local", "eventually consistent", "export to S3"),
        "incremental export, of a [gap]",
    )
    assert all(word in row[0] for row, word in zip(rows, words, strict=True))


def a_plan(items, shards=40, reader=None):
    tables = {"t": PlannedTable(files="", shards=shards)}
    return Plan(
        id="l",
        table="app",
        region="us-east-1",
        keys=("id",),
        began=0,
        tables=tables,
        reader=reader or ScanReader(segments=8, margin=1),
        workers=workers_for(tables),
        items=items,
        bytes=items * 400,
    )


def test_the_files_are_those_that_are_written():
    written = []
    client = SimpleNamespace(put_object=lambda **given: written.append(given["Key"].removeprefix("loads/l/")))
    files = LoadFiles(client=client, bucket="dead", id="l")
    for each in (a_plan(1), Unit(number=7), Control()):
        files.save(each)
    files.save_swept("orders", Swept())
    units = re.search(r'^UNITS: Final = "(.*)"$', (ROOT / "src/handlers/load.py").read_text(), re.MULTILINE)[1]
    on_page = [row[0].strip("`") for row in table("file | what")]
    names = [name.replace("<n>", "7").replace("<table>", "orders") for name in on_page]
    assert sorted(names) == sorted([*written, RUN, REPORT, units])


EXPORTED = ExportReader(bucket="b", folder="f", files=1, second=0)
SCANNED = ScanReader(segments=8, margin=1, units_per_second=read_rate(DESCRIBED, None))


def estimated(items, *, exports=False, **plan):
    prices = read_prices().prices
    return estimate(a_plan(items, **plan), DESCRIBED, prices, share=0.5, in_stack=True, exports=exports)


COSTS = {
    "read: strongly consistent Scan, on demand": lambda n: money(estimated(n).dollars["read units"]),
    "read: export (recovery and storage not counted)": lambda n: money(
        estimated(n, reader=EXPORTED, exports=True).dollars["export"]
    ),
    "Kinesis PUT units": lambda n: money(estimated(n).dollars["PUT units"]),
    "Lambda, with 40 shards": lambda n: money(estimated(n).dollars["Lambda"]),
    "time with 4 shards": lambda n: duration(estimated(n, shards=4).seconds),
    "time with 40 shards": lambda n: duration(estimated(n).seconds),
    "time with 400 shards": lambda n: duration(estimated(n, shards=400).seconds),
    "least time of a Scan, on demand": lambda n: duration(estimated(n, shards=1_000_000, reader=SCANNED).seconds),
    "heap of a Pinot replica for the keys": lambda n: size(estimated(n).heap_bytes),
}


def test_the_costs_are_the_estimates():
    heading = "| 10⁶ items, 0.4 GB | 10⁸ items, 40 GB | 10¹⁰ items, 4 TB |"
    rows = PAGE[PAGE.index(heading) :].split("\n\n")[0].splitlines()[2:]
    on_page = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert on_page == [[name, *map(of, (10**6, 10**8, 10**10))] for name, of in COSTS.items()]
    assert f"that of {SCANNED.units_per_second:,.0f} read units a second" in PAGE
