"""The version rule. That it is right for every order of events is shown by random histories, in tests/load."""

from __future__ import annotations

import pytest

from changes import SECOND, insert
from decoder.change import decode_change
from files import CONFIG, SCHEMA, table, with_setting
from snapshot.version import CONSISTENT_READ, earliest_second, read_second, snapshot_ms

MS = table()
SECONDS = table(with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS"), CONFIG)
MINUTES = table(with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|MINUTES"), CONFIG)


@pytest.mark.parametrize(("time", "second"), [(1000.0, 999), (1000.999, 999), (1001, 1000)])
def test_the_margin_is_taken_from_the_whole_second(time, second):
    assert read_second(time, CONSISTENT_READ) == second


@pytest.mark.parametrize(
    ("of", "second", "expected"),
    [(MS, 120, 119_999), (SECONDS, 120, 119_999), (MINUTES, 120, 119_999), (MINUTES, 179, 119_999)],
)
def test_a_snapshot_row_has_the_last_time_that_compares_less_than_its_second(of, second, expected):
    assert snapshot_ms(of, second) == expected


@pytest.mark.parametrize("of", [MS, SECONDS, MINUTES], ids=["ms", "seconds", "minutes"])
def test_a_read_in_the_earliest_second_and_none_before_wins_over_the_change(of):
    change = decode_change(insert({"id": {"S": "a"}}, {}, second=SECOND))
    unit = of.comparison.field.unit_ms
    earliest = earliest_second(of, change.timestamp_ms)
    assert snapshot_ms(of, earliest) // unit > change.timestamp_ms // unit
    assert not any(
        snapshot_ms(of, earlier) // unit > change.timestamp_ms // unit for earlier in range(SECOND, earliest)
    )
