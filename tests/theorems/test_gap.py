"""Incremental exports and a sweep leave exactly what is right after changes were lost, and each rule is needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from print_counts import print_counts
from theorems.gap_world import GapRules, GapWorld
from theorems.world import KINDS

HISTORIES = 60  # of each kind
COUNTED = ("given up", "windows", "lines", "neither", "candidates", "rows", "tombstones", "kept")
RULES = GapRules()

BROKEN = {
    "no sweep": replace(RULES, is_swept=False),
    "rows with the time of the write": replace(RULES, row_time="write"),
    "a window that begins too late": replace(RULES, is_in_time=False),
    "no margin": replace(RULES, margin=0),
    "windows that do not overlap": replace(RULES, has_overlap=False),
    "tombstones of items that Time to Live may have deleted": replace(RULES, deletes_those_kept=True),
    "a sweep that deletes what Time to Live may have": replace(RULES, deletes_kept=True),
}


def test_pinot_shows_exactly_what_is_right_after_a_gap(capsys):
    counts = Counter()
    for kind in KINDS:
        for seed in range(HISTORIES):
            world = GapWorld(kind, seed)
            world.run()
            counts += world.counts
    print_counts(capsys, "gaps", counts)
    assert all(counts[name] > HISTORIES for name in COUNTED)


@pytest.mark.parametrize("name", BROKEN)
def test_a_gap_ends_wrong_with(name):
    def ends_wrong():
        for seed in range(HISTORIES):
            for kind in KINDS:
                try:
                    GapWorld(kind, seed, rules=BROKEN[name]).run()
                except AssertionError as error:
                    assert f"{kind} seed {seed}" in str(error)
                    return True
        return False

    assert ends_wrong()
