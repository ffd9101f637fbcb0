"""Each rule of the two theorems is needed: without it some history ends wrong, within a few hundred of each kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

import load.scan
import load.sweep
import redrive.current_rows
from snapshot import version
from theorems.world import KINDS, READERS, Rules, World

HISTORIES = 60  # of each kind, at most
RULES = Rules()


def without_margin(reader):
    return replace(RULES, margins={**RULES.margins, reader: 0})


def ends_wrong(rules=RULES, **options):
    """Tell whether a history ends wrong."""
    for seed in range(HISTORIES):
        for kind in KINDS:
            try:
                World(kind, seed, rules=rules, **options).run()
            except AssertionError as error:
                assert f"{kind} seed {seed}" in str(error)
                return True
    return False


BROKEN = {
    "a consistent page without a margin": (without_margin("consistent"), ["consistent"], ["none"]),
    "a global table's page without a margin": (without_margin("global"), ["global"], ["none"]),
    "an eventually consistent page without a margin": (without_margin("eventual"), ["eventual"], ["none"]),
    "an export without a margin": (without_margin("export"), ["export"], ["none"]),
    "a page that has the time of its own response": (replace(RULES, page_time="after"), ["consistent"], ["none"]),
    "an export whose rows have the time of the write": (replace(RULES, row_time="write"), ["export"], ["none"]),
    "a load before the stream is on": (replace(RULES, stream_comes_first=False), ["consistent"], ["none"]),
    "no sweep after losses": (replace(RULES, is_swept=False), READERS, ["swept"]),
    "a sweep of what is older than the stream": (replace(RULES, sweep_bound="stream"), READERS, ["swept"]),
    "a sweep while older rows are under way": (replace(RULES, sweep_comes_last=False), READERS, ["swept"]),
    "a sweep that deletes what Time to Live may have": (replace(RULES, deletes_kept=True), READERS, ["swept"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_history_ends_wrong_with(name):
    rules, readers, losses = BROKEN[name]
    assert ends_wrong(rules, readers=readers, losses=losses)


@pytest.mark.parametrize("losses", ["none", "redriven", "swept"])
def test_a_history_ends_wrong_with_a_row_in_the_very_second(losses, monkeypatch):
    snapshot_ms = version.snapshot_ms
    for module in (version, load.scan, load.sweep, redrive.current_rows):
        monkeypatch.setattr(module, "snapshot_ms", lambda table, second: snapshot_ms(table, second) + 1)
    assert ends_wrong(readers=["consistent"], losses=[losses])


def test_a_history_ends_wrong_with_a_redrive_or_a_sweep_whose_reads_have_no_margin(monkeypatch):
    read_item = World._read_item

    def without(world, change, earliest):
        before, world.rules = world.rules, without_margin("consistent")
        try:
            return read_item(world, change, earliest)
        finally:
            world.rules = before

    monkeypatch.setattr(World, "_read_item", without)
    assert ends_wrong(readers=["consistent"], losses=["redriven"])
    assert ends_wrong(readers=["consistent"], losses=["swept"])


def test_a_sweep_of_all_that_is_older_than_the_sweep_reads_more_and_ends_the_same():
    counts = {}
    for bound in ("first read", "now"):
        counts[bound] = Counter()
        for kind in KINDS:
            for seed in range(3):
                world = World(
                    kind, seed, readers=["consistent"], losses=["swept"], rules=replace(RULES, sweep_bound=bound)
                )
                world.run()
                counts[bound] += world.counts
    assert counts["now"]["candidates"] > counts["first read"]["candidates"]
