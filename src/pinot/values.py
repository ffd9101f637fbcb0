"""What each DynamoDB type becomes in each Pinot column: the type mapping, as a table of shapes.

A shape takes the exact Python value of a DynamoDB type (``decoder.attribute``) and gives what goes into the row's
JSON. A pair without a shape does not fit, and no shape ever guesses: each gives a value that Pinot 1.5.1 reads back as
the one written to DynamoDB, or raises MisfitError. ``docs/mapping.md`` is this table in words.
"""

from __future__ import annotations

import math
import re
import sys
from binascii import b2a_base64
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from struct import Struct
from typing import Any, Final, TypeAlias

import orjson

from decoder.attribute import MAX_DEPTH, SCALARS, SETS, Forms, decode_set, fold, open_attribute, open_list
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
MAX_MULTI_VALUES: Final = 1_000  # ForwardIndexType.MAX_MULTI_VALUES_PER_ROW

# What a TIMESTAMP may be as a number of milliseconds: years 1 to 9999, and no 32-bit number (those are seconds).
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
TIMESTAMP_MIN: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS
TIMESTAMP_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)

# Numbers that need no thought, as DynamoDB itself writes them: their text is canonical, and so short that they fit.
CANONICAL: Final = r"0|-?[1-9][0-9]*+(?:\.[0-9]*[1-9])?|-?0\.[0-9]*[1-9]"  # of 38 characters at the most, see number.py
SHORT_INTEGERS: Final = {
    "INT": "0|-?[1-9][0-9]{0,8}+",
    "LONG": "0|-?[1-9][0-9]{0,17}+",
    "TIMESTAMP": "[1-9][0-9]{10,13}+",  # more than 32 bits, see timestamp_json
}
_SHORT_DOUBLE: Final = r"0|-?(?:[1-9][0-9]{0,17}|0(?=\.))(?:\.[0-9]{0,17}[1-9])?"
_AT_SIGHT: Final[Mapping[str, tuple[re.Pattern[str], Callable[[str], int | float]]]] = {
    **{data_type: (re.compile(pattern), int) for data_type, pattern in SHORT_INTEGERS.items()},
    "DOUBLE": (re.compile(_SHORT_DOUBLE), float),
}


def _each(pattern: str) -> re.Pattern[str]:
    """Compile what matches any number of texts, each with a blank behind it."""
    return re.compile(f"(?:(?:{pattern}) )*+")


_EACH_CANONICAL: Final = _each(f"(?=[^ ]{{1,38}} )(?:{CANONICAL})")
_EACH_SHORT: Final = {data_type: _each(SHORT_INTEGERS[data_type]) for data_type in ("INT", "LONG")}

# What Pinot's JSON parser refuses, with the whole row: Jackson's StreamReadConstraints (2.16 and later).
MAX_DOCUMENT_DEPTH: Final = 1_000
MAX_DOCUMENT_NAME: Final = 50_000
_LONG_NUMBER: Final = re.compile(r"[0-9.eE+-]{1000}")
MAX_DOCUMENT_EXPONENT: Final = 9_999  # far beyond any number, and far within what java.math.BigDecimal takes
_EXPONENT_DIGITS: Final = len(str(MAX_DOCUMENT_EXPONENT))
_NAME_OR_EXPONENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"(\s*:)?|[0-9][eE]([+-]?[0-9]+)')

_DOCUMENT: Final = Forms(
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
    """Tell a double that is exactly half way between two neighbouring FLOATs."""
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
    if _RFC3339.fullmatch(text):
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
    check_length = _length_check(data_type, max_length)

    def shape(text: str) -> str:
        if "\0" in text:
            raise MisfitError("nul_character", f"Pinot cuts a {data_type} at the character U+0000")
        check_length(text)
        return text

    return shape


def _length_check(data_type: str, max_length: int | None) -> Callable[[str], None]:
    if max_length is None:
        return lambda _: None

    def check(text: str) -> None:
        if len(text) > max_length or (len(text) * 2 > max_length and utf16_length(text) > max_length):
            detail = f"the {data_type} is longer than the column's maxLength of {max_length}; raise it in the schema"
            raise MisfitError("too_long", detail)

    return check


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
        return _single(field.data_type, shapes, None if is_key else _at_sight(field.data_type, field.max_length))
    return _multiple(field.data_type, shapes, _at_once(field.data_type, field.max_length))


def _single(data_type: str, shapes: Mapping[str, Shape], at_sight: Convert | None) -> Convert:
    def convert(attribute: object) -> Json | None:
        if at_sight:
            value = at_sight(attribute)
            if value is not None:
                return value
        tag, payload = open_attribute(attribute)
        if tag in shapes:
            return shapes[tag](SCALARS[tag](payload))
        if tag == "NULL":
            SCALARS[tag](payload)
            return None
        raise _type_mismatch(attribute, tag, data_type, shapes)

    return convert


def _at_sight(data_type: str, max_length: int | None) -> Convert | None:
    """Give what takes a value that needs no thought, which nearly all are; it gives None where one is to be looked at.

    Texts are of ASCII, numbers as DynamoDB writes them and of a few digits.
    """
    if data_type == "STRING":
        longest = sys.maxsize if max_length is None else max_length

        def take_text(attribute: Any) -> str | None:  # noqa: ANN401
            if type(attribute) is dict and len(attribute) == 1 and "S" in attribute:
                text = attribute["S"]
                if type(text) is str and len(text) <= longest and text.isascii() and "\0" not in text:
                    return text
            return None

        return take_text
    if data_type not in _AT_SIGHT:
        return None
    pattern, make = _AT_SIGHT[data_type]

    def take_number(attribute: Any) -> int | float | None:  # noqa: ANN401
        if type(attribute) is dict and len(attribute) == 1 and "N" in attribute:
            text = attribute["N"]
            if type(text) is str and pattern.fullmatch(text):
                return make(text)
        return None

    return take_number


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
            raise _type_mismatch(attribute, tag, f"multi-value {data_type}", ("L", *(f"{each}S" for each in shapes)))
        if len(values) > MAX_MULTI_VALUES:
            detail = f"a multi-value column holds at most {MAX_MULTI_VALUES} values; use a JSON column"
            raise MisfitError("too_many_values", detail)
        # Pinot takes the type of the first value for that of all, so times are text throughout; see timestamp_json.
        return [str(value) for value in values] if data_type == "TIMESTAMP" and values else values or None

    return convert


def _at_once(data_type: str, max_length: int | None) -> _AtOnce:
    """Give what takes all members of a list or a set that needs no thought together; None where one is to be looked at.

    Texts are of ASCII, numbers as DynamoDB writes them and small enough.
    """
    each_short = _EACH_SHORT.get(data_type)
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
            joined = "".join(members)
        except (LookupError, TypeError):
            return None
        if len(members) < len(payload):
            return None
        if each_short:
            values = list(map(int, members)) if _all_match(each_short, members) else None
        else:
            longest = max(map(len, members))
            is_plain = joined.isascii() and "\0" not in joined and (max_length is None or longest <= max_length)
            values = members if is_plain else None
        return sorted(values) if values and is_set else values

    return take if each_short or data_type == "STRING" else lambda _tag, _payload: None


def _item(index: int, attribute: object, data_type: str, shapes: Mapping[str, Shape]) -> Json:
    try:
        tag, payload = open_attribute(attribute)
        if tag in shapes:
            return shapes[tag](SCALARS[tag](payload))
        raise _type_mismatch(attribute, tag, f"multi-value {data_type}", shapes)
    except ChangeError as error:
        raise error.inside(index) from None


def _type_mismatch(
    attribute: object, tag: str, data_type: str, fitting: Mapping[str, Shape] | tuple[str, ...]
) -> MisfitError:
    fold(attribute, _DOCUMENT)  # a value that is malformed as well is told as that
    return MisfitError("type_mismatch", f"a DynamoDB {tag} does not fit {data_type}, which takes {', '.join(fitting)}")


def _document_converter(field: Field) -> Convert:
    check_length = _length_check("JSON", field.max_length)

    def convert(attribute: object) -> str | None:
        value = natural(attribute)
        if value is None:
            return None
        text = value if isinstance(value, str) and _is_document(value) else document(value)
        check_length(text)
        return text

    return convert


def natural(attribute: object) -> Any:  # noqa: ANN401  # any JSON value
    """Read an attribute value into plain JSON. Raises MalformedError with the path inside the value."""
    try:
        return _natural_at_once(attribute)
    except (AttributeError, LookupError, TypeError, ValueError):
        return fold(attribute, _DOCUMENT)  # which tells what is wrong, if anything is


def _natural_at_once(attribute: object) -> Any:  # noqa: ANN401
    """Read an attribute value as :func:`fold` does, but check its texts and numbers all together, at the end.

    Raises any error where they want looking at one by one.
    """
    texts: list[str] = []
    numbers: list[str] = []
    if not isinstance(attribute, dict) or len(attribute) != 1:
        raise TypeError
    value = _walk(attribute, texts, numbers, MAX_DEPTH)
    text = "".join(texts)  # a TypeError where one is no text
    if not text.isascii():
        text.encode()
    if numbers and not _all_match(_EACH_CANONICAL, numbers):
        raise ValueError
    return value


def _all_match(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    """Match texts all together with a pattern of texts that each have a blank behind, and no other."""
    joined = f"{' '.join(texts)} "
    return joined.count(" ") == len(texts) and pattern.fullmatch(joined) is not None


def _walk(attribute: Mapping[str, Any], texts: list[str], numbers: list[str], depth: int) -> Any:  # noqa: ANN401
    """Read an attribute value of one tag; its texts and numbers are added to the lists, to be checked."""
    if "S" in attribute:
        texts.append(attribute["S"])
        return attribute["S"]
    if "N" in attribute:
        numbers.append(attribute["N"])
        return orjson.Fragment(attribute["N"])
    if "M" in attribute and depth:
        payload = attribute["M"]
        _check_tags(payload.values())
        texts.extend(payload)
        entries = {}
        for name, item in payload.items():
            if "S" in item:  # the usual ones at once: a call takes longer than all the rest
                entries[name] = text = item["S"]
                texts.append(text)
            elif "N" in item:
                number = item["N"]
                numbers.append(number)
                entries[name] = orjson.Fragment(number)
            else:
                entries[name] = _walk(item, texts, numbers, depth - 1)
        return entries
    if "L" in attribute and depth and type(attribute["L"]) is list:
        _check_tags(attribute["L"])
        return [_walk(item, texts, numbers, depth - 1) for item in attribute["L"]]
    return fold(attribute, _DOCUMENT, depth)


def _check_tags(attributes: Collection[Any]) -> None:
    """Check that attribute values have one tag each, or that there is one without any, which will be noticed."""
    if sum(map(len, attributes)) != len(attributes):
        raise ValueError


def expression_input(attribute: object) -> Any:  # noqa: ANN401
    """Read an attribute value for a field that only Pinot's own expressions read: plain JSON, None for NULL.

    Raises MalformedError, and MisfitError for a name that is longer than Pinot's JSON parser takes.
    """
    value = natural(attribute)
    if not _is_readable(value):
        raise _long_name()
    return value


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
    """Tell text that is a JSON object or array already: it is what a JSON column is for, so it goes in as it is."""
    if not text.lstrip(" \t\r\n").startswith(("{", "[")) or _LONG_NUMBER.search(text):
        return False
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return _is_readable(value) and _comes_back(text, value)


def _comes_back(text: str, value: object) -> bool:
    """Tell whether Pinot keeps all that a document's text says: it takes the last of several entries of a name, and
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
    """Tell whether Pinot's JSON parser takes a document: its nesting and the length of its names."""
    for depth, level in enumerate(_levels(value), start=1):
        if depth > MAX_DOCUMENT_DEPTH:
            return False
        if any(len(name) > MAX_DOCUMENT_NAME for item in level if isinstance(item, dict) for name in item):
            return False
    return True
