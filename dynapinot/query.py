"""``dynapinot query``: ask Pinot, and show its answer."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from dynapinot.errors import OK
from dynapinot.pinot_server import Broker


def query(console: Console, broker: Broker, sql: str, *, as_json: bool = False) -> int:
    """Show what a query gives, as a table or a line of JSON for each row: ``dynapinot query``. Raises CommandError."""
    answer = broker.query(sql)
    if as_json:
        for row in answer.rows:
            line = json.dumps(dict(zip(answer.columns, row, strict=True)), ensure_ascii=False)
            console.print(Text(line), soft_wrap=True)
        return OK
    grid = Grid(show_edge=False, pad_edge=False, header_style="dim")
    for column in answer.columns:
        grid.add_column(Text(column), overflow="fold")
    for row in answer.rows:
        grid.add_row(*(Text("null", "dim") if value is None else Text(_cell(value)) for value in row))
    console.print(grid)
    console.print(Text(f"{len(answer.rows)} rows", "dim"))
    return OK


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
