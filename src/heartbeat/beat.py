"""One run: write the markers, and wait for their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import orjson

from heartbeat.aim import Aim, Place
from heartbeat.marker import Item, stamped

# A shard takes 5 reads a second from all of its readers, and Pinot is one of them, with one a second by default.
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
POLL_SECONDS: Final = 1.0


class Arrival(NamedTuple):
    """A record of a shard, and when it came there, in epoch ms by Kinesis' clock."""

    key: str
    data: bytes
    arrived_ms: int


class UnreadableError(Exception):
    """A shard that cannot be read just now; its text is the error's code."""


Put: TypeAlias = Callable[[Item], None]  # writes a marker, over the one that stands there
Read: TypeAlias = Callable[[Place], Sequence[Arrival]]  # what came to a shard since the run began or was last read


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a marker: its lag in ms, from before the put to the row's arrival, or None where it is missing.

    ``error`` is the code of the last failure to read the shard, if that was what the last attempt came to.
    """

    aim: Aim
    lag_ms: int | None
    error: str | None = None


def beat(
    aims: Sequence[Aim],
    *,
    put: Put,
    read: Read,
    now_ms: Callable[[], int],
    sleep: Callable[[float], None],
    remaining: Callable[[], float],
    poll_seconds: float = POLL_SECONDS,
) -> tuple[Outcome, ...]:
    """Write each marker once, then look for the rows, a look at a shard every ``poll_seconds``, until all have come or
    the time is up; ``remaining`` tells the seconds left.

    Nothing is raised for a marker that is missing; what ``put`` and ``read`` raise goes through, but for
    UnreadableError.
    """
    put_ms: dict[bytes, int] = {}  # by item: a marker may be aimed at shards of several streams
    for aim in aims:
        if _name(aim) not in put_ms:
            put_ms[_name(aim)] = now_ms()
            put(stamped(aim.item, put_ms[_name(aim)]))
    outcomes = [Outcome(aim=aim, lag_ms=None) for aim in aims]
    while remaining() > poll_seconds and not all(map(_has_come, outcomes)):
        sleep(poll_seconds)
        for place, outcome in enumerate(outcomes):
            if not _has_come(outcome) and remaining() > 0:
                outcomes[place] = _look(outcome.aim, put_ms[_name(outcome.aim)], read)
    return tuple(outcomes)


def _look(aim: Aim, put_ms: int, read: Read) -> Outcome:
    try:
        arrivals = read(aim.place)
    except UnreadableError as error:
        return Outcome(aim=aim, lag_ms=None, error=str(error))
    for arrival in arrivals:
        if aim.is_hit_by(arrival.key, arrival.data):
            return Outcome(aim=aim, lag_ms=max(0, arrival.arrived_ms - put_ms))
    return Outcome(aim=aim, lag_ms=None)


def _has_come(outcome: Outcome) -> bool:
    return outcome.lag_ms is not None


def _name(aim: Aim) -> bytes:
    return orjson.dumps(aim.item)
