"""``dynapinot explain``: what changes and items would become, offline, by the very code that runs in the function."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from decoder.change import Change
from dynapinot.errors import FOUND, OK
from dynapinot.explain.attributes import AttributeLine, explain_attributes, explain_other_columns
from dynapinot.folders import read_tables
from dynapinot.samples import is_item, read_samples
from handlers.dead_letter import DeadLetter
from handlers.planner import Plan, plan
from heartbeat.probe import hash_key
from pinot.table import Table
from publisher.entry import Entry
from publisher.order import MAX_RECORD_BYTES

Say: TypeAlias = Callable[[str], None]

# "A PUT Payload Unit is counted in 25 KB payload 'chunks' that comprise a record", aws.amazon.com/kinesis/data-streams
PUT_UNIT_BYTES: Final = 25 * 1024

_STYLES: Final = {"INSERT": "bold green", "MODIFY": "bold yellow", "REMOVE": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options: ``shards`` is the shard count of the stream, None if it is not known."""

    shards: int | None = None
    verbose: bool = False
    as_json: bool = False


def shard_of(partition_key: str, shards: int) -> int:
    """Return which shard of a stream takes a partition key, by its number from 0 on.

    Kinesis gives each of a new stream's shards an equal range of hash keys.
    """
    return min(hash_key(partition_key) // (2**128 // shards), shards - 1)


def explain(records: Sequence[object], tables: Sequence[Table]) -> Iterator[str]:
    """Give a line of JSON for each row and each dead letter, in the order of the records.

    ``{"table", "stream", "partition_key", "row"}``, or ``{"dead_letter": {"reason", "path", "sequence_number", …}}``.
    """
    batch = plan(records, tables, max_record_bytes=MAX_RECORD_BYTES)
    return (_json_line(each, Options()) for each in _outcomes(batch, tables))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """The result of a change for one Pinot table: a row, a dead letter, or neither."""

    position: int
    change: Change | None
    table: Table | None
    entry: Entry | None = None
    dead_letter: DeadLetter | None = None


def _outcomes(batch: Plan, tables: Sequence[Table]) -> list[_Outcome]:
    """List what became of a batch, in the order of its records: rows first, then dead letters."""
    by_target = {table.target: table for table in tables}
    by_name = {table.name: table for table in tables}
    rows = [
        _Outcome(position=entry.position, change=batch.changes[entry.position], table=by_target[target], entry=entry)
        for target, entries in batch.rows.items()
        for entry in entries
    ]
    dead_letters = [
        _Outcome(position=each.position, change=each.change, table=by_name.get(each.table or ""), dead_letter=each)
        for each in batch.dead_letters
    ]
    return sorted([*rows, *dead_letters], key=lambda outcome: outcome.position)


def _json_line(outcome: _Outcome, options: Options) -> str:
    if outcome.dead_letter:
        dead_letter = outcome.dead_letter
        document = {
            "reason": dead_letter.error.reason,
            "path": dead_letter.error.path,
            "sequence_number": dead_letter.sequence_number,
            "table": dead_letter.table,
            "detail": dead_letter.error.detail,
        }
        # The standard library's writer takes any name an event can hold, half a surrogate pair too.
        return json.dumps({"dead_letter": document})
    table, entry, change = outcome.table, outcome.entry, outcome.change
    if table is None or entry is None or change is None:
        raise AssertionError
    line: dict[str, Any] = {
        "table": table.name,
        "stream": table.stream,
        "partition_key": entry.key,
        "row": orjson.Fragment(entry.data),
    }
    if options.shards:
        line["shard"] = shard_of(entry.key, options.shards)
    if options.verbose:
        line |= {"bytes": entry.size, "put_units": _put_units(entry)}
        line["attributes"] = {
            each.attribute: {"type": each.type, "columns": each.columns, "why": each.why}
            for each in _attribute_lines(table, change, entry)
        }
        line["columns"] = explain_other_columns(table, change)
    return orjson.dumps(line).decode()


def _put_units(entry: Entry) -> int:
    return -(-entry.size // PUT_UNIT_BYTES)


def _attribute_lines(table: Table, change: Change, entry: Entry) -> Sequence[AttributeLine]:
    """Explain the image that the row was made of, which is found by making the row again."""
    row = next(row for row in table.rows(change, MAX_RECORD_BYTES) if row.data == entry.data)
    image = (change.old_image or change.keys) if row.is_delete else (change.new_image or {})
    return tuple(explain_attributes(table, image, row, orjson.loads(row.data)))


class _Page:
    """Explains for people: a heading for each change, and below it what it becomes of each table."""

    def __init__(self, console: Console, tables: Sequence[Table], options: Options) -> None:
        self._console = console
        self._tables = tables
        self._options = options
        self._highlight = JSONHighlighter()

    def show(self, batch: Plan) -> None:
        """Show what became of a batch."""
        outcomes: defaultdict[int, list[_Outcome]] = defaultdict(list)
        for outcome in _outcomes(batch, self._tables):
            outcomes[outcome.position].append(outcome)
        for position in range(len(batch.records)):
            change = batch.changes.get(position)
            self._print(_heading(position, change, batch.records[position]))
            named = set()
            for outcome in outcomes[position]:
                named.add(outcome.table.name if outcome.table else None)
                if outcome.dead_letter:
                    self._show_dead_letter(outcome.dead_letter)
                elif outcome.table and outcome.entry and change:
                    self._show_row(outcome.table, outcome.entry, change)
            for table in self._tables:
                if change and table.replicates(change.table) and table.name not in named:
                    self._print(Text(f"  {table.name}: no row, by its source.toml", "dim"))

    def _show_row(self, table: Table, entry: Entry, change: Change) -> None:
        shards, units = self._options.shards, _put_units(entry)
        shard = f", shard {shard_of(entry.key, shards)} of {shards}" if shards else ""
        size = f"{entry.size} bytes, {units} PUT unit{'s' if units > 1 else ''}"
        head = Text.assemble("  ", (table.name, "bold"), f": stream {table.stream}{shard}, {size}, ")
        self._print(head.append(f"partition key {entry.key}", "dim"))
        row = Text("    ").append(entry.data.decode())
        self._highlight.highlight(row)
        self._print(row)
        if not self._options.verbose:
            return
        lines = _attribute_lines(table, change, entry)
        names = [line.attribute if line.attribute.isprintable() else json.dumps(line.attribute) for line in lines]
        width = max(map(len, names), default=0)
        for name, line in zip(names, lines, strict=True):
            self._print(Text(f"    {name:{width}}  {line.type:4}  ").append(line.why, "dim"))
        for name, why in explain_other_columns(table, change).items():
            self._print(Text(f"    column {name}: ").append(why, "dim"))

    def _show_dead_letter(self, dead_letter: DeadLetter) -> None:
        where = f" at {dead_letter.error.path}" if dead_letter.error.path else ""
        head = f"  {dead_letter.table}: " if dead_letter.table else "  "
        text = Text(head).append(f"dead letter: {dead_letter.error.reason}", "bold red")
        self._print(text.append(f"{where}: {dead_letter.error.detail}"))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _heading(position: int, change: Change | None, record: object) -> Text:
    if change is None:
        return Text(f"{position + 1}. no change that can be read", "bold red")
    if is_item(record):
        return Text(f"{position + 1}. an item", "bold")
    time = datetime.fromtimestamp(change.timestamp_ms / 1000, UTC)
    text = Text(f"{position + 1}. ").append(change.event_name, _STYLES[change.event_name])
    ttl = " by Time to Live" if change.ttl_delete else ""
    return text.append(f"{ttl} in {change.table or 'an unnamed table'} at {time:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC")


def run(
    console: Console,
    files: Sequence[Path],
    tables_dir: Path,
    warn: Say,
    options: Options,
    *,
    now_ms: int,
    only: Sequence[str] = (),
    dynamodb_table: str | None = None,
) -> int:
    """Explain files; return the exit code: all became rows, or there are dead letters. Raises CommandError."""
    tables, warnings = read_tables(tables_dir, only)
    samples = [read_samples(file, tables, now_ms=now_ms, dynamodb_table=dynamodb_table) for file in files]
    for warning in warnings:
        warn(f"warning: {warning}")
    page = _Page(console, tables, options)
    exit_code = OK
    shown: set[str] = set()
    for file, records in zip(files, samples, strict=True):
        batch = plan(records, tables, max_record_bytes=MAX_RECORD_BYTES)
        for advice in _advice(batch):
            if advice not in shown:
                shown.add(advice)
                warn(advice)
        if not options.as_json and len(files) > 1:
            console.print(Text(str(file), "bold underline"))
        if options.as_json:
            for outcome in _outcomes(batch, tables):
                console.out(_json_line(outcome, options), highlight=False)
            if batch.ignored:
                warn(f"{batch.ignored} changes make no row of any table, by the tables' own source.toml")
        else:
            page.show(batch)
        if batch.dead_letters:
            exit_code = FOUND
    return exit_code


def _advice(batch: Plan) -> Iterator[str]:
    for table, attributes in batch.shared.items():
        if attributes and not is_item(batch.records[0]):
            problem = f"its primary key leaves out {', '.join(attributes)} of the DynamoDB key: items may share a row"
            yield f"warning: {table}: {problem}"
    for table, names in batch.unmapped.items():
        yield f"{table}: no column takes {', '.join(sorted(names))}: not replicated"
