"""Which columns the items of a sample fill: of the others, a sample shows nothing."""

from __future__ import annotations

from collections.abc import Iterable

from decoder.change import Change, Image
from decoder.errors import ChangeError
from pinot.table import Table


def is_row(table: Table, image: Image) -> bool:
    """Return whether an item is a row of a table, by ``when``; not if it has a malformed value there."""
    try:
        return table.has_row_of(image)
    except ChangeError:
        return False


def unfilled_columns(table: Table, changes: Iterable[Change]) -> list[str]:
    """List the columns that take something of an item, and of no item of these changes that is a row.

    A value that does not fit fills its column, since something is there. Columns without which there is no row are not
    listed.
    """
    unfilled = {column.name: column for column in table.columns if isinstance(column.origin, tuple) and not column.role}
    for change in changes:
        if not unfilled:
            break
        if change.new_image is None or not table.replicates(change.table) or not is_row(table, change.new_image):
            continue
        for column in list(unfilled.values()):
            try:
                found = column.take(change, change.new_image, False) is not None  # noqa: FBT003
            except ChangeError:
                found = True
            if found:
                del unfilled[column.name]
    return list(unfilled)
