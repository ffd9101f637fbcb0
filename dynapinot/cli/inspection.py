"""The commands that inspect changes and rows: ``query``, ``explain`` and ``drift``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
from click.exceptions import Exit

from dynapinot.cli import options
from dynapinot.cli.help import examples
from dynapinot.cli.terminal import console, errors_in_one_line, now_ms, warn
from dynapinot.defaults import BROKER
from dynapinot.errors import CommandError

_MAX_HOURS: Final = 10 * 366 * 24  # longer than CloudWatch keeps logs
_MS_PER_HOUR: Final = 3_600_000


@click.command(
    "query",
    epilog=examples(
        'dynapinot query "SELECT count(*) FROM pinot_dynamo_ingestion" --broker http://localhost:8099',
        'dynapinot query "SELECT * FROM app WHERE pk = 1" --vertical',
        'dynapinot query "SET skipUpsert=true; SELECT * FROM app WHERE pk = 1 LIMIT 1000" --json',
    ),
)
@click.argument("sql", metavar="SQL", help="The query.")
@click.option("--broker", default=BROKER, help=options.BROKER_HELP)
@options.pinot_auth
@click.option("--vertical", is_flag=True, help="Show a line for each column, as is done where a row is too wide.")
@options.as_json
def query_command(*, sql: str, broker: str, auth: str, vertical: bool, as_json: bool) -> None:
    """Run a query in Pinot.

    Exits 0 if Pinot answered, 1 if it says that the answer is incomplete, 2 if it refused the query.
    """
    from dynapinot.pinot_server import Broker
    from dynapinot.query import query

    with errors_in_one_line():
        if vertical and as_json:
            raise CommandError("Give either --vertical or --json")
        server = Broker(broker, os.environ.get(auth))
        raise Exit(query(console(), server, sql, warn, now_ms=now_ms(), vertical=vertical, as_json=as_json))


@click.command(
    "explain",
    epilog=examples(
        "dynapinot explain events/insert.json",
        "dynapinot explain events/insert.json --verbose --shards 4",
        "aws dynamodb scan --table-name app --max-items 20 | dynapinot explain - --table app",
        "dynapinot explain items.json --table app --failed",
        "dynapinot explain events/*.json --json | jq .row",
    ),
)
@options.samples
@options.tables
@options.only
@options.table_of_items
@click.option(
    "--shards", type=options.AT_LEAST_ONE, help="The stream's shard count: show which shard each row goes to."
)
@click.option("--verbose", "-v", is_flag=True, help="Show for each attribute where it goes and why.")
@click.option("--failed", is_flag=True, help="Show only dead letters.")
@options.as_json
def explain_command(
    *,
    samples: tuple[Path, ...],
    tables: Path,
    only: str | None,
    table: str | None,
    shards: int | None,
    verbose: bool,
    failed: bool,
    as_json: bool,
) -> None:
    """Show the row that each change or item becomes, or the dead letter and its reason. Sends nothing.

    The function's own code decides. With --json, there is a line for each row and each dead letter, with the item's
    file, number and key.

    Exits 0 if all became rows, 1 if there are dead letters, 2 if there is no change, or a file or a table cannot be
    used.
    """
    from dynapinot.explain import run as explain

    with errors_in_one_line():
        code = explain.run(
            console(),
            samples,
            tables,
            warn,
            explain.Options(shards=shards, verbose=verbose, only_failed=failed, as_json=as_json),
            now_ms=now_ms(),
            only=options.names_in(only),
            dynamodb_table=table,
        )
        raise Exit(code)


@click.command(
    "drift",
    epilog=examples(
        "dynapinot drift events/*.json",
        "aws dynamodb scan --table-name app --max-items 1000 > items.json; dynapinot drift items.json --table app",
        "dynapinot drift --log-group /aws/lambda/dynapinot --hours 168",
    ),
)
@options.samples_or_none
@options.tables
@options.only
@options.table_of_items
@click.option("--log-group", help="Read the function's log instead of files: /aws/lambda/<stack>.")
@click.option(
    "--hours",
    type=click.IntRange(min=1, max=_MAX_HOURS),
    default=24,
    help="With --log-group: how many hours to look back.",
)
@options.region
@options.endpoint_url
@options.as_json
def drift_command(
    *,
    samples: tuple[Path, ...],
    tables: Path,
    only: str | None,
    table: str | None,
    log_group: str | None,
    hours: int,
    region: str | None,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Find attributes that no column takes and values that do not fit, in samples or in the function's log.

    Exits 0 if there are none, 1 if there are, 2 if nothing was looked at: no change is a row of a table, the log is
    empty, or a file or a table cannot be used.
    """
    from dynapinot import drift
    from dynapinot.aws import Aws

    with errors_in_one_line():
        if bool(samples) == bool(log_group):
            raise CommandError("Give either files to look at or --log-group")
        if log_group:
            aws = Aws(region=region, endpoint_url=endpoint_url)
            since_ms = now_ms() - hours * _MS_PER_HOUR
            raise Exit(drift.run_on_logs(console(), aws, log_group, since_ms=since_ms, as_json=as_json))
        raise Exit(
            drift.run_on_samples(
                console(),
                samples,
                tables,
                warn,
                now_ms=now_ms(),
                only=options.names_in(only),
                dynamodb_table=table,
                as_json=as_json,
            )
        )


HEADING: Final = "Inspect changes and rows"
COMMANDS: Final = (query_command, explain_command, drift_command)
