"""The demo's output: coloured in a terminal, and plain without one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from dynapinot.wording import counted, say

_STYLES: Final = {"INSERT": "bold green", "MODIFY": "bold yellow", "REMOVE": "bold red"}
ID_LENGTH: Final = 8  # of an id's shown part


class Screen:
    """Writes what happens, as it happens; without ``shows_changes``, neither the changes nor their rows."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.shows_changes = True

    def waiting(self, why: str) -> AbstractContextManager[object]:
        """Show that something takes a moment, for the length of a block; nothing where there is no terminal."""
        return self._console.status(why)

    def of_command(self) -> Console:
        """Return a console for a command that is part of the demo: plain lines, in whatever thread, and no bar."""
        file = self._console.file  # the display itself, also while the function's log takes what is printed
        return Console(file=file, width=self._console.width, force_terminal=False, color_system=None)

    def title(self, text: str) -> None:
        """Begin a part."""
        self._console.print(f"\n{text}", style="bold", markup=False, highlight=False)

    def say(self, text: str) -> None:
        """Write a line as it is."""
        say(self._console, Text(text))

    def change(self, record: Mapping[str, Any]) -> None:
        """Show a change as it comes to the function."""
        if not self.shows_changes:
            return
        inner = record["dynamodb"]
        time = datetime.fromtimestamp(inner["ApproximateCreationDateTime"], UTC)
        name = record["eventName"]
        rest = f" at {time:%Y-%m-%d %H:%M:%S} UTC, sequence number {inner['SequenceNumber']}"
        self._labelled("change", Text.assemble((name, _STYLES.get(name, "")), rest))

    def row(self, shard: str, row: Mapping[str, Any]) -> None:
        """Show a row as it is on the stream."""
        if not self.shows_changes:
            return
        text = Text(json.dumps(row, ensure_ascii=False, separators=(", ", ": ")))
        JSONHighlighter().highlight(text)
        text.append(f"  on {shard}", "dim")
        self._labelled("row", text)

    def table(self, query: str, columns: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Show what a query gives."""
        is_piped = not self._console.is_terminal  # whoever reads it there wants a query in one line
        self._console.print()
        if is_piped:
            self._console.print(query, style="bold cyan", markup=False, highlight=False, soft_wrap=True)
        else:
            say(self._console, Text(query, "bold cyan"))
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(column, no_wrap=True, justify="right" if column in _NUMBERS else "left")
        for row in rows:
            style = "red" if row.get("eventName") == "REMOVE" else ""
            table.add_row(*(Text(_cell(column, row.get(column))) for column in columns), style=style)
        self._console.print(table)
        say(self._console, Text(counted(len(rows), "row"), "dim"))

    def verdict(self, text: str, different: Sequence[str]) -> None:
        """Say that both sides are equal, or what is different."""
        if not different:
            say(self._console, Text(f"= {text}", "green"))
            return
        say(self._console, Text(f"! {text}", "bold red"))
        for difference in different:
            say(self._console, Text(f"  {difference}", "red"))

    def _labelled(self, label: str, text: Text) -> None:
        if not self._console.is_terminal:
            self._console.print(Text(f"  {label:7}").append_text(text), soft_wrap=True)
            return
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=8, justify="right", style="dim")
        grid.add_column(overflow="fold")
        grid.add_row(label, text)
        self._console.print(grid)


_TIMES: Final = ("ApproximateCreationDateTime", "mtime")
_NUMBERS: Final = ("rsvp_count",)


def _cell(column: str, value: object) -> str:
    if value is None:
        return "null"
    if column in _TIMES and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")[:23]
    if column == "meetup_id":
        return f"{str(value)[:ID_LENGTH]}…"
    return value if isinstance(value, str) else json.dumps(value)
