"""What a query shows of a Pinot table's rows, and how that compares with the row that an item becomes. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from dynapinot.local.readback import RowError, read_shown, read_value
from dynapinot.pinot_server import partition_of
from load.by_key import data_type, literal, quoted, selected
from load.sweep import QUERY_MS
from pinot.source import REST
from pinot.table import Column, Table

Key: TypeAlias = tuple[Hashable, ...]  # the values of a primary key, see readback.read_value

_OPTIONS: Final = f"SET enableNullHandling=true; SET timeoutMs={QUERY_MS}; "
_SEGMENT: Final = "$segmentName"
_UNREADABLE: Final = object()  # a value that no row has: Infinity, a time beyond LONG


class Shown(NamedTuple):
    """A row as a query shows it: its primary key, also as answered, and what it is compared by.

    ``values`` are those of the columns that are compared, in their order. ``partition`` is None for a segment that was
    uploaded.
    """

    key: Key
    answered: Sequence[Any]
    order: Any
    values: Sequence[Any]
    partition: int | None


class Made(NamedTuple):
    """A row, or a tombstone, as an item becomes it; the parts are those of :class:`Shown`."""

    key: Key
    answered: Sequence[Any]
    order: Any
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a Pinot table that are compared: all but those of the change itself, and those Pinot computes."""

    table: Table

    @property
    def compared(self) -> Sequence[Column]:
        """The columns, in the order of a row."""
        return [each for each in self.table.columns if each.field and not (_is_of_change(each) or each.is_input)]

    def made(self, row: Mapping[str, Any]) -> Made:
        """Read a row of the function."""
        key = [(each, row[each.name]) for each in self.table.primary_key]
        return Made(
            key=tuple(read_value(data_type(column), value) for column, value in key),
            answered=[int(value) if data_type(column) == "TIMESTAMP" else value for column, value in key],
            order=_order(read_value(data_type(self.table.comparison), row[self.table.comparison.name])),
            values=[_read(each, row.get(each.name)) for each in self.compared],
        )

    def query_keys(self, keys: Sequence[Sequence[Any]], limit: int) -> str:
        """Write the query for the rows of some primary keys, each as answered."""
        alone = self.table.primary_key[0] if len(self.table.primary_key) == 1 else None
        if alone and data_type(alone) != "BIG_DECIMAL":
            return self._query(f"{quoted(alone.name)} IN ({', '.join(literal(each) for (each,) in keys)})", limit)
        pairs = (" AND ".join(map(_equals, self.table.primary_key, each)) for each in keys)
        return self._query(" OR ".join(f"({each})" for each in pairs), limit)

    def query_bucket(self, salt: str, bucket: int, buckets: int, limit: int) -> str:
        """Write the query for the rows whose key and salt have a hash in one of so many buckets."""
        text = f"'{salt}'"
        for each in self.table.primary_key:
            text = f"CONCAT({text}, CAST({quoted(each.name)} AS STRING), '|')"
        return self._query(f"MOD(ABS(murmurHash2UTF8({text})), {buckets}) = {bucket}", limit)

    def query_count(self) -> str:
        """Write the query for the number of rows."""
        return f"{_OPTIONS}SELECT count(*) FROM {quoted(self.table.name)}"  # noqa: S608  # quoted

    def _query(self, condition: str, limit: int) -> str:
        shown = [*self.table.primary_key, self.table.comparison, *self.compared]
        taken = ", ".join((*map(selected, shown), quoted(_SEGMENT)))
        return f"{_OPTIONS}SELECT {taken} FROM {quoted(self.table.name)} WHERE {condition} LIMIT {limit}"  # noqa: S608

    def shown(self, answered: Sequence[Any]) -> Shown:
        """Read a row of an answer."""
        size = len(self.table.primary_key)
        *values, segment = answered
        return Shown(
            key=tuple(_shown(*each) for each in zip(self.table.primary_key, values, strict=False)),
            answered=tuple(values[:size]),
            order=_order(_shown(self.table.comparison, values[size])),
            values=[_shown(*each) for each in zip(self.compared, values[size + 1 :], strict=True)],
            partition=partition_of(segment),
        )

    def differing(self, made: Made, shown: Shown) -> Mapping[str, str]:
        """Say for each column whose values differ how they do."""
        pairs = zip(self.compared, made.values, shown.values, strict=True)
        return {column.name: how for column, needed, seen in pairs if (how := _how(self.table, column, needed, seen))}


def is_before(shown: Any, made: Any) -> bool:  # noqa: ANN401  # of the comparison column's type
    """Return whether a row is older than another, each by its ``order``."""
    return shown is None or shown is _UNREADABLE or bool(shown < made)


def _equals(column: Column, value: object) -> str:
    # In a segment that consumes, = and IN miss a BIG_DECIMAL of 10: Pinot looks it up as 1E+1. Run on Pinot 1.5.1.
    name, text = quoted(column.name), literal(value)
    return f"{name} BETWEEN {text} AND {text}" if data_type(column) == "BIG_DECIMAL" else f"{name} = {text}"


def _is_of_change(column: Column) -> bool:
    return isinstance(column.origin, str) and column.origin != REST


def _read(column: Column, value: object) -> Any:  # noqa: ANN401
    return None if value is None else read_value(data_type(column), value)


def _shown(column: Column, value: object) -> Any:  # noqa: ANN401
    try:
        return None if value is None else read_shown(data_type(column), value)
    except RowError:
        return _UNREADABLE


def _order(value: object) -> Any:  # noqa: ANN401
    return value.encode("utf-16-be") if isinstance(value, str) else value  # Java compares UTF-16 code units


def _how(table: Table, column: Column, needed: object, seen: object) -> str | None:
    if needed == seen:
        return None
    if needed is None:
        # Where Pinot knows no nulls it shows a default value, or one that the schema names.
        return "has a value, the item has none" if table.shows_nulls and _is_nullable(column) else None
    if seen is None:
        return "is null"
    if isinstance(needed, str) and isinstance(seen, str) and needed.startswith(seen):
        return "is cut"
    return "differs"


def _is_nullable(column: Column) -> bool:
    return column.field is not None and not column.field.not_null
