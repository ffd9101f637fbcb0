"""``dynapinot drift``: attributes that no column takes and values that no column can hold, so that they are noticed.

Seen in a sample of changes or items, offline; or in the function's own metrics and logs, for which it writes names and
never values.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from decoder.attribute import open_attribute
from decoder.change import Change, Image
from decoder.errors import ChangeError
from decoder.record import decode_record
from dynapinot.aws import Aws, refusals
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.filled import is_row, unfilled_columns
from dynapinot.folders import read_tables
from dynapinot.samples import item_key, item_name, read_files
from dynapinot.wording import counted, first_of, say
from pinot.path import follow
from pinot.table import Column, Table

Say: TypeAlias = Callable[[str], None]

NOT_MAPPED: Final = "not_mapped"
MOST_ITEMS: Final = 100  # that are named of each drift

# What the function writes: handlers.telemetry. CloudWatch sifts, as far as its patterns go; the rest is done here.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax-extract-log-events.html
PATTERN: Final = '{ ($.UnmappedAttributes[0] > 0) || ($.message = "change dead-lettered") }'
_MISFIT_MESSAGE: Final = "change dead-lettered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One thing in which items have drifted from a table's columns.

    ``reason`` is :data:`NOT_MAPPED`, or why a value does not fit its ``column``; ``where`` is the attribute or the path
    of the value, empty if the logs do not have it. ``types`` counts the DynamoDB types, by changes, and ``items`` names
    the first :data:`MOST_ITEMS` of them; both are empty in what the function logged.
    """

    table: str
    reason: str
    where: str
    column: str
    types: Mapping[str, int]
    count: int
    items: Sequence[str] = ()

    def remedy(self) -> str:
        """Say what to do."""
        if self.reason == NOT_MAPPED:
            return f'add a column {self.where} to schema.json, or say leave_out = ["{self.where}"] in source.toml'
        return f"give column {self.column} a type that takes it, or fix the item: each such change is a dead letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found in changes, and what was not looked at.

    ``rows`` counts, for each table that the changes are of, those that are rows of it. ``unfilled`` has, for each table
    with rows, the columns that no change fills.
    """

    drift: Sequence[Drift]
    rows: Mapping[str, int]
    unfilled: Mapping[str, Sequence[str]]


class _Place(NamedTuple):
    table: str
    reason: str
    where: str
    column: str  # empty for an attribute that has none


def drift_in(changes: Sequence[tuple[str, Change]], tables: Sequence[Table]) -> Looked:
    """Find, in changes that make rows, attributes that nothing uses and every value that does not fit its column.

    Each change comes with a name of its item.
    """
    types: defaultdict[_Place, Counter[str]] = defaultdict(Counter)
    items: defaultdict[_Place, list[str]] = defaultdict(list)
    rows: Counter[str] = Counter()
    for name, change in changes:
        for table in tables:
            image = change.new_image
            if image is not None and table.replicates(change.table):
                rows[table.name] += is_row(table, image)
                for place, tag in _drift_of(change, image, table):
                    types[place][tag] += 1
                    if len(items[place]) < MOST_ITEMS:
                        items[place].append(name)
    every = [change for _, change in changes]
    unfilled = {table.name: unfilled_columns(table, every) for table in tables if rows[table.name]}
    return Looked(
        drift=[
            Drift(**place._asdict(), types=types[place], count=types[place].total(), items=items[place])
            for place in sorted(types)
        ],
        rows=dict(rows),
        unfilled={name: columns for name, columns in unfilled.items() if columns},
    )


def _drift_of(change: Change, image: Image, table: Table) -> Iterator[tuple[_Place, str]]:
    try:
        if not table.has_row_of(image):
            return
    except ChangeError as error:
        yield _Place(table.name, error.reason, error.path, "when"), "malformed"
        return
    if not table.takes_rest:
        for name in image:
            if name not in table.uses:
                yield _Place(table.name, NOT_MAPPED, name, ""), _tag(image[name])
    for column in table.columns:
        try:
            value = column.take(change, image, False)  # noqa: FBT003  # a Take has no names for its arguments
            if value is None and column.role:
                yield _Place(table.name, f"missing_{column.role}", column.attribute or column.name, column.name), "none"
        except ChangeError as error:
            yield _Place(table.name, error.reason, error.path, column.name), _tag_of_origin(column, image)


def _tag_of_origin(column: Column, image: Image) -> str:
    try:
        return _tag(follow(image, column.origin)) if isinstance(column.origin, tuple) else ""
    except ChangeError:
        return "not a map or list on the way"


def _tag(attribute: object) -> str:
    try:
        return open_attribute(attribute)[0]
    except ChangeError:
        return "malformed"


def drift_in_logs(lines: Iterable[str]) -> list[Drift]:
    """Find drift in the function's log: unmapped attributes by the metric's records, misfits by the dead letters'."""
    counts: Counter[_Place] = Counter()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        for table, attribute in entry.get("unmapped_attributes", ()):
            counts[_Place(table, NOT_MAPPED, attribute, "")] += 1
        if entry.get("message") == _MISFIT_MESSAGE and entry.get("column"):
            counts[_Place(entry["table"], entry["reason"], "", entry["column"])] += 1
    return [Drift(**place._asdict(), types={}, count=counts[place]) for place in sorted(counts)]


def changes_of(
    files: Sequence[Path], tables: Sequence[Table], warn: Say, *, now_ms: int, dynamodb_table: str | None
) -> list[tuple[str, Change]]:
    """Read the changes of sample files, each with a name of its item; ``warn`` reports what is no change.

    Raises CommandError for a file, and if there is no change.
    """
    changes = []
    for file, records in read_files(files, tables, now_ms=now_ms, dynamodb_table=dynamodb_table).items():
        for number, record in enumerate(records, start=1):
            try:
                change = decode_record(record)
            except ChangeError as error:
                warn(f"{file}: record {number} is left out: {error}")
            else:
                changes.append((item_name(item_key(record, change, tables), file, number), change))
    if not changes:
        raise CommandError("No record is a change that can be read, so nothing was looked at")
    return changes


def log_lines(aws: Aws, log_group: str, *, since_ms: int, pattern: str = PATTERN) -> Iterator[str]:
    """Read what the function wrote to its log group since then. Raises CommandError."""
    with refusals():
        pages = aws.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=log_group, startTime=since_ms, filterPattern=pattern):
            yield from (event["message"] for event in page["events"])


def run_on_samples(
    console: Console,
    files: Sequence[Path],
    tables_dir: Path,
    warn: Say,
    *,
    now_ms: int,
    only: Sequence[str] = (),
    dynamodb_table: str | None,
    as_json: bool,
) -> int:
    """Look for drift in sample files; return the exit code. Raises CommandError."""
    tables, _ = read_tables(tables_dir, only)
    changes = changes_of(files, tables, warn, now_ms=now_ms, dynamodb_table=dynamodb_table)
    sources = [change.table for _, change in changes]
    others = [source for source in sources if not any(table.replicates(source) for table in tables)]
    if others:
        names = sorted({source or "an unnamed table" for source in others})
        missed = f"{counted(len(others), 'change')} of {', '.join(names)}"
        if len(others) == len(changes):
            raise CommandError(
                f"No folder replicates the {missed}, so nothing was looked at: see --table, --tables and --only, and "
                "dynamodb_table in source.toml"
            )
        warn(f"{missed}: no folder replicates it, so these are left out")
    looked = drift_in(changes, tables)
    if not looked.drift and not any(looked.rows.values()):
        raise CommandError(
            f"None of {counted(len(changes), 'change')} has a new image that is a row, by when in source.toml, so "
            "nothing was looked at"
        )
    return _report(console, looked, counted(len(changes), "change"), "changes", as_json=as_json)


def run_on_logs(console: Console, aws: Aws, log_group: str, *, since_ms: int, as_json: bool) -> int:
    """Look for drift in what the function logged; return the exit code.

    Raises CommandError, also if the log has nothing of that time.
    """
    moment = datetime.fromtimestamp(since_ms / 1000, UTC)
    what = f"{log_group} since {moment:%Y-%m-%d %H:%M} UTC"
    found = drift_in_logs(log_lines(aws, log_group, since_ms=since_ms))
    if not found and not any(log_lines(aws, log_group, since_ms=since_ms, pattern="")):
        raise CommandError(f"There is nothing in {what}, so nothing was looked at: see --log-group, --hours, --region")
    looked = Looked(drift=found, rows={}, unfilled={})
    return _report(console, looked, what, "times logged", as_json=as_json)


def _report(console: Console, looked: Looked, looked_at: str, counted_as: str, *, as_json: bool) -> int:
    if as_json:
        document: dict[str, Any] = {
            "looked_at": looked_at,
            "drift": [
                {
                    "table": each.table,
                    "reason": each.reason,
                    "where": each.where,
                    "column": each.column or None,
                    "types": each.types,
                    "count": each.count,
                    "items": each.items,
                    "remedy": each.remedy(),
                }
                for each in looked.drift
            ],
            "rows": looked.rows,
            "unfilled_columns": looked.unfilled,
        }
        console.out(json.dumps(document), highlight=False)
        return FOUND if looked.drift else OK
    if looked.drift:
        _show(console, looked.drift, looked_at, counted_as)
    else:
        say(console, Text(f"No drift in {looked_at}: every attribute has its place and every value fits."))
    for table, columns in looked.unfilled.items():
        noun = "column" if len(columns) == 1 else "columns"
        say(console, Text(f"Not looked at: {table}: {noun} {', '.join(columns)}, which no change fills"))
    for table, rows in looked.rows.items():
        if not rows:
            say(console, Text(f"Not looked at: {table}: no change is a row of it, by when in source.toml"))
    return FOUND if looked.drift else OK


def _show(console: Console, found: Sequence[Drift], looked_at: str, counted_as: str) -> None:
    grid = Grid(title=f"Drift in {looked_at}", title_justify="left")
    for title in ("Pinot table", "attribute or path", "what", "types"):
        grid.add_column(title, overflow="fold")
    grid.add_column(counted_as, justify="right")
    for each in found:
        what = "no column takes it" if each.reason == NOT_MAPPED else f"column {each.column}: {each.reason}"
        types = ", ".join(f"{tag} {count}" for tag, count in each.types.items())
        grid.add_row(Text(each.table), Text(each.where), Text(what), types, str(each.count))
    console.print(grid)
    for each in found:
        place = each.where or f"column {each.column}"
        items = f" ({first_of(each.items, each.count)})" if each.items else ""
        say(console, Text(f"{each.table}: {place}: {each.remedy()}{items}"))
