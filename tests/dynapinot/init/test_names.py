"""Names that Pinot and Kinesis take, one for each column."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynapinot.init.names import (
    MAX_COLUMN_NAME,
    Names,
    is_stream_name,
    is_table_name,
    needs_quotes,
    safe_name,
    table_name,
)


@pytest.mark.parametrize(
    ("attribute", "column"),
    [
        ("name", "name"),
        ("_Name_1", "_Name_1"),
        ("__typename", "__typename"),
        ("timestamp", "timestamp"),
        ("created-at", "created_at"),
        ("GSI1:PK", "GSI1_PK"),
        ("a.b[0]", "a_b_0"),
        (" a  b ", "a_b"),
        ("$odd", "odd"),
        ("1st", "_1st"),
        ("Größe", "Gro_e"),
        ("café", "cafe"),
        ("日本", "attribute"),
        ("", "attribute"),
        ("__key", "key"),
        ("tags__KEYS", "tags_KEYS"),
        ("tags__VALUES", "tags_VALUES"),
        ("__KEYS", "_KEYS"),
        ("a" * 300, "a" * MAX_COLUMN_NAME),
        ("a" * 122 + "__KEYS", "a" * 122 + "_KEYS"),
        ("a" * 122 + "__KEYS_and_more", "a" * 122 + "_KEYS"),
    ],
)
def test_a_column_has_its_attributes_name_where_pinot_takes_it(attribute, column):
    assert safe_name(attribute) == column


@given(st.text())
def test_a_safe_name_is_a_word_and_stays_what_it_is(text):
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name)
    assert not name.endswith(("__KEYS", "__VALUES"))
    assert safe_name(name) == name


@given(st.lists(st.sampled_from(["a", "A", "a_2", "A_2", "a" * 128, "a" * 127 + "b"])))
def test_no_two_columns_have_one_name_whatever_its_case(requested):
    names = Names()
    given_names = [names.claim(name) for name in requested]
    assert len({name.lower() for name in given_names}) == len(requested)
    assert all(len(name) <= MAX_COLUMN_NAME for name in given_names)


def test_a_free_name_is_given_unchanged_and_a_taken_one_with_a_number():
    names = Names(["id"])
    names.block(["When"])
    assert [names.claim(each) for each in ("name", "NAME", "name", "ID", "when")] == [
        "name",
        "NAME_2",
        "name_3",
        "ID_2",
        "when_2",
    ]


@pytest.mark.parametrize(
    ("dynamodb", "pinot"),
    [
        ("orders", "orders"),
        ("My.Orders-2024", "My_Orders_2024"),
        ("2024-orders", "table_2024_orders"),
        ("_orders", "orders"),
        ("...", "table"),
        ("orders_REALTIME", "orders"),
        ("orders_OFFLINE_REALTIME", "orders"),
        ("a" * 255, "a" * 120),
    ],
)
def test_a_tables_name_is_made_of_dynamodbs(dynamodb, pinot):
    assert table_name(dynamodb) == pinot


@given(st.from_regex(r"[a-zA-Z0-9_.-]{3,255}", fullmatch=True))  # as CreateTable takes it
def test_every_table_gets_a_name_that_pinot_and_the_stream_can_have(dynamodb):
    name = table_name(dynamodb)
    assert is_table_name(name)
    assert is_stream_name(f"{name}-stream")


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a-b", "_a", "1a", "a_REALTIME", "a_OFFLINE", "a" * 121, "größe"])
def test_a_name_that_pinot_or_the_folder_would_not_take_is_none(name):
    assert not is_table_name(name)


@pytest.mark.parametrize(("name", "takes"), [("a-b.c_1", True), ("", False), ("a b", False), ("a" * 129, False)])
def test_a_streams_name_is_what_kinesis_takes(name, takes):
    assert is_stream_name(name) == takes


@pytest.mark.parametrize(("name", "needs"), [("order", True), ("TimeStamp", True), ("value", False), ("name", False)])
def test_words_of_sql_need_quotes(name, needs):
    assert needs_quotes(name) == needs
