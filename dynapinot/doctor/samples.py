"""What samples of changes show: which of them would be dead letters, and which attributes are not replicated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from decoder.change import Change
from dynapinot.doctor.dynamodb import OLD_IMAGES, VIEW_TYPE, rows_shared, view_type_findings
from dynapinot.doctor.finding import Diagnosis, Finding
from dynapinot.filled import is_row, unfilled_columns
from dynapinot.samples import is_item, item_key, item_name, read_files
from dynapinot.wording import counted, first_of
from handlers.dead_letter import DeadLetter
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

# Reasons whose detail, where it has advice, gives better advice than the remedy, and those where it gives the same.
_ADVISED_BY_DETAIL: Final = ("ambiguous_column", "missing_key", "missing_comparison", "missing_time")
_ADVISED_TWICE: Final = ("too_long", "not_milliseconds", "inexact_key", "no_image")

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
    """Read samples and find what becomes of them.

    Raises CommandError for a file that cannot be read, and if there is no change in any.
    """
    records: list[object] = []
    places: list[tuple[Path, int]] = []
    read = read_files(files, tables, now_ms=now_ms, dynamodb_table=dynamodb_table)
    for file, found in read.items():
        records += found
        places += ((file, number) for number in range(1, len(found) + 1))
        diagnosis.saw(str(file))
    if tables:
        diagnosis.add(PART, sample_findings(records, tables, places=places))


def sample_findings(
    records: Sequence[object],
    tables: Sequence[Table],
    *,
    max_record_bytes: int = MAX_RECORD_BYTES,
    places: Sequence[tuple[Path, int]] = (),
) -> Iterator[Finding]:
    """Find what is wrong with changes, or with the tables in the light of them.

    Names no values but those of keys. ``places`` has the file of each record, and its number there.
    """
    unstated = [_counts_microseconds_unstated(record) for record in records]
    yield from _microseconds(records, sum(unstated))
    corrected = [_with_precision(record) if wrong else record for record, wrong in zip(records, unstated, strict=True)]
    batch = plan(corrected, tables, max_record_bytes=max_record_bytes)
    streamed = [change for position, change in batch.changes.items() if not is_item(corrected[position])]
    in_view = list(_view_types(streamed, tables))
    yield from in_view
    yield from _dead_letters(batch, _names(batch, tables, places), images_reported=bool(in_view))
    for table in tables:
        changes = [change for change in batch.changes.values() if table.replicates(change.table)]
        yield from _not_shown(table, changes)
        yield from _items_that_share_a_row(table, batch)
        for keys in {
            frozenset(change.keys): change.keys for change in streamed if table.replicates(change.table)
        }.values():
            yield from rows_shared(table, keys)
        if any(table.replicates(change.table) and _is_of_replica(change) for change in streamed):
            yield from _replicated_deletes(table)
        yield from _attributes(table, changes)
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


def _names(batch: Plan, tables: Sequence[Table], places: Sequence[tuple[Path, int]]) -> Callable[[DeadLetter], str]:
    """Return what names the item of a dead letter."""

    def name(dead_letter: DeadLetter) -> str:
        position, change = dead_letter.position, dead_letter.change
        key = item_key(batch.records[position], change, tables) if change else None
        return item_name(key, *(places[position] if places else (Path("record"), position + 1)))

    return name


def _dead_letters(batch: Plan, name: Callable[[DeadLetter], str], *, images_reported: bool) -> Iterator[Finding]:
    alike: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for each in batch.dead_letters:
        alike.setdefault((each.table or "", each.error.reason, each.error.path), []).append(each)
    total = len(batch.records)
    for (table, reason, path), found in alike.items():
        if reason != "no_image" or not images_reported:
            problem, remedy = _advice(reason, found[-1].error.detail)
            verb = "would be a dead letter" if len(found) == 1 else "would be dead letters"
            items = first_of([name(each) for each in found], len(found))
            yield Finding(
                level="error",
                code=f"dead_letter.{reason}",
                about=f"{table} {path}",
                where=f"{table or 'the record'}: {path}" if path else table or "the record",
                problem=f"{len(found)} of {counted(total, 'change')} {verb} ({reason}): {problem} ({items})",
                remedy=remedy,
            )


def _advice(reason: str, detail: str) -> tuple[str, str]:
    """Part a dead letter's detail, which may end in what to do, from the remedy, so that it is said once."""
    fact, mark, advice = max((detail.rpartition("; "), detail.rpartition(". ")), key=lambda parts: len(parts[0]))
    if mark and reason in _ADVISED_BY_DETAIL:
        return fact, advice[0].upper() + advice[1:]
    if mark and reason in _ADVISED_TWICE and not advice.endswith("?"):
        return fact, REMEDIES[reason]
    return detail, REMEDIES[reason]


def _not_shown(table: Table, changes: Sequence[Change]) -> Iterator[Finding]:
    """Find what the samples show nothing of: a table of which no item is a row, columns that no row fills."""
    images = [change.new_image for change in changes if change.new_image is not None]
    rows = sum(is_row(table, image) for image in images)
    if images and not rows:
        yield Finding(
            level="warning",
            code="no_rows",
            about=table.name,
            where=f"{table.name}: when",
            problem=f"none of {counted(len(images), 'item')} is a row, so nothing of the table was looked at",
            remedy="Fix when in source.toml, or give samples that are rows",
        )
    unfilled = unfilled_columns(table, changes) if rows else ()
    if unfilled:
        several = len(unfilled) > 1
        yield Finding(
            level="warning",
            code="columns_unfilled",
            about=table.name,
            where=f"{table.name}: {'columns' if several else 'column'} {', '.join(unfilled)}",
            problem=f"no sample fills {'them' if several else 'it'}, in {counted(rows, 'row')}",
            remedy="Fix the name in schema.json or the path in source.toml, or give samples that have a value there",
        )


def _items_that_share_a_row(table: Table, batch: Plan) -> Iterator[Finding]:
    """Find plain items, which are different items of the table, that become one row."""
    items: dict[str, dict[str, None]] = {}
    for entry in batch.rows.get(table.target, ()):
        record = batch.records[entry.position]
        if is_item(record):
            items.setdefault(entry.key, {})[repr(_inner(record)["NewImage"])] = None
    shared = [len(each) for each in items.values() if len(each) > 1]
    total = counted(sum(map(len, items.values())), "item")
    if shared:
        yield Finding(
            level="error",
            code="rows_shared",
            about=table.name,
            where=f"{table.name}: primaryKeyColumns",
            problem=f"{sum(shared)} of {total} share {counted(len(shared), 'row')}, and each hides others",
            remedy="Name the columns of the DynamoDB key in primaryKeyColumns in the schema",
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
    where, total = f"the record: dynamodb.{_TIME}", counted(len(records), "change")
    if unstated:
        yield Finding(
            level="error",
            code="microseconds_untold",
            about="",
            where=where,
            problem=f"{unstated} of {total} count microseconds, do not say so, and would be dead letters",
            remedy=f'Send "{_PRECISION}": "{_MICROSECONDS}" with them, as Kinesis Data Streams for DynamoDB do',
        )
    elif stated:
        yield Finding(
            level="note",
            code="microseconds",
            about="",
            where=where,
            problem=f"{stated} of {total} count microseconds, and a row's time is floored to milliseconds",
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
