"""SQL of names and values; tests/load/test_sweep.py has the way from a key to its item and back."""

from __future__ import annotations

import pytest

from load.by_key import literal, quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [("it's", "'it''s'"), ("", "''"), (-5, "-5"), (0.1, "0.1"), (1e125, "1e+125"), (True, "true"), (False, "false")],
)
def test_a_value_is_written_as_pinot_reads_it(value, text):
    assert literal(value) == text


def test_a_name_is_written_whatever_it_has():
    assert quoted('a "b"') == '"a ""b"""'
