"""The rows that bring Pinot up to date after a failed change: of the item as it is now, not of the change.

The item is read consistently. Its row gets a time that cannot win against a newer change, by the rule in
:mod:`snapshot.version`. So a redriven row is never older than what it replaces and never replaces what is newer,
whatever is written meanwhile.

docs/architecture.md has the table of all cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from decoder.attribute import decode
from decoder.change import Change, Image
from decoder.errors import ChangeError
from pinot.errors import NO_TABLE
from pinot.table import Row, Table
from redrive.failed_change import FailedChange
from redrive.order import is_exact
from snapshot.version import earliest_second, snapshot_ms

# A Time to Live delete keeps the row, the item is gone, and a newer change of the same time may be in Pinot already.
ORDER_UNKNOWN: Final = "order_unknown"


class ItemSnapshot(NamedTuple):
    """An item from a consistent read: its image, None if the item does not exist any more.

    ``read_second`` is the second, by DynamoDB's clock, in which the read began, or an earlier one.
    """

    image: Image | None
    read_second: int


# Takes a failed change, and the earliest second in which the read of its item may begin. Raises RedriveError.
ReadItem: TypeAlias = Callable[[Change, int], ItemSnapshot]


class Failure(NamedTuple):
    """Why a failed change cannot be redriven yet: the Pinot table, None for all tables, and a short reason."""

    table: str | None
    reason: str


class RedriveError(Exception):
    """A failed change that cannot be redriven yet: for all tables, or a failure for each of some tables."""

    def __init__(self, *failures: Failure | str) -> None:
        self.failures = tuple(Failure(None, each) if isinstance(each, str) else each for each in failures)
        super().__init__(", ".join(each.reason for each in self.failures))


def current_rows(
    failed: FailedChange, tables: Sequence[Table], read_item: ReadItem, max_record_bytes: int | None = None
) -> Iterator[tuple[Table, Row]]:
    """Make the rows that bring the Pinot tables of a failed change up to date, each with its table.

    Raises RedriveError when the change cannot be decoded, when no table replicates it, and when a table cannot be
    brought up to date. In the last case the error is raised after all rows, those of the other tables too.
    """
    change = failed.change
    if change is None:
        raise RedriveError("malformed")
    targets = [table for table in tables if table.replicates(change.table) and failed.table in (None, table.name)]
    if not targets or change.table is None:
        raise RedriveError(NO_TABLE)
    _check_key(change.keys)
    failures: list[Failure] = []
    for table in targets:
        try:
            yield from ((table, row) for row in _rows(change, table, read_item, max_record_bytes))
        except ChangeError as error:
            failures.append(Failure(table.name, error.reason))
        except RedriveError as error:
            failures.extend(each._replace(table=table.name) for each in error.failures)
    if failures:
        raise RedriveError(*failures)


def _check_key(keys: Image) -> None:
    try:
        for attribute in keys.values():
            decode(attribute)
    except ChangeError as error:
        raise RedriveError(error.reason) from None


def _rows(change: Change, table: Table, read_item: ReadItem, max_bytes: int | None) -> Iterator[Row]:
    # The failed change's own second must be over: a row of an earlier change in it would win over the redriven one.
    image, read_second = read_item(change, earliest_second(table, change.timestamp_ms))
    now = change
    if table.is_key_of_one_item(change.keys):
        now = change._replace(timestamp_ms=snapshot_ms(table, read_second), sequence_number=None)
    # Else the row may be another item's too, and only the change's own time tells which of them changed last.
    row_image = image if image is not None and table.has_row_of(image) else None
    key = None if row_image is None else table.key_of(now, row_image)
    error: ChangeError | RedriveError | None = None
    try:
        # First, as the live path does: the row under a former key is wrong whatever the item is now.
        yield from _former_rows(change, now, table, key, is_row=row_image is not None, max_bytes=max_bytes)
    except (ChangeError, RedriveError) as caught:
        error = caught
    if row_image is not None:
        current = now._replace(event_name="INSERT", new_image=row_image, old_image=None, ttl_delete=False)
        yield from table.rows(current, max_bytes)
    if error:
        raise error


def _former_rows(
    change: Change, now: Change, table: Table, key: str | None, *, is_row: bool, max_bytes: int | None
) -> Iterator[Row]:
    """Make the rows of other primary keys than the item's present one, ``key``; all rows if it is no row now."""
    if is_row and table.is_keyed_by(change.keys):
        return
    if table.keep_ttl_deletes:
        rows = (row for row in _own_rows(change, table, key, max_bytes) if row.key != key)
        if is_exact(table, change):
            yield from rows
        elif any(rows):
            raise RedriveError(ORDER_UNKNOWN)
    elif table.is_keyed_by(change.keys) and not table.not_in_key(change.keys):
        yield from table.rows(_removal(now, old_image=None), max_bytes)
    elif change.event_name != "INSERT":
        yield from (row for row in table.rows(_removal(now, change.old_image), max_bytes) if row.key != key)


def _own_rows(change: Change, table: Table, key: str | None, max_bytes: int | None) -> Iterator[Row]:
    """Make the failed change's own rows, but not the one under ``key``, whose place a newer one takes."""
    if key is None or change.new_image is None or table.key_of(change, change.new_image) != key:
        return table.rows(change, max_bytes)
    return iter(()) if change.event_name == "INSERT" else table.rows(_removal(change, change.old_image), max_bytes)


def _removal(change: Change, old_image: Image | None) -> Change:
    return change._replace(event_name="REMOVE", new_image=None, old_image=old_image)
