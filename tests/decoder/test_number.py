from decimal import Decimal

import pytest
from hypothesis import given

from decoder.errors import MalformedError
from decoder.number import decode_number, number_text
from strategies import numbers


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0E+5", "0"),
        ("0e999999999999", "0"),
        ("1", "1"),
        ("1.0", "1"),
        ("1E0", "1"),
        ("+1", "1"),
        ("007", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e2", "100"),
        ("-12.50", "-12.5"),
        ("1" + "0" * 40, "1" + "0" * 40),
        ("1E40", "1" + "0" * 40),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0." + "1" * 38, "0." + "1" * 38),
        ("9" * 38 + "E88", "9" * 38 + "0" * 88),
        ("1E-130", "0." + "0" * 129 + "1"),
    ],
)
def test_a_number_has_one_exact_text(text, canonical):
    assert number_text(decode_number(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "\n1", "1\n", "one", "NaN", "-NaN", "Infinity", "inf", "0x10", "1_000", "1,5", "--1"),
        *(
            "٣",
            "\uff11",
            "1e",
            "e5",
            ".",
            "+",
            "1e5.0",
            "1e99999999999999999999",
            "1e999999999",
            "-1e-999999999",
            "1e-99999999999999999999",
        ),
        *("1E126", "1E-131", "1" * 39, "0." + "1" * 39, "9" * 38 + "E89"),
    ],
)
def test_a_number_that_dynamodb_could_not_have_stored_is_refused(text):
    with pytest.raises(MalformedError):
        decode_number(text)


@pytest.mark.parametrize("payload", [1, 1.5, True, None, [], {}, b"1"])
def test_a_number_that_is_not_text_is_refused(payload):
    with pytest.raises(MalformedError, match="must be text"):
        decode_number(payload)


@given(numbers())
def test_every_number_of_dynamodb_is_decoded_exactly_in_any_notation(number):
    assert decode_number(str(number)) == number
    assert decode_number(format(number, "f")) == number
    assert Decimal(number_text(decode_number(str(number)))) == number
