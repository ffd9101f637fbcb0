"""docs/verify.md has the kinds, the numbers and the words of the code."""

from __future__ import annotations

import re
from pathlib import Path

from dynapinot import defaults
from dynapinot.verify import sample
from dynapinot.verify.judge import KINDS
from dynapinot.verify.report import bound

PAGE = " ".join((Path(__file__).parent.parent.parent / "docs" / "verify.md").read_text().split())


def test_the_kinds_on_the_page_are_the_codes():
    assert re.findall(r"\| `(\w+)` \|", PAGE) == list(KINDS)


def test_the_numbers_on_the_page_are_the_codes():
    first, second, last = (f"{part * defaults.VERIFY_WAIT_SECONDS:.0f}" for part in sample.LOOKS)
    assert f"after {first}, {second} and {last} seconds" in PAGE
    assert f"{defaults.VERIFY_SAMPLE:,} draws in each direction" in PAGE
    assert f"{bound(3_000):.1%}".replace("%", " %") + " for 3,000 draws" in PAGE
    assert f"{bound(30_000):.2%}".replace("%", " %") + " for 30,000" in PAGE
    assert f"{sample.MOST_PAGES} pages of 1 MB are read at most" in PAGE
    assert f"After {sample.MOST_SUSPECTS:,} keys that differ at first" in PAGE
    assert f"After {sample.MOST_READ_UNITS:,} read units" in PAGE
    assert f"`--items-per-second` ({defaults.VERIFY_ITEMS_PER_SECOND})" in PAGE
    assert f"queries for {sample.KEYS_PER_QUERY} keys each" in PAGE
    assert (sample.ITEMS_PER_SEGMENT, sample.MOST_SEGMENTS, sample.ROUNDS) == (2, 1_000_000, 3)
