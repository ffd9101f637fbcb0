"""How the help looks: the commands under headings, and examples to copy. And how commands that are cut off end.

It is plain text, because importing a library that draws boxes takes longer than everything else that the help needs.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
from click.exceptions import Exit

from dynapinot.errors import INTERRUPTED, PIPE_CLOSED

WIDTH: Final = 110  # of the help, where the terminal is that wide


class CommandGroup(click.Group):
    """A group that lists its commands under headings, and ends quietly where a command is cut off."""

    def add_commands(self, heading: str, commands: Sequence[click.Command]) -> None:
        """Add commands, which the help lists under a heading."""
        for command in commands:
            self.add_command(command)
        self._headings = {**getattr(self, "_headings", {}), heading: commands}

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's
        """Run a command; exit as the shell reports it if it is interrupted, or if nobody reads on."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except KeyboardInterrupt:
            raise Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # What is left in the buffer has nowhere to go, and Python would complain about it at its end.
            sys.stdout = io.StringIO()
            raise Exit(PIPE_CLOSED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Write each heading, and below it its commands with the first paragraph of their help."""
        for heading, commands in self._headings.items():
            with formatter.section(heading):
                formatter.write_dl([(str(command.name), _summary(command)) for command in commands])


def _summary(command: click.Command) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


def examples(*lines: str) -> str:
    """Write a command's examples, a line each, for the end of its help."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))
