"""DynamoDB's attribute values, as the JSON of a Lambda event carries them: ``{"S": "text"}``, ``{"N": "1"}`` …

Shapes: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html. In an event B and the
members of a BS are base64 text, N and the members of an NS decimal text.

Each type has one reader, in the tables ``SCALARS`` and ``SETS``, and one function walks all values, :func:`fold`. A few
builders (:class:`Forms`) decide what a value becomes. So the Python value here and the JSON document of a Pinot column
come from the same strict walk.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, TypeAlias

from decoder.errors import ChangeError, MalformedError
from decoder.number import decode_number

Value: TypeAlias = "str | Decimal | bytes | bool | list[Value] | dict[str, Value] | None"

# "Nested attribute depth: up to 32 levels", same page as the limits of numbers.
MAX_DEPTH: Final = 32


def decode_text(payload: object) -> str:
    """Read an S. Raises MalformedError if it is not text, or text that UTF-8 cannot hold (half a surrogate pair)."""
    if not isinstance(payload, str):
        raise MalformedError("the value of an S must be text")
    check_unicode(payload)
    return payload


def decode_binary(payload: object) -> bytes:
    """Read a B: strict base64 text into its bytes. Raises MalformedError."""
    if not isinstance(payload, str):
        raise MalformedError("the value of a B must be base64 text")
    try:
        return binascii.a2b_base64(payload, strict_mode=True)
    except ValueError:  # binascii.Error for bad base64, plain ValueError for characters outside ASCII
        raise MalformedError("the value of a B must be base64 text") from None


def decode_boolean(payload: object) -> bool:
    """Read a BOOL. Raises MalformedError for anything but true and false."""
    if not isinstance(payload, bool):
        raise MalformedError("the value of a BOOL must be true or false")
    return payload


def decode_null(payload: object) -> None:
    """Read a NULL. Raises MalformedError for anything but true, the only value DynamoDB stores."""
    if payload is not True:
        raise MalformedError("the value of a NULL must be true")


SCALARS: Final[Mapping[str, Callable[[object], Any]]] = {
    "S": decode_text,
    "N": decode_number,
    "B": decode_binary,
    "BOOL": decode_boolean,
    "NULL": decode_null,
}
SETS: Final[Mapping[str, str]] = {"SS": "S", "NS": "N", "BS": "B"}
TAGS: Final = (*SCALARS, *SETS, "L", "M")


def decode_set(tag: str, payload: object) -> list[Any]:
    """Read an SS, NS or BS into its members, sorted ascending by value (by code point, number, byte).

    Raises MalformedError if it is empty or holds a member twice: DynamoDB stores neither.
    """
    decode_member = SCALARS[SETS[tag]]
    if not isinstance(payload, list) or not payload:
        raise MalformedError(f"the value of an {tag} must be a list of at least one member")
    members = []
    for index, member in enumerate(payload):
        try:
            members.append(decode_member(member))
        except ChangeError as error:
            raise error.inside(index) from None
    members.sort()
    # Neighbours are compared, not hashes: an item's writer can choose numbers that all have the same hash.
    if any(member == following for member, following in pairwise(members)):
        raise MalformedError(f"the value of an {tag} holds the same member twice")
    return members


def open_attribute(attribute: object) -> tuple[str, object]:
    """Split an attribute value into its type tag and payload. Raises MalformedError if it is not an attribute value."""
    if not isinstance(attribute, dict) or len(attribute) != 1:
        if attribute == {}:
            raise MalformedError("an attribute value has no type tag; DynamoDB Local writes empty maps and lists so")
        raise MalformedError("an attribute value must be an object with exactly one type tag")
    ((tag, payload),) = attribute.items()
    if tag not in TAGS:
        raise MalformedError(f"an attribute value has an unknown type tag; DynamoDB's are {', '.join(TAGS)}")
    return tag, payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """Builders for the types whose result differs, each from the exact Python value."""

    number: Callable[[Decimal], Any]
    binary: Callable[[bytes], Any]
    members: Callable[[list[Any]], Any]  # a set's members, in order, already built


def fold(attribute: object, forms: Forms, depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401  # the forms decide
    """Walk one attribute value, check all of it, and build the result with ``forms``; ``depth`` levels may nest.

    Text, booleans, null, lists and maps are the same in every form. Raises MalformedError with the path inside the
    value.
    """
    tag, payload = open_attribute(attribute)
    if tag == "N":
        return forms.number(decode_number(payload))
    if tag == "B":
        return forms.binary(decode_binary(payload))
    if tag in SCALARS:
        return SCALARS[tag](payload)
    if tag in SETS:
        members = decode_set(tag, payload)
        if tag == "NS":
            members = [forms.number(member) for member in members]
        elif tag == "BS":
            members = [forms.binary(member) for member in members]
        return forms.members(members)
    if not depth:
        raise MalformedError(f"more than {MAX_DEPTH} levels are nested")
    if tag == "L":
        return [_fold_step(index, item, forms, depth - 1) for index, item in enumerate(open_list(payload))]
    if not isinstance(payload, dict):
        raise MalformedError("the value of an M must be an object")
    entries = {}
    for name, item in payload.items():
        check_unicode(name)
        entries[name] = _fold_step(name, item, forms, depth - 1)
    return entries


def open_list(payload: object) -> list[object]:
    """Read an L into its items, which are still attribute values. Raises MalformedError."""
    if not isinstance(payload, list):
        raise MalformedError("the value of an L must be a list")
    return payload


def _fold_step(step: str | int, attribute: object, forms: Forms, depth: int) -> Any:  # noqa: ANN401
    try:
        return fold(attribute, forms, depth)
    except ChangeError as error:
        raise error.inside(step) from None


def check_unicode(text: str) -> None:
    """Check that UTF-8 can hold a text from JSON. Raises MalformedError for half of a surrogate pair."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedError("text holds half of a surrogate pair, which UTF-8 cannot") from None


def _identity(value: Any) -> Any:  # noqa: ANN401
    return value


# A set stays a list: numbers of a writer's choice may all have the same hash.
_PYTHON: Final = Forms(number=_identity, binary=_identity, members=list)


def decode(attribute: object) -> Value:
    """Read one attribute value into Python: S str, N Decimal (normalized), B bytes, BOOL bool, NULL None, L list,
    M dict, SS NS BS a sorted list. Raises MalformedError with the path inside the value.
    """
    value: Value = fold(attribute, _PYTHON)
    return value
