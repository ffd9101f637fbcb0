"""A sample: what it finds of any damage, and that it finds nothing else."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest

from changes import SECOND
from dynapinot.errors import CommandError
from dynapinot.verify import sample as sample_module
from dynapinot.verify.repair import preview, repair, why_not
from dynapinot.verify.sample import MOST_SEGMENTS, Scan, scan_size
from files import CONFIG, SCHEMA, table, with_column, with_setting
from load.by_key import by_key
from load.work import Portion
from publisher.order import Published
from redrive.current_rows import RedriveError
from verified_table import MAX_BYTES, RECORDS, VerifiedTable


def filled(count=20, **options):
    of = VerifiedTable(**options)
    for number in range(count):
        of.put(f"k{number}", name={"S": f"name of {number}"}, price={"N": str(number)})
    of.pass_time(60.0)
    return of


# --- equal sides --------------------------------------------------------------------------------------------------


def test_equal_sides_have_no_difference():
    of = filled()
    assert of.compare() == {}
    sample = of.sample
    assert len(sample.source.keys) == len(sample.replica.keys) == 20
    assert (sample.source.is_all, sample.replica.is_all, sample.late, sample.in_flight) == (True, True, 0, set())
    assert sample.read_units == sample.source.read == 10


def test_empty_sides_are_equal():
    of = filled(0)
    assert of.compare() == {}
    assert (of.sample.source.keys, of.sample.replica.keys) == ({}, {})


def test_changes_that_are_on_their_way_are_no_differences():
    of = filled(delay=30.0)
    of.put("k1", name={"S": "new"})
    of.put("more")
    of.delete("k2")
    assert of.compare() == {}
    assert (of.sample.late, of.sample.in_flight) == (3, set())


def test_what_changes_all_the_time_is_in_flight():
    of = filled(delay=20.0)
    of.hot = ("k1",)
    assert of.compare() == {}
    assert of.sample.in_flight == {("k1",)}
    assert of.sample.source.draws(of.sample.in_flight) < len(of.sample.source.keys)


def test_a_change_that_comes_too_late_is_a_difference():
    of = filled(delay=500.0)
    of.pass_time(500.0)
    of.put("k1", name={"S": "new"})
    assert of.compare(wait=60.0) == {"k1": "stale"}


def test_what_changes_once_while_it_is_looked_at_is_looked_at_anew():
    of = filled()
    of.show("k1")
    of.sample.compare_items(1_000, of.scan())
    of.show("k1", name="damaged")
    of.sample.settle(60.0)
    assert of.kinds() == {"k1": "stale"}


def test_pinot_is_asked_for_what_was_published_before_the_items_were_read(monkeypatch):
    of = filled()
    of.show("k1")
    monkeypatch.setattr(sample_module.time, "time", lambda: 1_000_000.0)
    of.compare()
    assert {published for _, published in of.asked[:-3]} == {1_000_000.0 - 40}
    assert [published for _, published in of.asked[-3:]] == [1_000_000.0] * 3


# --- each kind of damage ------------------------------------------------------------------------------------------


def test_a_lost_row_is_missing():
    of = filled()
    of.show("k1")
    assert of.compare() == {"k1": "missing"}


def test_a_row_without_its_item_is_a_ghost():
    of = filled()
    of.show("gone", name="x")
    assert of.compare() == {"gone": "ghost"}


def test_a_ghost_is_not_repaired_where_it_may_be_another_tables():
    of = filled()
    of.show("gone", name="x")
    of.compare()
    (found,) = of.sample.differences.values()
    assert why_not(found, of.table) is None
    assert why_not(found, table()).startswith("it may be another DynamoDB table's: write dynamodb_table")


def test_a_row_of_an_item_that_when_leaves_out_is_a_ghost():
    of = filled(source={"when": {"name": {"begins_with": "name"}}})
    of.items["other"] = {"id": {"S": "other"}, "name": {"S": "another"}}
    of.show("other", name="another")
    assert of.compare() == {"other": "ghost"}
    assert of.sample.not_rows == 1


def test_a_row_under_a_former_primary_key_is_a_ghost_and_the_new_one_is_missing():
    schema = with_setting(SCHEMA, "primaryKeyColumns", ["id", "name"])
    of = filled(3, schema=schema)
    of.items["k1"]["name"] = {"S": "moved"}
    of.compare()
    kinds = {key: each.finding.kind for key, each in of.sample.differences.items()}
    assert kinds == {("k1", "moved"): "missing", ("k1", "name of 1"): "ghost"}


def test_an_old_row_is_stale_and_its_columns_are_named():
    of = filled()
    of.show("k1", name="before", price=None, changed=SECOND * 1000 - 5)
    assert of.compare() == {"k1": "stale"}
    (found,) = of.sample.differences.values()
    assert found.finding.columns == {"name": "differs", "price": "is null"}


def test_a_text_that_is_cut_and_a_value_that_should_not_be_are_named():
    of = filled()
    of.put("k1", name={"S": "name of 1"})
    of.pass_time(60.0)
    of.show("k1", name="name", price=3.0)
    of.compare()
    (found,) = of.sample.differences.values()
    assert found.finding.columns == {"name": "is cut", "price": "has a value, the item has none"}


def test_where_pinot_knows_no_nulls_a_default_is_no_difference():
    of = filled(1, schema=with_setting(SCHEMA, "enableColumnBasedNullHandling", False))
    of.put("k0")
    of.pass_time(60.0)
    of.show("k0", name="null", price=0.0)
    assert of.compare() == {}


def test_a_row_that_claims_to_be_of_now_is_wrong():
    of = filled()
    of.show("k1", name="x", changed=int(of.now + 100) * 1000)
    assert of.compare() == {"k1": "wrong"}


def test_with_a_version_of_the_items_own_a_difference_of_the_same_version_is_wrong():
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["v"])
    of = VerifiedTable(with_column("v", "LONG"), config, {"columns": {"v": "v", "changed": "$timestamp"}})
    for name in ("a", "b", "c"):
        of.put(name, v={"N": "7"}, name={"S": "x"})
    of.pass_time(60.0)
    of.show("a", name="y")
    of.show("b", name="y", v=6)
    of.show("c", name="y", v=None)
    assert of.compare() == {"a": "wrong", "b": "stale", "c": "stale"}


def test_a_key_that_is_live_in_two_partitions_is_double():
    of = filled()
    of.show("k1", partition=1, **of.live("k1"))
    assert of.compare() == {"k1": "double"}
    (found,) = of.sample.differences.values()
    assert found.finding.detail == "in the partitions 0, 1"


def test_a_value_that_no_row_can_have_differs():
    of = filled(1)
    of.show("k0", price="Infinity")
    assert of.compare() == {"k0": "stale"}


def test_an_item_that_cannot_be_a_row_is_counted_and_an_old_row_of_it_is_stale():
    of = filled()
    of.items["k1"]["price"] = {"S": "text"}
    of.items["new"] = {"id": {"S": "new"}, "price": {"S": "text"}}
    assert of.compare() == {"k1": "stale"}
    (found,) = of.sample.differences.values()
    assert found.finding.detail == "the item cannot be a row: type_mismatch"
    assert of.sample.dead_letters == Counter(type_mismatch=2)


def test_an_item_whose_very_key_does_not_fit_is_only_counted():
    of = filled(1, schema=with_setting(SCHEMA, "dimensionFieldSpecs.0.maxLength", 3))
    of.items["long"] = {"id": {"S": "long"}}
    assert of.compare() == {}
    assert of.sample.dead_letters == Counter(too_long=1)


def test_where_deletes_of_time_to_live_are_kept_a_row_without_its_item_is_counted_only():
    of = filled(source={"ttl_deletes": "keep"})
    of.show("gone", name="x")
    assert of.compare() == {}
    assert of.sample.kept == 1


def test_a_row_whose_key_no_item_can_have_is_a_ghost_that_cannot_be_repaired():
    of = VerifiedTable(with_setting(SCHEMA, "dimensionFieldSpecs.0.dataType", "BIG_DECIMAL"))
    of.show("1E999", price=1.0)
    of.sample.compare_rows(10, 1, by_key(of.table, "meetups", "us-east-1", {"id": "N"}, MAX_BYTES))
    of.sample.settle(60.0)
    (found,) = of.sample.differences.values()
    assert (found.finding.kind, found.finding.detail) == ("ghost", "no item has such a key: foreign_key")
    assert why_not(found, of.table) == "the row is not made of an item: find who writes to the stream"


# --- keys that tell no item ---------------------------------------------------------------------------------------


def shared():
    """A table of which another key than that of DynamoDB is the primary key: items may share a row."""
    of = filled(schema=with_setting(SCHEMA, "primaryKeyColumns", ["name"]))
    of.sample = of.new_sample(key_names=("id",))
    return of


def test_where_items_may_share_a_row_only_a_missing_row_is_sure():
    of = shared()
    del of.replica._newest[0, ("name of 1",)]
    of.replica._newest[0, ("name of 2",)] = {**of.replica._newest[0, ("name of 2",)], "price": 99.0}
    of.items["k3"]["price"] = {"S": "text"}
    of.sample.compare_items(1_000, of.scan())
    of.items["k4"] = {"id": {"S": "k4"}, "name": {"S": "elsewhere"}}
    of.sample.settle(60.0)
    assert {key: each.finding.kind for key, each in of.sample.differences.items()} == {
        ("name of 1",): "missing",
        ("name of 2",): "undecided",
    }
    undecided = of.sample.differences["name of 2",]
    assert why_not(undecided, of.table).startswith("its primary key does not tell its item")


# --- what is drawn ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "rows", "size"),
    [
        (0, 0, (1, 1.0)),
        (1, 0, (1, 1.0)),
        (10_000, 10_000, (5_000, 1.0)),
        (0, 10_000, (5_000, 1.0)),
        (10_000, 500, (250, 1.0)),
        (10_000, 0, (50, 1.0)),
        (10**10, 10**5, (MOST_SEGMENTS, 1.0)),
        (10**10, 10**10, (MOST_SEGMENTS, 2e-4)),
    ],
)
def test_a_segment_has_about_two_items_that_are_kept(items, rows, size):
    assert scan_size(items, rows) == size


def test_each_item_and_each_row_is_drawn_as_often_as_any_other():
    drawn, rows = Counter(), Counter()
    of = filled(40)
    for seed in range(300):
        of.sample = of.new_sample(random=Random(seed))
        assert of.compare(10, scan=of.scan(20, 0.5)) == {}
        drawn.update(of.sample.source.keys.keys())
        rows.update(of.sample.replica.keys.keys())
        assert not of.sample.source.is_all
        assert not of.sample.replica.is_all
    for counter in (drawn, rows):
        expected = counter.total() / 40
        assert counter.keys() == {(f"k{number}",) for number in range(40)}
        # Chance alone: a count has a standard deviation of at most the root of its mean; 4 of them are too many.
        assert all(abs(count - expected) < 4 * expected**0.5 for count in counter.values())


def test_draws_are_segments_with_rows_however_many_items_they_have():
    of = filled(20)
    of.sample.compare_items(3, of.scan(5))
    assert (of.sample.source.draws(), of.sample.source.read) == (3, 3)
    assert len(of.sample.source.keys) > 6
    assert not of.sample.source.is_all


def test_rows_are_asked_for_in_buckets_of_a_bounded_size(monkeypatch):
    monkeypatch.setattr(sample_module, "ROWS_PER_QUERY", 5)
    of = filled(40)
    of.sample.compare_rows(20, 40, of.by_key())
    buckets = [re.search(r", (\d+)\) = (\d+) LIMIT 50$", sql) for sql, _ in of.asked]
    assert [each.groups() for each in buckets] == [("8", "0"), ("8", "1"), ("8", "2"), ("8", "3")]
    assert not of.sample.replica.is_all


def test_other_rows_are_drawn_each_time():
    of = filled(40)
    drawn = set()
    for _ in range(5):
        of.sample = of.new_sample()
        of.sample.compare_rows(10, 40, of.by_key())
        drawn.add(frozenset(of.sample.replica.keys))
    assert len(drawn) > 1


def test_a_segment_that_does_not_end_and_a_costly_scan_are_cut():
    of = filled(2)

    def endless(_, limit):
        assert limit() >= 1_000_000
        while True:
            yield Portion(records=RECORDS.records([], SECOND * 1000), cursor={}, is_last=False, read_units=100_000.0)

    of.sample.compare_items(1_000, Scan(endless, 1, 1.0))
    assert (of.sample.source.is_all, of.sample.source.read, of.sample.read_units) == (False, 1, 2_000_000.0)
    of.sample = of.new_sample()
    of.sample.compare_items(1_000, Scan(endless, 7, 1.0))
    assert (of.sample.source.read, of.sample.source.draws()) == (1, 0)


def test_an_item_is_kept_with_the_probability_that_is_asked_for():
    of = filled(1_000)
    of.sample.compare_items(1_000, of.scan(10, 0.1))
    assert 60 < len(of.sample.source.keys) < 140  # 4 standard deviations of 9.5
    assert not of.sample.source.is_all


def test_nothing_more_is_drawn_once_very_much_differs(monkeypatch):
    monkeypatch.setattr(sample_module, "MOST_SUSPECTS", 5)
    monkeypatch.setattr(sample_module, "KEYS_PER_QUERY", 3)
    of = filled(40)
    of.replica._newest.clear()
    assert set(of.compare().values()) == {"missing"}
    assert (of.sample.source.is_all, of.sample.replica.keys) == (False, {})
    assert 5 <= len(of.sample.differences) < 10
    for number in range(40):
        of.show(f"ghost {number}", name="x")
    of.sample = of.new_sample()
    of.sample.compare_items(1, of.scan(1))
    of.sample.compare_rows(1_000, 40, of.by_key())
    assert (of.sample.source.is_all, of.sample.replica.is_all) == (False, False)


def test_more_rows_than_were_asked_for_are_an_error(monkeypatch):
    of = filled(2)
    monkeypatch.setattr(sample_module, "_MOST_COPIES", 1)
    with pytest.raises(CommandError, match="Pinot shows more than 2 rows where fewer were expected"):
        of.sample.compare_items(10, of.scan())


# --- reading items ------------------------------------------------------------------------------------------------


def test_a_read_that_is_throttled_is_done_again():
    of = filled(1)
    of.unreadable = [RedriveError("ThrottlingException"), RedriveError("ProvisionedThroughputExceededException")]
    assert of.compare() == {}


def test_a_table_that_throttles_on_and_one_that_may_not_be_read_are_errors():
    of = filled(1)
    of.unreadable = [RedriveError("ThrottlingException")] * 100
    with pytest.raises(CommandError, match="the table meetups throttles: verify with fewer --items-per-second"):
        of.compare()
    of.unreadable = [RedriveError("AccessDeniedException")]
    with pytest.raises(CommandError, match="an item of meetups cannot be read: AccessDeniedException"):
        of.compare()


def test_a_key_of_another_type_than_the_schema_has_is_an_error():
    of = filled(1)
    of.show(7, name="x")
    with pytest.raises(CommandError, match="Pinot answers int for id, a STRING: compare its schema"):
        of.compare()


# --- repair -------------------------------------------------------------------------------------------------------


def damaged():
    """A table with a damage of each kind, by key."""
    of = filled()
    of.show("k1")
    of.show("gone", name="x")
    of.show("k2", name="before", changed=SECOND * 1000 - 5)
    of.show("k3", partition=1, **of.live("k3"))
    of.show("k4", name="name")
    of.items["k5"]["price"] = {"S": "text"}
    return of


KINDS = {"k1": "missing", "gone": "ghost", "k2": "stale", "k3": "double", "k4": "stale", "k5": "stale"}


def test_a_repair_publishes_what_is_now_and_the_rest_is_said_with_its_remedy():
    of = damaged()
    assert of.compare() == KINDS
    assert preview(of.sample) == (3, 1, 0)
    assert repair(of.sample, of.by_key(), of.publish, 60.0) == (3, 1, 4)
    assert of.kinds() == {"k3": "double", "k5": "stale"}
    remedies = {key: why_not(each, of.table) for (key,), each in of.sample.differences.items()}
    assert "docs/operations.md#resharding" in remedies["k3"]
    assert remedies["k5"].startswith("the item cannot be a row: fix")
    assert {row["id"]: row["deleted"] for row in of.published} == {"k1": False, "gone": True, "k2": False, "k4": False}
    assert all(row["changed"] < of.now * 1000 for row in of.published)
    of.sample = of.new_sample()
    assert of.compare() == {"k3": "double", "k5": "stale"}


def test_a_repair_reads_again_what_is_throttled():
    of = filled()
    of.show("k1")
    of.compare()
    of.unreadable = [RedriveError("ThrottlingException")]
    assert repair(of.sample, of.by_key(), of.publish, 60.0) == (1, 0, 1)


def test_a_row_that_pinot_damages_again_is_wrong_after_the_repair():
    of = filled()
    of.show("k1", name="name")
    of.compare()
    ingest = of.replica.ingest
    of.replica.ingest = lambda place, data: ingest(place, data.replace(b"name of", b"name"))
    assert repair(of.sample, of.by_key(), of.publish, 60.0) == (1, 0, 0)
    assert of.kinds() == {"k1": "wrong"}


def test_a_repair_never_wins_over_a_newer_change():
    of = filled()
    of.show("k1")
    of.compare()
    of.delay = 1.0
    publish = of.publish

    def late(*given):
        of.put("k1", name={"S": "newer"})
        of.pass_time(5.0)
        return publish(*given)

    assert repair(of.sample, of.by_key(), late, 60.0) == (1, 0, 1)
    assert of.live("k1")["name"] == "newer"


def test_what_cannot_be_made_good_by_now_stays_with_its_reason():
    of = filled(source={"ttl_deletes": "keep"})
    of.show("k1")
    of.show("k2", name="x")
    of.compare()
    of.items["k1"]["price"] = {"S": "text"}
    of.delete("k2")
    assert repair(of.sample, of.by_key(), of.publish, 60.0) == (0, 0, 0)
    assert {key: each.finding.detail for (key,), each in of.sample.differences.items()} == {
        "k1": "the item cannot be a row: type_mismatch",
        "k2": "the item is gone, and Time to Live may have deleted it",
    }


@pytest.mark.parametrize(("errors", "why"), [({"A": 1, "B": 2}, "B"), ({}, "the time is up")])
def test_a_stream_that_does_not_take_the_rows_is_an_error(errors, why):
    of = filled()
    of.show("k1")
    of.compare()
    with pytest.raises(CommandError, match=rf"the stream items-stream did not take all rows \({why}\)"):
        repair(of.sample, of.by_key(), lambda *_: Published(first_unpublished=0, resent=0, errors=errors), 60.0)


# --- any damage, with a writer ------------------------------------------------------------------------------------

DAMAGES = {
    "missing": lambda of, name: of.show(name),
    "stale": lambda of, name: of.show(name, name="before", changed=SECOND * 1000 - 5),
    "cut": lambda of, name: of.show(name, name="na"),
    "null": lambda of, name: of.show(name, price=None),
    "ghost": lambda of, name: of.show(f"ghost {name}", name="x"),
    "double": lambda of, name: of.show(name, partition=1, **of.live(name)),
    "lost delete": lambda of, name: of.items.pop(name),
    "lost insert": lambda of, name: of.items.__setitem__(f"new {name}", {"id": {"S": f"new {name}"}}),
}
FOUND = {"cut": "stale", "null": "stale", "lost delete": "ghost", "lost insert": "missing"}
PLACES = {"ghost": "ghost {}", "lost insert": "new {}"}


@pytest.mark.parametrize("seed", range(30))
def test_any_damage_is_found_beside_a_writer_and_nothing_else_is_and_what_can_be_is_repaired(seed):
    random = Random(seed)
    of = filled(random.randint(10, 60), seed=seed, delay=random.uniform(0.5, 25.0))
    names = list(of.items)
    random.shuffle(names)
    of.hot = tuple(names[: random.randint(1, 4)])
    expected = {}
    for name in names[4 : 4 + random.randint(0, 6)]:
        damage = random.choice(list(DAMAGES))
        DAMAGES[damage](of, name)
        expected[PLACES.get(damage, "{}").format(name)] = FOUND.get(damage, damage)
    assert of.compare() == expected
    assert of.sample.in_flight <= {(name,) for name in of.hot}
    repair(of.sample, of.by_key(), of.publish, 60.0)
    left = {name: kind for name, kind in expected.items() if kind == "double"}
    assert of.kinds() == left
    of.hot = ()
    of.pass_time(60.0)
    of.sample = of.new_sample()
    assert of.compare() == left
