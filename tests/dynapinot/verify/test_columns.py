"""Which columns are compared, how, and how Pinot is asked for them. tests/engines runs the queries."""

from __future__ import annotations

from dynapinot.defaults import DEMO_TABLES
from dynapinot.verify.columns import Columns, is_before
from files import CONFIG, SCHEMA, table, with_column, with_setting
from handlers.catalog import load_tables


def test_all_columns_are_compared_but_those_of_the_change_and_those_that_pinot_computes():
    (demo,), _ = load_tables(DEMO_TABLES)
    compared = [each.name for each in Columns(demo).compared]
    assert {"meetup_id", "venue_name", "group_lat", "group_lon"} <= set(compared)
    assert not {"location", "eventName", "ApproximateCreationDateTime", "is_delete"} & set(compared)
    rest = table(with_column("rest", "STRING"), CONFIG, {"columns": {"rest": "$rest"}})
    assert [each.name for each in Columns(rest).compared] == ["id", "name", "rest", "price"]


def test_versions_are_compared_as_pinot_does_by_their_utf_16_units():
    schema = with_column("v", "STRING")
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["v"])
    columns = Columns(table(schema, config, {"columns": {"v": "v", "changed": "$timestamp"}}))
    orders = [columns.made({"id": "a", "v": text, "changed": 1}).order for text in ("\U0001f600", "\uffff")]
    assert is_before(*orders)


def test_keys_are_asked_for_by_their_values():
    at = {"name": "at", "dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"}
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs", [*SCHEMA["dateTimeFieldSpecs"], at])
    schema = with_setting(schema, "dimensionFieldSpecs.1.dataType", "BIG_DECIMAL")
    options = 'SET enableNullHandling=true; SET timeoutMs=50000; SELECT "id", '
    assert Columns(table(schema)).query_keys([["a"], ["it's"]], 7) == (
        f'{options}"changed", "id", CAST("name" AS STRING), "price", CAST("at" AS LONG), "$segmentName" FROM "items" '
        """WHERE "id" IN ('a', 'it''s') LIMIT 7"""
    )
    several = table(with_setting(schema, "primaryKeyColumns", ["id", "name", "at"]))
    condition = Columns(several).query_keys([["a", "10", -5], ["b", "9", 6]], 7).partition(" WHERE ")[2]
    assert condition == (
        """("id" = 'a' AND "name" BETWEEN '10' AND '10' AND "at" = -5) OR """
        """("id" = 'b' AND "name" BETWEEN '9' AND '9' AND "at" = 6) LIMIT 7"""
    )
