"""Each shard gets a marker, by the row that the real table makes of it, and a row of an earlier run is no hit."""

from __future__ import annotations

import hashlib
import json

import pytest

from files import CONFIG, SCHEMA, table, with_column, with_setting
from heartbeat.aim import Place, Shard, hash_key, take_aim
from heartbeat.marker import HeartbeatError, KeyAttribute, Origin, change_of

MS = 1_719_082_124_987
LAST_HASH_KEY = 2**128 - 1


def equal_shards(count):
    """Split the hash keys as CreateStream does."""
    bounds = [2**128 * each // count for each in range(count + 1)]
    return [Shard(id=f"shard-{each}", first=bounds[each], last=bounds[each + 1] - 1) for each in range(count)]


def origin(**keys):
    keys = [KeyAttribute(name=name, type=each) for name, each in (keys or {"id": "S"}).items()]
    return Origin(table="meetups", region="eu-west-1", keys=keys)


def take(made=None, *templates, shards=2, keys=None, **options):
    pairs = [(made or table(), equal_shards(shards))]
    return take_aim(pairs, templates or ({},), origin(**(keys or {})), now_ms=MS, **options)


def row_of(made, aim, put_ms, where):
    (row,) = made.rows(change_of(aim.item, where, put_ms))
    return row.key, row.data


def with_key(data_type, **spec):
    schema = with_setting(SCHEMA, "dimensionFieldSpecs", SCHEMA["dimensionFieldSpecs"][1:])
    kind = "dateTimeFieldSpecs" if spec else "dimensionFieldSpecs"
    return with_setting(schema, kind, [*schema[kind], {"name": "id", "dataType": data_type, **spec}])


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_each_shard_gets_a_marker_whose_row_falls_into_it(count):
    shards = {shard.id: shard for shard in equal_shards(count)}
    aims = take(shards=count)
    assert {aim.place for aim in aims} == {Place("items-stream", "eu-west-1", shard) for shard in shards}
    assert len(aims) == count
    for aim in aims:
        assert aim.item == {"id": {"S": aim.key.partition(":")[2]}}
        assert aim.item["id"]["S"].startswith("dynapinot-heartbeat-")
        shard = shards[aim.place.shard]
        assert shard.first <= int(hashlib.md5(aim.key.encode()).hexdigest(), 16) <= shard.last


def test_the_markers_are_the_same_in_every_run():
    first = take(shards=7)
    later = take_aim([(table(), equal_shards(7))], ({},), origin(), now_ms=MS + 86_400_000)
    assert [(aim.item, aim.key, aim.place) for aim in first] == [(aim.item, aim.key, aim.place) for aim in later]


def test_hash_keys_are_those_of_kinesis():
    assert hash_key("") == 0xD41D8CD98F00B204E9800998ECF8427E
    assert 0 <= hash_key("11:Grüezi wohl") <= LAST_HASH_KEY


def test_a_marker_of_this_run_hits_and_one_of_an_earlier_run_does_not():
    made = table()
    aim, other = take(made)
    assert (aim.table, aim.clock, aim.floor) == ("items", "changed", 1_719_082_123_000)
    assert aim.is_hit_by(*row_of(made, aim, MS, origin()))
    assert aim.is_hit_by(*row_of(made, aim, MS - 1_000, origin()))  # the clocks may differ
    assert not aim.is_hit_by(*row_of(made, aim, MS - 2_000, origin()))
    assert not aim.is_hit_by(*row_of(made, other, MS, origin()))
    assert not aim.is_hit_by(aim.key, b"{}")
    assert not aim.is_hit_by(aim.key, json.dumps({"changed": "9999999999999"}).encode())


def test_rows_ordered_by_version_are_told_by_it():
    schema = with_column("version", "STRING")
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["version"])
    made = table(schema, config, {"columns": {"version": "$version", "changed": "$timestamp"}})
    aim, _ = take(made)
    assert (aim.clock, aim.floor) == ("version", f"1719082123000-{0:040d}")
    key, data = row_of(made, aim, MS, origin())
    assert aim.is_hit_by(key, data)
    assert aim.is_hit_by(key, data.replace(b"-" + b"0" * 40, b"-" + b"7" * 40))
    assert not aim.is_hit_by(*row_of(made, aim, MS - 5_000, origin()))


def test_an_item_s_own_comparison_column_is_no_clock_but_another_column_is():
    schema = with_column("seen", "LONG", format="EPOCH|MILLISECONDS")
    source = {"columns": {"changed": "changed", "seen": "$timestamp"}}
    (aim,) = take(table(schema, source=source), {"changed": {"N": "1"}}, shards=1)
    assert (aim.clock, aim.floor) == ("seen", 1_719_082_123_000)


def test_a_column_of_the_heartbeat_itself_can_be_the_clock():
    schema = with_column("heartbeat", "LONG")
    (aim,) = take(table(schema, source={"columns": {"changed": "changed"}}), {"changed": {"N": "1"}}, shards=1)
    assert (aim.clock, aim.floor) == ("heartbeat", MS - 1_000)


@pytest.mark.parametrize(
    ("spec", "columns", "template"),
    [
        ({"format": "EPOCH|MILLISECONDS"}, {"changed": "changed"}, {"changed": {"N": "1"}}),
        ({"format": "EPOCH|MINUTES"}, {"changed": "$timestamp"}, {}),
    ],
)
def test_rows_that_do_not_tell_one_run_from_another_are_refused(spec, columns, template):
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs", [{"name": "changed", "dataType": "LONG", **spec}])
    with pytest.raises(HeartbeatError, match=r"items: no column tells the marker of one run .*\$timestamp"):
        take(table(schema, source={"columns": columns}), template)


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
    aims = take(table(schema), shards=7, keys={"id": type_})
    assert len(aims) == 7
    assert aims[0].item == {"id": first}
    assert all(aim.item["id"].keys() == {type_} for aim in aims)


def test_a_sort_key_of_a_timestamp_is_a_plausible_time_and_may_be_given():
    schema = with_setting(with_column("mtime", "TIMESTAMP", format="TIMESTAMP"), "primaryKeyColumns", ["id", "mtime"])
    keys = {"id": "S", "mtime": "N"}
    assert {aim.item["mtime"]["N"] for aim in take(table(schema), keys=keys)} == {"946684800000"}
    given = take(table(schema), {"mtime": {"N": "1719080907442"}}, keys=keys)
    assert {aim.item["mtime"]["N"] for aim in given} == {"1719080907442"}


def test_a_row_that_needs_a_value_is_refused_with_the_column_and_the_remedy():
    config = with_setting(CONFIG, "segmentsConfig.timeColumnName", "held")
    made = table(with_column("held", "LONG", format="EPOCH|MILLISECONDS"), config)
    with pytest.raises(
        HeartbeatError, match=r"items: column held cannot be filled.* Add the attribute to HEARTBEAT_ITEM"
    ):
        take(made)
    assert len(take(made, {"held": {"N": "946684800000"}})) == 2


@pytest.mark.parametrize(
    ("schema", "template", "said"),
    [
        (with_key("INT"), {"id": {"N": "3000000000"}}, "column id cannot be filled"),
        (with_column("heartbeat", "BOOLEAN"), {}, "column heartbeat takes the attribute heartbeat, .* a number"),
        (SCHEMA, {"other": {"X": "1"}}, "no row can be made of a marker: other: .* Mend HEARTBEAT_ITEM"),
        (SCHEMA, {"price": {"S": "cheap"}}, "column price cannot be filled"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(schema, template, said):
    with pytest.raises(HeartbeatError, match=said):
        take(table(schema), template, keys={"id": "N"} if "id" in template else None)


class Choosy:
    """A table that makes rows of some items only."""

    def __init__(self, prefix, stream):
        self._table = table(config=with_setting(CONFIG, STREAM_NAME, stream))
        self._prefix = prefix

    def __getattr__(self, name):
        return getattr(self._table, name)

    def rows(self, change):
        return self._table.rows(change) if change.keys["id"]["S"].startswith(self._prefix) else ()


STREAM_NAME = ["ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", "stream.kinesis.topic.name"]


def test_a_table_of_some_items_gets_the_item_it_takes_and_every_shard_of_each_stream_a_marker():
    tables = (Choosy("A#", "a"), 3), (Choosy("", "b"), 2), (Choosy("C#", "c"), 1)
    pairs = [(each, equal_shards(count)) for each, count in tables]
    templates = [{"id": {"S": "A#{marker}"}}, {"id": {"S": "C#{marker}"}}]
    aims = take_aim(pairs, templates, origin(), now_ms=MS)
    assert [(aim.place.stream, aim.item["id"]["S"][:22]) for aim in aims] == [
        *[("a", "A#dynapinot-heartbeat-")] * 3,
        *[("b", "A#dynapinot-heartbeat-")] * 2,
        ("c", "C#dynapinot-heartbeat-"),
    ]


def test_a_table_that_takes_no_marker_is_refused():
    with pytest.raises(HeartbeatError, match="leaves markers out"):
        take(Choosy("A#", "a"))


def test_two_templates_must_not_come_to_one_key():
    pairs = [(Choosy("", "a"), equal_shards(1)), (table(with_column("n", "LONG")), equal_shards(1))]
    templates = [{"n": {"S": "text"}}, {"n": {"N": "1"}}]
    with pytest.raises(HeartbeatError, match="come to the same key"):
        take_aim(pairs, templates, origin(), now_ms=MS)


def test_markers_of_one_key_are_refused_where_there_are_several_shards():
    given = {"id": {"S": "always the same"}}
    assert len(take(None, given, shards=1)) == 1
    with pytest.raises(HeartbeatError, match=r'same primary key.* Put "\{marker\}"'):
        take(None, given, shards=3)


def test_a_shard_that_no_marker_reaches_is_named():
    with pytest.raises(HeartbeatError, match="of 3 markers none reaches shard-"):
        take(shards=64, max_markers=3)


def test_no_shards_are_no_markers():
    assert take_aim([(table(), [])], ({},), origin(), now_ms=MS) == ()
