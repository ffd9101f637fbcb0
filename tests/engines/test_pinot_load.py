"""Rows of a load and of a sweep through Pinot's own upsert code: they come late, and never hide what is newer."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import combinations

import pytest

from changes import SECOND, insert, modify, remove
from decoder.number import number_text
from engines.feed import COMPLETE, INDEXED, MAX_RECORD_BYTES, consume, rows_of
from engines.model import agree, model_of
from engines.roundtrip import schema_with
from files import SCHEMA, table, with_setting
from load.plan import Plan, PlannedTable, ScanReader, Swept
from load.sweep import sweep, sweep_of
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


def task_of(of, types=None, began=SECOND + 60):
    types = types or {"id": "S"}
    plan = Plan(
        id="load",
        table="meetups",
        region="us-east-1",
        keys=tuple(types),
        began=began,
        tables={"items": PlannedTable(files="", shards=1)},
        reader=ScanReader(segments=1, margin=1),
        workers=1,
    )
    return sweep_of(plan, of, [of], types, MAX_RECORD_BYTES)


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
    task = task_of(of, began=began)
    with pinot.table(schema, config) as consumer:
        for rows in (before, loaded, after):
            consume(consumer, rows)
            if is_committed:
                consumer.commit()
        swept = sweep(
            task,
            Swept(),
            query=consumer.query,
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


# --- the sweep's queries, by Pinot's own engine ---------------------------------------------------------------------

# Keys whose order, or whose exact value, is easy to get wrong.
KEYS = {
    ("STRING", "S"): ["", "a", "A", "a b", "it's", '"', "\\", "%", "é", "\uffff", "\U0001f600", "x" * 500, "null"],
    ("STRING", "N"): ["10", "9", "-1", "-10", "0.5", "1" * 38],
    ("INT", "N"): ["-2147483648", "-1", "0", "1", "2147483647"],
    ("LONG", "N"): ["-9223372036854775808", "-1", "0", "9007199254740992", "9007199254740993", "9223372036854775807"],
    ("BIG_DECIMAL", "N"): ["1" * 37 + "1", "1" * 37 + "2", "-" + "1" * 38, "-0.5", "0", "10", "9", "1E-130", "1E+125"],
    ("BYTES", "B"): ["AA==", "AP8=", "AQ==", "/w==", "f38="],
    ("TIMESTAMP", "N"): ["-62135596800000", "-12219292800001", "-1719082124026", "0", "1719082124026", "1719082124027"],
}


def by_key(*columns):
    """A schema with these columns as its primary key, each a name and a type."""
    specs = [{"name": name, "dataType": data_type} for name, data_type in columns if data_type != "TIMESTAMP"]
    times = [
        {"name": name, "dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"}
        for name, data_type in columns
        if data_type == "TIMESTAMP"
    ]
    others = [each for each in SCHEMA["dimensionFieldSpecs"] if each["name"] != "id"]
    schema = with_setting(SCHEMA, "dimensionFieldSpecs", [*specs, *others])
    schema = with_setting(schema, "dateTimeFieldSpecs", [*SCHEMA["dateTimeFieldSpecs"], *times])
    return with_setting(schema, "primaryKeyColumns", [name for name, _ in columns])


def swept(consumer, task):
    """Sweep a table whose items are all gone; return the keys that were read."""
    asked = []

    def read_item(change, _):
        asked.append(change.keys)
        return ItemSnapshot(None, SECOND + 90)

    def publish(_, entries):
        consume(consumer, entries)
        return Published(first_unpublished=None, resent=0, errors={})

    sweep(
        task,
        Swept(),
        query=consumer.query,
        read_item=read_item,
        publish=publish,
        save=lambda _: None,
        page=1,  # so that each key is the position of a query
    )
    return asked


def sorted_keys(keys):
    return sorted(keys, key=repr)


@pytest.mark.parametrize(("data_type", "tag"), KEYS)
def test_each_key_is_found_once_and_its_tombstone_hides_its_row(pinot, data_type, tag):
    schema = by_key(("id", data_type))
    of = table(schema, COMPLETE, SOURCE)
    keys = [{"id": {tag: value}} for value in KEYS[data_type, tag]]
    rows = rows_of(of, *(insert(key, {}) for key in keys))
    with pinot.table(schema, COMPLETE, partitions=2) as consumer:
        consume(consumer, rows[::2])
        for partition in range(2):
            consumer.commit(partition)
        consume(consumer, rows[1::2])
        asked = swept(consumer, task_of(of, {"id": tag}))
        assert sorted_keys(asked) == sorted_keys({"id": {tag: _plain(tag, key["id"][tag])}} for key in keys)
        assert consumer.live() == []
        assert swept(consumer, task_of(of, {"id": tag})) == []


def _plain(tag, value):
    return number_text(Decimal(value)) if tag == "N" else value


def test_each_key_of_several_columns_is_found_once(pinot):
    schema = by_key(("id", "STRING"), ("n", "BIG_DECIMAL"), ("city", "STRING"))
    of = table(schema, COMPLETE, SOURCE)
    keys = [{"id": {"S": name}, "n": {"N": str(number)}} for name in ("a", "b'", "c") for number in (-1, 2, 10)]
    rows = rows_of(of, *(insert(key, {"city": {"S": city}}) for key in keys for city in ("Rome", "Oslo")))
    with pinot.table(schema, COMPLETE) as consumer:
        consume(consumer, rows)
        asked = swept(consumer, task_of(of, {"id": "S", "n": "N"}))
        assert sorted_keys(asked) == sorted_keys(keys * 2)
        assert consumer.live() == []


@pytest.mark.parametrize("kind", [*KINDS, "TIMESTAMP", "INT of seconds"])
def test_a_row_of_the_load_is_no_candidate_and_one_of_just_before_is(pinot, kind):
    schema, config, source = KINDS.get(kind, KINDS["ms"])
    if kind not in KINDS:
        data_type, time_format = {"TIMESTAMP": ("TIMESTAMP", "TIMESTAMP")}.get(kind, ("INT", "EPOCH|SECONDS"))
        schema = with_setting(schema, "dateTimeFieldSpecs.0.dataType", data_type)
        schema = with_setting(schema, "dateTimeFieldSpecs.0.format", time_format)
    of = table(schema, config, source)
    rows = [*read_rows(of, {"before": ONE}, SECOND + 59.9), *read_rows(of, {"loaded": ONE}, SECOND + 60)]
    with pinot.table(schema, config) as consumer:
        consume(consumer, rows)
        assert swept(consumer, task_of(of)) == [{"id": {"S": "before"}}]
        assert shown(consumer) == {"loaded": "one"}
