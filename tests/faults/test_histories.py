"""Whatever goes wrong, in whatever order: after it Pinot would hold what the source holds, or it is known what not.

``FAULT_HISTORIES`` says how many random histories (10,000 if nothing is said), ``FAULT_SEED`` which is the first. A
history follows from its seed alone; a failure names the seed and the command that plays just it.
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
ENOUGH = 300  # histories in which each kind of fault must have come up

FAULTS = (
    "access denied",
    "batches cut in two",
    "choices among parallel batches",
    "dead letters",
    "duplicates",
    "given up: RecordAgeExceeded",
    "given up: RetryAttemptsExhausted",
    "items compared",
    "items excused",
    "invocations with a change that always kills",
    "kills",
    "letters refused",
    "letters whose answer was lost",
    "partial successes",
    "poller restarts",
    "rejections",
    "rejections by a failing shard",
    "replies lost",
    "requests carried out late",
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
        assert [fault for fault in FAULTS if not counts[fault]] == [], "faults that never came up"


@pytest.mark.parametrize("kind", [BY_TIME, BY_VERSION, BY_CITY], ids=lambda kind: kind.name)
def test_each_way_to_order_rows_and_a_changing_primary_key_alone(kind, capsys):
    counts = Counter()
    for seed in range(200):
        World(seed, counts, kinds=(kind,)).run()
    print_counts(capsys, kind.name, counts)
    assert counts["kills"]
    assert counts["rejections"]


def test_two_tables_fed_by_real_threads_hold_the_source_too(capsys):
    """Here threads race as they like, so a seed does not say all; the promises hold for every interleaving."""
    counts = Counter()
    for seed in range(200):
        World(seed, counts, threads=True, kinds=(BY_TIME, BY_VERSION)).run()
    print_counts(capsys, "threads", counts)
    assert counts["kills"]
    assert counts["replies lost"]
    assert counts["letters refused"]


def test_a_history_follows_from_its_seed_alone():
    def played(seed):
        world = World(seed).run()
        shards = {name: [list(map(tuple, shard)) for shard in each.shards] for name, each in world.streams.items()}
        return world.counts, shards, world.bucket.objects

    for seed in range(40):
        assert played(seed) == played(seed)
