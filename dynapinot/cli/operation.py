"""The commands for a deployment that runs: ``verify`` and ``redrive``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from click.exceptions import Exit

from dynapinot.cli import options
from dynapinot.cli.help import examples
from dynapinot.cli.terminal import console, errors_in_one_line
from dynapinot.cli.verify import verify_command
from dynapinot.defaults import MAX_RECORD_BYTES, REDRIVE_ITEMS_PER_SECOND


@click.command(
    "redrive",
    epilog=examples(
        "dynapinot redrive --bucket dynapinot-deadletterbucket-1abc --dry-run",
        "dynapinot redrive --bucket dynapinot-deadletterbucket-1abc --prefix dead-letters/app/orders/",
    ),
)
@click.option(
    "--bucket",
    required=True,
    envvar="DEAD_LETTER_BUCKET",
    show_envvar=True,
    help="The dead letter bucket; an output of the stack.",
)
@options.tables
@options.only
@click.option("--prefix", help="Only objects whose keys begin with this, for example dead-letters/my-table/.")
@click.option(
    "--items-per-second",
    type=options.AT_LEAST_ONE,
    default=REDRIVE_ITEMS_PER_SECOND,
    help="How many items to read per second at most.",
)
@click.option(
    "--max-record-bytes",
    type=options.AT_LEAST_ONE,
    default=MAX_RECORD_BYTES,
    help="The most bytes that the stream takes in a row and its key.",
)
@click.option("--dry-run", is_flag=True, help="Count what the bucket holds, and change nothing.")
@options.region
@options.endpoint_url
@options.as_json
def redrive_command(
    *,
    bucket: str,
    tables: Path,
    only: str | None,
    prefix: str | None,
    items_per_second: int,
    max_record_bytes: int,
    dry_run: bool,
    region: str | None,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Bring the items of dead letters up to date: read each item as it is now, and send its row.

    Takes the function's own dead letters and the batches that the event source mapping gave up. A redriven row never
    wins over a newer change. Objects that are done move to redriven/, so an interrupted run can simply be repeated.

    Exits 0 if nothing is left, 1 if some still fail, 2 if it failed.
    """
    from dynapinot import redrive
    from dynapinot.aws import Aws

    with errors_in_one_line(), Aws(region=region, endpoint_url=endpoint_url).for_all():
        code = redrive.run(
            console(),
            bucket,
            tables,
            only=options.names_in(only),
            prefix=prefix,
            items_per_second=items_per_second,
            max_record_bytes=max_record_bytes,
            dry_run=dry_run,
            as_json=as_json,
        )
        raise Exit(code)


HEADING: Final = "Operate"
COMMANDS: Final = (verify_command, redrive_command)
