"""What an item is to be in a Pinot table, and what is wrong with what Pinot shows in its place. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import orjson

from decoder.change import Change, Image
from decoder.errors import ChangeError
from dynapinot.verify.columns import Columns, Key, Made, Shown, is_before
from load.by_key import change_of
from snapshot.version import snapshot_ms

Kind: TypeAlias = Literal["missing", "ghost", "stale", "wrong", "double", "undecided"]
KINDS: Final[Mapping[Kind, str]] = {
    "missing": "the item is a row, and Pinot shows none",
    "ghost": "Pinot shows a row, and there is no item, or the item is no row",
    "stale": "Pinot shows a row with other values, which is older than the item was read",
    "wrong": "Pinot shows a row of the item as it is, or later, with other values",
    "double": "Pinot shows the key more than once",
    "undecided": "Pinot shows a row with other values, which may be another item's",
}


class Place(NamedTuple):
    """What is to be under an item's primary key: its row, or ``reason`` why it cannot be one.

    Of an item that cannot be a row, ``made`` is what a tombstone would have, None if even its key is not known.
    """

    made: Made | None
    reason: str | None = None


class Finding(NamedTuple):
    """What is wrong with a key: ``columns`` says how each column differs, ``detail`` what else there is to say."""

    kind: Kind
    columns: Mapping[str, str] = {}
    detail: str | None = None


class Reading(NamedTuple):
    """How items of one DynamoDB table become rows of a Pinot table."""

    columns: Columns
    source: str
    region: str
    max_record_bytes: int

    def place(self, keys: Image, item: Image | None, second: int) -> Place | None:
        """Say what an item becomes that was read from a second on; None if it is no row."""
        if item is None:
            return None
        time_ms = snapshot_ms(self.columns.table, second)
        return self.place_of(self.gone(keys)._replace(event_name="INSERT", new_image=item, timestamp_ms=time_ms))

    def gone(self, keys: Image) -> Change:
        """Make the change of an item that is gone."""
        return change_of(self.source, self.region, keys, 0)

    def place_of(self, change: Change) -> Place | None:
        """Say what the item of an INSERT becomes; None if it is no row."""
        table = self.columns.table
        try:
            for row in table.rows(change, self.max_record_bytes):
                return Place(self.columns.made(orjson.loads(row.data)))
        except ChangeError as error:
            try:
                tombstone = table.tombstone(change, change.new_image or {})
            except ChangeError:
                return Place(None, error.reason)
            return Place(self.columns.made(orjson.loads(tombstone.data)), error.reason)
        return None


def judge(
    columns: Columns, key: Key, place: Place | None, shown: Sequence[Shown], first_order: object, *, shares_rows: bool
) -> Finding | None:
    """Say what is wrong with what Pinot shows under a primary key; None if nothing is.

    ``place`` is what the item becomes of which the key is made. ``first_order`` is what its row compared by when it was
    read first, None if it was no row then. ``shares_rows`` is whether the key may be of several items.
    """
    if len(shown) > 1:
        partitions = sorted({str(each.partition) for each in shown})
        return Finding("double", detail=f"in the partitions {', '.join(partitions)}")
    row = shown[0] if shown else None
    if place is not None and place.made is not None and place.made.key != key:
        place = None  # the item's row is under another key
    if shares_rows and (place is None or place.reason is not None):
        return None  # the row that is there may be another item's
    if place is not None and place.reason is not None:
        return row and Finding("stale", detail=f"the item cannot be a row: {place.reason}")
    if place is None or place.made is None:
        return row and Finding("ghost")
    if row is None:
        return Finding("missing")
    differing = columns.differing(place.made, row)
    if not differing:
        return None
    if shares_rows:
        return Finding("undecided", differing)
    is_stale = first_order is None or is_before(row.order, first_order)
    return Finding("stale" if is_stale else "wrong", differing)
