"""The typed path makes the exact path's rows, to the byte, or none."""

from __future__ import annotations

import json
import re

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import strategies
from changes import TTL_IDENTITY, insert, modify, record, remove
from decoder.change import decode_change
from decoder.errors import ChangeError, path_text
from files import CONFIG, SCHEMA, table, with_column, with_setting
from pinot.key import MAX_KEY_BYTES
from pinot.typed.record import source_of
from pinot.typed.row import TypedRows

KEYS = {"id": {"S": "a"}}
ENOUGH = 10**6
NO_ROW: list = []

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
    "näme": {"dataType": "STRING"},
    "odd": {"dataType": "STRING"},
}
SOURCE = {"columns": {"city": "json.city", "odd": "$event_name"}, "leave_out": ["secret"]}


def wide_table(columns=(), more=None, **source):
    schema = {**SCHEMA, "dimensionFieldSpecs": list(SCHEMA["dimensionFieldSpecs"])}
    schema["dateTimeFieldSpecs"] = list(SCHEMA["dateTimeFieldSpecs"])
    for name, spec in {**COLUMNS, **dict(columns)}.items():
        kind = "dateTimeFieldSpecs" if "format" in spec else "dimensionFieldSpecs"
        schema[kind].append({"name": name, **spec})
    return table(schema, source={**SOURCE, **source, "columns": {**SOURCE["columns"], **(more or {})}})


TABLE = wide_table()
REST = wide_table([("rest", {"dataType": "STRING", "maxLength": 60})], {"rest": "$rest"})
FILTERED = wide_table(when={"any": [{"int": 1}, {"text": {"begins_with": "a"}}, {"json.city": {"exists": True}}]})
CITY_KEY = table(
    with_setting(with_column("city", "STRING"), "primaryKeyColumns", ["id", "city"]),
    source={"dynamodb_table": "meetups"},
)


def exact(made, change_record):
    """The rows of the exact path with the names that it reports, or the reason of its error."""
    try:
        return [(row.key, row.data, {*row.unmapped}) for row in made.rows(decode_change(change_record), ENOUGH)]
    except ChangeError as error:
        return error.reason


def texts(change_record):
    """The forms that a record may have in an event: in UTF-8, and with every character outside of ASCII escaped."""
    escaped = json.dumps(change_record, separators=(",", ":")).encode()
    try:
        return [orjson.dumps(change_record), escaped]
    except TypeError:
        return [escaped]


def learned_from(made, *records):
    """The typed path of a table that learned from these records."""
    typed = TypedRows(made, source_of(records[0], decode_change(records[0])))
    for each in records:
        typed.learn(decode_change(each))
    return typed


def rows_of(typed, change_record):
    """The typed path's rows of a record, None where it leaves them to the exact path; each form gives the same."""
    made = [typed.row(text, ENOUGH) for text in texts(change_record)]
    assert all(each == made[0] for each in made)
    if made[0] is None:
        return None
    key, data, time_ms, unmapped = made[0]
    assert time_ms == decode_change(change_record).timestamp_ms
    return [(key, data, {*unmapped})] if key is not None else NO_ROW


def check(made, change_record, *like):
    """Check that the typed path agrees with the exact one; tell whether it made the rows itself."""
    return agrees(learned_from(made, *(like or [change_record])), made, change_record)


def agrees(typed, made, change_record):
    rows = rows_of(typed, change_record)
    if rows is not None:
        assert rows == exact(made, change_record)
    return rows is not None


# Values that people store, values at the edge of what the types take, and anything.
plain_texts = st.text(st.characters(codec="utf-8"), max_size=14) | st.sampled_from(
    ["", "a\nb", 'a "b"', "a\\b", "\\u0000", "\0", "\x01", "\x7f", "ü" * 12, "ü" * 13, "😀" * 6, "😀" * 7, "{[,]}"]
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
        *("0.1", "0.0001", "0.00001", "0.000123", "-0.00001", "0.10", "1.50", "123456789", "1234567890", "٣", "inf"),
        *("2147483647", "2147483648", "-2147483648", "-2147483649", "999999999", "9999999999", "10000000000"),
        *("9007199254740993", "9007199254740993.0", "1.00000000000000000001", "0.99999999999999999999", "1e16"),
        *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1e125"),
        *(
            "1719080907442",
            "99999999999999",
            "253402300799999",
            "253402300800000",
            "1719080907.442",
            "12345678901234567",
        ),
        *("1" * 38, "1" * 39, "-" + "1" * 38, "0." + "1" * 37, "1E-130", "123456789.123456789"),
    ]
)
numbers = decimals | edges | strategies.numbers().map(str)
attributes = st.one_of(
    st.builds(lambda text: {"S": text}, plain_texts),
    st.builds(lambda number: {"N": number}, numbers),
    st.builds(lambda value: {"BOOL": value}, st.booleans()),
    st.just({"NULL": True}),
    st.builds(lambda members: {"SS": members}, st.lists(plain_texts, min_size=1, max_size=4)),
    st.builds(lambda members: {"NS": members}, st.lists(numbers, min_size=1, max_size=4)),
    st.builds(lambda items: {"L": items}, st.lists(st.builds(lambda each: {"N": each}, numbers), max_size=4)),
    strategies.values.map(strategies.encode),
)


# Inside a JSON column: U+0000, and numbers that DynamoDB writes otherwise, or that are longer.
TAKES_EXACT_PATH = re.compile(r'\\u0000|"N": "(?:[^"]*E|[^"]{39})')


def number(lowest, highest):
    return st.integers(lowest, highest).map(lambda value: {"N": str(value)})


small = st.text('aü\n"€z ', max_size=4)
canonical = st.builds(
    lambda sign, whole, places: {"N": f"{sign}{whole}.{places}"},
    st.sampled_from(["", "-"]),
    st.integers(0, 10**9 - 1),
    st.integers(1, 10**5).map(lambda value: f"{value}1"[:6].rstrip("0")),
)
fitting = {
    "int": number(-(2**31), 2**31 - 1),
    "long": number(-(2**63), 2**63 - 1),
    "double": canonical | number(-(10**15), 10**15),
    "decimal": canonical | number(-(10**37) + 1, 10**38 - 1),  # 38 characters, the sign among them
    "flag": st.booleans().map(lambda value: {"BOOL": value}),
    "text": small.map(lambda value: {"S": value}),
    "moment": number(2**31, 10**14),
    "float": canonical,
    "bytes": st.binary(max_size=8).map(strategies.encode),
    "json": st.dictionaries(st.sampled_from(["a", "b"]), strategies.values, max_size=3)
    .map(strategies.encode)
    .filter(lambda attribute: not TAKES_EXACT_PATH.search(json.dumps(attribute))),
    "texts": st.frozensets(small, min_size=1, max_size=4).map(lambda members: {"SS": list(members)}),
    "longs": st.lists(number(-(2**63), 2**63 - 1), max_size=4).map(lambda each: {"L": each}),
    "näme": small.map(lambda value: {"S": value}),
    "secret": strategies.values.map(strategies.encode),
    "unmapped": strategies.values.map(strategies.encode),
}
ordinary = st.fixed_dictionaries({}, optional=fitting)
# Not of the attribute that nothing uses: of what DynamoDB never writes, the types miss some there (docs/limits.md).
odd = st.dictionaries(
    st.sampled_from([*sorted(fitting.keys() - {"unmapped"}), "changed"]), attributes, max_size=1
) | st.dictionaries(st.sampled_from(["odd", 'a "name"']), strategies.values.map(strategies.encode), max_size=1)
items = ordinary | st.builds(lambda item, more: {**item, **more}, ordinary, odd)
keys = (st.text("aü:€") | plain_texts).map(lambda text: {"id": {"S": text}})
event_names = st.sampled_from(["INSERT", "MODIFY", "REMOVE"])
tables = st.sampled_from([TABLE, TABLE, REST, FILTERED])


def change(name, each_keys, item, old, **outer):
    return record(
        name, each_keys, new=None if name == "REMOVE" else item, old=item if name == "REMOVE" else old, **outer
    )


def in_kinesis_form(change_record, unit):
    """The same change as Kinesis Data Streams for DynamoDB write it."""
    inner = {name: value for name, value in change_record["dynamodb"].items() if name != "SequenceNumber"}
    inner["ApproximateCreationDateTime"] *= 1_000_000 if unit == "MICROSECOND" else 1_000
    inner |= {"ApproximateCreationDateTimePrecision": unit} if unit else {}
    outer = {name: value for name, value in change_record.items() if name != "eventSourceARN"}
    return {
        "userIdentity": None,
        **outer,
        "dynamodb": inner,
        "tableName": "meetups",
        "recordFormat": "application/json",
    }


@settings(max_examples=2500, deadline=None)
@given(number=st.integers(0, 2), each_keys=keys, item=items, old=items | st.none(), name=event_names)
@example(number=0, each_keys=KEYS, item={"double": {"N": "-0.5"}}, old=None, name="MODIFY")
def test_a_row_of_the_typed_path_is_the_exact_paths_to_the_byte(number, each_keys, item, old, name):
    made, typed = LEARNED[number]
    agrees(typed, made, change(name, each_keys, item, old))


@settings(max_examples=1000, deadline=None)
@given(made=tables, first=items, second=items, other_keys=keys, old=items | st.none(), name=event_names)
def test_what_was_learned_from_one_item_gives_the_exact_row_of_another_or_none(
    made, first, second, other_keys, old, name
):
    check(made, change(name, other_keys, second, old), change(name, KEYS, first, old))


@settings(max_examples=800, deadline=None)
@given(item=items, old=items, name=event_names, unit=st.sampled_from([None, "MILLISECOND", "MICROSECOND"]))
def test_changes_in_the_form_of_kinesis_give_the_exact_row_or_none(item, old, name, unit):
    check(TABLE, in_kinesis_form(change(name, KEYS, item, old), unit))


@settings(max_examples=500, deadline=None)
@given(item=ordinary, old=ordinary, name=event_names, kinesis=st.booleans(), order=st.randoms())
def test_an_ordinary_change_takes_the_typed_path(item, old, name, kinesis, order):
    """Otherwise the properties here would say nothing."""
    names = [*item]
    order.shuffle(names)
    plain = change(name, KEYS, {each: item[each] for each in names}, old)
    assert check(TABLE, in_kinesis_form(plain, "MICROSECOND") if kinesis else plain)


@settings(max_examples=500, deadline=None)
@given(item=ordinary, old=ordinary, name=event_names)
def test_an_ordinary_change_takes_the_typed_path_of_a_filtered_table(item, old, name):
    plain = change(name, KEYS, item, old)
    takes_typed = check(FILTERED, plain)
    left = name == "MODIFY" and exact(FILTERED, plain) and json.loads(exact(FILTERED, plain)[0][1])["deleted"]
    assert takes_typed or left, "only an item that is no row any more is left to the exact path"


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
    "json": {"M": {"city": {"S": "Berlin"}, "b": {"N": "1.1"}}},
    "texts": {"SS": ["b", "a"]},
    "longs": {"L": [{"N": "2"}, {"N": "1"}]},
    "näme": {"S": "%d"},
    "secret": {"S": "left out"},
    "unmapped": {"L": []},
}


LEARNED = [
    (made, learned_from(made, *(change(name, KEYS, ORDINARY, ORDINARY) for name in ("INSERT", "MODIFY", "REMOVE"))))
    for made in (TABLE, REST, FILTERED)
]


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
def test_an_item_of_every_type_takes_the_typed_path(name):
    every = change(name, KEYS, ORDINARY, ORDINARY)
    ((key, data, unmapped),) = rows_of(learned_from(TABLE, every), every)
    assert (key, unmapped) == ("1:a", {"unmapped"})
    assert [(key, data, unmapped)] == exact(TABLE, every)
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
        "näme": "%d",
        "odd": name,
        "changed": 1719082124000,
        "moment": 1719080907442,
    }


@pytest.mark.parametrize(
    "item",
    [
        {"text": {"S": "nul \0"}},
        {"text": {"S": "longer than twelve"}},
        {"text": {"S": "😀" * 7}},
        {"int": {"N": "3000000000"}},
        {"int": {"N": "1.5"}},
        {"int": {"N": "1.00000000000000000001"}},
        {"long": {"N": "9007199254740993.0"}},
        {"decimal": {"N": "1.50"}},
        {"moment": {"N": "1719080907"}},
        {"flag": {"BOOL": "true"}},
        {"float": {"N": "1e39"}},
        {"json": {"X": 1}},
        {"json": {"M": {"a": {"N": "1.50"}}}},
        {"unmapped": {"X": 1}},
        {"int": {"S": "5", "N": "5"}},
        {"int": "5"},
        {"half \ud800": {"S": "a"}},
        {"text": {"S": "half \ud800"}},
        {"changed": {"N": "1"}},
    ],
)
def test_a_value_that_types_do_not_decide_is_left_to_the_exact_path(item):
    like = insert(
        KEYS, {"int": {"N": "1"}, **{name: ORDINARY.get(name, {"S": "x"}) for name in item if name != "changed"}}
    )
    assert learned_from(TABLE, insert(KEYS, {})).row(orjson.dumps(insert(KEYS, {})), ENOUGH) is not None
    typed = TypedRows(TABLE, source_of(like, decode_change(insert(KEYS, {}))))
    typed.learn(decode_change(insert(KEYS, {"unmapped": {"S": "x"}})))
    assert [typed.row(text, ENOUGH) for text in texts(insert(KEYS, {"int": {"N": "1"}, **item}))][-1] is None


def with_inner(change_record, **inner):
    """A record with something else in it; None removes."""
    changed = {**change_record["dynamodb"], **inner}
    return {**change_record, "dynamodb": {name: value for name, value in changed.items() if value is not None}}


@pytest.mark.parametrize("image", [{"id": {"S": "b"}}, {"id": {"N": "5"}}, {}])
@pytest.mark.parametrize("name", ["NewImage", "OldImage"])
def test_an_image_with_other_keys_is_left_to_the_exact_path(name, image):
    like = modify(KEYS, {"int": {"N": "1"}}, {"int": {"N": "2"}})
    assert check(TABLE, like)
    assert not check(TABLE, with_inner(like, **{name: {"int": {"N": "1"}, **image}}), like)


@pytest.mark.parametrize("attribute", [{"N": "1"}, {"N": "1.5"}, {"B": "AAH+"}, {"S": 'a "b"'}])
@pytest.mark.parametrize("has_column", [False, True])
def test_a_sort_key_is_compared_whether_a_column_takes_it_or_not(attribute, has_column):
    data_type = "DOUBLE" if "N" in attribute else "BYTES" if "B" in attribute else "STRING"
    made = table(with_column("sort", data_type)) if has_column else table()
    like = insert({**KEYS, "sort": attribute}, {})
    assert check(made, like)
    for other in ({"N": "2"}, {"B": "AAAA"}, {"S": "b"}):
        assert not check(made, with_inner(like, Keys={**KEYS, "sort": other}), like)


KEY_VALUES = {
    "STRING": [{"S": "Köln"}, {"S": 'a "b"'}, {"S": "x" * 300}, {"S": ""}],
    "INT": [{"N": "-12"}, {"N": "0"}],
    "LONG": [{"N": "9223372036854775807"}],
    "DOUBLE": [{"N": "1.5"}, {"N": "20"}, {"N": "-0.25"}],
    "BIG_DECIMAL": [{"N": "1.5"}, {"N": "1" * 38}],
    "BOOLEAN": [{"BOOL": True}, {"BOOL": False}],
    "BYTES": [{"B": "AAH+"}],
    "TIMESTAMP": [{"N": "1719080907442"}],
}


@pytest.mark.parametrize(
    ("data_type", "attribute"), [(kind, each) for kind, many in KEY_VALUES.items() for each in many]
)
def test_a_primary_key_of_every_type_takes_the_typed_path(data_type, attribute):
    spec = {"maxLength": 400} if data_type == "STRING" else {}
    schema = with_setting(with_column("k", data_type, **spec), "primaryKeyColumns", ["k", "id"])
    assert check(table(schema), insert({**KEYS, "k": attribute}, {}))


@pytest.mark.parametrize(("data_type", "attribute"), [("STRING", {"N": "5"}), ("STRING", {"BOOL": True})])
@pytest.mark.parametrize("is_key", [False, True])
def test_values_of_another_type_that_fit_are_learned(data_type, attribute, is_key):
    schema = with_column("k", data_type)
    made = table(with_setting(schema, "primaryKeyColumns", ["k", "id"]) if is_key else schema)
    usual, other = insert({**KEYS, "k": {"S": "x"}}, {}), insert({**KEYS, "k": attribute}, {})
    assert not check(made, other, usual)
    assert check(made, other, usual, other)
    assert check(made, usual, usual, other)


def test_times_as_text_are_learned():
    made = wide_table()
    text = insert(KEYS, {"moment": {"S": "2024-06-22T10:00:00Z"}})
    assert check(made, text)
    assert check(made, insert(KEYS, {"moment": {"N": "1719080907442"}}), text)


def moved(old_city, new_city):
    return modify(KEYS, {"city": {"S": new_city}}, {"city": {"S": old_city}})


def test_an_update_that_moves_the_primary_key_is_left_to_the_exact_path():
    assert check(CITY_KEY, insert(KEYS, {"city": {"S": "Rome"}}))
    assert check(CITY_KEY, moved("Rome", "Rome"))
    assert not check(CITY_KEY, moved("Oslo", "Rome"))
    assert not check(CITY_KEY, modify(KEYS, {"city": {"S": "Rome"}}))
    assert len(exact(CITY_KEY, moved("Oslo", "Rome"))) == 2


@pytest.mark.parametrize("written", ["1719082124.0", "1.719082124E9", "1719082124.026"])
def test_a_time_that_lambda_writes_as_a_float_takes_the_typed_path(written):
    like = insert(KEYS, {"name": {"S": "x"}})
    text = orjson.dumps(like).replace(b"1719082124,", f"{written},".encode())
    record = json.loads(text)
    assert record["dynamodb"]["ApproximateCreationDateTime"] == float(written)
    key, data, time_ms, _ = learned_from(table(), like).row(text, ENOUGH)
    assert [(key, data)] == [row[:2] for row in exact(table(), record)]
    assert time_ms == decode_change(record).timestamp_ms


@pytest.mark.parametrize("origin", ["$table", "$region"])
def test_an_update_without_its_old_image_is_left_to_the_exact_path_if_the_key_is_no_attribute(origin):
    schema = with_setting(with_column("part", "STRING"), "primaryKeyColumns", ["part"])
    made = table(schema, source={"columns": {"part": origin}})
    assert exact(made, modify(KEYS, {})) == "no_image"
    assert not check(made, modify(KEYS, {}))
    assert check(made, modify(KEYS, {}, {}))


@pytest.mark.parametrize("key", [["id"], ["id", "part"]])
def test_a_change_that_names_no_table_has_no_value_for_it(key):
    schema = with_setting(with_column("part", "STRING"), "primaryKeyColumns", key)
    made = table(schema, source={"columns": {"part": "$table"}})
    nameless = {**insert(KEYS, {}), "eventSourceARN": "arn:x"}
    assert check(made, nameless) is (key == ["id"])


@pytest.mark.parametrize("origin", ["$table", "$region", "address.city"])
def test_a_primary_key_with_a_part_that_is_no_attribute_gives_the_exact_row(origin):
    schema = with_setting(with_column("part", "STRING"), "primaryKeyColumns", ["id", "part"])
    made = table(schema, source={"columns": {"part": origin}})
    item = {"address": {"M": {"city": {"S": "Berlin"}}}}
    assert check(made, insert(KEYS, item))
    check(made, modify(KEYS, item, item))


@pytest.mark.parametrize("name", ["None", "eventID", "a0", "image", "%b", "{x}", "a.b", "c0", "more"])
@pytest.mark.parametrize("is_key", [False, True], ids=["attribute", "key"])
def test_an_attribute_may_be_called_anything(name, is_key):
    schema = with_column("column", "STRING")
    made = table(
        with_setting(schema, "primaryKeyColumns", ["column"]) if is_key else schema,
        source={"columns": {"column": path_text((name,))}},
    )
    each_keys, item = ({name: {"S": "x"}}, {"name": {"S": "y"}}) if is_key else (KEYS, {name: {"S": "x"}})
    assert check(made, insert(each_keys, item))


@pytest.mark.parametrize("name", ['a "b"', "a\\b", "a\nb"])
def test_an_attribute_whose_name_json_escapes_takes_the_exact_path_if_a_column_takes_it(name):
    made = table(with_column("column", "STRING"), source={"columns": {"column": path_text((name,))}})
    assert not check(made, insert(KEYS, {name: {"S": "x"}}))
    assert check(table(), insert(KEYS, {name: {"S": "x"}})), "and otherwise it is reported as any other"


def test_an_attribute_that_several_columns_take_is_in_each():
    schema = with_column("again", "JSON")
    schema["dimensionFieldSpecs"].append({"name": "first", "dataType": "LONG"})
    made = table(schema, source={"columns": {"again": "list", "first": "list[0].count"}})
    item = {"list": {"L": [{"M": {"count": {"N": "3"}, "more": {"NULL": True}}}]}}
    assert check(made, insert(KEYS, item))
    assert not check(made, insert(KEYS, {"list": {"S": "a"}}), insert(KEYS, item))
    assert check(made, insert(KEYS, {"list": {"L": []}}), insert(KEYS, item))


def test_what_pinots_expressions_read_takes_the_typed_path():
    transforms = [{"columnName": "name", "transformFunction": "concat(nick, eventID)"}]
    made = table(config=with_setting(CONFIG, "ingestionConfig.transformConfigs", transforms))
    for nick in ({"S": "x"}, {"N": "1"}, {"BOOL": True}, {"NULL": True}, {"M": {"b": {"N": "1"}, "a": {"L": []}}}):
        for name in ("INSERT", "MODIFY", "REMOVE"):
            assert check(made, change(name, KEYS, {"nick": nick, "name": {"S": "computed"}}, {}))


@pytest.mark.parametrize(
    "source",
    [{"columns": {"changed": "stamp"}}, {"columns": {"changed": "a.stamp"}}, {"columns": {"changed": "$timestamp"}}],
)
def test_a_comparison_column_may_be_anything_that_orders(source):
    made = table(source=source)
    stamp = {"N": "1719080907442"}
    item = {"stamp": stamp, "a": {"M": {"stamp": stamp}}}
    like = insert(KEYS, item)
    assert check(made, like)
    for incomplete in ({"stamp": {"NULL": True}, "a": {"M": {}}}, {}):
        assert check(made, insert(KEYS, incomplete), like) is (source["columns"]["changed"] == "$timestamp")
    named = insert(KEYS, {**item, "changed": {"N": "1"}})
    assert check(made, named, like, named)


@pytest.mark.parametrize(
    ("origin", "data_type"),
    [
        *(("$version", "STRING"), ("$sequence_number", "STRING"), ("$event_id", "STRING"), ("$size_bytes", "LONG")),
        *(("$table", "STRING"), ("$region", "STRING"), ("$view_type", "STRING"), ("$ttl_delete", "BOOLEAN")),
        *(("$deleted", "INT"), ("$event_name", "STRING"), ("$timestamp", "LONG")),
    ],
)
@pytest.mark.parametrize("name", ["INSERT", "REMOVE"])
def test_a_column_may_hold_any_property_of_a_change(origin, data_type, name):
    made = table(with_column("told", data_type), source={"columns": {"told": origin}})
    like = change(name, KEYS, {}, {})
    other = {**change(name, KEYS, {}, {}, second=1719082125), "awsRegion": "eu-west-1", "userIdentity": TTL_IDENTITY}
    other["dynamodb"] |= {"SizeBytes": 4711, "StreamViewType": "NEW_IMAGE"}
    for each in (like, other, in_kinesis_form(other, None)):
        assert check(made, each) or (origin == "$ttl_delete" and name == "INSERT")
    bare = {part: value for part, value in other.items() if part not in ("eventID", "awsRegion")}
    bare["dynamodb"] = {
        part: value for part, value in bare["dynamodb"].items() if part not in ("SizeBytes", "StreamViewType")
    }
    assert check(made, bare) or (origin == "$ttl_delete" and name == "INSERT")
    check(made, in_kinesis_form(bare, None))


def test_seconds_and_a_flag_of_text_take_the_typed_path():
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
    schema = with_setting(schema, "dimensionFieldSpecs.2.dataType", "STRING")
    assert check(table(schema), insert(KEYS, {"name": {"S": "x"}}))


@pytest.mark.parametrize("time", [1719082124.5, 2147483, 4102444800, 171908212, 17190821240, -1719082124])
@pytest.mark.parametrize("unit", [None, "SECOND", "MILLISECOND", "MICROSECOND"])
@pytest.mark.parametrize("kinesis", [False, True])
def test_a_time_of_any_unit_is_the_exact_paths_or_left_to_it(time, unit, kinesis):
    like = insert(KEYS, {"name": {"S": "x"}})
    like = in_kinesis_form(like, None) if kinesis else like
    typed = learned_from(table(), like)
    other = with_inner(like, ApproximateCreationDateTime=time, ApproximateCreationDateTimePrecision=unit)
    made = typed.row(orjson.dumps(other), ENOUGH)
    assert made is None or [made[:2]] == [row[:2] for row in exact(table(), other)]


@pytest.mark.parametrize("policy", ["keep", "delete"])
@pytest.mark.parametrize("identity", [None, TTL_IDENTITY, {"type": "Service", "principalId": "somebody"}])
def test_deletes_by_time_to_live_take_the_typed_path(policy, identity):
    made = table(source={"ttl_deletes": policy})
    deleted = {**remove(KEYS, {"name": {"S": "x"}}), "userIdentity": identity}
    assert check(made, deleted)
    is_kept = policy == "keep" and identity == TTL_IDENTITY
    assert (rows_of(learned_from(made, deleted), deleted) == NO_ROW) is is_kept


def test_without_the_image_that_a_row_is_made_from_the_exact_path_decides():
    typed = learned_from(table(), insert(KEYS, {}), modify(KEYS, {}), remove(KEYS, {}))
    for each in (remove(KEYS), modify(KEYS, None)):
        assert typed.row(orjson.dumps(each), ENOUGH) is None


def test_a_row_near_the_size_limit_is_left_to_the_exact_path():
    plain = insert(KEYS, {"name": {"S": "x"}})
    typed = learned_from(table(), plain)
    _, data, *_ = typed.row(orjson.dumps(plain), ENOUGH)
    assert typed.row(orjson.dumps(plain), len(data) + MAX_KEY_BYTES) is not None
    assert typed.row(orjson.dumps(plain), len(data) + MAX_KEY_BYTES - 1) is None


@pytest.mark.parametrize(
    "outer",
    [
        {"eventSource": "aws:kinesis"},
        {"eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/other/stream/1"},
        {"tableName": "other"},
        {"recordFormat": "application/json"},
        {"eventName": "TRUNCATE"},
        {"eventName": "MODIFY"},
        {"dynamodb": []},
    ],
)
def test_a_record_of_another_source_or_kind_is_left_to_the_exact_path(outer):
    like = insert(KEYS, {"name": {"S": "x"}})
    typed = learned_from(table(), like)
    assert typed.row(orjson.dumps(like), ENOUGH) is not None
    assert typed.row(orjson.dumps({**like, **outer}), ENOUGH) is None
    for text in (b"", b"{", b"null", b"[]", b"\xff"):
        assert typed.row(text, ENOUGH) is None


@pytest.mark.parametrize(("first", "last"), [("1.5", "2"), ("2", "1.5"), (None, "1.5"), ("1.5", None), ("x", "2")])
def test_of_a_name_that_stands_twice_the_last_value_counts(first, last):
    def attribute(text):
        return json.dumps({"NULL": True} if text is None else {"N": text})

    like = insert(KEYS, {"price": {"N": "1.5"}})
    text = json.dumps(like).replace('{"N": "1.5"}', f'{attribute(first)},"price":{attribute(last)}')
    made = learned_from(table(), like).row(text.encode(), ENOUGH)
    assert (made is None) is (first == "x")
    assert made is None or made[:2] == exact(table(), json.loads(text))[0][:2]
