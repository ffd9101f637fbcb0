"""The demo's commands: ``demo``, and below it ``publish``, ``update`` and ``delete``, which are the seed's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource
from click.exceptions import Exit

from dynapinot.cli import options
from dynapinot.cli.help import CommandGroup, examples
from dynapinot.cli.terminal import console, errors_in_one_line
from dynapinot.defaults import BROKER, CONTROLLER, DEMO_TIMEOUT_SECONDS, MEETUPS, MEETUPS_TABLE
from dynapinot.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_KEY: Final = "--meetup_id cc3fbaca-445c-4ebb-8f60-7b2a5eab3530 --mtime 1719124016204"

_table = click.option("--table", default=MEETUPS_TABLE, help="The DynamoDB table.")
_meetup_id = click.option("--meetup_id", "--meetup-id", required=True, help="The meetup's id, as publish printed it.")
_mtime = click.option(
    "--mtime", type=int, required=True, help="The meetup's time in epoch milliseconds, as publish printed it."
)


@click.group(
    "demo",
    cls=CommandGroup,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND [ARGS]...]",
    epilog=examples(
        "dynapinot demo",
        "dynapinot demo --controller http://localhost:9000 --broker http://localhost:8099",
        "dynapinot demo publish --count 3",
    ),
)
@options.controller
@options.broker
@options.pinot_auth
@click.option("--dynamodb-endpoint", help="A DynamoDB emulator; by default one is embedded.")
@click.option(
    "--kinesis-endpoint",
    help="A Kinesis emulator that Pinot can reach; by default one is embedded, for a Pinot on this machine.",
)
@click.option("--kinesis-endpoint-of-pinot", help="The address of the same Kinesis as Pinot has to call it.")
@click.option(
    "--table-suffix", default="", show_default=False, help="A suffix for the names of both tables and the stream."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=DEMO_TIMEOUT_SECONDS,
    help="Seconds to wait for Pinot after each step.",
)
@click.option("--clean", is_flag=True, help="Remove what the demo created when it ends.")
@click.pass_context
def demo_command(
    context: click.Context,
    *,
    controller: str | None,
    broker: str | None,
    auth: str,
    dynamodb_endpoint: str | None,
    kinesis_endpoint: str | None,
    kinesis_endpoint_of_pinot: str | None,
    table_suffix: str,
    timeout: float,
    clean: bool,
) -> None:
    """Replicate the seed's table and show what Pinot would show, or with --controller and --broker what it shows.

    Loads a table that has items already, while it is being changed; then publishes ten meetups, updates one and deletes
    it. Everything but Pinot is embedded, unless endpoints are given.

    Exits 0 only if Pinot shows, after each step, exactly what the table holds.
    """
    if context.invoked_subcommand:
        sources = {name: context.get_parameter_source(name) for name in context.params}
        if ParameterSource.COMMANDLINE in sources.values():
            raise click.UsageError(f"Give the options of {context.invoked_subcommand} after its name")
        return
    with errors_in_one_line():
        if not (controller or broker):
            if any((dynamodb_endpoint, kinesis_endpoint, kinesis_endpoint_of_pinot, table_suffix, clean)):
                raise CommandError("Without a Pinot everything is embedded: give --controller and --broker too")
            from dynapinot.demo import embedded

            raise Exit(embedded.run(console()))
        from dynapinot.demo import live
        from dynapinot.demo.options import Options

        chosen = Options(
            controller=controller or CONTROLLER,
            broker=broker or BROKER,
            secret=os.environ.get(auth),
            dynamodb_endpoint=dynamodb_endpoint,
            kinesis_endpoint=kinesis_endpoint,
            kinesis_endpoint_of_pinot=kinesis_endpoint_of_pinot,
            table_suffix=table_suffix,
            timeout=timeout,
            clean=clean,
        )
        raise Exit(live.run(console(), chosen))


@click.command("publish", epilog=examples("dynapinot demo publish --count 3"))
@_table
@click.option("--count", type=options.AT_LEAST_ONE, default=MEETUPS, help="How many meetups to put.")
@options.region
@options.endpoint_url
def publish_command(table: str, count: int, region: str | None, endpoint_url: str | None) -> None:
    """Put random meetups into a DynamoDB table."""
    with _meetups_table(table, region, endpoint_url) as connected:
        from dynapinot.demo import meetups

        meetups.publish(connected, count, click.echo)


@click.command("update", epilog=examples(f"dynapinot demo update {_KEY}"))
@_meetup_id
@_mtime
@_table
@options.region
@options.endpoint_url
def update_command(meetup_id: str, mtime: int, table: str, region: str | None, endpoint_url: str | None) -> None:
    """Move a meetup to another venue."""
    with _meetups_table(table, region, endpoint_url) as connected:
        from dynapinot.demo import meetups

        meetups.update(connected, meetup_id, mtime, click.echo)


@click.command("delete", epilog=examples(f"dynapinot demo delete {_KEY}"))
@_meetup_id
@_mtime
@_table
@options.region
@options.endpoint_url
def delete_command(meetup_id: str, mtime: int, table: str, region: str | None, endpoint_url: str | None) -> None:
    """Delete a meetup."""
    with _meetups_table(table, region, endpoint_url) as connected:
        from dynapinot.demo import meetups

        meetups.delete(connected, meetup_id, mtime, click.echo)


@contextmanager
def _meetups_table(name: str, region: str | None, endpoint_url: str | None) -> Iterator[Table]:
    from dynapinot.aws import Aws
    from dynapinot.demo.meetups import meetups_table

    aws = Aws(region=region, endpoint_url=endpoint_url)
    with errors_in_one_line(), aws.for_all(), meetups_table(name) as table:
        yield table


HEADING: Final = "Try the demo"
COMMANDS: Final = (demo_command,)
demo_command.add_commands("Change the demo's DynamoDB table", (publish_command, update_command, delete_command))
