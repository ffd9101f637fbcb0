"""The promise of pinot.values: a value that Pinot reads back is the one written to DynamoDB, or it is refused."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from decoder.attribute import decode
from decoder.errors import ChangeError, MalformedError
from decoder.number import number_text
from pinot.errors import Findings, MisfitError
from pinot.schema import read_schema
from pinot.values import converter, document, natural
from strategies import encode, numbers, sets, texts, values

INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
SINGLE = ("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN", "TIMESTAMP", "STRING", "JSON", "BYTES")
MULTIPLE = ("INT", "LONG", "FLOAT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "STRING")


def column(data_type, **spec):
    fields = [{"name": "c", "dataType": data_type, **spec}, {"name": "k", "dataType": "STRING"}]
    schema = read_schema({"dimensionFieldSpecs": fields, "primaryKeyColumns": ["k"]}, Findings("schema.json"))
    return converter(schema.fields[0])


def as_pinot_reads(data_type, cell):
    """Read a row's JSON value as Pinot 1.5.1 does (facts.md), and fail where Pinot would wrap, cut or drop it."""
    match data_type:
        case "INT" | "LONG":
            assert type(cell) is int
            assert cell in (INT32 if data_type == "INT" else INT64)
            return Decimal(cell)
        case "FLOAT" | "DOUBLE":
            assert type(cell) is float
            assert math.isfinite(cell)
            return cell
        case "BIG_DECIMAL":
            assert type(cell) is str
            return Decimal(cell)
        case "BOOLEAN":
            assert type(cell) is bool
            return cell
        case "TIMESTAMP":
            assert type(cell) is str or cell not in INT32
            return int(cell)
        case "STRING":
            assert type(cell) is str
            assert "\0" not in cell
            assert len(cell.encode("utf-16-le")) // 2 <= 512
            return cell
        case "JSON":
            assert type(cell) is str
            return json.loads(cell, parse_float=Decimal, parse_int=Decimal)
        case "BYTES":
            return bytes.fromhex(cell)
    raise AssertionError(data_type)


def as_written(data_type, value):
    """The meaning of a DynamoDB value in a column of that type."""
    match data_type, value:
        case (("FLOAT" | "DOUBLE"), Decimal()):
            return float(value)
        case "STRING", bool():
            return "true" if value else "false"
        case "STRING", Decimal():
            return format(value, "f")
        case "TIMESTAMP", str():
            return math.floor(Decimal(str(datetime.fromisoformat(value).timestamp())) * 1000)
        case "JSON", _:
            return json_form(value)
    return value


def json_form(value):
    match value:
        case bytes():
            return encode(value)["B"]
        case frozenset():
            return [json_form(member) for member in sorted(value)]
        case list():
            return [json_form(item) for item in value]
        case dict():
            return {name: json_form(item) for name, item in value.items()}
    return value


@given(st.sampled_from(SINGLE), values)
def test_a_single_value_reads_back_as_written_or_is_refused(data_type, value):
    assume(not (data_type == "JSON" and isinstance(value, str) and value.lstrip().startswith(("{", "["))))
    try:
        cell = column(data_type)(encode(value))
    except MisfitError:
        return
    if value is None:
        assert cell is None
    else:
        cell = orjson.loads(orjson.dumps(cell))  # as JSON, as the row is sent
        assert as_pinot_reads(data_type, cell) == as_written(data_type, value)


elements = st.lists(texts | numbers() | st.binary(max_size=9) | st.booleans(), max_size=5)


@given(st.sampled_from(MULTIPLE), elements)
def test_a_list_reads_back_as_written_or_is_refused(data_type, items):
    try:
        cells = column(data_type, singleValueField=False)(encode(items))
    except MisfitError as error:
        assert error.path.startswith("[")
        return
    if not items:
        assert cells is None
    else:
        assert len({type(cell) for cell in cells}) == 1, "Pinot uses the first value's type for all values"
        assert [as_pinot_reads(data_type, cell) for cell in cells] == [as_written(data_type, item) for item in items]


@given(st.sampled_from(MULTIPLE), sets)
def test_a_set_reads_back_sorted_or_is_refused(data_type, members):
    try:
        cells = column(data_type, singleValueField=False)(encode(members))
    except MisfitError:
        return
    written = [as_written(data_type, member) for member in sorted(members)]
    assert [as_pinot_reads(data_type, cell) for cell in cells] == written


@given(numbers())
def test_a_whole_number_is_exact_or_refused(number):
    for data_type, reach in (("INT", INT32), ("LONG", INT64)):
        fits = number == number.to_integral_value() and int(number) in reach
        try:
            assert column(data_type)(encode(number)) == number
        except MisfitError:
            assert not fits
        else:
            assert fits


@pytest.mark.parametrize("data_type", [*SINGLE, *(f"{name}[]" for name in MULTIPLE)])
@given(junk=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_every_column_refuses_a_malformed_value_as_malformed(data_type, junk):
    convert = column(data_type.removesuffix("[]"), singleValueField=not data_type.endswith("[]"))
    lists = [
        {tag: [{member: "1"}]} for tag in ("S", "N", "B", "BOOL", "NULL", "M", "SS", "NS", "BS") for member in "SN"
    ]
    for attribute in (junk, {"Q": junk}, {"L": [{"Q": junk}]}, {"M": {"a": {"N": "x"}}}, {"SS": []}, *lists):
        with pytest.raises(MalformedError):
            convert(attribute)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_date_with_a_time_zone_becomes_its_milliseconds(moment):
    text = moment.isoformat()
    whole = int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000
    assert column("TIMESTAMP")({"S": text}) == whole
    assert column("TIMESTAMP")({"S": text.replace("+00:00", "Z").replace("T", " ")}) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-06-22",
        "2024-06-22T10Z",
        "2024-06-22T10:00",
        "2024-06-22T10:00:00",
        "2024-06-22T10:00.5Z",
        "2024-06-22T10:00:00+2",
        "2024-06-22T10:00:00+02000",
        "2024-06-22T10:00:00 UTC",
        "2024-02-30T10:00:00Z",
        "2024-W25-6T10:00:00Z",
    ]
    + ["20240622T100000Z", "2024-06-22T25:00:00Z", "2024-06-22T10:00:60Z", "0001-01-01T00:00:00+05:00"[:-6] + "+24:00"]
    + ["٢٠٢٤-06-22T10:00:00Z", "2024-06-22T10:00:00Z\n", " 2024-06-22T10:00:00Z"],
)
def test_text_that_is_not_a_date_with_time_is_refused_in_a_timestamp(text):
    with pytest.raises(MisfitError) as caught:
        column("TIMESTAMP")({"S": text})
    assert caught.value.reason == "not_a_time"


@pytest.mark.parametrize(
    ("spec", "text", "fits"),
    [
        ({}, "a" * 512, True),
        ({}, "a" * 513, False),
        ({}, "ü" * 512, True),
        ({}, "🎉" * 256, True),
        ({}, "🎉" * 257, False),
        ({"maxLength": 3}, "abc", True),
        ({"maxLength": 3}, "abcd", False),
        ({"maxLength": 3, "maxLengthExceedStrategy": "ERROR"}, "abcd", False),
        ({"maxLength": 3, "maxLengthExceedStrategy": "NO_ACTION"}, "abcd", True),
        ({"maxLength": 100_000}, "a" * 100_000, True),
    ],
)
def test_the_length_of_text_is_measured_as_pinot_does(spec, text, fits):
    convert = column("STRING", **spec)
    if fits:
        assert convert({"S": text}) == text
    else:
        with pytest.raises(MisfitError) as caught:
            convert({"S": text})
        assert caught.value.reason == "too_long"


def test_json_and_bytes_have_a_limit_only_if_the_schema_names_a_strategy():
    long_text, long_bytes = {"S": "a" * 1000}, encode(b"a" * 1000)
    assert len(column("JSON", maxLength=10)(long_text)) == 1002
    assert len(column("BYTES", maxLength=10)(long_bytes)) == 2000
    for data_type, attribute in (("JSON", long_text), ("BYTES", long_bytes)):
        with pytest.raises(MisfitError) as caught:
            column(data_type, maxLength=10, maxLengthExceedStrategy="TRIM_LENGTH")(attribute)
        assert caught.value.reason == "too_long"


@pytest.mark.parametrize("data_type", ["INT", "FLOAT"])
def test_a_list_may_have_forty_thousand_values_and_no_more(data_type):
    convert = column(data_type, singleValueField=False)
    assert len(convert({"L": [{"N": "1"}] * 40_000})) == 40_000
    with pytest.raises(MisfitError) as caught:
        convert({"NS": [str(number) for number in range(40_001)]})
    assert caught.value.reason == "too_many_values"


@pytest.mark.parametrize(
    ("data_type", "multiple", "attribute", "detail", "hint"),
    [
        ("STRING", True, {"B": "AAH+"}, "a DynamoDB B does not fit multi-value STRING, which takes L, SS, NS", ""),
        ("BOOLEAN", True, {"B": "AAH+"}, "a DynamoDB B does not fit multi-value BOOLEAN, which takes L", ""),
        ("LONG", False, {"BOOL": True}, "a DynamoDB BOOL does not fit LONG, which takes N", ""),
        ("BOOLEAN", False, {"N": "1"}, "a DynamoDB N does not fit BOOLEAN, which takes BOOL", "CAST(… AS BOOLEAN)"),
        ("LONG", False, {"S": "1"}, "a DynamoDB S does not fit LONG, which takes N", "CAST(… AS LONG)"),
        (
            *("STRING", True, {"S": "a"}, "a DynamoDB S does not fit multi-value STRING, which takes L, SS, NS"),
            "an expression in transformConfigs takes it as a list of one",
        ),
        (
            *("BOOLEAN", True, {"L": [{"NULL": True}]}),
            "a DynamoDB NULL does not fit multi-value BOOLEAN, which takes BOOL",
            "an expression in transformConfigs leaves it out",
        ),
    ],
)
def test_a_misfit_names_types_that_exist_and_how_pinot_can_convert_it(data_type, multiple, attribute, detail, hint):
    with pytest.raises(MisfitError) as caught:
        column(data_type, singleValueField=not multiple)(attribute)
    what, _, how = caught.value.detail.partition("; ")
    assert (what, bool(how)) == (detail, bool(hint))
    assert how.startswith(hint)


@pytest.mark.parametrize("text", ["{}", "[]", ' {"a": [1, {"b": null}]}', '[1.10, "x"]', "\n[true]"])
def test_text_that_is_a_json_document_is_unchanged_in_a_json_column(text):
    assert column("JSON")({"S": text}) == text


@pytest.mark.parametrize(
    "text",
    ["", "null", "12", '"a"', "{", "[1] and more", "{'a': 1}", "[NaN]", "[" * 1001 + "]" * 1001, "[" + "1" * 1000 + "]"]
    + ['{"' + "n" * 50_001 + '": 1}'],
)
def test_any_other_text_becomes_a_json_string(text):
    assert json.loads(column("JSON")({"S": text})) == text


def test_a_name_that_pinots_json_parser_refuses_is_refused_here():
    assert column("JSON")({"M": {"n" * 50_000: {"N": "1"}}})
    with pytest.raises(MisfitError) as caught:
        column("JSON")({"L": [{"M": {"n" * 50_001: {"N": "1"}}}]})
    assert caught.value.reason == "too_long"


@given(values)
def test_json_text_is_canonical_and_keeps_every_digit(value):
    attribute = encode(value)
    text = document(natural(attribute))
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == json_form(decode(attribute))
    assert text == document(natural(shuffled(attribute)))


def shuffled(attribute):
    ((tag, payload),) = attribute.items()
    match tag:
        case "M":
            return {tag: {name: shuffled(item) for name, item in reversed(payload.items())}}
        case "L":
            return {tag: [shuffled(item) for item in payload]}
        case "SS" | "NS" | "BS":
            return {tag: payload[::-1]}
    return attribute


def test_the_error_of_a_refused_value_has_its_path_and_never_the_value():
    secret = "s3cr3t"
    for data_type, attribute, path in (
        ("INT", {"S": secret}, ""),
        ("TIMESTAMP", {"S": secret}, ""),
        ("STRING", {"S": secret + "\0"}, ""),
        ("STRING", {"M": {secret: {"S": secret}}}, ""),
    ):
        with pytest.raises(ChangeError) as caught:
            column(data_type)(attribute)
        assert caught.value.path == path
        assert secret not in str(caught.value)
    with pytest.raises(ChangeError) as caught:
        column("LONG", singleValueField=False)({"L": [{"N": "1"}, {"S": secret}]})
    assert (caught.value.path, secret in str(caught.value)) == ("[1]", False)


def nearest_float(number):
    """The FLOAT nearest to a number, the even one of two equally near: all floats are sums of powers of two."""
    rough = struct.unpack("=f", struct.pack("=f", float(number)))[0]
    bits = struct.unpack("=I", struct.pack("=f", abs(rough)))[0]
    around = [
        struct.unpack("=f", struct.pack("=I", each))[0] for each in (bits - 1, bits, bits + 1) if 0 <= each < 0x7F800000
    ]
    best = min(around, key=lambda value: (abs(Fraction(value) - abs(Fraction(number))), _is_odd(value)))
    return math.copysign(best, number) if best else 0.0


def _is_odd(value):
    return struct.unpack("=I", struct.pack("=f", value))[0] % 2


def as_pinot_reads_a_float(row_value):
    """Pinot reads JSON's number as a double, and makes the double a float."""
    return struct.unpack("=f", struct.pack("=f", json.loads(json.dumps(row_value))))[0]


@given(
    st.floats(width=32, min_value=2.0**-120, max_value=2.0**120),
    st.sampled_from([1, -1]),
    st.integers(-3, 3),
    st.integers(30, 38),
)
def test_a_float_is_the_nearest_one_even_next_to_the_midpoint_of_two(value, sign, step, digits):
    bits = struct.unpack("=I", struct.pack("=f", value))[0]
    above = struct.unpack("=f", struct.pack("=I", bits + 1))[0]
    middle = (Decimal(value) + Decimal(above)) / 2
    number = Context(prec=digits).multiply(sign * middle, 1 + Decimal(step).scaleb(2 - digits))
    text = number_text(number)
    assert as_pinot_reads_a_float(column("FLOAT")({"N": text})) == nearest_float(Decimal(text))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '[{"b":{"a":1,"\\u0061":2}}]',
        "[1E-2147483648]",
        "[0E99999]",
        '{"a":[0.0e99999999999]}',
        "[1E+00001]",
    ],
)
def test_a_json_text_that_pinot_would_change_becomes_a_json_string(text):
    assert column("JSON")({"S": text}) == json.dumps(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":{"a":1},"b":[{"a":2},{"a":3}]}',
        '["a\\": 1", "1e99999", "\\\\"]',
        '{"x\\"y": "z:", "":1}',
        "[1e300,2E-9999,0E9999]",
    ],
)
def test_a_json_text_with_unique_names_and_exponents_in_bounds_is_unchanged(text):
    assert column("JSON")({"S": text}) == text
