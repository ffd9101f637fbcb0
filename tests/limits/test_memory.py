"""The largest possible events fit into the memory of the smallest function, with a reserve."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from dynapinot.local.event_source import PAYLOAD_LIMIT_BYTES
from limits.events import BATCH_SIZE, BOMBS, EVENTS, PAYLOAD_BYTES

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "limits.md").read_text()
SMALLEST_FUNCTION_MIB = 256
MOST_MIB = 224  # an eighth is left to the runtime
ROWS = dict(re.findall(r"^\| (.+?) \| [\d.]+ MB \| (\d+) MiB \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", EVENTS)
def test_the_largest_events_fit_into_the_smallest_function(measure, name, capsys):
    got = measure(EVENTS[name]())
    with capsys.disabled():
        text = f"{got['bytes'] / 1e6:.1f} MB | {got['peak']:.0f} MiB | {got['seconds']:.1f} s"
        print(f"\n{name}: {text} (start {got['start']:.0f} MiB)", file=sys.stderr)  # noqa: T201
    assert got["failures"] == 0
    assert got["peak"] < (SMALLEST_FUNCTION_MIB if name in BOMBS else MOST_MIB)
    if sys.platform == "linux":
        assert got["peak"] < int(ROWS[name]) * 1.1, "docs/limits.md has a smaller figure"


def test_the_page_has_every_measured_event():
    assert list(ROWS) == list(EVENTS)


def test_the_events_are_as_large_as_those_of_the_event_source():
    assert PAYLOAD_BYTES == PAYLOAD_LIMIT_BYTES
    assert BATCH_SIZE == 10_000


def test_the_page_names_the_smallest_function_that_the_template_allows():
    template = (ROOT / "template.yaml").read_text()
    (least,) = re.findall(r"MemoryMegabytes:\n(?: {4}.*\n)*? {4}MinValue: (\d+)", template)
    assert int(least) == SMALLEST_FUNCTION_MIB
    assert f"{SMALLEST_FUNCTION_MIB} MB" in PAGE
    assert f"{MOST_MIB} MiB" in PAGE
