"""What each DynamoDB type becomes in each Pinot column: the type mapping, as a table of shapes.

A shape takes the exact Python value of a DynamoDB type (``decoder.attribute``) and gives what goes into the row's
JSON. A pair without a shape does not fit, and no shape ever guesses: each gives a value that Pinot 1.5.1 reads back as
the one written to DynamoDB, or raises MisfitError. ``docs/mapping.md`` is this table in words.
"""

from __future__ import annotations

import math
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from struct import Struct
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from decoder.attribute import SCALARS, SETS, Forms, decode_set, fold, open_attribute, open_list
from decoder.errors import ChangeError
from decoder.number import number_text
from pinot.errors import MisfitError
from pinot.schema import Field

Json: TypeAlias = str | int | float | bool | list[Any]
Shape: TypeAlias = Callable[[Any], Json]
Convert: TypeAlias = Callable[
    [object], Json | None
]  # raw attribute value -> JSON value, None when it is to be left out

_AtOnce: TypeAlias = Callable[[str, Any], list[Any] | None]  # tag, payload -> row value

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
FLOAT_MAX: Final = 3.4028235e38  # Float.MAX_VALUE
FLOAT_MIN: Final = 1.4e-45  # Float.MIN_VALUE, the smallest above zero
MAX_MULTI_VALUES: Final = 40_000  # what Pinot 1.5.1 was seen to hold, in consuming and in committed segments

# What a TIMESTAMP may be as a number of milliseconds: years 1 to 9999, and no 32-bit number (those are seconds).
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
TIMESTAMP_MIN: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS
TIMESTAMP_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
# Java's toString leaves out seconds that are 0, and strftime's %z the offset's colon.
_ISO_8601: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"
)

# Whole numbers as DynamoDB writes them, short enough to fit, each with a space behind it.
_SHORT_INTEGERS: Final = {
    "INT": re.compile("(?:(?:0|-?[1-9][0-9]{0,8}+) )*+"),
    "LONG": re.compile("(?:(?:0|-?[1-9][0-9]{0,17}+) )*+"),
}

# What Pinot's JSON parser refuses, with the whole row: Jackson's StreamReadConstraints (2.16 and later).
MAX_DOCUMENT_DEPTH: Final = 1_000
MAX_DOCUMENT_NAME: Final = 50_000
_NUMBER_LIKE: Final = re.compile(r"[0-9.eE+-]++")
_MAX_NUMBER: Final = 999  # characters
MAX_DOCUMENT_EXPONENT: Final = 9_999  # far beyond any number, and far within what java.math.BigDecimal takes
_EXPONENT_DIGITS: Final = len(str(MAX_DOCUMENT_EXPONENT))
_NAME_OR_EXPONENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|[0-9][eE]([+-]?[0-9]+)')

DOCUMENT: Final = Forms(
    number=lambda number: orjson.Fragment(number_text(number)),  # every digit: orjson's own numbers are 64 bits
    binary=lambda data: b2a_base64(data, newline=False).decode(),
    members=list,
)


def _whole_number(data_type: str, lowest: int, highest: int) -> Shape:
    def shape(number: Decimal) -> int:
        value = int(number)
        if value != number:
            raise MisfitError("fraction", f"a number with a fraction does not fit {data_type}")
        if not lowest <= value <= highest:
            raise MisfitError("out_of_range", f"the number does not fit {data_type}: {lowest} to {highest}")
        return value

    return shape


def _double(number: Decimal) -> float:
    return float(number)  # DynamoDB's numbers all lie well inside a double's range


def _exact_double(number: Decimal) -> float:
    value = float(number)
    if Decimal(repr(value)) != number:
        detail = "a DOUBLE has not all digits of the number, and another item's key could become the same"
        raise MisfitError("inexact_key", f"{detail}; use BIG_DECIMAL or STRING")
    return value


def _float(number: Decimal) -> float:
    """Give the double from which Pinot makes the FLOAT that is nearest to the number: it rounds doubles, not texts."""
    value = float(number)
    if value and not FLOAT_MIN <= abs(value) <= FLOAT_MAX:
        raise MisfitError("out_of_range", f"the number does not fit FLOAT: 0, or {FLOAT_MIN} to {FLOAT_MAX}")
    exact = Decimal(value)
    if exact == number or not _is_between_floats(value):
        return value
    # Half way between two FLOATs only since it was rounded: a little to the side on which the number itself is.
    return math.nextafter(value, math.inf if number > exact else -math.inf)


def _is_between_floats(value: float) -> bool:
    """Return whether a double lies exactly half way between two neighbouring FLOATs."""
    (bits,) = _FLOAT_BITS.unpack(_FLOAT.pack(value))
    (nearest,) = _FLOAT.unpack(_FLOAT_BITS.pack(bits))
    (other,) = _FLOAT.unpack(_FLOAT_BITS.pack(bits + 1 if abs(value) > abs(nearest) else bits - 1))
    return bool(nearest != value and value - nearest == other - value)


_FLOAT, _FLOAT_BITS = Struct("=f"), Struct("=I")


def _timestamp_of_number(number: Decimal) -> int | str:
    value = int(number)
    if value != number:
        raise MisfitError("fraction", "a TIMESTAMP counts whole milliseconds; the number has a fraction")
    if value and INT32_MIN <= value <= INT32_MAX:
        detail = "a TIMESTAMP counts milliseconds; the number looks like seconds. Declare the column LONG to keep it"
        raise MisfitError("not_milliseconds", detail)
    if not TIMESTAMP_MIN <= value <= TIMESTAMP_MAX:
        detail = "a TIMESTAMP counts milliseconds; the number lies beyond the year 9999. Are they microseconds?"
        raise MisfitError("not_milliseconds", detail)
    return timestamp_json(value)


def _timestamp_of_text(text: str) -> int | str:
    if _ISO_8601.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text.upper().replace(" ", "T"))
            return timestamp_json((moment - _EPOCH) // _MS)
        except (ValueError, OverflowError):  # a day that is not, a year before 1
            pass
    detail = "text in a TIMESTAMP must be an ISO-8601 date and time with its zone, as 2024-06-22T10:00:00.123Z"
    raise MisfitError("not_a_time", detail)


def timestamp_json(value_ms: int) -> int | str:
    """Write epoch milliseconds so that Pinot reads them as such: as text where 32 bits hold the number.

    Pinot 1.5.1 throws on a 32-bit JSON integer in a TIMESTAMP and drops the row.
    """
    return str(value_ms) if INT32_MIN <= value_ms <= INT32_MAX else value_ms


def _text(data_type: str, max_length: int | None) -> Shape:
    def shape(text: str) -> str:
        if "\0" in text:
            raise MisfitError("nul_character", f"Pinot cuts a {data_type} at the character U+0000")
        _check_length(text, data_type, max_length)
        return text

    return shape


def _check_length(text: str, data_type: str, max_length: int | None) -> None:
    if max_length is None:
        return
    if len(text) > max_length or (len(text) * 2 > max_length and utf16_length(text) > max_length):
        detail = f"the {data_type} is longer than the column's maxLength of {max_length}; raise it in the schema"
        raise MisfitError("too_long", detail)


def utf16_length(text: str) -> int:
    """Count a text's UTF-16 code units, as Java's ``String.length()`` does."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _bytes(max_length: int | None) -> Shape:
    def shape(data: bytes) -> str:
        if max_length is not None and len(data) > max_length:
            detail = f"the BYTES are more than the column's maxLength of {max_length}; raise it in the schema"
            raise MisfitError("too_long", detail)
        return data.hex()

    return shape


def shapes_of(data_type: str, max_length: int | None) -> Mapping[str, Shape]:
    """Give, for a column of a Pinot type, what each scalar DynamoDB type that fits becomes."""
    match data_type:
        case "INT":
            return {"N": _whole_number("INT", INT32_MIN, INT32_MAX)}
        case "LONG":
            return {"N": _whole_number("LONG", INT64_MIN, INT64_MAX)}
        case "FLOAT":
            return {"N": _float}
        case "DOUBLE":
            return {"N": _double}
        case "BIG_DECIMAL":
            return {"N": number_text}
        case "BOOLEAN":
            return {"BOOL": bool}
        case "TIMESTAMP":
            return {"N": _timestamp_of_number, "S": _timestamp_of_text}
        case "STRING":
            text = _text("STRING", max_length)
            return {
                "S": text,
                "N": lambda number: text(number_text(number)),
                "BOOL": lambda value: text("true" if value else "false"),
            }
        case "BYTES":
            return {"B": _bytes(max_length)}
    raise AssertionError(data_type)


# The types of a column, and of values that do not fit it, which CAST in Pinot converts.
_CAST: Final = frozenset(
    (*((name, "S") for name in ("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN")), ("BOOLEAN", "N"))
)
_AS_LIST: Final = "an expression in transformConfigs takes it as a list of one"
_WITHOUT_NULL: Final = "an expression in transformConfigs leaves it out"

_KEY_SHAPES: Final[Mapping[str, Mapping[str, Shape]]] = {"DOUBLE": {"N": _exact_double}}


def converter(field: Field, *, is_key: bool = False) -> Convert:
    """Build the function that turns an attribute value into what the column's row value is.

    It gives None for what Pinot has no value for: NULL, and an empty list in a multi-value column. It raises
    MalformedError or MisfitError, with the path inside the value. In a primary key two different values must never
    become one, so ``is_key`` leaves out what rounds.
    """
    if field.data_type == "JSON":
        return _document_converter(field)
    shapes = shapes_of(field.data_type, field.max_length)
    if is_key:
        shapes = {**shapes, **_KEY_SHAPES.get(field.data_type, {})}
        shapes = {tag: shape for tag, shape in shapes.items() if (field.data_type, tag) != ("TIMESTAMP", "S")}
    if field.single_value:
        return _single(field.data_type, shapes)
    return _multiple(field.data_type, shapes, _at_once(field.data_type, field.max_length))


def _single(data_type: str, shapes: Mapping[str, Shape]) -> Convert:
    def convert(attribute: object) -> Json | None:
        tag, payload = open_attribute(attribute)
        if tag in shapes:
            return shapes[tag](SCALARS[tag](payload))
        if tag == "NULL":
            SCALARS[tag](payload)
            return None
        hint = f"CAST(… AS {data_type}) in transformConfigs converts it" if (data_type, tag) in _CAST else None
        raise _type_mismatch(attribute, tag, data_type, shapes, hint)

    return convert


def _multiple(data_type: str, shapes: Mapping[str, Shape], at_once: _AtOnce) -> Convert:
    def convert(attribute: object) -> Json | None:
        tag, payload = open_attribute(attribute)
        ready = at_once(tag, payload)
        if ready is not None:
            return ready
        if tag == "NULL":
            SCALARS[tag](payload)
            return None
        if tag == "L":
            values = [_item(index, item, data_type, shapes) for index, item in enumerate(open_list(payload))]
        elif SETS.get(tag) in shapes:
            values = [shapes[SETS[tag]](member) for member in decode_set(tag, payload)]
        else:
            sets = (name for name, member in SETS.items() if member in shapes)
            raise _type_mismatch(
                attribute, tag, f"multi-value {data_type}", ("L", *sets), _AS_LIST if tag in shapes else None
            )
        if len(values) > MAX_MULTI_VALUES:
            detail = f"a multi-value column holds at most {MAX_MULTI_VALUES} values; use a JSON column"
            raise MisfitError("too_many_values", detail)
        # Pinot takes the type of the first value for that of all, so times are text throughout; see timestamp_json.
        return [str(value) for value in values] if data_type == "TIMESTAMP" and values else values or None

    return convert


def _at_once(data_type: str, max_length: int | None) -> _AtOnce:
    """Build the function that takes all members of a list or a set together: one call for each takes far longer.

    It gives None where they must be looked at one by one: for texts outside of ASCII, and for numbers that are long or
    not written as DynamoDB writes them.
    """
    integers = _SHORT_INTEGERS.get(data_type)
    member_tag = "S" if data_type == "STRING" else "N"

    def take(tag: str, payload: Any) -> list[Any] | None:  # noqa: ANN401
        is_set = tag == f"{member_tag}S"
        if not (is_set or tag == "L") or type(payload) is not list or not 0 < len(payload) <= MAX_MULTI_VALUES:
            return None
        try:
            if is_set:
                members = payload if len(set(payload)) == len(payload) else []
            else:
                members = [each[member_tag] for each in payload if len(each) == 1]
            joined = " ".join(members)
        except (LookupError, TypeError):
            return None
        if len(members) < len(payload):
            return None
        if integers:
            is_plain = joined.count(" ") == len(members) - 1 and integers.fullmatch(f"{joined} ") is not None
            values = list(map(int, members)) if is_plain else None
        else:
            longest = max(map(len, members))
            is_plain = joined.isascii() and "\0" not in joined and (max_length is None or longest <= max_length)
            values = members if is_plain else None
        return sorted(values) if values and is_set else values

    return take if integers or data_type == "STRING" else lambda _tag, _payload: None


def _item(index: int, attribute: object, data_type: str, shapes: Mapping[str, Shape]) -> Json:
    try:
        tag, payload = open_attribute(attribute)
        if tag in shapes:
            return shapes[tag](SCALARS[tag](payload))
        raise _type_mismatch(
            attribute, tag, f"multi-value {data_type}", shapes, _WITHOUT_NULL if tag == "NULL" else None
        )
    except ChangeError as error:
        raise error.inside(index) from None


def _type_mismatch(
    attribute: object, tag: str, data_type: str, fitting: Iterable[str], hint: str | None
) -> MisfitError:
    fold(attribute, DOCUMENT)  # a value that is malformed as well is reported as that
    detail = f"a DynamoDB {tag} does not fit {data_type}, which takes {', '.join(fitting)}"
    return MisfitError("type_mismatch", f"{detail}; {hint}, see docs/mapping.md" if hint else detail)


def _document_converter(field: Field) -> Convert:
    return lambda attribute: document_text(natural(attribute), field.max_length)


def document_text(value: object, max_length: int | None) -> str | None:
    """Write the text of a JSON column from a value made with :func:`natural`; None for null.

    Raises MisfitError for a text longer than ``max_length`` or a name longer than Pinot's JSON parser takes.
    """
    if value is None:
        return None
    text = value if isinstance(value, str) and _is_document(value) else document(value)
    _check_length(text, "JSON", max_length)
    return text


def rest_text(values: Mapping[str, object], max_length: int | None) -> str | None:
    """Write the JSON of attributes, each made with :func:`natural`, that no other column takes; None for none.

    Raises MisfitError as :func:`document_text` does.
    """
    text = document(values)
    _check_length(text, "STRING", max_length)
    return text if values else None


def natural(attribute: object) -> Any:  # noqa: ANN401  # any JSON value
    """Read an attribute value into plain JSON. Raises MalformedError with the path inside the value."""
    return fold(attribute, DOCUMENT)


def expression_input(attribute: object) -> Any:  # noqa: ANN401
    """Read an attribute value for a field that only Pinot's own expressions read. See :func:`input_value`."""
    return input_value(natural(attribute))


def input_value(value: object) -> Any:  # noqa: ANN401
    """Write a value made with :func:`natural` as what stands in a row: text and booleans as they are, None for null.

    Raises MisfitError for a name that is longer than Pinot's JSON parser takes.
    """
    return value if value is None or isinstance(value, str | bool) else msgspec.Raw(document(value).encode())


def document(value: object) -> str:
    """Write a value made with :func:`natural` as canonical JSON text: keys sorted, every digit of a number kept.

    Raises MisfitError for an attribute name that is longer than Pinot's JSON parser takes.
    """
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if len(text) > MAX_DOCUMENT_NAME and not _is_readable(value):
        raise _long_name()
    return text


def _long_name() -> MisfitError:
    return MisfitError("too_long", f"a name inside the JSON is longer than {MAX_DOCUMENT_NAME} characters")


def _is_document(text: str) -> bool:
    """Return whether text is a JSON object or array already, which a JSON column takes unchanged."""
    if not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return False
    if any(len(match[0]) > _MAX_NUMBER for match in _NUMBER_LIKE.finditer(text)):
        return False
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return _is_readable(value) and _comes_back(text, value)


def _comes_back(text: str, value: object) -> bool:
    """Return whether Pinot keeps all that a document's text says: it takes the last of several entries of a name, and
    drops the row for an exponent that ``java.math.BigDecimal`` does not have.
    """
    names = 0
    for colon, exponent in _NAME_OR_EXPONENT.findall(text):
        names += bool(colon)
        if exponent and (len(exponent) > _EXPONENT_DIGITS + 1 or abs(int(exponent)) > MAX_DOCUMENT_EXPONENT):
            return False
    return names == sum(len(item) for level in _levels(value) for item in level if isinstance(item, dict))


def _levels(value: object) -> Iterator[list[object]]:
    """Give a document's values, those of a level of nesting after those of the one above it."""
    level = [value]
    while level:
        yield level
        deeper: list[object] = []
        for item in level:
            if isinstance(item, dict):
                deeper.extend(item.values())
            elif isinstance(item, list):
                deeper.extend(item)
        level = deeper


def _is_readable(value: object) -> bool:
    """Return whether Pinot's JSON parser takes a document: its nesting and the length of its names."""
    for depth, level in enumerate(_levels(value), start=1):
        if depth > MAX_DOCUMENT_DEPTH:
            return False
        if any(len(name) > MAX_DOCUMENT_NAME for item in level if isinstance(item, dict) for name in item):
            return False
    return True
