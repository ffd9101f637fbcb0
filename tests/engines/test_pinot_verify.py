"""A verification's queries and comparisons through Pinot's own code: it sees each value as it is, and any damage."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console

from changes import SECOND, insert
from dynapinot.aws import Aws
from dynapinot.pinot_server import Answer
from dynapinot.verify.columns import Columns
from dynapinot.verify.repair import repair
from dynapinot.verify.run import Options, run
from dynapinot.verify.sample import KEYS_PER_QUERY, MOST_SEGMENTS
from engines.feed import COMPLETE, INDEXED, consume, rows_of
from engines.roundtrip import EVERY_COLUMN, TABLE, sent_rows
from engines.test_pinot_load import KEYS, by_key
from engines.test_pinot_values import NUMBERS, SCALARS, TEXTS, in_lists
from files import SCHEMA, table, with_setting
from function import set_environment
from handlers import clients
from strategies import encode
from verified_table import VerifiedTable

pytestmark = pytest.mark.engines

SOURCE = {"dynamodb_table": "meetups", "columns": {"changed": "$timestamp"}}


@pytest.mark.parametrize("values", [SCALARS, in_lists(("", "a", "0", *NUMBERS, True)), [[], {}, [[]], [{}]]], ids=len)
def test_every_value_in_every_column_is_seen_as_equal(pinot, values):
    sent = sent_rows(values)
    columns = Columns(TABLE)
    made = {each.key: each for each in (columns.made(json.loads(row.data)) for row in sent)}
    with pinot.table(EVERY_COLUMN, COMPLETE) as consumer:
        assert consumer.ingest(row.data for row in sent) == [INDEXED] * len(sent)
        for _ in ("consuming", "committed"):
            shown = [columns.shown(row) for row in consumer.query(columns.query_bucket("salt", 0, 1, 100_000))]
            assert len(shown) == len(made)
            different = {row.key: columns.differing(made[row.key], row) for row in shown}
            assert {key: each for key, each in different.items() if each} == {}
            assert {row.partition for row in shown} == {0}
            consumer.commit()


# Of a DOUBLE or a BOOLEAN no item is found, but rows are asked for by their values.
ALL_KEYS = {
    **KEYS,
    ("DOUBLE", "N"): ["0", "-1.5", "0.1", "1E-7", "1E125", "-1E-130", "9007199254740992", "123456789.125"],
    ("BOOLEAN", "BOOL"): [True, False],
}


@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize(("data_type", "tag"), ALL_KEYS)
def test_each_key_is_asked_for_by_its_value_and_is_in_one_bucket(pinot, data_type, tag, is_alone):
    schema = by_key(("id", data_type)) if is_alone else by_key(("id", data_type), ("city", "STRING"))
    columns = Columns(table(schema, COMPLETE, SOURCE))
    cities = {} if is_alone else {"city": {"S": "it's"}}
    rows = rows_of(columns.table, *(insert({"id": {tag: value}}, cities) for value in ALL_KEYS[data_type, tag]))
    made = [columns.made(json.loads(row.data)) for row in rows]
    with pinot.table(schema, COMPLETE) as consumer:
        consume(consumer, rows)
        for _ in ("consuming", "committed"):
            for each in made:
                (shown,) = map(columns.shown, consumer.query(columns.query_keys([each.answered], 10)))
                assert (shown.key, list(shown.answered)) == (each.key, _as_answered(each.answered, shown.answered))
            together = consumer.query(columns.query_keys([each.answered for each in made], KEYS_PER_QUERY))
            assert {columns.shown(row).key for row in together} == {each.key for each in made}
            buckets = [consumer.query(columns.query_bucket("salt", bucket, 3, 99)) for bucket in range(3)]
            found = [repr(columns.shown(row).key) for bucket in buckets for row in bucket]
            assert sorted(found) == sorted(repr(each.key) for each in made)
            assert consumer.query(columns.query_count()) == [[len(made)]]
            consumer.commit()


def test_as_many_keys_of_several_columns_as_a_query_has_are_found(pinot):
    schema = by_key(("id", "STRING"), ("n", "BIG_DECIMAL"), ("city", "STRING"))
    columns = Columns(table(schema, COMPLETE, SOURCE))
    keys = [{"id": {"S": f"a{n % 7}"}, "n": {"N": str(n)}} for n in range(2 * KEYS_PER_QUERY)]
    rows = rows_of(columns.table, *(insert(key, {"city": {"S": "Rome"}}) for key in keys))
    made = [columns.made(json.loads(row.data)) for row in rows][:KEYS_PER_QUERY]
    with pinot.table(schema, COMPLETE) as consumer:
        consume(consumer, rows)
        shown = consumer.query(columns.query_keys([each.answered for each in made], 1_000))
        assert sorted(columns.shown(row).key for row in shown) == sorted(each.key for each in made)


def _as_answered(made, shown):
    """The same key: a BIG_DECIMAL has several texts."""
    return [
        seen if isinstance(needed, str) and _is_number(needed) and Decimal(needed) == Decimal(seen) else needed
        for needed, seen in zip(made, shown, strict=True)
    ]


def _is_number(text):
    try:
        Decimal(text)
    except ArithmeticError:
        return False
    return True


def filled(consumer):
    of = VerifiedTable(SCHEMA, COMPLETE, SOURCE)
    of.replica.ingest = lambda place, data: consumer.ingest([data], place)
    of.ask = lambda sql, _: consumer.query(sql)
    of.sample = of.new_sample()
    for number in range(30):
        of.put(f"k{number}", name={"S": f"name of {number}"}, price={"N": f"{number}.5"})
    of.pass_time(60.0)
    return of


@pytest.mark.parametrize("is_committed", [False, True])
def test_any_damage_to_pinots_own_rows_is_found_and_what_can_be_is_repaired(pinot, is_committed):
    cutting = with_setting(SCHEMA, "dimensionFieldSpecs.1.maxLength", 12)
    with pinot.table(cutting, COMPLETE, partitions=2) as consumer:
        of = filled(consumer)
        of.items["lost"] = {"id": {"S": "lost"}, "name": {"S": "x"}}
        of.items["k2"]["name"] = {"S": "its change was lost"[:12]}
        del of.items["k3"]  # its delete was lost
        of.put("k4", name={"S": "longer than Pinot keeps"})
        consumer.ingest([json.dumps({"id": "extra", "deleted": False, "changed": SECOND * 1000}).encode()])
        (row,) = rows_of(of.table, insert({"id": {"S": "k5"}}, {"name": {"S": "name of 5"}, "price": {"N": "5.5"}}))
        consumer.ingest([row.data], 1)
        of.pass_time(60.0)
        if is_committed:
            consumer.commit(0)
            consumer.commit(1)
        kinds = {"lost": "missing", "k2": "stale", "k3": "ghost", "k4": "stale", "k5": "double", "extra": "ghost"}
        assert of.compare() == kinds
        assert of.sample.differences["k4",].finding.columns == {"name": "is cut"}
        assert of.sample.differences["k5",].finding.detail == "in the partitions 0, 1"
        assert repair(of.sample, of.by_key(), of.publish, 60.0) == (3, 2, 4)
        assert of.kinds() == {"k4": "wrong", "k5": "double"}
        of.sample = of.new_sample()
        assert of.compare() == {"k4": "stale", "k5": "double"}


def test_a_verification_beside_a_writer_finds_nothing(pinot):
    with pinot.table(SCHEMA, COMPLETE) as consumer:
        of = filled(consumer)
        of.hot = ("k1", "k2", "k3")
        assert of.compare(wait=20.0) == {}
        assert of.sample.in_flight <= {("k1",), ("k2",), ("k3",)}


class EngineBroker:
    """The engine in place of a broker; it has always consumed everything."""

    def __init__(self, consumer):
        self._consumer = consumer

    def query(self, sql):
        caught_up = {"minConsumingFreshnessTimeMs": int(time.time() * 1000) + 3_600_000}
        return Answer(columns=(), types=(), rows=self._consumer.query(sql), statistics=caught_up)


def test_a_table_of_dynamodb_local_is_compared_by_a_scan_of_many_segments(pinot, dynamodb_local, monkeypatch, tmp_path):
    folder = tmp_path / "items"
    folder.mkdir()
    source = 'dynamodb_table = "meetups"\n[columns]\nchanged = "$timestamp"\n'
    for name, text in (("schema", json.dumps(EVERY_COLUMN)), ("table", json.dumps(COMPLETE))):
        (folder / f"{name}.json").write_text(text)
    (folder / "source.toml").write_text(source)
    of = table(EVERY_COLUMN, COMPLETE, SOURCE)
    account = dynamodb_local.empty()
    client = account.client("dynamodb")
    set_environment(monkeypatch, tmp_path, AWS_ENDPOINT_URL=client.meta.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", client._get_credentials().access_key)
    clients.session.cache_clear()
    client.create_table(
        TableName="meetups",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    values = [*NUMBERS[:20], *(text for text in TEXTS if text and "\0" not in text and len(text) < 200)]
    rows = []
    for number, value in enumerate(values):
        columns = ("one_BIG_DECIMAL", "one_DOUBLE", "one_STRING") if isinstance(value, Decimal) else ("one_STRING",)
        item = {"id": {"S": f"k{number}"}, **dict.fromkeys((*columns, "one_JSON"), encode(value))}
        client.put_item(TableName="meetups", Item=item)
        rows += rows_of(of, insert({"id": item.pop("id")}, item, second=SECOND))
    options = Options(
        aws=Aws(),
        broker=None,
        tables=tmp_path,
        only=(),
        table=None,
        sample=1_000,
        wait_seconds=0.0,
        items_per_second=1_000,
        read_units=1e6,
        max_record_bytes=100_000,
        as_json=True,
    )

    def verified(consumer):
        console = Console(file=io.StringIO())
        code = run(console, replace(options, broker=EngineBroker(consumer)))
        return code, json.loads(console.file.getvalue())["tables"][0]

    try:
        with pinot.table(EVERY_COLUMN, COMPLETE) as consumer:
            consumer.ingest(row.data for row in rows)
            code, found = verified(consumer)
            assert (code, found["differences"], found["items"]["is_all"]) == (0, [], True)
            assert found["items"]["compared"] == found["rows"]["compared"] == len(values)
            assert found["segments_read"] == found["segments"] == len(values) // 2
            client.delete_item(TableName="meetups", Key={"id": {"S": "k3"}})
            client.put_item(TableName="meetups", Item={"id": {"S": "k4"}, "one_DOUBLE": {"N": "4.5"}})
            client.put_item(TableName="meetups", Item={"id": {"S": "new"}})
            code, found = verified(consumer)
            assert (code, found["kinds"]) == (1, {"missing": 1, "ghost": 1, "stale": 1})
            client.scan(TableName="meetups", Segment=MOST_SEGMENTS - 1, TotalSegments=MOST_SEGMENTS)
    finally:
        clients.session.cache_clear()
