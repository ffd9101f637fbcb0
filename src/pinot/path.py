"""Paths into an item: ``order.lines[1].price``."""

from __future__ import annotations

import re
from typing import Final, TypeAlias, cast

from decoder.attribute import open_attribute
from decoder.change import Image
from decoder.errors import ChangeError
from pinot.errors import MisfitError

Step: TypeAlias = str | int

UNREADABLE: Final = ("the path cannot be read", """Write it as "address.city", "lines[0].sku" or '["a b"]'""")

_STEP: Final = re.compile(r"""\.?([^.\[\]"\s]+)|\[([0-9]+)\]|\["((?:[^"\\]|\\.)*)"\]""")


def parse_path(text: str) -> tuple[Step, ...] | None:
    """Split ``order.lines[1].price`` into its steps; None when it is no path. ``["a b"]`` quotes an odd name."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (match[1] is not None and (text[position] == ".") != bool(steps)):
            return None
        word, index, quoted = match.groups()
        steps.append(int(index) if index is not None else word if word is not None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    return tuple(steps) if steps and isinstance(steps[0], str) else None


def follow(image: Image, steps: tuple[Step, ...]) -> object:
    """Follow a path into an image's raw attribute values; None where nothing stands.

    Raises MalformedError or MisfitError (the path runs through something that is neither a map, a list nor NULL).
    """
    here: object = image.get(cast("str", steps[0]))
    for taken, step in enumerate(steps[1:], start=1):
        if here is None:
            return None
        try:
            tag, payload = open_attribute(here)
            if tag == "NULL":
                return None
            here = _child(tag, payload, step)
        except ChangeError as error:
            raise error.inside(*steps[:taken]) from None
    return here


def _child(tag: str, payload: object, step: Step) -> object:
    if tag == "M" and isinstance(payload, dict) and isinstance(step, str):
        return payload.get(step)
    if tag == "L" and isinstance(payload, list) and isinstance(step, int):
        return payload[step] if step < len(payload) else None
    wanted = "a map" if isinstance(step, str) else "a list"
    raise MisfitError("type_mismatch", f"the column's path needs {wanted} here, and this is a DynamoDB {tag}")
