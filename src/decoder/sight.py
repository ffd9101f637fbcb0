"""Telling a change record by sight: a regular expression for the JSON of records that are like one that is there.

Records of a table differ in a few places, and are the same in all others. Who knows the places says what may stand
there; all else is to be as it is in the one record, to the byte. So nothing is taken for granted that was not seen.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import orjson

Path: TypeAlias = tuple[str, ...]
# A place in a record and the value there -> the expression of what may stand there, None for that value or its like.
Sight: TypeAlias = Callable[[Path, object], str | None]

# What JSON allows in a text; of the escapes, those that orjson writes, so that a text stands in a row as it came.
CHARACTER: Final = r'[^"\\\x00-\x1f]'
ESCAPE: Final = r'\\["\\bfnrt]'
ANY_ESCAPE: Final = r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})'
ANY_TEXT: Final = rf'"{CHARACTER}*+(?:{ANY_ESCAPE}{CHARACTER}*+)*+"'


def like(value: object, sight: Sight, path: Path = ()) -> str:
    """Make the expression of JSON, without blanks, that is like a value's. ``sight`` is asked in the order of the text.

    Raises TypeError for what orjson does not write.
    """
    pattern = sight(path, value)
    if pattern is not None:
        return pattern
    if isinstance(value, dict):
        members = (f"{literal(name)}:{like(each, sight, (*path, name))}" for name, each in value.items())
        return rf"\{{{','.join(members)}\}}"
    return literal(value)


def literal(value: object) -> str:
    """Make the expression of a value's own JSON, as orjson writes it. Raises TypeError for what it does not write."""
    return re.escape(_json(value))


def one_of(names: Iterable[str], behind: Callable[[str], str]) -> str:
    """Make the expression of one of some names and what stands behind it; what names begin alike with is seen once.

    ``behind`` is asked in the order of the expression.
    """
    return _one_of([(_json(name) + ":", name) for name in names], behind)


def _one_of(members: Sequence[tuple[str, str]], behind: Callable[[str], str]) -> str:
    if len(members) == 1:
        [(text, name)] = members
        return re.escape(text) + behind(name)
    start = _common_start([text for text, _ in members])
    by_next: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for text, name in members:
        rest = text[len(start) :]  # no name's text is the beginning of another's: each ends in a quote
        by_next[rest[0]].append((rest, name))
    return f"{re.escape(start)}(?:{'|'.join(_one_of(each, behind) for each in by_next.values())})"


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)  # between which all others stand
    return first[: next(place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])]


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
