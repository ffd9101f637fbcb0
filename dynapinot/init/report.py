"""The proposal for people: what was seen, what becomes of it and why, what is left out, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table as Grid
from rich.text import Text

from decoder.errors import path_text
from dynapinot.init.capacity import HEADROOM, SHARD_BYTES, SHARD_RECORDS
from dynapinot.init.columns import Column, record_keys
from dynapinot.init.percentage import percent
from dynapinot.init.profile import Seen
from dynapinot.init.proposal import Proposal
from dynapinot.wording import counted

_SHOWN: Final = 60  # characters of a name; DynamoDB takes 64 KB of any
_LISTED: Final = 20  # names in a line
_LEGEND: Final = (
    "! is a conflict of types. STRING(512) holds up to 512 characters, in UTF-16. A value that its column cannot hold"
    " makes a dead letter of its change: it is kept in S3 and raises an alarm, and is not in Pinot."
)


def report(console: Console, proposal: Proposal, *, paths: bool) -> None:
    """Show the proposal; ``paths`` is whether maps already have columns for their paths."""
    naming, described = proposal.naming, proposal.described
    key = ", ".join(f"{shown(each.name)} ({each.kind}, {each.tag})" for each in described.key)
    page = _Page(console)
    page.title(f"{naming.dynamodb_table} in DynamoDB → {naming.pinot_table} in Pinot")
    page.say(f"Key: {key}. About {counted(described.items, 'item')}. {proposal.method}")
    for warning in proposal.warnings:
        page.say(f"! {warning}", "bold red")
    page.columns(proposal.columns.columns)
    page.say(_LEGEND, "dim")
    page.section("Types in conflict", _conflicts(proposal))
    page.section("Names", _name_notes(proposal))
    page.section("Left out", _left_out(proposal))
    page.section("What you may want to change", _hints(proposal, paths=paths))
    page.section(counted(proposal.shards.count, "shard"), _shards(proposal))
    page.section("Notes", proposal.notes)
    page.title("\nNext")
    for number, step in enumerate(proposal.steps, start=1):
        page.step(number, step.title, step.commands, step.note)


def show_files(console: Console, proposal: Proposal) -> None:
    """Show the files' text."""
    for name, text in proposal.files.items():
        console.print(Text(f"\n{proposal.folder / name}", "bold"), soft_wrap=True)
        if console.is_terminal:
            console.print(Syntax(text, "json" if name.endswith("json") else "toml", background_color="default"))
        else:
            console.print(text, markup=False, highlight=False, soft_wrap=True, end="")


def show_written(console: Console, folder: Path, names: Iterable[str]) -> None:
    """Say what was written."""
    files = ", ".join(str(folder / name) for name in names)
    console.print(Text(f"\nWritten: {files}", "bold"), soft_wrap=True)


def shown(name: str) -> str:
    """Write a name so that it cannot do anything to a terminal, and not endlessly."""
    text = name if name.isprintable() else json.dumps(name)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


class _Page:
    """Writes prose in lines that fit the console, and commands as they are, to be copied."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def title(self, text: str) -> None:
        self._console.print(Text(text, "bold"))

    def say(self, text: str, style: str = "", indent: int = 0, mark: str = "") -> None:
        """Write a paragraph, ``indent`` columns in, with a mark in front of its first line."""
        before = mark
        for line in Text(text, style).wrap(self._console, self._console.width - indent - len(mark)):
            line.rstrip()
            self._console.print(Text(" " * indent + before).append_text(line), soft_wrap=True)
            before = " " * len(mark)

    def section(self, title: str, lines: Iterable[str]) -> None:
        listed = list(lines)
        if listed:
            self.title(f"\n{title}")
        for line in listed:
            self.say(line, indent=2, mark="- ")

    def columns(self, columns: Iterable[Column]) -> None:
        grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
        grid.add_column("attribute", overflow="fold", ratio=3)
        grid.add_column("in", justify="right", no_wrap=True)
        grid.add_column("seen as", overflow="fold", ratio=3)
        grid.add_column("Pinot column", overflow="fold", ratio=3)
        grid.add_column("why", ratio=5)
        for column in columns:
            grid.add_row(*map(Text, _cells(column)), style="yellow" if column.choice.conflict else "")
        self._console.print()
        self._console.print(grid)

    def step(self, number: int, title: str, commands: Iterable[str], note: str) -> None:
        self.say(title, indent=2, mark=f"{number}. ")
        for command in commands:
            for line in command.splitlines():
                self._console.print(Text(f"     {line}", "cyan"), soft_wrap=True)
        if note:
            self.say(note, "dim", indent=5)


def _cells(column: Column) -> Iterator[str]:
    mark = "! " if column.choice.conflict else ""
    yield mark + _source(column)
    yield percent(column.seen.times, column.of) if column.seen else ""
    yield _types(column.seen) if column.seen else ""
    yield column.choice.label if column.steps == (column.name,) else f"{column.name}: {column.choice.label}"
    yield column.choice.why


def _source(column: Column) -> str:
    match column.role:
        case "path":
            return shown(path_text(column.steps))
        case "rest":
            return "(the rest)"
        case "deleted" | "changed":
            return "(the change)"
    return shown(column.steps[0])


def _types(seen: Seen) -> str:
    """List the DynamoDB types, each with its part if there are several, and what lists hold."""
    parts = [
        f"{tag}{_kinds(seen) if tag == 'L' else ''}{f' {percent(count, seen.times)}' if len(seen.own.tags) > 1 else ''}"
        for tag, count in _by_count(seen.own.tags)
    ]
    return ", ".join(parts)


def _kinds(seen: Seen) -> str:
    kinds = [kind for kind, _ in _by_count(seen.kinds or {})]
    return f" of {'/'.join(kinds)}"


def _by_count(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _conflicts(proposal: Proposal) -> Iterator[str]:
    for column in proposal.columns.columns:
        choice = column.choice
        if choice.conflict:
            alternative = f" {choice.alternative}." if choice.alternative else ""
            yield f"{_source(column)}: {choice.conflict}. It becomes {choice.label}.{alternative}"


def _name_notes(proposal: Proposal) -> Iterator[str]:
    noted = []
    for column in proposal.columns.columns:
        renamed = "" if column.steps == (column.name,) else f"{_source(column)} → "
        noted += [(f"{renamed}{column.name}", note) for note in column.notes]
    yield from _together(noted)


def _together(noted: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Say what holds of several names once."""
    names: dict[str, list[str]] = {}
    for name, note in noted:
        names.setdefault(note, []).append(name)
    return (f"{', '.join(which)}: {note}" for note, which in names.items())


def _left_out(proposal: Proposal) -> Iterator[str]:
    columns = proposal.columns
    for each in columns.left_out:
        yield f"{shown(each.attribute)}: {each.why}"
    for column in columns.of("rest"):
        if columns.rest:
            names = ", ".join(shown(name) for name in columns.rest[:_LISTED])
            more = f" and {len(columns.rest) - _LISTED:,} more" if len(columns.rest) > _LISTED else ""
            yield f"of columns, but in the JSON of {column.name}: {names}{more}"
        if columns.others:
            yield f"of columns, but in the JSON of {column.name}: {columns.others:,} values of further attributes"


def _hints(proposal: Proposal, *, paths: bool) -> Iterator[str]:
    columns = proposal.columns.columns
    yield from _together((column.name, hint) for column in columns for hint in column.choice.hints)
    for column in columns:
        if column.choice.alternative and not column.choice.conflict:
            yield f"{column.name}: {column.choice.alternative}"
    for name, count in record_keys(proposal.columns).items():
        if paths:
            yield (
                f"{name}: the JSON column keeps the whole map beside its {count:,} paths' columns, so nothing is lost;"
                " take it out of schema.json if the paths are enough"
            )
        else:
            yield f"{name}: a map with {count:,} stable paths; --paths gives each a column, beside the JSON"


def _shards(proposal: Proposal) -> Iterator[str]:
    shards = proposal.shards
    rate = "not known" if shards.rate.guessed else f"{shards.rate.per_second:,.1f} a second"
    yield f"Writes: {rate} ({shards.rate.source}). A row: about {shards.row_bytes:,} bytes."
    yield (
        f"A shard takes {SHARD_RECORDS:,} rows and {SHARD_BYTES:,} bytes a second. There is room for {HEADROOM} times"
        " the writes: the number never changes, because a Pinot partition is a shard."
    )


def method_of(read: int, *, whole: bool, segments: int) -> str:
    """Say how the items were read."""
    if not whole:
        verb, parts = "was" if read == 1 else "were", counted(segments, "part")
        return f"{read:,} {verb} read, from {parts} of the table in turn, not from its beginning alone."
    return (
        f"All {read:,} items that a scan found were read." if read != 1 else "The one item that a scan found was read."
    )


def empty_warning(table: str) -> str:
    """Warn of a table without items."""
    return (
        f"{table} has no items, so nothing is known of what they have: the proposal has the key alone. Run init again"
        " when it has some, or write the columns into schema.json yourself."
    )
