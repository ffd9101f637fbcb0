"""docs/operations.md lists the metrics and log messages that the code really emits."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text()
TELEMETRY = ast.parse((ROOT / "src" / "handlers" / "telemetry.py").read_text())


def first_cells(heading):
    rows = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [re.match(r"\| `([^`]+)`", row)[1] for row in rows]


def calls(*names):
    for node in ast.walk(TELEMETRY):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in names:
            yield node


def test_the_metrics_on_the_page_are_the_codes():
    emitted = {
        keyword.value.value
        for call in calls("add_metric", "single_metric")
        for keyword in call.keywords
        if keyword.arg == "name"
    }
    assert set(first_cells("metric")) == emitted


def test_the_messages_on_the_page_are_the_codes():
    emitted = {(call.args[0].value, call.func.attr.upper()) for call in calls("info", "warning", "error")}
    levels = dict(re.findall(r"^\| `([^`]+)` \| (INFO|WARNING|ERROR) \|", PAGE, re.MULTILINE))
    assert set(levels.items()) == emitted
