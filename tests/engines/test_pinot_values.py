"""Pinot shows every value as it is in DynamoDB, or the value is a dead letter: there is no third outcome."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changes import insert
from decoder.attribute import decode
from dynapinot.init.files import JSON_INDEX
from engines.feed import COMPLETE, consume, rows_of
from engines.pinot_engine import ROOT, EngineError
from engines.roundtrip import COLUMNS, EVERY_COLUMN, differences, parse_document, schema_with, truth
from files import table, with_column, with_setting
from pinot.values import MAX_MULTI_VALUES, shapes_of
from strategies import encode, numbers, texts, values

pytestmark = pytest.mark.engines

TEXTS = (
    *("", " ", " a ", "\t", "null", "true", "false", "NaN", "Infinity", "-0", "00", "1e5", "0x1F", "1_000", "9" * 40),
    *("'", '"quoted"', "\\", "\x7f", "\u2028", "\ud7ff", "\uffff", "\ufeff{}", "é", "a\u0000", "\u0000", "a\u0000b"),
    *("\U0001f600" * 2, "\U0001f600" * 3, "ab\U0001f600cd", "abcd\U0001f600", "a" * 5, "a" * 6),
    *("a" * 512, "a" * 513, "\U0001f600" * 256, "a" + "\U0001f600" * 256, "x" * 390_000, "é" * 100_000),
    *("2024-06-22", "2024-06-22T10:00:00", "2024-06-22T10:00:00Z", "2024-06-22t10:00:00.123456789z"),
    *("2024-06-22 10:00:00+05:45", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    *("1969-12-31T23:59:59.9999Z", "1970-01-01T00:00:00Z", "1970-01-25T20:31:23.647Z", "1970-01-25T20:31:23.648Z"),
)
DOCUMENTS = (
    *("{}", "[]", "[1,2]", "[null]", "[[]]", " [1]", "[ 1 , 2 ]\n", '{"a":1}', '{ "b" : 1, "a" : 2}', '{"":""}'),
    *("[1] [2]", "[1]x", "{", "[1,]", "[01]", "[NaN]", "['a']"),
    *('{"a":1.50}', "[1.0]", "[100]", "[1E2]", "[-0]", "[-0.0]", "[1e-400]", "[1E-300000]", "[0.1e-5000]"),
    *("[12345678901234567890123456789012345678901234567890]", "[0.10000000000000000000000000000000000000001]"),
    *('["\\u0000"]', '["\\u00e9"]', '["\\ud83d\\ude00"]', '["\\ud800"]', '["a/b\\/c"]', '["\x7f"]', '["\u2028"]'),
    *("[" * 999 + "]" * 999, "[" * 1000 + "]" * 1000, "[" * 1001 + "]" * 1001, "[" * 998 + "1" + "]" * 998),
    *(f"[{'1' * 999}]", f"[{'1' * 1001}]", f'{{"{"a" * 50_000}":1}}', f'{{"{"a" * 50_001}":1}}'),
)
NUMBERS = tuple(
    Decimal(text)
    for text in (
        *("0", "1", "-1", "0.1", "1.5", "-1.5", "1E2", "1E125", "9.9999999999999999999999999999999999999E+125"),
        *("1E-130", "-1E-130", "2147483647", "2147483648", "-2147483648", "-2147483649"),
        *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
        *("9007199254740993", "16777217", "99999999999999999999999999999999999999"),
        *("1.4E-45", "1.3E-45", "7E-46", "3.4028234E38", "3.4028235E38", "3.4028236E38"),
        *("1719082124", "1719082124026", "1719082124026.5", "1719039879869591", "-62135596800000", "-62135596800001"),
        *("253402300799999", "253402300800000", "1000", "-1000"),
    )
)
BINARIES = (b"", b"\0", b"abcd", b"abcde", bytes(range(256)), b"\xff" * 100_000)
SCALARS = (*TEXTS, *DOCUMENTS, *NUMBERS, *BINARIES, True, False, None)


def in_lists(members):
    return [each for member in members for each in ([member], [member, member], {"a": member}, frozenset({member}))]


def test_unusual_values_are_preserved_or_become_dead_letters(pinot):
    assert differences(pinot, SCALARS) == []


def test_unusual_values_in_lists_maps_and_sets_are_preserved_or_become_dead_letters(pinot):
    assert differences(pinot, in_lists((*TEXTS, *NUMBERS, *BINARIES))) == []
    assert differences(pinot, [[], {}, [True], [True, False], [None], [True, None], [[]], [{}]]) == []


# Texts around the default maxLength of 512 and the 5 of some columns, in one-unit and two-unit characters.
long_texts = st.builds(
    lambda size, wide, at: "a" * min(at, size) + wide * (size // 2) + "z" * max(0, size - at),
    st.integers(0, 6) | st.integers(250, 520),
    st.sampled_from(("a", "é", "\U0001f600")),
    st.integers(0, 6),
)
small_numbers = st.integers(-(2**33), 2**33).map(Decimal) | st.integers(-(2**65), 2**65).map(Decimal)
times = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
time_numbers = st.integers(-62135596800010, 253402300800010).map(Decimal)
finite_floats = st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none()
    | st.booleans()
    | texts
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
).filter(lambda document: isinstance(document, list | dict))
document_texts = st.builds(json.dumps, documents, indent=st.none() | st.just(1), ensure_ascii=st.booleans())
scalars = (
    *(texts, long_texts, document_texts, numbers(), small_numbers, time_numbers, times, st.binary(max_size=8)),
    *(st.booleans(), st.none(), st.sampled_from(TEXTS), st.sampled_from(NUMBERS)),
)
anything = st.one_of(
    *scalars,
    *(st.lists(each, max_size=4) for each in scalars),
    *(st.frozensets(each, min_size=1, max_size=4) for each in scalars[:8]),
    values,
)


@settings(max_examples=40)
@given(st.lists(anything, min_size=1, max_size=12))
def test_any_value_in_any_column_is_preserved_or_becomes_a_dead_letter(pinot, drawn):
    assert differences(pinot, drawn) == []


MUTANTS = {
    "numbers wrap": ("INT", "N", lambda number: int(number) % 2**64 - 2**63),
    "fractions are cut": ("LONG", "N", lambda number: int(number) if abs(number) < 2**63 else 0),
    "large floats": ("FLOAT", "N", float),
    "digits are lost": ("BIG_DECIMAL", "N", float),
    "times are numbers": ("TIMESTAMP", "N", lambda number: int(number) if abs(number) < 2**63 else 2**40),
    "text is cut": ("STRING", "S", str),
    "base64": ("BYTES", "B", lambda data: b64encode(data).decode()),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_rule_is_detected(pinot, monkeypatch, mutant):
    right, (column, tag, wrong) = shapes_of, MUTANTS[mutant]

    def shapes(data_type, max_length):
        return {**right(data_type, max_length), **({tag: wrong} if data_type == column else {})}

    monkeypatch.setattr("pinot.values.shapes_of", shapes)
    found = differences(pinot, SCALARS, of=table(EVERY_COLUMN, COMPLETE))
    assert found
    assert all(COLUMNS[each.split()[0]]["dataType"] == column for each in found)


@settings(max_examples=30)
@given(st.lists(st.dictionaries(texts.filter(bool), values, max_size=5), min_size=1, max_size=5))
def test_every_attribute_without_a_column_is_preserved_in_the_rest_column(pinot, items):
    schema = schema_with({"name": "rest", "dataType": "JSON"})
    made = table(schema, COMPLETE, {"columns": {"rest": "$rest"}})
    taken = {"id", "name", "price", "changed", "rest", "deleted"}
    items = [{name: value for name, value in item.items() if name not in taken} for item in items]
    with pinot.table(schema, COMPLETE) as consumer:
        for number, item in enumerate(items):
            attributes = {name: encode(value) for name, value in item.items()}
            consume(consumer, rows_of(made, insert({"id": {"S": str(number)}}, attributes)))
        shown = {row["id"]: row["rest"] for row in consumer.live()}
    assert {key: rest and parse_document(rest) for key, rest in shown.items()} == {
        str(number): truth({"dataType": "JSON"}, item) if item else None for number, item in enumerate(items)
    }


@pytest.mark.parametrize("size", [1_536, MAX_MULTI_VALUES])
def test_a_list_of_as_many_values_as_pinot_takes_comes_back(pinot, size):
    number = Decimal(7)
    assert differences(pinot, [[number] * size, [str(number)] * size, [True] * size]) == []


def page():
    """The values of docs/mapping.md that become rows, each with its column's spec."""
    text = (ROOT / "docs" / "mapping.md").read_text()
    lines = text[text.index("| column | attribute value |") :].split("\n\n")[0].splitlines()[2:]
    for line in lines:
        column, attribute, outcome = (cell.strip() for cell in line.strip("|").split(" | "))
        literal = outcome.strip("`")
        if outcome == "absent" or not literal.replace("_", "").isalpha() or literal in ("true", "false"):
            data_type, _, kind = column.partition(", ")
            spec = {"name": "v", "dataType": data_type, "singleValueField": kind != "multi-value"}
            yield pytest.param(spec, json.loads(attribute.strip("`")), id=f"{column} {attribute}")


@pytest.mark.parametrize(("spec", "attribute"), list(page()))
def test_each_value_on_the_page_is_preserved(pinot, spec, attribute):
    schema = schema_with(spec)
    with pinot.table(schema, COMPLETE) as consumer:
        consume(consumer, rows_of(table(schema, COMPLETE), insert({"id": {"S": "a"}}, {"v": attribute})))
        ((shown),) = [row["v"] for row in consumer.live()]
    assert (parse_document(shown) if spec["dataType"] == "JSON" else shown) == truth(spec, decode(attribute))


def conversions():
    """The page's values that Pinot converts: the column's spec, the expression, attribute values, what Pinot shows."""
    text = (ROOT / "docs" / "mapping.md").read_text()
    for line in text[text.index("| the values | the column |") :].split("\n\n")[0].splitlines()[2:]:
        given_, column, expression, outcome = (cell.strip() for cell in line.strip("|").split(" | "))
        attributes = json.loads(f"[{given_.replace('`', '')}]")
        data_type, _, kind = column.partition(", ")
        spec = {"name": "v", "dataType": data_type, "singleValueField": kind != "multi-value"}
        yield spec, expression.strip("`"), attributes, json.loads(f"[{outcome.replace('`', '')}]")


@pytest.mark.parametrize(("spec", "expression", "attributes", "expected"), list(conversions()))
def test_pinot_converts_values_of_several_types_as_the_page_says(pinot, spec, expression, attributes, expected):
    schema = schema_with(spec)
    transforms = [{"columnName": "v", "transformFunction": expression}]
    config = with_setting(COMPLETE, "ingestionConfig.transformConfigs", transforms)
    config = with_setting(config, "ingestionConfig.continueOnError", value=True)
    changes = [insert({"id": {"S": str(n)}}, {"attribute": each}) for n, each in enumerate(attributes)]
    with pinot.table(schema, config) as consumer:
        consumer.ingest(entry.data for entry in rows_of(table(schema, config), *changes))
        assert {row["id"]: row["v"] for row in consumer.live()} == {str(n): each for n, each in enumerate(expected)}


@pytest.mark.parametrize(
    ("expression", "shown"), [("jsonFormat(meta)", "0.12345678901234568"), (None, "0.1234567890123456789")]
)
def test_a_json_column_keeps_every_digit_and_an_expression_does_not(pinot, expression, shown):
    schema = schema_with({"name": "v", "dataType": "JSON"})
    transforms = [{"columnName": "v", "transformFunction": expression}]
    config = with_setting(COMPLETE, "ingestionConfig.transformConfigs", transforms) if expression else COMPLETE
    made = table(schema, config, {} if expression else {"columns": {"v": "meta"}})
    record = insert({"id": {"S": "a"}}, {"meta": {"M": {"x": {"N": "0.1234567890123456789"}}}})
    with pinot.table(schema, config) as consumer:
        consume(consumer, rows_of(made, record))
        assert [row["v"] for row in consumer.live()] == [f'{{"x":{shown}}}']


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("jsonPathLong(m, '$.a')", -(2**63)),
        ("jsonPathLong(m, '$.a', 0)", 0),
    ],
)
def test_a_path_without_a_default_gives_the_least_number_where_nothing_is(pinot, expression, shown):
    schema = schema_with({"name": "v", "dataType": "LONG"})
    transforms = [{"columnName": "v", "transformFunction": expression}]
    config = with_setting(COMPLETE, "ingestionConfig.transformConfigs", transforms)
    record = insert({"id": {"S": "a"}}, {"m": {"M": {"b": {"N": "1"}}}})
    with pinot.table(schema, config) as consumer:
        consume(consumer, rows_of(table(schema, config), record))
        assert [row["v"] for row in consumer.live()] == [shown]


LISTS = [list(range(400)), [{"n": number} for number in range(400)]]
UNUSUAL_JSON = (
    *(None, 5, "text", {}, [], [[]], [{}], [1, {"a": [2]}], {"a": LISTS[0], "b": LISTS[1]}, {"a": {"b": LISTS}}),
    *(
        {"n" * 50_000: 1},
        {"a": "x" * 300_000},
        {"": {".": {"[0]": 1}}},
        {f"key_{number}": number for number in range(2_000)},
    ),
)


def test_a_proposed_json_index_takes_every_value(pinot):
    with json_table(pinot, JSON_INDEX) as made:
        for number, value in enumerate(UNUSUAL_JSON):
            assert made.ingest([json_row(number, value)]) == [{"indexed": 1}]
        made.commit()
        assert len(made.live()) == len(UNUSUAL_JSON)


def test_with_an_index_as_pinot_makes_it_otherwise_one_value_stops_the_commit(pinot):
    with json_table(pinot, {}) as made:
        made.ingest([json_row(1, {"a": LISTS[0], "b": LISTS[1]})])
        with pytest.raises(EngineError, match="flattening JSON node"):
            made.commit()


def json_table(pinot, index):
    config = with_setting(COMPLETE, "tableIndexConfig.jsonIndexConfigs", {"document": index})
    return pinot.table(with_column("document", "JSON"), config)


def json_row(number, value):
    return json.dumps({"id": str(number), "document": json.dumps(value), "changed": 1, "deleted": False}).encode()
