"""The place of a redriven row among the changes of its item, by the table's comparison column. Pure."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from decoder.change import MS_PER_SECOND, Change
from pinot.table import Table

_MILLISECOND: Final = Fraction(1)


def snapshot_ms(table: Table, read_second: int) -> int:
    """Return the time of a row of an item that was read from ``read_second`` on.

    It is the last millisecond that the comparison column tells from the second of the read. All changes up to it are
    in what was read, and all later changes compare greater.
    """
    unit_ms = _unit_ms(table)
    return int(read_second * MS_PER_SECOND // unit_ms * unit_ms) - 1


def earliest_second(table: Table, change: Change) -> int:
    """Return the first second in which a read may begin, for its row to compare greater than the failed change."""
    unit_ms = _unit_ms(table)
    return math.ceil((change.timestamp_ms // unit_ms + 2) * unit_ms / MS_PER_SECOND)


def is_exact(table: Table, change: Change) -> bool:
    """Tell whether the comparison column alone orders a change, so that its own rows may come late.

    The version does. So does the time of the Kinesis form, in milliseconds: such changes may come in any order anyway.
    The time of DynamoDB Streams does not: the changes of a second tie, and the row that comes last wins.
    """
    origin = table.comparison.origin
    if origin == "$timestamp":
        return change.sequence_number is None and _unit_ms(table) == _MILLISECOND
    return origin == "$version"


def _unit_ms(table: Table) -> Fraction:
    field = table.comparison.field
    return max((field and field.unit_ms) or _MILLISECOND, _MILLISECOND)
