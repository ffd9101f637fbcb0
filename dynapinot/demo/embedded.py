"""The demo without a Pinot: the seed's walk from a DynamoDB table to what Pinot would show, all on this machine."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.console import Console

from dynapinot.defaults import MEETUPS_TABLE
from dynapinot.demo.comparison import differences
from dynapinot.demo.meetups import create_meetups_table, meetups_table
from dynapinot.demo.pinot_table import SHARDS, seed_tables
from dynapinot.demo.screen import Screen
from dynapinot.demo.walk import HISTORY, LIVE, Replication, items, walk
from dynapinot.local.function import BUCKET, Handler, load_handler
from dynapinot.local.replica import Replica
from dynapinot.local.services import embedded_services

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LoadHandler: TypeAlias = Callable[[Path], Handler]


def run(console: Console, load_handler: LoadHandler = load_handler) -> int:
    """Walk, and return the exit code: 0 only if Pinot would show, after every step, what the table holds.

    Raises CommandError when there is nothing to walk on.
    """
    screen = Screen(console)
    screen.title("DynamoDB to Apache Pinot: DynamoDB and Kinesis are embedded, nothing leaves this machine")
    with ExitStack() as parts:
        with screen.waiting("Starting"):
            files = parts.enter_context(seed_tables())
            services = parts.enter_context(embedded_services(files.region))
            stream_arn = create_meetups_table(services.dynamodb, MEETUPS_TABLE)
            services.kinesis.create_stream(StreamName=files.stream, ShardCount=SHARDS)
            services.s3.create_bucket(Bucket=BUCKET)
            log = io.StringIO()
            with redirect_stdout(log):
                handler = load_handler(files.folder)
        replication = Replication(
            screen=screen, handler=handler, services=services, files=files, stream_arn=stream_arn, log=log
        )
        table = parts.enter_context(meetups_table(MEETUPS_TABLE))
        is_equal = _walk(screen, replication, table)
    if not is_equal:
        screen.title("What the function logged")
        screen.say(log.getvalue())
    return 0 if is_equal else 1


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
