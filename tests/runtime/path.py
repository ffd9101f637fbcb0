"""The parts before and after the function: a DynamoDB table with its poller, and the model of Pinot."""

from __future__ import annotations

import time
from decimal import Decimal

from dynapinot.defaults import MEETUPS_TABLE
from dynapinot.demo.comparison import differences
from dynapinot.demo.meetups import create_meetups_table, meetups_table
from dynapinot.local.dynamodb_streams import Poller
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.replica import Replica

# The template's mapping, except for the retries: a function that never recovers must fail the test.
SETTINGS = Settings(
    batch_size=1000,
    bisect_batch_on_function_error=True,
    maximum_retry_attempts=3,
    report_batch_item_failures=True,
)


class Path:
    """Sends changes to functions and checks the results. ``given_up`` are the batches that failed after all retries."""

    def __init__(self, services, files):
        self.given_up = []
        self.records = []
        self._services = services
        self._replica = Replica(files.upsert_table)
        self._rows = StreamReader(services.kinesis, files.stream)
        self._stream_arn = None

    def create_table(self):
        """Create the table of meetups."""
        self._stream_arn = create_meetups_table(self._services.dynamodb, MEETUPS_TABLE)

    def put(self, **attributes):
        """Put a meetup into the table, with any attributes besides its key."""
        with meetups_table(MEETUPS_TABLE) as table:
            table.put_item(Item={"mtime": Decimal(1719080907442), **attributes})

    def poller(self, function):
        """Return a poller of the table's stream for a function."""
        return Poller(self._services.streams, self._stream_arn, lambda _, read: self.source(read, function.invoke))

    def source(self, read, invoke):
        """Return the event source of one shard."""
        return EventSource(
            read,
            invoke,
            clock=time.time,
            sleep=lambda _: None,
            on_failure=self.given_up.append,
            settings=SETTINGS,
        )

    def live(self):
        """Return the rows that Pinot would show, by meetup."""
        for record in self._rows.read():
            self.records.append((record.key, record.data))
            self._replica.ingest(record.shard, record.data)
        rows = self._replica.live()
        by_key = {row["meetup_id"]: row for row in rows}
        assert len(by_key) == len(rows), "a key has several rows"
        return by_key

    def differences(self):
        """Return the differences between the rows that Pinot would show and the table's items."""
        with meetups_table(MEETUPS_TABLE) as table:
            return differences(table.scan(ConsistentRead=True)["Items"], self.live().values(), self._replica.table)


def reading(records):
    """Return the ``read`` of an EventSource whose shard has the given records."""
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]

    def read(after, limit):
        start = 0 if after is None else numbers.index(after) + 1
        return records[start : start + limit]

    return read
