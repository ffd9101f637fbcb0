"""The short way makes the rows that the exact way makes, to the byte, or none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import strategies
from changes import insert, modify, record, remove
from decoder.change import check_images, decode_change, open_change
from decoder.errors import ChangeError
from files import CONFIG, SCHEMA, table, with_column, with_setting
from pinot.pattern import FRAGMENTS, MADE_AFTER, MAX_SHAPES, Patterns, text_fragment

ROOT = Path(__file__).parent.parent.parent
KEYS = {"id": {"S": "a"}}
ENOUGH = 10**6

COLUMNS = {
    "int": {"dataType": "INT"},
    "long": {"dataType": "LONG"},
    "double": {"dataType": "DOUBLE"},
    "decimal": {"dataType": "BIG_DECIMAL"},
    "flag": {"dataType": "BOOLEAN"},
    "text": {"dataType": "STRING", "maxLength": 12},
    "moment": {"dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"},
    "float": {"dataType": "FLOAT"},
    "bytes": {"dataType": "BYTES"},
    "json": {"dataType": "JSON"},
    "texts": {"dataType": "STRING", "singleValueField": False},
    "longs": {"dataType": "LONG", "singleValueField": False},
    "city": {"dataType": "STRING"},
    'odd"%s"näme': {"dataType": "STRING"},
}
SOURCE = {"columns": {"city": "json.city", "odd": "$event_name"}, "leave_out": ["secret"]}


def every_type(**source):
    schema = {**SCHEMA, "dimensionFieldSpecs": list(SCHEMA["dimensionFieldSpecs"])}
    schema["dateTimeFieldSpecs"] = list(SCHEMA["dateTimeFieldSpecs"])
    for name, spec in {**COLUMNS, "odd": {"dataType": "STRING"}}.items():
        kind = "dateTimeFieldSpecs" if "format" in spec else "dimensionFieldSpecs"
        schema[kind].append({"name": name, **spec})
    return table(schema, source={**SOURCE, **source})


TABLE = every_type()


def patterns_of(made, after=1, **options):
    """A table's patterns, made when a shape has come so often."""
    return Patterns(
        made.columns,
        made.primary_key,
        taken=made.taken,
        used=made.uses,
        takes_rest=made.takes_rest,
        made_after=after,
        **options,
    )


def exact(made, change):
    """The rows of the exact way, an error as its reason."""
    try:
        return [(row.key, row.data, row.unmapped) for row in made.rows(check_images(change))]
    except ChangeError as error:
        return error.reason


def short(made, change):
    """The row of the short way for a shape that is known, None where there is none."""
    image = change.old_image if change.event_name == "REMOVE" else change.new_image
    if image is None:
        return None
    patterns = patterns_of(made)
    assert patterns.row(change, image, False) is None, "a pattern is made of the first, and makes the next"
    return patterns.row(change, image, change.event_name == "REMOVE")


def check(made, change):
    """Check that the short way gives the exact way's only row, or none; tell which."""
    row = short(made, change)
    if row is not None:
        assert [row] == exact(made, change)
    return row is not None


# Values that people store, ones at the edge of what is told by sight, and anything.
plain_texts = st.text(st.characters(codec="utf-8"), max_size=14) | st.sampled_from(
    ["", "a\nb", 'a "b"', "a\\b", "\0", "\x01", "\x7f", "ü" * 12, "ü" * 13, "😀" * 6, "😀" * 7, "a\ud800", "{[,]}"]
)
decimals = st.builds(
    lambda sign, whole, places: f"{sign}{whole}{places and f'.{places}'}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**17).map(str) | st.sampled_from(["0", "00", "007", ""]),
    st.text("0123456789", max_size=8),
)
edges = st.sampled_from(
    [
        *("0", "-0", "0.0", "-0.0", "1", "-1", "10", "1e3", "1E+30", "-1.5", ".5", "5.", "", "-", "NaN", "1 2", "1_0"),
        *("0.1", "0.0001", "0.00001", "0.000123", "-0.00001", "0.10", "1.50", "123456789", "1234567890", "٣"),
        *("2147483647", "2147483648", "-2147483648", "-2147483649", "999999999", "9999999999", "10000000000"),
        *("9007199254740993", "123456789012345", "1234567890123456", "123456789.123456", "1234567890.5"),
        *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "999999999999999999"),
        *(
            "1719080907442",
            "99999999999999",
            "253402300799999",
            "253402300800000",
            "1719080907.442",
            "1" * 38,
            "1" * 39,
        ),
    ]
)
numbers = decimals | edges | strategies.numbers().map(str)
raw = st.one_of(
    st.builds(lambda text: {"S": text}, plain_texts),
    st.builds(lambda number: {"N": number}, numbers),
    st.builds(lambda value: {"BOOL": value}, st.booleans() | st.just("true") | st.just(1)),
    st.just({"NULL": True}),
    st.builds(lambda members: {"SS": members}, st.lists(plain_texts, max_size=4)),
    st.builds(lambda members: {"NS": members}, st.lists(numbers, max_size=4)),
    st.builds(lambda items: {"L": items}, st.lists(st.builds(lambda each: {"N": each}, numbers), max_size=4)),
    strategies.values.map(strategies.encode),
    st.sampled_from([{}, {"S": 1}, {"N": 1}, {"X": "a"}, {"S": "a", "N": "1"}, "S", None, ["S"], {"L": {}}, {"M": []}]),
)


def number(lowest, highest):
    return st.integers(lowest, highest).map(lambda value: {"N": str(value)})


small = st.text('aü\n"€z ', max_size=4)
canonical = st.builds(
    lambda sign, whole, places: {"N": f"{sign}{whole}.{places}"},
    st.sampled_from(["", "-"]),
    st.integers(0, 10**9 - 1),
    st.integers(1, 10**5).map(lambda value: f"{value}1"[:6].rstrip("0")),
)
# What is told by sight, or is put in between: an item of these has a pattern, and one odd value among them is found.
by_sight = {
    "int": number(-(10**9) + 1, 10**9 - 1),
    "long": number(-(10**18) + 1, 10**18 - 1),
    "double": canonical | number(-(10**15) + 1, 10**15 - 1),
    "decimal": canonical | number(-(10**37) + 1, 10**38 - 1),  # 38 characters, the sign among them
    "flag": st.booleans().map(lambda value: {"BOOL": value}),
    "text": small.map(lambda value: {"S": value}),
    "moment": number(10**10, 10**14 - 1),
    "float": canonical,
    "bytes": st.binary(max_size=8).map(strategies.encode),
    "json": st.dictionaries(st.sampled_from(["a", "b"]), strategies.values, max_size=3).map(strategies.encode),
    "texts": st.frozensets(small, min_size=1, max_size=4).map(lambda members: {"SS": list(members)}),
    "longs": st.lists(number(-(2**63), 2**63 - 1), max_size=4).map(lambda each: {"L": each}),
    'odd"%s"näme': small.map(lambda value: {"S": value}),
    "secret": raw,
    "unmapped": strategies.values.map(strategies.encode),
}
ordinary = st.fixed_dictionaries({}, optional=by_sight)
odd = st.dictionaries(st.sampled_from([*by_sight, "odd", "half \ud800"]), raw, max_size=1)
items = ordinary | st.builds(lambda item, more: {**item, **more}, ordinary, odd)
keys = (st.text("aü:€") | plain_texts).map(lambda text: {"id": {"S": text}})


@settings(max_examples=4000, deadline=None)
@given(keys=keys, item=items, name=st.sampled_from(["INSERT", "MODIFY", "REMOVE"]))
@example(keys=KEYS, item={"double": {"N": "-0.5"}}, name="MODIFY")
def test_a_row_of_the_short_way_is_the_exact_ways_to_the_byte(keys, item, name):
    check(TABLE, open_change(record(name, keys, new=None if name == "REMOVE" else item, old=item)))


@given(keys=st.text("aü:€").map(lambda text: {"id": {"S": text}}), item=ordinary)
def test_an_item_that_is_told_by_sight_goes_the_short_way(keys, item):
    """Or the properties here would say nothing."""
    assert check(TABLE, open_change(insert(keys, item)))


@settings(max_examples=2000, deadline=None)
@given(first=items, second=items)
def test_a_pattern_made_of_one_item_gives_the_exact_row_of_another_or_none(first, second):
    """The other has the same attributes, of whatever types."""
    first = {**first, **{name: value for name, value in second.items() if name not in first}}
    second = {name: second.get(name, value) for name, value in first.items()}
    patterns = patterns_of(TABLE)
    one, other = (open_change(insert(KEYS, item)) for item in (first, second))
    patterns.row(one, one.new_image, False)
    row = patterns.row(other, other.new_image, False)
    assert row is None or [row] == exact(TABLE, other)


ORDINARY = {
    "int": {"N": "7"},
    "long": {"N": "-9007199254740993"},
    "double": {"N": "24.506611"},
    "decimal": {"N": "12345678901234567890.12345678901234567"},
    "flag": {"BOOL": True},
    "text": {"S": 'Köln "a"\n'},
    "moment": {"N": "1719080907442"},
    "float": {"N": "1.5"},
    "bytes": {"B": "AAH+"},
    "json": {"M": {"city": {"S": "Berlin"}, "b": {"N": "1.10"}}},
    "texts": {"SS": ["b", "a"]},
    "longs": {"L": [{"N": "2"}, {"N": "1"}]},
    'odd"%s"näme': {"S": "%d"},
    "secret": {"S": "left out"},
    "unmapped": {"L": []},
}


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
def test_an_ordinary_item_goes_the_short_way(name):
    change = open_change(record(name, KEYS, new=None if name == "REMOVE" else ORDINARY, old=ORDINARY))
    row = short(TABLE, change)
    assert [row] == exact(TABLE, change)
    key, data, unmapped = row
    assert (key, unmapped) == ("1:a", ("unmapped",))
    assert json.loads(data) == {
        "id": "a",
        "deleted": name == "REMOVE",
        "int": 7,
        "long": -9007199254740993,
        "double": 24.506611,
        "decimal": "12345678901234567890.12345678901234567",
        "flag": True,
        "text": 'Köln "a"\n',
        "float": 1.5,
        "bytes": "0001fe",
        "json": '{"b":1.1,"city":"Berlin"}',
        "texts": ["a", "b"],
        "longs": [2, 1],
        "city": "Berlin",
        'odd"%s"näme': "%d",
        "odd": name,
        "changed": 1719082124000,
        "moment": 1719080907442,
    }


@pytest.mark.parametrize("whole", ["0", "5", "-5", "123456789012345"])
def test_a_whole_double_stands_as_orjson_writes_it(whole):
    change = open_change(insert(KEYS, {"double": {"N": whole}}))
    assert f'"double":{whole}.0'.encode() in short(TABLE, change)[1]


@pytest.mark.parametrize(
    "item",
    [
        {"text": {"S": "control \x01"}},
        {"text": {"S": "longer than twelve"}},
        {"text": {"N": "5"}},
        {"int": {"N": "3000000000"}},
        {"int": {"N": "1.5"}},
        {"double": {"N": "1E+2"}},
        {"moment": {"N": "1719080907"}},
        {"flag": {"BOOL": "true"}},
        {"float": {"N": "1e39"}},
        {"json": {"X": 1}},
        {"unmapped": {"X": 1}},
        {"int": {"S": "5", "N": "5"}},
        {"int": "5"},
        {"half \ud800": {"S": "a"}},
        {"text": {"S": "half \ud800"}},
    ],
)
def test_what_is_not_told_by_sight_goes_the_exact_way(item):
    change = open_change(insert(KEYS, {"int": {"N": "1"}, **item}))
    patterns = patterns_of(TABLE)
    like = open_change(insert(KEYS, {"int": {"N": "1"}, **{name: ORDINARY.get(name, {"S": "x"}) for name in item}}))
    patterns.row(like, like.new_image, False)
    assert patterns.row(change, change.new_image, False) is None
    assert not check(TABLE, change) or item == {"text": {"N": "5"}}


def test_a_null_has_no_part_in_the_row():
    change = open_change(insert(KEYS, {"int": {"NULL": True}, "long": {"N": "1"}}))
    assert check(TABLE, change)
    assert "int" not in json.loads(short(TABLE, change)[1])


@pytest.mark.parametrize("others", [{"id": {"S": "b"}}, {"id": {"N": "5"}}, {}])
def test_an_image_that_has_not_the_keys_goes_the_exact_way(others):
    change = open_change(insert(KEYS, {"int": {"N": "1"}}))
    change.new_image.pop("id")
    change.new_image.update(others)
    good = open_change(insert({"id": {"S": "c"}}, {"int": {"N": "1"}}))
    patterns = patterns_of(TABLE)
    patterns.row(good, good.new_image, False)
    assert patterns.row(change, change.new_image, False) is None
    patterns.row(change, change.new_image, False)
    assert patterns.row(change, change.new_image, False) is None


def test_keys_of_another_dynamodb_table_go_the_exact_way():
    good = open_change(insert(KEYS, {"int": {"N": "1"}}))
    more = open_change(insert({**KEYS, "int": {"N": "1"}}, {}))
    other = open_change(insert({"int": {"N": "1"}}, {"id": {"S": "a"}}))
    patterns = patterns_of(TABLE)
    patterns.row(good, good.new_image, False)
    assert patterns.row(more, more.new_image, False) is None
    assert patterns.row(other._replace(new_image=good.new_image), good.new_image, False) is None


@pytest.mark.parametrize("attribute", [{"N": "1"}, {"N": "1.5"}, {"B": "AAH+"}, {"S": 'a "b"'}])
def test_a_sort_key_that_no_pattern_tells_is_compared_as_it_stands(attribute):
    made = table(with_column("sort", "DOUBLE" if "N" in attribute else "BYTES" if "B" in attribute else "STRING"))
    both = {**KEYS, "sort": attribute}
    assert check(made, open_change(insert(both, {})))
    for other in ({"N": "2"}, {"B": "AAAA"}, {"S": "b"}):
        change = open_change(insert(both, {}))
        assert not check(made, change._replace(keys={**KEYS, "sort": other}))


def test_the_keys_of_a_table_of_hundreds_of_columns_are_compared_too():
    """The key is the last of its columns, beyond what a pattern can refer to by number."""
    schema = with_setting(SCHEMA, "primaryKeyColumns", ["last"])
    names = [f"c{number}" for number in range(200)]
    columns = [{"name": name, "dataType": "LONG"} for name in [*names, "last"]]
    schema = {**schema, "dimensionFieldSpecs": [*schema["dimensionFieldSpecs"], *columns]}
    made, item = table(schema), {name: {"N": "1"} for name in names}
    change = open_change(insert({"last": {"N": "64"}}, item))
    assert check(made, change)
    assert short(made, change._replace(keys={"last": {"N": "65"}})) is None
    assert short(made, change._replace(keys={"last": {"S": "64"}})) is None


def test_an_image_without_a_sort_key_that_has_no_column_goes_the_exact_way():
    change = open_change(insert({**KEYS, "sort": {"N": "1"}}, {}))
    assert not check(table(), change._replace(new_image=KEYS))


def test_a_sort_key_without_a_column_is_compared_too():
    change = open_change(insert({**KEYS, "sort": {"N": "1"}}, {}))
    assert check(table(), change)
    assert short(table(), change._replace(keys={**KEYS, "sort": {"N": "2"}})) is None


@pytest.mark.parametrize(
    ("data_type", "attribute", "goes"),
    [
        ("STRING", {"S": "Köln"}, True),
        ("STRING", {"S": 'a "b"'}, False),
        ("STRING", {"S": "x" * 300}, True),
        ("STRING", {"N": "5"}, False),
        ("LONG", {"N": "-12"}, True),
        ("LONG", {"N": "9223372036854775807"}, False),
        ("BIG_DECIMAL", {"N": "1.5"}, True),
        ("DOUBLE", {"N": "1.5"}, False),
        ("BYTES", {"B": "AAH+"}, False),
        ("LONG", {"NULL": True}, False),
    ],
)
def test_primary_keys_of_every_type_are_encoded_alike(data_type, attribute, goes):
    schema = with_setting(
        with_column("k", data_type, **({"maxLength": 400} if data_type == "STRING" else {})),
        "primaryKeyColumns",
        ["k", "id"],
    )
    assert check(table(schema), open_change(insert({**KEYS, "k": attribute}, {}))) is goes


def test_a_change_that_may_leave_a_row_behind_goes_the_exact_way():
    made = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))
    item = {"name": {"S": "x"}}
    assert check(made, open_change(insert(KEYS, item)))
    assert not check(made, open_change(modify(KEYS, item, item)))


def test_a_comparison_column_of_the_items_own_is_told_by_the_exact_way():
    assert not check(table(), open_change(insert(KEYS, {"changed": {"N": "1"}})))


@pytest.mark.parametrize(
    "source",
    [{"columns": {"changed": "stamp"}}, {"columns": {"changed": "a.stamp"}}, {"columns": {"changed": "$timestamp"}}],
)
def test_a_comparison_column_may_be_anything_that_orders(source):
    made = table(source=source)
    stamp = {"N": "1719080907442"}
    item = {"stamp": stamp, "a": {"M": {"stamp": stamp}}}
    assert check(made, open_change(insert(KEYS, item)))
    for incomplete in ({"stamp": {"NULL": True}, "a": {"M": {}}}, {}):
        change = open_change(insert(KEYS, incomplete))
        assert check(made, change) is (source["columns"]["changed"] == "$timestamp")


def test_a_time_in_seconds_and_a_flag_of_text_are_put_in_between():
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
    schema = with_setting(schema, "dimensionFieldSpecs.2.dataType", "STRING")
    change = open_change(insert(KEYS, {"name": {"S": "x"}}))
    assert check(table(schema), change)
    assert json.loads(short(table(schema), change)[1]) == {
        "id": "a",
        "name": "x",
        "deleted": "false",
        "changed": 1719082124,
    }


def test_a_table_whose_every_column_is_put_in_between_has_no_patterns():
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
    schema = with_setting(schema, "dimensionFieldSpecs.2.dataType", "STRING")
    schema = with_setting(schema, "primaryKeyColumns", ["raw"])
    schema["dimensionFieldSpecs"].append({"name": "raw", "dataType": "BYTES"})
    assert not check(table(schema), open_change(insert({"raw": {"B": "AAH+"}}, {})))


def test_what_pinots_expressions_read_is_put_in_between():
    config = with_setting(
        CONFIG,
        "ingestionConfig.transformConfigs",
        [{"columnName": "name", "transformFunction": "concat(nick, eventID)"}],
    )
    change = open_change(insert(KEYS, {"nick": {"S": "x"}}))
    made = table(config=config)
    assert check(made, change)
    assert json.loads(short(made, change)[1]).keys() == {"id", "deleted", "changed", "eventID", "nick"}


def test_the_rest_is_put_in_between():
    made = table(with_column("rest", "JSON"), source={"columns": {"rest": "$rest"}})
    change = open_change(insert(KEYS, {"b": {"N": "1"}, "a": {"S": "x"}}))
    assert check(made, change)
    assert json.loads(short(made, change)[1])["rest"] == '{"a":"x","b":1}'
    assert check(made, open_change(insert(KEYS, {"name": {"S": "x"}})))


# From a table.


def warm(made, *records):
    for each in records:
        change = open_change(each)
        for _ in range(MADE_AFTER + 1):
            made.short_row(change, ENOUGH)


def test_a_shape_has_a_pattern_when_it_has_come_often_enough():
    made, change = table(), open_change(insert(KEYS, {"name": {"S": "x"}}))
    rows = [made.short_row(change, ENOUGH) for _ in range(MADE_AFTER + 1)]
    assert rows[:-1] == [None] * MADE_AFTER
    assert [rows[-1]] == exact(made, change)


def test_a_row_near_the_limit_goes_the_exact_way():
    made, change = table(), open_change(insert(KEYS, {"name": {"S": "x"}}))
    warm(made, insert(KEYS, {"name": {"S": "x"}}))
    key, data, _ = made.short_row(change, ENOUGH)
    assert made.short_row(change, len(data) + 4 * len(key)) is not None
    assert made.short_row(change, len(data) + 4 * len(key) - 1) is None


@pytest.mark.parametrize(
    "old", [{"id": {"S": "b"}}, {}, {"id": {"S": "a"}, "half \ud800": {"S": "x"}}], ids=["another", "none", "no text"]
)
def test_what_is_wrong_with_an_image_that_has_no_part_in_the_row_is_left_to_the_exact_way(old):
    made = table()
    warm(made, modify(KEYS, {"name": {"S": "x"}}, {"name": {"S": "y"}}))
    change = open_change(modify(KEYS, {"name": {"S": "x"}}, {"name": {"S": "y"}}))
    assert made.short_row(change, ENOUGH) is not None
    assert made.short_row(change._replace(old_image=old), ENOUGH) is None


def test_no_image_no_row():
    made = table()
    assert made.short_row(open_change(remove(KEYS)), ENOUGH) is None
    assert made.short_row(open_change(modify(KEYS, None)), ENOUGH) is None


def test_a_delete_that_is_not_to_be_seen_is_left_to_the_exact_way():
    made = table(source={"ttl_deletes": "keep"})
    change = open_change(remove(KEYS, {"name": {"S": "x"}}))
    warm(made, remove(KEYS, {"name": {"S": "x"}}))
    assert made.short_row(change, ENOUGH) is not None
    assert made.short_row(change._replace(ttl_delete=True), ENOUGH) is None


def test_what_is_no_row_by_the_filter_is_left_to_the_exact_way():
    made = table(source={"when": {"name": {"begins_with": "x"}}})
    warm(made, insert(KEYS, {"name": {"S": "x"}}))
    for name, is_row in (({"S": "xy"}, True), ({"S": "y"}, False), ({"N": "none"}, False)):
        change = open_change(insert(KEYS, {"name": name}))
        assert (made.short_row(change, ENOUGH) is not None) is is_row


PATHOLOGICAL = """
import json, sys
from decoder.change import open_change
from files import SCHEMA, table
from changes import insert
names = [f"c{number}" for number in range(60)]
columns = [{"name": name, "dataType": "STRING"} for name in names] + [{"name": "last", "dataType": "INT"}]
made = table({**SCHEMA, "dimensionFieldSpecs": [*SCHEMA["dimensionFieldSpecs"], *columns]})
def change(last):
    item = {name: {"S": "plain text"} for name in names}
    return open_change(insert({"id": {"S": "a"}}, {**item, "last": {"N": last}}))
for _ in range(30):
    row = made.short_row(change("1"), 10**6)
print(row is not None, made.short_row(change("3000000000"), 10**6))
"""


def test_a_value_that_does_not_match_is_found_at_once_behind_however_many_that_do():
    """Else the engine tries each way to match each text before it: 2 to the power of 60 of them."""
    folders = [str(ROOT / "src"), str(ROOT / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", PATHOLOGICAL],
        env={"PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "True None\n"


@pytest.mark.parametrize("origin", ["$table", "$region", "address.city"])
def test_a_primary_key_with_a_part_that_is_no_attribute_goes_the_exact_way(origin):
    schema = with_setting(with_column("part", "STRING"), "primaryKeyColumns", ["id", "part"])
    made = table(schema, source={"columns": {"part": origin}})
    change = open_change(insert(KEYS, {"address": {"M": {"city": {"S": "Berlin"}}}}))
    warm(made, insert(KEYS, {"address": {"M": {"city": {"S": "Berlin"}}}}))
    assert made.short_row(change, ENOUGH) is None
    assert len(exact(made, change)) == 1


def test_a_pattern_that_is_missed_too_often_is_made_again_and_ever_more_patiently():
    patterns = patterns_of(table(), after=1, patience=3)

    def row(name):
        change = open_change(insert(KEYS, {"name": name}))
        return patterns.row(change, change.new_image, False)

    text, null = {"S": "x"}, {"NULL": True}
    assert [row(null) is None for _ in range(2)] == [True, False], "made of a null, and right for nulls"
    assert [row(text) for _ in range(3)] == [None] * 3, "missed as often as there is patience"
    assert [row(text) is None for _ in range(2)] == [True, False], "made again, of a text"
    assert [row(null) for _ in range(5)] == [None] * 5
    assert row(text) is not None, "there is more patience than before"
    assert row(null) is None
    assert [row(text) is None for _ in range(2)] == [True, False]


def test_a_shape_of_which_no_pattern_can_be_made_is_tried_again_later():
    made = table(with_setting(with_column("k", "LONG"), "primaryKeyColumns", ["id", "k"]))
    patterns = patterns_of(made, after=2)
    odd, usual = (open_change(insert({**KEYS, "k": {"N": number}}, {})) for number in ("1", "2"))
    odd.new_image["k"] = odd.keys["k"] = {"NULL": True}
    assert [patterns.row(odd, odd.new_image, False) for _ in range(2)] == [None, None]
    rows = [patterns.row(usual, usual.new_image, False) for _ in range(4)]
    assert [row is None for row in rows] == [True, True, False, False]


def test_shapes_that_do_not_come_again_are_forgotten_and_patterns_stay():
    made = table()
    patterns = patterns_of(made, after=2, max_shapes=3)
    change = open_change(insert(KEYS, {"name": {"S": "x"}}))
    for _ in range(3):
        row = patterns.row(change, change.new_image, False)
    for number in range(10):
        once = open_change(insert(KEYS, {f"a{number}": {"S": "x"}}))
        assert patterns.row(once, once.new_image, False) is None
        assert len(patterns._shapes) <= 3
    assert patterns.row(change, change.new_image, False) == row is not None


def test_where_every_shape_comes_again_and_there_are_too_many_all_are_forgotten():
    patterns = patterns_of(table(), after=1, max_shapes=2)
    for number in range(10):
        change = open_change(insert(KEYS, {f"a{number}": {"S": "x"}}))
        patterns.row(change, change.new_image, False)
        assert patterns.row(change, change.new_image, False) is not None
        assert len(patterns._shapes) <= 2
    assert MAX_SHAPES > 2


# The fragments themselves.

SHOWN = {
    ("INT", "N"): (["0", "7", "-7", "999999999"], ["-0", "07", "1.5", "1e3", "1000000000", "", "-"]),
    ("LONG", "N"): (["0", "-7", "999999999999999999"], ["-0", "1000000000000000000", "1.0"]),
    ("TIMESTAMP", "N"): (["10000000000", "99999999999999"], ["0", "9999999999", "100000000000000", "-10000000000"]),
    ("DOUBLE", "N"): (
        ["0", "5", "-5", "0.5", "-0.5", "0.0001", "123456789.123456", "123456789012345"],
        ["-0", "0.0", "1.50", "0.00001", "1234567890.5", "1.1234567", "1234567890123456", "5.", ".5", "1E2"],
    ),
    ("BIG_DECIMAL", "N"): (["0", "100", "-1.5", "0.001", "1" * 38], ["-0", "1.50", "01", "1" * 39, "1E2"]),
}


def test_every_fragment_of_numbers_is_shown():
    assert SHOWN.keys() == {pair for pair in FRAGMENTS if pair[1] == "N"}


@pytest.mark.parametrize("pair", SHOWN)
def test_a_fragment_takes_numbers_as_dynamodb_writes_them_and_no_others(pair):
    pattern = re.compile(FRAGMENTS[pair].pattern)
    taken, left = SHOWN[pair]
    assert [text for text in (*taken, *left) if pattern.fullmatch(f'"{text}"')] == taken


def test_a_text_is_bounded_by_its_bytes_and_has_no_control_characters():
    pattern = re.compile(text_fragment(5).pattern.encode())
    texts = ["", "12345", "123456", "1\\n34", "1\\u0001", "üü", "üüü", "1234\\n", '12"45']
    assert [text for text in texts if pattern.fullmatch(f'"{text}"'.encode())] == [
        "",
        "12345",
        "1\\n34",
        "üü",
        "1234\\n",
    ]
    assert re.fullmatch(text_fragment(None).pattern, f'"{"x" * 10**6}"')
    assert not re.fullmatch(text_fragment(5, is_key=True).pattern, '"a\\n"')


def test_the_configuration_of_these_tests_is_right():
    assert CONFIG["upsertConfig"]["comparisonColumns"] == ["changed"]
    assert decode_change(insert(KEYS, ORDINARY)).new_image == {**KEYS, **ORDINARY}
