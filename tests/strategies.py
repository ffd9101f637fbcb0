"""Hypothesis strategies for DynamoDB values, and the decoder's inverse for round trips."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal

from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def numbers(draw):
    """Any number DynamoDB stores: up to 38 significant digits, from 1E-130 to 9.99…E+125, either sign, or zero."""
    digits = str(draw(st.integers(0, 10**38 - 1))).rstrip("0")
    if not digits:
        return Decimal(0)
    # The first digit is the one of 10 to the power of exponent + len(digits) - 1.
    exponent = draw(st.integers(-130, 125)) - (len(digits) - 1)
    return Decimal((draw(st.sampled_from((0, 1))), tuple(map(int, digits)), exponent))


scalars = texts | numbers() | st.binary(max_size=20) | st.booleans() | st.none()
sets = (
    st.frozensets(texts, min_size=1, max_size=5)
    | st.frozensets(numbers(), min_size=1, max_size=5)
    | st.frozensets(st.binary(max_size=9), min_size=1, max_size=5)
)
values = st.recursive(
    scalars | sets,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def encode(value):
    """Encode a Python value as an attribute value of a Lambda event; ``decoder.attribute.decode`` must invert it."""
    match value:
        case bool():
            return {"BOOL": value}
        case None:
            return {"NULL": True}
        case str():
            return {"S": str(value)}  # and no class of a test's own, which no JSON has
        case Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": b64encode(value).decode()}
        case list():
            return {"L": [encode(item) for item in value]}
        case dict():
            return {"M": {name: encode(item) for name, item in value.items()}}
        case frozenset():
            members = [encode(member) for member in value]
            (tag,) = {tag for member in members for tag in member}
            return {f"{tag}S": [member[tag] for member in members]}
    raise TypeError(type(value))


# The probability of each fault of a kinesis_fake.FakeKinesis.
rates = st.sampled_from((0.0, 0.0, 0.05, 0.3, 0.7))
fault_rates = st.fixed_dictionaries(dict.fromkeys(("reject", "shuffle", "lose", "fail"), rates))
