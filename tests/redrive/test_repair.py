"""A lost change is made good by what its item is now, and never beats a newer change."""

from __future__ import annotations

import json
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changes import SECOND, TTL_IDENTITY, insert, modify, remove
from decoder.change import decode_change
from dynapinot.local.replica import Replica, read_upsert_table
from files import CONFIG, SCHEMA, table, with_setting
from redrive.lost import Lost
from redrive.repair import Reading, RepairError, repair

KEYS = {"id": {"S": "a"}}
NOW = SECOND + 100


def lost(record, *, of=None):
    return Lost(reason="fraction", table=of, change=decode_change(record))


def reading(image, began=NOW):
    asked = []

    def read(change, earliest):
        asked.append((change.table, change.keys, earliest))
        return Reading(None if image is None else {**KEYS, **image}, began)

    read.asked = asked
    return read


def rows(each, read, *tables):
    return [(made.name, row.key, json.loads(row.data)) for made, row in repair(each, tables or [table()], read)]


def test_a_lost_change_becomes_the_row_of_the_item_as_it_is_now():
    read = reading({"name": {"S": "now"}})
    assert rows(lost(modify(KEYS, {"name": {"S": "then"}})), read) == [
        ("items", "1:a", {"id": "a", "name": "now", "deleted": False, "changed": NOW * 1000 - 1})
    ]
    assert read.asked == [("meetups", KEYS, SECOND + 1)]


@pytest.mark.parametrize("record", [insert(KEYS, {}), modify(KEYS, {}), remove(KEYS)])
def test_an_item_that_is_gone_becomes_a_tombstone(record):
    assert rows(lost(record), reading(None)) == [
        ("items", "1:a", {"id": "a", "deleted": True, "changed": NOW * 1000 - 1})
    ]


def test_a_version_sorts_below_that_of_any_change_in_the_second_of_the_read():
    schema = with_setting(
        SCHEMA, "dimensionFieldSpecs", [*SCHEMA["dimensionFieldSpecs"], {"name": "v", "dataType": "STRING"}]
    )
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["v"])
    by_version = table(schema, config, {"columns": {"v": "$version", "changed": "$timestamp"}})
    ((_, _, row),) = rows(lost(insert(KEYS, {})), reading({}), by_version)
    assert row["v"] < decode_change(insert(KEYS, {}, second=NOW, sequence=0)).version
    assert row["v"] > decode_change(insert(KEYS, {}, second=NOW - 1, sequence=10**20)).version


def test_only_the_table_that_lost_the_change_is_brought_up_to_date():
    config = with_setting(CONFIG, "tableName", "others")
    tables = [table(), table(config=config)]
    each = insert(KEYS, {})
    assert [name for name, _, _ in rows(lost(each, of="others"), reading({}), *tables)] == ["others"]
    assert [name for name, _, _ in rows(lost(each), reading({}), *tables)] == ["items", "others"]


@pytest.mark.parametrize(
    ("each", "reason"),
    [
        (Lost(reason="malformed", table=None, change=None), "malformed"),
        (lost(insert(KEYS, {}), of="nix"), "no_table"),
        (lost(insert(KEYS, {}, eventSourceARN=None)), "no_table"),
    ],
)
def test_what_cannot_be_found_again_is_told_by_its_reason(each, reason):
    with pytest.raises(RepairError, match=reason):
        rows(each, reading({}))


def test_an_item_that_still_does_not_fit_is_told_by_its_reason():
    with pytest.raises(RepairError, match="type_mismatch"):
        rows(lost(insert(KEYS, {})), reading({"price": {"S": "cheap"}}))


def test_a_row_that_time_to_live_was_to_leave_is_left():
    keep = table(source={"ttl_deletes": "keep"})
    assert rows(lost(remove(KEYS, userIdentity=TTL_IDENTITY)), reading(None), keep) == []
    ((_, _, row),) = rows(lost(modify(KEYS, {"name": {"S": "last"}})), reading(None), keep)
    assert (row["name"], row["deleted"], row["changed"]) == ("last", False, SECOND * 1000 - 1)


def test_an_item_that_left_the_filter_becomes_a_tombstone():
    filtered = table(source={"when": {"name": "in"}})
    each = lost(modify(KEYS, {"name": {"S": "out"}}, {"name": {"S": "in"}}))
    ((_, key, row),) = rows(each, reading({"name": {"S": "out"}}), filtered)
    assert (key, row["deleted"], row["changed"]) == ("1:a", True, NOW * 1000 - 1)


# A primary key that is not made of DynamoDB's.

MOVABLE = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))


def test_the_row_that_a_lost_change_left_behind_is_deleted_at_the_changes_own_time():
    each = lost(modify(KEYS, {"name": {"S": "lost"}}, {"name": {"S": "old"}}))
    assert rows(each, reading({"name": {"S": "now"}}), MOVABLE) == [
        ("items", "3:now", {"id": "a", "name": "now", "deleted": False, "changed": NOW * 1000 - 1}),
        ("items", "3:old", {"id": "a", "name": "old", "deleted": True, "changed": SECOND * 1000}),
    ]


def test_a_row_that_is_the_items_again_is_not_deleted():
    each = lost(modify(KEYS, {"name": {"S": "lost"}}, {"name": {"S": "old"}}))
    assert [key for _, key, _ in rows(each, reading({"name": {"S": "old"}}), MOVABLE)] == ["3:old"]


def test_a_lost_delete_deletes_the_row_it_was_for():
    each = lost(remove(KEYS, {"name": {"S": "old"}}))
    assert [(key, row["deleted"]) for _, key, row in rows(each, reading(None), MOVABLE)] == [("3:old", True)]


def test_a_lost_insert_of_an_item_that_is_gone_needs_no_row():
    assert rows(lost(insert(KEYS, {"name": {"S": "x"}})), reading(None), MOVABLE) == []


def test_a_lost_delete_without_an_old_image_cannot_be_made_good():
    with pytest.raises(RepairError, match="no_image"):
        rows(lost(remove(KEYS)), reading(None), MOVABLE)


class World:
    """One item that somebody writes to, its stream, its dead letters, and a replica; time passes at random."""

    def __init__(self, seed):
        self.random = Random(seed)
        self.replica = Replica(read_upsert_table(SCHEMA, CONFIG))
        self.target = table()
        self.item, self.stream, self.letters = None, [], []
        self.second, self.numbers = SECOND, count(1)

    def write(self):
        number = next(self.numbers)
        when = {"second": self.second, "sequence": number}
        old = self.item
        if old is not None and self.random.random() < 0.3:
            record, self.item = remove(KEYS, old, **when), None
        else:
            self.item = {"name": {"S": f"v{number}"}}
            record = insert(KEYS, self.item, **when) if old is None else modify(KEYS, self.item, old, **when)
        (self.letters if self.random.random() < 0.4 else self.stream).append(record)

    def pass_time(self, writes=1.0):
        self.second += self.random.choice((0, 0, 1))
        if self.random.random() < writes:
            self.write()

    def deliver(self, upto=None):
        for record in self.stream[:upto]:
            for row in self.target.rows(decode_change(record)):
                self.replica.ingest(0, row.data)
        del self.stream[:upto]

    def read(self, _, earliest):
        while self.second < earliest:
            self.second += 1
            self.pass_time(writes=0.5)
        began = self.random.randint(earliest, self.second)  # by a clock that may be behind
        for _ in range(self.random.randrange(3)):
            self.pass_time()
        image = self.item  # what a consistent read gives is the item at some moment while it lasts
        for _ in range(self.random.randrange(3)):
            self.pass_time()
        return Reading(None if image is None else {**KEYS, **image}, began)

    def redrive_one(self):
        made = [row for _, row in repair(lost(self.letters.pop(0)), [self.target], self.read)]
        if self.random.random() < 0.5:
            self.deliver(self.random.randrange(len(self.stream) + 1))
        for row in made:
            self.replica.ingest(0, row.data)


# A primary key that leaves out a part of DynamoDB's: it may be another item's too.

BOTH = {"id": {"S": "u1"}, "sk": {"S": "order"}}
USERS = table(source={"when": {"name": "user"}})


def test_an_item_that_never_was_a_row_deletes_nobody_elses():
    for record in (
        modify(BOTH, {"name": {"S": "order"}}, {"name": {"S": "order"}}),
        remove(BOTH, {"name": {"S": "order"}}),
    ):
        assert rows(lost(record), reading(None), USERS) == []
        assert rows(lost(record), reading({"name": {"S": "order"}}), USERS) == []


def test_an_item_that_is_gone_deletes_the_row_it_shares_at_its_own_time():
    each = lost(remove(BOTH, {"name": {"S": "user"}}))
    assert [(key, row["changed"]) for _, key, row in rows(each, reading(None), USERS)] == [("2:u1", SECOND * 1000)]


def test_one_table_that_cannot_take_the_item_does_not_keep_it_from_the_other():
    others = table(config=with_setting(CONFIG, "tableName", "others"), source={"columns": {"price": "cost"}})
    made = repair(lost(insert(KEYS, {})), [table(), others], reading({"price": {"S": "cheap"}}))
    assert next(made)[0].name == "others"
    with pytest.raises(RepairError) as caught:
        next(made)
    assert (caught.value.reason, caught.value.table) == ("type_mismatch", "items")


def test_a_malformed_key_is_told_before_anything_is_read():
    def read(_, __):
        raise AssertionError("read")

    with pytest.raises(RepairError, match="malformed"):
        rows(lost(insert({"id": {"S": "a", "N": "1"}}, {})), read)


@settings(max_examples=2000, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_redriven_key_never_ends_older_than_its_item_whoever_writes_meanwhile(seed):
    """Writes and redrives at random moments: when all is through, Pinot shows what DynamoDB holds."""
    world = World(seed)
    for _ in range(world.random.randrange(1, 8)):
        world.pass_time()
    world.deliver(world.random.randrange(len(world.stream) + 1))
    for _ in range(world.random.randrange(10)):
        if world.letters:
            world.redrive_one()
    world.random.seed(0)
    world.write = lambda: None  # nobody writes any more
    while world.letters:
        world.redrive_one()
    world.deliver()
    expected = [] if world.item is None else [world.item["name"]["S"]]
    assert [row["name"] for row in world.replica.live()] == expected
