"""How the help looks: the commands under headings, and examples to copy.

It is plain text, because importing a library that draws boxes takes longer than everything else that the help needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

WIDTH: Final = 110  # of the help, where the terminal is that wide


class CommandGroup(click.Group):
    """A group that lists its commands under headings."""

    def add_commands(self, heading: str, commands: Sequence[click.Command]) -> None:
        """Add commands, which the help lists under a heading."""
        for command in commands:
            self.add_command(command)
        self._headings = {**getattr(self, "_headings", {}), heading: commands}

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
