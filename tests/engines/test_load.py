"""A table is loaded while it is being written to, and Pinot then shows its items. The engines are real from end to end.

``LOAD_ITEMS`` is the number of items (make load-proof: 1,000,000), ``LOAD_SEED`` the seed of the writes and the kills;
what falls where is also a matter of the machine.
"""

from __future__ import annotations

import os

import pytest

from engines.loading import Loading, Pace
from load.plan import ScanReader
from print_counts import print_counts
from snapshot.version import CONSISTENT_READ

pytestmark = pytest.mark.engines

ITEMS = int(os.environ.get("LOAD_ITEMS", "3000"))
SEED = int(os.environ.get("LOAD_SEED", "20240622"))
KILLS = 3
IS_LARGE = ITEMS > 100_000
# Of the large table, units are kept as often as always, and its pages are small enough for a slow emulator.
SEGMENTS = 256 if IS_LARGE else 8
PACE = (
    Pace(workers=4, rows_per_second=6_000, save_seconds=20.0)
    if IS_LARGE
    else Pace(workers=3, rows_per_second=600, save_seconds=0.2)
)
SEGMENT_ROWS = 50_000 if IS_LARGE else 500
RATE = 150  # changes a second
MIB = 1024 * 1024
MAX_RSS = 200 * MIB  # of a worker


@pytest.fixture
def loading(engines, tmp_path):
    """Makes a table that is being written to."""
    made = []

    def make(items):
        made.append(Loading(engines, items, rate=RATE, segment_rows=SEGMENT_ROWS, seed=SEED, folder=tmp_path))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_load_that_is_killed_and_resumed_brings_every_item_while_the_table_is_written_to(loading, capsys):
    table = loading(ITEMS)
    reader = ScanReader(segments=SEGMENTS, margin=CONSISTENT_READ)
    files = table.plan("first", reader, PACE)
    loaded = table.load(files, PACE, kills=KILLS)
    table.finish()
    assert table.differences() == []
    total, counts = loaded.total, table.counts + table.writers.counts
    print_counts(
        capsys,
        f"a load of {ITEMS} items, seed {SEED}",
        counts
        | {
            "items read": total.items,
            "seconds": round(loaded.seconds),
            "rows a second": round(counts["rows of loads"] / loaded.seconds),
            "MiB of memory": round(loaded.max_rss / MIB),
        },
    )
    assert total.done == total.units == SEGMENTS
    assert total.rows == total.items >= ITEMS - counts["delete"]
    assert counts["rows of loads"] >= total.rows
    assert total.dead_letters == {}
    assert loaded.max_rss < MAX_RSS
    assert min(counts["put"], counts["update"], counts["delete"]) > 0

    again = table.load(table.plan("second", reader, PACE), PACE, kills=0)
    table.consume()
    assert again.total.items == counts["items at the end"]
    assert table.differences() == []
