"""The repair of what differs: each item is read again and becomes its row, or a tombstone, as of now."""

from __future__ import annotations

from typing import Final, NamedTuple

from decoder.errors import ChangeError
from dynapinot.errors import CommandError
from dynapinot.verify.sample import Sample, Suspect
from load.by_key import ByKey
from load.sweep import PORTION, Publish
from pinot.table import Table
from publisher.entry import Entry
from publisher.order import commonest_error

_DOUBLE: Final = "no row hides one of another partition: make a new stream and table, docs/operations.md#resharding"
_NO_ROW: Final = "the item cannot be a row: fix the item, or the column, and load it or redrive its dead letter"
_FOREIGN: Final = "the row is not made of an item: find who writes to the stream"
_ANY_SOURCE: Final = (
    "it may be another DynamoDB table's: write dynamodb_table in source.toml, which must name the only one"
)
_UNDECIDED: Final = "its primary key does not tell its item: compare by hand, or put the DynamoDB key into it"
_KEPT: Final = "the item is gone, and Time to Live may have deleted it"


class Repaired(NamedTuple):
    """What was published, or would be, and how many keys were equal after that."""

    rows: int
    tombstones: int
    equal: int = 0


def why_not(suspect: Suspect, table: Table) -> str | None:
    """Say why a difference of a table cannot be repaired, and what to do; None if it can."""
    match suspect.finding.kind:
        case "double":
            return _DOUBLE
        case "undecided":
            return _UNDECIDED
        case "ghost" if suspect.keys is None:
            return _FOREIGN
        case "ghost" if table.dynamodb_table is None:
            return _ANY_SOURCE
        case "stale" if suspect.finding.detail:
            return _NO_ROW
    return None


def preview(sample: Sample) -> Repaired:
    """Count what a repair would publish as of now."""
    table = sample.columns.table
    kinds = [each.finding.kind for each in sample.differences.values() if why_not(each, table) is None]
    return Repaired(rows=len(kinds) - kinds.count("ghost"), tombstones=kinds.count("ghost"))


def repair(sample: Sample, by_key: ByKey, publish: Publish, wait_seconds: float) -> Repaired:
    """Repair the differences of a sample, and settle it again: what still differs stays among them.

    The rows have the time of :mod:`snapshot.version`, so that they never win over a newer change. Raises CommandError.
    """
    entries: list[Entry] = []
    tombstones = 0
    for key, suspect in list(sample.differences.items()):
        if why_not(suspect, by_key.table):
            continue
        try:
            row = by_key.row(suspect.answered, sample.read, 0)
        except ChangeError as error:
            suspect.finding = suspect.finding._replace(detail=f"the item cannot be a row: {error.reason}")
            continue
        if row is None:
            suspect.finding = suspect.finding._replace(detail=_KEPT)
            continue
        tombstones += row.is_delete
        entries.append(Entry(row.key, row.data, len(entries)))
        sample.suspects[key] = sample.differences.pop(key)
    for start in range(0, len(entries), PORTION):
        published = publish(by_key.table.target, entries[start : start + PORTION])
        if published.first_unpublished is not None:
            code = commonest_error(published.errors) or "the time is up"
            raise CommandError(f"the stream {by_key.table.stream} did not take all rows ({code}): repair again later")
    late, sample.late = sample.late, 0
    sample.settle(wait_seconds)
    equal, sample.late = sample.late, late
    return Repaired(rows=len(entries) - tombstones, tombstones=tombstones, equal=equal)
