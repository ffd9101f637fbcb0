"""Telling a change record by sight: a regular expression for the JSON of records that are like one that is there.

Records of a table differ in a few places, and are the same in all others. Who knows the places says what may stand
there; all else is to be as it is in the one record, to the byte. So nothing is taken for granted that was not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
    return re.escape(orjson.dumps(value).decode())
