import math
from base64 import b64encode
from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from decoder import attribute as attributes
from decoder.attribute import MAX_DEPTH, decode
from decoder.errors import MalformedError
from strategies import encode, numbers, sets, texts, values


@given(values)
def test_decoding_an_encoded_value_gives_the_value(value):
    assert decode(encode(value)) == sorted_sets(value)


def sorted_sets(value):
    """The value as it is decoded: a set is the sorted list of its members."""
    match value:
        case frozenset():
            return sorted(value)
        case list():
            return [sorted_sets(item) for item in value]
        case dict():
            return {name: sorted_sets(item) for name, item in value.items()}
    return value


# boto3's own deserializer differs: it takes bytes where an event has base64 text, it counts a number's digits as
# written (up to 38), it refuses numbers below 1E-128, and it returns its own Binary for bytes.
boto3_sets = sets.filter(
    lambda members: all(member.adjusted() >= -128 for member in members if isinstance(member, Decimal))
)
boto3_values = st.recursive(
    texts | numbers().filter(lambda number: len(format(number, "f")) <= 38) | st.booleans() | st.none() | boto3_sets,
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
            return sorted(plain(member) for member in value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {name: plain(item) for name, item in value.items()}
    return value


def test_boto3s_deserializer_fails_for_long_numbers_and_base64_text():
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
        ({"SS": ["b", "a"]}, ["a", "b"]),
        ({"NS": ["2", "1.0"]}, [Decimal(1), Decimal(2)]),
        ({"BS": ["aGk="]}, [b"hi"]),
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
def test_a_value_that_dynamodb_never_writes_is_refused_with_its_path(attribute, path):
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


def test_an_extremely_nested_value_is_refused_like_any_other():
    with pytest.raises(MalformedError, match="32 levels"):
        decode(nested(900, "L"))


def test_errors_never_contain_a_value():
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


class Counted:
    """A set's member that counts what is asked of it."""

    def __init__(self, text):
        self.value = int(text)

    def __lt__(self, other):
        COUNTS["compared"] += 1
        return self.value < other.value

    def __eq__(self, other):
        COUNTS["compared"] += 1
        return self.value == other.value

    def __hash__(self):
        COUNTS["hashed"] += 1
        return 0


COUNTS = Counter()


def test_members_with_the_same_hash_cost_no_more_than_others(monkeypatch):
    """Python's hash of k * (2^61 - 1) is 0 for every k, and an item's writer chooses the numbers."""
    assert {hash(Decimal(k * (2**61 - 1))) for k in range(100)} == {0}
    monkeypatch.setattr(attributes, "SCALARS", {**attributes.SCALARS, "N": Counted})
    work = []
    for size in (2_000, 4_000):
        members = [str(k * (2**61 - 1)) for k in range(size)]
        Random(size).shuffle(members)
        COUNTS.clear()
        assert len(attributes.decode_set("NS", members)) == size
        assert COUNTS["hashed"] == 0
        work.append(COUNTS["compared"])
    assert work[1] < 2.5 * work[0]
