"""Measuring several ways of doing the same on a machine that is never quiet.

Contenders run in turns, a block of each in every round, so that what slows the machine down slows all of them; a ratio
is of two blocks of the same round, and its median is what is told. Blocks count CPU time, which does not see what other
processes do, but for the caches that they share. The garbage collector works in every block as it does in Lambda, and
starts each one clean; what the benchmark itself holds is kept out of its sight.
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

Block: TypeAlias = Callable[[], Mapping[str, float]]  # does the work; what is measured -> how much of it
Clock: TypeAlias = Callable[[], int]  # ns

_US: Final = 1_000  # ns
_CONFIDENCE: Final = 0.95
LEAST_SAMPLES: Final = 6  # of five, all lie on one side of the true median once in sixteen times


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured: rounds, and the CPU seconds that a block is to take; ``starts`` are rounds of what needs a
    process of its own. ``batch`` bounds a batch; of those that are there to be large, ``largest`` does.
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
    """What one way of doing it cost: a sample a round. ``note`` says what is to be known about it."""

    label: str
    samples: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """One thing measured of several contenders, in rounds. Their ratios are to ``baseline``, one of them."""

    name: str
    what: str
    unit: str
    baseline: str
    contenders: Mapping[str, Contender]

    def ratios(self, name: str, baseline: str | None = None) -> tuple[float, ...]:
        """Give a contender's cost in that of another, the baseline if nothing else is said, round by round."""
        mine, theirs = (self.contenders[each].samples for each in (name, baseline or self.baseline))
        return tuple(each / other for each, other in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Samples in short: how many, the median, the quartiles, and the interval that holds the true median with 95 %."""

    count: int
    median: float
    q1: float
    q3: float
    low: float
    high: float

    @property
    def is_telling(self) -> bool:
        """Tell whether there are enough samples for such an interval; of fewer it is all of them, and less sure."""
        return self.count >= LEAST_SAMPLES


def summarize(samples: Sequence[float]) -> Summary:
    """Sum samples up. The interval is between two ranks, so nothing needs to be normal."""
    ordered = sorted(samples)
    count = len(ordered)
    if count == 1:
        (only,) = ordered
        return Summary(count=count, median=only, q1=only, q3=only, low=only, high=only)
    q1, median, q3 = statistics.quantiles(ordered, n=4, method="inclusive")
    rank = _outer_rank(count)
    return Summary(count=count, median=median, q1=q1, q3=q3, low=ordered[rank], high=ordered[count - 1 - rank])


def _outer_rank(count: int) -> int:
    """Find the rank from which, to its mirror image, the true median stands with the confidence that is wanted.

    It stands below the k-th of n samples as often as fewer than k of n coins show heads.
    """
    rank, outside = 0, 0.5**count
    while True:
        outside += math.comb(count, rank + 1) * 0.5**count
        if 2 * outside > 1 - _CONFIDENCE:
            return rank
        rank += 1


def turns(names: Sequence[str], number: int) -> list[str]:
    """Give the order of a round: another one first each time, and every other time backwards."""
    start = number % len(names)
    order = [*names[start:], *names[:start]]
    return order[::-1] if number % 2 else order


class Heading(NamedTuple):
    """What a race is about."""

    name: str
    what: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of doing it, ready to run."""

    label: str
    block: Block
    note: str = ""


def race(ways: Mapping[str, Way], headings: Mapping[str, Heading], *, baseline: str, rounds: int) -> Iterator[Race]:
    """Run the ways in rounds, after one that does not count; give a race for each of what the blocks measure.

    ``headings`` says what each of those is.
    """
    samples: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    names = list(ways)
    for way in ways.values():
        way.block()
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            for name in turns(names, number):
                for measure, value in ways[name].block().items():
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
                name: Contender(label=way.label, note=way.note, samples=tuple(samples[measure, name]))
                for name, way in ways.items()
            },
        )


def cpu_block(work: Callable[[], object], *, units: int, seconds: float, clock: Clock = time.process_time_ns) -> Block:
    """Make a block of some work, repeated to take so many CPU seconds; it measures ``cpu``, in us a unit of the work.

    All of this process' threads count, and no other process: not the server that answers.
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
