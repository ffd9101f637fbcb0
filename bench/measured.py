"""The model's inputs from a result: an invocation's CPU time by its number of changes, and the concurrent requests."""

from __future__ import annotations

import json
import math
import statistics
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench import batches, invocation, throughput
from bench.alternatives import FIRST, MARSHALLER, OURS
from bench.decode import tables_of
from bench.measure import FULL, QUICK, Race, summarize
from bench.model import PUT_UNIT_BYTES, Assumptions, Work
from bench.product import decode
from bench.result import Result
from bench.shapes import SHAPES, Image, Record, Shape
from dynapinot.errors import CommandError

SHIPPED: Final = MARSHALLER  # the template's setting
SAMPLE: Final = 200  # changes of a shape whose sizes are averaged

_WRITE_UNIT_BYTES: Final = 1024
_CONTAINER_BYTES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line: ``at_none`` and ``each`` more for each change, in us."""

    at_none: float
    each: float

    def at(self, changes: float) -> float:
        """Return the time of so many changes, in us."""
        return self.at_none + changes * self.each


def fit(points: Mapping[int, float]) -> Line:
    """Fit a line to points (changes -> us) with the least error in per cent. Needs at least two points."""
    weights = {changes: 1 / us**2 for changes, us in points.items()}
    total = math.fsum(weights.values())
    mean_x = math.fsum(weight * changes for changes, weight in weights.items()) / total
    mean_y = math.fsum(weight * points[changes] for changes, weight in weights.items()) / total
    across = math.fsum(weight * (changes - mean_x) ** 2 for changes, weight in weights.items())
    along = math.fsum(weight * (changes - mean_x) * (points[changes] - mean_y) for changes, weight in weights.items())
    each = along / across
    return Line(at_none=mean_y - each * mean_x, each=each)


def by_batch(result: Result, contender: str = SHIPPED) -> Mapping[int, float]:
    """Return an invocation's cost by the size of its batch, in us of CPU. Raises CommandError."""
    races = {size: _race(result, f"{batches.SUITE}/{size}") for size in batches.SIZES}
    return {size: median_of(race, contender) for size, race in races.items()}


def median_of(race: Race, contender: str) -> float:
    """Return a contender's median cost."""
    return summarize(race.contenders[contender].samples).median


def works(result: Result, contender: str = SHIPPED) -> Mapping[str, Work]:
    """Return what a change of each shape costs, by the shape's name. Raises CommandError if a race is missing.

    The line is measured with one shape. The cost of an invocation without changes is the same for all shapes. The rest
    of a shape's invocation is the cost of its changes.
    """
    line = fit(by_batch(result, contender))
    found = {}
    for shape in SHAPES.values():
        per_change = median_of(_race(result, f"{invocation.WHOLE}/{shape.name}"), contender)
        changes = min(shape.batch, (QUICK if result.quick else FULL).batch)
        found[shape.name] = _work(shape, line.at_none, per_change - line.at_none / changes)
    return found


def measured_assumptions(result: Result, **other: float) -> Assumptions:
    """Return the assumptions with the measured concurrent requests. Raises CommandError if a race is missing.

    Publishing sequentially has one request in flight; what takes a fourth of the time has four.
    """
    found = {}
    for shards in throughput.SHARDS:
        race = _race(result, f"{throughput.SUITE}/{shards}")
        found[shards] = max(1.0, statistics.median(1 / ratio for ratio in race.ratios(OURS, FIRST)))
    return Assumptions(concurrent_requests=found, **other)


def _race(result: Result, name: str) -> Race:
    for race in result.races:
        if race.name == name:
            return race
    raise CommandError(f"The result of {result.made} has no race {name}: the model needs a whole one, of `make bench`")


def _work(shape: Shape, us_per_invocation: float, us_per_change: float) -> Work:
    records = shape.records(SAMPLE)
    rows = [entry.size for entry in decode(records, tables_of(shape))]
    return Work(
        shape=shape.name,
        us_per_invocation=us_per_invocation,
        us_per_change=us_per_change,
        row_bytes=statistics.fmean(rows),
        put_units=statistics.fmean(math.ceil(size / PUT_UNIT_BYTES) for size in rows),
        event_bytes=len(shape.event(SAMPLE)) / SAMPLE,
        stream_bytes=statistics.fmean(_stream_bytes(record) for record in records),
        write_units=statistics.fmean(_write_units(record) for record in records),
    )


def _images(record: Record) -> Sequence[Image]:
    return [record["dynamodb"][name] for name in ("NewImage", "OldImage") if name in record["dynamodb"]]


def _stream_bytes(record: Record) -> int:
    return sum(item_bytes(image) for image in (record["dynamodb"]["Keys"], *_images(record)))


def _write_units(record: Record) -> int:
    """Count write units by the larger image: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html."""
    return math.ceil(max(map(item_bytes, _images(record))) / _WRITE_UNIT_BYTES)


def item_bytes(image: Image) -> int:
    """Return an item's size as DynamoDB counts it, in bytes.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in image.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((tag, payload),) = value.items()
    match tag:
        case "S":
            return len(payload.encode())
        case "N":
            return math.ceil(len(payload.strip("-").replace(".", "").strip("0")) / 2) + 1
        case "B":
            return len(b64decode(payload))
        case "L":
            return _CONTAINER_BYTES + sum(1 + _value_bytes(each) for each in payload)
        case "M":
            return _CONTAINER_BYTES + len(payload) + item_bytes(payload)
        case "SS" | "NS" | "BS":
            return sum(_value_bytes({tag[0]: each}) for each in payload)
        case "BOOL" | "NULL":
            return 1
    raise ValueError(f"DynamoDB has no type {tag}: {json.dumps(value)}")
