"""Count the work of a call, in place of its time: the same number in every run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from unittest.mock import patch

from decoder.attribute import SCALARS

SRC = str(Path(__file__).parent.parent.parent / "src")
GENERATED = "<string>"  # the functions that pinot.typed.row writes
TEXTS = (str, bytes)
LINE = ""  # no name of a variable
CONTAINERS = (list, tuple, dict, set, frozenset)


class _Counted:
    """A scalar that counts its comparisons and hashes, also those that sorting, sets and dicts make."""

    __slots__ = ()
    made = 0

    def __hash__(self):
        _Counted.made += 1
        return super().__hash__()

    def __eq__(self, other):
        _Counted.made += 1
        return super().__eq__(other)

    def __lt__(self, other):
        _Counted.made += 1
        return super().__lt__(other)


class CountedNumber(_Counted, Decimal):
    """A number that counts."""


class CountedText(_Counted, str):
    """A text that counts. No JSON library takes one for a name."""

    __slots__ = ()


class CountedBytes(_Counted, bytes):
    """Bytes that count."""

    __slots__ = ()


NUMBERS = {"N": CountedNumber}
SCALAR_CLASSES = {"S": CountedText, "N": CountedNumber, "B": CountedBytes}


def counting(classes):
    """Let the decoder make scalars that count."""
    made = {tag: _then(SCALARS[tag], cls) for tag, cls in classes.items()}
    return patch.dict(SCALARS, made)


def _then(decode, cls):
    return lambda payload: cls(decode(payload))


def work_of(call: Callable[[], object]) -> int:
    """Return the work of a call.

    It is the number of lines that Python runs, of calls into C, and of comparisons and hashes of the scalars that
    count. The length of each text that a function of ``src`` has under a name is added for each such function, and that
    of each container once: a text that grows by a character at a time is as much work as all its lengths together. What
    a single call into C does with a container's members is not counted, but for the scalars that count.
    """
    work = 0
    texts: dict[FrameType, dict[str, object]] = {}
    containers: dict[int, object] = {}

    def trace(frame, event, _):
        nonlocal work
        work += 1
        if frame.f_code.co_filename.startswith((SRC, GENERATED)):
            known = texts.setdefault(frame, {})
            line, known[LINE] = known.get(LINE, 0), frame.f_lineno
            if event == "line" and line < frame.f_lineno:
                return trace  # all that this turn of a loop binds is seen when the next one begins
            for name, value in frame.f_locals.items():
                if type(value) in TEXTS:
                    if known.get(name) is not value:
                        known[name] = value
                        work += len(value)
                elif type(value) in CONTAINERS and id(value) not in containers:
                    containers[id(value)] = value
                    work += len(value)
            if event == "return" and not frame.f_code.co_flags & CO_GENERATOR:
                del texts[frame]
        return trace

    def profile(_frame, event, _):
        nonlocal work
        work += event == "c_call"

    before = sys.gettrace(), sys.getprofile()
    _Counted.made = 0
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return work + _Counted.made
