"""Several PutRecords requests in flight at once, while the rows of the next ones are still being made.

Entries are taken one by one, in order, and cut into chunks of one request each. A thread of its own publishes each
chunk as :mod:`publisher.order` does, until every key in it is settled. A key is in at most one chunk in flight: its
later entries wait until that chunk is done, so the order of a key is kept. The number of chunks in flight and of
entries that wait is bounded, and no entry is taken beyond that: memory does not grow with the batch.

The number of chunks in flight follows the stream. The maximum is the number of its shards, since that is how many
requests it can process in parallel. It is halved after a chunk that was throttled, and grows by one after each round
without throttling.
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

MAX_IN_FLIGHT: Final = 8  # more than the function's CPU can feed
ASSUMED_SHARDS: Final = 2  # of a stream before its first response
MAX_WAITING: Final = 4  # entries that wait for their keys, in requests' worth

Start: TypeAlias = Callable[[Callable[[], Published]], "Future[Published]"]
Wait: TypeAlias = Callable[[Collection["Future[Published]"]], Collection["Future[Published]"]]  # until one is done

_THROTTLED: Final = frozenset(
    {"ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """What publishes chunks concurrently: ``start`` starts one, ``wait`` waits until one of several is done."""

    start: Start
    wait: Wait


def worker_threads() -> Workers:
    """Make the worker threads of one stream, to be kept from batch to batch."""
    pool = ThreadPoolExecutor(max_workers=MAX_IN_FLIGHT)
    return Workers(start=pool.submit, wait=lambda running: wait(running, return_when=FIRST_COMPLETED).done)


def publish_concurrently(
    entries: Iterable[Entry],
    send: Send,
    workers: Workers,
    *,
    shards: Callable[[], int],
    remaining: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
    limits: Limits = DEFAULT_LIMITS,
    backoff: Backoff = DEFAULT_BACKOFF,
) -> Published:
    """Publish entries, given in the order of their changes, until all are settled or the time is up.

    ``send`` is called by several threads. ``shards`` returns how many shards of the stream have been seen so far, 0
    before the first response. The other arguments are those of :func:`publisher.order.publish`. An exception of
    ``send``, or of making an entry, is raised only when no request is in flight any more. So no request of this batch
    can be processed after one of the next batch.
    """
    publish_chunk = partial(
        publish, send=send, remaining=remaining, sleep=sleep, jitter=jitter, limits=limits, backoff=backoff
    )
    batch = _Batch(publish_chunk, workers, shards, remaining, limits)
    try:
        for entry in entries:
            batch.add(entry)
            if batch.is_stopped:
                break
        return batch.finish()
    finally:
        batch.wait_for_all()


class _Batch:
    """The state of a batch while it is published. Only the thread that takes the entries uses it."""

    def __init__(
        self,
        publish_chunk: Callable[..., Published],
        workers: Workers,
        shards: Callable[[], int],
        remaining: Callable[[], float],
        limits: Limits,
    ) -> None:
        self.is_stopped = False
        self._publish_chunk = publish_chunk
        self._workers = workers
        self._shards = shards
        self._remaining = remaining
        self._limits = limits
        self._max_waiting = limits.records * MAX_WAITING
        self._chunk: list[Entry] = []
        self._size = 0
        self._running: dict[Future[Published], list[Entry]] = {}
        self._blocked: dict[str, list[Entry] | None] = {}  # a key in flight -> its entries that wait, if any
        self._waiting = 0
        self._concurrency: float | None = None  # how many chunks may be in flight; None until one was throttled
        self._has_started = False
        self._unpublished: list[int] = []
        self._resent = 0
        self._errors: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Add the next entry; wait while too much is in flight."""
        key, size = entry.key, entry.size
        if key not in self._blocked:
            if not self._chunk or (len(self._chunk) < self._limits.records and self._size + size <= self._limits.bytes):
                self._chunk.append(entry)
                self._size += size
                return
            self._start_chunk()
        if self.is_stopped:
            self._unpublished.append(entry.position)
        elif key in self._blocked:
            waiting = self._blocked[key]
            if waiting is None:
                waiting = self._blocked[key] = []
            waiting.append(entry)
            self._waiting += 1
            while self._waiting >= self._max_waiting and not self.is_stopped:
                self._wait()
        else:
            self._chunk.append(entry)
            self._size += size

    def finish(self) -> Published:
        """Publish all that was added, and return how it ended."""
        while self._running or (self._chunk and not self.is_stopped):
            if not self._running:  # this thread has nothing else to do, and a small batch needs no other
                _, work = self._cut_chunk()
                self._record(work())
                continue
            if self._chunk:
                self._start_chunk()
            if self._running:
                self._wait()
        self._unpublished += [entry.position for entry in self._chunk]
        self._unpublished += [entry.position for waiting in self._blocked.values() for entry in waiting or ()]
        return Published(
            first_unpublished=min(self._unpublished, default=None), resent=self._resent, errors=dict(self._errors)
        )

    def wait_for_all(self) -> None:
        """Wait until nothing is in flight, whatever the results are."""
        while self._running:
            for done in self._workers.wait(self._running):
                del self._running[done]

    def _start_chunk(self) -> None:
        """Start to publish the chunk, as soon as one more may be in flight."""
        while len(self._running) >= self._max_in_flight():
            self._wait()
        if self.is_stopped or (self._has_started and self._remaining() <= 0):
            self.is_stopped = True
            return
        self._blocked.update(dict.fromkeys([entry.key for entry in self._chunk]))
        chunk, work = self._cut_chunk()
        self._running[self._workers.start(work)] = chunk

    def _cut_chunk(self) -> tuple[list[Entry], Callable[[], Published]]:
        """Begin a new chunk; return the old one and the call that publishes it."""
        chunk, self._chunk, self._size = self._chunk, [], 0
        is_first, self._has_started = not self._has_started, True
        return chunk, partial(self._publish_chunk, chunk, always_send_first=is_first)

    def _max_in_flight(self) -> int:
        most = min(self._shards() or ASSUMED_SHARDS, MAX_IN_FLIGHT)
        return most if self._concurrency is None else min(int(self._concurrency), most)

    def _wait(self) -> None:
        """Wait until at least one chunk is done, record its result and release its keys."""
        for done in self._workers.wait(self._running):
            chunk = self._running.pop(done)
            self._record(done.result())
            for entry in chunk:
                released = self._blocked.pop(entry.key, None)
                if released:
                    self._waiting -= len(released)
                    self._chunk += released
                    self._size += sum(each.size for each in released)

    def _record(self, published: Published) -> None:
        self._resent += published.resent
        self._errors.update(published.errors)
        if published.first_unpublished is not None:
            self._unpublished.append(published.first_unpublished)
            self.is_stopped = True
        if not _THROTTLED.isdisjoint(published.errors):
            self._concurrency = max(1.0, (len(self._running) + 1) / 2)
        elif self._concurrency is not None:
            self._concurrency += 1 / self._concurrency
