"""The windows of a gap cover it with the margins, and overlap by two of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynapinot.errors import CommandError
from dynapinot.gap.windows import LONGEST, SHORTEST, Times, windows_of
from files import CONFIG, SCHEMA, table, with_setting
from snapshot.version import EXPORT, read_second, snapshot_ms

BEGIN = 1_764_000_000
MS = table()


def timed(form):
    return table(with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", form), CONFIG)


SECONDS, MINUTES = timed("EPOCH|SECONDS"), timed("EPOCH|MINUTES")


def test_a_gap_of_a_day_and_more_has_two_windows_that_overlap_by_two_margins():
    assert windows_of(BEGIN, BEGIN + 30 * 3600, [MS]) == [
        Times(BEGIN - 300, BEGIN - 300 + 86_400),
        Times(BEGIN - 300 + 86_400 - 602, BEGIN + 30 * 3600 + 301),
    ]


def test_a_short_gap_has_a_window_as_short_as_dynamodb_takes_it_that_begins_earlier():
    assert windows_of(BEGIN, BEGIN + 1, [MS]) == [Times(BEGIN + 302 - 900, BEGIN + 302)]


@given(st.integers(0, 100), st.integers(1, 40 * 86_400), st.sampled_from([(MS, 1), (SECONDS, 1000), (MINUTES, 60_000)]))
def test_the_windows_cover_the_gap_and_can_be_exported(later, seconds, table_and_unit):
    of, unit_ms = table_and_unit
    begin, end = BEGIN + later, BEGIN + later + seconds
    windows = windows_of(begin, end, [of])
    assert windows[0].begin <= begin - EXPORT
    assert all(SHORTEST <= end - begin <= LONGEST for begin, end in windows)
    times = [snapshot_ms(of, read_second(each.end, EXPORT)) for each in windows]
    assert all(after.begin * 1000 <= time - EXPORT * 1000 for time, after in zip(times, windows[1:], strict=False))
    assert all(before.end < after.end for before, after in pairwise(windows))
    assert times[-1] // unit_ms > (end * 1000 - 1) // unit_ms


def test_the_coarsest_column_decides_and_may_be_no_coarser_than_a_minute():
    assert windows_of(BEGIN, BEGIN + 3600, [MS, MINUTES]) == windows_of(BEGIN, BEGIN + 3600, [MINUTES])
    with pytest.raises(CommandError, match="counts in units of 3600 s"):
        windows_of(BEGIN, BEGIN + 1, [timed("EPOCH|HOURS")])
