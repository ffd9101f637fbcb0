"""What a table's three files say together: where every column of a row comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pinot.config import TableConfig
from pinot.expression import names_read_by
from pinot.metadata import DYNAMODB_NAMES, can_hold
from pinot.schema import Field, Schema
from pinot.source import REST, Source
from pinot.table import Origin, Role


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A table's three files as read, and what follows from all of them."""

    schema: Schema
    config: TableConfig
    source: Source

    @property
    def transforms(self) -> Mapping[str, str]:
        """The expressions that Pinot fills columns from."""
        return transforms_of(self.schema, self.config)

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where each column comes from that Pinot does not compute."""
        transforms = self.transforms
        return {each.name: self._origin(each) for each in self.schema.fields if each.name not in transforms}

    def _origin(self, field: Field) -> Origin:
        """Decide where a column comes from: what is said of it wins over what it is for."""
        if field.name in self.source.columns:
            return self.source.columns[field.name]
        if field.name in self.schema.primary_key:
            return (field.name,)  # a property of the change would make each change a row of its own
        if field.name == self.config.delete_column:
            return "$deleted"
        if field.name in DYNAMODB_NAMES:
            return DYNAMODB_NAMES[field.name]
        return "$timestamp" if self.orders_by_default(field) else (field.name,)

    def orders_by_default(self, field: Field) -> bool:
        """Return whether a comparison column holds the change's time only by default."""
        return (
            field.name == self.config.comparison_column
            and field.name not in {*self.schema.primary_key, *self.source.columns, *DYNAMODB_NAMES}
            and can_hold(field, "$timestamp")
        )

    def role(self, name: str) -> Role | None:
        """Return why a row needs a value in a column, None when it does not."""
        if name in self.schema.primary_key:
            return "key"
        if name == (self.config.comparison_column or self.config.time_column):
            return "comparison"
        return "time" if name == self.config.time_column else None

    def in_tombstones(self, name: str, origin: Origin) -> bool:
        """Return whether tombstones carry a field: not what expressions read of the item.

        Pinot drops a row when an expression cannot read its input, and a dropped tombstone leaves the item's row. It
        computes null of a missing input. The primary key, the order and Pinot's filter need their inputs all the same.
        """
        if isinstance(origin, str) and origin != REST:
            return True
        return self.role(name) is not None or name in self._needed_inputs or name not in self._read_names

    @cached_property
    def _read_names(self) -> set[str]:
        return set().union(*map(names_read_by, self.transforms.values()))

    @cached_property
    def _needed_inputs(self) -> set[str]:
        """What the filter reads and what columns that a tombstone must have are computed from."""
        transforms = self.transforms
        needed = names_read_by(self.config.filter_function or "")
        unread = [*needed, self.config.delete_column]
        unread += [name for name in transforms if self.role(name)]
        while unread:
            read = names_read_by(transforms.get(unread.pop(), "")) - needed
            needed |= read
            unread += read
        return needed

    def inputs(self) -> set[str]:
        """Find the fields that Pinot's expressions read and that are no columns: rows must have them all the same."""
        transforms = self.transforms
        expressions = [*transforms.values(), self.config.filter_function or ""]
        names = set().union(*map(names_read_by, expressions))
        return names - transforms.keys() - {field.name for field in self.schema.fields}


def transforms_of(schema: Schema, config: TableConfig) -> dict[str, str]:
    """Collect the expressions that Pinot fills columns from; the table config's win over the schema's, as in Pinot."""
    of_schema = {field.name: field.transform for field in schema.fields if field.transform}
    return {**of_schema, **config.transforms, **config.enrichments}
