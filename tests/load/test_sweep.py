"""The sweep: which rows it finds, whose items they are, and what becomes of them."""

from __future__ import annotations

import json
from collections import Counter

import msgspec
import pytest

from changes import SECOND, insert, remove
from decoder.change import decode_change
from dynapinot.local.replica import Replica, read_upsert_table
from files import CONFIG, SCHEMA, table, with_column, with_setting
from load.plan import ExportReader, Plan, PlannedTable, ScanReader, Swept
from load.sweep import SweepError, sweep, sweep_of
from pinot_sql import answer
from publisher.order import Published
from redrive.current_rows import ItemSnapshot, RedriveError

MAX_BYTES = 10_000
SOURCE = {"dynamodb_table": "meetups"}
BEGAN = SECOND + 100
V_MS = (BEGAN - 1) * 1000 - 1
NOW = SECOND + 200  # the second of the sweep's reads


def plan(reader=None, keys=("id",)):
    return Plan(
        id="load",
        table="meetups",
        region="us-east-1",
        keys=keys,
        began=BEGAN,
        tables={"items": PlannedTable(files="", shards=1)},
        reader=reader or ScanReader(segments=1, margin=1),
        workers=1,
    )


def task_of(of=None, tables=None, types=None, **options):
    of = of or table(SCHEMA, CONFIG, SOURCE)
    types = types or {"id": "S"}
    return sweep_of(plan(keys=tuple(types), **options), of, tables or [of], types, MAX_BYTES)


def keyed(*fields, source=None):
    """A table whose primary key has these columns, each a name and a type."""
    schema = SCHEMA
    others = [field for field in SCHEMA["dimensionFieldSpecs"] if field["name"] != "id"]
    plain = [{"name": name, "dataType": data_type} for name, data_type in fields if data_type != "TIMESTAMP"]
    times = [
        {"name": name, "dataType": data_type, "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"}
        for name, data_type in fields
        if data_type == "TIMESTAMP"
    ]
    schema = with_setting(schema, "dimensionFieldSpecs", [*plain, *others])
    schema = with_setting(schema, "dateTimeFieldSpecs", [*SCHEMA["dateTimeFieldSpecs"], *times])
    schema = with_setting(schema, "primaryKeyColumns", [name for name, _ in fields])
    return table(schema, CONFIG, {**SOURCE, **(source or {})})


# --- the query --------------------------------------------------------------------------------------------------


def test_the_first_query_asks_for_the_oldest_rows_in_the_order_of_their_keys():
    assert task_of().query(None, 10) == (
        f'SET timeoutMs=50000; SELECT "id" FROM "items" WHERE "changed" < {V_MS} ORDER BY "id" LIMIT 10'
    )


def test_the_next_query_asks_for_keys_behind_the_last_one():
    of = keyed(("a", "STRING"), ("b", "BIG_DECIMAL"), ("at", "TIMESTAMP"))
    sql = task_of(of, types={"a": "S", "b": "N"}).query(("it's", "-5", 7), 10)
    assert sql == (
        'SET timeoutMs=50000; SELECT "a", CAST("b" AS STRING), CAST("at" AS LONG) FROM "items" '
        f'WHERE "changed" < {V_MS} AND '
        """"a" >= 'it''s' AND ("a" > 'it''s' OR ("b" >= '-5' AND ("b" > '-5' OR ("at" > 7)))) """
        'ORDER BY "a", "b", "at" LIMIT 10'
    )


@pytest.mark.parametrize(
    ("data_type", "time_format", "bound"),
    [
        ("LONG", "EPOCH|MILLISECONDS", V_MS),
        ("TIMESTAMP", "TIMESTAMP", V_MS),
        ("INT", "EPOCH|SECONDS", V_MS // 1000),
        ("LONG", "EPOCH|MICROSECONDS", V_MS * 1000),
        ("LONG", "EPOCH|MINUTES", BEGAN // 60 - 1),
    ],
)
def test_the_bound_is_what_the_loads_oldest_row_has_in_the_comparison_column(data_type, time_format, bound):
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", time_format)
    schema = with_setting(schema, "dateTimeFieldSpecs.0.dataType", data_type)
    assert f'"changed" < {bound} ' in task_of(table(schema, CONFIG, SOURCE)).query(None, 1)


def test_the_bound_of_a_version_is_the_time_and_zeros():
    of = table(
        with_column("v", "STRING"),
        with_setting(CONFIG, "upsertConfig.comparisonColumns", ["v"]),
        {**SOURCE, "columns": {"v": "$version"}},
    )
    assert f""""v" < '{V_MS:013d}-{"0" * 40}' """ in task_of(of).query(None, 1)


def test_the_bound_is_that_of_the_table_whose_time_is_the_coarsest():
    minutes = table(with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|MINUTES"), CONFIG, SOURCE)
    exact = table(SCHEMA, CONFIG, SOURCE)
    assert task_of(exact, [exact, minutes]).before_ms == BEGAN // 60 * 60_000 - 60_000 * (BEGAN % 60 == 0) - 1


def test_the_bound_after_a_load_of_an_export_is_that_of_its_time():
    task = task_of(reader=ExportReader(bucket="b", folder="f", files=1, second=SECOND))
    assert (task.second, task.before_ms) == (SECOND, SECOND * 1000 - 1)


# --- which tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "types", "message"),
    [
        (table(), {"id": "S"}, 'Write dynamodb_table = "meetups" there'),
        (table(source={"dynamodb_table": "other"}), {"id": "S"}, "all its rows are of meetups"),
        (
            table(source={**SOURCE, "columns": {"changed": "updated"}}),
            {"id": "S"},
            "its comparison column changed is not the time of a change",
        ),
        (keyed(("id", "STRING")), {"id": "S", "sk": "S", "x": "N"}, "its primary key lacks sk, x of"),
        (keyed(("id", "STRING"), ("n", "DOUBLE")), {"id": "S", "n": "N"}, "primary key column n, a DOUBLE"),
        (keyed(("id", "LONG")), {"id": "S"}, "primary key column id, a LONG"),
        (
            keyed(("id", "STRING"), ("city", "STRING"), source={"columns": {"city": "address.city"}}),
            {"id": "S"},
            "primary key column city, a STRING",
        ),
        (
            keyed(("id", "STRING"), ("of", "STRING"), source={"columns": {"of": "$table"}}),
            {"id": "S"},
            "primary key column of, a STRING",
        ),
    ],
)
def test_a_table_whose_rows_do_not_tell_their_items_or_their_age_is_refused(of, types, message):
    with pytest.raises(SweepError) as error:
        task_of(of, types=types)
    assert str(error.value).startswith("the table items cannot be swept: ")
    assert message in str(error.value)


def test_a_load_with_a_filter_is_refused():
    with pytest.raises(SweepError, match="the table items cannot be swept: the load has a filter"):
        task_of(reader=ScanReader(segments=1, margin=1, filter={"FilterExpression": "attribute_exists(a)"}))


# --- from a key in Pinot to an item, and back --------------------------------------------------------------------

ITEMS = [
    ("STRING", "S", "it's", {"S": "it's"}),
    ("STRING", "N", "-0.5", {"N": "-0.5"}),
    ("INT", "N", -5, {"N": "-5"}),
    ("LONG", "N", 2**63 - 1, {"N": str(2**63 - 1)}),
    ("BIG_DECIMAL", "N", "12345678901234567890123456789012345678", {"N": "12345678901234567890123456789012345678"}),
    ("BIG_DECIMAL", "N", "1.50", {"N": "1.5"}),
    ("BYTES", "B", "00ff", {"B": "AP8="}),
    ("TIMESTAMP", "N", 1719082124026, {"N": "1719082124026"}),
    ("TIMESTAMP", "N", 0, {"N": "0"}),
]


@pytest.mark.parametrize(("data_type", "tag", "value", "attribute"), ITEMS)
def test_a_key_is_the_items_own_and_its_tombstone_is_under_it(data_type, tag, value, attribute):
    asked = []

    def read(change, earliest):
        asked.append((change.keys, change.table, change.region, earliest))
        return ItemSnapshot(None, NOW)

    of = keyed(("id", data_type))
    row = task_of(of, types={"id": tag}).row([value], read)
    assert asked == [({"id": attribute}, "meetups", "us-east-1", BEGAN - 1)]
    (live,) = of.rows(decode_change(insert({"id": attribute}, {})))
    assert (row.key, row.is_delete) == (live.key, True)
    made = json.loads(row.data)
    assert made == {"id": json.loads(live.data)["id"], "deleted": True, "changed": NOW * 1000 - 1}


@pytest.mark.parametrize(
    ("data_type", "tag", "value"),
    [
        ("STRING", "N", "null"),
        ("BIG_DECIMAL", "N", "1E999"),
        ("BYTES", "B", "xyz"),
    ],
)
def test_a_row_that_is_not_made_of_an_item_is_counted_and_stays(data_type, tag, value):
    task = task_of(keyed(("id", data_type)), types={"id": tag})
    answers = iter([[[value]], []])
    done = sweep(
        task,
        Swept(),
        query=lambda _: next(answers),
        read_item=lambda *_: pytest.fail("nothing to read"),
        publish=lambda *_: pytest.fail("nothing to publish"),
        save=lambda _: None,
    )
    assert done == Swept(position=(value,), is_done=True, candidates=1, failures={"foreign_key": 1})


@pytest.mark.parametrize(
    ("data_type", "tag", "value", "answered"),
    [
        ("LONG", "N", "7", "str"),
        ("LONG", "N", True, "bool"),
        ("BIG_DECIMAL", "N", 1e30, "float"),
        ("STRING", "S", None, "NoneType"),
    ],
)
def test_an_answer_of_another_type_ends_the_sweep(data_type, tag, value, answered):
    with pytest.raises(SweepError, match=f"Pinot answers {answered} for id, a {data_type}"):
        task_of(keyed(("id", data_type)), types={"id": tag}).row([value], read_as(None))


# --- what becomes of a candidate ---------------------------------------------------------------------------------

MOVING = {"columns": {"city": "city"}}


def read_as(item):
    return lambda *_: ItemSnapshot(item, NOW)


def row_of(item, key=("a",), source=None, of=None):
    of = of or table(SCHEMA, CONFIG, {**SOURCE, **(source or {})})
    row = task_of(of).row(key, read_as(item))
    return row and json.loads(row.data)


ITEM = {"id": {"S": "a"}, "name": {"S": "one"}}
ROW = {"id": "a", "name": "one", "deleted": False, "changed": NOW * 1000 - 1}
TOMBSTONE = {"id": "a", "deleted": True, "changed": NOW * 1000 - 1}
WHEN = {"when": {"kind": "row"}}
KEEP = {"ttl_deletes": "keep"}


def test_an_item_that_is_there_becomes_its_row_as_of_now():
    assert row_of(ITEM) == ROW
    assert row_of(ITEM, source=KEEP) == ROW


def test_an_item_that_is_gone_becomes_a_tombstone_unless_time_to_live_may_have_deleted_it():
    assert row_of(None) == TOMBSTONE
    assert row_of(None, source=KEEP) is None


def test_an_item_that_is_no_row_now_becomes_a_tombstone_whatever_when_looks_at():
    assert row_of({**ITEM, "kind": {"S": "other"}}, source=WHEN) == TOMBSTONE
    assert row_of(None, source=WHEN) == TOMBSTONE
    assert row_of({**ITEM, "kind": {"S": "row"}}, source=WHEN) == ROW
    assert row_of(None, source={"when": {"id": {"begins_with": "USER#"}}}) == TOMBSTONE  # as "when" was changed
    assert row_of({**ITEM, "kind": {"S": "other"}}, source={**WHEN, **KEEP}) is None


def test_a_row_under_a_former_primary_key_becomes_a_tombstone():
    of = keyed(("id", "STRING"), ("city", "STRING"))
    rome = {**TOMBSTONE, "city": "Rome"}
    assert row_of({**ITEM, "city": {"S": "Oslo"}}, ("a", "Rome"), of=of) == rome
    assert row_of(ITEM, ("a", "Rome"), of=of) == rome  # it has no key at all
    assert row_of({**ITEM, "city": {"S": "Rome"}}, ("a", "Rome"), of=of) == {**ROW, "city": "Rome"}


# --- all of it ---------------------------------------------------------------------------------------------------


class Source:
    """A Pinot table with rows from before a load, most of them refreshed by it, and the items as they are now."""

    def __init__(self, old, loaded=()):
        self.replica = Replica(read_upsert_table(SCHEMA, CONFIG))
        self.table = table(SCHEMA, CONFIG, SOURCE)
        self.items = {name: {"id": {"S": name}, "name": {"S": f"new {name}"}} for name in loaded}
        for name in old:
            self.take(insert({"id": {"S": name}}, {"name": {"S": "old"}}))
        for name in loaded:
            change = decode_change(insert({"id": {"S": name}}, {"name": {"S": f"new {name}"}}))
            self.take_rows(self.table.rows(change._replace(timestamp_ms=V_MS)))
        self.read, self.portions, self.saved, self.queries = [], [], [], 0
        self.error = None
        self.unreadable = {}

    def take(self, record):
        self.take_rows(self.table.rows(decode_change(record)))

    def take_rows(self, rows):
        for row in rows:
            self.replica.ingest(0, row.data)

    def query(self, sql):
        self.queries += 1
        return answer(self.replica.table, self.replica.live(), sql)

    def read_item(self, change, _):
        name = change.keys["id"]["S"]
        self.read.append(name)
        if name in self.unreadable:
            raise RedriveError(self.unreadable[name])
        return ItemSnapshot(self.items.get(name), NOW)

    def publish(self, target, entries):
        assert target == self.table.target
        if self.error is not None:
            return Published(first_unpublished=0, resent=0, errors=self.error)
        self.portions.append([entry.position for entry in entries])
        for entry in entries:
            self.replica.ingest(0, entry.data)
        return Published(first_unpublished=None, resent=0, errors={})

    def sweep(self, state=None, **options):
        return sweep(
            task_of(self.table),
            state or Swept(),
            query=self.query,
            read_item=self.read_item,
            publish=self.publish,
            save=self.saved.append,
            **{"page": 3, "portion": 2, **options},
        )

    def shown(self):
        return {row["id"]: row.get("name") for row in self.replica.live()}


def test_only_what_the_load_did_not_refresh_is_read_page_by_page_and_published_in_portions():
    source = Source(old="abcdefgh", loaded="bd")
    source.items["c"] = {"id": {"S": "c"}, "name": {"S": "missed"}}
    done = source.sweep()
    assert source.read == ["a", "c", "e", "f", "g", "h"]
    assert source.portions == [[0, 1], [0], [0, 1], [0]]
    assert source.queries == 3
    assert source.shown() == {"b": "new b", "c": "missed", "d": "new d"}
    assert done == Swept(position=("h",), is_done=True, candidates=6, rows=1, tombstones=5)
    assert [(each.position, each.is_done) for each in source.saved] == [
        (("c",), False),
        (("e",), False),
        (("g",), False),
        (("h",), False),
        (("h",), True),
    ]


def test_a_sweep_that_goes_on_from_any_state_or_is_done_again_ends_the_same():
    states = Source(old="abcdefgh", loaded="bd")
    states.sweep()
    for state in (Swept(), *states.saved[:-1]):
        source = Source(old="abcdefgh", loaded="bd")
        done = source.sweep(msgspec.json.decode(msgspec.json.encode(state), type=Swept))
        assert done == states.saved[-1]
        assert source.read == [name for name in states.read if not state.position or name > state.position[0]]
        assert source.sweep().candidates == (0 if state == Swept() else state.candidates)
        assert source.shown() == {"b": "new b", "d": "new d"}
    assert source.sweep(done) == done


def test_no_candidate_is_missed_while_rows_change():
    source = Source(old="abcdefgh")
    before = source.query

    def query(sql):  # between any two pages, rows before and behind the position are deleted and made
        found = before(sql)
        if found:
            for name in (found[0][0], "g", "a0"):
                source.take(remove({"id": {"S": name}}, second=BEGAN + 1))
                source.take(insert({"id": {"S": f"{name}!"}}, {}, second=BEGAN + 1))
        return found

    source.query = query
    source.sweep()
    assert {name for name in source.shown() if not name.endswith("!")} == set()
    assert set(source.read) == set("abcdefh")


def test_a_key_that_pinot_answers_twice_is_read_once():
    source = Source(old="ab")
    answers = iter([[["a"], ["a"], ["b"]], []])
    source.query = lambda _: next(answers)
    source.sweep()
    assert source.read == ["a", "b"]


def test_what_cannot_be_read_or_be_a_row_is_counted_by_its_reason_and_the_rest_goes_on():
    source = Source(old="abcdef")
    source.unreadable = {"a": "ThrottlingException", "b": "AccessDeniedException", "c": "ThrottlingException"}
    source.items["d"] = {"id": {"S": "d"}, "price": {"S": "cheap"}}
    source.items["e"] = {"id": {"S": "e"}, "name": {"S": "x" * MAX_BYTES}}
    done = source.sweep()
    failures = {"ThrottlingException": 2, "AccessDeniedException": 1, "type_mismatch": 1, "too_long": 1}
    assert done == Swept(position=("f",), is_done=True, candidates=6, tombstones=1, failures=failures)
    assert source.shown() == dict.fromkeys("abcde", "old")
    source.unreadable = {}
    assert source.sweep().tombstones == 3  # they are found again


def test_rows_that_the_table_keeps_are_counted():
    of = table(SCHEMA, CONFIG, {**SOURCE, **KEEP})
    answers = iter([[["a"], ["b"]], []])
    done = sweep(
        task_of(of),
        Swept(),
        query=lambda _: next(answers),
        read_item=read_as(None),
        publish=lambda *_: pytest.fail("nothing to publish"),
        save=lambda _: None,
    )
    assert done == Swept(position=("b",), is_done=True, candidates=2, kept=2)


def test_a_row_that_is_too_large_for_the_stream_is_counted():
    schema = with_setting(SCHEMA, "dimensionFieldSpecs.1.maxLength", 100_000)
    of = table(schema, CONFIG, SOURCE)
    answers = iter([[["a"]], []])
    done = sweep(
        task_of(of),
        Swept(),
        query=lambda _: next(answers),
        read_item=read_as({**ITEM, "name": {"S": "x" * MAX_BYTES}}),
        publish=lambda *_: pytest.fail("it is too large"),
        save=lambda _: None,
    )
    assert done.failures == {"row_too_large": 1}


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        (Counter({"ThrottlingException": 2, "InternalFailure": 1}), "ThrottlingException"),
        ({}, "the time is up"),
    ],
)
def test_a_stream_that_does_not_take_the_rows_ends_the_sweep_before_them(errors, cause):
    source = Source(old="abcd")
    source.sweep(page=2)
    source = Source(old="abcd")
    source.error = errors
    with pytest.raises(SweepError, match=rf"the stream items-stream did not take all rows \({cause}\): sweep again"):
        source.sweep()
    assert source.saved == []
    source.error = None
    assert source.sweep().tombstones == 4
