"""Attribute values of any shape, for JSON columns, paths, ``when`` and attributes that no column takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import orjson
from msgspec import UNSET, Struct, UnsetType

from decoder.attribute import MAX_DEPTH, fold
from decoder.number import MAX_SIGNIFICANT_DIGITS
from pinot.path import Step
from pinot.schema import Field
from pinot.values import DOCUMENT, converter, document_text, input_value

# Numbers as DynamoDB writes them, joined with a space behind each: their text is what the row has.
_NUMBERS: Final = re.compile(
    rf"(?:(?=[^ ]{{1,{MAX_SIGNIFICANT_DIGITS}}} )(?:0|-?[1-9][0-9]*+(?:\.[0-9]*[1-9])?|-?0\.[0-9]*[1-9]) )*+"
)


class Tree(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An attribute value of any type: exactly one field is set."""

    S: str | UnsetType = UNSET
    N: str | UnsetType = UNSET
    M: dict[str, Tree] | UnsetType = UNSET
    L: list[Tree] | UnsetType = UNSET
    BOOL: Literal[True, False] | UnsetType = UNSET
    NULL: Literal[True] | UnsetType = UNSET
    B: str | UnsetType = UNSET
    SS: list[str] | UnsetType = UNSET
    NS: list[str] | UnsetType = UNSET
    BS: list[str] | UnsetType = UNSET


_SIMPLE_TAGS: Final = ("S", "N", "BOOL", "NULL", "B", "SS", "NS", "BS")


def attribute_of(tree: Tree) -> dict[str, Any]:
    """Give the attribute value as an event has it. Raises ValueError when no type is set."""
    if tree.S is not UNSET:
        return {"S": tree.S}
    if tree.N is not UNSET:
        return {"N": tree.N}
    if tree.M is not UNSET:
        return {"M": {name: attribute_of(item) for name, item in tree.M.items()}}
    if tree.L is not UNSET:
        return {"L": [attribute_of(item) for item in tree.L]}
    return _simple_attribute(tree)


def _simple_attribute(tree: Tree) -> dict[str, Any]:
    for tag in _SIMPLE_TAGS:
        value = getattr(tree, tag)
        if value is not UNSET:
            return {tag: value}
    raise ValueError("an attribute value without a type")


def natural(tree: Tree) -> Any:  # noqa: ANN401  # any JSON value
    """Read an attribute value into plain JSON, as :func:`pinot.values.natural` does.

    Raises ValueError or ChangeError for a value that the exact path must look at.
    """
    numbers: list[str] = []
    value = _natural(tree, numbers, MAX_DEPTH)
    if numbers and not are_canonical(numbers):
        raise ValueError("a number that the exact path must look at")
    return value


def are_canonical(numbers: Sequence[str]) -> bool:
    """Return whether all numbers are written as a row has them. One call for all is far faster than one for each."""
    joined = f"{' '.join(numbers)} "
    return not numbers or (joined.count(" ") == len(numbers) and _NUMBERS.fullmatch(joined) is not None)


def _natural(tree: Tree, numbers: list[str], depth: int) -> Any:  # noqa: ANN401
    value: Any = tree.M
    if value is not UNSET:
        if not depth:
            raise ValueError("too many levels")
        entries = {}
        for name, item in value.items():
            value = item.S  # the usual types here: a call for each takes longer
            if value is UNSET:
                value = item.N
                if value is UNSET:
                    value = _natural(item, numbers, depth - 1)
                else:
                    numbers.append(value)
                    value = orjson.Fragment(value)
            entries[name] = value
        return entries
    value = tree.L
    if value is not UNSET:
        if not depth:
            raise ValueError("too many levels")
        return [text if (text := item.S) is not UNSET else _natural(item, numbers, depth - 1) for item in value]
    value = tree.S
    if value is not UNSET:
        return value
    value = tree.BOOL
    if value is not UNSET:
        return value
    value = tree.N
    if value is not UNSET:
        numbers.append(value)
        return orjson.Fragment(value)
    return fold(_simple_attribute(tree), DOCUMENT, depth)


def follow(tree: Tree, steps: tuple[Step, ...]) -> Tree | None:
    """Follow a path into a value; None when nothing is there.

    Raises ValueError when the path runs through a value that is neither a map, a list nor NULL.
    """
    here = tree
    for step in steps:
        inside: Any = here.M if isinstance(step, str) else here.L
        if inside is UNSET:
            if here.NULL is True:
                return None
            raise ValueError("a path through a value that holds no others")
        found = inside.get(step) if isinstance(step, str) else inside[step] if step < len(inside) else None
        if found is None:
            return None
        here = found
    return here


def reader(field: Field | None, steps: tuple[Step, ...], *, is_key: bool) -> Callable[[Tree], Any]:
    """Build the function that takes a column's row value out of a tree; it gives None for no value.

    No ``field`` is an input of Pinot's expressions. ``steps`` is the path behind the attribute's name. The function
    raises ValueError or ChangeError for a value that the exact path must look at.
    """
    if field is None:
        convert: Callable[[Tree], Any] = lambda tree: input_value(natural(tree))  # noqa: E731
    elif field.data_type == "JSON":
        convert = lambda tree: document_text(natural(tree), field.max_length)  # noqa: E731
    else:
        exact = converter(field, is_key=is_key)
        convert = lambda tree: exact(attribute_of(tree))  # noqa: E731
    if not steps:
        return convert

    def read(tree: Tree) -> Any:  # noqa: ANN401
        leaf = follow(tree, steps)
        return None if leaf is None else convert(leaf)

    return read
