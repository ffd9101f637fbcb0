"""Counting what items hold, exactly, and in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from decoder.attribute import decode
from dynapinot.init.profile import MAX_NAME_LENGTH, Scalars, Seen
from pinot.values import utf16_length
from proposals import profile_of


def scalars(*attributes):
    return profile_of(*({"a": attribute} for attribute in attributes)).attributes["a"].own


@pytest.mark.parametrize(
    ("attributes", "counted"),
    [
        ([{"S": ""}, {"S": "Zürich"}], Scalars(tags={"S": 2}, longest=6)),
        ([{"S": "😀😀"}], Scalars(tags={"S": 1}, longest=4)),  # UTF-16, as Java counts
        ([{"S": "a" * 600}, {"S": "é" * 400}], Scalars(tags={"S": 2}, longest=600)),
        ([{"S": "a\0"}], Scalars(tags={"S": 1}, longest=2, nul=1)),
        ([{"S": "2024-06-22T18:48:44Z"}], Scalars(tags={"S": 1}, longest=20, times=1)),
        ([{"S": "2024-06-22T18:48:44.026651123+02:00"}], Scalars(tags={"S": 1}, longest=35, times=1)),
        ([{"S": "2024-06-22T18:48:44"}], Scalars(tags={"S": 1}, longest=19)),  # no zone: not what a TIMESTAMP takes
        ([{"S": "2024-02-30T18:48:44Z"}], Scalars(tags={"S": 1}, longest=20)),  # no such day
        ([{"S": "{}"}, {"S": "[1]"}, {"S": "{"}], Scalars(tags={"S": 3}, longest=3, documents=2)),
        ([{"N": "0"}, {"N": "-12"}], Scalars(tags={"N": 2}, longest=3, whole=2)),
        ([{"N": "9223372036854775807"}], Scalars(tags={"N": 1}, longest=19, whole=1, inexact=1)),
        ([{"N": "9223372036854775808"}], Scalars(tags={"N": 1}, longest=19, huge=1, inexact=1)),
        ([{"N": "-9223372036854775808"}], Scalars(tags={"N": 1}, longest=20, whole=1, inexact=1)),
        ([{"N": "9007199254740993"}], Scalars(tags={"N": 1}, longest=16, whole=1, inexact=1)),  # 2 ** 53 + 1
        ([{"N": "9007199254740992"}], Scalars(tags={"N": 1}, longest=16, whole=1)),
        ([{"N": "1.0"}, {"N": "1E3"}], Scalars(tags={"N": 2}, longest=4, whole=2)),
        ([{"N": "1E20"}], Scalars(tags={"N": 1}, longest=21, huge=1)),
        ([{"N": "19.99"}, {"N": "1E-10"}], Scalars(tags={"N": 2}, longest=12)),
        ([{"N": "0.1234567890123456789"}], Scalars(tags={"N": 1}, longest=21, inexact=1)),
        ([{"N": "1719082124026"}], Scalars(tags={"N": 1}, longest=13, whole=1, milliseconds=1)),
        ([{"N": "1719082124"}], Scalars(tags={"N": 1}, longest=10, whole=1, seconds=1)),
        ([{"BOOL": True}], Scalars(tags={"BOOL": 1}, longest=4)),
        ([{"BOOL": False}, {"NULL": True}], Scalars(tags={"BOOL": 1, "NULL": 1}, longest=5)),
        ([{"B": "AAH+"}], Scalars(tags={"B": 1})),
    ],
)
def test_single_values_are_counted_by_what_columns_can_hold(attributes, counted):
    assert scalars(*attributes) == counted


@given(values=st.lists(strategies.scalars, min_size=1, max_size=5))
def test_counts_are_those_of_the_values_whatever_the_order(values):
    attributes = [strategies.encode(value) for value in values]
    counted = scalars(*attributes)
    assert counted == scalars(*reversed(attributes))
    numbers = [decode(each) for each in attributes if "N" in each]
    texts = [each["S"] for each in attributes if "S" in each]
    assert sum(counted.tags.values()) == len(values)
    assert counted.fractions == sum(number != int(number) for number in numbers)
    assert counted.longest >= max((utf16_length(text) for text in texts), default=0)


def test_lists_are_counted_by_what_they_hold():
    lists = [
        {"L": []},
        {"L": [{"S": "a"}, {"S": "bb"}]},
        {"L": [{"S": "a"}, {"N": "1"}]},
        {"L": [{"NULL": True}]},
        {"L": [{"M": {}}, {"M": {}}]},
        {"SS": ["a", "b", "c"]},
        {"NS": ["1"]},
    ]
    seen = profile_of(*({"a": each} for each in lists)).attributes["a"]
    assert (seen.times, seen.own.tags) == (7, {"L": 5, "SS": 1, "NS": 1})
    assert (seen.kinds, seen.longest_list) == ({"empty": 1, "S": 2, "mixed": 1, "NULL": 1, "M": 1, "N": 1}, 3)
    assert seen.elements == Scalars(tags={"S": 6, "N": 2, "NULL": 1, "M": 2}, longest=2, whole=2)


def test_maps_are_looked_into_three_levels_deep():
    deep = {"M": {"b": {"M": {"c": {"M": {"d": {"S": "x"}}}}}}}
    seen = profile_of({"a": deep}, {"a": {"M": {}}}).attributes["a"]
    assert seen.own.tags == {"M": 2}
    assert seen.keys["b"].keys["c"] == Seen(times=1, own=Scalars(tags={"M": 1}))


def test_a_map_of_too_many_different_keys_is_not_looked_into_any_more():
    profile = profile_of(*({"a": {"M": {f"k{number}": {"N": "1"}}}} for number in range(4)), max_keys=3)
    seen = profile.attributes["a"]
    assert (seen.own.tags, seen.wild, seen.keys) == ({"M": 4}, True, None)


def test_names_beyond_the_limit_are_counted_together():
    profile = profile_of({"a": {"S": "x"}, "b": {"S": "x"}}, {"c": {"S": "x"}, "a": {"S": "x"}}, max_names=2)
    assert (list(profile.attributes), profile.attributes["a"].times, profile.others) == (["a", "b"], 2, 1)


def test_a_name_that_is_too_long_is_not_kept():
    profile = profile_of({"a" * (MAX_NAME_LENGTH + 1): {"S": "x"}, "b": {"S": "x"}})
    assert (list(profile.attributes), profile.others) == (["b"], 1)


def test_a_value_that_pinots_parser_refuses_is_counted():
    long_name = {"L": [{"M": {"n" * 50_001: {"NULL": True}}}]}
    long_text = {"M": {"n": {"S": "x" * 60_000}}}
    profile = profile_of({"a": long_name, "b": long_text})
    assert [(name, seen.long_names) for name, seen in profile.attributes.items()] == [("a", 1), ("b", 0)]


def test_a_row_is_about_as_large_as_it_will_be():
    item = {
        "id": {"S": "x" * 100},
        "tags": {"SS": ["aa", "bb"]},
        "map": {"M": {"n": {"N": "12"}}},
        "bin": {"B": "AAH+"},
    }
    row = '{"id":"' + "x" * 100 + '","tags":["aa","bb"],"map":"{\\"n\\":12}","bin":"0001fe",'
    row += '"is_deleted":false,"changed_at":1719082124000}'
    profile = profile_of(item, {"id": {"S": "y"}})
    assert abs(profile.largest_row - len(row)) < 0.2 * len(row)
    assert profile.row_bytes > profile.largest_row
