"""Reading ``when`` of a ``source.toml``, which items are rows of a table, and deciding it for an image.

A condition is a table: each key a path into the item, each value what must stand there, or the words ``all``, ``any``
and ``not`` with further conditions. All that a table says must hold::

    when = { PK = { begins_with = "ORDER#" }, status = "open" }
    when = { any = [{ kind = "user" }, { kind = { in = ["admin", "guest"] } }], not = { hidden = { exists = true } } }

An image may be incomplete, the keys of a REMOVE alone; what it lacks is unknown, and so is what depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from decoder.attribute import decode
from decoder.change import Image
from decoder.errors import ChangeError
from decoder.number import decode_number
from pinot.errors import Findings, MisfitError
from pinot.path import UNREADABLE, Step, follow, parse_path

# An image, and whether it is complete -> whether the item is a row, None where that is unknown.
Matches: TypeAlias = Callable[[Image, bool], "bool | None"]
_Test: TypeAlias = Callable[[Any], bool]  # of a decoded value that is there

OPERATORS: Final = ("equals", "begins_with", "in", "exists")
CONNECTIVES: Final = ("all", "any", "not")

# What stands where an attribute belongs, in a file that would be read as something else than was meant.
_PROPERTY: Final = ("a property of the change says nothing about the item", "Name an attribute or a path")
_MISPLACED: Final = (
    {name: ("the attribute is missing", f"Write when = {{ attribute = {{ {name} = … }} }}") for name in OPERATORS}
    | {
        name: ("this is no condition", f"Write {name} above the line [when]")
        for name in ("dynamodb_table", "ttl_deletes", "leave_out", "columns", "when")
    }
    | {name: ("there is no such word", f"Use {word}") for name, word in (("or", "any"), ("and", "all"))}
)


def read_when(document: object, findings: Findings, attributes: set[str], where: str = "when") -> Matches:
    """Read a condition; ``attributes`` gets the names of those it looks at.

    Mistakes are noted in ``findings``, by the key they stand at.
    """
    if not isinstance(document, dict) or not document:
        findings.error(where, "it is not a condition", f'Write {where} = {{ attribute = "value" }}')
        return _conjunction(())
    parts: list[Matches] = []
    for key, value in document.items():
        here = f"{where}.{key}"
        if key in _MISPLACED or key.startswith("$"):
            findings.error(here, *_misplaced(key))
        elif key == "not":
            parts.append(_negation(read_when(value, findings, attributes, here)))
        elif key in CONNECTIVES:
            several = list(_read_several(value, findings, attributes, here))
            parts.append(_conjunction(several) if key == "all" else _disjunction(several))
        else:
            parts.append(_read_attribute(key, value, findings, attributes, here))
    return _conjunction(parts)


def _misplaced(key: str) -> tuple[str, str]:
    """Say why a key is hardly an attribute, and how to write it if it is one after all."""
    problem, remedy = _MISPLACED.get(key, _PROPERTY)
    return problem, f"{remedy}; an attribute of this name is '[\"{key}\"]'"


def _read_several(value: object, findings: Findings, attributes: set[str], where: str) -> Iterator[Matches]:
    if not isinstance(value, list) or not value:
        findings.error(where, "it is not a list of conditions", f'Write {where} = [{{ attribute = "value" }}, …]')
        return
    for index, each in enumerate(value):
        yield read_when(each, findings, attributes, f"{where}[{index}]")


def _read_attribute(text: str, value: object, findings: Findings, attributes: set[str], where: str) -> Matches:
    steps = parse_path(text)
    if steps is None:
        findings.error(where, *UNREADABLE)
        return _conjunction(())
    attributes.add(str(steps[0]))
    operators: Mapping[str, object] = value if isinstance(value, dict) else {"equals": value}
    if not operators:
        findings.error(where, "it says nothing", f"Use {', '.join(OPERATORS)}")
    if operators.get("exists") is False and len(operators) > 1:
        findings.error(where, "what does not exist has no value either: this never holds", "Keep one of the two")
    parts: list[Matches] = []
    for name, operand in operators.items():
        here = f"{where}.{name}" if isinstance(value, dict) else where
        if name == "exists" and isinstance(operand, bool):
            parts.append(_existence(steps, wanted=operand))
        elif name == "begins_with" and isinstance(operand, str):
            parts.append(_value_test(steps, _begins_with(operand)))
        elif name == "in" and isinstance(operand, list) and operand and all(map(_is_scalar, operand)):
            parts.append(_value_test(steps, _is_one_of(operand)))
        elif name == "equals" and _is_scalar(operand):
            parts.append(_value_test(steps, _is_one_of([operand])))
        elif name == "equals" and isinstance(operand, list) and not isinstance(value, dict):
            findings.error(here, "it is a list", f"Write {text} = {{ in = [ … ] }}")
        elif name in OPERATORS:
            remedy = 'Write equals = "a", begins_with = "a", in = ["a", "b"] or exists = true'
            findings.error(here, "its operand is of the wrong type", remedy)
        else:
            remedy = f'Use {", ".join(OPERATORS)}; a path is one key, in quotes: "{text}.{name}" = …'
            findings.error(here, "this operator is unknown", remedy)
    return _conjunction(parts)


def _is_scalar(operand: object) -> bool:
    """Return whether an attribute may be equal to this; a number must be one that DynamoDB can hold."""
    if isinstance(operand, int | Decimal) and not isinstance(operand, bool):
        try:
            decode_number(str(operand))
        except ChangeError:
            return False
    return isinstance(operand, str | int | Decimal)


def _begins_with(prefix: str) -> _Test:
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def _is_one_of(operands: Sequence[Any]) -> _Test:
    # A BOOL is no number, though Python has it so: the type is compared as well.
    wanted = {(_kind(operand), operand) for operand in operands}
    return lambda value: isinstance(value, str | bool | Decimal) and (_kind(value), value) in wanted


def _kind(value: object) -> str:
    return "BOOL" if isinstance(value, bool) else "S" if isinstance(value, str) else "N"


def _existence(steps: tuple[Step, ...], *, wanted: bool) -> Matches:
    def matches(image: Image, complete: bool) -> bool | None:  # noqa: FBT001
        if _find(image, steps) is not None:
            return wanted
        return not wanted if _is_known(image, steps, complete) else None

    return matches


def _value_test(steps: tuple[Step, ...], test: _Test) -> Matches:
    def matches(image: Image, complete: bool) -> bool | None:  # noqa: FBT001
        attribute = _find(image, steps)
        if attribute is not None:
            try:
                return test(decode(attribute))
            except ChangeError as error:
                raise error.inside(*steps) from None
        return False if _is_known(image, steps, complete) else None

    return matches


def _find(image: Image, steps: tuple[Step, ...]) -> object:
    try:
        return follow(image, steps)
    except MisfitError:
        return None  # a path through a text, say: nothing stands there


def _is_known(image: Image, steps: tuple[Step, ...], complete: bool) -> bool:  # noqa: FBT001
    return complete or steps[0] in image


# Three-valued logic: None is unknown.


def _negation(inner: Matches) -> Matches:
    def matches(image: Image, complete: bool) -> bool | None:  # noqa: FBT001
        result = inner(image, complete)
        return None if result is None else not result

    return matches


def _conjunction(parts: Sequence[Matches]) -> Matches:
    def matches(image: Image, complete: bool) -> bool | None:  # noqa: FBT001
        results = [part(image, complete) for part in parts]
        return False if False in results else None if None in results else True

    return matches


def _disjunction(parts: Sequence[Matches]) -> Matches:
    return _negation(_conjunction([_negation(part) for part in parts]))
