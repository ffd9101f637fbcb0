"""Making a lost change good: not by sending it again, but by sending what its item is now.

The item is read consistently and its row gets a time that no newer change can lose to: the last millisecond before the
second in which the read began, by DynamoDB's own clock. A change made before that second is in what was read. A change
made in it or later has a row of its own, with a later time, and wins. So a redriven row is never older than what it
replaces and never replaces what is newer, whoever writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from decoder.change import Change, Image
from decoder.errors import ChangeError
from pinot.table import Row, Table
from redrive.lost import Lost

MS_PER_SECOND: Final = 1000


class Reading(NamedTuple):
    """An item read consistently: its image, None if it is gone, and a second in which the read had not ended.

    ``began`` is the second, by DynamoDB's clock, in which the read began, or an earlier one.
    """

    image: Image | None
    began: int


# A DynamoDB table's name, a key in the form of an event, and the earliest second in which the read may begin.
Read: TypeAlias = Callable[[str, Image, int], Reading]


class RepairError(Exception):
    """A lost change that cannot be made good yet; the message is a short reason, out of those of dead letters."""


def repair(
    lost: Lost, tables: Sequence[Table], read: Read, max_record_bytes: int | None = None
) -> Iterator[tuple[Table, Row]]:
    """Make the rows that bring the Pinot tables of a lost change up to date, each with its table.

    Raises RepairError when the change cannot be read, nobody replicates it, or the item still does not fit.
    """
    change = lost.change
    if change is None:
        raise RepairError("malformed")
    mine = [table for table in tables if table.replicates(change.table) and lost.table in (None, table.name)]
    if not mine or change.table is None:
        raise RepairError("no_table")
    # The lost change's own second must be over: a row of an earlier change in it would win over the redriven one.
    reading = read(change.table, change.keys, change.timestamp_ms // MS_PER_SECOND + 1)
    for table in mine:
        try:
            yield from ((table, row) for row in _rows(change, reading, table, max_record_bytes))
        except ChangeError as error:
            raise RepairError(error.reason) from None


def _rows(change: Change, reading: Reading, table: Table, max_record_bytes: int | None) -> Iterator[Row]:
    is_gone = reading.image is None or not table.has_row_of(reading.image)
    if is_gone and table.keep_ttl_deletes:
        # Who deleted it cannot be told any more, and Time to Live must not: the change as it was is the best there is.
        yield from table.rows(change, max_record_bytes)
        return
    current: list[Row] = []
    if not is_gone or table.is_keyed_by(change.keys):
        now = replace(
            change,
            event_name="REMOVE" if is_gone else "INSERT",
            timestamp_ms=reading.began * MS_PER_SECOND - 1,
            sequence_number=None,
            new_image=None if is_gone else reading.image,
            old_image=None,
            ttl_delete=False,
        )
        current = list(table.rows(now, max_record_bytes))
    if not table.is_keyed_by(change.keys) and change.event_name != "INSERT":
        yield from _left_behind(change, table, {row.key for row in current}, max_record_bytes)
    yield from current


def _left_behind(change: Change, table: Table, live: set[str], max_record_bytes: int | None) -> Iterator[Row]:
    """Delete the row that a lost change would have deleted, where the primary key is not made of DynamoDB's.

    At the change's own time, as it would have done: an item that took the primary key since then keeps its row.
    """
    gone = replace(change, event_name="REMOVE", new_image=None)
    yield from (row for row in table.rows(gone, max_record_bytes) if row.key not in live)
