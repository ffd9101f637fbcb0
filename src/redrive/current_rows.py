"""The rows that bring Pinot up to date after a failed change: of the item as it is now, not of the change.

The item is read consistently. Its row gets a time that cannot win against a newer change: the last millisecond before
the second in which the read began, by DynamoDB's own clock. A change made before that second is in the item that was
read. A change made in that second or later has its own row, with a later time, and wins. So a redriven row is never
older than what it replaces and never replaces what is newer, whatever is written meanwhile.
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

MS_PER_SECOND: Final = 1000


class ItemSnapshot(NamedTuple):
    """An item from a consistent read: its image, None if the item does not exist any more.

    ``read_second`` is the second, by DynamoDB's clock, in which the read began, or an earlier one.
    """

    image: Image | None
    read_second: int


# Takes a failed change, and the earliest second in which the read of its item may begin. Raises RedriveError.
ReadItem: TypeAlias = Callable[[Change, int], ItemSnapshot]


class RedriveError(Exception):
    """A failed change that cannot be redriven yet: a short reason, and the Pinot table if only one table failed."""

    def __init__(self, reason: str, table: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.table = table


def current_rows(
    failed: FailedChange, tables: Sequence[Table], read_item: ReadItem, max_record_bytes: int | None = None
) -> Iterator[tuple[Table, Row]]:
    """Make the rows that bring the Pinot tables of a failed change up to date, each with its table.

    Raises RedriveError when the change cannot be decoded, when no table replicates it, and when the item still does not
    fit a table. In the last case the error is raised after the rows of the other tables.
    """
    change = failed.change
    if change is None:
        raise RedriveError("malformed")
    targets = [table for table in tables if table.replicates(change.table) and failed.table in (None, table.name)]
    if not targets or change.table is None:
        raise RedriveError(NO_TABLE)
    _check_key(change.keys)
    # The failed change's own second must be over: a row of an earlier change in it would win over the redriven one.
    snapshot = read_item(change, change.timestamp_ms // MS_PER_SECOND + 1)
    misfit: RedriveError | None = None
    for table in targets:
        try:
            yield from ((table, row) for row in _rows(change, snapshot, table, max_record_bytes))
        except ChangeError as error:
            misfit = RedriveError(error.reason, table.name)
    if misfit:
        raise misfit


def _check_key(keys: Image) -> None:
    try:
        for attribute in keys.values():
            decode(attribute)
    except ChangeError as error:
        raise RedriveError(error.reason) from None


def _rows(change: Change, snapshot: ItemSnapshot, table: Table, max_record_bytes: int | None) -> Iterator[Row]:
    if snapshot.image is None and table.keep_ttl_deletes:
        # It is not known any more what deleted the item, and a Time to Live delete must keep the row. So the change is
        # sent as it was, but a little earlier, so that it does not win over another change of its second.
        yield from table.rows(change._replace(timestamp_ms=change.timestamp_ms - 1), max_record_bytes)
        return
    is_row = snapshot.image is not None and table.has_row_of(snapshot.image)
    # A primary key that leaves out a part of DynamoDB's may be another item's too.
    is_item_key = table.is_keyed_by(change.keys) and not table.not_in_key(change.keys)
    current_keys: set[str] = set()
    if is_row or is_item_key:
        current = change._replace(
            event_name="INSERT" if is_row else "REMOVE",
            timestamp_ms=snapshot.read_second * MS_PER_SECOND - 1,
            sequence_number=None,
            new_image=snapshot.image if is_row else None,
            old_image=None,
            ttl_delete=False,
        )
        for row in table.rows(current, max_record_bytes):
            current_keys.add(row.key)
            yield row
    if not is_item_key and change.event_name != "INSERT":
        # The tombstone that the failed change would have sent, at that change's own time: an item that has taken the
        # primary key since then keeps its row.
        tombstone = change._replace(event_name="REMOVE", new_image=None)
        yield from (row for row in table.rows(tombstone, max_record_bytes) if row.key not in current_keys)
