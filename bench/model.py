"""A model of lag and cost: the utilisation of each stage, the bottleneck, the lag of a change, and its price.

Pure: measurements come in as a :class:`Work`. Everything else is a limit of AWS, a setting, or a stated assumption.
``bench/simulation.py`` simulates the same stages change by change, and tests compare the two.

The stages: a table's partition has a shard of the stream of changes. Each shard has as many lanes as the
parallelization factor: a lane is a sequence of invocations, and lanes run concurrently. A lane gathers a batch, is
invoked, gathers the next one. A row goes to the Kinesis shard of its key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.prices import PRICES
from bench.throughput import LATENCY_SECONDS, SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND
from dynapinot.prices import Prices

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
DAY_HOURS: Final = 24  # how long a stream keeps rows at no extra price

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
    """What a change of a shape costs.

    An invocation of n changes takes ``us_per_invocation`` + n * ``us_per_change`` of CPU time, in us. ``row_bytes`` are
    of a row with its partition key, ``put_units`` the units that Kinesis charges for it, ``event_bytes`` a change's
    share of the Lambda event, ``stream_bytes`` its size in DynamoDB Streams, ``write_units`` what DynamoDB charges.
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
    """How many changes arrive in a second, and the share of them that one item has."""

    changes_per_second: float
    hot_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The settings, with the template's defaults.

    DynamoDB sets ``stream_shards`` itself (:func:`least_stream_shards`): with ``splits`` their number grows with the
    changes. A Kinesis stream of changes, for example, has a fixed number.
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
        """How many invocations may run concurrently."""
        return self.stream_shards * self.parallelization_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the model assumes.

    ``concurrent_requests`` is the average number of concurrent PutRecords requests, by the number of Kinesis shards: it
    is measured. ``speed`` is that of a vCPU of Lambda, in processors of the machine of the measurements.
    """

    concurrent_requests: Mapping[int, float] = field(default_factory=lambda: {1: 1.0})
    request_seconds: float = LATENCY_SECONDS
    polls_per_second: float = POLLS_PER_SECOND
    pinot_polls_per_second: float = 1.0  # requests_per_second_limit of the table config: Pinot's default
    speed: float = 1.0

    def concurrency(self, shards: int) -> float:
        """Return the concurrent requests for that many shards: as measured for this number, or the next smaller one."""
        known = [each for each in self.concurrent_requests if each <= shards]
        return self.concurrent_requests[max(known)] if known else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage and its utilisation: at 1 it can take no more. ``remedy`` is the setting that gives it more capacity.

    A stage that ``scales`` gets more capacity by itself when more changes arrive, and its utilisation stays the same.
    """

    name: str
    utilisation: float
    remedy: str
    scales: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """The average lag of a change in Pinot, in seconds, by what it waits for."""

    window: float
    lambda_poll: float
    invocation: float
    pinot_poll: float

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return self.window + self.lambda_poll + self.invocation + self.pinot_poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane: its average batch, the duration of such an invocation, the lag of its changes.

    ``busy`` is the share of time that it is invoked. ``utilisation`` is that share if all batches were full: below 1 it
    keeps up. ``cpu_share`` is the part of a full invocation that is CPU.
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
        """The sum of all parts."""
        return self.computing + self.requests + self.put_units + self.shard_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The model's result for a load. ``lane`` is an ordinary one, ``hot_lane`` the one with the hot item, if any.

    ``stages`` are sorted by utilisation, the highest first, and so are ``quotas``, which AWS raises on request.
    ``payload`` is the share of the event's 6 MB that an average batch takes. Lambda cuts a batch that would not fit, so
    it is not a bottleneck.
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
        """The stage that is full first when more changes arrive, or is full already."""
        fixed = (stage for stage in self.stages if stage.utilisation >= 1 or not stage.scales)
        return next(fixed)

    @property
    def max_changes_per_second(self) -> float:
        """How many changes a second all stages can take."""
        return self.changes_per_second / self.bottleneck.utilisation

    @property
    def keeps_up(self) -> bool:
        """Whether all stages take all changes: otherwise the lag grows for as long as they arrive."""
        return self.stages[0].utilisation < 1


def least_stream_shards(load: Load, work: Work) -> int:
    """Return how many shards the stream of changes has at least: one for each 1,000 write units a second.

    A partition takes no more, so DynamoDB splits it. Each partition has one open shard; that is observed, but no page
    of AWS promises it. A table that is large, or was busier once, has more shards: more lanes, and so more capacity.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
    """
    return max(1, math.ceil(load.changes_per_second * work.write_units / PARTITION_WRITE_UNITS))


def cpu_seconds(changes: float, work: Work, setting: Setting, assumptions: Assumptions) -> float:
    """Return the CPU time of an invocation with the function's memory.

    More than a whole vCPU does not help: Python uses CPU in one thread at a time.
    """
    share = min(1.0, setting.memory_megabytes / VCPU_MEGABYTES)
    return (work.us_per_invocation + changes * work.us_per_change) / MILLION / share / assumptions.speed


def waiting_seconds(changes: float, work: Work, setting: Setting, assumptions: Assumptions) -> float:
    """Return how long an invocation waits for Kinesis, as if it did nothing else meanwhile."""
    requests = max(math.ceil(changes / REQUEST_RECORDS), math.ceil(changes * work.row_bytes / REQUEST_BYTES))
    return assumptions.request_seconds * max(1.0, requests / assumptions.concurrency(setting.kinesis_shards))


def invocation_seconds(changes: float, work: Work, setting: Setting, assumptions: Assumptions) -> float:
    """Return the wall time of an invocation."""
    return cpu_seconds(changes, work, setting, assumptions) + waiting_seconds(changes, work, setting, assumptions)


def largest_batch(work: Work, setting: Setting) -> int:
    """Return how many changes a batch has at most: the batch size, or what fits an event."""
    return max(1, min(setting.batch_size, math.floor(EVENT_BYTES / work.event_bytes)))


def lane_of(changes_per_second: float, work: Work, setting: Setting, assumptions: Assumptions) -> Lane:
    """Compute a lane that gets changes at random, at that rate.

    While it is invoked, changes gather. When it is free, Lambda polls immediately and, if it finds none, at its own
    pace. The window opens with the poll that finds some, and closes after its time or with a full batch.
    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#dynamodb-polling-and-batching
    """
    rate, window, poll = changes_per_second, setting.window_seconds, 1 / assumptions.polls_per_second
    most = largest_batch(work, setting)
    full = invocation_seconds(most, work, setting, assumptions)
    batch, seconds, first, idle = 1.0, 0.0, 1.0, 0.0
    for _ in range(_ROUNDS):
        seconds = invocation_seconds(batch, work, setting, assumptions)
        idle = math.exp(-rate * seconds)  # the probability that nothing has arrived when it is free again
        first = rate * poll / -math.expm1(-rate * poll)  # changes that a poll finds, if it finds any
        before, batch = batch, min(most, rate * (seconds + window) + idle * first)
        if batch == most or abs(batch - before) <= _EXACT * batch:
            break
    seconds = invocation_seconds(batch, work, setting, assumptions)
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
        cpu_share=cpu_seconds(most, work, setting, assumptions) / full,
        lag=Lag(
            window=waits, lambda_poll=polls, invocation=seconds, pinot_poll=1 / assumptions.pinot_polls_per_second / 2
        ),
    )


_ROUNDS: Final = 10_000
_EXACT: Final = 1e-9


def estimate(load: Load, work: Work, setting: Setting, assumptions: Assumptions, prices: Prices = PRICES) -> Estimate:
    """Compute the estimate for a load."""
    total, hot = load.changes_per_second, load.hot_share * load.changes_per_second
    spread = total - hot
    lane = lane_of(spread / setting.lanes, work, setting, assumptions)
    hot_lane = lane_of(hot + spread / setting.lanes, work, setting, assumptions) if hot else lane
    lanes = [(lane, setting.lanes - 1, spread / setting.lanes), (hot_lane, 1, hot + spread / setting.lanes)]
    invocations = sum(count * rate / each.batch for each, count, rate in lanes)
    gb_seconds = sum(count * rate / each.batch * _billed(each.seconds) for each, count, rate in lanes)
    gb_seconds *= setting.memory_megabytes / 1024 * MILLION / total
    concurrency = sum(count * each.busy for each, count, _ in lanes)
    stages = (
        *_before_lambda(hot, spread, work, setting, assumptions),
        _lanes(hot_lane, scales=setting.splits and not hot),
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


def _before_lambda(
    hot: float, spread: float, work: Work, setting: Setting, assumptions: Assumptions
) -> tuple[Stage, ...]:
    read = assumptions.polls_per_second * min(PAGE_RECORDS, PAGE_BYTES / work.stream_bytes)
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
            scales=setting.splits and not hot,
        ),
    )


def _lanes(lane: Lane, *, scales: bool) -> Stage:
    name, second = (LANES_CPU, "MemoryMegabytes") if lane.cpu_share >= _HALF else (LANES_WAIT, "BatchSize")
    return Stage(name=name, utilisation=lane.utilisation, remedy=f"ParallelizationFactor, then {second}", scales=scales)


_HALF: Final = 0.5


def _kinesis(hot: float, spread: float, work: Work, setting: Setting) -> tuple[Stage, ...]:
    rows = hot + spread / setting.kinesis_shards
    remedy = "a new stream with more shards"
    return (
        Stage(name=SHARD_RECORDS, utilisation=rows / SHARD_RECORDS_PER_SECOND, remedy=remedy),
        Stage(name=SHARD_BYTES, utilisation=rows * work.row_bytes / SHARD_BYTES_PER_SECOND, remedy=remedy),
    )
