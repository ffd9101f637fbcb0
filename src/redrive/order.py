"""Whether a failed change's own row may come late. Pure."""

from __future__ import annotations

from decoder.change import Change
from pinot.table import Table
from snapshot.version import comparison_unit_ms


def is_exact(table: Table, change: Change) -> bool:
    """Tell whether the comparison column alone orders a change, so that its own rows may come late.

    The version does. So does the time of the Kinesis form, in milliseconds: such changes may come in any order anyway.
    The time of DynamoDB Streams does not: the changes of a second tie, and the row that comes last wins.
    """
    origin = table.comparison.origin
    if origin == "$timestamp":
        return change.sequence_number is None and comparison_unit_ms(table) == 1
    return origin == "$version"
