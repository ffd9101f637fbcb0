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

ITEMS = int(os.environ.get("LOAD_ITEMS", "2000"))
SEED = int(os.environ.get("LOAD_SEED", "20240622"))
KILLS = {"scan": 3, "export": 1}
IS_LARGE = ITEMS > 100_000
SEGMENTS = 1024 if IS_LARGE else 8  # the pages of a large table must not be too large for the emulator
PACE = (
    Pace(workers=4, rows_per_second=6_000, save_seconds=20.0)
    if IS_LARGE
    else Pace(workers=3, rows_per_second=600, save_seconds=0.2)
)
SEGMENT_ROWS = 50_000 if IS_LARGE else 500
RATE = 150  # changes a second
SKEW = 3  # seconds between an export's time and the time of its items
MIB = 1024 * 1024
MAX_RSS = 200 * MIB  # of a worker

SOURCES = {
    "scan": lambda _: ScanReader(segments=SEGMENTS, margin=CONSISTENT_READ),
    "export": lambda table: table.export(SKEW),
}


@pytest.fixture
def loading(engines, tmp_path):
    """Makes a table that is being written to."""
    made = []

    def make(items):
        made.append(Loading(engines, items, rate=RATE, segment_rows=SEGMENT_ROWS, seed=SEED, folder=tmp_path))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("source", SOURCES)
def test_a_load_that_is_killed_and_resumed_brings_every_item_while_the_table_is_written_to(loading, source, capsys):
    table = loading(ITEMS)
    reader = SOURCES[source](table)
    loaded = table.load(table.plan("first", reader, PACE), PACE, kills=KILLS[source])
    table.finish()
    assert table.differences() == []
    total, counts = loaded.total, table.counts + table.writers.counts
    figures = {
        "items read": total.items,
        "seconds": round(loaded.seconds),
        "rows rejected": total.rejected,
        "rows a second": round(counts["rows of loads"] / loaded.seconds),
        "MiB of memory": round(loaded.max_rss / MIB),
    }
    print_counts(capsys, f"a load of {ITEMS} items by {source}, seed {SEED}", counts | figures)
    assert counts["kills"] == KILLS[source]
    assert total.done == total.units
    assert total.rows == total.items >= ITEMS - counts["delete"]
    assert counts["rows of loads"] >= total.rows
    assert total.dead_letters == {}
    assert 0 < loaded.max_rss < MAX_RSS
    assert min(counts["put"], counts["update"], counts["delete"]) > 0

    if IS_LARGE:
        return  # the rest is the same, and as long again
    again = table.load(table.plan("second", reader, PACE), PACE, kills=0)
    table.catch_up()
    assert again.total.items == (counts["items at the end"] if source == "scan" else total.items)
    assert table.counts["rows of loads"] == counts["rows of loads"] + again.total.rows
    assert table.differences() == []


def test_a_load_whose_rows_are_newer_than_what_was_read_is_detected(loading):
    table = loading(200)
    reader = ScanReader(segments=1, margin=-60)
    table.load(table.plan("wrong", reader, PACE), PACE, kills=0)
    table.finish()
    assert any("Pinot has" in each for each in table.differences())
