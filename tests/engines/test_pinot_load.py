"""Rows of a load and of a sweep through Pinot's own upsert code: they come late, and never hide what is newer."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from changes import SECOND, insert, modify, remove
from engines.feed import COMPLETE, INDEXED, MAX_RECORD_BYTES, consume, rows_of
from engines.model import agree, model_of
from engines.roundtrip import schema_with
from files import SCHEMA, table, with_setting
from load.plan import Plan, PlannedTable, ScanReader
from load.sweep import Swept, sweep, sweep_of
from pinot_sql import answer
from publisher.order import Published
from redrive.current_rows import ItemSnapshot
from snapshot.record import SnapshotRecords
from snapshot.version import read_second, snapshot_ms

pytestmark = pytest.mark.engines

KEY = {"id": {"S": "a"}}
ONE = {"name": {"S": "one"}, "price": {"N": "1"}}
TWO = {"name": {"S": "two"}, "price": {"N": "2"}}
SOURCE = {"dynamodb_table": "meetups", "columns": {"changed": "$timestamp"}}
RECORDS = SnapshotRecords("meetups", "us-east-1", ["id"])


def with_version():
    schema = schema_with({"name": "version", "dataType": "STRING"})
    config = with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["version"])
    return schema, config, {**SOURCE, "columns": {"version": "$version", "changed": "$timestamp"}}


KINDS = {
    "ms": (SCHEMA, COMPLETE, SOURCE),
    "seconds": (with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS"), COMPLETE, SOURCE),
    "version": with_version(),
}


def read_rows(of, items, time):
    """The rows of items, each its attributes by id, as a consistent page shows them: ``time`` is its T."""
    texts = [json.dumps({"id": {"S": name}, **attributes}).encode() for name, attributes in items.items()]
    return rows_of(of, *RECORDS.records(texts, snapshot_ms(of, read_second(time, 1))))


def shown(consumer):
    return {row["id"]: row["name"] for row in consumer.live()}


def merges(first, second):
    """Every order of two lists, each of which keeps its own."""
    for places in combinations(range(len(first) + len(second)), len(first)):
        left, right = iter(first), iter(second)
        yield [next(left if place in places else right) for place in range(len(first) + len(second))]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_load_in_any_order_and_again_end_as_the_live_changes_do(pinot, kind):
    """The item is read in the second of each change, before it; the page's T is up to a second later by its clock."""
    schema, config, source = KINDS[kind]
    of = table(schema, config, source)
    live = rows_of(
        of,
        insert(KEY, ONE, second=SECOND),
        modify(KEY, TWO, ONE, second=SECOND + 1),
        remove(KEY, TWO, second=SECOND + 1),
    )
    pages = [
        *read_rows(of, {"a": ONE}, SECOND + 1.999),
        *read_rows(of, {"a": TWO}, SECOND + 2.4),
        *read_rows(of, {"a": ONE}, SECOND + 1.999),
    ]
    for changes, expected in ((live, {}), (live[:2], {"a": "two"})):
        for order in merges(changes, pages):
            model = model_of(schema, config)
            with pinot.table(schema, config) as consumer:
                for row in order:
                    assert consumer.ingest([row.data]) == [INDEXED]
                    model.ingest(0, row.data)
                agree(consumer, model)
                assert shown(consumer) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_committed", [False, True])
def test_a_sweep_ends_with_what_is_there_and_nothing_that_comes_late_or_again_changes_it(pinot, kind, is_committed):
    schema, config, source = KINDS[kind]
    of = table(schema, config, source)
    began = SECOND + 60
    items = {"a": TWO, "c": ONE}  # "a" was changed and "b" deleted, which was lost; "c" is as it was
    before = rows_of(of, *(insert({"id": {"S": name}}, ONE, second=SECOND) for name in "abc"))
    loaded = read_rows(of, {"c": ONE}, began)  # and the load has not got to "a"
    after = rows_of(of, insert({"id": {"S": "d"}}, ONE, second=began))
    published = []

    def publish(_, entries):
        published.extend(entries)
        return Published(first_unpublished=None, resent=0, errors={})

    def read_item(change, earliest):
        name = change.keys["id"]["S"]
        asked.append(name)
        item = items.get(name)
        return ItemSnapshot(None if item is None else {**change.keys, **item}, began + 5)

    asked = []
    model = model_of(schema, config)
    plan = Plan(
        id="load",
        table="meetups",
        region="us-east-1",
        keys=("id",),
        began=began,
        tables={"items": PlannedTable(files="", shards=1)},
        reader=ScanReader(segments=1, margin=1),
        workers=1,
    )
    task = sweep_of(plan, of, [of], {"id": "S"}, MAX_RECORD_BYTES)
    with pinot.table(schema, config) as consumer:
        for rows in (before, loaded, after):
            consume(consumer, rows)
            if is_committed:
                consumer.commit()
        swept = sweep(
            task,
            Swept(),
            query=lambda sql: answer(model.table, consumer.live(), sql),
            read_item=read_item,
            publish=publish,
            save=lambda _: None,
        )
        assert (asked, swept.rows, swept.tombstones) == (["a", "b"], 1, 1)
        everything = [*before, *loaded, *after, *published, *before, *loaded, *published[::-1], *before]
        consume(consumer, everything[len(before) + len(loaded) + len(after) :])
        for row in everything:
            model.ingest(0, row.data)
        agree(consumer, model)
        assert shown(consumer) == {"a": "two", "c": "one", "d": "one"}
        consumer.commit()
        consumer.restart()
        assert shown(consumer) == {"a": "two", "c": "one", "d": "one"}
