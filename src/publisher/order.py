"""Publishing so that, for each key, the stream ends in that key's newest entry.

PutRecords promises no order inside a request and may accept only a part of it, but it answers for every record: the
sequence number it got, or the error. So entries are sent optimistically, many of one key in a request if need be, and
then judged by key: a key is settled when all of its entries were accepted and the last one's sequence number is the
greatest of the key. Otherwise everything of that key from its first failed or overtaken entry on is sent again, and
nothing later of that key goes out before. An entry may stand on the stream twice, which an upsert does not mind; what
never stands is an old entry behind the newest one.
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
Send: TypeAlias = Callable[[Sequence[Entry]], Sequence[Outcome]]  # one request; one outcome an entry, in order

MAX_REQUEST_RECORDS: Final = 500
MAX_REQUEST_BYTES: Final = 5 * 1024 * 1024  # what every SDK and emulator takes; the service itself now takes 10 MiB
MAX_RECORD_BYTES: Final = 1024 * 1024  # data and key, unless the stream is configured for more


class UnavailableError(Exception):
    """A stream that cannot be written to, which trying again at once will not mend: missing, or access is denied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large one request may be."""

    records: int = MAX_REQUEST_RECORDS
    bytes: int = MAX_REQUEST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait after a pass that had rejections: up to ``base`` seconds, doubled for each pass in a row that
    got nothing through, never over ``cap``.
    """

    base: float = 0.1
    cap: float = 2.0

    def delay(self, fruitless: int, jitter: Callable[[], float]) -> float:
        """Give seconds, by full jitter; ``jitter`` gives numbers from 0 to 1."""
        return min(self.cap, self.base * 2.0 ** min(fruitless, 30)) * jitter()


DEFAULT_LIMITS: Final = Limits()
DEFAULT_BACKOFF: Final = Backoff()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How publishing ended.

    ``first_unpublished`` is the earliest position of which something is not settled, None when everything is.
    ``resent`` counts entries that were sent again, ``errors`` how often each error code came.
    """

    first_unpublished: int | None
    resent: int
    errors: Mapping[str, int]


def publish(
    entries: Sequence[Entry],
    send: Send,
    *,
    remaining: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
    limits: Limits = DEFAULT_LIMITS,
    backoff: Backoff = DEFAULT_BACKOFF,
    must_begin: bool = True,
) -> Published:
    """Publish entries, given in the order of their changes, until all are settled or the time is up.

    ``remaining`` tells the seconds left: no request is begun without time, but for the first if it ``must_begin``.
    What ``send`` raises goes through, but for UnavailableError, which ends the publishing.
    """
    publication = _Publication(send, remaining, limits, must_begin=must_begin)
    pending = list(entries)
    fruitless = 0
    while pending:
        rejected_before = publication.errors.total()
        unsettled = publication.send_all(pending)
        fruitless = 0 if len(unsettled) < len(pending) else fruitless + 1
        pending = unsettled
        if publication.is_over:
            break
        if pending and publication.errors.total() > rejected_before:
            delay = backoff.delay(fruitless, jitter)
            if delay >= remaining():
                break
            sleep(delay)
    return Published(
        first_unpublished=min((entry.position for entry in pending), default=None),
        resent=publication.resent,
        errors=dict(publication.errors),
    )


class _Publication:
    """What one call of :func:`publish` has learnt of the stream so far."""

    def __init__(self, send: Send, remaining: Callable[[], float], limits: Limits, *, must_begin: bool) -> None:
        self.is_over = False
        self.errors: Counter[str] = Counter()
        self.resent = 0
        self._must_begin = must_begin
        self._unsettled: set[tuple[str, int]] = set()  # key and position of what was sent in vain
        self._send = send
        self._remaining = remaining
        self._limits = limits
        self._highest: dict[str, int] = {}  # key -> the greatest sequence number an entry of it got

    def send_all(self, pending: Sequence[Entry]) -> list[Entry]:
        """Send each entry once, none behind an unsettled one of its key; return what is not settled, in order."""
        if self._is_one_request(pending):
            return sorted(self._send_request(pending), key=_position)
        unsettled: list[Entry] = []
        held: set[str] = set()  # keys of which something is unsettled, so that nothing later may go out
        request: list[Entry] = []
        size = 0

        def flush() -> None:
            left = self._send_request(request)
            unsettled.extend(left)
            held.update(entry.key for entry in left)
            request.clear()

        for entry in pending:
            if request and (len(request) >= self._limits.records or size + entry.size > self._limits.bytes):
                flush()
                size = 0
            if entry.key in held:
                unsettled.append(entry)
            else:
                request.append(entry)
                size += entry.size
        if request:
            flush()
        unsettled.sort(key=_position)  # stable: entries of a key keep their order
        return unsettled

    def _is_one_request(self, pending: Sequence[Entry]) -> bool:
        """Tell at a glance whether everything goes into one request: a character has four bytes at the most."""
        if len(pending) > self._limits.records:
            return False
        keys, data, _ = zip(*pending, strict=True)
        return sum(map(len, data)) + 4 * sum(map(len, keys)) <= self._limits.bytes

    def _send_request(self, request: Sequence[Entry]) -> list[Entry]:
        """Send entries in one request; return what is not settled, each key's in order."""
        if self.is_over or not (self._must_begin or self._remaining() > 0):
            self.is_over = True
            return list(request)
        self._must_begin = False
        if self._unsettled:
            self.resent += sum((entry.key, entry.position) in self._unsettled for entry in request)
        try:
            outcomes = self._send(request)
        except UnavailableError as error:
            self.is_over = True
            self.errors[str(error)] += len(request)
            return list(request)
        if not self._highest:
            # The usual answer: each key once, and everything accepted.
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
        for key, answered in by_key.items():
            unsettled.extend(self._judge(key, answered))
        self._unsettled.update((entry.key, entry.position) for entry in unsettled)
        return unsettled

    def _judge(self, key: str, answered: Sequence[tuple[Entry, Outcome]]) -> list[Entry]:
        """Return a key's entries from the first failed or overtaken one on, or none if the key is settled."""
        highest = self._highest.get(key, -1)
        first_bad = None
        for index, (_, outcome) in enumerate(answered):
            if isinstance(outcome, str):
                first_bad = index if first_bad is None else first_bad
            elif outcome > highest:
                highest = outcome
            elif first_bad is None:
                first_bad = index
        self._highest[key] = highest
        all_accepted = not any(isinstance(outcome, str) for _, outcome in answered)
        if first_bad is None or (all_accepted and answered[-1][1] == highest):
            return []
        return [entry for entry, _ in answered[first_bad:]]


def _position(entry: Entry) -> int:
    return entry.position
