"""Minimal cases of errors that this harness once found: neither a dead letter nor the same value in Pinot."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from changes import insert
from engines.feed import COMPLETE, INDEXED, MAX_RECORD_BYTES, consume, rows_of
from engines.pinot_engine import EngineError
from engines.roundtrip import nearest_float, schema_with
from files import table, with_column, with_setting
from handlers.planner import plan
from pinot.errors import TableError

pytestmark = pytest.mark.engines


def outcome_of(pinot, spec, attribute, **settings_of):
    """The outcome of an attribute value in a column: a dead letter, a refusal at start, or the value in Pinot."""
    schema, config = schema_with(spec), COMPLETE
    for path, value in settings_of.items():
        config = with_setting(config, path.replace("__", "."), value)
    try:
        made = table(schema, config)
    except TableError:
        return "refused"
    batch = plan([insert({"id": {"S": "a"}}, {"v": attribute})], [made], max_record_bytes=MAX_RECORD_BYTES)
    if batch.dead_letters:
        return "dead letter"
    with pinot.table(schema, config) as consumer:
        ((outcome),) = consumer.ingest(entry.data for entry in batch.rows[made.target])
        if outcome != INDEXED:
            return outcome
        try:
            consumer.commit()
        except EngineError as error:
            return f"not committed: {error}"
        return [row["v"] for row in consumer.live()]


def test_a_float_is_the_nearest_one(pinot):
    spec = {"name": "v", "dataType": "FLOAT"}
    number = "1.000000059604644775390625000001"  # slightly above the midpoint between 1 and the next float
    assert outcome_of(pinot, spec, {"N": number}) in ("dead letter", [nearest_float(Decimal(number))])


# Jackson's readTree keeps the last entry of a name (PinotDataType.toJson -> JsonUtils.stringToJsonNodeWithBigDecimal).
def test_json_text_with_a_duplicate_name_keeps_both_entries(pinot):
    text = '{"a":1,"a":2}'
    outcome = outcome_of(pinot, {"name": "v", "dataType": "JSON"}, {"S": text})
    assert outcome in ([text], [json.dumps(text)])


# java.math.BigDecimal has no such exponent: PinotDataType.toJson throws NumberFormatException, and the row is dropped.
@pytest.mark.parametrize("text", ["[1E-2147483648]", "[0E2147483648]", "[1E-99999999999]", '{"a":[0.0e99999999999]}'])
def test_json_text_with_a_huge_exponent_is_not_dropped(pinot, text):
    outcome = outcome_of(pinot, {"name": "v", "dataType": "JSON"}, {"S": text})
    assert outcome == [json.dumps(text)]  # a JSON string


# BytesOffHeapMutableDictionary.index(Object[]) and BytesOnHeapMutableDictionary.index(Object[]) throw, and a consuming
# segment needs a dictionary here (MutableSegmentImpl.isNoDictionaryColumn). Even a row without a value is dropped,
# since null is stored as a default value.
def test_a_list_of_binaries_is_refused_or_preserved(pinot):
    spec = {"name": "v", "dataType": "BYTES", "singleValueField": False}
    assert outcome_of(pinot, spec, {"BS": ["AAH+"]}) in ("refused", [[b"\x00\x01\xfe"]])


# Pinot rewrites JSON before it takes the key: {"a": 1} and {"a":1} are two items and one row.
def test_two_texts_are_two_keys_of_a_json_primary_key(pinot):
    schema = with_setting(with_column("k", "JSON"), "primaryKeyColumns", ["k"])
    try:
        keyed = table(schema, COMPLETE)
    except TableError:
        return
    with pinot.table(schema, COMPLETE) as consumer:
        consume(consumer, rows_of(keyed, *(insert({"k": {"S": text}}, {}) for text in ('{"a":1}', '{"a": 1}'))))
        assert len(consumer.live()) == 2


# When a segment is sealed, the smallest and greatest value of its time column are read by its format; if that throws,
# the segment is not committed, nor any after it.
@pytest.mark.parametrize(
    ("data_type", "text", "attribute"),
    [
        ("STRING", "EPOCH|SECONDS", {"S": "soon"}),
        ("STRING", "TIMESTAMP", {"S": "2024-06-22"}),
        ("DOUBLE", "EPOCH|SECONDS", {"N": "1719082124"}),
        ("FLOAT", "EPOCH|SECONDS", {"N": "1719082124"}),
        ("BIG_DECIMAL", "EPOCH|SECONDS", {"N": "1719082124.5"}),
    ],
)
def test_a_time_column_never_prevents_the_commit(pinot, data_type, text, attribute):
    spec = {"name": "v", "dataType": data_type, "format": text, "granularity": "1:SECONDS"}
    outcome = outcome_of(pinot, spec, attribute, segmentsConfig__timeColumnName="v")
    assert outcome == "refused" or isinstance(outcome, list)


# A byte[] is not a java.lang.Comparable: MutableSegmentImpl.getComparisonValue throws in every row.
def test_a_comparison_column_that_pinot_cannot_compare_is_refused(pinot):
    spec = {"name": "v", "dataType": "BYTES"}
    outcome = outcome_of(pinot, spec, {"B": "AAH+"}, upsertConfig__comparisonColumns=["v"])
    assert outcome == "refused"
