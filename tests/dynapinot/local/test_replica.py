"""Promises of the model of Pinot's upsert table."""

from __future__ import annotations

import json

import pytest

from dynapinot.defaults import DEMO_TABLES
from dynapinot.local.readback import RowError
from dynapinot.local.replica import Replica, UpsertTable, read_upsert_table

FOLDER = DEMO_TABLES / "pinot_dynamo_ingestion"


def table(comparison_type="LONG", delete_type="BOOLEAN"):
    return UpsertTable(
        name="t",
        columns={"id": "STRING", "n": "LONG", "v": "STRING", "time": comparison_type, "gone": delete_type},
        primary_key=("id", "n"),
        comparison="time",
        delete="gone",
        computed={},
    )


def row(time, v="", key="a", *, n=1, gone=False):
    return {"id": key, "n": n, "v": v, "time": time, "gone": gone}


def replica(*rows, partition=0, of=None):
    made = Replica(of or table())
    for each in rows:
        made.take(partition, each)
    return made


def test_a_later_time_wins_whichever_row_is_read_first():
    old, new = row(1, "old"), row(2, "new")
    assert replica(old, new).live() == [new]
    assert replica(new, old).live() == [new]


def test_of_equal_times_the_row_read_later_wins():
    first, second = row(1, "first"), row(1, "second")
    assert replica(first, second).live() == [second]
    assert replica(second, first).live() == [first]


def test_a_delete_hides_the_key_and_is_kept_in_its_history():
    rows = [row(1, "made"), row(2, "changed"), row(3, gone=True)]
    made = replica(*rows, row(1, key="b"))
    assert made.live() == [row(1, key="b")]
    assert made.history(("a", 1)) == rows
    assert len(made.history()) == 4


def test_a_delete_that_is_older_than_the_row_changes_nothing():
    assert replica(row(2, "new"), row(1, gone=True)).live() == [row(2, "new")]


def test_a_delete_of_an_equal_time_that_is_read_later_hides_the_key():
    assert replica(row(1, "made"), row(1, gone=True)).live() == []


def test_a_row_older_than_the_delete_stays_hidden():
    made = replica(row(2, gone=True), row(1, "late"))
    assert made.live() == []
    assert made.history(("a", 1)) == [row(2, gone=True), row(1, "late")]


@pytest.mark.parametrize("time", [2, 3])
def test_a_row_of_an_equal_or_later_time_revives_a_deleted_key(time):
    assert replica(row(1), row(2, gone=True), row(time, "again")).live() == [row(time, "again")]


def test_each_part_of_the_primary_key_counts():
    rows = [row(1, n=1), row(1, n=2), row(1, key="b")]
    assert replica(*rows).live() == rows


def test_partitions_do_not_know_of_each_other():
    made = Replica(table())
    made.take(0, row(1, "old"))
    made.take(1, row(2, "new"))
    assert made.live() == [row(1, "old"), row(2, "new")]
    made.take(1, row(3, gone=True))
    assert made.live() == [row(1, "old")]


def test_a_full_row_replaces_all_of_the_one_before():
    without = {"id": "a", "n": 1, "time": 2, "gone": False}
    assert replica(row(1, "old"), without).live() == [without]


def test_text_is_compared_as_java_does():
    # By UTF-16 code units U+1F600 (D83D DE00) is below U+FF5E; by code points it is above.
    of = table(comparison_type="STRING")
    low, high = row("\U0001f600", "emoji"), row("\uff5e", "tilde")
    assert replica(high, low, of=of).live() == [high]
    assert replica(row("0009"), row("0010"), of=of).live() == [row("0010")]


def test_numbers_are_compared_as_numbers_even_if_a_timestamp_comes_as_text():
    of = table(comparison_type="TIMESTAMP")
    assert replica(row("1000"), row("999"), of=of).live() == [row("1000")]


@pytest.mark.parametrize(("delete_type", "no", "yes"), [("STRING", "false", "true"), ("INT", 0, 1)])
def test_the_delete_column_may_be_of_another_type(delete_type, no, yes):
    made = replica(row(1, gone=no), row(2, gone=yes), row(1, key="b", gone=no), of=table(delete_type=delete_type))
    assert made.live() == [row(1, key="b", gone=no)]


@pytest.mark.parametrize("missing", ["id", "n", "time"])
def test_a_row_without_key_or_time_is_refused(missing):
    with pytest.raises(RowError, match=f"column {missing} is missing"):
        replica({**row(1), missing: None})


def test_a_row_that_pinot_would_garble_is_refused_and_not_stored():
    made = Replica(table())
    with pytest.raises(RowError, match="column v: "):
        made.take(0, {**row(1), "v": 7})
    assert made.history() == []


@pytest.mark.parametrize("data", [b"no json", b"[1]", b'{"id": "a"}\n{"id": "b"}'])
def test_a_record_that_is_not_one_json_object_is_refused(data):
    with pytest.raises(RowError, match="the record is no JSON"):
        Replica(table()).ingest(0, data)


def test_a_field_that_is_no_column_is_let_be():
    made = Replica(table())
    assert made.ingest(0, json.dumps({**row(1), "input": {"a": 1}}).encode()) == {**row(1), "input": {"a": 1}}


def test_the_model_reads_the_seeds_table():
    read = read_upsert_table(
        json.loads((FOLDER / "schema.json").read_text()), json.loads((FOLDER / "table.json").read_text())
    )
    assert (read.name, read.primary_key) == ("pinot_dynamo_ingestion", ("meetup_id", "mtime"))
    assert (read.comparison, read.delete) == ("ApproximateCreationDateTime", "is_delete")
    assert read.computed == {"location": "toSphericalGeography(stPoint(group_lon,group_lat))"}
    assert read.columns["group_lat"] == "DOUBLE"


def test_partial_upserts_are_not_modelled():
    config = json.loads((FOLDER / "table.json").read_text())
    config["upsertConfig"]["mode"] = "PARTIAL"
    with pytest.raises(ValueError, match="mode FULL only"):
        read_upsert_table(json.loads((FOLDER / "schema.json").read_text()), config)
