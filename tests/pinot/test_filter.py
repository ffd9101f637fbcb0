"""``when``: which items are rows of a table, and what a change becomes that begins or ceases to match."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changes import TTL_IDENTITY, insert, modify, remove
from decoder.change import decode_change
from decoder.errors import ChangeError
from files import SCHEMA, table, with_setting
from pinot.errors import Findings
from pinot.filter import read_when
from strategies import encode

ITEM = {
    "PK": "ORDER#7",
    "status": "open",
    "total": Decimal("12.50"),
    "paid": False,
    "gone": None,
    "tags": frozenset({"a"}),
    "address": {"city": "Ulm", "lines": ["x", Decimal(3)]},
    "all": "a name like a word",
}


def condition(text):
    findings = Findings("source.toml")
    matches = read_when(tomllib.loads(f"when = {text}", parse_float=Decimal)["when"], findings, set())
    assert findings.found == []
    return matches


def decide(text, item=ITEM, *, complete=True):
    return condition(text)({name: encode(value) for name, value in item.items()}, complete)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{ status = "open" }', True),
        ('{ status = "closed" }', False),
        ('{ status = { equals = "open" } }', True),
        ('{ nix = "open" }', False),
        ("{ total = 12.5 }", True),
        ("{ total = 12.50000000000000000000001 }", False),
        ("{ total = 12 }", False),
        ('{ total = "12.5" }', False),
        ("{ paid = false }", True),
        ("{ paid = 0 }", False),
        ('{ PK = { begins_with = "ORDER#" } }', True),
        ('{ PK = { begins_with = "USER#" } }', False),
        ('{ total = { begins_with = "1" } }', False),
        ('{ status = { in = ["new", "open"] } }', True),
        ('{ status = { in = ["new", 5] } }', False),
        ('{ tags = "a" }', False),
        ("{ status = { exists = true } }", True),
        ("{ status = { exists = false } }", False),
        ("{ nix = { exists = false } }", True),
        ("{ gone = { exists = true } }", True),
        ('{ "address.city" = "Ulm" }', True),
        ('{ "address.lines[1]" = 3 }', True),
        ('{ "address.lines[9]" = 3 }', False),
        ('{ "status.city" = "Ulm" }', False),
        ('{ status = "open", paid = true }', False),
        ('{ PK = { begins_with = "ORDER#", in = ["ORDER#7"] } }', True),
        ('{ all = [{ status = "open" }, { paid = false }] }', True),
        ('{ all = [{ status = "open" }, { paid = true }] }', False),
        ('{ any = [{ status = "closed" }, { paid = false }] }', True),
        ('{ any = [{ status = "closed" }, { paid = true }] }', False),
        ('{ not = { status = "open" } }', False),
        ('{ not = { any = [{ status = "closed" }, { nix = { exists = true } }] }, paid = false }', True),
        ("""{ '["all"]' = "a name like a word" }""", True),
    ],
)
def test_the_item_decides_whether_a_condition_is_met(text, expected):
    assert decide(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{ PK = "ORDER#7" }', True),
        ('{ PK = "USER#7" }', False),
        ('{ status = "open" }', None),
        ("{ status = { exists = true } }", None),
        ('{ PK = "ORDER#7", status = "open" }', None),
        ('{ PK = "USER#7", status = "open" }', False),
        ('{ any = [{ PK = "ORDER#7" }, { status = "open" }] }', True),
        ('{ any = [{ PK = "USER#7" }, { status = "open" }] }', None),
        ('{ not = { status = "open" } }', None),
        ('{ not = { PK = "USER#7" } }', True),
    ],
)
def test_a_condition_that_the_keys_do_not_decide_is_undecided(text, expected):
    assert decide(text, {"PK": "ORDER#7"}, complete=False) is expected


def test_a_malformed_value_is_refused_with_its_path():
    with pytest.raises(ChangeError) as caught:
        condition('{ "a.b" = "x" }')({"a": {"M": {"b": {"N": "x"}}}}, True)
    assert caught.value.path == "a.b"


WHEN = {"when": {"name": {"begins_with": "M"}}}
KEYS = {"id": {"S": "a"}}
IN, OUT = {"name": {"S": "Meetup"}}, {"name": {"S": "Other"}}


def rows(record, schema=SCHEMA, source=WHEN):
    made = table(schema, source=source).rows(decode_change(record))
    return [(row.key, json.loads(row.data)["deleted"]) for row in made]


def test_changes_of_items_that_do_not_match_become_no_rows():
    assert rows(insert(KEYS, OUT)) == rows(modify(KEYS, OUT, OUT)) == rows(remove(KEYS, OUT)) == []


def test_changes_of_items_that_match_become_rows():
    assert rows(insert(KEYS, IN)) == rows(modify(KEYS, IN, IN)) == rows(modify(KEYS, IN)) == [("1:a", False)]
    assert rows(remove(KEYS, IN)) == [("1:a", True)]


def test_an_item_that_begins_to_match_becomes_a_row_and_one_that_ceases_to_match_a_delete():
    assert rows(modify(KEYS, IN, OUT)) == [("1:a", False)]
    assert rows(modify(KEYS, OUT, IN)) == [("1:a", True)]


def test_a_change_that_may_have_ceased_to_match_is_refused_without_its_old_image():
    with pytest.raises(ChangeError) as caught:
        rows(modify(KEYS, OUT))
    assert (caught.value.reason, caught.value.path) == ("no_image", "dynamodb.OldImage")


def test_a_delete_whose_condition_is_undecided_is_sent():
    assert rows(remove(KEYS)) == [("1:a", True)]


def test_a_delete_whose_keys_do_not_match_becomes_no_row():
    assert rows(remove(KEYS), source={"when": {"id": {"begins_with": "M"}}}) == []
    assert rows(modify(KEYS, IN), source={"when": {"id": {"begins_with": "M"}}}) == []


def test_a_delete_that_may_belong_to_another_items_row_is_refused_without_its_old_image():
    both = {**KEYS, "sk": {"S": "b"}}
    with pytest.raises(ChangeError) as caught:
        rows(remove(both))
    assert (caught.value.reason, caught.value.path) == ("no_image", "dynamodb.OldImage")


def test_a_filtered_table_can_ignore_ttl_deletes():
    assert rows(remove(KEYS, IN, userIdentity=TTL_IDENTITY), source={**WHEN, "ttl_deletes": "keep"}) == []


MOVABLE = with_setting(SCHEMA, "primaryKeyColumns", ["name"])


def test_a_primary_key_that_changes_when_matching_begins_leaves_no_tombstone_and_when_it_ends_only_one():
    assert rows(modify(KEYS, IN, OUT), MOVABLE) == [("6:Meetup", False)]
    assert rows(modify(KEYS, OUT, IN), MOVABLE) == [("6:Meetup", True)]
    assert rows(modify(KEYS, {"name": {"S": "Moved"}}, IN), MOVABLE) == [("6:Meetup", True), ("5:Moved", False)]


@given(st.lists(st.sampled_from((None, "Meetup", "More", "Other", "Odd")), max_size=12))
def test_the_replica_ends_with_the_items_that_match(history):
    """An item is written again and again, matches and ceases to match, is deleted and created again."""
    live, before = {}, None
    for name in history:
        new = None if name is None else {"name": {"S": name}}
        if new is None and before is None:
            continue
        if new is None:
            record = remove(KEYS, before)
        else:
            record = insert(KEYS, new) if before is None else modify(KEYS, new, before)
        for row in table(source=WHEN).rows(decode_change(record)):
            value = json.loads(row.data)
            live[row.key] = None if value["deleted"] else value["name"]
        before = new
    matching = before is not None and before["name"]["S"].startswith("M")
    assert live.get("1:a") == (before["name"]["S"] if matching else None)
