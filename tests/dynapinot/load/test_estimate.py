"""The numbers before a load, by examples that are computed by hand."""

from __future__ import annotations

import msgspec
import pytest

from dynapinot.load.estimate import as_document, duration, estimate, lines, money, size, spent
from dynapinot.prices import read_prices
from load.plan import ExportReader, Plan, PlannedTable, ScanReader, Total
from proposals import table_description

PRICES = msgspec.structs.replace(read_prices().prices, million_read_units=10.0, million_put_units=2.0, gb_second=0.001)
ON_DEMAND = table_description()
PROVISIONED = table_description(read_units=400, write_units=100)


def plan(*, items, item_bytes, shards=(4,), workers=4, **reader):
    return Plan(
        id="l",
        table="app",
        region="eu-west-1",
        keys=("id",),
        began=0,
        tables={f"t{number}": PlannedTable(files="", shards=count) for number, count in enumerate(shards)},
        reader=ScanReader(segments=8, margin=1, **reader),
        workers=workers,
        items=items,
        bytes=items and items * item_bytes,
    )


def test_small_items_are_limited_by_rows():
    found = estimate(plan(items=1_000_000, item_bytes=512), ON_DEMAND, PRICES, share=0.5, in_stack=False)
    assert found.read_units == 125_000  # 512 MB of 4 KB
    assert (found.rows, found.put_units) == (1_000_000, 1_000_000)
    assert found.dollars == {"read units": 1.25, "PUT units": 2.0}
    assert found.total == 3.25
    assert (found.seconds, found.slowest) == (500.0, "the streams' shards")  # 4 shards of 1,000 rows/s, half of it
    assert found.heap_bytes == 100_000_000


def test_large_items_are_limited_by_bytes_and_take_several_put_units():
    item = 400 * 1024
    found = estimate(plan(items=1_000, item_bytes=item), ON_DEMAND, PRICES, share=1.0, in_stack=False)
    assert found.put_units == 16_000  # of 25 KB
    assert found.read_units == 100_000
    assert found.seconds == pytest.approx(1_000 * item / (4 * 1024 * 1024))


def test_an_eventually_consistent_read_costs_half():
    made = plan(items=1_000_000, item_bytes=512, consistent=False)
    assert estimate(made, ON_DEMAND, PRICES, share=0.5, in_stack=False).read_units == 62_500


def test_a_provisioned_tables_reads_are_paid_already_and_may_be_the_slowest():
    made = plan(items=1_000_000, item_bytes=512, units_per_second=100.0)
    found = estimate(made, PROVISIONED, PRICES, share=0.5, in_stack=False)
    assert "read units" not in found.dollars
    assert (found.seconds, found.slowest) == (1_250.0, "the table's reads")


def test_few_workers_may_be_the_slowest():
    found = estimate(
        plan(items=900_000, item_bytes=100, shards=(100,), workers=1), ON_DEMAND, PRICES, share=1.0, in_stack=False
    )
    assert (found.seconds, found.slowest) == (300.0, "the workers")


def test_each_table_has_its_rows_and_the_smallest_stream_decides():
    found = estimate(plan(items=1_000, item_bytes=100, shards=(4, 1)), ON_DEMAND, PRICES, share=0.5, in_stack=False)
    assert (found.rows, found.seconds) == (2_000, 2.0)


def test_a_stack_pays_its_functions_for_the_whole_time():
    found = estimate(plan(items=1_000_000, item_bytes=512, workers=2), ON_DEMAND, PRICES, share=0.5, in_stack=True)
    assert found.dollars["Lambda"] == pytest.approx(500 * 2 * 0.5 * 0.001)


def test_a_table_of_unknown_size_has_no_numbers():
    found = estimate(plan(items=None, item_bytes=0), ON_DEMAND, PRICES, share=0.5, in_stack=False)
    assert (found.rows, found.seconds, found.total) == (0, 0.0, 0.0)


def test_an_export_reads_nothing_of_the_table():
    reader = ExportReader(bucket="b", folder="f", files=3, second=1)
    made = msgspec.structs.replace(plan(items=1_000, item_bytes=4_096), reader=reader)
    found = estimate(made, ON_DEMAND, PRICES, share=0.5, in_stack=False, exports=True)
    assert (found.read_units, "read units" in found.dollars) == (0.0, False)
    assert found.dollars["export"] == pytest.approx(0.0004096)  # 4.096 MB at 10 cents a GB
    assert "Reads     an export to S3\n" in "\n".join(lines(found, made, ON_DEMAND, as_of="2025", region="eu-west-1"))


def test_what_a_load_cost_so_far_is_counted_by_its_rows_or_its_bytes():
    total = Total(rows=1_000_000, bytes=1_000, read_units=100_000.0)
    assert spent(total, PRICES, on_demand=True) == 3.0
    assert spent(total, PRICES, on_demand=False) == 2.0
    assert spent(Total(rows=1, bytes=25 * 1024 * 1_000_000), PRICES, on_demand=True) == 2.0


def test_the_estimate_is_written_for_people():
    made = plan(items=1_000_000, item_bytes=512, units_per_second=100.0)
    found = estimate(made, PROVISIONED, PRICES, share=0.5, in_stack=False)
    assert lines(found, made, PROVISIONED, as_of="2025", region="us-east-1") == (
        "Table     app: 1,000,000 items, 488.3 MiB; counted every six hours",
        (
            "Reads     a strongly consistent Scan of 8 segments, at 100 read units/s at most: 125,000 read units "
            "of 400/s that are provisioned"
        ),
        "Rows      1,000,000 at most, to t0 (4 shards): 1,000,000 PUT units",
        "Time      20 min 50 s, which the table's reads decide; 4 workers",
        "Cost      $2.00: PUT units $2.00 (prices of us-east-1, 2025)",
        "Pinot     about 95.4 MiB of heap for upsert keys on each replica, all servers together",
    )
    assert as_document(found)["total"] == 2.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (60, "1 min 0 s"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_times_are_written_in_their_two_largest_units(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "$0.00"), (0.004, "under $0.01"), (0.01, "$0.01"), (1234.5, "$1,234.50")]
)
def test_money_is_written_in_cents(amount, text):
    assert money(amount) == text


@pytest.mark.parametrize(("count", "text"), [(10, "10 bytes"), (2048, "2.0 KiB"), (3 * 1024**4, "3.0 TiB")])
def test_sizes_are_written_in_their_unit(count, text):
    assert size(count) == text
