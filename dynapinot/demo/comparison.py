"""Whether Pinot shows what DynamoDB holds: item by item, value by value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from decoder.number import number_text
from dynapinot.local.readback import float32, read_value
from dynapinot.local.replica import Key, Row, UpsertTable
from pinot.metadata import DYNAMODB_NAMES

Item: TypeAlias = Mapping[str, Any]  # attribute -> value as boto3's resource gives it


def differences(items: Iterable[Item], rows: Iterable[Row], table: UpsertTable) -> list[str]:
    """Say what is different, a sentence for each difference; nothing when both are equal.

    Every item must have exactly one row and every row its item; every attribute that has a column of its name must
    have exactly its value there, and such a column without an attribute must be empty. Columns that Pinot computes and
    those about the change itself are ignored.
    """
    shown: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        shown[table.key(row)].append(row)
    found: list[str] = []
    for item in items:
        key = tuple(expected(table.columns[name], item[name]) for name in table.primary_key)
        of_item = shown.pop(key, [])
        if len(of_item) == 1:
            found += [f"{_name(key)}: {difference}" for difference in _different_values(item, of_item[0], table)]
        elif of_item:
            found.append(f"{_name(key)}: DynamoDB has it once, Pinot would show it {len(of_item)} times")
        else:
            found.append(f"{_name(key)}: DynamoDB has it, Pinot would not show it")
    found += [f"{_name(key)}: Pinot would show it, DynamoDB does not have it" for key in shown]
    return found


def expected(data_type: str, value: object) -> Any:  # noqa: ANN401  # by the type
    """Return what a column of a type must hold for a value of DynamoDB, as ``readback.read_value`` gives it.

    Raises ValueError for a pair it does not know, and never guesses.
    """
    for kind, convert in _EXPECTED.get(data_type, {}).items():
        if type(value) is kind:
            return convert(value)
    raise ValueError(f"a {type(value).__name__} of DynamoDB cannot be compared with a column of type {data_type}")


def _whole(value: Decimal) -> int:
    if value != int(value):
        raise ValueError(f"{value} is no whole number")
    return int(value)


_EXPECTED: Final[Mapping[str, Mapping[type, Callable[[Any], Any]]]] = {
    "INT": {Decimal: _whole},
    "LONG": {Decimal: _whole},
    "FLOAT": {Decimal: lambda value: float32(float(value))},
    "DOUBLE": {Decimal: float},
    "BIG_DECIMAL": {Decimal: Decimal},
    "BOOLEAN": {bool: bool},
    "TIMESTAMP": {Decimal: _whole},
    "STRING": {str: str, Decimal: number_text, bool: lambda value: "true" if value else "false"},
}


def _different_values(item: Item, row: Row, table: UpsertTable) -> Iterable[str]:
    for name, data_type in table.columns.items():
        if name in table.computed or name in DYNAMODB_NAMES or name in (table.comparison, table.delete):
            continue
        needed = None if item.get(name) is None else expected(data_type, item[name])
        seen = None if row.get(name) is None else read_value(data_type, row[name])
        if needed != seen:
            yield f"{name} is {needed!r} in DynamoDB, Pinot would show {seen!r}"


def _name(key: Key) -> str:
    return " / ".join(map(str, key))
