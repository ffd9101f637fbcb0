"""Work on one unit: read its items, send their rows, note how far it is. Pure but for the callables that it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import msgspec

from decoder.records import Records
from load.pace import Size, StreamPace
from load.plan import Control, Unit
from pinot.table import Target
from publisher.order import commonest_error

SAVE_SECONDS: Final = 20.0  # between two states of a unit that are kept
CONTROL_SECONDS: Final = 5.0  # between two looks at what the operator wants
PORTION: Final = 500  # items at most whose rows are sent together: one request
PORTION_SECONDS: Final = 0.25  # a portion is no more than the pace allows in this time

REJECTED: Final = frozenset({"ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException"})


class Portion(NamedTuple):
    """Some items of a unit, as records of changes, and the state of the unit when their rows are sent.

    ``cursor`` is None, and ``is_last`` true, at the unit's end. ``read_units`` is the read capacity they cost.
    """

    records: Records
    cursor: Mapping[str, object] | int | None
    is_last: bool
    read_units: float = 0.0
    checked_etag: str | None = None


class Sent(NamedTuple):
    """What became of a portion.

    ``sizes`` says what each stream got, ``dead_letters`` counts items that cannot be rows by reason, and ``errors`` the
    stream's errors by code. ``is_complete`` says that every item is a row on its streams, a dead letter, or ignored.
    """

    rows: int
    sizes: Mapping[Target, Size]
    dead_letters: Mapping[str, int]
    errors: Mapping[str, int]
    is_complete: bool


# Reads a unit from its state on; ``limit`` returns how many items the next portion may have.
Read: TypeAlias = Callable[[Unit, Callable[[], int]], Iterator[Portion]]
Send: TypeAlias = Callable[[Records], Sent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a worker works with.

    ``remaining`` returns the seconds left. ``lag`` returns the age in seconds of the live path's oldest change, None
    where it is not known. ``save`` keeps a unit's state; ``seen`` gets the state after each portion.
    """

    read: Read
    send: Send
    pace: StreamPace
    save: Callable[[Unit], None]
    control: Callable[[], Control]
    lag: Callable[[], float | None]
    remaining: Callable[[], float]
    clock: Callable[[], float]
    wall_clock: Callable[[], float]  # in epoch seconds
    seen: Callable[[Unit], None] = lambda _: None


class Result(NamedTuple):
    """How far a unit is, and why the work on it ended before its end: None if it did not.

    The reasons: ``time`` is up, ``pause`` or ``stop`` was wanted, the ``live`` path lags behind, or the stream's own
    error.
    """

    unit: Unit
    reason: str | None


def work(unit: Unit, worker: Worker) -> Result:
    """Work on a unit until its end, or until there is a reason to end before. The unit's state is kept at the end, too.

    Exceptions of the callables are raised; what was done since the last state was kept is then done again.
    """
    run = _Work(unit, worker)
    try:
        reason = run.run()
    except Exception:
        run.save()
        raise
    run.save()
    return Result(run.unit, reason)


class _Work:
    def __init__(self, unit: Unit, worker: Worker) -> None:
        self.unit = unit
        self._worker = worker
        self._saved = self._looked = worker.clock()

    def run(self) -> str | None:
        reason = self._look()
        if reason or self.unit.is_done:
            return reason
        for portion in self._worker.read(self.unit, self._limit):
            self._worker.pace.wait()
            reason = self._reason()
            if reason:
                return reason
            sent = self._worker.send(portion.records)
            is_rejected = not REJECTED.isdisjoint(sent.errors)
            self._worker.pace.note(sent.sizes, is_rejected=is_rejected)
            if not sent.is_complete:
                return commonest_error(sent.errors) or "time"
            self._add(portion, sent)
            if self._worker.clock() - self._saved >= SAVE_SECONDS:
                self.save()
        return None if self.unit.is_done else "time"

    def save(self) -> None:
        self._worker.save(self.unit)
        self._saved = self._worker.clock()

    def _limit(self) -> int:
        return max(1, min(PORTION, int(self._worker.pace.rows_per_second * PORTION_SECONDS)))

    def _reason(self) -> str | None:
        if self._worker.remaining() <= 0:
            return "time"
        if self._worker.clock() - self._looked < CONTROL_SECONDS:
            return None
        return self._look()

    def _look(self) -> str | None:
        """Look what the operator wants, and how the live path is."""
        self._looked = self._worker.clock()
        control = self._worker.control()
        self._worker.pace.share = control.share
        if control.state != "run":
            return control.state
        lag = self._worker.lag()
        return "live" if lag is not None and lag > control.max_lag else None

    def _add(self, portion: Portion, sent: Sent) -> None:
        dead_letters = dict(self.unit.dead_letters)
        for reason, count in sent.dead_letters.items():
            dead_letters[reason] = dead_letters.get(reason, 0) + count
        self.unit = msgspec.structs.replace(
            self.unit,
            cursor=portion.cursor,
            checked_etag=portion.checked_etag,
            is_done=portion.is_last,
            items=self.unit.items + len(portion.records),
            rows=self.unit.rows + sent.rows,
            bytes=self.unit.bytes + sum(size.bytes for size in sent.sizes.values()),
            read_units=self.unit.read_units + portion.read_units,
            rejected=self.unit.rejected + sum(sent.errors.values()),
            dead_letters=dead_letters,
            updated=self._worker.wall_clock(),
        )
        self._worker.seen(self.unit)
