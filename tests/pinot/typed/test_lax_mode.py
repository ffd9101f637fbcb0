"""What msgspec's lax mode makes of a number's text, so that no newer version can change it unseen.

"Additional coercion rules may be added", says its documentation of lax mode. Each line is a text, and what a column of
that type gets: a value, or None where the exact path has to decide. ``docs/adr/0012-msgspec.md`` says why it is used.
"""

from __future__ import annotations

import json
import math
import random

import msgspec
import pytest

from decoder.errors import ChangeError
from files import table, with_column
from pinot.typed.record import Attributes, Source

INTEGERS = {
    "5": 5,
    "-5": -5,
    "0": 0,
    "-0": 0,
    "2147483647": 2147483647,
    "-2147483648": -2147483648,
    **dict.fromkeys(["1.0", "-1.0", "1E3", "1e+5", "1.00", "9007199254740993.0", "1.00000000000000000001"]),
    **dict.fromkeys(["0.99999999999999999999", "0.0", "1e0", "1E-130"]),
    **dict.fromkeys(["+1", "01", "007", ".5", "5.", "", " 1", "1 ", "1_000", "0x1", "NaN", "inf", "-Infinity"]),
    **dict.fromkeys(["٣", "\uff11", "1\n", "1\0", "--1", "1e", "true", "null", "2147483648", "-2147483649", "1" * 39]),
}
LONGS = {"9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63)}
LONGS |= dict.fromkeys(["9223372036854775808", "-9223372036854775809", "9" * 38])
DOUBLES = {
    "5": 5.0,
    "-5": -5.0,
    "1.5": 1.5,
    "1E3": 1000.0,
    "1e+125": 1e125,
    "9.9E125": 9.9e125,
    "1E-130": 1e-130,
    "9007199254740993": 9007199254740992.0,
    "0.1": 0.1,
    "0": 0.0,
    "1" * 38: float("1" * 38),
    **dict.fromkeys(
        ["NaN", "nan", "inf", "Infinity", "-inf", "1e126", "-1e126", "1e400", "", "1 ", " 1", "1_0", "0x1"]
    ),
    **dict.fromkeys(["+1", ".5", "5.", "٣", "true", "1e", "1,5"]),
}


def decoder(data_type, **options):
    """The decoder of an attribute value for a column of a type."""
    made = table(with_column("x", data_type, **options))
    attributes = Attributes(made, Source(arn=None, table_name=None, table=None, is_kinesis_form=False, keys=("id",)))
    image = attributes.image("Image", ["x"], is_open=False)
    field = attributes.fields["x"]
    tag = attributes.path("x").partition(".")[2]
    decode = msgspec.json.Decoder(image, strict=False).decode
    return lambda attribute: getattr(getattr(decode(json.dumps({"x": attribute})), field), tag)


def value(decode, attribute):
    try:
        return decode(attribute)
    except (msgspec.MsgspecError, ChangeError):
        return None


@pytest.mark.parametrize(
    ("data_type", "text", "expected"),
    [
        *(("INT", text, expected) for text, expected in INTEGERS.items()),
        *(("LONG", text, expected) for text, expected in LONGS.items()),
        *(("DOUBLE", text, expected) for text, expected in DOUBLES.items()),
    ],
)
def test_a_number_is_exact_or_left_to_the_exact_path(data_type, text, expected):
    got = value(decoder(data_type), {"N": text})
    assert (type(got), got) == (type(expected), expected)


def test_doubles_are_rounded_as_python_rounds_them():
    decode, draw = decoder("DOUBLE"), random.Random(1)
    for _ in range(20_000):
        digits = "".join(draw.choices("0123456789", k=draw.randrange(1, 38)))
        text = f"{draw.choice(['', '-'])}{int(digits)}.{draw.randrange(1, 10**9)}"
        assert decode({"N": text}) == float(text)
    assert math.copysign(1, decode({"N": "-0.0"})) == -1, "a row has 0.0 in its place"


@pytest.mark.parametrize("other", [1, 0, "true", "false", "1", None, [], 1.0])
def test_a_flag_is_true_or_false_and_nothing_else(other):
    assert [value(decoder("BOOLEAN"), {"BOOL": each}) for each in (True, False)] == [True, False]
    assert value(decoder("BOOLEAN"), {"BOOL": other}) is None
    with pytest.raises(msgspec.ValidationError):
        decoder("BOOLEAN")({"NULL": other})


@pytest.mark.parametrize("other", [1, True, None, ["a"], {"a": "b"}])
def test_a_text_is_a_text(other):
    assert value(decoder("STRING"), {"S": "a"}) == "a"
    assert value(decoder("STRING"), {"S": other}) is None


def test_a_texts_length_is_counted_in_code_points():
    decode = decoder("STRING", maxLength=3)
    assert [value(decode, {"S": text}) for text in ("abc", "abcd", "ab\U0001f600", "\U0001f600" * 3)] == [
        "abc",
        None,
        "ab\U0001f600",
        "\U0001f600" * 3,
    ], "a row outside of ASCII is looked at again"


@pytest.mark.parametrize("attribute", [{"N": "1", "S": "a"}, {"X": "1"}, {"S": "1"}, "1", None, [], {"N": None}])
def test_an_attribute_value_has_one_type_and_the_columns(attribute):
    assert value(decoder("INT"), attribute) is None


# What DynamoDB never writes, and what the types take all the same: docs/limits.md lists these.


def test_a_json_number_is_taken_for_a_number():
    assert value(decoder("INT"), {"N": 5}) == 5
    assert value(decoder("DOUBLE"), {"N": 1.5}) == 1.5


def test_a_value_without_a_type_is_taken_for_none():
    assert decoder("INT")({}) is msgspec.UNSET
    assert decoder("INT")({"N": "1", "NULL": True}) == 1


def test_a_double_of_more_digits_than_dynamodb_stores_is_taken():
    assert value(decoder("DOUBLE"), {"N": "1." + "1" * 40}) == float("1." + "1" * 40)
    assert value(decoder("DOUBLE"), {"N": "1e-140"}) == 1e-140
