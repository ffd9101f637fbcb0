"""The commands that set a table up: ``init``, ``doctor``, ``add-table`` and ``update-table``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import click
from click.exceptions import Exit

from dynapinot.cli import options
from dynapinot.cli.help import examples
from dynapinot.cli.terminal import console, errors_in_one_line, now_ms
from dynapinot.defaults import CONTROLLER, SAMPLE_ITEMS, UPDATE_SECONDS
from dynapinot.errors import CommandError


@click.command(
    "init",
    epilog=examples(
        "dynapinot init --table app",
        "dynapinot init --table app --all --paths --leave-out password_hash",
        "dynapinot init --table app --endpoint-url http://localhost:8000 --dry-run",
    ),
)
@click.option("--table", required=True, help="The DynamoDB table.")
@options.tables
@click.option("--name", help="The name of the Pinot table and its folder; by default made from the DynamoDB table's.")
@click.option("--stream", help="The Kinesis stream; by default <name>-stream.")
@click.option(
    "--sample",
    type=options.AT_LEAST_ONE,
    show_default=str(SAMPLE_ITEMS),
    help="How many items to read, from all over the table.",
)
@click.option("--all", "read_all", is_flag=True, help="Read every item instead of a sample.")
@click.option(
    "--read-capacity",
    type=click.FloatRange(min=0.5),
    help="Read units to use per second; by default a quarter of what is provisioned, or 1,000 on demand.",
)
@click.option(
    "--writes-per-second",
    type=click.FloatRange(min=0.001),
    help="Items written in a busy second, for the shard count; by default from CloudWatch's busiest minute.",
)
@click.option("--leave-out", multiple=True, help="An attribute not to replicate; may be repeated.")
@click.option("--paths", is_flag=True, help="Add columns for the paths of maps with few, stable keys, beside the JSON.")
@click.option("--replication", type=options.AT_LEAST_ONE, default=1, help="Copies Pinot keeps of each segment.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option("--dry-run", is_flag=True, help="Show the files, and write none.")
@options.region
@options.endpoint_url
@options.as_json
def init_command(
    *,
    table: str,
    tables: Path,
    name: str | None,
    stream: str | None,
    sample: int | None,
    read_all: bool,
    read_capacity: float | None,
    writes_per_second: float | None,
    leave_out: tuple[str, ...],
    paths: bool,
    replication: int,
    force: bool,
    dry_run: bool,
    region: str | None,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Propose schema.json, table.json and source.toml for a DynamoDB table, from the items it holds.

    Reads a sample, or every item with --all. Shows for each attribute what was seen, which column it becomes and why,
    and lists the next steps. Never overwrites a file without --force.

    Exits 0 if all is clear, 1 if something needs a decision (conflicting types, an empty table), 2 if it failed.
    """
    from rich.console import Console

    from dynapinot.aws import Aws
    from dynapinot.init import run as init

    with errors_in_one_line():
        if read_all and sample:
            raise CommandError("Give either --sample or --all")
        chosen = init.Options(
            table=table,
            tables=tables,
            name=name,
            stream=stream,
            sample=None if read_all else sample or SAMPLE_ITEMS,
            read_capacity=read_capacity,
            writes_per_second=writes_per_second,
            leave_out=leave_out,
            paths=paths,
            replication=replication,
            force=force,
            dry_run=dry_run,
            as_json=as_json,
        )
        aws = Aws(region=region, endpoint_url=endpoint_url)
        raise Exit(init.run(console(), aws, chosen, progress=Console(stderr=True)))


@click.command(
    "doctor",
    epilog=examples(
        "dynapinot doctor",
        "dynapinot doctor --events items.json --parameter KinesisStreamName=my-stream",
        "dynapinot doctor --stack dynapinot --controller http://localhost:9000 --broker http://localhost:8099",
        "dynapinot doctor --aws --json | jq .findings",
    ),
)
@options.tables
@options.only
@click.option(
    "--events",
    type=options.PATH,
    multiple=True,
    help="Samples of changes or items to try on the tables; may be repeated.",
)
@options.table_of_items
@click.option(
    "--template",
    type=options.PATH,
    help="The SAM template; by default that of the working directory, for its src/tables.",
)
@click.option("--parameter", multiple=True, help="A parameter of the next sam deploy, as Name=value; may be repeated.")
@click.option("--stack", help="Check what this stack deployed.")
@click.option("--function", help="Check this function, if there is no stack.")
@click.option("--aws", is_flag=True, help="Check the table and the streams that the files name.")
@options.controller
@options.broker
@options.pinot_auth
@click.option(
    "--metrics-url",
    multiple=True,
    help="The Prometheus metrics of a Pinot server, for rows it dropped; may be repeated.",
)
@options.region
@options.endpoint_url
@options.as_json
def doctor_command(
    *,
    tables: Path,
    only: str | None,
    events: tuple[Path, ...],
    table: str | None,
    template: Path | None,
    parameter: tuple[str, ...],
    stack: str | None,
    function: str | None,
    aws: bool,
    controller: str | None,
    broker: str | None,
    auth: str,
    metrics_url: tuple[str, ...],
    region: str | None,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Check the whole path before and after it runs: a line for each fault, with its remedy.

    Checks the tables' files and the template; samples of changes; DynamoDB, the event source mapping, the function and
    Kinesis; Pinot. It looks only where the options allow it, and reports what it did not look at.

    Exits 0 if nothing is wrong, 1 for warnings, 2 for errors.
    """
    from dynapinot.doctor import run as doctor

    with errors_in_one_line():
        places = doctor.Places(
            template=template,
            parameters=parameter,
            only=options.names_in(only),
            events=events,
            dynamodb_table=table,
            aws=aws,
            function=function,
            stack=stack,
            region=region,
            endpoint_url=endpoint_url,
            controller=controller,
            broker=broker,
            auth_variable=auth,
            metrics_urls=metrics_url,
        )
        raise Exit(doctor.run(console(), tables, places, now_ms=now_ms(), as_json=as_json))


@click.command(
    "add-table",
    epilog=examples("dynapinot add-table src/tables/orders --controller http://localhost:9000"),
)
@click.argument("folder", metavar="FOLDER", type=options.PATH, help="The table's folder, in the folder of tables.")
@click.option("--controller", default=CONTROLLER, help=options.CONTROLLER_HELP)
@options.pinot_auth
def add_table_command(folder: Path, controller: str, auth: str) -> None:
    """Create a table and its schema in Pinot from a table's folder.

    Exits 0 if it was created, 2 if Pinot refused it.
    """
    from dynapinot.add_table import add_table
    from dynapinot.pinot_server import Controller

    with errors_in_one_line():
        raise Exit(add_table(console(), Controller(controller, os.environ.get(auth)), folder))


@click.command(
    "update-table",
    epilog=examples("dynapinot update-table src/tables/orders --controller http://localhost:9000"),
)
@click.argument("folder", metavar="FOLDER", type=options.PATH, help="The table's folder, in the folder of tables.")
@click.option("--controller", default=CONTROLLER, help=options.CONTROLLER_HELP)
@click.option(
    "--timeout",
    type=options.AT_LEAST_ONE,
    default=UPDATE_SECONDS,
    help="How many seconds to wait until every partition consumes with the new schema.",
)
@options.pinot_auth
def update_table_command(folder: Path, controller: str, timeout: int, auth: str) -> None:
    """Update a table in Pinot from its folder, before the function is deployed from the same files.

    Sends the schema and the table config, reloads the segments, and waits until every partition consumes with the new
    schema. Until then, Pinot loses the values of a new column.

    Exits 0 if every partition does, 2 if Pinot refused the files or one does not.
    """
    from dynapinot.pinot_server import Controller
    from dynapinot.update_table import update_table

    with errors_in_one_line():
        server = Controller(controller, os.environ.get(auth))
        raise Exit(update_table(console(), server, folder, timeout=timeout, sleep=time.sleep))


HEADING: Final = "Set up a table"
COMMANDS: Final = (init_command, doctor_command, add_table_command, update_table_command)
