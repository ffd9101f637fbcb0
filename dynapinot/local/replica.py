"""A model of Pinot's upsert table, mode FULL: rows in, in stream order, and what queries show out.

What it does is what Pinot 1.5.1 was read and run to do (``ConcurrentMapPartitionUpsertMetadataManager``): each
partition, which is a shard of the stream, knows the newest row of each of its keys; a row takes its place when its
comparison value is greater or equal, so of two equals the one read later wins; a delete hides the key, and any row that
takes its place shows it again; rows that lost are stored all the same, which is the history.
https://docs.pinot.apache.org/release-1.5.0/manage-data/data-import/upsert-and-dedup/upsert
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from dynapinot.local.readback import RowError, is_true, read_value
from pinot.config import TableConfig, read_config
from pinot.definition import transforms_of
from pinot.errors import Findings
from pinot.schema import Schema, read_schema

Row: TypeAlias = Mapping[str, Any]  # column -> value as in the JSON
Key: TypeAlias = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertTable:
    """The parts of a table that the model needs: the columns' types, what identifies, orders and deletes rows.

    ``computed`` has, for each column that Pinot computes, its expression.
    """

    name: str
    columns: Mapping[str, str]
    primary_key: tuple[str, ...]
    comparison: str
    delete: str
    computed: Mapping[str, str]

    def key(self, row: Row) -> Key:
        """Read a row's primary key. Raises RowError when a part is missing: Pinot would file it under ``null``."""
        return tuple(self._value(row, name) for name in self.primary_key)

    def order(self, row: Row) -> Any:  # noqa: ANN401  # of the column's type
        """Read what a row is compared by. Raises RowError when it is missing."""
        value = self._value(row, self.comparison)
        return value.encode("utf-16-be") if isinstance(value, str) else value  # Java compares UTF-16 code units

    def is_delete(self, row: Row) -> bool:
        """Return whether a row is a tombstone."""
        return is_true(row.get(self.delete))

    def _value(self, row: Row, name: str) -> Any:  # noqa: ANN401
        if row.get(name) is None:
            raise RowError(f"column {name} is missing, and Pinot would put its own default in")
        return read_value(self.columns[name], row[name])


def read_upsert_table(schema_document: object, config_document: object) -> UpsertTable:
    """Take what the model needs from a Pinot schema and table config. Raises TableError, or ValueError for PARTIAL."""
    schema = read_schema(schema_document, Findings("schema"))
    config = read_config(config_document, Findings("table config"))
    if config.mode != "FULL":
        raise ValueError("the model knows upserts of mode FULL only")
    return upsert_table(schema, config)


def upsert_table(schema: Schema, config: TableConfig) -> UpsertTable:
    """Take what the model needs from a schema and a config as read, whatever their mode."""
    return UpsertTable(
        name=config.name,
        columns={field.name: field.data_type for field in schema.fields},
        primary_key=schema.primary_key,
        comparison=config.comparison_column or config.time_column,
        delete=config.delete_column,
        computed=transforms_of(schema, config),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    key: Key
    row: Row


class Replica:
    """An upsert table that has ingested what it was given."""

    def __init__(self, table: UpsertTable) -> None:
        self.table = table
        self._stored: list[_Stored] = []
        self._newest: dict[tuple[Hashable, Key], Row] = {}

    def ingest(self, partition: Hashable, data: bytes) -> Row:
        """Take the next record of a partition and return its row. Raises RowError when it is no row for this table."""
        try:
            row = json.loads(data)
        except ValueError as error:
            raise RowError(f"the record is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise RowError("the record is no JSON object")
        self.take(partition, row)
        return row

    def take(self, partition: Hashable, row: Row) -> None:
        """Take the next row of a partition. Raises RowError when Pinot would drop it or keep something else."""
        for name, value in row.items():
            if name in self.table.columns and value is not None:
                try:
                    read_value(self.table.columns[name], value)
                except RowError as error:
                    raise RowError(f"column {name}: {error}") from None
        key, order = self.table.key(row), self.table.order(row)
        newest = self._newest.get((partition, key))
        if newest is None or order >= self.table.order(newest):
            self._newest[partition, key] = row
        self._stored.append(_Stored(key=key, row=row))

    def live(self) -> list[Row]:
        """Show the rows a query sees; a key has more than one only if it came by several partitions."""
        return [row for _, row in self.placed()]

    def placed(self) -> list[tuple[Hashable, Row]]:
        """Show the rows a query sees, each with its partition."""
        return [(place[0], row) for place, row in self._newest.items() if not self.table.is_delete(row)]

    def history(self, key: Key | None = None) -> list[Row]:
        """Show the rows a query with ``skipUpsert`` sees, of all keys or one, as they were read."""
        return [stored.row for stored in self._stored if key is None or stored.key == key]
