"""How fast a worker may read and write. Pure but for the clock and the sleep that it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pinot.table import Target

# What a shard takes in a second, from all of its writers together.
# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_ROWS: Final = 1_000
SHARD_BYTES: Final = 1024 * 1024

SLOWEST: Final = 1 / 64  # of the rate, however often a shard rejects
RAISE: Final = 1.05  # of the rate, after each second without a rejection


class Size(NamedTuple):
    """What was sent to a stream."""

    rows: int
    bytes: int


class Budget:
    """Keeps what is spent below a rate a second, over any time longer than a request."""

    def __init__(self, per_second: float, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._paid_until = clock()

    def wait(self) -> None:
        """Sleep until what was spent is paid."""
        delay = self._paid_until - self._clock()
        if delay > 0:
            self._sleep(delay)

    def spend(self, amount: float) -> None:
        """Note what a request cost."""
        self._paid_until = max(self._paid_until, self._clock()) + amount / self.per_second


class StreamPace:
    """A worker's part of a share of each stream's capacity. It is halved at once when a shard rejects a row.

    After that it rises by a twentieth for each second without a rejection. ``shards`` has the number of open shards of
    each stream. With several streams, the one that is used most decides.
    """

    def __init__(
        self,
        shards: Mapping[Target, int],
        *,
        workers: int,
        share: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.share = share
        self._shards = shards
        self._workers = workers
        self._clock = clock
        self._budget = Budget(1.0, clock=clock, sleep=sleep)  # of seconds: what a request costs at the full rate
        self._rate = 1.0  # of the full rate
        self._raised = clock()

    @property
    def rows_per_second(self) -> float:
        """How many small rows it sends in a second at most, at its present rate."""
        return min(self._shards.values()) * SHARD_ROWS * self.share * self._rate / self._workers

    def wait(self) -> None:
        """Sleep until the next rows may be sent."""
        self._budget.wait()

    def note(self, sent: Mapping[Target, Size], *, is_rejected: bool) -> None:
        """Note what was sent, and whether a shard rejected any of it."""
        shard_seconds = (
            max(size.rows / SHARD_ROWS, size.bytes / SHARD_BYTES) / self._shards[target]
            for target, size in sent.items()
        )
        now = self._clock()
        if is_rejected:
            self._rate = max(SLOWEST, self._rate / 2)
            self._raised = now
        else:
            seconds = int(now - self._raised)
            self._rate = min(1.0, self._rate * RAISE**seconds)
            self._raised += seconds
        self._budget.spend(max(shard_seconds, default=0.0) * self._workers / self.share / self._rate)
