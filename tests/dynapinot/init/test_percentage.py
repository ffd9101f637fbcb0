from __future__ import annotations

import pytest

from dynapinot.init.percentage import count_and_percent, percent


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0%"),
        (10, 10, "100%"),
        (1, 10_000, "< 0.1%"),
        (9_999, 10_000, "> 99.9%"),
        (31, 10_000, "0.3%"),
        (1, 3, "33.3%"),
        (1, 2, "50%"),
        (0, 0, "0%"),
    ],
)
def test_a_percentage_never_says_none_of_some_nor_all_of_most(part, whole, text):
    assert percent(part, whole) == text


def test_a_percentage_can_have_its_count():
    assert count_and_percent(12_345, 100_000) == "12,345 (12.3%)"
