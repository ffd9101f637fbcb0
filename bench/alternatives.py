"""The alternatives: other ways to make a batch's rows, as people usually write them.

All take the same records and yield the same: a partition key and the bytes of a JSON row for each record. What a table
needs besides decoding (:attr:`bench.shapes.Shape.finish`) is the same code for all.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast

import orjson
from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from boto3.dynamodb.types import TypeDeserializer

from bench.shapes import Item, Record, Shape

Row: TypeAlias = tuple[str, bytes]  # partition key, data
Decode: TypeAlias = Callable[[Sequence[Record], Shape], Iterator[Row]]

FIRST: Final = "first"  # the usual first version, the baseline of all ratios
OURS: Final = "dynapinot"
MARSHALLER: Final = "marshaller"  # dynapinot with EVENT_PARSER=orjson
LOOP: Final = "loop"
FLOOR: Final = "floor"

_MS: Final = 1_000


class EventDeserializer(TypeDeserializer):
    """boto3's deserializer, fixed: it takes a B for bytes, but an event has base64 text."""

    def _deserialize_b(self, value: str) -> bytes:
        return b64decode(value)


_DESERIALIZER: Final = EventDeserializer()


def plain(value: object) -> object:
    """Convert what JSON serializers do not know: boto3's Decimal, sets."""
    if isinstance(value, Decimal):
        return int(value) if value % 1 == 0 else float(value)
    if isinstance(value, set):
        return sorted(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def standard_dumps(value: object) -> str:
    """Serialize JSON with the standard library."""
    return json.dumps(value, default=plain)


def orjson_dumps(value: object) -> str:
    """Serialize JSON with orjson."""
    return orjson.dumps(value, default=plain).decode()


def _complete(row: Item, record: Record) -> Item:
    """Add the columns that the change itself fills."""
    row["eventName"] = record["eventName"]
    row["is_delete"] = record["eventName"] == "REMOVE"
    row["ApproximateCreationDateTime"] = record["dynamodb"]["ApproximateCreationDateTime"] * _MS
    return row


def _image(record: Record) -> Mapping[str, Any]:
    change = record["dynamodb"]
    return cast("Mapping[str, Any]", change["NewImage"] if "NewImage" in change else change["OldImage"])


def _key(row: Item, shape: Shape) -> str:
    return ":".join(str(row[name]) for name in shape.key)


def decode_first(records: Sequence[Record], shape: Shape) -> Iterator[Row]:
    """Decode as people usually do first: boto3's TypeDeserializer and json.dumps."""
    for record in records:
        image = _image(record)
        item = {name: _DESERIALIZER.deserialize(value) for name, value in image.items()}
        row = _complete(shape.finish(item, standard_dumps), record)
        yield _key(row, shape), json.dumps(row, default=plain).encode()


def decode_orjson(records: Sequence[Record], shape: Shape) -> Iterator[Row]:
    """Decode the same way, with orjson."""
    for record in records:
        image = _image(record)
        item = {name: _DESERIALIZER.deserialize(value) for name, value in image.items()}
        row = _complete(shape.finish(item, orjson_dumps), record)
        yield _key(row, shape), orjson.dumps(row, default=plain)


def decode_powertools(records: Sequence[Record], shape: Shape) -> Iterator[Row]:
    """Decode with Powertools' data class for the event, and orjson."""
    for record in DynamoDBStreamEvent({"Records": records}).records:
        change, name = record.dynamodb, record.event_name
        if change is None or name is None:
            raise ValueError("this is no change")
        removed = name.name == "REMOVE"
        row = shape.finish(change.old_image if removed else change.new_image, orjson_dumps)
        row["eventName"] = name.name
        row["is_delete"] = removed
        row["ApproximateCreationDateTime"] = (change.approximate_creation_date_time or 0) * _MS
        yield _key(row, shape), orjson.dumps(row, default=plain)


def decode_dynamodb_json(records: Sequence[Record], shape: Shape) -> Iterator[Row]:
    """Decode with the package dynamodb-json, and orjson."""
    from dynamodb_json import json_util  # type: ignore[import-not-found]  # noqa: PLC0415  # only the benchmark's environment has it

    for record in records:
        image = _image(record)
        row = _complete(shape.finish(json_util.loads(image), orjson_dumps), record)
        yield _key(row, shape), orjson.dumps(row, default=plain)


def _naive(attribute: Mapping[str, Any]) -> Any:  # noqa: ANN401  # any JSON value
    ((tag, value),) = attribute.items()
    if tag == "N":
        return float(value) if "." in value else int(value)
    if tag == "M":
        return {name: _naive(each) for name, each in value.items()}
    if tag == "L":
        return [_naive(each) for each in value]
    if tag == "NS":
        return sorted(float(each) if "." in each else int(each) for each in value)
    if tag in {"SS", "BS"}:
        return sorted(value)
    return None if tag == "NULL" else value


def decode_loop(records: Sequence[Record], shape: Shape) -> Iterator[Row]:
    """Decode with a hand-written loop over every attribute, and orjson: no checks, and numbers become floats."""
    for record in records:
        image = _image(record)
        item = {name: _naive(value) for name, value in image.items()}
        row = _complete(shape.finish(item, orjson_dumps), record)
        yield _key(row, shape), orjson.dumps(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One alternative. ``differs`` names the differing columns of a shape; ``why`` is the note in tables."""

    name: str
    label: str
    decode: Decode
    differs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    why: str = ""


ALTERNATIVES: Final = (
    Alternative(name=FIRST, label="TypeDeserializer + json", decode=decode_first),
    Alternative(name="orjson", label="TypeDeserializer + orjson", decode=decode_orjson),
    Alternative(name="powertools", label="Powertools data class + orjson", decode=decode_powertools),
    Alternative(
        name="dynamodb-json",
        label="dynamodb-json + orjson",
        decode=decode_dynamodb_json,
        differs={"wide": frozenset({"tags_0", "tags_1", "tags_2", "numbers_0", "numbers_1"})},
        why="numbers through float; sets unsorted, and those of numbers as text",
    ),
    Alternative(
        name=LOOP, label="a loop by hand + orjson", decode=decode_loop, why="numbers through float, nothing checked"
    ),
)


def columns_that_differ(mine: bytes, theirs: bytes) -> set[str]:
    """Compare two rows column by column: JSON columns by their content, null like absent, as Pinot reads them."""
    rows = [{name: _as_pinot_reads(value) for name, value in orjson.loads(row).items()} for row in (mine, theirs)]
    names = rows[0].keys() | rows[1].keys()
    return {name for name in names if rows[0].get(name) != rows[1].get(name)}


def _as_pinot_reads(value: object) -> object:
    if isinstance(value, str) and value.startswith(("{", "[")):
        return orjson.loads(value)
    return value
