"""What a load will cost, and how long it will take, before it begins. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dynapinot.init.table_description import TableDescription
from dynapinot.load.planning import ROWS_PER_WORKER
from dynapinot.prices import Prices
from dynapinot.wording import counted
from load.pace import SHARD_BYTES, SHARD_ROWS
from load.plan import ExportReader, Plan, ScanReader, Total

MILLION: Final = 1_000_000
GIB: Final = 1024**3
GB: Final = 1_000_000_000

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
READ_UNIT_BYTES: Final = 4_096
# https://aws.amazon.com/kinesis/data-streams/pricing/
PUT_UNIT_BYTES: Final = 25 * 1024

LAMBDA_GB: Final = 0.5
# A key in Pinot's upsert map: itself, its comparison value and its place. About: docs.pinot.apache.org's page about
# upsert counts the key's bytes + 24 for the key, a committer 64 bytes for the place (apache/pinot#6729).
HEAP_BYTES_PER_KEY: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimate. ``dollars`` has what is paid for each thing; ``slowest`` says what decides the ``seconds``.

    ``items`` and ``bytes`` are DynamoDB's own numbers, None where they are not known: then nothing else is, either.
    """

    items: int | None
    bytes: int | None
    read_units: float
    rows: int
    put_units: int
    dollars: Mapping[str, float]
    seconds: float
    slowest: str
    heap_bytes: int

    @property
    def total(self) -> float:
        """All dollars."""
        return sum(self.dollars.values())


def estimate(
    plan: Plan, described: TableDescription, prices: Prices, *, share: float, in_stack: bool, exports: bool = False
) -> Estimate:
    """Estimate a load. A row is taken to be as large as its item, and every item to be a row of each Pinot table.

    ``exports`` is whether an export is asked for; DynamoDB needs some minutes for it, which are not counted.
    """
    items, size = plan.items or 0, plan.bytes or 0
    item_bytes = size / items if items else 0.0
    rows = items * len(plan.tables)
    put_units = rows * max(1, math.ceil(item_bytes / PUT_UNIT_BYTES))
    reading, read_units, dollars = 0.0, 0.0, {}
    if isinstance(plan.reader, ScanReader):
        read_units = size / READ_UNIT_BYTES * (1 if plan.reader.consistent else 0.5)
        if plan.reader.units_per_second:
            reading = read_units / plan.reader.units_per_second
        if described.on_demand:
            dollars["read units"] = read_units * prices.million_read_units / MILLION
    sending = max(
        (
            items / (planned.shards * share * shard_rows_per_second(item_bytes))
            for planned in plan.tables.values()
            if planned.shards
        ),
        default=0.0,
    )
    working = rows / (ROWS_PER_WORKER * plan.workers)
    seconds, slowest = max((sending, "the streams' shards"), (reading, "the table's reads"), (working, "the workers"))
    dollars["PUT units"] = put_units * prices.million_put_units / MILLION
    if exports:
        dollars["export"] = size / GB * prices.exported_gb
    if in_stack:
        dollars["Lambda"] = seconds * plan.workers * LAMBDA_GB * prices.gb_second
    return Estimate(
        items=plan.items,
        bytes=plan.bytes,
        read_units=read_units,
        rows=rows,
        put_units=put_units,
        dollars=dollars,
        seconds=seconds,
        slowest=slowest,
        heap_bytes=rows * HEAP_BYTES_PER_KEY,
    )


def shard_rows_per_second(row_bytes: float) -> float:
    """Return how many rows of a size a shard takes in a second."""
    return min(SHARD_ROWS, SHARD_BYTES / row_bytes) if row_bytes else SHARD_ROWS


def spent(total: Total, prices: Prices, *, on_demand: bool) -> float:
    """Return what a load has cost so far, in dollars, without Lambda: its reads on demand, and its rows."""
    put_units = max(total.rows, total.bytes / PUT_UNIT_BYTES)
    read = total.read_units * prices.million_read_units if on_demand else 0.0
    return (read + put_units * prices.million_put_units) / MILLION


def lines(found: Estimate, plan: Plan, described: TableDescription, *, as_of: str, region: str) -> Sequence[str]:
    """Write an estimate, a line for each thing."""
    if isinstance(plan.reader, ExportReader):
        way = "an export to S3"
    else:
        consistency = "strongly consistent" if plan.reader.consistent else "eventually consistent"
        way = f"a {consistency} Scan of {counted(plan.reader.segments, 'segment')}"
        if plan.reader.units_per_second:
            way += f", at {plan.reader.units_per_second:,.0f} read units/s at most"
    capacity = "on demand" if described.on_demand else f"of {described.read_units:,}/s that are provisioned"
    costs = ", ".join(f"{what} {money(amount)}" for what, amount in found.dollars.items())
    streams = ", ".join(f"{name} ({planned.shards} shards)" for name, planned in plan.tables.items())
    reads = f"{way}: {found.read_units:,.0f} read units {capacity}" if found.read_units else way
    return (
        f"Table     {plan.table}: {found.items or 0:,} items, {size(found.bytes or 0)}; counted every six hours",
        f"Reads     {reads}",
        f"Rows      {found.rows:,} at most, to {streams}: {counted(found.put_units, 'PUT unit')}",
        f"Time      {duration(found.seconds)}, which {found.slowest} decide; {counted(plan.workers, 'worker')}",
        f"Cost      {money(found.total)}: {costs} (prices of {region}, {as_of})",
        f"Pinot     about {size(found.heap_bytes)} of heap for upsert keys on each replica, all servers together",
    )


def money(amount: float) -> str:
    """Write dollars."""
    return "under $0.01" if 0 < amount < 0.01 else f"${amount:,.2f}"  # noqa: PLR2004  # a cent


def size(count: float) -> str:
    """Write bytes."""
    for unit, name in ((GIB * 1024, "TiB"), (GIB, "GiB"), (1024 * 1024, "MiB"), (1024, "KiB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count:,.0f} bytes"


def duration(seconds: float) -> str:
    """Write a time."""
    for unit, name, smaller, part in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} {int(seconds % unit // smaller)} {part}"
    return f"{math.ceil(seconds)} s"


def as_document(found: Estimate) -> dict[str, object]:
    """Give an estimate as what ``--json`` writes."""
    return {**{name: getattr(found, name) for name in found.__slots__}, "total": found.total}
