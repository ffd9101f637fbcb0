"""The two theorems of rows of items as they are read hold in thousands of histories."""

from __future__ import annotations

from collections import Counter

from print_counts import print_counts
from theorems.world import KINDS, World

HISTORIES = 75  # of each kind
COUNTED = ("given up", "redriven", "loads", "candidates", "rows", "tombstones")


def test_pinot_shows_exactly_what_is_right_in_the_end(capsys):
    counts = Counter()
    for kind in KINDS:
        for seed in range(HISTORIES):
            world = World(kind, seed)
            world.run()
            counts += world.counts
            counts[world.reader] += 1
            counts[world.losses] += 1
    print_counts(capsys, "theorems", counts)
    assert all(counts[name] > HISTORIES for name in COUNTED)
