"""Counting what a table's items hold: of each attribute how often, as what, how long. Counters only, never a value.

Items are as the SDK gives them (a B holds bytes). However many items are counted, memory is bounded: so many
names are counted separately at the top (``MAX_NAMES``) and inside of maps (``MAX_PATHS``), and the others together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias

from decoder.attribute import SETS
from decoder.number import decode_number, number_text
from pinot.errors import MisfitError
from pinot.values import INT64_MAX, INT64_MIN, MAX_DOCUMENT_NAME, shapes_of, utf16_length

Item: TypeAlias = Mapping[str, Mapping[str, Any]]
Attribute: TypeAlias = Mapping[str, Any]  # one type tag and its payload

MAX_NAMES: Final = 5_000  # top-level attributes that are counted separately
MAX_PATHS: Final = 5_000  # attributes inside of maps that are counted separately, in all maps together
MAX_KEYS: Final = 50  # a map of more different keys is a dictionary, not a record
MAX_NAME_LENGTH: Final = 1_000  # of a name that is counted separately; DynamoDB takes 64 KB
PATH_DEPTH: Final = 3  # a.b.c

EMPTY, MIXED = "empty", "mixed"  # kinds of a list beside those of one scalar type

# A number that may be a time, between 2001 and 2100, in seconds and in milliseconds.
_SECONDS: Final = range(1_000_000_000, 4_102_444_800)
_MILLISECONDS: Final = range(1_000_000_000_000, 4_102_444_800_000)
_TIME_LENGTHS: Final = range(19, 36)  # 2024-06-22T18:48:44 … 2024-06-22T18:48:44.026651123+02:00

_PLAIN_DIGITS: Final = 15  # so many digits are always exact in a DOUBLE
_LONG_DIGITS: Final = 18  # and so many in a LONG
_timestamp_of_text = shapes_of("TIMESTAMP", None)["S"]


@dataclass(slots=True)
class Scalars:
    """Counts of single values: an attribute's own, or those inside of its lists and sets.

    ``tags`` counts by DynamoDB type, lists and maps too. ``longest`` is the text's length that a STRING would need, in
    UTF-16 code units. Of the S: ``nul`` have a U+0000, ``times`` are what a TIMESTAMP takes, ``documents`` look like
    JSON. Of the N: ``whole`` fit a LONG, ``huge`` are whole and do not, ``inexact`` have digits that a DOUBLE has not,
    ``seconds`` and ``milliseconds`` may be times.
    """

    tags: dict[str, int] = field(default_factory=dict)
    longest: int = 0
    nul: int = 0
    times: int = 0
    documents: int = 0
    whole: int = 0
    huge: int = 0
    inexact: int = 0
    seconds: int = 0
    milliseconds: int = 0

    def tag(self, tag: str) -> int:
        """Return how many values were of a type."""
        return self.tags.get(tag, 0)

    @property
    def fractions(self) -> int:
        """The number of values with a fraction."""
        return self.tag("N") - self.whole - self.huge

    def count(self, tag: str, value: Any) -> None:  # noqa: ANN401  # the tag decides
        """Count one value."""
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag == "S":
            self._count_text(value)
        elif tag == "N":
            self._count_number(value)
        elif tag == "BOOL":
            self.longest = max(self.longest, len("true" if value else "false"))

    def _count_text(self, text: str) -> None:
        if len(text) * 2 > self.longest:
            self.longest = max(self.longest, utf16_length(text))
        if "\0" in text:
            self.nul += 1
        if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
            self.documents += 1
        elif len(text) in _TIME_LENGTHS and text[4] == text[7] == "-":
            self.times += _is_time(text)

    def _count_number(self, text: str) -> None:
        digits = text.removeprefix("-")
        if len(digits) <= _LONG_DIGITS and digits.isdigit():
            self.whole += 1
            self.longest = max(self.longest, len(text))
            if len(digits) > _PLAIN_DIGITS:
                self.inexact += not _is_exact(Decimal(text))
            number = int(text)
            if number in _MILLISECONDS:
                self.milliseconds += 1
            elif number in _SECONDS:
                self.seconds += 1
            return
        decimal = decode_number(text)
        self.longest = max(self.longest, len(number_text(decimal)))
        if decimal == decimal.to_integral_value():
            if INT64_MIN <= decimal <= INT64_MAX:
                self.whole += 1
            else:
                self.huge += 1
        self.inexact += not _is_exact(decimal)


def _is_time(text: str) -> bool:
    try:
        _timestamp_of_text(text)
    except MisfitError:
        return False
    return True


def _is_exact(number: Decimal) -> bool:
    """Return whether a DOUBLE reads back as the same decimal: 19.99 does, which binary does not hold either."""
    return Decimal(repr(float(number))) == number


@dataclass(slots=True)
class Seen:
    """Counts of one attribute, at the top of items or inside of a map.

    ``kinds`` counts its lists and sets by what they hold: one scalar type, ``EMPTY`` or ``MIXED``; ``elements`` their
    scalar values, ``longest_list`` the most there were in one. ``keys`` has what stands in its maps, None where that
    was given up (``wild``) or there is none. ``long_names`` are values with a name that Pinot's JSON parser refuses.
    """

    times: int = 0
    own: Scalars = field(default_factory=Scalars)
    kinds: dict[str, int] | None = None
    elements: Scalars | None = None
    longest_list: int = 0
    keys: dict[str, Seen] | None = None
    wild: bool = False
    long_names: int = 0

    @property
    def values(self) -> int:
        """The number of values that were not NULL."""
        return self.times - self.own.tag("NULL")

    def kind(self, kind: str) -> int:
        """Return how many lists and sets were of a kind."""
        return self.kinds.get(kind, 0) if self.kinds else 0

    def count_list(self, tag: str, payload: list[Any]) -> None:
        """Count a list or set: its kind, and the values in it."""
        if self.kinds is None or self.elements is None:
            self.kinds, self.elements = {}, Scalars()
        self.longest_list = max(self.longest_list, len(payload))
        if tag in SETS:
            kind = SETS[tag]
            for member in payload:
                self.elements.count(kind, member)
        else:
            tags = set()
            for item in payload:
                ((item_tag, value),) = item.items()
                self.elements.count(item_tag, value)
                tags.add(item_tag)
            kind = EMPTY if not tags else tags.pop() if len(tags) == 1 else MIXED
        self.kinds[kind] = self.kinds.get(kind, 0) + 1


@dataclass(slots=True, kw_only=True)
class Profile:
    """Counts of all items of a table.

    ``row_bytes`` adds up about how large the items' rows are, ``largest_row`` is the largest. ``others`` counts the
    attributes whose names were not counted separately.
    """

    max_names: int = MAX_NAMES
    max_paths: int = MAX_PATHS
    max_keys: int = MAX_KEYS
    items: int = 0
    row_bytes: int = 0
    largest_row: int = 0
    others: int = 0
    attributes: dict[str, Seen] = field(default_factory=dict)
    _paths: int = 0

    def add(self, item: Item) -> None:
        """Count one item."""
        self.items += 1
        size = _ROW_BYTES
        for name, attribute in item.items():
            value_size = _size(attribute)
            size += len(name) + _PAIR_BYTES + value_size
            seen = self.attributes.get(name)
            if seen is None:
                if len(self.attributes) >= self.max_names or len(name) > MAX_NAME_LENGTH:
                    self.others += 1
                    continue
                seen = self.attributes[name] = Seen()
            self._count(seen, attribute, 1)
            if value_size > MAX_DOCUMENT_NAME and _has_long_name(attribute):
                seen.long_names += 1
        self.row_bytes += size
        self.largest_row = max(self.largest_row, size)

    def _count(self, seen: Seen, attribute: Attribute, depth: int) -> None:
        ((tag, payload),) = attribute.items()
        seen.times += 1
        seen.own.count(tag, payload)
        if tag == "M":
            if depth < PATH_DEPTH and not seen.wild:
                self._count_map(seen, payload, depth + 1)
        elif tag == "L" or tag in SETS:
            seen.count_list(tag, payload)

    def _count_map(self, seen: Seen, payload: Item, depth: int) -> None:
        if seen.keys is None:
            seen.keys = {}
        for name, attribute in payload.items():
            inner = seen.keys.get(name)
            if inner is None:
                if len(seen.keys) >= self.max_keys or self._paths >= self.max_paths or len(name) > MAX_NAME_LENGTH:
                    seen.wild, seen.keys = True, None
                    return
                inner = seen.keys[name] = Seen()
                self._paths += 1
            self._count(inner, attribute, depth)


# About what a row's JSON takes: its time and delete flag, and for each column quotes, a colon and a comma.
_ROW_BYTES: Final = 60
_PAIR_BYTES: Final = 4


def _size(attribute: Attribute) -> int:
    """Return about how many bytes a value is in a row."""
    ((tag, payload),) = attribute.items()
    match tag:
        case "S":
            return len(payload if payload.isascii() else payload.encode()) + 2
        case "N":
            return len(payload)
        case "B":
            return len(payload) * 2 + 2
        case "L":
            return sum(map(_size, payload)) + len(payload) + 2
        case "M":
            return sum(len(name) + _PAIR_BYTES + _size(value) for name, value in payload.items()) + 2
        case "SS" | "NS" | "BS":
            return sum(len(member) + 3 for member in payload) + 2
    return len("false")


def _has_long_name(attribute: Attribute) -> bool:
    ((tag, payload),) = attribute.items()
    if tag == "M":
        return any(len(name) > MAX_DOCUMENT_NAME or _has_long_name(value) for name, value in payload.items())
    return tag == "L" and any(map(_has_long_name, payload))
