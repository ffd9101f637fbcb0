"""The model's figures agree with calculations by hand, its defaults with the template."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model import (
    CONCURRENCY,
    LANES_CPU,
    LANES_WAIT,
    ONE_ITEM,
    READING,
    SHARD_BYTES,
    SHARD_RECORDS,
    TABLE,
    Assumptions,
    Cost,
    Lag,
    Load,
    Setting,
    Work,
    estimate,
    invocation_seconds,
    lane_of,
    largest_batch,
    least_stream_shards,
    waiting_seconds,
)
from bench.prices import PRICES

TEMPLATE = (Path(__file__).parent.parent.parent / "template.yaml").read_text()

# An invocation of n changes takes 10 ms + n * 0.1 ms of a whole vCPU, and 20 ms for each request of 500 rows.
WORK = Work(
    shape="made up",
    us_per_invocation=10_000,
    us_per_change=100,
    row_bytes=500,
    put_units=1,
    event_bytes=1_000,
    stream_bytes=600,
    write_units=1,
)
WHOLE = Setting(memory_megabytes=1_769, kinesis_shards=4)
ASSUMPTIONS = Assumptions()


def utilisations(load, work=WORK, setting=WHOLE, assumptions=ASSUMPTIONS):
    found = estimate(load, work, setting, assumptions)
    return {stage.name: round(stage.utilisation, 6) for stage in (*found.stages, *found.quotas)}


@pytest.mark.parametrize(
    ("parameter", "field"),
    [
        ("BatchSize", "batch_size"),
        ("BatchingWindowSeconds", "window_seconds"),
        ("ParallelizationFactor", "parallelization_factor"),
        ("MemoryMegabytes", "memory_megabytes"),
        ("KinesisShardCount", "kinesis_shards"),
        ("KinesisRetentionHours", "retention_hours"),
    ],
)
def test_the_default_settings_are_the_templates(parameter, field):
    default = re.search(rf"^  {parameter}:\n    Type: Number\n    Default: (\d+)$", TEMPLATE, re.MULTILINE)[1]
    assert getattr(Setting(), field) == int(default)


@pytest.mark.parametrize(
    ("changes", "memory", "seconds"),
    [
        (1, 1_769, 0.0101 + 0.02),
        (500, 1_769, 0.060 + 0.02),
        (501, 1_769, 0.0601 + 0.04),  # one request more
        (1_000, 1_769, 0.110 + 0.04),
        (1_000, 1_769 / 2, 0.220 + 0.04),  # half a vCPU
        (1_000, 10_240, 0.110 + 0.04),  # more than one does not help
    ],
)
def test_an_invocations_time_is_its_cpu_at_the_functions_share_and_the_wait_for_each_request(changes, memory, seconds):
    assert invocation_seconds(changes, WORK, replace(WHOLE, memory_megabytes=memory), ASSUMPTIONS) == pytest.approx(
        seconds
    )


def test_a_faster_processor_shortens_the_cpu_time_and_not_the_waiting():
    assert invocation_seconds(500, WORK, WHOLE, Assumptions(speed=2)) == pytest.approx(0.030 + 0.02)


@pytest.mark.parametrize(
    ("changes", "shards", "seconds"),
    [(2_000, 1, 0.08), (2_000, 4, 0.04), (2_000, 7, 0.04), (2_000, 8, 0.02), (500, 8, 0.02)],
)
def test_concurrent_requests_are_measured_for_as_many_shards_or_the_next_smaller_number(changes, shards, seconds):
    assumptions = Assumptions(concurrent_requests={1: 1.0, 4: 2.0, 8: 6.0})
    assert waiting_seconds(changes, WORK, replace(WHOLE, kinesis_shards=shards), assumptions) == pytest.approx(seconds)


def test_the_bytes_of_large_rows_decide_the_number_of_requests():
    large = replace(WORK, row_bytes=100 * 1024)  # 51 of them are a request of 5 MiB
    assert waiting_seconds(500, large, WHOLE, ASSUMPTIONS) == pytest.approx(0.2)


def test_a_batch_is_limited_by_the_events_6_mb():
    assert largest_batch(WORK, WHOLE) == 1_000
    assert largest_batch(WORK, replace(WHOLE, batch_size=10_000)) == 6_291
    assert largest_batch(replace(WORK, event_bytes=10**9), WHOLE) == 1


def test_a_batch_that_does_not_fill_has_the_changes_of_one_window_and_one_invocation():
    lane = lane_of(100, WORK, WHOLE, ASSUMPTIONS)  # 100 a second, a second and an invocation long
    seconds = 0.010 + lane.batch * 0.0001 + 0.02
    idle = math.exp(-100 * seconds)
    assert lane.batch == pytest.approx(100 * (1 + seconds) + idle * 25 / (1 - math.exp(-25)))
    assert lane.seconds == pytest.approx(seconds)
    assert lane.lag.window == pytest.approx(0.5, rel=0.1), "half a second on average"
    assert lane.busy == pytest.approx(100 * seconds / lane.batch)
    assert lane.utilisation == pytest.approx(100 * 0.15 / 1_000)


def test_a_batch_that_fills_before_the_window_closes_does_not_wait_for_it():
    lane = lane_of(2_000, WORK, replace(WHOLE, window_seconds=300), ASSUMPTIONS)
    assert lane.batch == 1_000
    assert lane.lag == Lag(
        window=pytest.approx(0.25), lambda_poll=0.125, invocation=pytest.approx(0.15), pinot_poll=0.5
    )


def test_a_single_change_waits_for_half_a_poll_the_window_the_invocation_and_half_a_pinot_poll():
    lane = lane_of(0.001, WORK, WHOLE, ASSUMPTIONS)
    assert lane.batch == pytest.approx(1, rel=0.01)
    assert lane.lag.window == pytest.approx(1, rel=0.01)
    assert lane.lag.lambda_poll == pytest.approx(0.125, rel=0.01)
    assert lane.lag.invocation == pytest.approx(0.0301, rel=0.01)
    assert lane.lag.total == pytest.approx(1 + 0.125 + 0.0301 + 0.5, rel=0.01)


def test_the_utilisation_of_every_stage_is_as_calculated_by_hand():
    load = Load(changes_per_second=2_000, hot_share=0.1)  # 200 of one item, 1,800 of the others
    found = utilisations(load, setting=replace(WHOLE, stream_shards=2, parallelization_factor=2))
    assert found == {
        ONE_ITEM: 0.2,
        READING: round((200 + 900) / 4_000, 6),
        LANES_CPU: round((200 + 450) * 0.15 / 1_000, 6),
        SHARD_RECORDS: (200 + 450) / 1_000,
        SHARD_BYTES: round((200 + 450) * 500 / 1_048_576, 6),
        TABLE: 0.05,
        CONCURRENCY: found[CONCURRENCY],
    }
    assert 0 < found[CONCURRENCY] < 4 / 1_000


@pytest.mark.parametrize(
    ("load", "work", "setting", "first"),
    [
        (Load(changes_per_second=1_000), WORK, replace(WHOLE, kinesis_shards=1), SHARD_RECORDS),
        (Load(changes_per_second=100), replace(WORK, row_bytes=20_000), WHOLE, SHARD_BYTES),
        (Load(changes_per_second=1_000), replace(WORK, us_per_change=1_000), WHOLE, LANES_CPU),
        (Load(changes_per_second=1_000), WORK, replace(WHOLE, batch_size=10, memory_megabytes=10_240), LANES_WAIT),
        (Load(changes_per_second=500, hot_share=0.9), replace(WORK, write_units=2), WHOLE, ONE_ITEM),
        (Load(changes_per_second=1_000), replace(WORK, stream_bytes=4_000), replace(WHOLE, kinesis_shards=40), READING),
    ],
)
def test_the_bottleneck_is_the_stage_that_is_full_first(load, work, setting, first):
    found = estimate(load, work, setting, ASSUMPTIONS)
    assert found.bottleneck.name == first
    assert found.bottleneck.utilisation == max(stage.utilisation for stage in found.stages)
    assert found.keeps_up == (found.bottleneck.utilisation < 1)
    assert found.max_changes_per_second == pytest.approx(load.changes_per_second / found.bottleneck.utilisation)


@given(
    rate=st.floats(10, 5_000),
    hot=st.floats(0, 0.9),
    factor=st.integers(1, 10),
    shards=st.integers(1, 64),
    batch=st.integers(1, 10_000),
)
def test_at_the_highest_rate_the_bottleneck_is_exactly_full(rate, hot, factor, shards, batch):
    setting = Setting(parallelization_factor=factor, kinesis_shards=shards, batch_size=batch)
    most = estimate(Load(changes_per_second=rate, hot_share=hot), WORK, setting, ASSUMPTIONS).max_changes_per_second
    full = estimate(Load(changes_per_second=most, hot_share=hot), WORK, setting, ASSUMPTIONS)
    assert full.bottleneck.utilisation == pytest.approx(1)


@given(rate=st.floats(0.01, 5_000), window=st.floats(0, 300), batch=st.integers(1, 10_000))
def test_a_lane_that_keeps_up_is_busy_for_at_most_all_of_the_time(rate, window, batch):
    lane = lane_of(rate, WORK, replace(WHOLE, window_seconds=window, batch_size=batch), ASSUMPTIONS)
    assert 1 <= lane.batch <= batch
    assert lane.busy <= 1 + 1e-6 or lane.utilisation > 1
    assert min(lane.lag.window, lane.lag.lambda_poll, lane.lag.invocation) >= 0


def test_the_cost_of_a_million_changes_is_as_calculated_by_hand():
    load = Load(changes_per_second=2_000)
    others = {"shard_hour": 5, "extended_shard_hour": 7}
    prices = msgspec.structs.replace(PRICES, gb_second=2, million_requests=30, million_put_units=4, **others)
    found = estimate(load, replace(WORK, put_units=2), replace(WHOLE, memory_megabytes=2_048), ASSUMPTIONS, prices)
    assert found.cost == Cost(
        gb_seconds=pytest.approx(1_000 * 0.150 * 2),  # a thousand full batches of 150 ms, at 2 GB
        computing=pytest.approx(600),
        requests=pytest.approx(0.03),
        put_units=8,
        shard_hours=pytest.approx(4 * 12 * 500 / 3_600),  # a million changes take 500 s
    )
    day = estimate(load, WORK, replace(WHOLE, retention_hours=24), ASSUMPTIONS, prices)
    assert day.cost.shard_hours == pytest.approx(4 * 5 * 500 / 3_600)


def test_lambda_charges_for_whole_milliseconds():
    short = replace(WORK, us_per_invocation=50, us_per_change=1)
    assumptions = Assumptions(request_seconds=0)
    found = estimate(Load(changes_per_second=0.001), short, replace(WHOLE, memory_megabytes=1_024), assumptions)
    assert found.cost.gb_seconds == pytest.approx(1_000, rel=0.01)


def test_the_stream_of_changes_has_one_shard_for_each_thousand_write_units():
    loads = [Load(changes_per_second=rate) for rate in (1, 1_000, 1_001, 100_000)]
    assert [least_stream_shards(load, WORK) for load in loads] == [1, 1, 2, 100]
    assert least_stream_shards(Load(changes_per_second=1_000), replace(WORK, write_units=4)) == 4


def test_a_stage_that_scales_with_the_table_is_the_bottleneck_only_if_it_is_full_already():
    slow = replace(WORK, us_per_change=600)  # lanes are 63 % full, Kinesis' shards 25 %
    load = Load(changes_per_second=1_000)
    fixed, splits = (estimate(load, slow, replace(WHOLE, splits=each), ASSUMPTIONS) for each in (False, True))
    assert (fixed.bottleneck.name, splits.bottleneck.name) == (LANES_CPU, SHARD_RECORDS)
    assert splits.stages[0].name == LANES_CPU, "and yet it is the fullest"
    hot = estimate(replace(load, hot_share=0.5), slow, replace(WHOLE, splits=True), ASSUMPTIONS)
    assert [stage.scales for stage in hot.stages] == [False] * 5, "one item is not split"
    over = estimate(load, replace(WORK, us_per_change=1_100), replace(WHOLE, splits=True), ASSUMPTIONS)
    assert over.bottleneck.name == LANES_CPU
    assert not over.keeps_up
