"""What a column can hold of the change itself, rather than of the item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

from decoder.change import Change, Image
from pinot.schema import Field
from pinot.values import Json, Shape, shapes_of

Kind: TypeAlias = Literal["flag", "time", "text", "count"]
Fill: TypeAlias = Callable[[Change, Image, bool], Json | None]  # see pinot.table.Take; the image is not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """One property of a change: its kind, which decides the column types that can hold it, and how to read it."""

    kind: Kind
    read: Callable[[Change, bool], Any]


METADATA: Final[dict[str, Metadata]] = {
    "$deleted": Metadata(kind="flag", read=lambda _, deleted: deleted),
    "$ttl_delete": Metadata(kind="flag", read=lambda change, _: change.ttl_delete),
    "$timestamp": Metadata(kind="time", read=lambda change, _: change.timestamp_ms),
    "$version": Metadata(kind="text", read=lambda change, _: change.version),
    "$sequence_number": Metadata(kind="text", read=lambda change, _: change.sequence_number),
    "$event_name": Metadata(kind="text", read=lambda change, _: change.event_name),
    "$event_id": Metadata(kind="text", read=lambda change, _: change.event_id),
    "$table": Metadata(kind="text", read=lambda change, _: change.table),
    "$region": Metadata(kind="text", read=lambda change, _: change.region),
    "$view_type": Metadata(kind="text", read=lambda change, _: change.view_type),
    "$size_bytes": Metadata(kind="count", read=lambda change, _: change.size_bytes),
}

# Columns that bear DynamoDB's own name for a property are filled with it, as StarTree's decoder does.
DYNAMODB_NAMES: Final[dict[str, str]] = {
    "ApproximateCreationDateTime": "$timestamp",
    "SequenceNumber": "$sequence_number",
    "SizeBytes": "$size_bytes",
    "StreamViewType": "$view_type",
    "awsRegion": "$region",
    "eventID": "$event_id",
    "eventName": "$event_name",
    "tableName": "$table",
}

_MS_PER_SECOND: Final = 1_000

_TYPES: Final[dict[Kind, tuple[str, ...]]] = {
    "flag": ("BOOLEAN", "STRING", "INT", "LONG", "FLOAT", "DOUBLE"),
    "time": ("TIMESTAMP", "LONG", "INT"),
    "text": ("STRING",),
    "count": ("LONG", "INT"),
}


def types_for(name: str) -> tuple[str, ...]:
    """List the column types that can hold a property of the change, the best one first."""
    return _TYPES[METADATA[name].kind]


def can_hold(field: Field, name: str) -> bool:
    """Return whether a column can hold a property of the change: by its type and, for times, its unit."""
    if not field.single_value or field.data_type not in types_for(name):
        return False
    if METADATA[name].kind != "time":
        return True
    # An INT of seconds lasts to 2038, and then its rows are refused; one of milliseconds is over since 1970.
    return field.unit_ms is not None and (field.data_type != "INT" or field.unit_ms >= _MS_PER_SECOND)


def filler(field: Field, name: str) -> Fill:
    """Build the function that fills a column with a property of the change; the column :func:`can_hold` it."""
    read = METADATA[name].read
    shape = _shape(field, METADATA[name].kind)

    def fill(change: Change, _: Image, deleted: bool) -> Json | None:  # noqa: FBT001  # called by position only
        value = read(change, deleted)
        return None if value is None else shape(value)

    return fill


def _shape(field: Field, kind: Kind) -> Shape:
    if kind == "time":
        unit_ms = field.unit_ms or Fraction(1)
        if unit_ms == 1 and field.data_type != "INT":
            return int  # what decoder.change lets through fits a LONG, and is no TIMESTAMP of 32 bits
        fits = shapes_of(field.data_type if field.data_type == "INT" else "LONG", None)["N"]
        return lambda timestamp_ms: fits(Decimal(timestamp_ms // unit_ms))
    shapes = shapes_of(field.data_type, field.max_length)
    if kind == "text":
        return shapes["S"]
    if kind == "flag":
        return shapes.get("BOOL", int)  # Pinot reads 1 and 0 in a numeric delete column
    number = shapes["N"]
    return lambda value: number(Decimal(value))
