"""The walk of both demos: publish, update one and delete it, and what brings each change to its row."""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from dynapinot.defaults import MEETUPS
from dynapinot.demo.meetups import delete, publish, update
from dynapinot.demo.pinot_table import PinotFiles
from dynapinot.demo.screen import Screen
from dynapinot.local.dynamodb_streams import Poller, Shard
from dynapinot.local.event_source import EventSource, Read, Settings
from dynapinot.local.failure import Names
from dynapinot.local.function import FUNCTION_ARN, Handler, failure_keeper, invoke
from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.readback import RowError
from dynapinot.local.replica import Replica, UpsertTable
from dynapinot.local.services import Services

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

SETTINGS: Final = Settings(
    bisect_batch_on_function_error=True, maximum_retry_attempts=3, report_batch_item_failures=True
)

SHOWN: Final = 3  # of the published meetups, with their changes and rows

LATEST: Final = 10  # rows that a query shows
LIVE: Final = ("meetup_id", "meetup_name", "venue_name", "group_city", "rsvp_count", "eventName")
HISTORY: Final = ("ApproximateCreationDateTime", "eventName", "is_delete", "venue_name", "rsvp_count")


@dataclass(kw_only=True)
class Replication:
    """The whole way a change goes: its stream, the function, the rows' stream, and the model of Pinot at its end."""

    screen: Screen
    handler: Handler
    services: Services
    files: PinotFiles
    stream_arn: str
    log: io.StringIO
    replica: Replica = field(init=False)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replica = Replica(self.files.upsert_table)
        self._poller = Poller(self.services.streams, self.stream_arn, self._connect)
        self._rows = StreamReader(self.services.kinesis, self.files.stream)
        self._keep = failure_keeper(self.services.s3)

    def run(self) -> None:
        """Bring what has changed to Pinot."""
        self._poller.drain()

    def read_rows(self) -> None:
        """Read the rows that have come to their stream."""
        for record in self._rows.read():
            try:
                self.screen.row(record.shard, self.replica.ingest(record.shard, record.data))
            except RowError as error:
                self.problems.append(f"a row on {record.shard}: {error}")

    def _connect(self, shard: Shard, read: Read) -> EventSource:
        return EventSource(
            read,
            self._invoke,
            clock=time.time,
            sleep=time.sleep,
            on_failure=self._give_up,
            settings=SETTINGS,
            names=Names(stream_arn=self.stream_arn, shard_id=shard.id, function_arn=FUNCTION_ARN),
        )

    def _invoke(self, event: dict[str, Any]) -> object:
        for record in event["Records"]:
            self.screen.change(record)
        try:
            with redirect_stdout(self.log):
                return invoke(self.handler, event)
        except Exception:
            self.log.write(traceback.format_exc())
            raise
        finally:
            self.read_rows()

    def _give_up(self, document: dict[str, Any]) -> None:
        self._keep(document)
        batch = document["DDBStreamBatchInfo"]
        self.problems.append(
            f"{batch['batchSize']} changes from sequence number {batch['startSequenceNumber']} on were given up:"
            f" {document['requestContext']['condition']}"
        )


def walk(
    screen: Screen, table: Table, run_replication: Callable[[], None], compare: Callable[[], bool]
) -> tuple[dict[str, Any], bool]:
    """Publish, update one and delete it, and compare after each; return that one's key, and whether all was equal."""
    screen.title(f"$ dynapinot demo publish --count {MEETUPS}")

    published = count(1)

    def say_and_run(line: str) -> None:
        screen.say(line)
        screen.shows_changes = next(published) <= SHOWN
        run_replication()

    key = publish(table, MEETUPS, say_and_run)[0]
    screen.shows_changes = True
    if MEETUPS > SHOWN:
        screen.say(f"(The changes and rows of the first {SHOWN} are shown; those of {MEETUPS - SHOWN} more are not.)")
    is_equal = compare()
    arguments = f"--meetup_id {key['meetup_id']} --mtime {key['mtime']}"
    for name, command in (("update", update), ("delete", delete)):
        screen.title(f"$ dynapinot demo {name} {arguments}")
        command(table, **key, say=screen.say)
        run_replication()
        is_equal = compare() and is_equal
    return key, is_equal


def history_query(table: UpsertTable, columns: Iterable[str], ids: Iterable[str], order: str) -> str:
    """Write the query for all rows of some meetups, of each in an order."""
    listed = ", ".join(f"'{each}'" for each in ids)
    where = f"WHERE meetup_id IN ({listed}) ORDER BY meetup_id, {order}"
    return f"SET skipUpsert=true; SELECT {', '.join(columns)} FROM {table.name} {where}"  # noqa: S608


def items(table: Table) -> Iterator[dict[str, Any]]:
    """Read all of a DynamoDB table, as it is now."""
    page = table.scan(ConsistentRead=True)
    yield from page["Items"]
    while "LastEvaluatedKey" in page:
        page = table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
        yield from page["Items"]
