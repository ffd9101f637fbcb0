"""Which column type an attribute becomes: one that holds everything that was seen, and the reason in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynapinot.init.column_type import MAX_ITEM_LENGTH, Choice, choose, choose_key, max_length
from dynapinot.init.profile import Seen
from proposals import profile_of


def seen_as(*attributes):
    return profile_of(*({"a": each} for each in attributes)).attributes["a"]


def times(count, attribute):
    return [attribute] * count


@pytest.mark.parametrize(
    ("attributes", "label", "why"),
    [
        (times(3, {"BOOL": True}), "BOOLEAN", "all are BOOL"),
        (times(3, {"N": "5"}), "LONG", "whole numbers of at most 64 bits"),
        (times(3, {"N": "19.99"}), "DOUBLE", "numbers, with a fraction, all exact in a DOUBLE"),
        (
            [{"N": "1.5"}, {"N": "1"}],
            "DOUBLE",
            "numbers, with a fraction in 1 (50%), all exact in a DOUBLE",
        ),
        (
            [{"N": "0.12345678901234567890"}, {"N": "1.5"}],
            "BIG_DECIMAL",
            "1 (50%) of the numbers have digits that a DOUBLE has not",
        ),
        (
            [{"N": "1" + "0" * 20}, {"N": "1"}],
            "BIG_DECIMAL",
            "whole numbers, 1 (50%) of them beyond 64 bits",
        ),
        ([{"S": "Zürich"}], "STRING(512)", "text, up to 6 characters"),
        (
            [{"S": "x"}, {"N": "19.99"}, {"BOOL": True}],
            "STRING(512)",
            "S and N and BOOL, all as text, up to 5 characters",
        ),
        ([{"B": "AAH+"}], "BYTES", "all are B"),
        ([{"NULL": True}], "JSON", "only NULL was seen, and JSON takes whatever will come"),
        ([{"S": "a\0b"}], "JSON", "text with U+0000"),
        ([{"M": {}}], "JSON", "maps"),
        ([{"M": {"a": {"S": "x"}}}, {"M": {"b": {"S": "x"}}}], "JSON", "maps of 2 different keys"),
        ([{"M": {f"k{n}": {"N": "1"} for n in range(51)}}], "JSON", "maps of many different keys"),
        ([{"M": {}}, {"L": []}], "JSON", "no other type takes M, lists and sets together"),
        ([{"B": "AAH+"}, {"S": "x"}], "JSON", "no other type takes S, B together"),
        (
            [{"L": [{"S": "a"}]}, {"SS": ["b"]}],
            "multi-value STRING(512)",
            "lists or sets of one kind, at most 1 values",
        ),
        ([{"NS": ["1", "2"]}], "multi-value LONG", "lists or sets of one kind, at most 2 values"),
        ([{"NS": ["1.5", "2"]}], "multi-value DOUBLE", "lists or sets of one kind, at most 2 values"),
        ([{"L": [{"BOOL": True}]}], "multi-value BOOLEAN", "lists or sets of one kind, at most 1 values"),
        ([{"BS": ["AAH+"]}], "JSON", "lists of B, and Pinot 1.5.1 drops rows with multi-value BYTES"),
        ([{"L": []}], "JSON", "all lists are empty, so what they hold is open"),
        (
            [{"L": []}, {"L": [{"S": "a"}]}],
            "JSON",
            "1 (50%) are empty, which a multi-value column makes null",
        ),
        ([{"L": [{"S": "a"}, {"N": "1"}]}], "JSON", "lists of mixed types"),
        ([{"L": [{"S": "a"}]}, {"L": [{"N": "1"}]}], "JSON", "lists of mixed types"),
        ([{"L": [{"S": "a"}, {"NULL": True}]}], "JSON", "lists of mixed types"),
        ([{"L": [{"M": {}}]}], "JSON", "lists of M"),
        ([{"L": [{"S": "a\0"}]}], "JSON", "text with U+0000"),
        ([{"NS": ["1" + "0" * 20]}], "JSON", "numbers of more digits than a multi-value column can have"),
        ([{"L": times(250, {"S": "a"})}], "multi-value STRING(512)", "lists or sets of one kind, at most 250 values"),
        ([{"L": times(10_001, {"S": "a"})}], "JSON", "up to 10,001 values, and Pinot's limit is 40,000"),
        ([{"NULL": True}, {"N": "5"}], "LONG", "whole numbers of at most 64 bits"),
    ],
)
def test_the_type_holds_everything_that_was_seen_and_the_reason_says_why(attributes, label, why):
    choice = choose(seen_as(*attributes))
    assert (choice.label, choice.why) == (label, why)


def test_types_in_conflict_are_reported_with_counts_and_the_effect_of_the_usual_type():
    assert choose(seen_as(*times(997, {"N": "5"}), *times(3, {"S": "n/a"}))) == Choice(
        data_type="STRING",
        max_length=512,
        why="S and N, all as text, up to 3 characters",
        conflict="N in 997 (99.7%), S in 3 (0.3%)",
        alternative="LONG would dead-letter 3 (0.3%)",
    )


@pytest.mark.parametrize(
    ("attributes", "conflict", "alternative"),
    [
        (times(4, {"N": "5"}), None, None),
        # Numbers are numbers: nothing is in conflict, but the narrower type is worth a word if it nearly held all.
        ([*times(99, {"N": "5"}), {"N": "1.5"}], None, "LONG would dead-letter 1 (1%)"),
        ([*times(89, {"N": "5"}), *times(11, {"N": "1.5"})], None, None),
        (
            [*times(3, {"L": [{"S": "a"}]}), {"L": []}],
            None,
            "multi-value STRING would read 1 (25%), the empty lists, as null",
        ),
        (
            [*times(8, {"L": [{"S": "a"}]}), {"L": []}, {"S": "x"}],
            "lists and sets in 9 (90%), S in 1 (10%)",
            "multi-value STRING would dead-letter 1 (10%) and would read 1 (10%), the empty lists, as null",
        ),
        (
            [*times(9, {"S": "x"}), {"S": "\0"}],
            "text with U+0000, where Pinot cuts a STRING, in 1 (10%)",
            "STRING would dead-letter 1 (10%)",
        ),
        ([{"S": "x"}, {"B": "AAH+"}, {"M": {}}], "S in 1 (33.3%), B in 1 (33.3%), M in 1 (33.3%)", None),
        (
            [{"M": {"n" * 50_001: {"NULL": True}}}, {"M": {}}],
            (
                "names of over 50,000 characters, which Pinot's JSON parser refuses, in 1 (50%): dead letters, no"
                " column holds them"
            ),
            None,
        ),
    ],
)
def test_values_that_no_usual_type_holds_are_a_conflict(attributes, conflict, alternative):
    choice = choose(seen_as(*attributes))
    assert (choice.conflict, choice.alternative) == (conflict, alternative)


@pytest.mark.parametrize(
    ("attributes", "hints"),
    [
        (
            times(2, {"S": "2024-06-22T18:48:44Z"}),
            ("all are ISO-8601 times with a zone, with which Pinot computes if the column is a TIMESTAMP, to the ms",),
        ),
        ([{"S": "2024-06-22T18:48:44Z"}, {"S": "soon"}], ()),
        ([{"S": "{}"}], ("all look like JSON, and a JSON column takes such text as it is",)),
        ([{"N": "1719082124026"}], ("all may be times in epoch milliseconds, which a TIMESTAMP shows as such",)),
        (
            [{"N": "1719082124"}],
            ("all may be times in epoch seconds, which a TIMESTAMP does not take: use fromEpochSeconds in queries",),
        ),
        ([{"N": "1719082124"}, {"N": "1719082124026"}], ()),
        ([{"N": "1719082124.5"}], ()),
        ([{"S": "x"}, {"N": "1719082124"}], ()),
    ],
)
def test_values_that_look_like_another_type_are_kept_and_reported(attributes, hints):
    assert choose(seen_as(*attributes)).hints == hints


@pytest.mark.parametrize(
    ("kind", "tag", "attributes", "choice"),
    [
        (
            "partition key",
            "S",
            [{"S": "a"}],
            Choice(data_type="STRING", max_length=2048, why="the partition key: at most 2,048 bytes in DynamoDB"),
        ),
        (
            "sort key",
            "S",
            [],
            Choice(data_type="STRING", max_length=1024, why="the sort key: at most 1,024 bytes in DynamoDB"),
        ),
        (
            "sort key",
            "S",
            [{"S": "a\0"}, {"S": "a"}],
            Choice(
                data_type="STRING",
                max_length=1024,
                why="the sort key: at most 1,024 bytes in DynamoDB",
                conflict="U+0000 in 1 (50%): dead letters, no key column holds it",
            ),
        ),
        ("sort key", "N", [{"N": "7"}], Choice(data_type="LONG", why="the sort key, whole numbers")),
        (
            "sort key",
            "N",
            [{"N": "1719082124026"}],
            Choice(
                data_type="LONG",
                why="the sort key, whole numbers",
                hints=("all may be times in epoch milliseconds, which a TIMESTAMP shows as such",),
            ),
        ),
        (
            "sort key",
            "N",
            [{"N": "7"}, {"N": "7.5"}],
            Choice(
                data_type="BIG_DECIMAL",
                why="the sort key, numbers, not all of them fit LONG",
                alternative="LONG would dead-letter 1 (50%)",
            ),
        ),
        (
            "partition key",
            "N",
            [],
            Choice(
                data_type="BIG_DECIMAL",
                why="the partition key, numbers, and no item was seen: it holds any number",
            ),
        ),
        ("partition key", "B", [{"B": "AAH+"}], Choice(data_type="BYTES", why="the partition key, binary")),
    ],
)
def test_a_key_has_a_type_that_keeps_all_keys_distinct(kind, tag, attributes, choice):
    assert choose_key(kind, tag, seen_as(*attributes) if attributes else None) == choice


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (0, 512),
        (128, 512),
        (129, 1024),
        (700, 4096),
        (102_400, 409_600),
        (200_000, 409_600),
        (409_600, 409_600),
        (500_000, 500_000),
    ],
)
def test_a_text_may_become_four_times_longer(longest, expected):
    assert max_length(longest) == expected


@given(st.integers(0, MAX_ITEM_LENGTH))
def test_a_length_is_never_below_the_longest_seen_nor_above_what_an_item_holds(longest):
    assert max(512, longest) <= max_length(longest) <= MAX_ITEM_LENGTH
    assert max_length(longest) == MAX_ITEM_LENGTH or max_length(longest).bit_count() == 1


def test_an_attribute_that_was_never_seen_may_become_anything():
    assert choose(Seen()).data_type == "JSON"
