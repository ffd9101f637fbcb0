"""The options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from dynapinot.defaults import AUTH_VARIABLE, TABLES

PATH: Final = click.Path(path_type=Path)
AT_LEAST_ONE: Final = click.IntRange(min=1)

CONTROLLER_HELP: Final = "The URL of Pinot's controller."
BROKER_HELP: Final = "The URL of Pinot's broker."


def _tables(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    is_default = context.get_parameter_source(str(parameter.name)) is ParameterSource.DEFAULT
    if is_default and not value.is_dir():
        raise click.UsageError(
            f"The working directory is no checkout of dynapinot: there is no {value}. Give the folder of tables by"
            " --tables or TABLES_DIR."
        )
    return value


region = click.option("--region", help="The AWS region; by default what the SDK finds: AWS_DEFAULT_REGION, …")
endpoint_url = click.option(
    "--endpoint-url", help="The endpoint of AWS or of an emulator, for example http://localhost:8000."
)
tables = click.option(
    "--tables",
    type=PATH,
    envvar="TABLES_DIR",
    show_envvar=True,
    default=TABLES,
    show_default=f"{TABLES} of the working directory",
    callback=_tables,
    help="The folder of tables.",
)
only = click.option(
    "--only",
    envvar="TABLES",
    show_envvar=True,
    help="The names of the table folders to use, with commas; by default all of them.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")
table_of_items = click.option(
    "--table", help="The DynamoDB table of items and changes that name none, if several are replicated."
)
controller = click.option("--controller", help=CONTROLLER_HELP)
broker = click.option("--broker", help=BROKER_HELP)
pinot_auth = click.option(
    "--auth",
    default=AUTH_VARIABLE,
    help="The environment variable that has Pinot's token, or user:password.",
)

_SAMPLES: Final = (
    "Lambda events, change records, the output of aws dynamodbstreams get-records, dead letters, or items in "
    "DynamoDB's JSON: one, a list, the output of aws dynamodb scan, or the JSON lines of an export; gzipped or not. "
    "- is the standard input."
)
samples = click.argument("samples", metavar="FILE…", nargs=-1, required=True, type=PATH, help=_SAMPLES)
samples_or_none = click.argument("samples", metavar="FILE…", nargs=-1, type=PATH, help=_SAMPLES)


def names_in(text: str | None) -> list[str]:
    """Split names that are separated by commas."""
    return [each.strip() for each in (text or "").split(",") if each.strip()]
