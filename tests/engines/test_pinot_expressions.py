"""An expression that Pinot cannot compute: what becomes of the row, of a delete, and of what we say of it."""

from __future__ import annotations

import pytest

from changes import insert, modify, remove
from engines.feed import COMPLETE, INDEXED, rows_of
from expressions import FAILING, HARMLESS
from files import SCHEMA, read, table, with_column, with_setting

pytestmark = pytest.mark.engines

KEYS = {"id": {"S": "a"}}
DROPPED = "dropped"
UNREADABLE = ("", "no")


def computing(column, expression, config=COMPLETE, **more):
    transforms = [{"columnName": column, "transformFunction": expression}]
    return with_setting(
        config, "ingestionConfig", {**config["ingestionConfig"], "transformConfigs": transforms, **more}
    )


def history(second):
    """An item whose text becomes one that the expression cannot read, and that is then deleted."""
    good, bad = {"x": {"S": "2024-06-22 18:48:44"}}, {"x": {"S": ""}}
    return [
        insert(KEYS, good, second=second),
        modify(KEYS, bad, good, second=second + 1),
        remove(KEYS, bad, second=second + 2),
    ]


DATES = (
    with_column("created", "TIMESTAMP", format="TIMESTAMP", granularity="1:MILLISECONDS"),
    ("created", "fromDateTime(x, 'yyyy-MM-dd HH:mm:ss')"),
)


def test_a_delete_reaches_pinot_though_the_update_before_it_did_not(pinot):
    schema, transform = DATES
    config = computing(*transform)
    rows = [entry.data for entry in rows_of(table(schema, config), *history(1719082124))]
    with pinot.table(schema, config) as consumer:
        first, update, delete = consumer.ingest(rows)
        assert (first, [*update], delete) == (INDEXED, [DROPPED], INDEXED)
        assert consumer.live() == []
    assert [each.where for each in read(schema, config)[1]] == ["ingestionConfig.continueOnError"]


def test_with_continue_on_error_the_update_reaches_it_too(pinot):
    schema, transform = DATES
    config = computing(*transform, continueOnError=True)
    rows = [entry.data for entry in rows_of(table(schema, config), *history(1719082124))]
    with pinot.table(schema, config) as consumer:
        assert [each["indexed"] for each in consumer.ingest(rows[:2])] == [1, 1]
        assert [row["created"] for row in consumer.live()] == [None]
        assert consumer.ingest(rows[2:]) == [INDEXED]
        assert consumer.live() == []
    assert read(schema, config)[1] == ()


def test_with_a_computed_comparison_column_continue_on_error_does_not_help(pinot):
    config = computing("changed", "CAST(x AS LONG)", continueOnError=True)
    schema = with_column("t", "LONG", format="EPOCH|MILLISECONDS", granularity="1:MILLISECONDS")
    config = with_setting(config, "segmentsConfig.timeColumnName", "t")
    with pinot.table(schema, config) as consumer:
        consumer.ingest([b'{"id": "a", "t": 1, "x": "5"}', b'{"id": "a", "t": 2, "x": "", "deleted": true}'])
        assert [row["changed"] for row in consumer.live()] == [5]
    assert "upsertConfig.comparisonColumns" in [each.where for each in read(schema, config)[1]]


@pytest.mark.parametrize("expression", FAILING)
def test_expressions_fail_on_some_text(pinot, expression):
    assert DROPPED in outcomes(pinot, expression, UNREADABLE)


@pytest.mark.parametrize("expression", HARMLESS)
def test_expressions_take_any_text(pinot, expression):
    assert outcomes(pinot, expression, (*UNREADABLE, "5", "[1", "{}", "\u2028")) == {"indexed"}


# Tombstones have no inputs: what Pinot cannot compute of nothing would lose every delete.
@pytest.mark.parametrize(
    "expression", [*FAILING, *HARMLESS, "Groovy({x + y}, x, y)", "toSphericalGeography(stPoint(x, y))"]
)
def test_no_expression_fails_without_its_inputs(pinot, expression):
    assert outcomes(pinot, expression, (None,)) == {"indexed"}


def outcomes(pinot, expression, values):
    config = computing("v", expression)
    data_type = "BYTES" if "Geography" in expression or "stGeom" in expression else "STRING"
    with pinot.table(with_column("v", data_type), config) as consumer:
        rows = [
            insert({"id": {"S": str(n)}}, {} if text is None else {"x": {"S": text}}) for n, text in enumerate(values)
        ]
        entries = rows_of(table(with_column("v", data_type), config), *rows)
        return {next(iter(outcome)) for outcome in consumer.ingest(entry.data for entry in entries)}


def enriching(**functions):
    enricher = {"enricherType": "generateColumn", "properties": {"fieldToFunctionMap": functions}}
    return with_setting(COMPLETE, "ingestionConfig.enrichmentConfigs", [enricher])


def test_what_an_enricher_computes_of_the_row_is_right(pinot):
    config = enriching(name="jsonPathString(address, '$.city', '')")
    rows = rows_of(table(config=config), insert(KEYS, {"address": {"M": {"city": {"S": "Ulm"}}}, "name": {"S": "own"}}))
    with pinot.table(SCHEMA, config) as consumer:
        assert consumer.ingest(entry.data for entry in rows) == [INDEXED]
        assert [row["name"] for row in consumer.live()] == ["Ulm"]


@pytest.mark.parametrize("continues", [False, True])
def test_an_enricher_that_fails_loses_the_update_and_not_the_delete(pinot, continues):
    config = with_setting(enriching(price="CAST(x AS DOUBLE)"), "ingestionConfig.continueOnError", continues)
    good, bad = {"x": {"S": "1"}}, {"x": {"S": ""}}
    history = [insert(KEYS, good), modify(KEYS, bad, good), remove(KEYS, bad)]
    with pinot.table(SCHEMA, config) as consumer:
        outcomes = consumer.ingest(entry.data for entry in rows_of(table(config=config), *history))
        assert [next(iter(outcome)) for outcome in outcomes] == ["indexed", DROPPED, "indexed"]
        assert consumer.live() == []


def test_with_complex_types_pinot_reads_a_name_with_the_delimiter_as_a_path(pinot):
    config = with_setting(COMPLETE, "ingestionConfig.complexTypeConfig", {"delimiter": "_"})
    with pinot.table(with_column("user_id", "STRING"), config) as consumer:
        consumer.ingest([b'{"id": "a", "user_id": "u", "deleted": false, "changed": 1719082124000}'])
        assert [row["user_id"] for row in consumer.live()] == [None]


def test_with_hash_function_uuid_keys_of_either_case_are_one(pinot):
    config = with_setting(COMPLETE, "upsertConfig.hashFunction", "UUID")
    key = "5d2a3f10-0c1b-4d2e-8f3a-0123456789ab"
    with pinot.table(SCHEMA, config) as consumer:
        rows = [
            entry.data for text in (key, key.upper()) for entry in rows_of(table(), insert({"id": {"S": text}}, {}))
        ]
        assert consumer.ingest(rows) == [INDEXED] * 2
        assert len(consumer.live()) == 1
