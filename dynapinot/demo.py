"""The demo: the seed's walk, from a DynamoDB table to what Pinot would show, all on this machine."""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rich.console import Console

from dynapinot import local
from dynapinot.comparison import differences
from dynapinot.dynamodb_streams import Poller, Shard
from dynapinot.event_source import EventSource, Names, Read, Settings
from dynapinot.kinesis_stream import StreamReader
from dynapinot.meetups import COUNT, TABLE, delete, meetups_table, publish, update
from dynapinot.readback import RowError
from dynapinot.replica import Replica
from dynapinot.screen import Screen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LoadHandler: TypeAlias = Callable[[Path], local.Handler]

SETTINGS: Final = Settings(
    bisect_batch_on_function_error=True, maximum_retry_attempts=3, report_batch_item_failures=True
)

LIVE: Final = ("meetup_id", "meetup_name", "venue_name", "group_city", "rsvp_count", "eventName")
HISTORY: Final = ("ApproximateCreationDateTime", "eventName", "is_delete", "venue_name", "rsvp_count")


def run(console: Console, load_handler: LoadHandler = local.load_handler) -> int:
    """Walk, and return the exit code: 0 only if Pinot would show, after every step, what the table holds.

    Raises LocalError when there is nothing to walk on.
    """
    screen = Screen(console)
    screen.title("DynamoDB to Apache Pinot: DynamoDB and Kinesis are embedded, nothing leaves this machine")
    with ExitStack() as parts:
        with screen.waiting("Starting"):
            files = parts.enter_context(local.seed_tables())
            services = parts.enter_context(local.embedded_services(files.region))
            stream_arn = local.create_meetups_table(services.dynamodb, TABLE)
            services.kinesis.create_stream(StreamName=files.stream, ShardCount=local.SHARDS)
            services.s3.create_bucket(Bucket=local.BUCKET)
            log = io.StringIO()
            with redirect_stdout(log):
                handler = load_handler(files.folder)
        replication = Replication(
            screen=screen, handler=handler, services=services, files=files, stream_arn=stream_arn, log=log
        )
        table = parts.enter_context(meetups_table(TABLE))
        is_equal = _walk(screen, replication, table)
    if not is_equal:
        screen.title("What the function logged")
        screen.say(log.getvalue())
    return 0 if is_equal else 1


@dataclass(kw_only=True)
class Replication:
    """The whole way a change goes: its stream, the function, the rows' stream, and the model of Pinot at its end."""

    screen: Screen
    handler: local.Handler
    services: local.Services
    files: local.PinotFiles
    stream_arn: str
    log: io.StringIO
    replica: Replica = field(init=False)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replica = Replica(self.files.upsert_table)
        self._poller = Poller(self.services.streams, self.stream_arn, self._connect)
        self._rows = StreamReader(self.services.kinesis, self.files.stream)
        self._keep = local.failure_keeper(self.services.s3)

    def run(self) -> None:
        """Bring what has changed to Pinot."""
        self._poller.drain()

    def _connect(self, shard: Shard, read: Read) -> EventSource:
        return EventSource(
            read,
            self._invoke,
            clock=time.time,
            sleep=time.sleep,
            on_failure=self._give_up,
            settings=SETTINGS,
            names=Names(stream_arn=self.stream_arn, shard_id=shard.id, function_arn=local.FUNCTION_ARN),
        )

    def _invoke(self, event: dict[str, Any]) -> object:
        for record in event["Records"]:
            self.screen.change(record)
        try:
            with redirect_stdout(self.log):
                return local.invoke(self.handler, event)
        except Exception:
            self.log.write(traceback.format_exc())
            raise
        finally:
            self._ingest()

    def _ingest(self) -> None:
        for record in self._rows.read():
            try:
                self.screen.row(record.shard, self.replica.ingest(record.shard, record.data))
            except RowError as error:
                self.problems.append(f"a row on {record.shard}: {error}")

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
    screen.title(f"$ dynapinot publish --count {COUNT}")

    def say_and_run(line: str) -> None:
        screen.say(line)
        run_replication()

    key = publish(table, COUNT, say_and_run)[0]
    is_equal = compare()
    arguments = f"--meetup_id {key['meetup_id']} --mtime {key['mtime']}"
    for name, command in (("update", update), ("delete", delete)):
        screen.title(f"$ dynapinot {name} {arguments}")
        command(table, **key, say=screen.say)
        run_replication()
        is_equal = compare() and is_equal
    return key, is_equal


def items(table: Table) -> Iterator[dict[str, Any]]:
    """Read all of a DynamoDB table, as it is now."""
    page = table.scan(ConsistentRead=True)
    yield from page["Items"]
    while "LastEvaluatedKey" in page:
        page = table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
        yield from page["Items"]


def _walk(screen: Screen, replication: Replication, table: Table) -> bool:
    def compare() -> bool:
        return _compare(screen, replication, table)

    key, is_equal = walk(screen, table, replication.run, compare)
    _show(screen, replication.replica, key)
    screen.title("At the end")
    return compare() and is_equal


def _compare(screen: Screen, replication: Replication, table: Table) -> bool:
    held = list(items(table))
    rows = replication.replica.live()
    different = [*replication.problems, *differences(held, rows, replication.replica.table)]
    counts = f"DynamoDB has {len(held)} items, Pinot would show {len(rows)} rows"
    screen.verdict(f"{counts}, {'not equal' if different else 'equal in every value that has a column'}", different)
    return not different


def _show(screen: Screen, replica: Replica, deleted: dict[str, Any]) -> None:
    table = replica.table
    screen.title("What Pinot would show")
    for name, expression in table.computed.items():
        screen.say(f"Column {name} is in no row: Pinot computes it, {expression}")
    columns = ", ".join(LIVE)
    screen.table(f"SELECT {columns} FROM {table.name}", LIVE, replica.live())  # noqa: S608  # shown, never run
    columns = ", ".join(HISTORY)
    where = f"WHERE meetup_id = '{deleted['meetup_id']}' ORDER BY {table.comparison} DESC"
    query = f"SET skipUpsert=true; SELECT {columns} FROM {table.name} {where}"  # noqa: S608
    by_time = sorted(replica.history(table.key(deleted)), key=table.order)
    screen.table(query, HISTORY, by_time[::-1])
    screen.say("DynamoDB streams count whole seconds; of equal times Pinot takes the row that it read later.")
