"""Ordered publishing: for each key, the stream ends in that key's newest entry.

PutRecords promises no order within a request and may accept only some of its records. But it returns a sequence number
or an error for each record. So entries are sent optimistically, several of one key in a request if need be, and then
checked by key. A key is settled when all of its entries were accepted and the last one has the greatest sequence number
of the key. Otherwise all of its entries from the first failed or overtaken one on are sent again, and no later entry of
the key is sent before. An entry may be on the stream twice, which is harmless to an upsert. An old entry is never
behind the newest one.
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from publisher.entry import Entry

# The sequence number that an accepted entry got on the stream, or the error code of a rejected one.
Outcome: TypeAlias = int | str
Send: TypeAlias = Callable[[Sequence[Entry]], Sequence[Outcome]]  # one request; one outcome for each entry, in order

MAX_REQUEST_RECORDS: Final = 500
MAX_REQUEST_BYTES: Final = 5 * 1024 * 1024  # what every SDK and emulator accepts; the service itself now accepts 10 MiB
MAX_RECORD_BYTES: Final = 1024 * 1024  # data and key, unless the stream is configured for more


class UnavailableError(Exception):
    """The stream cannot be written to, and an immediate retry will not help: it is missing, or access is denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large one request may be."""

    records: int = MAX_REQUEST_RECORDS
    bytes: int = MAX_REQUEST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait after a pass with rejections: up to ``base`` seconds.

    That is doubled for each pass in a row of which nothing was settled, up to ``cap``.
    """

    base: float = 0.1
    cap: float = 2.0

    def delay(self, failed_passes: int, jitter: Callable[[], float]) -> float:
        """Return seconds, with full jitter; ``jitter`` returns numbers from 0 to 1."""
        return min(self.cap, self.base * 2.0 ** min(failed_passes, 30)) * jitter()


DEFAULT_LIMITS: Final = Limits()
DEFAULT_BACKOFF: Final = Backoff()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How publishing ended.

    ``first_unpublished`` is the earliest position with an unsettled entry, None when all are settled. ``resent`` counts
    the entries that were sent again, ``errors`` the occurrences of each error code.
    """

    first_unpublished: int | None
    resent: int
    errors: Mapping[str, int]


def commonest_error(errors: Mapping[str, int]) -> str | None:
    """Return the error code that occurred most often, None if there is none."""
    return max(errors, key=lambda code: errors[code], default=None)


def publish(
    entries: Sequence[Entry],
    send: Send,
    *,
    remaining: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
    limits: Limits = DEFAULT_LIMITS,
    backoff: Backoff = DEFAULT_BACKOFF,
    always_send_first: bool = True,
) -> Published:
    """Publish entries, given in the order of their changes, until all are settled or the time is up.

    ``remaining`` returns the seconds left. No request is sent without time, except the first one with
    ``always_send_first``. UnavailableError of ``send`` ends the publishing; its other exceptions are raised.
    """
    publisher = _Publisher(send, remaining, limits, always_send_first=always_send_first)
    pending = list(entries)
    failed_passes = 0
    while pending:
        rejected_before = publisher.errors.total()
        unsettled = publisher.send_all(pending)
        failed_passes = 0 if len(unsettled) < len(pending) else failed_passes + 1
        pending = unsettled
        if publisher.is_stopped:
            break
        if pending and publisher.errors.total() > rejected_before:
            delay = backoff.delay(failed_passes, jitter)
            if delay >= remaining():
                break
            sleep(delay)
    return Published(
        first_unpublished=min((entry.position for entry in pending), default=None),
        resent=publisher.resent,
        errors=dict(publisher.errors),
    )


class _Publisher:
    """The state of one call of :func:`publish`."""

    def __init__(self, send: Send, remaining: Callable[[], float], limits: Limits, *, always_send_first: bool) -> None:
        self.is_stopped = False
        self.errors: Counter[str] = Counter()
        self.resent = 0
        self._always_send = always_send_first
        self._unsettled: set[tuple[str, int]] = set()  # key and position of entries that were sent and not settled
        self._send = send
        self._remaining = remaining
        self._limits = limits
        self._highest: dict[str, int] = {}  # key -> the greatest sequence number an entry of it got

    def send_all(self, pending: Sequence[Entry]) -> list[Entry]:
        """Send each entry once, but none after an unsettled one of its key; return the unsettled ones, in order."""
        if self._is_one_request(pending):
            return sorted(self._send_request(pending), key=_position)
        unsettled: list[Entry] = []
        blocked: set[str] = set()  # keys with an unsettled entry: no later one may be sent
        request: list[Entry] = []
        size = 0

        def flush() -> None:
            rest = self._send_request(request)
            unsettled.extend(rest)
            blocked.update(entry.key for entry in rest)
            request.clear()

        for entry in pending:
            if request and (len(request) >= self._limits.records or size + entry.size > self._limits.bytes):
                flush()
                size = 0
            if entry.key in blocked:
                unsettled.append(entry)
            else:
                request.append(entry)
                size += entry.size
        if request:
            flush()
        unsettled.sort(key=_position)  # stable: entries of a key keep their order
        return unsettled

    def _is_one_request(self, pending: Sequence[Entry]) -> bool:
        """Say cheaply whether all entries surely fit into one request: a character has at most four bytes."""
        if len(pending) > self._limits.records:
            return False
        keys, data, _ = zip(*pending, strict=True)
        return sum(map(len, data)) + 4 * sum(map(len, keys)) <= self._limits.bytes

    def _send_request(self, request: Sequence[Entry]) -> list[Entry]:
        """Send entries in one request; return the unsettled ones, those of each key in order."""
        if self.is_stopped or not (self._always_send or self._remaining() > 0):
            self.is_stopped = True
            return list(request)
        self._always_send = False
        if self._unsettled:
            self.resent += sum((entry.key, entry.position) in self._unsettled for entry in request)
        try:
            outcomes = self._send(request)
        except UnavailableError as error:
            self.is_stopped = True
            self.errors[str(error)] += len(request)
            return list(request)
        if not self._highest:
            # The usual response: each key once, and everything accepted.
            numbers = dict(zip((entry.key for entry in request), outcomes, strict=True))
            accepted = {key: outcome for key, outcome in numbers.items() if isinstance(outcome, int)}
            if len(accepted) == len(request):
                self._highest = accepted
                return []
        by_key: defaultdict[str, list[tuple[Entry, Outcome]]] = defaultdict(list)
        for entry, outcome in zip(request, outcomes, strict=True):
            by_key[entry.key].append((entry, outcome))
            if isinstance(outcome, str):
                self.errors[outcome] += 1
        unsettled: list[Entry] = []
        for key, sent in by_key.items():
            unsettled.extend(self._unsettled_of(key, sent))
        self._unsettled.update((entry.key, entry.position) for entry in unsettled)
        return unsettled

    def _unsettled_of(self, key: str, sent: Sequence[tuple[Entry, Outcome]]) -> list[Entry]:
        """Return a key's entries from the first failed or overtaken one on, or none if the key is settled."""
        highest = self._highest.get(key, -1)
        first_bad = None
        for index, (_, outcome) in enumerate(sent):
            if isinstance(outcome, str):
                first_bad = index if first_bad is None else first_bad
            elif outcome > highest:
                highest = outcome
            elif first_bad is None:
                first_bad = index
        self._highest[key] = highest
        all_accepted = not any(isinstance(outcome, str) for _, outcome in sent)
        if first_bad is None or (all_accepted and sent[-1][1] == highest):
            return []
        return [entry for entry, _ in sent[first_bad:]]


def _position(entry: Entry) -> int:
    return entry.position
