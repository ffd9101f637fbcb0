"""``verify``: whether Pinot shows what DynamoDB holds."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
from click.exceptions import Exit

from dynapinot.cli import options
from dynapinot.cli.help import examples
from dynapinot.cli.terminal import console, errors_in_one_line
from dynapinot.defaults import BROKER, MAX_RECORD_BYTES, VERIFY_ITEMS_PER_SECOND, VERIFY_SAMPLE, VERIFY_WAIT_SECONDS


@click.command(
    "verify",
    epilog=examples(
        "dynapinot verify --broker http://localhost:8099",
        "dynapinot verify --only orders --sample 30000 --json",
        "dynapinot verify --only orders --repair --dry-run",
    ),
)
@click.option(
    "--sample",
    type=options.AT_LEAST_ONE,
    default=VERIFY_SAMPLE,
    help="How many random draws to compare in each direction; all there is, if that is less.",
)
@click.option("--broker", default=BROKER, help=options.BROKER_HELP)
@options.pinot_auth
@options.tables
@options.only
@click.option("--table", help="The DynamoDB table, if the files name none or several.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=VERIFY_WAIT_SECONDS,
    help="How many seconds a difference must stay: longer than a change takes to Pinot.",
)
@click.option(
    "--items-per-second",
    type=options.AT_LEAST_ONE,
    default=VERIFY_ITEMS_PER_SECOND,
    help="How many single items to read per second at most.",
)
@click.option(
    "--read-units",
    type=click.FloatRange(min=0, min_open=True),
    help="How many read units a Scan uses per second; by default a quarter of what is provisioned, on demand 6,000.",
)
@click.option("--repair", "is_repair", is_flag=True, help="Publish what differs as it is now.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="With --repair: say what it would publish.")
@click.option("--yes", "is_agreed", is_flag=True, help="With --repair: do not ask.")
@click.option(
    "--max-record-bytes",
    type=options.AT_LEAST_ONE,
    default=MAX_RECORD_BYTES,
    help="The most bytes that the stream takes in a row and its key.",
)
@options.region
@options.endpoint_url
@options.as_json
def verify_command(**given: Any) -> None:  # noqa: ANN401  # click's values
    """Compare random items with Pinot's rows, and random rows with DynamoDB's items, value by value.

    The function's own code makes the rows. What differs is looked at again until it has stayed so for a while, so
    changes that are on their way do not count. Reads the table and asks the broker; only --repair writes, to the
    stream: docs/verify.md.

    Exits 0 if nothing differs, 1 if something does, 2 if it could not be compared.
    """
    from dynapinot.aws import Aws
    from dynapinot.pinot_server import Broker
    from dynapinot.verify.run import Options, run

    with errors_in_one_line():
        aws = Aws(region=given.pop("region"), endpoint_url=given.pop("endpoint_url"))
        broker = Broker(given.pop("broker"), os.environ.get(given.pop("auth")))
        only = options.names_in(given.pop("only"))
        asks = click.confirm if sys.stdin.isatty() and not given["as_json"] else None
        raise Exit(run(console(), Options(aws=aws, broker=broker, only=only, asks=asks, **given)))
