"""docs/operations.md lists the metrics and log messages that the code really emits, and its links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEMPLATE = (ROOT / "template.yaml").read_text()
PAGE = (ROOT / "docs" / "operations.md").read_text()
HANDLERS = [ast.parse(file.read_text()) for file in sorted((ROOT / "src" / "handlers").glob("*.py"))]


def first_cells(heading):
    rows = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def calls(*names):
    for node in (node for handler in HANDLERS for node in ast.walk(handler)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in names:
            yield node


def test_the_metrics_on_the_page_are_the_codes():
    emitted = {
        keyword.value.value
        for call in calls("add_metric", "single_metric")
        for keyword in call.keywords
        if keyword.arg == "name"
    }
    assert sorted(first_cells("metric")) == sorted(emitted)


def test_the_messages_on_the_page_are_the_codes():
    emitted = {
        (call.args[0].value, call.func.attr.upper())
        for call in calls("info", "warning", "error")
        if isinstance(call.func.value, ast.Name) and call.func.value.id == "logger"
    }
    levels = dict(re.findall(r"^\| `([^`]+)` \| (INFO|WARNING|ERROR) \|", PAGE, re.MULTILINE))
    assert set(levels.items()) == emitted


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_on_the_page_leads_to_a_heading_that_is_there():
    links = re.findall(r"\]\(([^)#]*)#([^)]+)\)", PAGE)
    assert links
    assert [
        (file, anchor)
        for file, anchor in links
        if anchor not in anchors((ROOT / "docs" / file).read_text() if file else PAGE)
    ] == []


def test_every_link_of_the_template_leads_to_a_heading_of_the_page():
    links = set(re.findall(r"docs/operations\.md#([a-z0-9-]+)", TEMPLATE))
    assert links
    assert links - anchors(PAGE) == set()


def test_the_parameters_on_the_page_are_the_templates():
    section = TEMPLATE[TEMPLATE.index("\nParameters:\n") : TEMPLATE.index("\nRules:\n")]
    declared = set(re.findall(r"^  (\w+):$", section, re.MULTILINE))
    commands = re.findall(r"sam deploy (?:[^\n]*\\\n)*[^\n]*", PAGE)
    given = {name for command in commands for name in re.findall(r"\b([A-Z]\w+)=", command)}
    assert len(given) > 3
    assert given - declared == set()
