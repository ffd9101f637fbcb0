"""Making a lost change good: not by sending it again, but by sending what its item is now.

The item is read consistently and its row gets a time that no newer change can lose to: the last millisecond before the
second in which the read began, by DynamoDB's own clock. A change made before that second is in what was read. A change
made in it or later has a row of its own, with a later time, and wins. So a redriven row is never older than what it
replaces and never replaces what is newer, whoever writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from decoder.attribute import decode
from decoder.change import Change, Image
from decoder.errors import ChangeError
from pinot.errors import NO_TABLE
from pinot.table import Row, Table
from redrive.lost import Lost

MS_PER_SECOND: Final = 1000


class Reading(NamedTuple):
    """An item read consistently: its image, None if it is gone.

    ``began`` is the second, by DynamoDB's clock, in which the read began, or an earlier one.
    """

    image: Image | None
    began: int


# A lost change, and the earliest second in which the read of its item may begin. Raises RepairError.
Read: TypeAlias = Callable[[Change, int], Reading]


class RepairError(Exception):
    """A lost change that cannot be made good yet: a short reason, and the Pinot table if it is one table's."""

    def __init__(self, reason: str, table: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.table = table


def repair(
    lost: Lost, tables: Sequence[Table], read: Read, max_record_bytes: int | None = None
) -> Iterator[tuple[Table, Row]]:
    """Make the rows that bring the Pinot tables of a lost change up to date, each with its table.

    Raises RepairError when the change cannot be read, nobody replicates it, or, at the end, when the item still does
    not fit a table; the other tables' rows have come by then.
    """
    change = lost.change
    if change is None:
        raise RepairError("malformed")
    mine = [table for table in tables if table.replicates(change.table) and lost.table in (None, table.name)]
    if not mine or change.table is None:
        raise RepairError(NO_TABLE)
    _check(change.keys)
    # The lost change's own second must be over: a row of an earlier change in it would win over the redriven one.
    reading = read(change, change.timestamp_ms // MS_PER_SECOND + 1)
    failed: RepairError | None = None
    for table in mine:
        try:
            yield from ((table, row) for row in _rows(change, reading, table, max_record_bytes))
        except ChangeError as error:
            failed = RepairError(error.reason, table.name)
    if failed:
        raise failed


def _check(keys: Image) -> None:
    try:
        for attribute in keys.values():
            decode(attribute)
    except ChangeError as error:
        raise RepairError(error.reason) from None


def _rows(change: Change, reading: Reading, table: Table, max_record_bytes: int | None) -> Iterator[Row]:
    if reading.image is None and table.keep_ttl_deletes:
        # Who deleted it cannot be told any more, and Time to Live must not: the change as it was is the best there is,
        # a little earlier, so that it wins over no other change of its second.
        yield from table.rows(change._replace(timestamp_ms=change.timestamp_ms - 1), max_record_bytes)
        return
    is_row = reading.image is not None and table.has_row_of(reading.image)
    # A primary key that leaves out a part of DynamoDB's may be another item's too.
    is_its_own = table.is_keyed_by(change.keys) and not table.not_in_key(change.keys)
    live: set[str] = set()
    if is_row or is_its_own:
        now = change._replace(
            event_name="INSERT" if is_row else "REMOVE",
            timestamp_ms=reading.began * MS_PER_SECOND - 1,
            sequence_number=None,
            new_image=reading.image if is_row else None,
            old_image=None,
            ttl_delete=False,
        )
        for row in table.rows(now, max_record_bytes):
            live.add(row.key)
            yield row
    if not is_its_own and change.event_name != "INSERT":
        # The row that the lost change would have deleted, at its own time, as it would have done it: an item that took
        # the primary key since then keeps its row.
        gone = change._replace(event_name="REMOVE", new_image=None)
        yield from (row for row in table.rows(gone, max_record_bytes) if row.key not in live)
