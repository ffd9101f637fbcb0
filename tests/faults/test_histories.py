"""After any faults in any order, Pinot would hold what the source holds, or it is known what is missing.

``FAULT_HISTORIES`` is the number of random histories (default 10,000), ``FAULT_SEED`` the first seed. A history depends
on its seed alone. A failure names the seed and the command that runs only that history.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from faults.history import BY_CITY, BY_TIME, BY_VERSION
from faults.world import World
from print_counts import print_counts

HISTORIES = int(os.environ.get("FAULT_HISTORIES", "10000"))
FIRST_SEED = int(os.environ.get("FAULT_SEED", "20240622"))
CHUNK = 625
ENOUGH = 300  # histories in which each kind of fault must have occurred

FAULTS = (
    "access denied",
    "batches cut in two",
    "choices among parallel batches",
    "dead letters",
    "duplicates",
    "discarded: RecordAgeExceeded",
    "discarded: RetryAttemptsExhausted",
    "items compared",
    "items excused",
    "invocations with a change that always kills",
    "kills",
    "dead letters refused",
    "dead letters whose response was lost",
    "partial successes",
    "poller restarts",
    "rejections",
    "rejections by a failing shard",
    "responses lost",
    "requests processed late",
    "requests failed",
    "requests shuffled",
    "stream missing",
    "streams deleted",
    "waits of the event source",
)


@pytest.mark.parametrize("start", range(FIRST_SEED, FIRST_SEED + HISTORIES, CHUNK))
def test_after_every_history_pinot_would_hold_what_the_source_holds(start, capsys):
    counts = Counter()
    seeds = range(start, min(start + CHUNK, FIRST_SEED + HISTORIES))
    for seed in seeds:
        World(seed, counts).run()
    print_counts(capsys, f"seeds {seeds.start} to {seeds.stop - 1}", counts)
    assert counts["histories"] == len(seeds)
    if len(seeds) >= ENOUGH:
        assert [fault for fault in FAULTS if not counts[fault]] == [], "faults that never occurred"


@pytest.mark.parametrize("kind", [BY_TIME, BY_VERSION, BY_CITY], ids=lambda kind: kind.name)
def test_each_kind_of_table_holds_the_source_after_every_history(kind, capsys):
    counts = Counter()
    for seed in range(200):
        World(seed, counts, kinds=(kind,)).run()
    print_counts(capsys, kind.name, counts)
    assert counts["kills"]
    assert counts["rejections"]


def test_two_tables_with_real_threads_hold_the_source_too(capsys):
    """Threads race here, so a seed does not determine a run. The promises hold for every interleaving."""
    counts = Counter()
    for seed in range(200):
        World(seed, counts, threads=True, kinds=(BY_TIME, BY_VERSION)).run()
    print_counts(capsys, "threads", counts)
    assert counts["kills"]
    assert counts["responses lost"]
    assert counts["dead letters refused"]


def test_a_history_depends_on_its_seed_alone():
    def played(seed):
        world = World(seed).run()
        shards = {name: [list(map(tuple, shard)) for shard in each.shards] for name, each in world.streams.items()}
        return world.counts, shards, world.bucket.objects

    for seed in range(40):
        assert played(seed) == played(seed)
