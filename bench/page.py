"""The generated parts of docs/performance.md: the text between the markers is made from the result beside the page."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.product import ROOT
from bench.result import Result, read, write
from bench.sizing import Grid, grids
from dynapinot.errors import CommandError

PAGE: Final = ROOT / "docs" / "performance.md"
RESULT: Final = ROOT / "docs" / "performance" / "result.json"
PICTURE: Final = RESULT.with_suffix(".svg")
ORIGIN: Final = "origin"

_WIDTH: Final = 120

_PART: Final = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def publish(file: Path) -> None:
    """Publish a result on the page: copy it, draw its plot and write its tables.

    Raises CommandError for a quick run, whose numbers are not reliable, and for a result that lacks races.
    """
    from bench.plot import draw  # noqa: PLC0415  # only the benchmark's environment has matplotlib

    result = read(file)
    if result.quick:
        raise CommandError(f"{file} is of a quick run: do not rely on its numbers. Name one of `make bench`")
    text = filled(PAGE.read_text(encoding="utf-8"), result)
    write(result, RESULT)
    draw(result, PICTURE)
    PAGE.write_text(text, encoding="utf-8")


def filled(page: str, result: Result) -> str:
    """Return the page with its generated parts made from the result.

    Raises CommandError unless the page has each part exactly once.
    """
    made = parts(result)
    found = sorted(match["name"] for match in _PART.finditer(page))
    if found != sorted(made):
        raise CommandError(
            f"{PAGE.name} has the generated parts {', '.join(found)}; there are {', '.join(sorted(made))}"
        )
    return _PART.sub(lambda match: f"{match[1]}\n{made[match['name']]}\n\n{match[3]}", page)


def parts(result: Result) -> Mapping[str, str]:
    """Return each part, by its name."""
    return {ORIGIN: _origin(result), **{grid.name: _table(grid) for grid in grids(result)}}


def _table(grid: Grid) -> str:
    lines = [
        grid.columns,
        ["---" if column in grid.texts else "---:" for column in grid.columns],
        *grid.rows,
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"*{grid.title[0].upper()}{grid.title[1:]}:*\n\n{table}"


def _origin(result: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    changed = ", with changes that are not committed" if result.changed else ""
    machine = f"{result.machine['processors']} x {result.machine['processor']} (load {result.load} at the start)"
    text = (
        f"Measured on {result.made[:10]} at commit `{result.commit}`{changed}, on {machine},"
        f" {result.machine['interpreter']}: {versions}."
    )
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
