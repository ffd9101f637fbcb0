"""Queries whose answers have all that was published before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from dynapinot.errors import CommandError
from dynapinot.pinot_server import Broker
from handlers.deadline import seconds_from_now

CLOCK_SECONDS: Final = 10  # that this machine's clock and Pinot's may differ
POLL_SECONDS: Final = 1.0


def rows_after(broker: Broker, table: str, sql: str, published: float, wait_seconds: float) -> Sequence[Sequence[Any]]:
    """Ask until an answer has all that was published before a time in epoch seconds; return its rows.

    Each answer is looked at: a server that has restarted answers without the rows that it has not consumed again, and
    nothing shows it but the time up to which it has consumed. Raises CommandError for an incomplete answer, and if
    Pinot is still behind after ``wait_seconds``.
    """
    needed_ms = int((published + CLOCK_SECONDS) * 1_000)
    remaining = seconds_from_now(wait_seconds)
    while True:
        answer = broker.query(sql)
        if answer.incomplete:
            raise CommandError(f"Pinot's answer is incomplete: {answer.incomplete[0]}")
        if answer.consumed_ms is None:
            raise CommandError(
                f"Pinot does not say how far it has consumed the stream of {table}: does a segment consume? "
                "See dynapinot doctor"
            )
        if answer.consumed_ms >= needed_ms:
            return answer.rows
        if remaining() <= 0:
            behind = (needed_ms - answer.consumed_ms) // 1_000
            raise CommandError(
                f"Pinot has not consumed the stream of {table} to its end, {behind} s are missing: see dynapinot "
                "doctor, wait, and try again"
            )
        time.sleep(POLL_SECONDS)
