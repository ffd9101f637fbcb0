"""One run: write the heartbeat items, and wait for their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import orjson

from heartbeat.item import Item, with_put_time
from heartbeat.probe import Probe, ShardLocation

# A shard serves 5 reads a second to all of its readers together. Pinot is one of them, with one a second by default.
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
POLL_SECONDS: Final = 1.0


class ShardRecord(NamedTuple):
    """A record of a shard, and the time of its arrival, in epoch ms by Kinesis' clock."""

    key: str
    data: bytes
    arrived_ms: int


class UnreadableError(Exception):
    """A shard that cannot be read at the moment; its text is the error's code."""


PutItem: TypeAlias = Callable[[Item], None]  # writes a heartbeat item, over the one of the run before
# Reads the records that came to a shard since the run began, or since the last read.
ReadShard: TypeAlias = Callable[[ShardLocation], Sequence[ShardRecord]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The result of a probe: its lag in ms, from before the put to the row's arrival, or None if the row is missing.

    ``error`` is the code of the error if the last attempt to read the shard failed.
    """

    probe: Probe
    lag_ms: int | None
    error: str | None = None


def run_probes(
    probes: Sequence[Probe],
    *,
    put: PutItem,
    read: ReadShard,
    now_ms: Callable[[], int],
    sleep: Callable[[float], None],
    remaining: Callable[[], float],
    poll_seconds: float = POLL_SECONDS,
) -> tuple[ProbeResult, ...]:
    """Write each heartbeat item once, then read the shards every ``poll_seconds`` until all rows have arrived or the
    time is up; ``remaining`` returns the seconds left.

    A missing row raises nothing. Exceptions of ``put`` and ``read`` are raised, except UnreadableError.
    """
    put_ms: dict[bytes, int] = {}  # by item: an item may be a probe of shards of several streams
    for probe in probes:
        if _identity(probe) not in put_ms:
            put_ms[_identity(probe)] = now_ms()
            put(with_put_time(probe.item, put_ms[_identity(probe)]))
    results = [ProbeResult(probe=probe, lag_ms=None) for probe in probes]
    while remaining() > poll_seconds and not all(map(_has_arrived, results)):
        sleep(poll_seconds)
        for index, result in enumerate(results):
            if not _has_arrived(result) and remaining() > 0:
                results[index] = _read_row(result.probe, put_ms[_identity(result.probe)], read)
    return tuple(results)


def _read_row(probe: Probe, put_ms: int, read: ReadShard) -> ProbeResult:
    try:
        records = read(probe.location)
    except UnreadableError as error:
        return ProbeResult(probe=probe, lag_ms=None, error=str(error))
    for record in records:
        if probe.matches(record.key, record.data):
            return ProbeResult(probe=probe, lag_ms=max(0, record.arrived_ms - put_ms))
    return ProbeResult(probe=probe, lag_ms=None)


def _has_arrived(result: ProbeResult) -> bool:
    return result.lag_ms is not None


def _identity(probe: Probe) -> bytes:
    return orjson.dumps(probe.item)
