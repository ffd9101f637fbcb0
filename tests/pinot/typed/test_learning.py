"""The typed path learns from the changes that took the exact path, and only so much."""

from __future__ import annotations

import orjson

from changes import insert, modify, remove
from decoder.change import decode_change
from files import table, with_column
from pinot.typed.record import source_of
from pinot.typed.row import MAX_UNMAPPED, TypedRows

KEYS = {"id": {"S": "a"}}
ENOUGH = 10**6


def typed_rows(made, record):
    return TypedRows(made, source_of(record, decode_change(record)))


def row(typed, record):
    return typed.row(orjson.dumps(record), ENOUGH)


def test_nothing_is_made_before_a_change_was_seen():
    first = insert(KEYS, {"name": {"S": "x"}})
    typed = typed_rows(table(), first)
    assert row(typed, first) is None
    typed.learn(decode_change(first))
    assert row(typed, first) is not None


def test_each_kind_of_change_is_learned_by_itself():
    first, update, delete = insert(KEYS, {}), modify(KEYS, {}, {}), remove(KEYS, {})
    typed = typed_rows(table(), first)
    for seen, expected in ((first, [True, False, False]), (update, [True, True, False]), (delete, [True] * 3)):
        typed.learn(decode_change(seen))
        assert [row(typed, each) is not None for each in (first, update, delete)] == expected


def test_a_new_attribute_takes_the_exact_path_once_and_is_reported_from_then_on_only_where_it_is():
    plain, more = insert(KEYS, {}), insert(KEYS, {"unmapped": {"S": "x"}})
    typed = typed_rows(table(), plain)
    typed.learn(decode_change(plain))
    assert row(typed, more) is None
    typed.learn(decode_change(more))
    assert row(typed, more)[3] == ("unmapped",)
    assert row(typed, plain)[3] == ()


def test_attributes_without_end_are_reported_all_the_same():
    """Beyond MAX_UNMAPPED names an image is open, and its other attributes are read by name."""
    made = table(with_column("count", "LONG"))
    first = insert(KEYS, {})
    typed = typed_rows(made, first)
    typed.learn(decode_change(first))
    compiled = typed._decode
    for number in range(MAX_UNMAPPED + 1):
        typed.learn(decode_change(insert(KEYS, {f"a{number}": {"S": "x"}})))
    assert typed._decode is not compiled
    compiled = typed._decode
    for number in range(1000, 1003):
        change = insert(
            KEYS, {"count": {"N": "1"}, f"a{number}": {"M": {"b": {"N": "1"}}}, 'a "quote"': {"NULL": True}}
        )
        (exact,) = made.rows(decode_change(change))
        key, data, _, names = row(typed, change)
        assert (key, data, {*names}) == (exact.key, exact.data, {*exact.unmapped})
        typed.learn(decode_change(change))
    assert typed._decode is compiled, "nothing is left to learn"
    assert row(typed, insert(KEYS, {"other": {"X": "x"}})) is None


def test_the_rest_of_an_open_image_is_in_the_row():
    made = table(with_column("rest", "JSON"), source={"columns": {"rest": "$rest"}})
    odd = insert(KEYS, {'a "quote"': {"N": "1"}, "b": {"S": "x"}})
    typed = typed_rows(made, odd)
    typed.learn(decode_change(odd))
    (exact,) = made.rows(decode_change(odd))
    key, data, _, names = row(typed, odd)
    assert (key, data, tuple(names)) == (exact.key, exact.data, ())


def test_what_teaches_nothing_new_compiles_nothing():
    first = insert(KEYS, {"name": {"S": "x"}, "unmapped": {"S": "x"}})
    typed = typed_rows(table(), first)
    typed.learn(decode_change(first))
    compiled = typed._decode
    typed.learn(decode_change(insert({"id": {"S": "b"}}, {"name": {"NULL": True}, "unmapped": {"N": "1"}})))
    assert typed._decode is compiled
