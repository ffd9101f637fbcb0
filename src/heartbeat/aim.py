"""Which marker reaches which shard, and how its row is told from that of an earlier run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from decoder.errors import ChangeError
from heartbeat.marker import ATTRIBUTE, NUMBERS, PLACEHOLDER, HeartbeatError, Item, Origin, change_of, marker
from pinot.table import Row, Table

# How far the clocks of DynamoDB and Kinesis may be behind the function's: without it, every put just after a full
# second would be at the mercy of a few milliseconds. Runs are a minute apart at the least.
CLOCK_TOLERANCE_MS: Final = 1_000

MAX_MARKERS: Final = 100_000  # tried until each shard has one; 64 equal shards take about 300

_OTHER_NUMBER_HELPS: Final = ("out_of_range", "not_milliseconds")
_PROBE_MS: Final = 1_000  # a column that counts in coarser steps cannot tell two runs apart


class Place(NamedTuple):
    """One shard of a stream; no region is the function's own."""

    stream: str
    region: str | None
    shard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """An open shard: the hash keys it takes, both ends included."""

    id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A marker and the shard that its row is to arrive on.

    The row has the partition key ``key``, and in the column ``clock`` at least ``floor``: less is an earlier run's.
    """

    table: str
    place: Place
    item: Item
    key: str
    clock: str
    floor: int | str

    def is_hit_by(self, key: str, data: bytes) -> bool:
        """Tell whether a record of the shard is this run's row of the marker."""
        if key != self.key:
            return False
        value: Any = orjson.loads(data).get(self.clock)
        floor: Any = self.floor
        return type(value) is type(floor) and bool(value >= floor)


def take_aim(
    shards: Sequence[tuple[Table, Sequence[Shard]]],
    templates: Sequence[Item],
    origin: Origin,
    *,
    now_ms: int,
    max_markers: int = MAX_MARKERS,
) -> tuple[Aim, ...]:
    """Find a marker for each of the tables' shards, always the same one for the same shards.

    ``now_ms`` is a time before the first put. Raises HeartbeatError when a table makes no row of a marker, when its
    rows' keys do not lead to each shard, and when nothing in its rows tells one run from another.
    """
    since_ms = now_ms - CLOCK_TOLERANCE_MS
    aims: list[Aim] = []
    taken: dict[bytes, Item] = {}
    for table, open_shards in shards:
        for aim in _aims_at(table, open_shards, _Markers(table, templates, origin, since_ms), max_markers):
            key = orjson.dumps(origin.key_of(aim.item), option=orjson.OPT_SORT_KEYS)
            if taken.setdefault(key, aim.item) != aim.item:
                raise HeartbeatError(
                    "Two items of HEARTBEAT_ITEM come to the same key: give each another one, such as "
                    f'{{"{origin.keys[0].name}": {{"S": "one-{PLACEHOLDER}"}}}}'
                )
            aims.append(aim)
    return tuple(aims)


class _Markers:
    """The markers of a table, out of the first template that it makes a row of, and the rows they come to."""

    def __init__(self, table: Table, templates: Sequence[Item], origin: Origin, since_ms: int) -> None:
        self._table = table
        self._origin = origin
        self._since_ms = since_ms
        self._make = self._first_that_fits(templates)

    def item(self, number: int) -> Item:
        return self._make(number)

    def key(self, number: int) -> str:
        (row,) = self._rows(self.item(number), self._since_ms)
        return row.key

    def clock(self) -> tuple[str, int | str]:
        """Find a column that tells the time of a change, the comparison column at best, and what it says just now."""
        item = self.item(0)
        before, now, after = (
            orjson.loads(row.data)
            for put_ms in (self._since_ms - _PROBE_MS, self._since_ms, self._since_ms + _PROBE_MS)
            for row in self._rows(item, put_ms)
        )
        for column in sorted(self._table.columns, key=lambda column: column.role != "comparison"):
            values = [row.get(column.name) for row in (before, now, after)]
            # Text is compared only where Pinot does so too: that of other columns need not sort by time.
            kind = str if column.role == "comparison" else int
            kinds = {type(value) for value in values}
            if kinds in ({int}, {kind}) and values[0] < values[1] < values[2]:
                return column.name, values[1]
        raise HeartbeatError(
            f"Pinot table {self._table.name}: no column tells the marker of one run from that of the next. Add one "
            'that holds the time of a change to the second: a LONG or TIMESTAMP, "$timestamp" in source.toml'
        )

    def _rows(self, item: Item, put_ms: int) -> tuple[Row, ...]:
        return tuple(self._table.rows(change_of(item, self._origin, put_ms)))

    def _marker(self, template: Item, base: int, number: int) -> Item:
        return marker(template, self._origin, number, base)

    def _first_that_fits(self, templates: Sequence[Item]) -> Callable[[int], Item]:
        refusal: ChangeError | None = None
        for template in templates:
            for base in NUMBERS:
                try:
                    rows = self._rows(marker(template, self._origin, 0, base), self._since_ms)
                except ChangeError as error:
                    refusal = error
                    if error.reason in _OTHER_NUMBER_HELPS:
                        continue
                else:
                    if rows:
                        return partial(self._marker, template, base)
                break
        raise HeartbeatError(f"Pinot table {self._table.name}: {_why(refusal)}") from refusal


def _aims_at(table: Table, shards: Sequence[Shard], markers: _Markers, max_markers: int) -> Iterator[Aim]:
    clock, floor = markers.clock()
    missing = list(shards)
    keys = set()
    for number in range(max_markers):
        key = markers.key(number)
        keys.add(key)
        shard = next((each for each in missing if each.first <= hash_key(key) <= each.last), None)
        if shard:
            missing.remove(shard)
            place = Place(table.stream, table.region, shard.id)
            yield Aim(table=table.name, place=place, item=markers.item(number), key=key, clock=clock, floor=floor)
        if not missing:
            return
        if number and len(keys) == 1:
            raise HeartbeatError(
                f"Pinot table {table.name}: all markers have the same primary key, so they reach one shard only. Put "
                f'"{PLACEHOLDER}" into the text of an attribute that the primary key takes, in HEARTBEAT_ITEM'
            )
    raise HeartbeatError(
        f"Pinot table {table.name}: of {max_markers} markers none reaches {missing[0].id} of the stream {table.stream}"
    )


def hash_key(partition_key: str) -> int:
    """Give the place of a partition key among the hash keys of a stream's shards.

    "An MD5 hash function is used to map partition keys to 128-bit integer values",
    https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html
    """
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


def _why(refusal: ChangeError | None) -> str:
    if refusal is None:
        return "it leaves markers out. Give HEARTBEAT_ITEM the attributes by which it chooses its items"
    if refusal.steps[:1] == (ATTRIBUTE,):
        return f"column {refusal.column} takes the attribute {ATTRIBUTE}, which in a marker is a number: {refusal}"
    if refusal.column is None:
        return f"no row can be made of a marker: {refusal}. Mend HEARTBEAT_ITEM"
    return f"column {refusal.column} cannot be filled from a marker: {refusal}. Add the attribute to HEARTBEAT_ITEM"
