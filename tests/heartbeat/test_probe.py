"""Each shard gets a heartbeat item, by the row that the real table makes of it. An earlier run's row does not match."""

from __future__ import annotations

import hashlib
import json

import pytest

from files import CONFIG, SCHEMA, table, with_column, with_setting
from heartbeat.item import HeartbeatError, KeyAttribute, SourceTable, insert_change
from heartbeat.probe import Shard, ShardLocation, hash_key, make_probes

MS = 1_719_082_124_987
LAST_HASH_KEY = 2**128 - 1


def equal_shards(count):
    """Split the hash keys as CreateStream does."""
    bounds = [2**128 * each // count for each in range(count + 1)]
    return [Shard(id=f"shard-{each}", first=bounds[each], last=bounds[each + 1] - 1) for each in range(count)]


def source_table(**keys):
    keys = [KeyAttribute(name=name, type=each) for name, each in (keys or {"id": "S"}).items()]
    return SourceTable(table="meetups", region="eu-west-1", keys=keys)


def probes_of(made=None, *templates, shards=2, keys=None, **options):
    pairs = [(made or table(), equal_shards(shards))]
    return make_probes(pairs, templates or ({},), source_table(**(keys or {})), now_ms=MS, **options)


def row_of(made, probe, put_ms, where):
    (row,) = made.rows(insert_change(probe.item, where, put_ms))
    return row.key, row.data


def with_key(data_type, **spec):
    schema = with_setting(SCHEMA, "dimensionFieldSpecs", SCHEMA["dimensionFieldSpecs"][1:])
    kind = "dateTimeFieldSpecs" if spec else "dimensionFieldSpecs"
    return with_setting(schema, kind, [*schema[kind], {"name": "id", "dataType": data_type, **spec}])


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_each_shard_gets_an_item_whose_row_reaches_it(count):
    shards = {shard.id: shard for shard in equal_shards(count)}
    probes = probes_of(shards=count)
    assert {probe.location for probe in probes} == {
        ShardLocation("items-stream", "eu-west-1", shard) for shard in shards
    }
    assert len(probes) == count
    for probe in probes:
        assert probe.item == {"id": {"S": probe.key.partition(":")[2]}}
        assert probe.item["id"]["S"].startswith("dynapinot-heartbeat-")
        shard = shards[probe.location.shard]
        assert shard.first <= int(hashlib.md5(probe.key.encode()).hexdigest(), 16) <= shard.last


def test_the_items_are_the_same_in_every_run():
    first = probes_of(shards=7)
    later = make_probes([(table(), equal_shards(7))], ({},), source_table(), now_ms=MS + 86_400_000)
    assert [(probe.item, probe.key, probe.location) for probe in first] == [
        (probe.item, probe.key, probe.location) for probe in later
    ]


def test_hash_keys_are_those_of_kinesis():
    assert hash_key("") == 0xD41D8CD98F00B204E9800998ECF8427E
    assert 0 <= hash_key("11:Grüezi wohl") <= LAST_HASH_KEY


def test_a_row_of_this_run_matches_and_one_of_an_earlier_run_does_not():
    made = table()
    probe, other = probes_of(made)
    assert (probe.table, probe.time_column, probe.min_time) == ("items", "changed", 1_719_082_123_000)
    assert probe.matches(*row_of(made, probe, MS, source_table()))
    assert probe.matches(*row_of(made, probe, MS - 1_000, source_table()))  # the clocks may differ
    assert not probe.matches(*row_of(made, probe, MS - 2_000, source_table()))
    assert not probe.matches(*row_of(made, other, MS, source_table()))
    assert not probe.matches(probe.key, b"{}")
    assert not probe.matches(probe.key, json.dumps({"changed": "9999999999999"}).encode())


def test_rows_ordered_by_version_are_distinguished_by_it():
    schema = with_column("version", "STRING")
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["version"])
    made = table(schema, config, {"columns": {"version": "$version", "changed": "$timestamp"}})
    probe, _ = probes_of(made)
    assert (probe.time_column, probe.min_time) == ("version", f"1719082123000-{0:040d}")
    key, data = row_of(made, probe, MS, source_table())
    assert probe.matches(key, data)
    assert probe.matches(key, data.replace(b"-" + b"0" * 40, b"-" + b"7" * 40))
    assert not probe.matches(*row_of(made, probe, MS - 5_000, source_table()))


def test_a_comparison_column_of_the_items_own_is_not_the_time_column():
    schema = with_column("seen", "LONG", format="EPOCH|MILLISECONDS")
    source = {"columns": {"changed": "changed", "seen": "$timestamp"}}
    (probe,) = probes_of(table(schema, source=source), {"changed": {"N": "1"}}, shards=1)
    assert (probe.time_column, probe.min_time) == ("seen", 1_719_082_123_000)


def test_a_column_of_the_heartbeat_attribute_can_be_the_time_column():
    schema = with_column("heartbeat", "LONG")
    (probe,) = probes_of(table(schema, source={"columns": {"changed": "changed"}}), {"changed": {"N": "1"}}, shards=1)
    assert (probe.time_column, probe.min_time) == ("heartbeat", MS - 1_000)


@pytest.mark.parametrize(
    ("spec", "columns", "template"),
    [
        ({"format": "EPOCH|MILLISECONDS"}, {"changed": "changed"}, {"changed": {"N": "1"}}),
        ({"format": "EPOCH|MINUTES"}, {"changed": "$timestamp"}, {}),
    ],
)
def test_rows_that_do_not_distinguish_two_runs_are_refused(spec, columns, template):
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs", [{"name": "changed", "dataType": "LONG", **spec}])
    with pytest.raises(HeartbeatError, match=r"items: no column distinguishes one run .*\$timestamp"):
        probes_of(table(schema, source={"columns": columns}), template)


@pytest.mark.parametrize(
    ("schema", "type_", "first"),
    [
        (with_key("LONG"), "N", {"N": "946684800000"}),
        (with_key("INT"), "N", {"N": "946684800"}),
        (with_key("TIMESTAMP", format="TIMESTAMP", granularity="1:MILLISECONDS"), "N", {"N": "946684800000"}),
        (with_key("BIG_DECIMAL"), "N", {"N": "946684800000"}),
        (with_key("BYTES"), "B", {"B": "ZHluYXBpbm90LWhlYXJ0YmVhdC0w"}),
        (with_key("STRING"), "S", {"S": "dynapinot-heartbeat-0"}),
    ],
)
def test_keys_of_every_type_fit_their_column(schema, type_, first):
    probes = probes_of(table(schema), shards=7, keys={"id": type_})
    assert len(probes) == 7
    assert probes[0].item == {"id": first}
    assert all(probe.item["id"].keys() == {type_} for probe in probes)


def test_a_timestamp_sort_key_is_a_plausible_time_and_can_be_configured():
    schema = with_setting(with_column("mtime", "TIMESTAMP", format="TIMESTAMP"), "primaryKeyColumns", ["id", "mtime"])
    keys = {"id": "S", "mtime": "N"}
    assert {probe.item["mtime"]["N"] for probe in probes_of(table(schema), keys=keys)} == {"946684800000"}
    given = probes_of(table(schema), {"mtime": {"N": "1719080907442"}}, keys=keys)
    assert {probe.item["mtime"]["N"] for probe in given} == {"1719080907442"}


def test_a_missing_required_value_is_refused_with_the_column_and_the_remedy():
    config = with_setting(CONFIG, "segmentsConfig.timeColumnName", "held")
    made = table(with_column("held", "LONG", format="EPOCH|MILLISECONDS"), config)
    with pytest.raises(
        HeartbeatError, match=r"items: column held cannot be filled.* Add the attribute to HEARTBEAT_ITEM"
    ):
        probes_of(made)
    assert len(probes_of(made, {"held": {"N": "946684800000"}})) == 2


@pytest.mark.parametrize(
    ("schema", "template", "message"),
    [
        (with_key("INT"), {"id": {"N": "3000000000"}}, "column id cannot be filled"),
        (with_column("heartbeat", "BOOLEAN"), {}, "column heartbeat takes the attribute heartbeat, .* a number"),
        (SCHEMA, {"other": {"X": "1"}}, "no row can be made of a heartbeat item: other: .* Fix HEARTBEAT_ITEM"),
        (SCHEMA, {"price": {"S": "cheap"}}, "column price cannot be filled"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(schema, template, message):
    with pytest.raises(HeartbeatError, match=message):
        probes_of(table(schema), template, keys={"id": "N"} if "id" in template else None)


class FilteringTable:
    """A table that makes rows of some items only."""

    def __init__(self, prefix, stream):
        self._table = table(config=with_setting(CONFIG, STREAM_NAME, stream))
        self._prefix = prefix

    def __getattr__(self, name):
        return getattr(self._table, name)

    def rows(self, change):
        return self._table.rows(change) if change.keys["id"]["S"].startswith(self._prefix) else ()


STREAM_NAME = ["ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", "stream.kinesis.topic.name"]


def test_a_filtering_table_gets_an_item_that_it_selects_for_every_shard_of_its_stream():
    tables = (FilteringTable("A#", "a"), 3), (FilteringTable("", "b"), 2), (FilteringTable("C#", "c"), 1)
    pairs = [(each, equal_shards(count)) for each, count in tables]
    templates = [{"id": {"S": "A#{marker}"}}, {"id": {"S": "C#{marker}"}}]
    probes = make_probes(pairs, templates, source_table(), now_ms=MS)
    assert [(probe.location.stream, probe.item["id"]["S"][:22]) for probe in probes] == [
        *[("a", "A#dynapinot-heartbeat-")] * 3,
        *[("b", "A#dynapinot-heartbeat-")] * 2,
        ("c", "C#dynapinot-heartbeat-"),
    ]


def test_a_table_that_filters_all_items_out_is_refused():
    with pytest.raises(HeartbeatError, match="filters heartbeat items out"):
        probes_of(FilteringTable("A#", "a"))


def test_two_templates_must_not_give_the_same_key():
    pairs = [(FilteringTable("", "a"), equal_shards(1)), (table(with_column("n", "LONG")), equal_shards(1))]
    templates = [{"n": {"S": "text"}}, {"n": {"N": "1"}}]
    with pytest.raises(HeartbeatError, match="have the same key"):
        make_probes(pairs, templates, source_table(), now_ms=MS)


def test_items_of_one_primary_key_are_refused_if_there_are_several_shards():
    given = {"id": {"S": "always the same"}}
    assert len(probes_of(None, given, shards=1)) == 1
    with pytest.raises(HeartbeatError, match=r'same primary key.* Put "\{marker\}"'):
        probes_of(None, given, shards=3)


def test_a_shard_that_no_item_reaches_is_named():
    with pytest.raises(HeartbeatError, match="of 3 heartbeat items none reaches shard-"):
        probes_of(shards=64, max_items=3)


def test_a_table_without_shards_has_no_probes():
    assert make_probes([(table(), [])], ({},), source_table(), now_ms=MS) == ()
