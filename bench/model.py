"""Lag and cost on paper: how full each part of the way is, which is full first, how late a change is, what it costs.

Pure: what was measured comes in as a :class:`Work`, and everything else is a limit of AWS, a knob, or said to be
assumed. ``bench/simulation.py`` plays the same way out change by change, and tests hold the two to each other.

The way: a table's partition has a shard of the stream of changes; each shard has as many lanes as the parallelization
factor says; a lane gathers a batch, is invoked, gathers the next one. A row goes to the Kinesis shard of its key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.prices import PRICES, Prices
from bench.throughput import LATENCY_SECONDS, SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
VCPU_MEGABYTES: Final = 1_769
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
EVENT_BYTES: Final = 6 * 1024 * 1024
CONCURRENCY_QUOTA: Final = 1_000  # of an account and region; can be raised
# https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#dynamodb-polling-and-batching
POLLS_PER_SECOND: Final = 4
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
PAGE_RECORDS: Final = 1_000
PAGE_BYTES: Final = 1024 * 1024
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
PARTITION_WRITE_UNITS: Final = 1_000  # a second; of one item, too
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
TABLE_WRITE_UNITS_QUOTA: Final = 40_000  # a second; can be raised
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html, and README.md for the bytes
REQUEST_RECORDS: Final = 500
REQUEST_BYTES: Final = 5 * 1024 * 1024
# https://aws.amazon.com/kinesis/data-streams/pricing/
PUT_UNIT_BYTES: Final = 25 * 1024
DAY_HOURS: Final = 24  # that a stream keeps rows at no further price

MILLION: Final = 1_000_000

ONE_ITEM: Final = "DynamoDB: one item"
TABLE: Final = "DynamoDB: a table's write units"
READING: Final = "DynamoDB Streams: reading a shard"
LANES_CPU: Final = "Lambda: its lanes, by CPU"
LANES_WAIT: Final = "Lambda: its lanes, by waiting for Kinesis"
CONCURRENCY: Final = "Lambda: concurrency"
SHARD_RECORDS: Final = "Kinesis: a shard's records"
SHARD_BYTES: Final = "Kinesis: a shard's bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a change of a shape takes.

    An invocation of n changes takes ``us_per_invocation`` + n * ``us_per_change`` of CPU time, in us. ``row_bytes`` are
    of a row with its partition key, ``put_units`` what Kinesis charges it as, ``event_bytes`` a change's share of the
    Lambda event, ``stream_bytes`` its size in DynamoDB Streams, ``write_units`` what DynamoDB takes for it.
    """

    shape: str
    us_per_invocation: float
    us_per_change: float
    row_bytes: float
    put_units: float
    event_bytes: float
    stream_bytes: float
    write_units: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many changes come in a second, and which share of them is of one item."""

    changes_per_second: float
    hot_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The knobs, with the template's defaults.

    ``stream_shards`` DynamoDB turns itself (:func:`least_stream_shards`): with ``splits`` there are more of them when
    more changes come. Those of a Kinesis stream of changes, say, are as many as they are.
    """

    stream_shards: int = 1
    splits: bool = False
    parallelization_factor: int = 1
    batch_size: int = 1_000
    window_seconds: float = 1.0
    memory_megabytes: int = 512
    kinesis_shards: int = 2
    retention_hours: int = 168

    @property
    def lanes(self) -> int:
        """How many invocations there may be at a time."""
        return self.stream_shards * self.parallelization_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the model takes for granted.

    ``requests_at_once`` tells, by Kinesis shards, how many PutRecords requests are under way at a time on average: it
    is measured. ``speed`` is how fast a vCPU of Lambda's is, in processors of the machine that was measured on.
    """

    requests_at_once: Mapping[int, float] = field(default_factory=lambda: {1: 1.0})
    request_seconds: float = LATENCY_SECONDS
    polls_per_second: float = POLLS_PER_SECOND
    pinot_polls_per_second: float = 1.0  # requests_per_second_limit of the table config: Pinot's default
    speed: float = 1.0

    def at_once(self, shards: int) -> float:
        """Tell the requests at a time for that many shards: as measured for as many, or for the next fewer."""
        known = [each for each in self.requests_at_once if each <= shards]
        return self.requests_at_once[max(known)] if known else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of the way, and how full it is: at 1 it can take no more. ``remedy`` is the knob that gives it room.

    One that ``widens`` gets more room by itself when more changes come, and stays as full as it is.
    """

    name: str
    utilisation: float
    remedy: str
    widens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How late a change is in Pinot on average, in seconds, by what it waits for."""

    window: float
    lambda_poll: float
    invocation: float
    pinot_poll: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.window + self.lambda_poll + self.invocation + self.pinot_poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one lane does: its batches on average, how long such an invocation takes, how late its changes are.

    ``busy`` is the share of time that it is invoked, ``utilisation`` what that would be if all batches were full: below
    1 it keeps up. ``cpu_share`` is the part of a full invocation that is CPU.
    """

    batch: float
    seconds: float
    busy: float
    utilisation: float
    cpu_share: float
    lag: Lag


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """US dollars for a million changes. ``gb_seconds`` is what Lambda charges: its time and memory."""

    gb_seconds: float
    computing: float
    requests: float
    put_units: float
    shard_hours: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.computing + self.requests + self.put_units + self.shard_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What becomes of a load. ``lane`` is a usual one, ``hot_lane`` the one with the hot item, if there is one.

    ``stages`` begin with the fullest, and so do ``quotas``, which AWS raises when asked to. ``payload`` is how full the
    event's 6 MB are with an average batch; a batch that would not fit is cut there, so it is no bottleneck.
    """

    lane: Lane
    hot_lane: Lane
    invocations_per_second: float
    concurrency: float
    payload: float
    stages: tuple[Stage, ...]
    quotas: tuple[Stage, ...]
    cost: Cost
    changes_per_second: float

    @property
    def bottleneck(self) -> Stage:
        """What is full first when more changes come; or what is so already."""
        fixed = (stage for stage in self.stages if stage.utilisation >= 1 or not stage.widens)
        return next(fixed)

    @property
    def at_most(self) -> float:
        """How many changes a second it can take."""
        return self.changes_per_second / self.bottleneck.utilisation

    @property
    def keeps_up(self) -> bool:
        """Whether it takes all changes: otherwise its lag grows for as long as they come."""
        return self.stages[0].utilisation < 1


def least_stream_shards(load: Load, work: Work) -> int:
    """Tell how many shards the stream of changes has at the least: one for each 1,000 write units a second.

    A partition takes no more, so DynamoDB splits it; that each has one open shard is how it works, but no page of AWS'
    promises it. A table that is large, or was busier once, has more: more lanes, and so more room.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
    """
    return max(1, math.ceil(load.changes_per_second * work.write_units / PARTITION_WRITE_UNITS))


def cpu_seconds(changes: float, work: Work, setting: Setting, world: World) -> float:
    """Tell how long the CPU of an invocation takes at the function's memory.

    More than a whole vCPU is of no use to it: what takes CPU is Python in one thread at a time.
    """
    share = min(1.0, setting.memory_megabytes / VCPU_MEGABYTES)
    return (work.us_per_invocation + changes * work.us_per_change) / MILLION / share / world.speed


def waiting_seconds(changes: float, work: Work, setting: Setting, world: World) -> float:
    """Tell how long an invocation waits for Kinesis, as if nothing else were done meanwhile."""
    requests = max(math.ceil(changes / REQUEST_RECORDS), math.ceil(changes * work.row_bytes / REQUEST_BYTES))
    return world.request_seconds * max(1.0, requests / world.at_once(setting.kinesis_shards))


def invocation_seconds(changes: float, work: Work, setting: Setting, world: World) -> float:
    """Tell how long an invocation takes on the clock."""
    return cpu_seconds(changes, work, setting, world) + waiting_seconds(changes, work, setting, world)


def largest_batch(work: Work, setting: Setting) -> int:
    """Tell how many changes a batch has at the most: what is set, or what fits an event."""
    return max(1, min(setting.batch_size, math.floor(EVENT_BYTES / work.event_bytes)))


def lane_of(changes_per_second: float, work: Work, setting: Setting, world: World) -> Lane:
    """Work out what a lane does with changes that come by chance, at that rate.

    While it is invoked, changes gather; when it is free, Lambda polls at once and, finding none, at its own pace. The
    window opens with the poll that finds some, and closes after its time or with a full batch.
    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#dynamodb-polling-and-batching
    """
    rate, window, poll = changes_per_second, setting.window_seconds, 1 / world.polls_per_second
    most = largest_batch(work, setting)
    full = invocation_seconds(most, work, setting, world)
    batch, seconds, first, idle = 1.0, 0.0, 1.0, 0.0
    for _ in range(_ROUNDS):
        seconds = invocation_seconds(batch, work, setting, world)
        idle = math.exp(-rate * seconds)  # how often nothing has come when it is free again
        first = rate * poll / -math.expm1(-rate * poll)  # changes that a poll finds, if it finds any
        before, batch = batch, min(most, rate * (seconds + window) + idle * first)
        if batch == most or abs(batch - before) <= _EXACT * batch:
            break
    seconds = invocation_seconds(batch, work, setting, world)
    if batch == most:  # the batch fills before the window closes
        waits, polls = most / rate / 2, poll / 2
    else:
        gathered = rate * seconds * (seconds / 2 + window) + rate * window * window / 2 + idle * first * window
        waits, polls = gathered / batch, idle * first * poll / 2 / batch
    return Lane(
        batch=batch,
        seconds=seconds,
        busy=rate * seconds / batch,
        utilisation=rate * full / most,
        cpu_share=cpu_seconds(most, work, setting, world) / full,
        lag=Lag(window=waits, lambda_poll=polls, invocation=seconds, pinot_poll=1 / world.pinot_polls_per_second / 2),
    )


_ROUNDS: Final = 10_000
_EXACT: Final = 1e-9


def estimate(load: Load, work: Work, setting: Setting, world: World, prices: Prices = PRICES) -> Estimate:
    """Work out what becomes of a load."""
    total, hot = load.changes_per_second, load.hot_share * load.changes_per_second
    spread = total - hot
    lane = lane_of(spread / setting.lanes, work, setting, world)
    hot_lane = lane_of(hot + spread / setting.lanes, work, setting, world) if hot else lane
    lanes = [(lane, setting.lanes - 1, spread / setting.lanes), (hot_lane, 1, hot + spread / setting.lanes)]
    invocations = sum(count * rate / each.batch for each, count, rate in lanes)
    gb_seconds = sum(count * rate / each.batch * _billed(each.seconds) for each, count, rate in lanes)
    gb_seconds *= setting.memory_megabytes / 1024 * MILLION / total
    concurrency = sum(count * each.busy for each, count, _ in lanes)
    stages = (
        *_before_lambda(hot, spread, work, setting, world),
        _lanes(hot_lane, widens=setting.splits and not hot),
        *_kinesis(hot, spread, work, setting),
    )
    asked = "ask AWS for a higher quota"
    quotas = (
        Stage(name=TABLE, utilisation=total * work.write_units / TABLE_WRITE_UNITS_QUOTA, remedy=asked),
        Stage(name=CONCURRENCY, utilisation=concurrency / CONCURRENCY_QUOTA, remedy=asked),
    )
    return Estimate(
        lane=lane,
        hot_lane=hot_lane,
        invocations_per_second=invocations,
        concurrency=concurrency,
        payload=lane.batch * work.event_bytes / EVENT_BYTES,
        stages=_fullest_first(stages),
        quotas=_fullest_first(quotas),
        cost=Cost(
            gb_seconds=gb_seconds,
            computing=gb_seconds * prices.gb_second,
            requests=invocations / total * prices.million_requests,
            put_units=work.put_units * prices.million_put_units,
            shard_hours=setting.kinesis_shards * _shard_hour(setting, prices) / 3_600 * MILLION / total,
        ),
        changes_per_second=total,
    )


def _fullest_first(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    return tuple(sorted(stages, key=lambda stage: -stage.utilisation))


def _billed(seconds: float) -> float:
    """Round up to whole milliseconds: https://aws.amazon.com/lambda/pricing/."""
    return math.ceil(seconds * 1_000 - _EXACT) / 1_000


def _shard_hour(setting: Setting, prices: Prices) -> float:
    return prices.shard_hour + (prices.extended_shard_hour if setting.retention_hours > DAY_HOURS else 0.0)


def _before_lambda(hot: float, spread: float, work: Work, setting: Setting, world: World) -> tuple[Stage, ...]:
    read = world.polls_per_second * min(PAGE_RECORDS, PAGE_BYTES / work.stream_bytes)
    return (
        Stage(
            name=ONE_ITEM,
            utilisation=hot * work.write_units / PARTITION_WRITE_UNITS,
            remedy="spread the writes over several items",
        ),
        Stage(
            name=READING,
            utilisation=(hot + spread / setting.stream_shards) / read,
            remedy="more partitions of the table",
            widens=setting.splits and not hot,
        ),
    )


def _lanes(lane: Lane, *, widens: bool) -> Stage:
    name, second = (LANES_CPU, "MemoryMegabytes") if lane.cpu_share >= _HALF else (LANES_WAIT, "BatchSize")
    return Stage(name=name, utilisation=lane.utilisation, remedy=f"ParallelizationFactor, then {second}", widens=widens)


_HALF: Final = 0.5


def _kinesis(hot: float, spread: float, work: Work, setting: Setting) -> tuple[Stage, ...]:
    rows = hot + spread / setting.kinesis_shards
    remedy = "a new stream with more shards"
    return (
        Stage(name=SHARD_RECORDS, utilisation=rows / SHARD_RECORDS_PER_SECOND, remedy=remedy),
        Stage(name=SHARD_BYTES, utilisation=rows * work.row_bytes / SHARD_BYTES_PER_SECOND, remedy=remedy),
    )
