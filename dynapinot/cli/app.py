"""The ``dynapinot`` command, made of the commands in the modules beside this one.

A module of commands imports what a command needs when the command runs. So the version, the help and the completion of
the shell take little time.
"""

from __future__ import annotations

import click

from dynapinot.cli import demo, inspection, load, operation, setup
from dynapinot.cli.completion import install_completion, show_completion
from dynapinot.cli.help import WIDTH, CommandGroup
from handlers.version import VERSION


@click.group(
    "dynapinot",
    cls=CommandGroup,
    epilog="Exit codes: 0 if all is well, 1 if something was found that needs attention, 2 if the command failed. "
    "Only doctor distinguishes warnings (1) from errors (2).",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH, "show_default": True},
)
@click.version_option(VERSION, message="%(version)s", help="Print the version and exit.")
@install_completion
@show_completion
def app() -> None:
    """Replicate DynamoDB tables to Apache Pinot in real time: set a table up, inspect changes, try the demo."""


for group in (setup, load, inspection, operation, demo):
    app.add_commands(group.HEADING, group.COMMANDS)
