"""``dynapinot query``: ask Pinot, and show its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from dynapinot.errors import FOUND, OK
from dynapinot.pinot_server import BEHIND_SECONDS, Answer, Broker
from dynapinot.wording import counted

DEFAULT_LIMIT: Final = 10  # "pinot.broker.default.query.response.limit" (CommonConstants.Broker)

_READABLE: Final = 16  # characters: a column that has fewer than its values need, and than these, is hard to read
_BETWEEN_COLUMNS: Final = 3
_JSON_LINES: Final = 1_000  # written at once

_QUOTED_OR_COMMENT: Final = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/""", re.DOTALL)
_LIMIT: Final = re.compile(r"\b(?:limit|fetch)\b", re.IGNORECASE)
_MULTI_STAGE: Final = re.compile(r"\busemultistageengine\s*=\s*true\b", re.IGNORECASE)  # it has no default limit


def query(
    console: Console,
    broker: Broker,
    sql: str,
    warn: Callable[[str], None],
    *,
    now_ms: int,
    as_json: bool = False,
    vertical: bool = False,
) -> int:
    """Show what a query gives: ``dynapinot query``. Return 1 if rows are missing, and tell ``warn`` why.

    The answer is a table; a block for each row where ``vertical`` or where a table is too wide; or a line of JSON for
    each row. Raises CommandError.
    """
    answer = broker.query(sql)
    if as_json:
        _write_json(console, answer)
    elif vertical or not _fits(console, answer):
        _show_blocks(console, answer)
    else:
        _show_table(console, answer)
    for reason in answer.incomplete:
        warn(f"The answer is incomplete: {reason}")
    if len(answer.rows) == DEFAULT_LIMIT and has_no_limit(sql):
        warn(f"Pinot gives {DEFAULT_LIMIT} rows where a query has no LIMIT. There may be more: write LIMIT 1000, say")
    behind = answer.seconds_behind(now_ms)
    if behind is not None and behind > BEHIND_SECONDS:
        warn(f"Pinot has consumed the stream up to {behind} s ago: newer changes may be missing")
    return FOUND if answer.incomplete else OK


def has_no_limit(sql: str) -> bool:
    """Tell a query to which Pinot adds its default LIMIT."""
    bare = _QUOTED_OR_COMMENT.sub(" ", sql)
    return not (_LIMIT.search(bare) or _MULTI_STAGE.search(bare))


def _write_json(console: Console, answer: Answer) -> None:
    """Write lines past rich, which takes 100 us for each."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for start in range(0, len(answer.rows), _JSON_LINES):
        rows = answer.rows[start : start + _JSON_LINES]
        console.file.write("".join(f"{encode(dict(zip(answer.columns, row, strict=True)))}\n" for row in rows))
    console.file.flush()


def _show_table(console: Console, answer: Answer) -> None:
    grid = Grid(show_edge=False, pad_edge=False, header_style="dim")
    for column in answer.columns:
        grid.add_column(Text(column), overflow="fold")
    for row in answer.rows:
        grid.add_row(*map(_shown, row))
    console.print(grid)
    _show_count(console, answer)


def _show_blocks(console: Console, answer: Answer) -> None:
    for number, row in enumerate(answer.rows, start=1):
        console.print(Text(f"row {number}", "dim"))
        block = Grid.grid(padding=(0, 2, 0, 0))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for column, value in zip(answer.columns, row, strict=True):
            block.add_row(Text(f"  {column}", "dim"), _shown(value))
        console.print(block)
    _show_count(console, answer)


def _show_count(console: Console, answer: Answer) -> None:
    console.print(Text(counted(len(answer.rows), "row"), "dim"))


def _fits(console: Console, answer: Answer) -> bool:
    widths = (min(_READABLE, max(map(len, cells))) for cells in _columns(answer))
    return sum(width + _BETWEEN_COLUMNS for width in widths) - _BETWEEN_COLUMNS <= console.width


def _columns(answer: Answer) -> Iterator[Sequence[str]]:
    for index, name in enumerate(answer.columns):
        yield [name, *(_shown(row[index]).plain for row in answer.rows)]


def _shown(value: Any) -> Text:  # noqa: ANN401  # whatever JSON it is
    if value is None:
        return Text("null", "dim")
    return Text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
