"""The demo without a Pinot: the seed's walk from a DynamoDB table to what Pinot would show, all on this machine."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console

from dynapinot.defaults import MEETUPS_TABLE
from dynapinot.demo import loading
from dynapinot.demo.comparison import differences
from dynapinot.demo.meetups import create_meetups_table, meetups_table
from dynapinot.demo.pinot_table import SHARDS, seed_tables
from dynapinot.demo.screen import Screen
from dynapinot.demo.walk import HISTORY, LATEST, LIVE, Replication, history_query, items, walk
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
            create_meetups_table(services.dynamodb, MEETUPS_TABLE, has_stream=False)
            services.kinesis.create_stream(StreamName=files.stream, ShardCount=SHARDS)
            services.s3.create_bucket(Bucket=BUCKET)
            log = io.StringIO()
            with redirect_stdout(log):
                handler = load_handler(files.folder)
            table = parts.enter_context(meetups_table(MEETUPS_TABLE))
            stream_arn = loading.begin(services.dynamodb, table)
        replication = Replication(
            screen=screen, handler=handler, services=services, files=files, stream_arn=stream_arn, log=log
        )
        is_equal = _walk(screen, replication, table)
    if not is_equal:
        screen.title("What the function logged")
        screen.say(log.getvalue())
    return 0 if is_equal else 1


def _walk(screen: Screen, replication: Replication, table: Table) -> bool:
    def compare() -> bool:
        return _compare(screen, replication, table)

    replica = replication.replica
    is_loaded = loading.load(
        replication, table, lambda ids: _show_history(screen, replica, loading.COLUMNS, ids), compare
    )
    key, is_equal = walk(screen, table, replication.run, compare)
    _show(screen, replica)
    _show_history(screen, replica, HISTORY, [key["meetup_id"]])
    screen.say("DynamoDB streams count whole seconds; of equal times Pinot takes the row that it read later.")
    screen.title("At the end")
    return compare() and is_equal and is_loaded


def _compare(screen: Screen, replication: Replication, table: Table) -> bool:
    held = list(items(table))
    rows = replication.replica.live()
    different = [*replication.problems, *differences(held, rows, replication.replica.table)]
    counts = f"DynamoDB has {len(held)} items, Pinot would show {len(rows)} rows"
    screen.verdict(f"{counts}, {'not equal' if different else 'equal in every value that has a column'}", different)
    return not different


def _show(screen: Screen, replica: Replica) -> None:
    table = replica.table
    screen.title("What Pinot would show")
    for name, expression in table.computed.items():
        screen.say(f"Column {name} is in no row: Pinot computes it, {expression}")
    columns = ", ".join(LIVE)
    query = f"SELECT {columns} FROM {table.name} ORDER BY mtime DESC LIMIT {LATEST}"  # noqa: S608  # shown, never run
    screen.table(query, LIVE, sorted(replica.live(), key=lambda row: int(row["mtime"]), reverse=True)[:LATEST])


def _show_history(screen: Screen, replica: Replica, columns: Sequence[str], ids: Sequence[str]) -> None:
    """Show all rows of some meetups, of each the newest first."""
    table = replica.table
    read_last = [row for row in replica.history() if row["meetup_id"] in ids][::-1]
    by_time = sorted(read_last, key=table.order, reverse=True)
    rows = sorted(by_time, key=lambda row: str(row["meetup_id"]))
    screen.table(history_query(table, columns, ids, f"{table.comparison} DESC"), columns, rows)
