"""Promises of the reading of row values: what Pinot would keep as it was sent, and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dynapinot.local.readback import RowError, is_true, read_value


@pytest.mark.parametrize(
    ("data_type", "value", "read"),
    [
        ("INT", -(2**31), -(2**31)),
        ("LONG", 2**63 - 1, 2**63 - 1),
        ("FLOAT", 0.1, 0.10000000149011612),
        ("DOUBLE", 0.1, 0.1),
        ("DOUBLE", 3, 3.0),
        ("BIG_DECIMAL", "12345678901234567890123456789012345678", Decimal(12345678901234567890123456789012345678)),
        ("BOOLEAN", False, False),
        ("TIMESTAMP", 1719082124000, 1719082124000),
        ("TIMESTAMP", "1000", 1000),
        ("STRING", "é", "é"),
        ("JSON", '{"a": 1.10}', {"a": Decimal("1.10")}),
        ("BYTES", "00ff", b"\x00\xff"),
        ("LONG", [1, 2], [1, 2]),
    ],
)
def test_a_value_is_read_by_the_type_of_its_column(data_type, value, read):
    assert read_value(data_type, value) == read
    assert type(read_value(data_type, value)) is type(read)


@pytest.mark.parametrize(
    ("data_type", "value"),
    [
        ("INT", 2**31),
        ("INT", 1.5),
        ("INT", True),
        ("LONG", 2**63),
        ("LONG", "1"),
        ("DOUBLE", "NaN"),
        ("DOUBLE", False),
        ("FLOAT", 1e39),
        ("BIG_DECIMAL", 1.5),
        ("BIG_DECIMAL", "one"),
        ("BOOLEAN", "yes"),
        ("TIMESTAMP", 1719082124),
        ("TIMESTAMP", "yesterday"),
        ("STRING", 1),
        ("STRING", {"a": 1}),
        ("JSON", {"a": 1}),
        ("JSON", "{"),
        ("BYTES", "AP8="),
        ("LONG", [1, "2"]),
    ],
)
def test_values_that_pinot_would_drop_or_garble_are_refused(data_type, value):
    with pytest.raises(RowError, match=data_type):
        read_value(data_type, value)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (True, True),
        (False, False),
        (None, False),
        (1, True),
        (0, False),
        (2, False),
        ("true", True),
        ("TRUE", True),
        ("1", True),
        ("yes", False),
    ],
)
def test_a_delete_column_of_any_type_is_read_as_pinot_does(value, answer):
    assert is_true(value) is answer
