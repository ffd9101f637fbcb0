"""Each primary key is one row, through updates, commits, a restart and its delete."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changes import insert, modify, remove
from decoder.attribute import decode
from engines.feed import COMPLETE, MAX_RECORD_BYTES, consume, rows_of
from files import table, with_column, with_setting
from handlers.planner import plan
from strategies import encode, numbers, texts

pytestmark = pytest.mark.engines

whole_numbers = st.integers(-(2**65), 2**65) | st.integers(-9, 9) | st.integers(0, 253402300799999)
any_numbers = (numbers() | whole_numbers.map(Decimal)).map(encode)

KEYS = {
    "STRING": (texts | st.sampled_from(("null", " ", "", "A", "a", "1", "1.0"))).map(encode) | any_numbers,
    "BYTES": st.binary(max_size=9).map(encode),
    "BOOLEAN": st.booleans().map(encode),
    **dict.fromkeys(("INT", "LONG", "DOUBLE", "BIG_DECIMAL", "TIMESTAMP"), any_numbers),
}


@pytest.mark.parametrize("data_type", KEYS)
@settings(max_examples=10)
@given(drawn=st.data())
def test_items_with_different_keys_always_stay_different_rows(pinot, data_type, drawn):
    schema = with_setting(with_column("k", data_type), "primaryKeyColumns", ["k"])
    keyed = table(schema, COMPLETE)
    keys = [
        {"k": attribute}
        for attribute in drawn.draw(st.lists(KEYS[data_type], min_size=1, max_size=8, unique_by=_text))
        if not plan([insert({"k": attribute}, {})], [keyed], max_record_bytes=MAX_RECORD_BYTES).dead_letters
    ]
    with pinot.table(schema, COMPLETE, partitions=2) as consumer:
        for name in ("made", "changed"):
            records = [modify(key, {"name": {"S": f"{name} {at}"}}, {}) for at, key in enumerate(keys)]
            consume(consumer, rows_of(keyed, *records))
            assert sorted(row["name"] for row in consumer.live()) == sorted(f"{name} {at}" for at in range(len(keys)))
            consumer.commit(0)
            consumer.commit(1)
            consumer.restart()
        consume(consumer, rows_of(keyed, *(remove(key, {}) for key in keys)))
        assert consumer.live() == []


def _text(attribute):
    value = decode(attribute)
    return (
        value if isinstance(value, bytes) else str(value)
    )  # text and a number with the same digits are never two keys
