"""Pinot's behaviour with input that the adapter never sends, or warns about. Each fact is the reason for a rule.

If a newer Pinot fails one of these tests, the rule may be removed.
"""

from __future__ import annotations

import json

import pytest

from engines.feed import COMPLETE, INDEXED
from engines.pinot_engine import EngineError
from files import with_column, with_setting

pytestmark = pytest.mark.engines

INF = float("inf")
DROPPED = "dropped"


def row(key="a", time=1719082124000, **values):
    return json.dumps({"id": key, "deleted": False, "changed": time, **values}).encode()


def shown(consumer):
    return {each["id"]: each["v"] for each in consumer.live()}


VALUES = [
    # A number that does not fit wraps, and a fraction is cut off.
    ("INT", "3000000000", -1294967296),
    ("INT", "1.9", 1),
    ("INT", "-1.9", -1),
    ("INT", '"1.0"', DROPPED),
    ("LONG", "9223372036854775808", -9223372036854775808),
    ("LONG", "1.9", 1),
    ("FLOAT", "1e39", INF),
    ("FLOAT", '"NaN"', None),
    ("DOUBLE", "1e400", INF),
    ("DOUBLE", '"NaN"', None),
    ("DOUBLE", "-0.0", 0.0),
    # Numbers go through a double, so exact ones must be text.
    ("BIG_DECIMAL", "12345678901234567890", 12345678901234567000),
    ("BIG_DECIMAL", '"12345678901234567890"', 12345678901234567890),
    # Anything is a truth value.
    ("BOOLEAN", '"yes"', False),
    ("BOOLEAN", "2", True),
    # A 32-bit number is not a time, one of seconds with a fraction is a time in 1970, and text may lack a zone.
    ("TIMESTAMP", "1000", DROPPED),
    ("TIMESTAMP", "1719082124", DROPPED),
    ("TIMESTAMP", "1719082124.5", 1719082124),
    ("TIMESTAMP", '"1000"', 1000),
    ("TIMESTAMP", '"2024-06-22T18:48:44.026651Z"', 1719082124026),
    ("TIMESTAMP", '"2024-06-22T18:48:44"', 1719082124000 - 45_900_000),  # the server is in Chatham, at +12:45
    # Text is cut. A list or an object with one entry is its value; with several entries it is not text.
    ("STRING", '"a\\u0000b"', "a"),
    ("STRING", f'"{"x" * 513}"', "x" * 512),
    ("STRING", '["x"]', "x"),
    ("STRING", '{"a":"x"}', "x"),
    ("STRING", '["x","y"]', DROPPED),
    ("STRING", '{"a":"x","b":"y"}', DROPPED),
    # JSON that is not text loses its types.
    ("JSON", '{"a":true,"b":12345678901234567890.5}', '{"a":"true","b":1.2345678901234567E19}'),
    ("JSON", '"[1] 2"', "[1]"),
    ("BYTES", '"AAH+"', DROPPED),
    ("BYTES", '"abc"', DROPPED),
    ("BYTES", '"0001FE"', b"\x00\x01\xfe"),
]
LISTS = [
    ("LONG", "[1,null,2]", [1, 2]),
    ("LONG", "[null]", None),
    ("LONG", "[]", None),
    ("LONG", "[1,[2]]", [1, 2]),
    ("LONG", "[1,[2,3]]", DROPPED),
    ("LONG", "3", [3]),
    ("STRING", '["a","b\\u0000c"]', ["a", "b"]),
    ("BYTES", '["00"]', DROPPED),
    ("BYTES", "null", DROPPED),
]


@pytest.mark.parametrize(
    ("data_type", "single_value", "text", "expected"),
    [(data_type, True, *rest) for data_type, *rest in VALUES]
    + [(data_type, False, *rest) for data_type, *rest in LISTS],
)
def test_pinot_converts_or_drops_a_value_that_does_not_match_its_column(pinot, data_type, single_value, text, expected):
    with pinot.table(with_column("v", data_type, singleValueField=single_value), COMPLETE) as consumer:
        (outcome,) = consumer.ingest([row()[:-1] + f', "v": {text}}}'.encode()])
        if expected == DROPPED:
            assert outcome.keys() == {DROPPED}
        else:
            assert outcome["indexed"] == 1
            assert shown(consumer) == {"a": expected}


def test_a_record_is_one_row_and_anything_after_its_first_object_is_ignored(pinot):
    with pinot.table(with_column("v", "LONG"), COMPLETE) as consumer:
        outcomes = consumer.ingest([row(v=1) + b"\n" + row("b", v=2), b"[]", b"", row("c")[:-1]])
        assert [outcome.keys() for outcome in outcomes] == [{"indexed"}, {DROPPED}, {DROPPED}, {DROPPED}]
        assert shown(consumer) == {"a": 1}


def test_invalid_rows_do_not_stop_ingestion(pinot):
    with pinot.table(with_column("v", "INT"), COMPLETE) as consumer:
        assert [tuple(each) for each in consumer.ingest([row(v="x"), row(v=1)])] == [(DROPPED,), ("indexed",)]
        assert shown(consumer) == {"a": 1}


# --- rows without required values -------------------------------------------------------------------------------


def test_all_rows_without_a_primary_key_are_one_row(pinot):
    with pinot.table(with_column("v", "LONG"), COMPLETE) as consumer:
        assert consumer.ingest([row(None, v=1), row(None, v=2), row("null", v=3)]) == [INDEXED] * 3
        assert [each["v"] for each in consumer.live()] == [3]


def test_a_row_without_a_time_gets_the_servers_time_which_wins_over_real_times(pinot):
    with pinot.table(with_column("v", "LONG"), COMPLETE) as consumer:
        assert consumer.ingest([row(time=None, v=1), row(v=2)]) == [INDEXED] * 2
        assert shown(consumer) == {"a": 1}


def test_a_row_without_its_text_comparison_value_wins_over_real_values(pinot):
    config = with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["v"])
    with pinot.table(with_column("v", "STRING"), config) as consumer:
        assert consumer.ingest([row(), row(v="1719082124000-1")]) == [INDEXED] * 2
        assert shown(consumer) == {"a": None}


def test_a_row_with_values_in_two_comparison_columns_is_dropped(pinot):
    config = with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["changed", "v"])
    with pinot.table(with_column("v", "LONG"), config) as consumer:
        assert "exactly 1 non-null comparison column" in consumer.ingest([row(v=1)])[0][DROPPED]


# --- settings that Pinot accepts and a replica should not have --------------------------------------------------


def taken(pinot, schema, config):
    pinot.validate(schema, config)
    return pinot.table(schema, config)


def test_without_null_handling_an_absent_attribute_is_a_default_value(pinot):
    schema = with_setting(with_column("v", "LONG"), "enableColumnBasedNullHandling", value=False)
    with taken(pinot, schema, COMPLETE) as consumer:
        consumer.ingest([row()])
        ((only),) = consumer.live()
        assert (only["v"], only["name"], only["price"]) == (-(2**63), "null", 0.0)


def test_an_absent_attribute_of_a_not_null_column_is_a_default_value(pinot):
    with taken(pinot, with_column("v", "LONG", notNull=True), COMPLETE) as consumer:
        consumer.ingest([row()])
        assert shown(consumer) == {"a": -(2**63)}


@pytest.mark.parametrize("time", [1719082124, 3_187_296_000_001])
def test_a_time_check_drops_rows_before_1971_and_after_2070(pinot, time):
    config = with_setting(COMPLETE, "ingestionConfig.rowTimeValueCheck", value=True)
    with taken(pinot, with_column("v", "LONG"), config) as consumer:
        assert "is not in valid range" in consumer.ingest([row(time=time)])[0][DROPPED]


INCONSISTENT = with_setting(COMPLETE, "upsertConfig.consistencyMode", "NONE")  # Pinot refuses both beside SYNC


def test_an_out_of_order_column_is_overwritten_by_pinot(pinot):
    config = with_setting(INCONSISTENT, "upsertConfig.outOfOrderRecordColumn", "v")
    with taken(pinot, with_column("v", "BOOLEAN"), config) as consumer:
        consumer.ingest([row(v=True)])
        assert shown(consumer) == {"a": False}


def test_dropped_out_of_order_rows_are_not_in_the_history(pinot):
    config = with_setting(INCONSISTENT, "upsertConfig.dropOutOfOrderRecord", value=True)
    with taken(pinot, with_column("v", "LONG"), config) as consumer:
        assert consumer.ingest([row(time=1719082124001), row()]) == [INDEXED] * 2
        assert len(consumer.history()) == 1


def test_a_sorted_column_can_reverse_two_rows_of_one_time_at_the_commit(pinot):
    config = with_setting(COMPLETE, "tableIndexConfig.sortedColumn", ["v"])
    with taken(pinot, with_column("v", "LONG"), config) as consumer:
        consumer.ingest([row(v=2), row(v=1)])
        assert shown(consumer) == {"a": 1}
        consumer.commit()
        assert shown(consumer) == {"a": 2}


def test_text_that_does_not_match_the_time_columns_pattern_prevents_the_commit(pinot):
    schema = with_column("v", "STRING", format="SIMPLE_DATE_FORMAT|yyyy-MM-dd", granularity="1:DAYS")
    with taken(pinot, schema, with_setting(COMPLETE, "segmentsConfig.timeColumnName", "v")) as consumer:
        assert consumer.ingest([row(v="soon")]) == [INDEXED]
        with pytest.raises(EngineError, match='Invalid format: "soon"'):
            consumer.commit()


def test_metadata_ttl_forgets_live_keys_and_then_keeps_their_old_rows(pinot):
    config = with_setting(COMPLETE, "upsertConfig.metadataTTL", 1000)
    config = with_setting(config, "upsertConfig.snapshot", "ENABLE")
    with taken(pinot, with_column("v", "LONG"), config) as consumer:
        consumer.ingest([row(v=1), row("b", time=1719082126000)])
        consumer.commit()  # the next consuming segment first forgets rows that are too old
        consumer.ingest([row(time=1719082127000, v=2)])
        assert sorted(each["v"] for each in consumer.live() if each["id"] == "a") == [1, 2]


# --- expressions ------------------------------------------------------------------------------------------------


def computing(expression, **ingestion):
    config = with_setting(
        COMPLETE, "ingestionConfig.transformConfigs", [{"columnName": "v", "transformFunction": expression}]
    )
    for setting, value in ingestion.items():
        config = with_setting(config, f"ingestionConfig.{setting}", value)
    return config


def test_a_column_is_computed_only_if_the_row_lacks_it(pinot):
    with taken(pinot, with_column("v", "STRING"), computing("upper(name)")) as consumer:
        consumer.ingest([row(name="x"), row("b", name="x", v="mine")])
        assert shown(consumer) == {"a": "X", "b": "mine"}


def test_a_failing_expression_drops_the_row_even_a_delete(pinot):
    with taken(pinot, with_column("v", "STRING"), computing("jsonPathString(name, '$.a')")) as consumer:
        gone = json.dumps({"id": "a", "deleted": True, "changed": 1719082125000, "name": "no JSON"}).encode()
        outcomes = consumer.ingest([row(name='{"a":1}'), gone])
        assert outcomes[0] == INDEXED
        assert "jsonPathString" in outcomes[1][DROPPED]
        assert shown(consumer) == {"a": "1"}


def test_with_continue_on_error_a_failing_expression_leaves_only_its_own_column_null(pinot):
    config = computing("jsonPathString(name, '$.a')", continueOnError=True)
    with taken(pinot, with_column("v", "STRING"), config) as consumer:
        assert consumer.ingest([row(name="no JSON")]) == [{"incomplete": 1, "indexed": 1}]
        assert [(each["v"], each["name"]) for each in consumer.live()] == [(None, "no JSON")]


def test_an_expression_that_compares_text_is_accepted_and_fails_in_every_row(pinot):
    with taken(pinot, with_column("v", "BOOLEAN"), computing("name = 'REMOVE'")) as consumer:
        assert [tuple(each) for each in consumer.ingest([row(name="REMOVE"), row(name="INSERT")])] == [(DROPPED,)] * 2
    with taken(pinot, with_column("v", "BOOLEAN"), computing("strcmp(name, 'REMOVE') = 0")) as consumer:
        consumer.ingest([row(name="REMOVE"), row("b", name="INSERT")])
        assert shown(consumer) == {"a": True, "b": False}


def test_a_filter_drops_deletes_too(pinot):
    config = with_setting(COMPLETE, "ingestionConfig.filterConfig", {"filterFunction": "strcmp(name, 'out') = 0"})
    with taken(pinot, with_column("v", "LONG"), config) as consumer:
        assert consumer.ingest([row(name="in", v=1), row(name="out", v=2)]) == [INDEXED, {"filtered": 1}]
        assert shown(consumer) == {"a": 1}
