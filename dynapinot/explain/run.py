"""``dynapinot explain``: what changes and items would become, offline, by the very code that runs in the function."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from dynapinot.samples import is_item, item_key, item_name, read_files
from dynapinot.wording import counted, say
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
    """The options: ``shards`` is the shard count of the stream, None if it is not known.

    ``only_failed`` leaves out rows, and changes that make none.
    """

    shards: int | None = None
    verbose: bool = False
    only_failed: bool = False
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


def _json_line(outcome: _Outcome, options: Options, item: Mapping[str, Any] | None = None) -> str:
    """Write an outcome; ``item`` says which item it is of, where there are files."""
    place = {} if item is None else {"item": item}
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
        return json.dumps({"dead_letter": document, **place})
    table, entry, change = outcome.table, outcome.entry, outcome.change
    if table is None or entry is None or change is None:
        raise AssertionError
    line: dict[str, Any] = {
        "table": table.name,
        "stream": table.stream,
        "partition_key": entry.key,
        "row": orjson.Fragment(entry.data),
    }
    if item is not None:  # a name of a file may be what orjson does not write
        line["item"] = orjson.Fragment(json.dumps(item))
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

    def show(self, file: Path, batch: Plan) -> None:
        """Show what became of a file's changes."""
        outcomes: defaultdict[int, list[_Outcome]] = defaultdict(list)
        for outcome in _outcomes(batch, self._tables):
            outcomes[outcome.position].append(outcome)
        for position, record in enumerate(batch.records):
            became = outcomes[position]
            failed = [outcome for outcome in became if outcome.dead_letter]
            if self._options.only_failed and not failed:
                continue
            change = batch.changes.get(position) or next((each.change for each in failed), None)
            self._print(*_heading(file, position + 1, change, record, self._tables))
            for outcome in failed if self._options.only_failed else became:
                if outcome.dead_letter:
                    self._show_dead_letter(outcome.dead_letter)
                elif outcome.table and outcome.entry and change:
                    self._show_row(outcome.table, outcome.entry, change)
            named = {outcome.table.name for outcome in became if outcome.table}
            for table in () if self._options.only_failed else self._tables:
                if change and table.replicates(change.table) and table.name not in named:
                    self._print((f"  {table.name}: no row, by its source.toml", "dim"))

    def _show_row(self, table: Table, entry: Entry, change: Change) -> None:
        shards, units = self._options.shards, _put_units(entry)
        shard = f", shard {shard_of(entry.key, shards)} of {shards}" if shards else ""
        size = f"{entry.size} bytes, {counted(units, 'PUT unit')}"
        head = f": stream {table.stream}{shard}, {size}, "
        self._print(("  ", ""), (table.name, "bold"), (head, ""), (f"partition key {entry.key}", "dim"))
        self._print((f"    {entry.data.decode()}", ""), is_json=True)
        if not self._options.verbose:
            return
        lines = _attribute_lines(table, change, entry)
        names = [line.attribute if line.attribute.isprintable() else json.dumps(line.attribute) for line in lines]
        width = max(map(len, names), default=0)
        for name, line in zip(names, lines, strict=True):
            self._print((f"    {name:{width}}  {line.type:4}  ", ""), (line.why, "dim"))
        for name, why in explain_other_columns(table, change).items():
            self._print((f"    column {name}: ", ""), (why, "dim"))

    def _show_dead_letter(self, dead_letter: DeadLetter) -> None:
        where = f" at {dead_letter.error.path}" if dead_letter.error.path else ""
        head = f"  {dead_letter.table}: " if dead_letter.table else "  "
        reason = f"dead letter: {dead_letter.error.reason}"
        self._print((head, ""), (reason, "bold red"), (f"{where}: {dead_letter.error.detail}", ""))

    def _print(self, *parts: tuple[str, str], is_json: bool = False) -> None:
        """Write a line of parts with their styles. Without a terminal they have none, and rich would take 1 ms."""
        if not self._console.is_terminal:
            self._console.file.write(f"{''.join(text for text, _ in parts)}\n")
        elif is_json:
            text = Text.assemble(*parts)
            self._highlight.highlight(text)
            self._console.print(text, soft_wrap=True)
        else:
            say(self._console, Text.assemble(*parts))


def _heading(
    file: Path, number: int, change: Change | None, record: object, tables: Sequence[Table]
) -> Iterator[tuple[str, str]]:
    if change is None:
        yield f"{number}. no change that can be read", "bold red"
        return
    key = item_key(record, change, tables)
    of = "" if key is None else f": {item_name(key, file, number)}"
    if is_item(record):
        yield f"{number}. an item{of}", "bold"
        return
    time = datetime.fromtimestamp(change.timestamp_ms / 1000, UTC)
    yield f"{number}. ", ""
    yield change.event_name, _STYLES[change.event_name]
    ttl = " by Time to Live" if change.ttl_delete else ""
    yield f"{ttl} in {change.table or 'an unnamed table'} at {time:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" UTC{of}", ""


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
    samples = read_files(files, tables, now_ms=now_ms, dynamodb_table=dynamodb_table)
    for warning in warnings:
        warn(f"warning: {warning}")
    page = _Page(console, tables, options)
    totals: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    shown: set[str] = set()
    for file, records in samples.items():
        batch = plan(records, tables, max_record_bytes=MAX_RECORD_BYTES)
        for advice in _advice(batch):
            if advice not in shown:
                shown.add(advice)
                warn(advice)
        if not options.as_json and len(files) > 1:
            console.print(Text(str(file), "bold underline"))
        if options.as_json:
            _write_json(console, file, batch, tables, options)
        else:
            page.show(file, batch)
        reasons.update(each.error.reason for each in batch.dead_letters)
        totals["changes"] += len(records)
        totals["rows"] += sum(map(len, batch.rows.values()))
        totals["ignored"] += batch.ignored
    if options.as_json and totals["ignored"]:
        verb = "makes" if totals["ignored"] == 1 else "make"
        warn(f"{counted(totals['ignored'], 'change')} {verb} no row of any table, by the tables' own source.toml")
    elif not options.as_json and totals["changes"] > 1:
        say(console, Text(_summary(totals, reasons), "bold"))
    return FOUND if reasons else OK


def _write_json(console: Console, file: Path, batch: Plan, tables: Sequence[Table], options: Options) -> None:
    """Write lines past rich, which takes 100 us for each."""
    for outcome in _outcomes(batch, tables):
        if options.only_failed and not outcome.dead_letter:
            continue
        change = outcome.change
        key = item_key(batch.records[outcome.position], change, tables) if change else None
        item = {"file": str(file), "number": outcome.position + 1, "key": key}
        console.file.write(f"{_json_line(outcome, options, item)}\n")


def _summary(totals: Mapping[str, int], reasons: Counter[str]) -> str:
    parts = [counted(totals["rows"], "row"), counted(reasons.total(), "dead letter")]
    if reasons:
        parts[-1] += f" ({', '.join(f'{reason} {count:,}' for reason, count in reasons.most_common())})"
    if totals["ignored"]:
        parts.append(f"{totals['ignored']:,} without a row, by source.toml")
    return f"{counted(totals['changes'], 'change')}: {', '.join(parts)}"


def _advice(batch: Plan) -> Iterator[str]:
    for table, attributes in batch.shared.items():
        if attributes and not is_item(batch.records[0]):
            problem = f"its primary key leaves out {', '.join(attributes)} of the DynamoDB key: items may share a row"
            yield f"warning: {table}: {problem}"
    for table, names in batch.unmapped.items():
        yield f"{table}: no column takes {', '.join(sorted(names))}: not replicated"
