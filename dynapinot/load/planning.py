"""The plan of a load: which units, how many workers, how fast it may read. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dynapinot.errors import CommandError
from dynapinot.init.scan import PROVISIONED_SHARE
from dynapinot.init.table_description import TableDescription
from load.pace import SHARD_ROWS
from load.plan import ExportReader, Plan, PlannedTable, ScanReader
from snapshot.version import CONSISTENT_READ, DYNAMODB_LOCAL_READ, EVENTUAL_READ, GLOBAL_TABLE_READ

SEGMENT_BYTES: Final = 256 * 1024 * 1024
MAX_SEGMENTS: Final = 100_000
WORKERS_HERE: Final = 4
ROWS_PER_WORKER: Final = 3_000  # a second; a function of 512 MB can make three times as many

# Read units a second of a table on demand: half of what any such table serves at once.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
ON_DEMAND_UNITS: Final = 6_000

_DYNAMODB_LOCAL: Final = "ddblocal"  # the region in its ARNs

_NAME_IN_ID: Final = 50  # an execution's name has 80 characters at most
_FILTER: Final = (
    ("where", "FilterExpression"),
    ("where_names", "ExpressionAttributeNames"),
    ("where_values", "ExpressionAttributeValues"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the operator chooses of a plan; None is for what is best.

    ``where`` is a FilterExpression, ``where_names`` and ``where_values`` are its names and values as JSON.
    ``read_units`` is in units a second, of all workers together.
    """

    workers: int | None = None
    read_units: float | None = None
    consistent: bool = True
    where: str | None = None
    where_names: str | None = None
    where_values: str | None = None


def make_plan(
    described: TableDescription,
    tables: Mapping[str, PlannedTable],
    reader: ScanReader | ExportReader,
    *,
    began: int,
    workers: int,
) -> Plan:
    """Plan a load. ``began`` is in epoch seconds, by DynamoDB's clock."""
    return Plan(
        id=f"{datetime.fromtimestamp(began, UTC):%Y%m%dT%H%M%SZ}-{described.name[:_NAME_IN_ID]}",
        table=described.name,
        region=described.region,
        keys=tuple(attribute.name for attribute in described.key),
        began=began,
        tables=tables,
        reader=reader,
        workers=workers,
        items=described.items or None,
        bytes=described.bytes or None,
    )


def scan_reader(described: TableDescription, choices: Choices, *, workers: int) -> ScanReader:
    """Plan how to read a table by Scan. Raises CommandError."""
    return ScanReader(
        segments=segments_for(described.bytes, workers),
        margin=margin_of(described, consistent=choices.consistent),
        consistent=choices.consistent,
        filter=filter_of(choices),
        units_per_second=read_rate(described, choices.read_units),
    )


def segments_for(size: int, workers: int) -> int:
    """Return how many segments a table of so many bytes has: each is read within minutes, and no worker is idle."""
    return max(workers, min(MAX_SEGMENTS, math.ceil(size / SEGMENT_BYTES)))


def workers_for(tables: Mapping[str, PlannedTable]) -> int:
    """Return how many functions use the streams' whole capacity, so that the share can be raised while they run."""
    shards = min((planned.shards for planned in tables.values()), default=1)
    return max(1, math.ceil(shards * SHARD_ROWS * len(tables) / ROWS_PER_WORKER))


def margin_of(described: TableDescription, *, consistent: bool) -> int:
    """Return the margin of a Scan, in seconds: see ``snapshot.version``."""
    if not consistent:
        return EVENTUAL_READ
    if f":{_DYNAMODB_LOCAL}:" in described.arn:
        return DYNAMODB_LOCAL_READ
    return GLOBAL_TABLE_READ if described.replicas else CONSISTENT_READ


def read_rate(described: TableDescription, given: float | None) -> float:
    """Return the read units a second that a load may use."""
    if given:
        return given
    return max(1.0, described.read_units * PROVISIONED_SHARE) if described.read_units else float(ON_DEMAND_UNITS)


def filter_of(choices: Choices) -> Mapping[str, object]:
    """Return Scan's parameters of a filter. Raises CommandError."""
    found: dict[str, object] = {}
    for name, parameter in _FILTER:
        text = getattr(choices, name)
        if text is None:
            continue
        if name != "where" and choices.where is None:
            raise CommandError(f"--{name.replace('_', '-')} needs --where")
        found[parameter] = text if name == "where" else _object(name, text)
    return found


def _object(name: str, text: str) -> Mapping[str, object]:
    option = f"--{name.replace('_', '-')}"
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{option} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise CommandError(f'{option} is not a JSON object, such as {{"#s": "status"}} or {{":s": {{"S": "open"}}}}')
    return found
