"""The version rule: the time of a row that is made of an item as it was read. Pure.

A row of a state that was read at time T has the time ``V(T) = (floor(T) - m) * 1000 - 1``, in ms. It can never win
against a newer change, whatever the order of arrival and however often it comes, if

(a) the state has every change with a time up to V(T), and
(b) every change with a later time comes by the live path.

A change that the row lacks has a later time, by (a); it comes by itself, by (b); and Pinot keeps the greatest time. The
margin m makes (a) true for clocks that differ. The last millisecond before the second keeps a change of that second
above the row: DynamoDB Streams count whole seconds. docs/load.md has the timeline.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from decoder.change import MS_PER_SECOND, Change
from pinot.table import Table

# The margins, in seconds, by how a state is read and whose clock tells when.
# GetItem or a page of Scan, consistent; T is the Date of DynamoDB's response before it.
CONSISTENT_READ: Final = 1
# The same of a replica of a global table: no page says which time a replicated write has in the stream.
GLOBAL_TABLE_READ: Final = 60
# DynamoDB Local: the times of its stream are whole minutes, rounded down (tests/engines/test_sources.py).
DYNAMODB_LOCAL_READ: Final = 60
# An eventually consistent page of Scan: no page bounds how old it may be.
EVENTUAL_READ: Final = 300
# An export's ExportTime: "times are based on an internal system clock and can vary by one minute of your clock".
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html
EXPORT: Final = 300

_MILLISECOND: Final = Fraction(1)


def read_second(time: float, margin: int) -> int:
    """Return floor(T) - m: ``time`` is T in epoch seconds, ``margin`` one of this module's."""
    return math.floor(time) - margin


def snapshot_ms(table: Table, second: int) -> int:
    """Return V, the time in ms of a row of a state that was read from ``second`` on, see :func:`read_second`.

    It is the last millisecond that the table's comparison column tells from that second.
    """
    unit_ms = comparison_unit_ms(table)
    return int(second * MS_PER_SECOND // unit_ms * unit_ms) - 1


def earliest_second(table: Table, change: Change) -> int:
    """Return the first second in which a read may begin, for its row to compare greater than a change's."""
    unit_ms = comparison_unit_ms(table)
    return math.ceil((change.timestamp_ms // unit_ms + 2) * unit_ms / MS_PER_SECOND)


def comparison_unit_ms(table: Table) -> Fraction:
    """Return the unit of the table's comparison column, in ms, at least 1."""
    field = table.comparison.field
    return max((field and field.unit_ms) or _MILLISECOND, _MILLISECOND)
