"""The windows of the incremental exports that repair a gap. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from decoder.change import MS_PER_SECOND
from dynapinot.errors import CommandError
from pinot.table import Table
from snapshot.version import EXPORT, comparison_unit_ms, earliest_second

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html
SHORTEST: Final = 15 * 60  # seconds
LONGEST: Final = 24 * 3_600

COARSEST: Final = 60  # seconds that a comparison column may count in


class Times(NamedTuple):
    """What one export has: the changes from ``begin`` to before ``end``, in epoch seconds."""

    begin: int
    end: int


def windows_of(
    begin: int, end: int, tables: Sequence[Table], *, margin: int = EXPORT, longest: int = LONGEST
) -> list[Times]:
    """Cover the changes with times from ``begin`` to before ``end``, in epoch seconds by the stream's clock.

    The exports' clock is another, by less than ``margin``. So the first window begins a margin earlier. The last one
    ends so late that its rows, which have the time of its end less the margin, compare greater than those changes.

    The rows of the other windows have the times of their ends, too, less the margin. A change that is later was maybe
    lost. So the next window has it, by any clock: it begins two margins before the end, and two units of the comparison
    column, which rounds down.

    Raises CommandError for a table whose comparison column is too coarse.
    """
    unit = max(math.ceil(comparison_unit_ms(table) / MS_PER_SECOND) for table in tables)
    if unit > COARSEST:
        raise CommandError(
            f"A comparison column counts in units of {unit} s: a gap is repaired by times of {COARSEST} s at most. "
            "Load the whole table instead"
        )
    first = begin - margin
    last = max(earliest_second(table, end * MS_PER_SECOND - 1) for table in tables) + margin
    windows: list[Times] = []
    while not windows or windows[-1].end < last:
        stop = min(first + longest, last)
        windows.append(Times(min(first, stop - SHORTEST), stop))
        first = stop - 2 * margin - 2 * unit
    return windows
