"""Draw docs/pictures/load-timeline.svg, which shows why a loaded row cannot beat a change. Run by ``make pictures``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

PICTURE: Final = Path(__file__).parents[1] / "docs" / "pictures" / "load-timeline.svg"

WIDTH, HEIGHT = 840, 380
LABELS, END = 16, 820  # where the lanes' names begin, and the lanes end
STREAM, VERSION, READ = 170, 420, 610  # the moments, as x
CHANGES: Final = ((270, "1"), (515, "2"), (725, "3"))
TABLE, PAGE, ROW, CHANGED = 110, 165, 225, 290  # the lanes, as y
HALF, RADIUS = 16, 11

# Colours of a light page, and of a dark one.
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.small { font-size: 12px; }
.strong { font-weight: 600; }
.back { fill: #ffffff; stroke: #d0d7de; }
.axis { stroke: #57606a; stroke-width: 1.5; fill: none; }
.arrow { fill: #57606a; }
.moment { stroke: #57606a; stroke-dasharray: 4 4; fill: none; }
.page { fill: #ddf4ff; stroke: #0969da; }
.loaded { fill: #0969da; }
.margin { stroke: #0969da; stroke-width: 1.5; fill: none; }
.change { fill: #1a7f37; }
.old { fill: #6e7781; }
.number { fill: #ffffff; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .back { fill: #0d1117; stroke: #30363d; }
  .axis, .moment { stroke: #8b949e; }
  .arrow { fill: #8b949e; }
  .page { fill: #0c2d6b; stroke: #58a6ff; }
  .loaded { fill: #58a6ff; }
  .margin { stroke: #58a6ff; }
  .change { fill: #3fb950; }
  .old { fill: #8b949e; }
  .number { fill: #0d1117; }
}
"""


def text(x: int, y: int, words: str, *, kind: str = "", anchor: str = "middle") -> str:
    """Write words."""
    kinds = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{kinds}>{escape(words)}</text>'


def lane(y: int, name: str) -> str:
    """Name a lane."""
    return text(LABELS, y + 5, name, kind="strong", anchor="start")


def moment(x: int, words: str, more: str) -> list[str]:
    """Draw a moment through all lanes."""
    line = f'<path class="moment" d="M{x} 66V{CHANGED + HALF}"/>'
    return [line, text(x, 36, words, kind="strong"), text(x, 54, more, kind="small")]


def change(x: int, y: int, number: str, kind: str) -> str:
    """Draw a change."""
    dot = f'<circle class="{kind}" cx="{x}" cy="{y}" r="{RADIUS}"/>'
    return dot + text(x, y + 5, number, kind="number")


def outcome(x: int, first: str, second: str) -> list[str]:
    """Say what becomes of a change."""
    return [
        text(x, CHANGED + 34, first, kind="small strong"),
        text(x, CHANGED + 52, second, kind="small"),
    ]


def draw() -> str:
    """Return the picture."""
    (one, _), (two, _), (three, _) = CHANGES
    parts = [
        f'<rect class="back" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>',
        *moment(STREAM, "stream enabled", "changes come from here on"),
        *moment(VERSION, "V(T)", "the loaded row's time"),
        *moment(READ, "T", "the page is read"),
        lane(TABLE, "table"),
        f'<path class="axis" d="M{STREAM - 40} {TABLE}H{END - 8}"/>',
        f'<path class="arrow" d="M{END} {TABLE}l-10 -5v10z"/>',
        text(END, TABLE + 24, "time", kind="small", anchor="end"),
        *(change(x, TABLE, number, "change") for x, number in CHANGES),
        lane(PAGE, "page"),
        f'<rect class="page" x="{STREAM - 40}" y="{PAGE - HALF}" width="{READ - STREAM + 40}" height="{2 * HALF}"/>',
        text((STREAM + READ) // 2, PAGE + 5, "has changes 1 and 2, as the table had them at T"),
        text(three, PAGE + 5, "lacks change 3", kind="small"),
        lane(ROW, "loaded row"),
        f'<path class="margin" d="M{READ} {ROW}H{VERSION + 12}"/>',
        f'<path class="loaded" d="M{VERSION + 10} {ROW}l10 -5v10z"/>',
        f'<path class="loaded" d="M{VERSION} {ROW - 10}l10 10l-10 10l-10 -10z"/>',
        text((VERSION + READ) // 2, ROW - 8, "margin m", kind="small"),
        lane(CHANGED, "rows of changes"),
        change(one, CHANGED, "1", "old"),
        change(two, CHANGED, "2", "change"),
        change(three, CHANGED, "3", "change"),
        *outcome(one, "loses: before V(T)", "the loaded row has it"),
        *outcome(two, "wins: after V(T)", "the loaded row has it too"),
        *outcome(three, "wins: after V(T)", "the loaded row lacks it"),
        text(WIDTH // 2, HEIGHT - 14, "Whatever arrives first: Pinot keeps the row with the greatest time."),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    title = "<title>Why a loaded row cannot beat a change</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")
