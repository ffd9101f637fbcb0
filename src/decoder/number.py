"""DynamoDB's number: decimal text of up to 38 significant digits, exact."""

from __future__ import annotations

import re
from decimal import MAX_PREC, Context, Decimal, InvalidOperation, Overflow
from typing import Final

from decoder.errors import MalformedError

# Limits of the N type: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_SIGNIFICANT_DIGITS: Final = 38
MAX_EXPONENT: Final = 125
MIN_EXPONENT: Final = -130

# Python's own parser is wider than DynamoDB's: it takes "1_000", " 1", Arabic digits, "NaN" and "Infinity".
# Possessive: a text that is no number is refused after one pass, however long it is.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
# What DynamoDB itself writes for all but very long, large or small numbers, and is normalized as it stands.
_USUAL: Final = re.compile(r"0|-?[1-9](?:[0-9]{0,35}[1-9])?|-?(?:0|[1-9][0-9]{0,17})\.[0-9]{0,17}[1-9]")
_EXACT: Final = Context(prec=MAX_PREC)
_ZERO: Final = Decimal(0)


def decode_number(payload: object) -> Decimal:
    """Read the text of an N as an exact, normalized decimal: ``1``, ``1.0`` and ``1E0`` give the same one.

    Raises MalformedError for anything that DynamoDB could not have stored: something other than text, text that is not
    a number, more than 38 significant digits, a magnitude beyond 9.99…E+125 or below 1E-130.
    """
    if not isinstance(payload, str):
        raise MalformedError("the value of an N must be text")
    if _USUAL.fullmatch(payload):
        return Decimal(payload)
    if not _NUMBER.fullmatch(payload):
        raise MalformedError("the value of an N must be a decimal number")
    try:
        value = Decimal(payload).normalize(_EXACT)
    except (InvalidOperation, Overflow):  # an exponent beyond what the decimal library can hold
        raise MalformedError("the value of an N is outside DynamoDB's range") from None
    if not value:
        return _ZERO
    if len(value.as_tuple().digits) > MAX_SIGNIFICANT_DIGITS:
        raise MalformedError(f"the value of an N has more than {MAX_SIGNIFICANT_DIGITS} significant digits")
    if not MIN_EXPONENT <= value.adjusted() <= MAX_EXPONENT:
        raise MalformedError("the value of an N is outside DynamoDB's range")
    return value


def number_text(value: Decimal) -> str:
    """Write a decimal in its one canonical form: plain digits, no exponent, no trailing zeros, ``0`` for zero."""
    return format(value, "f")
