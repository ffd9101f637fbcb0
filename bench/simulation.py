"""A simulation of the model's stages, change by change, to check the model's averages.

Changes arrive as a Poisson process. Their items are hashed to a stream shard, a lane and a Kinesis shard. A lane
gathers a batch as an event source mapping does, is invoked for as long as the model says, then puts its rows. A Kinesis
shard takes what its allowance has; rejected rows are sent again after a pause, while the lane waits. Pinot polls each
shard at its own pace, independently of the puts, so a row waits for a random part of a poll. The simulation leaves out
errors, cold starts, changes of shards, and how fast DynamoDB Streams can be read.
"""

from __future__ import annotations

import heapq
import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final

from bench.model import Assumptions, Load, Setting, Work, invocation_seconds, largest_batch
from bench.throughput import Allowance

ITEMS: Final = 1_000  # the least items of a lane, or of a Kinesis shard, besides the hot one
GROWS: Final = 0.1  # seconds of lag a second; less may be chance

_PAUSE_SECONDS: Final = 0.1  # before rejected rows are sent again
_EXACT: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The result, without the first quarter of the time, in which everything begins empty.

    ``median_lag`` and ``mean_lag`` are of all changes, in seconds. ``busy`` is the share of time that the busiest lane
    was invoked, ``shard_records`` the most rows a second that a Kinesis shard took, ``rejected`` how many it did not
    take at first. ``growth`` is by how many seconds the lag of the worst lane grew in each second.
    """

    changes: int
    batch: float
    median_lag: float
    mean_lag: float
    busy: float
    shard_records: float
    rejected: int
    growth: float

    @property
    def keeps_up(self) -> bool:
        """Whether the lag did not grow."""
        return self.growth < GROWS


@dataclass(slots=True)
class _Lane:
    """A lane: its changes by their arrival times, with the Kinesis shard of each, and its progress."""

    times: list[float] = field(default_factory=list)
    shards: list[int] = field(default_factory=list)
    taken: int = 0
    window_opened: float | None = None
    batches: list[int] = field(default_factory=list)
    invoked: list[tuple[float, float]] = field(default_factory=list)  # from, to
    lags: list[float] = field(default_factory=list)  # in the order of times, but for rejected rows


def simulate(
    load: Load, work: Work, setting: Setting, assumptions: Assumptions, *, seconds: float, seed: int
) -> Simulated:
    """Simulate so many seconds of changes, and continue until all are in Pinot. The same seed gives the same result."""
    random = Random(seed)
    lanes = _arrivals(load, setting, seconds, random)
    return _Simulation(work, setting, assumptions, lanes, random).run(seconds)


def _arrivals(load: Load, setting: Setting, seconds: float, random: Random) -> list[_Lane]:
    lanes = [_Lane() for _ in range(setting.lanes)]
    items = ITEMS * max(setting.lanes, setting.kinesis_shards)
    places = [(random.randrange(setting.lanes), random.randrange(setting.kinesis_shards)) for _ in range(items + 1)]
    now = random.expovariate(load.changes_per_second)
    while now < seconds:
        lane, shard = places[items if random.random() < load.hot_share else random.randrange(items)]
        lanes[lane].times.append(now)
        lanes[lane].shards.append(shard)
        now += random.expovariate(load.changes_per_second)
    return lanes


class _Simulation:
    """A running simulation. Its events are in the order of time: a lane polls, or puts rows."""

    def __init__(
        self, work: Work, setting: Setting, assumptions: Assumptions, lanes: Sequence[_Lane], random: Random
    ) -> None:
        self._work, self._setting, self._assumptions, self._lanes, self._random = (
            work,
            setting,
            assumptions,
            lanes,
            random,
        )
        self._most = largest_batch(work, setting)
        self._poll, self._pinot_poll = 1 / assumptions.polls_per_second, 1 / assumptions.pinot_polls_per_second
        self._allowances = [Allowance() for _ in range(setting.kinesis_shards)]
        self._came: list[list[float]] = [[] for _ in range(setting.kinesis_shards)]
        self._rejected = 0
        self._order = count()
        # The time, the order among events of one time, the lane, and the rows to put (None for a poll).
        self._events: list[tuple[float, int, _Lane, list[int] | None]] = []
        for lane in lanes:
            self._schedule(random.random() * self._poll, lane, None)

    def _schedule(self, time: float, lane: _Lane, rows: list[int] | None) -> None:
        heapq.heappush(self._events, (time, next(self._order), lane, rows))

    def run(self, seconds: float) -> Simulated:
        """Process all events."""
        while self._events:
            now, _, lane, rows = heapq.heappop(self._events)
            if rows is None:
                self._gather(lane, now)
            else:
                self._put(lane, now, rows)
        return self._sum_up(seconds)

    def _gather(self, lane: _Lane, now: float) -> None:
        waiting = bisect_right(lane.times, now, lo=lane.taken) - lane.taken
        if not waiting:
            lane.window_opened = None
            if lane.taken < len(lane.times):  # all polls until the next change find nothing
                polls = max(1, math.ceil((lane.times[lane.taken] - now) / self._poll))
                self._schedule(now + polls * self._poll, lane, None)
            return
        if lane.window_opened is None:
            lane.window_opened = now
        closes = lane.window_opened + self._setting.window_seconds
        if waiting < self._most and now < closes - _EXACT:
            self._schedule(min(now + self._poll, closes), lane, None)
            return
        batch = min(waiting, self._most)
        rows = list(range(lane.taken, lane.taken + batch))
        lane.taken += batch
        lane.window_opened = None
        lane.batches.append(batch)
        ends = now + invocation_seconds(batch, self._work, self._setting, self._assumptions)
        lane.invoked.append((now, ends))
        self._schedule(ends, lane, rows)

    def _put(self, lane: _Lane, now: float, rows: list[int]) -> None:
        rejected = []
        seen = [now + self._random.random() * self._pinot_poll for _ in self._allowances]
        for row in rows:
            shard = lane.shards[row]
            if self._allowances[shard].take(math.ceil(self._work.row_bytes), now):
                self._came[shard].append(now)
                lane.lags.append(seen[shard] - lane.times[row])
            else:
                rejected.append(row)
        if rejected:
            self._rejected += len(rejected)
            lane.invoked.append((now, now + _PAUSE_SECONDS))
            self._schedule(now + _PAUSE_SECONDS, lane, rejected)
        else:
            self._schedule(now, lane, None)

    def _sum_up(self, seconds: float) -> Simulated:
        start = seconds / 4
        lags = [lag for lane in self._lanes for lag in lane.lags[bisect_right(lane.times, start) :]]
        return Simulated(
            changes=sum(len(lane.times) for lane in self._lanes),
            batch=statistics.fmean(size for lane in self._lanes for size in lane.batches),
            median_lag=statistics.median(lags),
            mean_lag=statistics.fmean(lags),
            busy=max(_between(lane.invoked, start, seconds) for lane in self._lanes) / (seconds - start),
            shard_records=max(sum(start < time <= seconds for time in times) for times in self._came)
            / (seconds - start),
            rejected=self._rejected,
            growth=max(_growth(lane, seconds) for lane in self._lanes),
        )


def _between(spans: Sequence[tuple[float, float]], start: float, end: float) -> float:
    return sum(max(0.0, min(until, end) - max(since, start)) for since, until in spans)


def _growth(lane: _Lane, seconds: float) -> float:
    """Compare the lag of the last quarter's changes with the second quarter's, which is half the time earlier."""
    second, third, last = (bisect_right(lane.times, seconds * part / 4) for part in (1, 2, 3))
    if second == third or last == len(lane.lags):
        return 0.0
    return (statistics.fmean(lane.lags[last:]) - statistics.fmean(lane.lags[second:third])) / (seconds / 2)
