"""``load``, which brings the items that a table has already, the commands for a load that is there, and ``gap``."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource
from click.exceptions import Exit

from dynapinot.cli import options
from dynapinot.cli.help import CommandGroup, examples
from dynapinot.cli.terminal import console, errors_in_one_line
from dynapinot.defaults import LOAD_MAX_LAG_SECONDS, LOAD_SHARE, REDRIVE_ITEMS_PER_SECOND
from dynapinot.errors import CommandError

if TYPE_CHECKING:
    from dynapinot.load.place import Named
    from dynapinot.load.sweep import Sweeping

_SHARE: Final = click.FloatRange(min=0.001, max=1)

_table = click.option("--table", help="The DynamoDB table, if the files and the function do not name a single one.")
_share = click.option(
    "--share", type=_SHARE, default=LOAD_SHARE, help="How much of each stream's capacity to use; live changes go first."
)
_max_lag = click.option(
    "--max-lag",
    type=click.FloatRange(min=1),
    default=LOAD_MAX_LAG_SECONDS,
    help="Wait while live changes are older than so many seconds.",
)
_workers = click.option(
    "--workers", type=options.AT_LEAST_ONE, help="How many read and send at a time; by default what is best."
)
_stack = click.option("--stack", help="The stack that replicates the table; it has the bucket and the function.")
_bucket = click.option(
    "--bucket",
    envvar="DEAD_LETTER_BUCKET",
    show_envvar=True,
    help="The stack's dead letter bucket, which has the load's files; with --stack it is known.",
)
_function = click.option("--function", help="The function that replicates the changes; with --stack it is known.")
_trust = click.option(
    "--trust-live-path",
    "trusts_live_path",
    is_flag=True,
    help="Look for no function. Pinot never shows changes that are made meanwhile and that nothing replicates: for "
    "emulators, or where something else replicates them.",
)
_price_file = click.option("--price-file", type=options.PATH, help="Another file of prices than prices.toml.")
_items_per_second = click.option(
    "--items-per-second",
    type=options.AT_LEAST_ONE,
    default=REDRIVE_ITEMS_PER_SECOND,
    help="How many items a sweep reads per second at most.",
)
_load = click.argument("load", metavar="[ID]", required=False)


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that find a load."""
    for option in reversed((_load, _stack, _bucket, options.region, options.endpoint_url)):
        command = option(command)
    return command


def _named(given: Mapping[str, Any]) -> Named:
    from dynapinot.aws import Aws
    from dynapinot.defaults import TABLES
    from dynapinot.load.place import Named

    return Named(
        aws=Aws(region=given["region"], endpoint_url=given["endpoint_url"]),
        stack=given["stack"],
        bucket=given["bucket"],
        function=given.get("function"),
        trusts_live_path=given.get("trusts_live_path", False),
        tables=given.get("tables", TABLES),
        only=options.names_in(given.get("only")),
    )


def _sweeping(given: Mapping[str, Any]) -> Sweeping:
    from dynapinot.load.sweep import Sweeping
    from dynapinot.pinot_server import Broker

    broker = Broker(given["broker"], os.environ.get(given["auth"]))
    return Sweeping(broker=broker, items_per_second=given["items_per_second"])


@click.group(
    "load",
    cls=CommandGroup,
    invoke_without_command=True,
    epilog=examples(
        "dynapinot load --stack dynapinot --estimate",
        "dynapinot load --stack dynapinot --here",
        "dynapinot load --stack dynapinot --share 0.3 --yes",
        "dynapinot load --stack dynapinot --sweep --broker http://localhost:8099",
        "dynapinot load --bucket dead-letters --trust-live-path --here --endpoint-url http://localhost:8000 --yes",
        "dynapinot load resume --stack dynapinot",
    ),
)
@_table
@click.option(
    "--from",
    "source",
    default="scan",
    metavar="scan|export|s3://…",
    help="Read by a Scan, by an export to S3 that is asked for, or from one that is there.",
)
@click.option("--here", "is_here", is_flag=True, help="Load in this process: enough for millions of items.")
@_stack
@_bucket
@_function
@_trust
@options.tables
@options.only
@options.controller
@options.pinot_auth
@click.option("--estimate", "only_estimates", is_flag=True, help="Only check and estimate: change nothing.")
@_price_file
@_share
@_max_lag
@_workers
@click.option(
    "--read-units",
    type=click.FloatRange(min=0, min_open=True),
    help="How many read units to use per second; by default a quarter of what is provisioned, on demand 6,000.",
)
@click.option(
    "--eventually-consistent",
    is_flag=True,
    help="Read at half the price; rows then lose against every change of the 5 minutes before the load.",
)
@click.option("--where", help="A FilterExpression: load only items that match. It saves no read capacity.")
@click.option("--where-names", help='Its names as JSON: {"#s": "status"}.')
@click.option("--where-values", help='Its values as JSON: {":s": {"S": "open"}}.')
@click.option("--sweep", "sweeps", is_flag=True, help="Afterwards, read what Pinot has from before the load again.")
@options.broker
@_items_per_second
@click.option("--new", "is_new", is_flag=True, help="Begin anew, though a load of the table is not done.")
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask.")
@options.region
@options.endpoint_url
@options.as_json
@click.pass_context
def load_command(context: click.Context, /, **given: Any) -> None:  # noqa: ANN401  # click's values
    """Load the items that a table has already, while it is being written to.

    Reads the table, and sends a row for each item by the code that makes rows of changes. A loaded row never wins over
    a newer change. Checks first what must be true for that, estimates cost and time, and asks. An interrupted load goes
    on where it was: load resume.

    --sweep is for a table that had rows already: it finds those that are stale, or whose items are gone, by --broker.

    Exits 0 if all items are rows, 1 if some are dead letters or a sweep left some, 2 if it failed or is not done.
    """
    if context.invoked_subcommand:
        named = [each for each in given if context.get_parameter_source(each) is ParameterSource.COMMANDLINE]
        if named:
            raise click.UsageError(f"Give the options of {context.invoked_subcommand} after its name")
        return
    from dynapinot.load.planning import Choices
    from dynapinot.load.run import Options, run
    from dynapinot.pinot_server import Controller
    from dynapinot.prices import FILE
    from load.plan import Control

    with errors_in_one_line():
        if not (given["is_here"] or given["stack"] or given["only_estimates"]):
            raise CommandError("Give --here to load in this process, or --stack to load in the stack")
        if given["sweeps"] != bool(given["broker"]):
            raise CommandError("Give --sweep and --broker together: the broker is asked for old rows")
        controller = given["controller"]
        asked = Options(
            named=_named(given),
            is_here=given["is_here"] or not given["stack"],
            table=given["table"],
            controller=Controller(controller, os.environ.get(given["auth"])) if controller else None,
            source=given["source"],
            choices=Choices(
                workers=given["workers"],
                read_units=given["read_units"],
                consistent=not given["eventually_consistent"],
                where=given["where"],
                where_names=given["where_names"],
                where_values=given["where_values"],
            ),
            control=Control(share=given["share"], max_lag=given["max_lag"]),
            only_estimates=given["only_estimates"],
            price_file=given["price_file"] or FILE,
            is_agreed=given["is_agreed"],
            is_new=given["is_new"],
            as_json=given["as_json"],
            asks=_ask if _can_ask() and not given["as_json"] else None,
            sweeping=_sweeping(given) if given["sweeps"] else None,
        )
        raise Exit(run(console(), asked))


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _ask() -> bool:
    return click.confirm("Load?")


@load_command.command("status", epilog=examples("dynapinot load status --stack dynapinot"))
@_where
@_price_file
@options.as_json
def status_command(**given: Any) -> None:  # noqa: ANN401
    """Show how far a load is, the newest if no ID is given.

    Exits 0 if it runs or is done, 1 if there are dead letters or nobody works on it, 2 if there is none.
    """
    from dynapinot.load import control
    from dynapinot.prices import FILE

    with errors_in_one_line():
        code = control.status(
            console(),
            _named(given),
            given["load"],
            as_json=given["as_json"],
            price_file=given["price_file"] or FILE,
        )
        raise Exit(code)


@load_command.command("pause", epilog=examples("dynapinot load pause --stack dynapinot"))
@_where
def pause_command(**given: Any) -> None:  # noqa: ANN401
    """Let a load wait, wherever it runs, until it is resumed or stopped."""
    from dynapinot.load import control

    with errors_in_one_line():
        raise Exit(control.change(console(), _named(given), given["load"], state="pause"))


@load_command.command("stop", epilog=examples("dynapinot load stop --stack dynapinot"))
@_where
def stop_command(**given: Any) -> None:  # noqa: ANN401
    """End a load, wherever it runs. What it sent is noted, and it can be resumed."""
    from dynapinot.load import control

    with errors_in_one_line():
        raise Exit(control.change(console(), _named(given), given["load"], state="stop"))


@load_command.command("pace", epilog=examples("dynapinot load pace --share 0.8 --stack dynapinot"))
@_where
@click.option("--share", type=_SHARE, required=True, help="How much of each stream's capacity to use.")
def pace_command(**given: Any) -> None:  # noqa: ANN401
    """Change the share of the streams' capacity that a load may use, while it runs."""
    from dynapinot.load import control

    with errors_in_one_line():
        raise Exit(control.change(console(), _named(given), given["load"], share=given["share"]))


@load_command.command("resume", epilog=examples("dynapinot load resume --stack dynapinot --here"))
@_where
@click.option("--here/--in-stack", "is_here", default=None, help="Where to go on; by default where it was.")
@_function
@_trust
@options.tables
@options.only
@click.option("--share", type=_SHARE, help="Another share of each stream's capacity.")
@_price_file
@options.as_json
def resume_command(**given: Any) -> None:  # noqa: ANN401
    """Go on with a load that is paused, stopped, interrupted or killed, the newest if no ID is given.

    It need not go on where it was: a load in this process can go on in the stack, and the other way round.

    Exits as load does.
    """
    from dynapinot.load import control
    from dynapinot.prices import FILE

    with errors_in_one_line():
        code = control.resume(
            console(),
            _named(given),
            given["load"],
            is_here=given["is_here"],
            share=given["share"],
            as_json=given["as_json"],
            price_file=given["price_file"] or FILE,
        )
        raise Exit(code)


@load_command.command("sweep", epilog=examples("dynapinot load sweep --stack dynapinot --broker http://localhost:8099"))
@_where
@_function
@_trust
@options.tables
@options.only
@click.option("--broker", required=True, help=options.BROKER_HELP)
@options.pinot_auth
@_items_per_second
@options.as_json
def sweep_command(**given: Any) -> None:  # noqa: ANN401
    """Read again what Pinot has from before a load that is done, the newest if no ID is given.

    Rows that are stale become up to date, rows of items that are gone are deleted. A sweep that was interrupted goes
    on where it was.

    Exits 0 if all is up to date, 1 if some rows had to be left, 2 if it failed or is not done.
    """
    from dynapinot.load import control

    with errors_in_one_line():
        raise Exit(control.sweep(console(), _named(given), given["load"], _sweeping(given), as_json=given["as_json"]))


def _second(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Read a time with its zone, as epoch seconds: --from rounded down, --to up."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise click.BadParameter(f"{text!r} is no time with its zone, such as 2026-03-01T08:00:00Z", context, parameter)
    return math.ceil(time.timestamp()) if parameter.name == "end" else math.floor(time.timestamp())


@click.command(
    "gap",
    epilog=examples(
        "dynapinot gap --find --stack dynapinot --broker http://pinot-broker:8099",
        "dynapinot gap --from 2026-03-01T08:00:00Z --to 2026-03-02T20:00:00Z --stack dynapinot --broker http://pinot:8099",
    ),
)
@click.option("--find", "only_finds", is_flag=True, help="Only look for a gap, and say by what: change nothing.")
@click.option("--from", "begin", metavar="TIME", callback=_second, help="When the first lost change was made.")
@click.option("--to", "end", metavar="TIME", callback=_second, help="From when on no change was lost.")
@_table
@click.option("--here", "is_here", is_flag=True, help="Work in this process: enough for millions of items.")
@_stack
@_bucket
@_function
@_trust
@options.tables
@options.only
@options.broker
@options.controller
@options.pinot_auth
@_price_file
@_share
@_max_lag
@_workers
@_items_per_second
@click.option("--days", type=click.IntRange(1, 35), default=35, help="How far back --find looks.")
@click.option("--new", "is_new", is_flag=True, help="Begin anew, though a repair of the same gap is there.")
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask.")
@options.region
@options.endpoint_url
@options.as_json
def gap_command(**given: Any) -> None:  # noqa: ANN401
    """Repair what was never replicated: after an outage of more than a day, or a batch that was given up and lost.

    DynamoDB exports what changed in that time, by its point-in-time recovery. Each of those items becomes its row or
    its tombstone, and never wins over a newer change. Then rows of that time are compared with the table. Given again,
    the same command goes on where it ended. --find says which time that is.

    Exits 0 if all is repaired or nothing is missing, 1 if something is left or a gap was found, 2 if it failed.
    """
    from dynapinot.gap import evidence
    from dynapinot.gap.run import Options, run
    from dynapinot.pinot_server import Broker, Controller
    from dynapinot.prices import FILE
    from load.plan import Control

    with errors_in_one_line():
        secret = os.environ.get(given["auth"])
        is_window = given["begin"] is not None and given["end"] is not None
        if given["only_finds"] == is_window:
            raise CommandError("Give --find, or --from and --to")
        if given["only_finds"]:
            look = evidence.Options(
                named=_named(given),
                table=given["table"],
                broker=Broker(given["broker"], secret) if given["broker"] else None,
                days=given["days"],
                as_json=given["as_json"],
            )
            raise Exit(evidence.run(console(), look))
        if not given["broker"]:
            raise CommandError("Give the --broker: without a sweep, rows of deleted items may stay")
        if not (given["is_here"] or given["stack"]):
            raise CommandError("Give --here to work in this process, or --stack to work in the stack")
        controller = given["controller"]
        asked = Options(
            named=_named(given),
            begin=given["begin"],
            end=given["end"],
            sweeping=_sweeping(given),
            is_here=given["is_here"],
            table=given["table"],
            controller=Controller(controller, secret) if controller else None,
            workers=given["workers"],
            control=Control(share=given["share"], max_lag=given["max_lag"]),
            price_file=given["price_file"] or FILE,
            is_agreed=given["is_agreed"],
            is_new=given["is_new"],
            as_json=given["as_json"],
            asks=_ask_for_gap if _can_ask() and not given["as_json"] else None,
        )
        raise Exit(run(console(), asked))


def _ask_for_gap() -> bool:
    return click.confirm("Repair the gap?")


load_command.add_commands("A load that is there", tuple(load_command.commands.values()))

HEADING: Final = "Load existing items"
COMMANDS: Final = (load_command, gap_command)
