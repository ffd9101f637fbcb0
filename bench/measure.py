"""Measure several ways of doing the same on a machine that is never quiet.

Contenders take turns, with one block each in every round, so that a slow machine slows all of them. A ratio is of two
blocks of the same round, and the median ratio is reported. Blocks count CPU time, which other processes affect only
through shared caches. The garbage collector works in every block as in Lambda, and starts each block clean; it ignores
the benchmark's own objects.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

Block: TypeAlias = Callable[[], Mapping[str, float]]  # does the work; measure -> value
Clock: TypeAlias = Callable[[], int]  # ns

_US: Final = 1_000  # ns
_CONFIDENCE: Final = 0.95
LEAST_SAMPLES: Final = 6  # all of five lie on one side of the true median once in sixteen times


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure: rounds, and the CPU seconds of a block. ``starts`` are the rounds of contenders that need
    their own process. ``batch`` limits ordinary batches, ``largest`` those that are large on purpose.
    """

    rounds: int
    seconds: float
    starts: int
    batch: int
    largest: int


FULL: Final = Effort(rounds=25, seconds=0.05, starts=11, batch=1_000, largest=10_000)
QUICK: Final = Effort(rounds=3, seconds=0.001, starts=1, batch=20, largest=1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A candidate's measured cost: one sample for each round. ``note`` says what a reader should know about it."""

    label: str
    samples: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One measure of several contenders, in rounds. Ratios are to ``baseline``, one of the contenders."""

    name: str
    what: str
    unit: str
    baseline: str
    contenders: Mapping[str, Contender]

    def ratios(self, name: str, baseline: str | None = None) -> tuple[float, ...]:
        """Return a contender's cost divided by another's (by default the baseline's), round by round."""
        mine, theirs = (self.contenders[each].samples for each in (name, baseline or self.baseline))
        return tuple(each / other for each, other in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A summary of samples: their number, median and quartiles, and the 95 % confidence interval of the true median."""

    count: int
    median: float
    q1: float
    q3: float
    low: float
    high: float

    @property
    def is_conclusive(self) -> bool:
        """Whether there are enough samples for such an interval. With fewer it spans them all, and is less certain."""
        return self.count >= LEAST_SAMPLES


def summarize(samples: Sequence[float]) -> Summary:
    """Summarize samples. The interval is between two ranks, so the distribution need not be normal."""
    ordered = sorted(samples)
    count = len(ordered)
    if count == 1:
        (only,) = ordered
        return Summary(count=count, median=only, q1=only, q3=only, low=only, high=only)
    q1, median, q3 = statistics.quantiles(ordered, n=4, method="inclusive")
    rank = _outer_rank(count)
    return Summary(count=count, median=median, q1=q1, q3=q3, low=ordered[rank], high=ordered[count - 1 - rank])


def _outer_rank(count: int) -> int:
    """Find the rank at which the interval begins; it ends at the mirrored rank, and has the required confidence.

    The true median is below the k-th of n samples as often as fewer than k of n coins show heads.
    """
    rank, outside = 0, 0.5**count
    while True:
        outside += math.comb(count, rank + 1) * 0.5**count
        if 2 * outside > 1 - _CONFIDENCE:
            return rank
        rank += 1


def round_order(names: Sequence[str], number: int) -> list[str]:
    """Return the order of a round: each starts with the next contender, and every other one is reversed."""
    start = number % len(names)
    order = [*names[start:], *names[:start]]
    return order[::-1] if number % 2 else order


class Heading(NamedTuple):
    """A race's name, description and unit."""

    name: str
    what: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to do the work, ready to run."""

    label: str
    block: Block
    note: str = ""


def race(
    candidates: Mapping[str, Candidate], headings: Mapping[str, Heading], *, baseline: str, rounds: int
) -> Iterator[Race]:
    """Run the candidates in rounds, after a warm-up; yield a race for each measure of the blocks.

    ``headings`` describes each measure.
    """
    samples: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    names = list(candidates)
    for candidate in candidates.values():
        candidate.block()
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            for name in round_order(names, number):
                for measure, value in candidates[name].block().items():
                    samples[measure, name].append(value)
    finally:
        gc.unfreeze()
    for measure, heading in headings.items():
        yield Race(
            name=heading.name,
            what=heading.what,
            unit=heading.unit,
            baseline=baseline,
            contenders={
                name: Contender(label=candidate.label, note=candidate.note, samples=tuple(samples[measure, name]))
                for name, candidate in candidates.items()
            },
        )


def cpu_block(work: Callable[[], object], *, units: int, seconds: float, clock: Clock = time.process_time_ns) -> Block:
    """Make a block that repeats the work for so many CPU seconds. It measures ``cpu``, in us for each unit of work.

    All threads of this process count, and no other process, so the server that responds does not.
    """
    repeats = 0

    def block() -> Mapping[str, float]:
        nonlocal repeats
        if not repeats:
            work()
            repeats = max(1, math.ceil(seconds * 1e9 / max(1, _spent(work, 1, clock))))
        gc.collect()
        return {"cpu": _spent(work, repeats, clock) / repeats / units / _US}

    return block


def _spent(work: Callable[[], object], repeats: int, clock: Clock) -> int:
    before = clock()
    for _ in range(repeats):
        work()
    return clock() - before
