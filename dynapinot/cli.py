"""The ``dynapinot`` command: its commands, their options and their help; what they do is in the other modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from dynapinot import demo, explain, meetups, redrive
from dynapinot.local import LocalError
from handlers.settings import REDRIVE_ITEMS_PER_SECOND, SHIPPED_TABLES
from publisher.order import MAX_RECORD_BYTES

app = typer.Typer(
    help="DynamoDB tables replicated to Apache Pinot: see it work, and look into it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

TableName: TypeAlias = Annotated[str, typer.Option("--table", help="The DynamoDB table.")]
Count: TypeAlias = Annotated[int, typer.Option("--count", min=1, help="How many meetups to put.")]
MeetupId: TypeAlias = Annotated[str, typer.Option("--meetup_id", "--meetup-id", help="The meetup, as published.")]
Mtime: TypeAlias = Annotated[int, typer.Option("--mtime", help="Its time, as published: epoch milliseconds.")]

Events: TypeAlias = Annotated[list[Path], typer.Argument(help="JSON files, each a Lambda event of a DynamoDB stream.")]
Tables: TypeAlias = Annotated[
    Path, typer.Option("--tables", envvar="TABLES_DIR", help="The folder of tables; the shipped one by default.")
]

BucketName: TypeAlias = Annotated[
    str, typer.Option("--bucket", envvar="DEAD_LETTER_BUCKET", help="The dead letter bucket; an output of the stack.")
]
Prefix: TypeAlias = Annotated[
    str | None, typer.Option("--prefix", help="Only objects whose keys begin so, dead-letters/my-table/ for example.")
]
Rate: TypeAlias = Annotated[
    int, typer.Option("--items-per-second", min=1, help="How many items to read a second at the most.")
]
MaxRecordBytes: TypeAlias = Annotated[
    int, typer.Option("--max-record-bytes", min=1, help="The largest row, with its key, that the stream takes.")
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Count what the bucket holds and change nothing.")]


@contextmanager
def _errors_in_a_line() -> Iterator[None]:
    try:
        yield
    except (meetups.MeetupsError, redrive.RedriveError, LocalError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command("demo")
def demo_command() -> None:
    """Replicate the seed's table to an embedded Kinesis, and show what Pinot would show.

    Publishes ten meetups, updates one and deletes it. Exits 0 only if Pinot would show exactly what the table holds.

    Example: dynapinot demo
    """
    with _errors_in_a_line():
        raise typer.Exit(demo.run(Console()))


@app.command()
def publish(table: TableName = meetups.TABLE, count: Count = meetups.COUNT) -> None:
    """Put meetups, made up at random, into a DynamoDB table.

    Endpoint, credentials and region are the SDK's: AWS_ENDPOINT_URL, AWS_PROFILE, AWS_DEFAULT_REGION and so on.

    Example: dynapinot publish --count 3
    """
    with _errors_in_a_line(), meetups.meetups_table(table) as connected:
        meetups.publish(connected, count, typer.echo)


@app.command()
def update(meetup_id: MeetupId, mtime: Mtime, table: TableName = meetups.TABLE) -> None:
    """Move a meetup to another venue.

    Example: dynapinot update --meetup_id cc3fbaca-445c-4ebb-8f60-7b2a5eab3530 --mtime 1719124016204
    """
    with _errors_in_a_line(), meetups.meetups_table(table) as connected:
        meetups.update(connected, meetup_id, mtime, typer.echo)


@app.command()
def delete(meetup_id: MeetupId, mtime: Mtime, table: TableName = meetups.TABLE) -> None:
    """Delete a meetup.

    Example: dynapinot delete --meetup_id cc3fbaca-445c-4ebb-8f60-7b2a5eab3530 --mtime 1719124016204
    """
    with _errors_in_a_line(), meetups.meetups_table(table) as connected:
        meetups.delete(connected, meetup_id, mtime, typer.echo)


@app.command("explain")
def explain_command(events: Events, tables: Tables = SHIPPED_TABLES) -> None:
    """Show what events would become: a line of JSON for each row and each dead letter. Sends nothing.

    Exits 0 if all became rows, 1 if there are dead letters, 2 if an event or a table cannot be used.

    Example: dynapinot explain events/insert.json --tables src/tables
    """
    raise typer.Exit(explain.run(events, tables, typer.echo, partial(typer.echo, err=True)))


@app.command("redrive")
def redrive_command(
    *,
    bucket: BucketName,
    tables: Tables = SHIPPED_TABLES,
    prefix: Prefix = None,
    items_per_second: Rate = REDRIVE_ITEMS_PER_SECOND,
    max_record_bytes: MaxRecordBytes = MAX_RECORD_BYTES,
    dry_run: DryRun = False,
) -> None:
    """Bring the items of dead letters up to date: read each one as it is now, and send its row.

    Takes the function's own dead letters and the batches that the event source mapping gave up. A redriven row never
    wins over a newer change. What is done moves below redriven/, so a run that was cut short just goes on. Exits 0 when
    nothing is left, 1 when some still fail.

    Example: dynapinot redrive --bucket dynapinot-deadletterbucket-1abc --dry-run
    """
    with _errors_in_a_line():
        code = redrive.run(
            Console(),
            bucket,
            tables,
            prefix=prefix,
            items_per_second=items_per_second,
            max_record_bytes=max_record_bytes,
            dry_run=dry_run,
        )
        raise typer.Exit(code)
