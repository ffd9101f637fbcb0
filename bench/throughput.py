"""Throughput by shards: how long publishing takes with the latency and the limits of Kinesis.

It measures wall time, not CPU: the time is spent waiting. The stream is simulated in this process.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from threading import Lock
from typing import Final

from bench.alternatives import FIRST, OURS
from bench.client import MAX_RECORDS
from bench.decode import tables_of
from bench.measure import Candidate, Effort, Heading, Race, race
from bench.product import decode, publish_to
from bench.shapes import SEED
from dynapinot.init.capacity import SHARD_BYTES, SHARD_RECORDS
from publisher.entry import Entry
from publisher.order import Outcome

SUITE: Final = "throughput"
LATENCY_SECONDS: Final = 0.02
SHARDS: Final = (1, 2, 4, 8, 16)

SHARD_RECORDS_PER_SECOND: Final = SHARD_RECORDS
SHARD_BYTES_PER_SECOND: Final = SHARD_BYTES

_THROTTLED: Final = "ProvisionedThroughputExceededException"
_PAUSE_SECONDS: Final = 0.1


@dataclass(slots=True, kw_only=True)
class Allowance:
    """What a shard accepts at the moment: its limits for each second, saved up for at most one second."""

    records: float = SHARD_RECORDS_PER_SECOND
    bytes: float = SHARD_BYTES_PER_SECOND
    at: float = 0.0

    def take(self, size: int, now: float) -> bool:
        """Accept a record of that size if the limits allow it at the time ``now``, in seconds."""
        passed, self.at = now - self.at, now
        self.records = min(SHARD_RECORDS_PER_SECOND, self.records + passed * SHARD_RECORDS_PER_SECOND)
        self.bytes = min(SHARD_BYTES_PER_SECOND, self.bytes + passed * SHARD_BYTES_PER_SECOND)
        if self.records < 1 or self.bytes < size:
            return False
        self.records -= 1
        self.bytes -= size
        return True


@dataclass(slots=True, kw_only=True)
class Stream:
    """A stream that responds after ``latency`` seconds. Any number of threads may send at once.

    A ``limited`` stream accepts no more than its shards do, and rejects the rest.
    """

    shards: int
    latency: float = LATENCY_SECONDS
    limited: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    requests: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _lock: Lock = field(default_factory=Lock)
    _allowances: list[Allowance] = field(default_factory=list)

    def shard_of(self, key: str) -> int:
        """Return the shard of a partition key: shards share the MD5 hashes evenly, as in a new stream."""
        digest = hashlib.md5(key.encode(), usedforsecurity=False).digest()
        return int.from_bytes(digest) * self.shards >> 128

    def send(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Process a PutRecords request: return a sequence number or an error code for each entry."""
        self.sleep(self.latency)
        with self._lock:
            self.requests += 1
            if not self.limited:
                return list(islice(self._numbers, len(entries)))
            now = self.clock()
            if not self._allowances:
                self._allowances = [Allowance(at=now) for _ in range(self.shards)]
            return [
                next(self._numbers) if self._allowances[self.shard_of(entry.key)].take(entry.size, now) else _THROTTLED
                for entry in entries
            ]


def names() -> list[str]:
    """List the races."""
    return [f"{SUITE}/{shards}" for shards in SHARDS]


def races(effort: Effort, selected: Collection[str], *, limited: bool = False) -> Iterator[Race]:
    """Publish rows of the seed to simulated streams; ``limited`` ones keep to the limits of their shards."""
    shards = [each for each in SHARDS if f"{SUITE}/{each}" in selected]
    if not shards:
        return
    entries = decode(SEED.records(effort.largest), tables_of(SEED))
    for each in shards:
        candidates = {
            FIRST: Candidate(
                label="one request after the other", block=partial(_clocked, one_by_one, entries, each, limited)
            ),
            OURS: Candidate(label="dynapinot", block=partial(_clocked, publish_to, entries, each, limited)),
        }
        what = f"{len(entries):,} rows over {each} shard{'s' * (each > 1)}, {LATENCY_SECONDS * 1000:.0f} ms a request"
        heading = Heading(f"{SUITE}/{each}", what + (", within the shards' limits" if limited else ""), "ms wall")
        yield from race(candidates, {"wall": heading}, baseline=FIRST, rounds=effort.starts)


def one_by_one(stream: Stream, entries: Sequence[Entry]) -> None:
    """Publish in a loop: send a request, resend its rejected records after a pause, then send the next one."""
    for start in range(0, len(entries), MAX_RECORDS):
        pending: Sequence[Entry] = entries[start : start + MAX_RECORDS]
        while pending:
            outcomes = stream.send(pending)
            pending = [entry for entry, outcome in zip(pending, outcomes, strict=True) if isinstance(outcome, str)]
            if pending:
                stream.sleep(_PAUSE_SECONDS)


def _clocked(
    publish: Callable[[Stream, Sequence[Entry]], None],
    entries: Sequence[Entry],
    shards: int,
    limited: bool,  # noqa: FBT001
) -> Mapping[str, float]:
    stream = Stream(shards=shards, limited=limited)
    began = time.monotonic()
    publish(stream, entries)
    return {"wall": (time.monotonic() - began) * 1_000}
