"""The other ways to make rows of a batch, as people write them, and what is the least that has to be done.

All take the same records and end in the same: a partition key and the bytes of a JSON row for each, one after the
other. What a table needs beside decoding (:attr:`bench.shapes.Shape.finish`) all do with the same code.
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

FIRST: Final = "first"  # what people write first, by which everything is measured
OURS: Final = "dynapinot"
MARSHALLER: Final = "marshaller"  # ours as well, with EVENT_PARSER=orjson
LOOP: Final = "loop"
FLOOR: Final = "floor"

_MS: Final = 1_000


class EventDeserializer(TypeDeserializer):
    """boto3's, mended: it takes a B for bytes, and an event has base64 text."""

    def _deserialize_b(self, value: str) -> bytes:
        return b64decode(value)


_DESERIALIZER: Final = EventDeserializer()


def plain(value: object) -> object:
    """Give the JSON writers what they do not know: boto3's Decimal, sets."""
    if isinstance(value, Decimal):
        return int(value) if value % 1 == 0 else float(value)
    if isinstance(value, set):
        return sorted(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def standard_dumps(value: object) -> str:
    """Write JSON with the standard library."""
    return json.dumps(value, default=plain)


def orjson_dumps(value: object) -> str:
    """Write JSON with orjson."""
    return orjson.dumps(value, default=plain).decode()


def _complete(row: Item, record: Record) -> Item:
    """Add what the change itself fills."""
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
    """What people write first: boto3's TypeDeserializer and json.dumps."""
    for record in records:
        image = _image(record)
        item = {name: _DESERIALIZER.deserialize(value) for name, value in image.items()}
        row = _complete(shape.finish(item, standard_dumps), record)
        yield _key(row, shape), json.dumps(row, default=plain).encode()


def decode_orjson(records: Sequence[Record], shape: Shape) -> Iterator[Row]:
    """The same with orjson."""
    for record in records:
        image = _image(record)
        item = {name: _DESERIALIZER.deserialize(value) for name, value in image.items()}
        row = _complete(shape.finish(item, orjson_dumps), record)
        yield _key(row, shape), orjson.dumps(row, default=plain)


def decode_powertools(records: Sequence[Record], shape: Shape) -> Iterator[Row]:
    """Powertools' data class for the event, and orjson."""
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
    """The package dynamodb-json, and orjson."""
    from dynamodb_json import json_util  # type: ignore[import-not-found]  # noqa: PLC0415  # the benchmark's own environment

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
    """A loop by hand over every attribute, and orjson: no check, and numbers through float."""
    for record in records:
        image = _image(record)
        item = {name: _naive(value) for name, value in image.items()}
        row = _complete(shape.finish(item, orjson_dumps), record)
        yield _key(row, shape), orjson.dumps(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One of them. ``differs`` names, for a shape, the columns that it gets otherwise; ``why`` is the table's note."""

    name: str
    label: str
    decode: Decode
    differs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    why: str = ""


RIVALS: Final = (
    Rival(name=FIRST, label="TypeDeserializer + json", decode=decode_first),
    Rival(name="orjson", label="TypeDeserializer + orjson", decode=decode_orjson),
    Rival(name="powertools", label="Powertools data class + orjson", decode=decode_powertools),
    Rival(
        name="dynamodb-json",
        label="dynamodb-json + orjson",
        decode=decode_dynamodb_json,
        differs={"wide": frozenset({"tags_0", "tags_1", "tags_2", "numbers_0", "numbers_1"})},
        why="numbers through float; sets unsorted, and those of numbers as text",
    ),
    Rival(name=LOOP, label="a loop by hand + orjson", decode=decode_loop, why="numbers through float, nothing checked"),
)


def columns_that_differ(mine: bytes, theirs: bytes) -> set[str]:
    """Compare two rows column by column: JSON columns by what is in them, null like absent, as Pinot reads them."""
    rows = [{name: _meant(value) for name, value in orjson.loads(row).items()} for row in (mine, theirs)]
    names = rows[0].keys() | rows[1].keys()
    return {name for name in names if rows[0].get(name) != rows[1].get(name)}


def _meant(value: object) -> object:
    if isinstance(value, str) and value.startswith(("{", "[")):
        return orjson.loads(value)
    return value
