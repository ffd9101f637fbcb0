"""The event source mapping between a DynamoDB stream and a function, for one shard.

Pure except for the callables it gets, so that it polls a stream as well as a list, by a real clock or a fake one.
What AWS documents is modelled as it is written; where AWS is silent the stricter reading is, and says so.

Polling, batches, parallel batches: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
Settings and their defaults: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
Responses and checkpoints: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
Retries, and records given up: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, TypeAlias

from dynapinot.local.failure import Condition, Names, Record, created, failure_document, sequence_number

Read: TypeAlias = Callable[
    [str | None, int], Sequence[Record]
]  # the records behind a sequence number (None: the oldest), at most so many, in order
Invoke: TypeAlias = Callable[[dict[str, Any]], object]  # event in, response out; whatever it raises is a function error

NO_LIMIT: Final = -1
PAYLOAD_LIMIT_BYTES: Final = 6 * 1024 * 1024
POLL_SECONDS: Final = 0.25  # "4 times per second"
RETRY_SECONDS: Final = 0.25  # AWS waits longer from one retry to the next, and does not say how long


class ResponseError(ValueError):
    """A response that reports something which is no record of the batch: the whole batch counts as failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of an event source mapping, in seconds and records; the defaults are AWS's."""

    batch_size: int = 100
    maximum_batching_window: float = 0
    parallelization_factor: int = 1
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = NO_LIMIT
    maximum_record_age: float = NO_LIMIT
    report_batch_item_failures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    records: Sequence[Record]
    retries: int = 0
    invocations: int = 0


def first_failure(response: object, records: Sequence[Record]) -> int | None:
    """Find the place in the batch from which everything is retried, None if all of it is done.

    An empty or null response and an empty or null list are a success; of several numbers the lowest counts. Raises
    ResponseError for an empty, null or misnamed identifier, and for one that is not in the batch.
    """
    if not response:
        return None
    if not isinstance(response, Mapping):
        raise ResponseError("the response is no object")
    failures = response.get("batchItemFailures")
    if not failures:
        return None
    if not isinstance(failures, list):
        raise ResponseError("batchItemFailures is no list")
    places = {sequence_number(record): place for place, record in enumerate(records)}
    reported = []
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, Mapping) else None
        if not isinstance(identifier, str) or identifier not in places:
            raise ResponseError(f"the item {identifier!r} is not in the batch")
        reported.append(identifier)
    return places[min(reported, key=int)]


class EventSource:
    """The mapping of one shard to a function.

    Everything up to ``checkpoint`` is done with or given up: it is where another poller goes on. ``position`` is the
    last record that was read. Each :meth:`step` makes at most one invocation; ``pick`` says which of the parallel
    batches it is, by its place among so many, so that a test can interleave them as it likes.
    """

    def __init__(
        self,
        read: Read,
        invoke: Invoke,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        on_failure: Callable[[dict[str, Any]], None] | None = None,
        settings: Settings | None = None,
        names: Names | None = None,
        pick: Callable[[int], int] = lambda _: 0,
        checkpoint: str | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.position = checkpoint
        self._read = read
        self._invoke = invoke
        self._clock = clock
        self._sleep = sleep
        self._on_failure = on_failure
        self._settings = settings or Settings()
        self._names = names or Names()
        self._pick = pick
        self._queues: list[deque[_Batch]] = []  # those with something to do; parallel batches in turn
        self._unsettled: deque[str] = deque()  # sequence numbers behind the checkpoint, in order
        self._settled: set[str] = set()  # those of them that are done with

    @property
    def pending(self) -> tuple[str, ...]:
        """List the sequence numbers that were read and are not done with, in order."""
        return tuple(number for number in self._unsettled if number not in self._settled)

    def step(self) -> bool:
        """Read a batch if none is waiting, or else make one invocation; False if there was nothing to read."""
        if not self._queues:
            records = self._gather()
            self._queues = self._deal(records)
            return bool(records)
        queue = self._queues.pop(self._pick(len(self._queues)))
        queue.extendleft(reversed(self._process(queue.popleft())))
        if queue:
            self._queues.append(queue)
        return True

    def drain(self) -> None:
        """Go on until nothing is left to read: forever, if the function never succeeds and nothing limits retries."""
        while self.step():
            pass

    def _gather(self) -> list[Record]:
        """Read until the batch is full, its payload is, or the window, which begins now, is over."""
        capacity = self._settings.batch_size * self._settings.parallelization_factor
        end = self._clock() + self._settings.maximum_batching_window
        records: list[Record] = []
        size = 0
        while True:
            fresh = self._read(self.position, capacity - len(records))
            if fresh:
                self.position = sequence_number(fresh[-1])
                records.extend(fresh)
                size += sum(map(_size, fresh))
            left = end - self._clock()
            if len(records) >= capacity or size >= PAYLOAD_LIMIT_BYTES or left <= 0:
                break
            self._sleep(min(POLL_SECONDS, left))
        self._unsettled.extend(map(sequence_number, records))
        return records

    def _deal(self, records: Sequence[Record]) -> list[deque[_Batch]]:
        """Deal records to the parallel batches so that an item is always in the same one, in order."""
        queues: defaultdict[int, list[Record]] = defaultdict(list)
        for record in records:
            queues[_hash_of_item(record) % self._settings.parallelization_factor].append(record)
        return [
            deque(_Batch(records=batch) for batch in _batches(queue, self._settings.batch_size))
            for queue in queues.values()
        ]

    def _process(self, batch: _Batch) -> Sequence[_Batch]:
        """Invoke the function with a batch; return what is to follow in its place, in order."""
        expired = self._expired(batch.records)
        if expired:
            self._give_up(batch, expired, "RecordAgeExceeded", failed=False)
            rest = batch.records[len(expired) :]
            return [_Batch(records=rest, retries=batch.retries, invocations=batch.invocations)] if rest else []
        batch = _Batch(records=batch.records, retries=batch.retries, invocations=batch.invocations + 1)
        try:
            response = self._invoke({"Records": list(batch.records)})
        except Exception:  # noqa: BLE001  # whatever a function raises is a function error
            return self._after_failure(batch)
        if not self._settings.report_batch_item_failures:
            self._settle(batch.records)
            return []
        try:
            failed = first_failure(response, batch.records)
        except ResponseError:
            return self._after_failure(batch)
        self._settle(batch.records[:failed])
        return [] if failed is None else self._after_partial_success(batch, failed)

    def _after_failure(self, batch: _Batch) -> Sequence[_Batch]:
        """Split a failed batch in two, which costs no retry, or try it again as it is."""
        middle = len(batch.records) // 2
        if not self._settings.bisect_batch_on_function_error or not middle:
            return self._again(batch, failed=True)
        return [
            _Batch(records=half, retries=batch.retries, invocations=batch.invocations)
            for half in (batch.records[:middle], batch.records[middle:])
        ]

    def _after_partial_success(self, batch: _Batch, failed: int) -> Sequence[_Batch]:
        """Go on from the reported record.

        With bisecting on this splits the batch there, which costs no retry. Without it AWS does not say whether getting
        further restores the number of retries; here it does not.
        """
        rest = _Batch(records=batch.records[failed:], retries=batch.retries, invocations=batch.invocations)
        if self._settings.bisect_batch_on_function_error and failed:
            return [rest]
        return self._again(rest, failed=False)

    def _again(self, batch: _Batch, *, failed: bool) -> Sequence[_Batch]:
        if 0 <= self._settings.maximum_retry_attempts <= batch.retries:
            self._give_up(batch, batch.records, "RetryAttemptsExhausted", failed=failed)
            return []
        self._sleep(RETRY_SECONDS)
        return [_Batch(records=batch.records, retries=batch.retries + 1, invocations=batch.invocations)]

    def _expired(self, records: Sequence[Record]) -> Sequence[Record]:
        """Take the records at the beginning that are older than is allowed."""
        if self._settings.maximum_record_age < 0:
            return ()
        oldest = self._clock() - self._settings.maximum_record_age
        return list(takewhile(lambda record: created(record) < oldest, records))

    def _give_up(self, batch: _Batch, records: Sequence[Record], condition: Condition, *, failed: bool) -> None:
        if self._on_failure:
            document = failure_document(
                records,
                names=self._names,
                condition=condition,
                invocations=batch.invocations,
                failed=failed,
                now=self._clock(),
            )
            self._on_failure(document)
        self._settle(records)

    def _settle(self, records: Iterable[Record]) -> None:
        self._settled.update(map(sequence_number, records))
        while self._unsettled and self._unsettled[0] in self._settled:
            self.checkpoint = self._unsettled.popleft()
            self._settled.remove(self.checkpoint)


def _batches(records: Sequence[Record], batch_size: int) -> Iterator[Sequence[Record]]:
    """Cut records into batches by number and by payload; a record over the limit goes alone."""
    batch: list[Record] = []
    size = 0
    for record in records:
        record_size = _size(record)
        if batch and (len(batch) >= batch_size or size + record_size > PAYLOAD_LIMIT_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record_size
    if batch:
        yield batch


def _size(record: Record) -> int:
    return len(json.dumps(record))


def _hash_of_item(record: Record) -> int:
    return zlib.crc32(json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode())
