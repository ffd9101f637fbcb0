"""The column type of an attribute, and the reason: the first type of a table that holds all values seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from dynapinot.init.percentage import count_and_percent
from dynapinot.init.profile import EMPTY, MIXED, Scalars, Seen
from pinot.schema import DEFAULT_MAX_LENGTH
from pinot.values import MAX_DOCUMENT_NAME, MAX_MULTI_VALUES

KeyKind: TypeAlias = Literal["partition key", "sort key"]

# An item is at most 400 KB, and its UTF-8 never fewer bytes than its UTF-16 has units.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, as the limits of keys below
MAX_ITEM_LENGTH: Final = 409_600
KEY_LENGTHS: Final[dict[KeyKind, int]] = {"partition key": 2048, "sort key": 1024}

LENGTH_HEADROOM: Final = 4  # a text may become so many times longer than the longest that was seen
LIST_HEADROOM: Final = 4  # and a list
MOSTLY: Final = 0.5  # a type that holds this part of the values is shown as an alternative, if types conflict
NEARLY: Final = 0.9  # and if they do not


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A column's type and the reason for it.

    ``conflict`` says what kept the attribute from having the type of most of its values, ``alternative`` what that one
    would do, ``hints`` what else may be useful.
    """

    data_type: str
    multi_value: bool = False
    max_length: int | None = None
    why: str
    conflict: str | None = None
    alternative: str | None = None
    hints: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name the type: ``LONG``, ``STRING(2048)``, ``multi-value STRING(512)``."""
        length = f"({self.max_length})" if self.max_length else ""
        return f"{'multi-value ' if self.multi_value else ''}{self.data_type}{length}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A column type, and how many of the values that were seen it holds without loss."""

    data_type: str
    multi_value: bool = False
    holds: Callable[[Seen], int]


def _doubles(scalars: Scalars) -> bool:
    """Return whether numbers are what a DOUBLE is for: not all whole, since those are mostly identities."""
    return bool(scalars.fractions) and not scalars.inexact


def _lists_of(kind: str, fits: Callable[[Scalars], bool]) -> Callable[[Seen], int]:
    def holds(seen: Seen) -> int:
        if seen.elements is None or seen.longest_list * LIST_HEADROOM > MAX_MULTI_VALUES or not fits(seen.elements):
            return 0
        return seen.kind(kind)

    return holds


# The first that holds everything is taken: the narrowest comes first, and JSON, which holds anything, last. There is no
# multi-value BYTES: consuming segments of Pinot 1.5.1 drop the rows (BytesOffHeapMutableDictionary.index throws).
_CANDIDATES: Final = (
    _Candidate(data_type="BOOLEAN", holds=lambda seen: seen.own.tag("BOOL")),
    _Candidate(data_type="LONG", holds=lambda seen: seen.own.whole),
    _Candidate(data_type="DOUBLE", holds=lambda seen: seen.own.tag("N") if _doubles(seen.own) else 0),
    _Candidate(data_type="BIG_DECIMAL", holds=lambda seen: seen.own.tag("N")),
    _Candidate(
        data_type="STRING",
        holds=lambda seen: seen.own.tag("S") - seen.own.nul + seen.own.tag("N") + seen.own.tag("BOOL"),
    ),
    _Candidate(data_type="BYTES", holds=lambda seen: seen.own.tag("B")),
    _Candidate(data_type="BOOLEAN", multi_value=True, holds=_lists_of("BOOL", lambda _: True)),
    _Candidate(data_type="LONG", multi_value=True, holds=_lists_of("N", lambda each: each.whole == each.tag("N"))),
    _Candidate(data_type="DOUBLE", multi_value=True, holds=_lists_of("N", _doubles)),
    _Candidate(data_type="STRING", multi_value=True, holds=_lists_of("S", lambda each: not each.nul)),
    _Candidate(data_type="JSON", holds=lambda seen: seen.values),
)


def choose(seen: Seen) -> Choice:
    """Choose the column type of an attribute that is no key."""
    if not seen.values:
        return Choice(data_type="JSON", why="only NULL was seen, and JSON takes whatever will come")
    taken = next(each for each in _CANDIDATES if each.holds(seen) == seen.values)
    elements = seen.elements if taken.multi_value else seen.own
    conflict = _conflict(seen)
    return Choice(
        data_type=taken.data_type,
        multi_value=taken.multi_value,
        max_length=max_length(elements.longest if elements else 0) if taken.data_type == "STRING" else None,
        why=_why(seen, taken),
        conflict=conflict,
        alternative=_alternative(seen, taken, MOSTLY if conflict or seen.kind(EMPTY) else NEARLY),
        hints=tuple(_hints(seen, taken)),
    )


def choose_key(kind: KeyKind, tag: str, seen: Seen | None) -> Choice:
    """Choose the column type of an attribute of the table's key; ``tag`` is its type, None seen is an empty table.

    In the primary key nothing may be rounded (docs/mapping.md), so a DOUBLE is none.
    """
    own = seen.own if seen else Scalars()
    if tag == "B":
        return Choice(data_type="BYTES", why=f"the {kind}, binary")
    if tag == "S":
        length = KEY_LENGTHS[kind]
        return Choice(
            data_type="STRING",
            max_length=length,
            why=f"the {kind}: at most {length:,} bytes in DynamoDB",
            # No JSON: Pinot rewrites it, so two items could become one row.
            conflict=f"U+0000 in {count_and_percent(own.nul, own.tag('S'))}: dead letters, no key column holds it"
            if own.nul
            else None,
        )
    if own.tag("N") and own.whole == own.tag("N"):
        return Choice(data_type="LONG", why=f"the {kind}, whole numbers", hints=tuple(_number_hints(own)))
    why = "and no item was seen: it holds any number" if not own.tag("N") else "not all of them fit LONG"
    return Choice(
        data_type="BIG_DECIMAL",
        why=f"the {kind}, numbers, {why}",
        alternative=_dead_letters("LONG", own.tag("N") - own.whole, own.tag("N")) if own.whole else None,
    )


def max_length(longest: int) -> int:
    """Choose a STRING's maxLength by the longest text seen: a power of two, with room to grow."""
    needed = max(DEFAULT_MAX_LENGTH, longest * LENGTH_HEADROOM)
    return max(longest, min(1 << (needed - 1).bit_length(), MAX_ITEM_LENGTH))


def _groups(seen: Seen) -> dict[str, int]:
    """Count the values by what no column but STRING and JSON takes together."""
    groups = {tag: seen.own.tag(tag) for tag in ("S", "N", "BOOL", "B", "M")}
    groups["lists and sets"] = sum(seen.own.tag(tag) for tag in ("L", "SS", "NS", "BS"))
    return {name: count for name, count in groups.items() if count}


def _conflict(seen: Seen) -> str | None:
    groups = _groups(seen)
    parts = []
    if len(groups) > 1:
        by_count = sorted(groups.items(), key=lambda each: -each[1])
        parts.append(", ".join(f"{name} in {count_and_percent(count, seen.values)}" for name, count in by_count))
    if seen.own.nul:
        parts.append(f"text with U+0000, where Pinot cuts a STRING, in {count_and_percent(seen.own.nul, seen.values)}")
    if seen.long_names:
        problem = f"names of over {MAX_DOCUMENT_NAME:,} characters, which Pinot's JSON parser refuses, in"
        parts.append(f"{problem} {count_and_percent(seen.long_names, seen.values)}: dead letters, no column holds them")
    return "; ".join(parts) or None


def _alternative(seen: Seen, taken: _Candidate, enough: float) -> str | None:
    """Describe the type before the chosen one that holds most, if it holds enough."""
    before = _CANDIDATES[: _CANDIDATES.index(taken)]
    best = max(before, key=lambda each: each.holds(seen), default=None)
    if best is None or best.holds(seen) < enough * seen.values:
        return None
    label = f"{'multi-value ' if best.multi_value else ''}{best.data_type}"
    return _dead_letters(label, seen.values - best.holds(seen), seen.values, empty=_empty(seen, best))


def _empty(seen: Seen, candidate: _Candidate) -> int:
    return seen.kind(EMPTY) if candidate.multi_value else 0


def _dead_letters(label: str, misfits: int, values: int, empty: int = 0) -> str:
    parts = []
    if misfits > empty:
        parts.append(f"would dead-letter {count_and_percent(misfits - empty, values)}")
    if empty:
        parts.append(f"would read {count_and_percent(empty, values)}, the empty lists, as null")
    return f"{label} {' and '.join(parts)}"


def _why(seen: Seen, taken: _Candidate) -> str:
    own, groups = seen.own, _groups(seen)
    if taken.multi_value:
        return f"lists or sets of one kind, at most {seen.longest_list:,} values"
    match taken.data_type:
        case "BOOLEAN":
            return "all are BOOL"
        case "BYTES":
            return "all are B"
        case "LONG":
            return "whole numbers of at most 64 bits"
        case "DOUBLE":
            some = "" if own.fractions == own.tag("N") else f" in {count_and_percent(own.fractions, own.tag('N'))}"
            return f"numbers, with a fraction{some}, all exact in a DOUBLE"
        case "BIG_DECIMAL" if own.fractions:
            return f"{count_and_percent(own.inexact, own.tag('N'))} of the numbers have digits that a DOUBLE has not"
        case "BIG_DECIMAL":
            return f"whole numbers, {count_and_percent(own.huge, own.tag('N'))} of them beyond 64 bits"
        case "STRING" if len(groups) > 1:
            return f"{' and '.join(groups)}, all as text, up to {own.longest:,} characters"
        case "STRING":
            return f"text, up to {own.longest:,} characters"
    return _why_json(seen, groups)


def _why_json(seen: Seen, groups: dict[str, int]) -> str:
    reasons = []
    if len(groups) > 1:
        reasons.append(f"no other type takes {', '.join(groups)} together")
    elif "M" in groups:
        reasons.append(_why_map(seen))
    elif seen.own.nul:
        reasons.append("text with U+0000")
    elif seen.elements:
        reasons.extend(_why_lists(seen, seen.elements))
    return "; ".join(reasons)


def _why_map(seen: Seen) -> str:
    if seen.wild:
        return "maps of many different keys"
    return f"maps of {len(seen.keys):,} different keys" if seen.keys else "maps"


def _why_lists(seen: Seen, elements: Scalars) -> list[str]:
    reasons = []
    kinds = set(seen.kinds or {}) - {EMPTY}
    if not kinds:
        reasons.append("all lists are empty, so what they hold is open")
    elif seen.kind(EMPTY):
        reasons.append(
            f"{count_and_percent(seen.kind(EMPTY), seen.values)} are empty, which a multi-value column makes null"
        )
    if seen.kind(MIXED) or len(kinds) > 1:
        reasons.append("lists of mixed types")
    elif kinds & {"L", "M", "SS", "NS", "BS", "NULL"}:
        reasons.append(f"lists of {', '.join(sorted(kinds))}")
    if seen.longest_list * LIST_HEADROOM > MAX_MULTI_VALUES:
        reasons.append(f"up to {seen.longest_list:,} values, and Pinot's limit is {MAX_MULTI_VALUES:,}")
    if kinds == {"N"} and (elements.huge or elements.inexact):
        reasons.append("numbers of more digits than a multi-value column can have")
    if kinds == {"B"}:
        reasons.append("lists of B, and Pinot 1.5.1 drops rows with multi-value BYTES")
    if kinds == {"S"} and elements.nul:
        reasons.append("text with U+0000")
    return reasons


def _hints(seen: Seen, taken: _Candidate) -> list[str]:
    own = seen.own
    if taken.data_type == "STRING" and not taken.multi_value:
        hints = []
        if own.times == seen.values:
            hints.append(
                "all are ISO-8601 times with a zone, with which Pinot computes if the column is a TIMESTAMP, to the ms"
            )
        if own.documents == seen.values:
            hints.append("all look like JSON, and a JSON column takes such text as it is")
        return hints
    return _number_hints(own) if taken.data_type == "LONG" and not taken.multi_value else []


def _number_hints(own: Scalars) -> list[str]:
    if own.milliseconds == own.tag("N"):
        return ["all may be times in epoch milliseconds, which a TIMESTAMP shows as such"]
    if own.seconds == own.tag("N"):
        return ["all may be times in epoch seconds, which a TIMESTAMP does not take: use fromEpochSeconds in queries"]
    return []
