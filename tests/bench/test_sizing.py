"""The model sizes a table as ``dynapinot init`` does, and chooses the parallelization factor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.model import Assumptions, Load, Setting, estimate
from bench.sizing import factor_for, setting_for
from running_bench import WORK as ONE_UNIT

WORK = replace(ONE_UNIT, write_units=2)
ASSUMPTIONS = Assumptions()


@pytest.mark.parametrize(
    ("rate", "headroom", "row_bytes", "shards"),
    [(100, 4, 450, 2), (1_000, 4, 450, 4), (1_000, 2, 450, 2), (10_000, 1.25, 450, 13), (1_000, 4, 1_048_576, 4_000)],
)
def test_the_number_of_shards_has_the_headroom_for_rows_and_bytes(rate, headroom, row_bytes, shards):
    setting = setting_for(Load(changes_per_second=rate), replace(WORK, row_bytes=row_bytes), headroom=headroom)
    assert setting.kinesis_shards == shards


def test_other_settings_are_the_templates_and_the_tables_stream_has_its_own_shards():
    setting = setting_for(Load(changes_per_second=1_000), WORK)
    assert setting == Setting(stream_shards=2, splits=True, kinesis_shards=4)


@pytest.mark.parametrize(("us_per_change", "factor"), [(50, 1), (500, 2), (2_000, 7), (20_000, 10)])
def test_the_factor_is_the_smallest_that_leaves_a_lane_half_free(us_per_change, factor):
    load, work = Load(changes_per_second=1_000), replace(WORK, us_per_change=us_per_change)
    setting = setting_for(load, work)
    assert factor_for(load, work, setting, ASSUMPTIONS) == factor
    chosen, less = (
        estimate(load, work, replace(setting, parallelization_factor=each), ASSUMPTIONS)
        for each in (factor, factor - 1 or 1)
    )
    assert chosen.lane.utilisation <= 0.5 or factor == 10
    assert less.lane.utilisation > 0.5 or factor == 1
