"""Publishing rows from this machine, with more time for retries than the function has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from handlers import clients
from handlers.deadline import seconds_from_now
from load.sweep import Publish
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Limits, Published

SECONDS_FOR_ROWS: Final = 60.0  # that are published together, before they count as failing


def publisher_of(tables: Sequence[Table], limits: Limits) -> Publish:
    """Connect the streams of some tables; return the function that publishes rows to one of them, with retries."""
    streams = clients.streams(tables, limits)

    def publish(target: Target, entries: Sequence[Entry]) -> Published:
        return streams.publish_within(seconds_from_now(SECONDS_FOR_ROWS))(target, entries)

    return publish
