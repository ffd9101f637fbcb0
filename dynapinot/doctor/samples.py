"""What samples of changes show: which of them would be dead letters, and which attributes are not replicated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from decoder.change import Change
from dynapinot.doctor.dynamodb import OLD_IMAGES, VIEW_TYPE, rows_shared, view_type_findings
from dynapinot.doctor.finding import Diagnosis, Finding
from dynapinot.samples import is_item, read_samples
from handlers.planner import Plan, plan
from pinot.table import Table
from publisher.order import MAX_RECORD_BYTES

PART: Final = "Samples"

# What to do about each reason of a dead letter: docs/mapping.md has the same, and a test holds them together.
REMEDIES: Final = {
    "malformed": "Find out who sends it; real streams do not",
    "type_mismatch": "Change the column's type, or the item, or let Pinot convert it",
    "fraction": "Declare the column DOUBLE or BIG_DECIMAL",
    "out_of_range": "Declare a wider type",
    "not_milliseconds": "Write milliseconds, or declare the column LONG",
    "not_a_time": "Write ISO-8601 with a zone, or declare the column STRING",
    "nul_character": "Take it out of the item, or declare the column JSON",
    "too_long": "Raise maxLength in the schema",
    "too_many_values": "Use a JSON column",
    "inexact_key": "Use BIG_DECIMAL, LONG or STRING",
    "missing_key": "Make the primary key of attributes that every item has",
    "missing_comparison": "Map it to $timestamp",
    "missing_time": "Make it an attribute that every item has, or map it to $timestamp",
    "ambiguous_column": "Say in source.toml which is meant",
    "no_image": "Set the stream's view type to NEW_AND_OLD_IMAGES",
    "no_table": "Add a folder for it, or disconnect the stream",
    "row_too_large": "Raise the stream's limit and KINESIS_MAX_RECORD_BYTES, or take a column out",
}

# What global tables of version 2017.11.29 add to each item.
_REPLICA_PREFIX: Final = "aws:rep:"

_TIME, _PRECISION = "ApproximateCreationDateTime", "ApproximateCreationDateTimePrecision"
_MICROSECONDS: Final = "MICROSECOND"
_SHORTEST_MICROSECONDS: Final = 10**14  # 1973 in microseconds; in milliseconds the year 5138


def look(
    diagnosis: Diagnosis,
    files: Sequence[Path],
    tables: Sequence[Table],
    *,
    now_ms: int,
    dynamodb_table: str | None = None,
) -> None:
    """Read samples and find what becomes of them. Raises CommandError for a file that cannot be read."""
    records: list[object] = []
    for file in files:
        records += read_samples(file, tables, now_ms=now_ms, dynamodb_table=dynamodb_table)
        diagnosis.saw(str(file))
    if tables:
        diagnosis.add(PART, sample_findings(records, tables))


def sample_findings(
    records: Sequence[object], tables: Sequence[Table], *, max_record_bytes: int = MAX_RECORD_BYTES
) -> Iterator[Finding]:
    """Find what is wrong with changes, or with the tables in the light of them. Names no values."""
    unstated = [_counts_microseconds_unstated(record) for record in records]
    yield from _microseconds(records, sum(unstated))
    corrected = [_with_precision(record) if wrong else record for record, wrong in zip(records, unstated, strict=True)]
    batch = plan(corrected, tables, max_record_bytes=max_record_bytes)
    streamed = [change for position, change in batch.changes.items() if not is_item(corrected[position])]
    in_view = list(_view_types(streamed, tables))
    yield from in_view
    yield from _dead_letters(batch, len(records), images_reported=bool(in_view))
    for table in tables:
        for keys in {
            frozenset(change.keys): change.keys for change in streamed if table.replicates(change.table)
        }.values():
            yield from rows_shared(table, keys)
        if any(table.replicates(change.table) and _is_of_replica(change) for change in streamed):
            yield from _replicated_deletes(table)
        yield from _attributes(table, [change for change in batch.changes.values() if table.replicates(change.table)])
        if batch.unmapped.get(table.name):
            yield _unmapped(table.name, sorted(batch.unmapped[table.name]))
    for (name, column, reason), count in batch.left_out.items():
        yield Finding(
            level="note",
            code="last_value",
            about=f"{name} {column} {reason}",
            where=f"{name}: column {column}",
            problem=f"{_times(count)} a delete goes without its last value, which does not fit ({reason})",
            remedy=f"{REMEDIES[reason]}, if deletes are to show it",
        )


def _dead_letters(batch: Plan, total: int, *, images_reported: bool) -> Iterator[Finding]:
    dead_letters = [(each.table or "", each.error.reason, each.error.path) for each in batch.dead_letters]
    details = {key: each.error.detail for key, each in zip(dead_letters, batch.dead_letters, strict=True)}
    for (table, reason, path), count in Counter(dead_letters).items():
        if reason != "no_image" or not images_reported:
            yield Finding(
                level="error",
                code=f"dead_letter.{reason}",
                about=f"{table} {path}",
                where=f"{table or 'the record'}: {path}" if path else table or "the record",
                problem=f"{count} of {total} changes would be dead letters ({reason}): {details[table, reason, path]}",
                remedy=REMEDIES[reason],
            )


def _view_types(changes: Sequence[Change], tables: Sequence[Table]) -> Iterator[Finding]:
    """Check the view types that changes were given; those of Kinesis have none, and both images."""
    seen: dict[tuple[str | None, str], Change] = {}
    for change in changes:
        if change.view_type is not None:
            seen.setdefault((change.table, change.view_type), change)
    reported: set[tuple[str, str]] = set()
    for (source, view_type), change in seen.items():
        for finding in view_type_findings(source or "the table", view_type, change.keys, tables):
            if finding.code in (VIEW_TYPE, OLD_IMAGES) and (finding.code, finding.about) not in reported:
                reported.add((finding.code, finding.about))
                yield finding


def _attributes(table: Table, changes: Sequence[Change]) -> Iterator[Finding]:
    """Find the attributes that bear the name of a column which Pinot computes, and so are not sent."""
    names = {name for change in changes for image in (change.new_image, change.old_image) for name in image or ()}
    for name in sorted(names & table.computed.keys()):
        uses = table.uses.get(name, ())
        if not table.takes_rest and all(use.how == "computed" for use in uses):
            yield Finding(
                level="note",
                code="computed_attribute",
                about=f"{table.name} {name}",
                where=f"{table.name}: attribute {name}",
                problem="Pinot computes the column of its name, where the row has none, so the attribute is not sent",
                remedy=f'Map it to another column in source.toml, or say leave_out = ["{name}"] there',
            )


def _is_of_replica(change: Change) -> bool:
    return any(name.startswith(_REPLICA_PREFIX) for name in (change.new_image or change.old_image or ()))


def _replicated_deletes(table: Table) -> Iterator[Finding]:
    if table.keep_ttl_deletes:
        yield Finding(
            level="warning",
            code="ttl_replicas",
            about=table.name,
            where=f"{table.name}: ttl_deletes",
            problem="in another region of a global table, a delete by Time to Live comes as an ordinary one",
            remedy='Replicate from the region whose Time to Live deletes, or write ttl_deletes = "delete"',
        )


def _unmapped(table: str, names: Sequence[str]) -> Finding:
    return Finding(
        level="note",
        code="unmapped",
        about=table,
        where=f"{table}: {'attribute' if len(names) == 1 else 'attributes'} {', '.join(names)}",
        problem="no column takes them, so they are not replicated" if len(names) > 1 else "no column takes it",
        remedy='Add columns, or a JSON column rest = "$rest", or say leave_out in source.toml',
    )


def _microseconds(records: Sequence[object], unstated: int) -> Iterator[Finding]:
    stated = sum(_inner(record).get(_PRECISION) == _MICROSECONDS for record in records)
    where, total = f"the record: dynamodb.{_TIME}", len(records)
    if unstated:
        yield Finding(
            level="error",
            code="microseconds_untold",
            about="",
            where=where,
            problem=f"{unstated} of {total} changes count microseconds, do not say so, and would be dead letters",
            remedy=f'Send "{_PRECISION}": "{_MICROSECONDS}" with them, as Kinesis Data Streams for DynamoDB do',
        )
    elif stated:
        yield Finding(
            level="note",
            code="microseconds",
            about="",
            where=where,
            problem=f"{stated} of {total} changes count microseconds, and a row's time is floored to milliseconds",
            remedy="Leave it, or set the streaming destination's precision to MILLISECOND",
        )


def _counts_microseconds_unstated(record: object) -> bool:
    inner = _inner(record)
    time = inner.get(_TIME)
    if not isinstance(time, int | float) or isinstance(time, bool):
        return False
    return _PRECISION not in inner and time >= _SHORTEST_MICROSECONDS


def _with_precision(record: object) -> object:
    return record | {"dynamodb": _inner(record) | {_PRECISION: _MICROSECONDS}} if isinstance(record, dict) else record


def _inner(record: object) -> dict[str, Any]:
    inner = record.get("dynamodb") if isinstance(record, dict) else None
    return inner if isinstance(inner, dict) else {}


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
