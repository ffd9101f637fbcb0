"""What every command does with the terminal: errors in one line, and a console for its output."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click
from click.exceptions import Exit

from dynapinot.errors import FAILED, CommandError

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH: Final = 120  # where there is no terminal to ask


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Write a CommandError to stderr, and exit."""
    try:
        yield
    except CommandError as error:
        click.echo(f"Error: {error}", err=True)
        raise Exit(FAILED) from None


def console() -> Console:
    """Make the console of the standard output. Without a terminal it has no colours, and it is not narrow.

    It raises BrokenPipeError where nobody reads on.
    """
    from rich.console import Console

    class PipeConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would exit with 1, which is a finding

    made = PipeConsole()
    if not made.is_terminal:
        made.width = max(made.width, PLAIN_WIDTH)
    return made


def warn(text: str) -> None:
    """Write a line to stderr."""
    click.echo(text, err=True)


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000
