"""Which heartbeat item reaches which shard, and how to distinguish its row from one of an earlier run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from decoder.errors import ChangeError
from heartbeat.item import (
    ATTRIBUTE,
    NUMBER_KEYS,
    PLACEHOLDER,
    HeartbeatError,
    Item,
    SourceTable,
    heartbeat_item,
    insert_change,
)
from pinot.table import Row, Table

# How far the clocks of DynamoDB and Kinesis may be behind the function's. Without it, a put just after a full second
# could fail for a few milliseconds. Runs are at least a minute apart.
CLOCK_TOLERANCE_MS: Final = 1_000

MAX_ITEMS: Final = 100_000  # tried until each shard has one; 64 equal shards need about 300

_OTHER_NUMBER_HELPS: Final = ("out_of_range", "not_milliseconds")
_TIME_STEP_MS: Final = 1_000  # a column with coarser steps cannot distinguish two runs


class ShardLocation(NamedTuple):
    """One shard of a stream. A region of None is the function's own."""

    stream: str
    region: str | None
    shard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """An open shard, with the first and the last of its hash keys."""

    id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A heartbeat item and the shard on which its row must arrive.

    The row has the partition key ``key``, and at least ``min_time`` in ``time_column``: a row with less is an earlier
    run's.
    """

    table: str
    location: ShardLocation
    item: Item
    key: str
    time_column: str
    min_time: int | str

    def matches(self, key: str, data: bytes) -> bool:
        """Say whether a record of the shard is this run's row of the item."""
        if key != self.key:
            return False
        value: Any = orjson.loads(data).get(self.time_column)
        min_time: Any = self.min_time
        return type(value) is type(min_time) and bool(value >= min_time)


def make_probes(
    shards: Sequence[tuple[Table, Sequence[Shard]]],
    templates: Sequence[Item],
    source: SourceTable,
    *,
    now_ms: int,
    max_items: int = MAX_ITEMS,
) -> tuple[Probe, ...]:
    """Find a heartbeat item for each shard of the tables, always the same one for the same shards.

    ``now_ms`` is a time before the first put. Raises HeartbeatError when a table makes no row of the items, when the
    keys of its rows do not reach each shard, and when nothing in its rows distinguishes one run from another.
    """
    since_ms = now_ms - CLOCK_TOLERANCE_MS
    probes: list[Probe] = []
    by_key: dict[bytes, Item] = {}
    for table, open_shards in shards:
        for probe in _probes_of(table, open_shards, _Candidates(table, templates, source, since_ms), max_items):
            key = orjson.dumps(source.key_of(probe.item), option=orjson.OPT_SORT_KEYS)
            if by_key.setdefault(key, probe.item) != probe.item:
                raise HeartbeatError(
                    "Two items of HEARTBEAT_ITEM have the same key: give each a key of its own, such as "
                    f'{{"{source.keys[0].name}": {{"S": "one-{PLACEHOLDER}"}}}}'
                )
            probes.append(probe)
    return tuple(probes)


class _Candidates:
    """Heartbeat items of a table, of the first template that it makes a row of, and the rows that it makes."""

    def __init__(self, table: Table, templates: Sequence[Item], source: SourceTable, since_ms: int) -> None:
        self._table = table
        self._source = source
        self._since_ms = since_ms
        self._make = self._first_that_fits(templates)

    def item(self, number: int) -> Item:
        return self._make(number)

    def key(self, number: int) -> str:
        (row,) = self._rows(self.item(number), self._since_ms)
        return row.key

    def time_column(self) -> tuple[str, int | str]:
        """Find a column with the time of a change, preferably the comparison column, and its present value."""
        item = self.item(0)
        before, now, after = (
            orjson.loads(row.data)
            for put_ms in (self._since_ms - _TIME_STEP_MS, self._since_ms, self._since_ms + _TIME_STEP_MS)
            for row in self._rows(item, put_ms)
        )
        for column in sorted(self._table.columns, key=lambda column: column.role != "comparison"):
            values = [row.get(column.name) for row in (before, now, after)]
            # Text is compared only where Pinot does so too: text of other columns need not sort by time.
            kind = str if column.role == "comparison" else int
            kinds = {type(value) for value in values}
            if kinds in ({int}, {kind}) and values[0] < values[1] < values[2]:
                return column.name, values[1]
        raise HeartbeatError(
            f"Pinot table {self._table.name}: no column distinguishes one run from the next. Add one "
            'that holds the time of a change to the second: a LONG or TIMESTAMP, "$timestamp" in source.toml'
        )

    def _rows(self, item: Item, put_ms: int) -> tuple[Row, ...]:
        return tuple(self._table.rows(insert_change(item, self._source, put_ms)))

    def _item(self, template: Item, base: int, number: int) -> Item:
        return heartbeat_item(template, self._source, number, base)

    def _first_that_fits(self, templates: Sequence[Item]) -> Callable[[int], Item]:
        misfit: ChangeError | None = None
        for template in templates:
            for base in NUMBER_KEYS:
                try:
                    rows = self._rows(heartbeat_item(template, self._source, 0, base), self._since_ms)
                except ChangeError as error:
                    misfit = error
                    if error.reason in _OTHER_NUMBER_HELPS:
                        continue
                else:
                    if rows:
                        return partial(self._item, template, base)
                break
        raise HeartbeatError(f"Pinot table {self._table.name}: {_explain(misfit)}") from misfit


def _probes_of(table: Table, shards: Sequence[Shard], candidates: _Candidates, max_items: int) -> Iterator[Probe]:
    time_column, min_time = candidates.time_column()
    missing = list(shards)
    keys = set()
    for number in range(max_items):
        key = candidates.key(number)
        keys.add(key)
        shard = next((each for each in missing if each.first <= hash_key(key) <= each.last), None)
        if shard:
            missing.remove(shard)
            yield Probe(
                table=table.name,
                location=ShardLocation(table.stream, table.region, shard.id),
                item=candidates.item(number),
                key=key,
                time_column=time_column,
                min_time=min_time,
            )
        if not missing:
            return
        if number and len(keys) == 1:
            raise HeartbeatError(
                f"Pinot table {table.name}: all heartbeat items have the same primary key, so they reach one shard. "
                f'Put "{PLACEHOLDER}" into the text of an attribute that the primary key takes, in HEARTBEAT_ITEM'
            )
    raise HeartbeatError(
        f"Pinot table {table.name}: of {max_items} heartbeat items none reaches {missing[0].id} of the stream "
        f"{table.stream}"
    )


def hash_key(partition_key: str) -> int:
    """Return the hash key of a partition key, by which Kinesis chooses the shard.

    "An MD5 hash function is used to map partition keys to 128-bit integer values",
    https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html
    """
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")


def _explain(misfit: ChangeError | None) -> str:
    if misfit is None:
        return "it filters heartbeat items out. Give HEARTBEAT_ITEM the attributes by which it selects its items"
    if misfit.steps[:1] == (ATTRIBUTE,):
        return (
            f"column {misfit.column} takes the attribute {ATTRIBUTE}, which in a heartbeat item is a number: {misfit}"
        )
    if misfit.column is None:
        return f"no row can be made of a heartbeat item: {misfit}. Fix HEARTBEAT_ITEM"
    return (
        f"column {misfit.column} cannot be filled from a heartbeat item: {misfit}. Add the attribute to HEARTBEAT_ITEM"
    )
