"""Sentences for people: counts, lists, and lines that break between words where there is a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

_INDENT = 2  # of the further lines of a sentence


def counted(count: int, noun: str) -> str:
    """Write a number with its noun, which has a plural in s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def first_of(names: Sequence[str], total: int, *, most: int = 3) -> str:
    """List the first of ``total`` names, and how many more there are."""
    listed = "; ".join(names[:most])
    more = total - len(names[:most])
    return f"{listed} and {more:,} more" if more else listed


def say(console: Console, text: Text) -> None:
    """Write a sentence: one line for a pipe or a file; in a terminal, lines that break between words."""
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    first, *others = text.wrap(console, console.width)
    lines = [first]
    if others:
        rest = text[len(first) :]
        lines += rest[len(rest.plain) - len(rest.plain.lstrip()) :].wrap(console, console.width - _INDENT)
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(Text(" " * _INDENT if number else "").append_text(line), soft_wrap=True)
