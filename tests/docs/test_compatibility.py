"""Every row of the compatibility page names a test that is there, a make target, or says that it is not proven."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compatibility.md").read_text()
ROWS = [
    line.strip("| ").split(" | ")
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.endswith(("| proven by |", "| what was seen |"))
]


@pytest.mark.parametrize(("what", "proof"), ROWS)
def test_a_row_is_proven_or_says_that_it_is_not(what, proof):
    tests = [ROOT / name for name in re.findall(r"`(tests/[\w/.]+)`", proof)]
    targets = re.findall(r"`make ([\w-]+)`", proof)
    assert tests or targets or "*not proven*" in proof or "*seen by hand*" in proof
    assert all(re.search(r"^def test_", test.read_text(), re.MULTILINE) for test in tests)
    assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in targets)


def test_the_versions_on_the_page_are_those_that_are_run():
    pinot = (ROOT / "tests" / "engines" / "pinot" / "pom.xml").read_text()
    local = (ROOT / "tests" / "engines" / "dynamodb" / "pom.xml").read_text()
    kinesalite = json.loads((ROOT / "tests" / "engines" / "kinesalite" / "package.json").read_text())
    assert set(re.findall(r"1\.\d\.\d", PAGE)) == {"1.5.1"}
    assert "1.5.1" in pinot
    assert re.search(r"DynamoDB Local ([\d.]+)", PAGE)[1] in local
    assert re.search(r"kinesalite ([\d.]+)", PAGE)[1] == kinesalite["dependencies"]["kinesalite"]
