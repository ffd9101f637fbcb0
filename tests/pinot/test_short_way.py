"""The short way makes the rows that the exact way makes, to the byte, or none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import strategies
from changes import TTL_IDENTITY, insert, modify, record, remove
from decoder.change import decode_change, open_change
from decoder.errors import ChangeError, path_text
from files import CONFIG, SCHEMA, table, with_column, with_setting
from pinot.sight.fragment import FRAGMENTS, text_fragment
from pinot.sight.mould import MAX_ATTRIBUTES
from pinot.sight.short_way import LOOSE_AFTER, MADE_AFTER, MAX_SHAPES, MAX_TRIED, Patterns

ROOT = Path(__file__).parent.parent.parent
KEYS = {"id": {"S": "a"}}
ENOUGH = 10**6
NEVER = 10**6

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
        **{"loose_after": NEVER, **options},
    )


def loose_patterns_of(made):
    """A table's patterns of which each is for whatever attributes there are."""
    return patterns_of(made, after=NEVER, loose_after=1)


def exact(made, record):
    """The rows of the exact way, an error as its reason."""
    try:
        return [(row.key, row.data, row.unmapped) for row in made.rows(decode_change(record))]
    except ChangeError as error:
        return error.reason


def go(made, patterns, record):
    """The row of the short way, None where there is none; by the record's text alone it is the exact way's, or none."""
    change = open_change(record)
    row = patterns.row(record, change, ENOUGH)
    for each in (row, *(patterns.row_of_text(text, ENOUGH) for text in texts(record))):
        if each is not None:
            assert each[2:] == (change.timestamp_ms, (change.table, each[3].unmapped))
            assert [(*each[:2], each[3].unmapped)] == exact(made, record)
    return row and (*row[:2], row[3].unmapped)


def texts(record):
    """What a record may look like in an event: as orjson writes it, and with each odd character by its number."""
    try:
        return [orjson.dumps(record), json.dumps(record, separators=(",", ":")).encode()]
    except TypeError:
        return [json.dumps(record, separators=(",", ":")).encode()]


def short(made, record, like=None, patterns=patterns_of):
    """The row of the short way once a pattern is made of the record, or of one that it is ``like``."""
    known = patterns(made)
    first = like or record
    known.row(first, open_change(first), ENOUGH)
    return go(made, known, record)


def check(made, record, like=None):
    """Check that the short way gives the exact way's only row, or none; tell which."""
    row = short(made, record, like)
    for each in (row, short(made, record, like, loose_patterns_of)):
        if each is not None:
            assert [each] == exact(made, record)
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
    "secret": strategies.values.map(strategies.encode),
    "unmapped": canonical | strategies.values.map(strategies.encode).filter(lambda attribute: "N" not in attribute),
}
ordinary = st.fixed_dictionaries({}, optional=by_sight)
odd = st.dictionaries(st.sampled_from([*by_sight, "odd", "half \ud800"]), raw, max_size=1)
items = ordinary | st.builds(lambda item, more: {**item, **more}, ordinary, odd)
keys = (st.text("aü:€") | plain_texts).map(lambda text: {"id": {"S": text}})


def with_inner(record, **inner):
    """A record with something else in it; None is nothing."""
    changed = {**record["dynamodb"], **inner}
    return {**record, "dynamodb": {name: value for name, value in changed.items() if value is not None}}


@settings(max_examples=2500, deadline=None)
@given(keys=keys, item=items, name=st.sampled_from(["INSERT", "MODIFY", "REMOVE"]))
@example(keys=KEYS, item={"double": {"N": "-0.5"}}, name="MODIFY")
def test_a_row_of_the_short_way_is_the_exact_ways_to_the_byte(keys, item, name):
    check(TABLE, record(name, keys, new=None if name == "REMOVE" else item, old=item))


@given(keys=st.text("aü:€").map(lambda text: {"id": {"S": text}}), item=ordinary)
def test_an_item_that_is_told_by_sight_goes_the_short_way(keys, item):
    """Or the properties here would say nothing."""
    assert check(TABLE, insert(keys, item))


@settings(max_examples=1200, deadline=None)
@given(first=items, second=items, other_keys=keys, old=items)
def test_a_pattern_made_of_one_item_gives_the_exact_row_of_another_or_none(first, second, other_keys, old):
    """The other has the same attributes, of whatever types."""
    first = {**first, **{name: value for name, value in second.items() if name not in first}}
    second = {name: second.get(name, value) for name, value in first.items()}
    check(TABLE, insert(other_keys, second), like=insert(KEYS, first))
    check(TABLE, modify(other_keys, second, old), like=modify(KEYS, first, old))
    check(TABLE, with_inner(modify(KEYS, second, old), OldImage=old), like=modify(KEYS, first, old))


@settings(max_examples=1200, deadline=None)
@given(
    keys=keys, first=items, second=items, old=items | st.none(), name=st.sampled_from(["INSERT", "MODIFY", "REMOVE"])
)
def test_a_loose_pattern_gives_the_exact_row_of_any_item_or_none(keys, first, second, old, name):
    def change(keys, item):
        return record(name, keys, new=None if name == "REMOVE" else item, old=item if name == "REMOVE" else old)

    like, other = change(KEYS, first), change(keys, second)
    row = short(TABLE, other, like, loose_patterns_of)
    assert row is None or [row] == exact(TABLE, other)


sighted = st.fixed_dictionaries(
    {},
    optional={
        name: by_sight[name] for name in ("int", "long", "double", "decimal", "flag", "text", "moment", 'odd"%s"näme')
    }
    | {"secret": st.just({"S": "x"}) | st.just({"NULL": True})},
)


@settings(max_examples=500)
@given(keys=st.text("aü:€").map(lambda text: {"id": {"S": text}}), item=sighted, old=sighted, order=st.randoms())
def test_items_of_any_attributes_that_are_told_by_sight_go_the_short_way_by_a_loose_pattern(keys, item, old, order):
    names = [*item]
    order.shuffle(names)
    old.pop('odd"%s"näme', None)  # a name with a quote might be a key's that only looks like another
    change = modify(keys, {name: item[name] for name in names}, old)
    row = short(TABLE, change, modify({"id": {"S": "x"}}, {"int": {"N": "1"}}, {}), loose_patterns_of)
    assert [row] == exact(TABLE, change)


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
    plain = {name: value for name, value in ORDINARY.items() if name.isascii()}
    old = ORDINARY if name == "REMOVE" else plain
    change = record(name, KEYS, new=None if name == "REMOVE" else ORDINARY, old=old)
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


@pytest.mark.parametrize("patterns", [patterns_of, loose_patterns_of])
@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
def test_a_change_all_of_which_is_told_by_sight_needs_no_parsing(name, patterns):
    item = {name: ORDINARY[name] for name in ("int", "long", "double", "text", "secret")}
    change = record(name, KEYS, new=None if name == "REMOVE" else item, old=item)
    known = patterns(TABLE)
    known.row(change, open_change(change), ENOUGH)
    assert known.can_see
    written, numbered = texts(change)
    key, data, timestamp_ms, kind = known.row_of_text(written, ENOUGH)
    assert ([(key, data, ())], timestamp_ms, kind) == (exact(TABLE, change), 1719082124000, ("meetups", ()))
    assert known.row_of_text(numbered, ENOUGH) is None, "what has its characters by number would not be the same bytes"


def test_a_change_that_nothing_but_its_parsed_record_tells_is_not_told_by_its_text():
    known = patterns_of(TABLE)
    for number in range(3):
        change = insert(KEYS, {"int": {"N": str(number)}, "texts": {"SS": ["a"]}})
        row = known.row(change, open_change(change), ENOUGH)
        assert known.row_of_text(orjson.dumps(change), ENOUGH) is None
    assert row is not None
    assert not known.can_see


def test_an_attribute_that_looks_like_a_null_in_a_hidden_ones_place_is_not_told_by_its_text():
    """In the JSON that is matched a null stands for what is hidden; a record's own text may have one too."""
    known = patterns_of(TABLE)
    change = insert(KEYS, {"int": {"N": "1"}, "texts": {"SS": ["a"]}})
    odd = insert(KEYS, {"int": {"N": "1"}, "texts": None})
    known.row(change, open_change(change), ENOUGH)
    assert known.row_of_text(orjson.dumps(odd), ENOUGH) is None
    assert known.row(odd, open_change(odd), ENOUGH) is None


@pytest.mark.parametrize("whole", ["0", "5", "-5", "123456789012345"])
def test_a_whole_double_stands_as_orjson_writes_it(whole):
    change = insert(KEYS, {"double": {"N": whole}})
    for patterns in (patterns_of, loose_patterns_of):
        assert f'"double":{whole}.0'.encode() in short(TABLE, change, patterns=patterns)[1]


def test_a_text_that_is_what_ends_a_whole_double_is_a_text():
    change = insert(KEYS, {"double": {"N": "5"}, "text": {"S": ".0"}, 'odd"%s"näme': {"S": ""}})
    for patterns in (patterns_of, loose_patterns_of):
        assert [short(TABLE, change, patterns=patterns)] == exact(TABLE, change)


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
    change = insert(KEYS, {"int": {"N": "1"}, **item})
    like = insert(KEYS, {"int": {"N": "1"}, **{name: ORDINARY.get(name, {"S": "x"}) for name in item}})
    assert short(TABLE, change, like) is None
    assert not check(TABLE, change) or item == {"text": {"N": "5"}}


@pytest.mark.parametrize(
    "text",
    [b"caf\xe9", b"tab\there", b"half \\ud800", b"slash \\/", b"letter \\u0041", b"odd \\x"],
    ids=["latin", "control", "half", "slash", "by number", "no escape"],
)
def test_a_text_that_orjson_would_not_write_so_is_not_taken_out_of_json_as_it_stands(text):
    """Bytes that are no UTF-8 are kept from here by decoder.records."""
    change = insert(KEYS, {'odd"%s"näme': {"S": "MARK"}})
    for patterns in (patterns_of, loose_patterns_of):
        known = patterns(TABLE)
        known.row(change, open_change(change), ENOUGH)
        written = orjson.dumps(change)
        assert known.row_of_text(written, ENOUGH) is not None
        if text != b"caf\xe9":
            assert known.row_of_text(written.replace(b"MARK", text), ENOUGH) is None


def test_a_null_has_no_part_in_the_row():
    change = insert(KEYS, {"int": {"NULL": True}, "long": {"N": "1"}})
    assert check(TABLE, change)
    for patterns in (patterns_of, loose_patterns_of):
        assert "int" not in json.loads(short(TABLE, change, patterns=patterns)[1])


@pytest.mark.parametrize("others", [{"id": {"S": "b"}}, {"id": {"N": "5"}}, {}])
def test_an_image_that_has_not_the_keys_goes_the_exact_way(others):
    change = with_inner(insert(KEYS, {}), NewImage={"int": {"N": "1"}, **others})
    assert short(TABLE, change, insert({"id": {"S": "c"}}, {"int": {"N": "1"}})) is None
    assert not check(TABLE, change)


@pytest.mark.parametrize("patterns", [patterns_of, loose_patterns_of])
def test_keys_of_another_dynamodb_table_go_the_exact_way(patterns):
    good = insert(KEYS, {"int": {"N": "1"}})
    more = insert({**KEYS, "int": {"N": "1"}}, {})
    other = with_inner(insert({"int": {"N": "1"}}, {}), NewImage=good["dynamodb"]["NewImage"])
    known = patterns(TABLE)
    known.row(good, open_change(good), ENOUGH)
    assert go(TABLE, known, good) is not None
    for each in (more, other):
        go(TABLE, known, each)


@pytest.mark.parametrize("attribute", [{"N": "1"}, {"N": "1.5"}, {"B": "AAH+"}, {"S": 'a "b"'}])
def test_a_sort_key_that_no_pattern_tells_is_compared_as_it_stands(attribute):
    made = table(with_column("sort", "DOUBLE" if "N" in attribute else "BYTES" if "B" in attribute else "STRING"))
    change = insert({**KEYS, "sort": attribute}, {})
    assert check(made, change)
    for other in ({"N": "2"}, {"B": "AAAA"}, {"S": "b"}):
        assert not check(made, with_inner(change, Keys={**KEYS, "sort": other}))
        assert not check(made, with_inner(change, Keys={**KEYS, "sort": other}), change)


def test_the_keys_of_a_table_of_hundreds_of_columns_are_compared_too():
    """The key is the last of its columns."""
    schema = with_setting(SCHEMA, "primaryKeyColumns", ["last"])
    names = [f"c{number}" for number in range(200)]
    columns = [{"name": name, "dataType": "LONG"} for name in [*names, "last"]]
    schema = {**schema, "dimensionFieldSpecs": [*schema["dimensionFieldSpecs"], *columns]}
    made, item = table(schema), {name: {"N": "1"} for name in names}
    change = insert({"last": {"N": "64"}}, item)
    assert check(made, change)
    assert short(made, with_inner(change, Keys={"last": {"N": "65"}}), change) is None
    assert short(made, with_inner(change, Keys={"last": {"S": "64"}}), change) is None


def test_an_image_without_a_sort_key_that_has_no_column_goes_the_exact_way():
    change = insert({**KEYS, "sort": {"N": "1"}}, {})
    assert not check(table(), with_inner(change, NewImage=KEYS))


def test_a_sort_key_without_a_column_is_compared_too():
    change = insert({**KEYS, "sort": {"N": "1"}}, {})
    assert check(table(), change)
    assert short(table(), with_inner(change, Keys={**KEYS, "sort": {"N": "2"}}), change) is None


@pytest.mark.parametrize("patterns", [patterns_of, loose_patterns_of])
def test_the_keys_of_an_image_that_has_no_part_in_the_row_are_compared_too(patterns):
    made = table()
    change = modify(KEYS, {"name": {"S": "x"}}, {"name": {"S": "y"}})
    known = patterns(made)
    known.row(change, open_change(change), ENOUGH)
    assert go(made, known, change) is not None
    for old in ({"id": {"S": "b"}, "name": {"S": "y"}}, {"id": {"N": "1"}, "name": {"S": "y"}}):
        assert go(made, known, with_inner(change, OldImage=old)) is None
    hidden = with_inner(change, OldImage={'x"id': {"S": "a"}, "id": {"S": "b"}})
    assert go(made, known, hidden) is None


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
    assert check(table(schema), insert({**KEYS, "k": attribute}, {})) is goes


def test_a_change_that_may_leave_a_row_behind_goes_the_exact_way():
    made = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))
    item = {"name": {"S": "x"}}
    assert check(made, insert(KEYS, item))
    assert not check(made, modify(KEYS, item, item))


@pytest.mark.parametrize("name", ["x", 'a "b"', "Köln"])
def test_a_primary_key_that_is_no_key_of_dynamodbs_is_encoded_alike(name):
    made = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))
    like = insert(KEYS, {"name": {"S": "x"}})
    for patterns in (patterns_of, loose_patterns_of):
        row = short(made, insert(KEYS, {"name": {"S": name}}), like, patterns)
        assert row is None or [row] == exact(made, insert(KEYS, {"name": {"S": name}}))


@pytest.mark.parametrize("attribute", [{"N": "1.5"}, {"N": "20"}])
def test_a_double_in_the_primary_key_goes_the_exact_way(attribute):
    made = table(with_setting(SCHEMA, "primaryKeyColumns", ["price"]))
    like = insert(KEYS, {"price": {"N": "1.5"}})
    for patterns in (patterns_of, loose_patterns_of):
        assert short(made, insert(KEYS, {"price": attribute}), like, patterns) is None


@pytest.mark.parametrize("name", ["None", "eventID", "key0", "image", "time", "%b", "(?P=key0)", "\\1", "a.b", '"'])
@pytest.mark.parametrize("is_key", [False, True], ids=["attribute", "key"])
def test_an_attribute_may_be_called_anything(name, is_key):
    schema = with_column("column", "STRING")
    made = table(
        with_setting(schema, "primaryKeyColumns", ["column"]) if is_key else schema,
        source={"columns": {"column": path_text((name,))}},
    )
    keys, item = ({name: {"S": "x"}}, {"name": {"S": "y"}}) if is_key else (KEYS, {name: {"S": "x"}})
    for patterns in (patterns_of, loose_patterns_of):
        change = insert(keys, item)
        known = patterns(made)
        known.row(change, open_change(change), ENOUGH)
        assert [go(made, known, change)] == exact(made, change)
        assert known.row_of_text(orjson.dumps(change), ENOUGH) is not None


def test_an_attribute_that_is_in_the_primary_key_twice_goes_the_exact_way():
    schema = with_setting(with_column("x1", "LONG"), "primaryKeyColumns", ["x1", "x2"])
    schema["dimensionFieldSpecs"].append({"name": "x2", "dataType": "DOUBLE"})
    made = table(schema, source={"columns": {"x1": "id", "x2": "id"}})
    change = insert({"id": {"N": "20"}}, {})
    assert exact(made, change)[0][0] == "2:204:20.0"
    for patterns in (patterns_of, loose_patterns_of):
        assert short(made, change, patterns=patterns) is None


def test_a_path_into_a_key_goes_the_exact_way():
    made = table(with_column("m", "STRING"), source={"columns": {"m": "id.x"}})
    change = insert(KEYS, {"name": {"S": "x"}})
    assert exact(made, change) == "type_mismatch"
    for patterns in (patterns_of, loose_patterns_of):
        assert short(made, change, patterns=patterns) is None


@pytest.mark.parametrize(
    ("first", "last"),
    [("1.5", "2"), ("2", "1.5"), ("1.5", None), (None, "1.5"), ("1.5", "1e5"), ("1e5", "2")],
)
def test_of_a_name_that_stands_twice_in_the_text_the_last_value_counts(first, last):
    def attribute(number):
        return {"NULL": True} if number is None else {"N": number}

    made = table()
    like = insert(KEYS, {"price": {"N": "1.5"}})
    text = orjson.dumps(insert(KEYS, {"price": {"S": "MARK"}})).decode()
    one, two = (orjson.dumps(attribute(number)).decode() for number in (first, last))
    text = text.replace('{"S":"MARK"}', f'{one},"price":{two}')
    known = loose_patterns_of(made)
    known.row(like, open_change(like), ENOUGH)
    row = known.row_of_text(text.encode(), ENOUGH)
    assert (row is None) is ("1e5" in (first, last))
    assert row is None or [row[:2]] == [exact(made, json.loads(text))[0][:2]]


def test_what_is_a_row_because_a_key_is_not_there_goes_the_exact_way():
    """An image without its keys is given them before it is looked at."""
    made = table(source={"when": {"not": {"sort": "x"}}})
    both = {**KEYS, "sort": {"S": "x"}}
    change = with_inner(insert(both, {}), NewImage={**KEYS, "name": {"S": "n"}})
    for number in range(LOOSE_AFTER + MADE_AFTER):
        of(made, insert({**KEYS, "sort": {"S": "k"}}, {"name": {"S": "n"}, f"z{number}": {"S": ""}}))
        of(made, change)
    assert exact(made, change) == []
    assert of(made, change) is None


def test_a_comparison_column_of_the_items_own_is_told_by_the_exact_way():
    change = insert(KEYS, {"changed": {"N": "1"}})
    assert not check(table(), change)
    for made in (table(), table(source={"leave_out": ["changed"]})):
        assert short(made, change, insert(KEYS, {"name": {"S": "x"}}), loose_patterns_of) is None
        assert exact(made, change) == "ambiguous_column"


@pytest.mark.parametrize(
    "source",
    [{"columns": {"changed": "stamp"}}, {"columns": {"changed": "a.stamp"}}, {"columns": {"changed": "$timestamp"}}],
)
def test_a_comparison_column_may_be_anything_that_orders(source):
    made = table(source=source)
    stamp = {"N": "1719080907442"}
    item = {"stamp": stamp, "a": {"M": {"stamp": stamp}}}
    assert check(made, insert(KEYS, item))
    for incomplete in ({"stamp": {"NULL": True}, "a": {"M": {}}}, {}):
        assert check(made, insert(KEYS, incomplete)) is (source["columns"]["changed"] == "$timestamp")
        check(made, insert(KEYS, incomplete), insert(KEYS, item))


def test_a_row_without_what_it_cannot_do_without_is_none_of_a_loose_pattern():
    made = table(source={"columns": {"changed": "stamp"}})
    like = insert(KEYS, {"stamp": {"N": "1719080907442"}})
    assert [short(made, like, like, loose_patterns_of)] == exact(made, like)
    for incomplete in ({}, {"stamp": {"NULL": True}}):
        assert short(made, insert(KEYS, incomplete), like, loose_patterns_of) is None


@pytest.mark.parametrize(
    ("origin", "data_type"),
    [
        *(("$version", "STRING"), ("$sequence_number", "STRING"), ("$event_id", "STRING"), ("$size_bytes", "LONG")),
        *(("$table", "STRING"), ("$region", "STRING"), ("$view_type", "STRING"), ("$ttl_delete", "BOOLEAN")),
        *(("$deleted", "INT"), ("$event_name", "STRING")),
    ],
)
def test_what_a_change_says_of_itself_is_the_same_either_way(origin, data_type):
    made = table(with_column("told", data_type), source={"columns": {"told": origin}})
    like, other = insert(KEYS, {"name": {"S": "x"}}), insert(KEYS, {"name": {"S": "y"}}, second=1719082125)
    other["dynamodb"]["SizeBytes"] = 4711
    for patterns in (patterns_of, loose_patterns_of):
        row = short(made, other, like, patterns)
        assert [row] == exact(made, other)
        assert "told" in json.loads(row[1])


@pytest.mark.parametrize("name", ["eventID", "SequenceNumber", "SizeBytes"])
def test_what_a_change_does_not_say_of_itself_has_no_part_in_the_row(name):
    origin = {"eventID": "$event_id", "SequenceNumber": "$version", "SizeBytes": "$size_bytes"}[name]
    made = table(
        with_column("told", "LONG" if name == "SizeBytes" else "STRING"),
        source={"columns": {"told": origin}},
    )
    change = insert(KEYS, {"name": {"S": "x"}}, tableName="meetups", recordFormat="application/json")
    change["dynamodb"]["ApproximateCreationDateTime"] *= 1000
    change.pop(name, None)
    change["dynamodb"].pop(name, None)
    for patterns in (patterns_of, loose_patterns_of):
        row = short(made, change, patterns=patterns)
        assert [row] == exact(made, change)
        assert ("told" in json.loads(row[1])) is (origin == "$version")


@pytest.mark.parametrize(
    ("time", "unit", "goes"),
    [
        (1719082124, None, True),
        (1719082124, "SECOND", True),
        (1719082124026, "MILLISECOND", True),
        (1719082124026999, "MICROSECOND", True),
        (1719082124.5, "SECOND", False),
        (2147484, "SECOND", True),
    ],
)
def test_a_time_of_any_unit_is_told_by_sight_if_it_is_whole(time, unit, goes):
    change = insert(KEYS, {"name": {"S": "x"}})
    inner = {"ApproximateCreationDateTime": time, "ApproximateCreationDateTimePrecision": unit}
    assert check(table(), with_inner(change, **inner)) is goes


@pytest.mark.parametrize("time", [2147483, 4102444800, 171908212, 17190821240, -1719082124])
def test_a_time_out_of_bounds_goes_the_exact_way(time):
    change = insert(KEYS, {"name": {"S": "x"}})
    odd = with_inner(change, ApproximateCreationDateTime=time)
    for patterns in (patterns_of, loose_patterns_of):
        known = patterns(table())
        known.row(change, open_change(change), ENOUGH)
        row = known.row_of_text(orjson.dumps(odd), ENOUGH)
        assert (row and [row[:2]]) == (None if exact(table(), odd) == "malformed" else [exact(table(), odd)[0][:2]])


def test_a_change_that_cannot_say_so_of_itself_goes_the_exact_way():
    made = table(with_column("told", "STRING", maxLength=8), source={"columns": {"told": "$event_id"}})
    like, other = ({**insert(KEYS, {}), "eventID": name} for name in ("short", "longer than eight"))
    for patterns in (patterns_of, loose_patterns_of):
        known = patterns(made)
        known.row(like, open_change(like), ENOUGH)
        assert known.row_of_text(orjson.dumps(like), ENOUGH) is not None
        assert known.row_of_text(orjson.dumps(other), ENOUGH) is None
        assert go(made, known, other) is None
    assert exact(made, other) == "too_long"


def test_images_before_the_keys_are_told_by_sight_but_not_loosely():
    change = modify(KEYS, {"name": {"S": "x"}}, {"name": {"S": "y"}})
    inner = change["dynamodb"]
    first = {**change, "dynamodb": {**{name: inner[name] for name in ("OldImage", "NewImage")}, **inner}}
    assert check(table(), first)
    assert short(table(), with_inner(first, Keys={"id": {"S": "b"}}), first) is None
    assert short(table(), first, patterns=loose_patterns_of) is None


def test_kinesis_form_of_a_change_is_told_by_sight_too():
    change = insert(KEYS, {"name": {"S": "x"}}, tableName="meetups", recordFormat="application/json")
    change["dynamodb"]["ApproximateCreationDateTime"] *= 1000
    del change["dynamodb"]["SequenceNumber"], change["eventSourceARN"]
    assert check(table(), change)


def test_whatever_else_is_in_a_record_is_to_be_as_it_was():
    like = insert(KEYS, {"name": {"S": "x"}}, awsRegion="eu-central-1")
    assert check(table(), like)
    for patterns in (patterns_of, loose_patterns_of):
        known = patterns(table())
        known.row(like, open_change(like), ENOUGH)
        assert known.row_of_text(orjson.dumps(like), ENOUGH) is not None
        for outer in ({"awsRegion": "us-east-1"}, {"eventSource": "aws:kinesis"}, {"eventName": "MODIFY"}, {"more": 1}):
            assert known.row_of_text(orjson.dumps({**like, **outer}), ENOUGH) is None


def test_a_time_in_seconds_and_a_flag_of_text_are_put_in_between():
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
    schema = with_setting(schema, "dimensionFieldSpecs.2.dataType", "STRING")
    change = insert(KEYS, {"name": {"S": "x"}})
    assert check(table(schema), change)
    assert json.loads(short(table(schema), change)[1]) == {
        "id": "a",
        "name": "x",
        "deleted": "false",
        "changed": 1719082124,
    }


def test_a_table_whose_primary_key_no_pattern_tells_has_none():
    schema = with_setting(SCHEMA, "primaryKeyColumns", ["raw"])
    schema["dimensionFieldSpecs"].append({"name": "raw", "dataType": "BYTES"})
    assert not check(table(schema), insert({"raw": {"B": "AAH+"}}, {}))


def test_what_pinots_expressions_read_is_put_in_between():
    config = with_setting(
        CONFIG,
        "ingestionConfig.transformConfigs",
        [{"columnName": "name", "transformFunction": "concat(nick, eventID)"}],
    )
    change = insert(KEYS, {"nick": {"S": "x"}})
    made = table(config=config)
    assert check(made, change)
    assert json.loads(short(made, change)[1]).keys() == {"id", "deleted", "changed", "eventID", "nick"}


def test_the_rest_is_put_in_between():
    made = table(with_column("rest", "JSON"), source={"columns": {"rest": "$rest"}})
    change = insert(KEYS, {"b": {"N": "1"}, "a": {"S": "x"}})
    assert check(made, change)
    assert json.loads(short(made, change)[1])["rest"] == '{"a":"x","b":1}'
    assert check(made, insert(KEYS, {"name": {"S": "x"}}))


def test_an_attribute_that_two_columns_take_is_in_both():
    made = table(with_column("again", "STRING"), source={"columns": {"again": "name"}})
    change = insert(KEYS, {"name": {"S": "x"}})
    assert check(made, change)
    assert json.loads(short(made, change)[1])["again"] == "x"
    assert short(made, change, insert(KEYS, {}), loose_patterns_of) is None
    other = table(with_column("again", "JSON"), source={"columns": {"again": "name"}})
    assert check(other, change)


# From a table.


def of(made, record, max_bytes=ENOUGH):
    return made.short_row(record, open_change(record), max_bytes)


def warm(made, *records):
    for each in records:
        for _ in range(MADE_AFTER + 1):
            of(made, each)


def test_a_shape_has_a_pattern_when_it_has_come_often_enough():
    made, change = table(), insert(KEYS, {"name": {"S": "x"}})
    rows = [of(made, change) for _ in range(MADE_AFTER + 1)]
    assert rows[:-1] == [None] * MADE_AFTER
    assert rows[-1][:2] == exact(made, change)[0][:2]


def test_where_ever_other_shapes_come_there_is_a_loose_pattern_for_all():
    made = table(with_column("count", "LONG"), source={"leave_out": [f"a{number}" for number in range(100)]})
    changes = [insert(KEYS, {"name": {"S": "x"}, f"a{number}": {"S": "x"}}) for number in range(LOOSE_AFTER + 20)]
    rows = [of(made, change) for change in changes]
    assert rows[: LOOSE_AFTER - 1] == [None] * (LOOSE_AFTER - 1)
    assert None not in rows[LOOSE_AFTER:]
    assert [row[:2] for row in rows[LOOSE_AFTER:]] == [exact(made, change)[0][:2] for change in changes[LOOSE_AFTER:]]
    assert made.short_way.row_of_text(orjson.dumps(changes[0]), ENOUGH) == rows[-1]
    assert of(made, modify(KEYS, {"count": {"N": "1"}})) is None, "it is of inserts"


def test_a_row_near_the_limit_goes_the_exact_way():
    made, change = table(), insert(KEYS, {"name": {"S": "x"}})
    warm(made, change)
    key, data, *_ = of(made, change)
    assert of(made, change, len(data) + 4 * len(key)) is not None
    assert of(made, change, len(data) + 4 * len(key) - 1) is None


@pytest.mark.parametrize("patterns", [patterns_of, loose_patterns_of])
@pytest.mark.parametrize("nested", [{}, {"more": {"L": []}}], ids=["flat", "nested"])
@pytest.mark.parametrize(
    "old", [{"id": {"S": "b"}}, {"id": {"S": "a"}, "half \ud800": {"S": "x"}}], ids=["another", "no text"]
)
def test_what_is_wrong_with_an_image_that_has_no_part_in_the_row_is_left_to_the_exact_way(old, nested, patterns):
    made = table()
    change = modify(KEYS, {"name": {"S": "x"}}, {"name": {"S": "y"}, **nested})
    assert short(made, with_inner(change, OldImage={**old, **nested}), change, patterns) is None
    assert short(made, with_inner(change, OldImage={**old, **nested}), patterns=patterns) is None


def test_no_image_no_row():
    made = table()
    assert of(made, remove(KEYS)) is None
    assert of(made, modify(KEYS, None)) is None
    patterns = patterns_of(made)
    for change in (remove(KEYS), modify(KEYS, None)):
        assert [patterns.row(change, open_change(change), ENOUGH) for _ in range(3)] == [None] * 3


def test_a_delete_that_is_not_to_be_seen_is_left_to_the_exact_way():
    made = table(source={"ttl_deletes": "keep"})
    change = remove(KEYS, {"name": {"S": "x"}})
    expired = {**change, "userIdentity": TTL_IDENTITY}
    warm(made, change, expired)
    assert of(made, change) is not None
    assert of(made, expired) is None
    assert made.short_way.row_of_text(orjson.dumps(change), ENOUGH) is not None
    assert made.short_way.row_of_text(orjson.dumps(expired), ENOUGH) is None


def test_what_is_no_row_by_the_filter_is_left_to_the_exact_way():
    made = table(source={"when": {"name": {"begins_with": "x"}}})
    warm(made, insert(KEYS, {"name": {"S": "x"}}))
    for name, is_row in (({"S": "xy"}, True), ({"S": "y"}, False), ({"N": "none"}, False)):
        change = insert(KEYS, {"name": name})
        assert (of(made, change) is not None) is is_row
        assert made.short_way.row_of_text(orjson.dumps(change), ENOUGH) is None
    assert not made.short_way.can_see


PATHOLOGICAL = """
import json, resource, sys, orjson
from decoder.change import open_change
from files import SCHEMA, table
from changes import insert, modify
names = [f"c{number}" for number in range(60)]
columns = [{"name": name, "dataType": "STRING"} for name in names] + [{"name": "last", "dataType": "INT"}]
made = table({**SCHEMA, "dimensionFieldSpecs": [*SCHEMA["dimensionFieldSpecs"], *columns]})
def change(last, names=names):
    item = {name: {"S": "plain text"} for name in names}
    return modify({"id": {"S": "a"}}, {**item, "last": {"N": last}}, {**item, "last": {"N": "1"}})
def row(record):
    return made.short_row(record, open_change(record), 10**6)
for _ in range(30):
    fixed = row(change("1"))
for count in range(30):
    loose = row(change("1", names[count:]))
def by_text(record, odd):
    return made.short_way.row_of_text(orjson.dumps(record).replace(b'"us-east-1"', odd), 10**6)
print(fixed is not None, loose is not None, row(change("3000000000")), by_text(change("1"), b'"eu-west-1"'))
print(by_text(change("1"), b'"us-east-1"') == fixed, by_text(change("1", names[:30]), b'"us-east-1"') is not None)
print(by_text(change("1", [*names[:30], "unknown"]), b'"us-east-1"'))
wide = [f"w{number}" for number in range(1000)]
columns = [{"name": name, "dataType": "DOUBLE"} for name in wide]
made = table({**SCHEMA, "dimensionFieldSpecs": [*SCHEMA["dimensionFieldSpecs"], *columns]})
for count in range(30):
    row(modify({"id": {"S": "a"}}, {wide[count]: {"N": "1.5"}}, {}))
resource.setrlimit(resource.RLIMIT_DATA, (2**28, 2**28))
item, old = {name: {"N": "1.5"} for name in wide}, {f"x{number}": {"S": ""} for number in range(20000)}
many = [modify({"id": {"S": "a"}}, item, old)] + 200 * [modify({"id": {"S": "a"}}, item, item)]
print({made.short_way.row_of_text(orjson.dumps(each), 10**6) is not None for each in many})
"""


def test_a_value_that_does_not_match_is_found_at_once_behind_however_many_that_do():
    """Else the engine tries each way to match each text before it: 2 to the power of 60 of them."""
    folders = [str(ROOT / "src"), str(ROOT / "tests")]
    done = subprocess.run(
        [sys.executable, "-c", PATHOLOGICAL],
        env={"PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "True True None None\nTrue True\nNone\n{True}\n"


@pytest.mark.parametrize("origin", ["$table", "$region", "address.city"])
def test_a_primary_key_with_a_part_that_is_no_attribute_goes_the_exact_way(origin):
    schema = with_setting(with_column("part", "STRING"), "primaryKeyColumns", ["id", "part"])
    made = table(schema, source={"columns": {"part": origin}})
    change = insert(KEYS, {"address": {"M": {"city": {"S": "Berlin"}}}})
    warm(made, change)
    assert of(made, change) is None
    assert len(exact(made, change)) == 1


def test_a_pattern_that_is_missed_too_often_is_made_again_and_ever_more_patiently():
    made = table()
    patterns = patterns_of(made, after=1, patience=3)

    def row(name):
        return go(made, patterns, insert(KEYS, {"name": name}))

    text, null = {"S": "x"}, {"NULL": True}
    assert [row(null) is None for _ in range(2)] == [True, False], "made of a null, and right for nulls"
    assert [row(text) for _ in range(3)] == [None] * 3, "missed as often as there is patience"
    assert not patterns.can_see
    assert [row(text) is None for _ in range(2)] == [True, False], "made again, of a text"
    assert [row(null) for _ in range(5)] == [None] * 5
    assert row(text) is not None, "there is more patience than before"
    assert row(null) is None
    assert [row(text) is None for _ in range(2)] == [True, False]


def test_a_shape_of_which_no_pattern_can_be_made_is_tried_again_later():
    made = table(with_setting(with_column("k", "LONG"), "primaryKeyColumns", ["id", "k"]))
    patterns = patterns_of(made, after=2)
    usual = insert({**KEYS, "k": {"N": "2"}}, {})
    odd = with_inner(usual, Keys={**KEYS, "k": {"NULL": True}}, NewImage={**KEYS, "k": {"NULL": True}})
    assert [go(made, patterns, odd) for _ in range(2)] == [None, None]
    rows = [go(made, patterns, usual) for _ in range(4)]
    assert [row is None for row in rows] == [True, True, False, False]


def test_shapes_that_do_not_come_again_are_forgotten_and_patterns_stay():
    made = table()
    patterns = patterns_of(made, after=2, max_shapes=3)
    change = insert(KEYS, {"name": {"S": "x"}})
    for _ in range(3):
        row = go(made, patterns, change)
    for number in range(10):
        assert go(made, patterns, insert(KEYS, {f"a{number}": {"S": "x"}})) is None
        assert len(patterns._shapes) <= 3
    assert go(made, patterns, change) == row is not None
    assert patterns.can_see


def test_where_every_shape_comes_again_and_there_are_too_many_all_are_forgotten():
    made = table()
    patterns = patterns_of(made, after=1, max_shapes=2)
    for number in range(10):
        change = insert(KEYS, {f"a{number}": {"S": "x"}})
        assert go(made, patterns, change) is None
        assert go(made, patterns, change) is not None
        assert len(patterns._shapes) <= 2
        assert len(patterns._by_text) <= 2
    assert MAX_SHAPES > 2


def test_of_a_very_large_item_no_pattern_is_made():
    made = table(source={"leave_out": [f"a{number}" for number in range(MAX_ATTRIBUTES + 1)]})
    for count in (MAX_ATTRIBUTES - 1, MAX_ATTRIBUTES):
        change = insert(KEYS, {f"a{number}": {"S": "x"} for number in range(count)})
        assert (short(made, change) is None) is (count == MAX_ATTRIBUTES)


def test_all_patterns_are_forgotten_where_they_would_take_too_much_room(monkeypatch):
    monkeypatch.setattr("pinot.sight.short_way.MAX_TOGETHER", 10)
    made = table(source={"leave_out": [f"a{number}" for number in range(20)]})
    patterns = patterns_of(made)
    for number in range(12):
        change = insert(KEYS, {f"a{number}": {"S": "x"}})  # of two attributes
        row = [go(made, patterns, change) is None for _ in range(2)]
        assert row == [True, number in {5, 10}]
        assert sum(shape.pattern is not None for shape in patterns._shapes.values()) == number % 5 + 1


def test_two_dynamodb_tables_have_patterns_of_their_own():
    made = table()
    patterns = patterns_of(made)
    one, two = (insert(KEYS, {"name": {"S": "x"}}, table=name) for name in ("one", "two"))
    assert [go(made, patterns, each) is None for each in (one, two, one, two)] == [True, True, False, False]
    assert [patterns.row_of_text(orjson.dumps(each), ENOUGH)[3].table for each in (one, two)] == ["one", "two"]


def test_kinds_of_changes_are_forgotten_too_where_there_are_too_many():
    made = table()
    patterns = patterns_of(made, after=NEVER, loose_after=1, max_shapes=2)
    for number in range(5):
        change = insert(KEYS, {"name": {"S": "x"}}, table=f"table{number}")
        assert go(made, patterns, change) is not None
        assert len(patterns._loose) <= 2
        assert len(patterns._loose_by_text) <= 2


def test_a_text_is_tried_with_a_few_patterns_the_latest_that_matched_first():
    patterns = patterns_of(table(source={"leave_out": [f"a{number}" for number in range(20)]}))
    changes = [insert(KEYS, {f"a{number}": {"S": "x"}}) for number in range(MAX_TRIED + 2)]
    for change in changes:
        patterns.row(change, open_change(change), ENOUGH)
    rows = [patterns.row_of_text(orjson.dumps(change), ENOUGH) for change in changes]
    assert [row is None for row in rows] == [True] * 2 + [False] * MAX_TRIED
    first = patterns._by_text[0]
    assert first.row_of_text(orjson.dumps(changes[-1]), ENOUGH) is not None
    more = insert(KEYS, {"name": {"S": "x"}})
    patterns.row(more, open_change(more), ENOUGH)
    assert patterns.row_of_text(orjson.dumps(changes[2]), ENOUGH) is None, "the one that had not matched for longest"


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
