"""Several requests under way at once, while the rows of the next ones are still being made.

Entries are taken one by one as they come, in order, and cut into chunks of one request each. A chunk is settled key by
key as :mod:`publisher.order` does it, in a thread of its own; a key that is in a chunk under way is in no other, so
that its order stays what it was: its later entries wait until the chunk is settled. What is under way, and what waits,
is bounded, and nothing is taken beyond that: memory does not grow with the batch.

How many chunks may be under way follows the stream: as many as it has shards, since that is how many requests it can
work at, half as many after a chunk that was throttled, and one more after each round without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from publisher.entry import Entry
from publisher.order import DEFAULT_BACKOFF, DEFAULT_LIMITS, Backoff, Limits, Published, Send, publish

MAX_UNDER_WAY: Final = 8  # more than the function's CPU can feed
UNKNOWN_SHARDS: Final = 2  # what a stream is taken to have before its first answer
MAX_WAITING: Final = 4  # requests' worth of entries that may wait for their keys

Start: TypeAlias = Callable[[Callable[[], Published]], "Future[Published]"]
Wait: TypeAlias = Callable[[Collection["Future[Published]"]], Collection["Future[Published]"]]  # until one is done

_THROTTLED: Final = frozenset(
    {"ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """Where chunks are worked at: how one is started, and what waits until one of some is done."""

    start: Start
    wait: Wait


def threads() -> Lanes:
    """Make threads for one stream, to be kept from batch to batch."""
    pool = ThreadPoolExecutor(max_workers=MAX_UNDER_WAY)
    return Lanes(start=pool.submit, wait=lambda running: wait(running, return_when=FIRST_COMPLETED).done)


def publish_in_lanes(
    entries: Iterable[Entry],
    send: Send,
    lanes: Lanes,
    *,
    shards: Callable[[], int],
    remaining: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
    limits: Limits = DEFAULT_LIMITS,
    backoff: Backoff = DEFAULT_BACKOFF,
) -> Published:
    """Publish entries, given in the order of their changes, until all are settled or the time is up.

    ``send`` is called by several threads. ``shards`` tells how many shards the stream has been seen to have, 0 if that
    is not known yet; the rest is as for :func:`publisher.order.publish`. What ``send``, or making an entry, raises goes
    through once nothing is under way any more, so that no request of this batch can come after one of the next.
    """
    settle = partial(
        publish, send=send, remaining=remaining, sleep=sleep, jitter=jitter, limits=limits, backoff=backoff
    )
    batch = _Batch(settle, lanes, shards, remaining, limits)
    try:
        for entry in entries:
            batch.take(entry)
            if batch.is_over:
                break
        return batch.finish()
    finally:
        batch.wait_for_all()


class _Batch:
    """What has become of a batch so far. Only the thread that takes the entries touches it."""

    def __init__(
        self,
        settle: Callable[..., Published],
        lanes: Lanes,
        shards: Callable[[], int],
        remaining: Callable[[], float],
        limits: Limits,
    ) -> None:
        self.is_over = False
        self._settle = settle
        self._lanes = lanes
        self._shards = shards
        self._remaining = remaining
        self._limits = limits
        self._most = limits.records * MAX_WAITING
        self._chunk: list[Entry] = []
        self._size = 0
        self._running: dict[Future[Published], list[Entry]] = {}
        self._held: dict[str, list[Entry] | None] = {}  # a key under way -> its entries that wait for it, if any
        self._waiting = 0
        self._width: float | None = None  # how many chunks may be under way; None until one was throttled
        self._started = False
        self._unpublished: list[int] = []
        self._resent = 0
        self._errors: Counter[str] = Counter()

    def take(self, entry: Entry) -> None:
        """Take the next entry; waits where too much is under way."""
        key, size = entry.key, entry.size
        if key not in self._held:
            if not self._chunk or (len(self._chunk) < self._limits.records and self._size + size <= self._limits.bytes):
                self._chunk.append(entry)
                self._size += size
                return
            self._start_chunk()
        if self.is_over:
            self._unpublished.append(entry.position)
        elif key in self._held:
            waiting = self._held[key]
            if waiting is None:
                waiting = self._held[key] = []
            waiting.append(entry)
            self._waiting += 1
            while self._waiting >= self._most and not self.is_over:
                self._wait()
        else:
            self._chunk.append(entry)
            self._size += size

    def finish(self) -> Published:
        """Settle what has been taken, and tell how it ended."""
        while self._running or (self._chunk and not self.is_over):
            if not self._running:  # this thread has nothing else to do, and a small batch needs no other
                _, settle = self._cut()
                self._note(settle())
                continue
            if self._chunk:
                self._start_chunk()
            if self._running:
                self._wait()
        self._unpublished += [entry.position for entry in self._chunk]
        self._unpublished += [entry.position for waiting in self._held.values() for entry in waiting or ()]
        return Published(
            first_unpublished=min(self._unpublished, default=None), resent=self._resent, errors=dict(self._errors)
        )

    def wait_for_all(self) -> None:
        """Wait until nothing is under way, whatever comes of it."""
        while self._running:
            for done in self._lanes.wait(self._running):
                del self._running[done]

    def _start_chunk(self) -> None:
        """Send the chunk on its way, as soon as there is room."""
        while len(self._running) >= self._room():
            self._wait()
        if self.is_over or (self._started and self._remaining() <= 0):
            self.is_over = True
            return
        self._held.update(dict.fromkeys([entry.key for entry in self._chunk]))
        chunk, settle = self._cut()
        self._running[self._lanes.start(settle)] = chunk

    def _cut(self) -> tuple[list[Entry], Callable[[], Published]]:
        """Cut the chunk off; give it, and what settles it."""
        chunk, self._chunk, self._size = self._chunk, [], 0
        must_begin, self._started = not self._started, True
        return chunk, partial(self._settle, chunk, must_begin=must_begin)

    def _room(self) -> int:
        most = min(self._shards() or UNKNOWN_SHARDS, MAX_UNDER_WAY)
        return most if self._width is None else min(int(self._width), most)

    def _wait(self) -> None:
        """Wait until some chunk is done, and take stock of what is."""
        for done in self._lanes.wait(self._running):
            chunk = self._running.pop(done)
            self._note(done.result())
            for entry in chunk:
                freed = self._held.pop(entry.key, None)
                if freed:
                    self._waiting -= len(freed)
                    self._chunk += freed
                    self._size += sum(each.size for each in freed)

    def _note(self, published: Published) -> None:
        self._resent += published.resent
        self._errors.update(published.errors)
        if published.first_unpublished is not None:
            self._unpublished.append(published.first_unpublished)
            self.is_over = True
        if not _THROTTLED.isdisjoint(published.errors):
            self._width = max(1.0, (len(self._running) + 1) / 2)
        elif self._width is not None:
            self._width += 1 / self._width
