import math
from base64 import b64encode
from decimal import Decimal

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from decoder.attribute import MAX_DEPTH, decode
from decoder.errors import MalformedError
from strategies import encode, numbers, sets, texts, values


@given(values)
def test_every_value_comes_back_from_its_encoding(value):
    assert decode(encode(value)) == value


# Where boto3's own deserializer is right: it takes bytes where an event has base64 text, and numbers of up to 38 digits
# as they are written, and it gives its Binary for bytes.
boto3_values = st.recursive(
    texts | numbers().filter(lambda number: len(format(number, "f")) <= 38) | st.booleans() | st.none() | sets,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(boto3_values)
def test_decoding_agrees_with_boto3_where_boto3_is_right(value):
    attribute = encode(value)
    assert decode(attribute) == plain(TypeDeserializer().deserialize(with_bytes(attribute)))


def with_bytes(attribute):
    ((tag, payload),) = attribute.items()
    match tag:
        case "BS":
            return {"BS": [decode({"B": member}) for member in payload]}
        case "L":
            return {"L": [with_bytes(item) for item in payload]}
        case "M":
            return {"M": {name: with_bytes(item) for name, item in payload.items()}}
    return attribute


def plain(value):
    match value:
        case Binary():
            return value.value
        case set():
            return frozenset(plain(member) for member in value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
    return value


def test_boto3_is_wrong_where_facts_say_so():
    with pytest.raises(Exception, match="Rounded"):
        TypeDeserializer().deserialize({"N": "1" + "0" * 40})
    with pytest.raises(TypeError):
        TypeDeserializer().deserialize({"B": "aGk="})


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"S": ""}, ""),
        ({"S": "a\0b"}, "a\0b"),
        ({"S": "🎉"}, "🎉"),
        ({"N": "1.50"}, Decimal("1.5")),
        ({"B": b64encode(bytes(range(256))).decode()}, bytes(range(256))),
        ({"B": ""}, b""),
        ({"BOOL": False}, False),
        ({"NULL": True}, None),
        ({"L": []}, []),
        ({"M": {}}, {}),
        ({"M": {"": {"S": "an empty name"}}}, {"": "an empty name"}),
        ({"SS": ["b", "a"]}, frozenset({"a", "b"})),
        ({"NS": ["1.0", "2"]}, frozenset({Decimal(1), Decimal(2)})),
        ({"BS": ["aGk="]}, frozenset({b"hi"})),
    ],
)
def test_each_type_decodes_to_its_python_value(attribute, value):
    decoded = decode(attribute)
    assert decoded == value
    assert type(decoded) is type(value)


def test_a_value_without_a_type_names_dynamodb_local():
    with pytest.raises(MalformedError, match=r"meta: .* no type tag; DynamoDB Local writes empty maps and lists so"):
        decode({"M": {"meta": {}}})


@pytest.mark.parametrize(
    ("attribute", "path"),
    [
        (None, ""),
        ("text", ""),
        ([], ""),
        ({}, ""),
        ({"S": "a", "N": "1"}, ""),
        ({"Q": 1}, ""),
        ({"s": "lower"}, ""),
        ({"S": None}, ""),
        ({"S": 1}, ""),
        ({"S": "half \ud800"}, ""),
        ({"N": 1}, ""),
        ({"N": "one"}, ""),
        ({"B": b"bytes"}, ""),
        ({"B": "aGk"}, ""),
        ({"B": "aG k="}, ""),
        ({"B": "aGk=aGk="}, ""),
        ({"B": "é"}, ""),
        ({"BOOL": "true"}, ""),
        ({"BOOL": 1}, ""),
        ({"NULL": False}, ""),
        ({"NULL": None}, ""),
        ({"L": {}}, ""),
        ({"M": []}, ""),
        ({"SS": []}, ""),
        ({"SS": "a"}, ""),
        ({"SS": ["a", "a"]}, ""),
        ({"NS": ["1", "1.0"]}, ""),
        ({"BS": ["aGk=", "aGk="]}, ""),
        ({"SS": ["a", 1]}, "[1]"),
        ({"NS": ["1", "x"]}, "[1]"),
        ({"BS": ["!"]}, "[0]"),
        ({"L": [{"S": "a"}, {"N": "x"}]}, "[1]"),
        ({"M": {"half \ud800": {"S": "a"}}}, ""),
        ({"M": {"lines": {"L": [{"M": {"price": {"N": "x"}}}]}}}, "lines[0].price"),
        ({"M": {"a b": {"M": {'q"\\': {"L": [None]}}}}}, '["a b"]["q\\"\\\\"][0]'),
    ],
)
def test_what_dynamodb_never_writes_is_refused_with_its_path(attribute, path):
    with pytest.raises(MalformedError) as caught:
        decode(attribute)
    assert caught.value.path == path
    assert caught.value.reason == "malformed"


def nested(levels, tag):
    attribute = {"S": "the bottom"}
    for _ in range(levels):
        attribute = {"L": [attribute]} if tag == "L" else {"M": {"x": attribute}}
    return attribute


@pytest.mark.parametrize("tag", ["L", "M"])
def test_values_nest_to_32_levels_and_no_deeper(tag):
    decode(nested(MAX_DEPTH, tag))
    with pytest.raises(MalformedError, match="32 levels"):
        decode(nested(MAX_DEPTH + 1, tag))


def test_a_depth_bomb_is_refused_like_any_other_value():
    with pytest.raises(MalformedError, match="32 levels"):
        decode(nested(900, "L"))


def test_errors_never_tell_a_value():
    secret = "s3cr3t"
    for attribute in (
        {"N": secret},
        {"B": secret + "!"},
        {"S": [secret]},
        {"NS": [secret]},
        {secret: 1},
        {"SS": [secret] * 2},
    ):
        with pytest.raises(MalformedError) as caught:
            decode(attribute)
        assert secret not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"]) | st.text(), inner
            )
        ),
    )
)
def test_any_json_is_either_decoded_or_refused(junk):
    try:
        value = decode(junk)
    except MalformedError:
        return
    assert not (isinstance(value, float) and math.isnan(value))
    assert decode(encode(value)) == value
