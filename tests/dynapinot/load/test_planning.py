"""The plan of a load: units, workers, margins, the pace of reads, filters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynapinot.errors import CommandError
from dynapinot.load.planning import WORKERS_HERE, Choices, make_plan, scan_reader, workers_for
from load.plan import PlannedTable
from proposals import key_of, table_description

MIB = 1024 * 1024
TABLE = table_description(key=key_of(("pk", "S"), ("sk", "N")), items=1_000, bytes=100_000)
TABLES = {"items": PlannedTable(files="hash", shards=4)}


def plan(described=TABLE, *, workers=WORKERS_HERE, **choices):
    reader = scan_reader(described, Choices(**choices), workers=workers)
    return make_plan(described, TABLES, reader, began=1_764_000_000, workers=workers)


def test_a_plan_has_what_workers_need():
    made = plan()
    assert made.id == "20251124T160000Z-app"
    assert (made.table, made.region, made.keys, made.began) == ("app", "eu-west-1", ("pk", "sk"), 1_764_000_000)
    assert (made.tables, made.items, made.bytes) == (TABLES, 1_000, 100_000)


def test_a_long_name_still_fits_into_the_name_of_an_execution():
    assert len(f"{plan(replace(TABLE, name='x' * 255)).id}-9999") <= 80


def test_a_table_that_dynamodb_has_not_counted_has_no_numbers():
    made = plan(replace(TABLE, items=0, bytes=0))
    assert (made.items, made.bytes, made.units) == (None, None, 4)


@pytest.mark.parametrize(
    ("size", "workers", "segments"),
    [(0, 4, 4), (1_024 * MIB, 4, 4), (1_024 * MIB + 1, 4, 5), (1 << 50, 4, 100_000), (100, 9, 9)],
)
def test_a_segment_is_about_256_mib_and_no_worker_is_idle(size, workers, segments):
    assert plan(replace(TABLE, bytes=size), workers=workers).reader.segments == segments


@pytest.mark.parametrize(
    ("shards", "workers"), [((1,), 1), ((3,), 1), ((4,), 2), ((400,), 134), ((400, 30), 20), ((), 1)]
)
def test_a_stack_has_as_many_workers_as_use_the_streams(shards, workers):
    tables = {str(number): PlannedTable(files="", shards=count) for number, count in enumerate(shards)}
    assert workers_for(tables) == workers


@pytest.mark.parametrize(
    ("described", "consistent", "margin"),
    [
        (TABLE, True, 1),
        (replace(TABLE, replicas=("us-east-1",)), True, 60),
        (replace(TABLE, arn="arn:aws:dynamodb:ddblocal:000000000000:table/app"), True, 60),
        (TABLE, False, 300),
        (replace(TABLE, replicas=("us-east-1",)), False, 300),
    ],
)
def test_the_margin_is_that_of_how_the_table_is_read(described, consistent, margin):
    reader = plan(described, consistent=consistent).reader
    assert (reader.margin, reader.consistent) == (margin, consistent)


@pytest.mark.parametrize(
    ("provisioned", "given", "rate"), [(0, None, 6_000), (400, None, 100), (2, None, 1), (400, 300.0, 300)]
)
def test_reads_leave_the_most_to_others(provisioned, given, rate):
    assert plan(replace(TABLE, read_units=provisioned), read_units=given).reader.units_per_second == rate


def test_a_filter_is_scans_own():
    made = plan(where="#s = :s", where_names='{"#s": "status"}', where_values='{":s": {"S": "open"}}')
    assert made.reader.filter == {
        "FilterExpression": "#s = :s",
        "ExpressionAttributeNames": {"#s": "status"},
        "ExpressionAttributeValues": {":s": {"S": "open"}},
    }


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"where_names": "{}"}, "--where-names needs --where"),
        ({"where": "a", "where_names": "{"}, "--where-names is not JSON"),
        ({"where": "a", "where_values": "[]"}, "--where-values is not a JSON object"),
    ],
)
def test_a_filter_that_is_none_is_refused(choices, message):
    with pytest.raises(CommandError, match=message):
        plan(**choices)
