"""Heartbeat items: a few items of the DynamoDB table that belong to the heartbeat. Every run overwrites them."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from decoder.change import Change, decode_change

Item: TypeAlias = Mapping[str, Any]  # attribute name -> attribute value, in the JSON of an event

PREFIX: Final = "dynapinot-heartbeat-"
PLACEHOLDER: Final = "{marker}"  # in the text of a template, for the prefix and the item's number
ATTRIBUTE: Final = "heartbeat"  # the put in epoch ms: a put that changes nothing makes no stream record

# The value of a key attribute of type N: 2000-01-01T00:00:00Z in ms. A TIMESTAMP column accepts it, and so do Pinot's
# segments as their time (they need 1971 to 2071). In seconds it is for a column of only 32 bits.
NUMBER_KEYS: Final = (946_684_800_000, 946_684_800)

_MS: Final = 1_000


class HeartbeatError(ValueError):
    """The heartbeat cannot work as it is configured; the message says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttribute:
    """One attribute of a DynamoDB table's key; ``type`` is S, N or B."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """The DynamoDB table that heartbeat items are written to; its partition key comes first in ``keys``."""

    table: str
    region: str
    keys: Sequence[KeyAttribute]

    def key_of(self, item: Item) -> Item:
        """Return the key of an item."""
        return {key.name: item[key.name] for key in self.keys}


def check_templates(templates: Sequence[Item], source: SourceTable) -> None:
    """Check HEARTBEAT_ITEM for the heartbeat's own attribute and for the key. Raises HeartbeatError."""
    if any(key.name == ATTRIBUTE for key in source.keys):
        raise HeartbeatError(
            f"The DynamoDB table {source.table} has {ATTRIBUTE} in its key, but each run must change that attribute"
        )
    for template in templates:
        if ATTRIBUTE in template:
            raise HeartbeatError(f"HEARTBEAT_ITEM has the attribute {ATTRIBUTE}: leave it out, each run writes it")
        for key in source.keys:
            given = template.get(key.name)
            if given is not None and not (isinstance(given, dict) and given.keys() == {key.type}):
                example = f'{{"{key.name}": {{"{key.type}": "…"}}}}'
                raise HeartbeatError(f"HEARTBEAT_ITEM has another type for the key attribute {key.name}: use {example}")


def heartbeat_item(template: Item, source: SourceTable, number: int, base: int) -> Item:
    """Make the heartbeat item of a number, without its :data:`ATTRIBUTE`: always the same one.

    A key attribute that the template does not have is the item's name if it is of type S or B. If it is of type N, it
    is ``base``, plus the number in a partition key.
    """
    name = f"{PREFIX}{number}"
    item = {attribute: _fill_placeholder(value, name) for attribute, value in template.items()}
    for index, key in enumerate(source.keys):
        if key.name not in item:
            item[key.name] = {key.type: _key_value(key.type, name, base if index else base + number)}
    return item


def with_put_time(item: Item, put_ms: int) -> Item:
    """Return the heartbeat item as it is put at a time in epoch ms."""
    return {**item, ATTRIBUTE: {"N": str(put_ms)}}


def insert_change(item: Item, source: SourceTable, put_ms: int) -> Change:
    """Make the change of a put of a heartbeat item, as in the stream: its time is in whole seconds.

    Raises MalformedError.
    """
    image = with_put_time(item, put_ms)
    return decode_change(
        {
            "eventID": "0" * 32,
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "awsRegion": source.region,
            "tableName": source.table,
            "dynamodb": {
                "ApproximateCreationDateTime": put_ms // _MS,
                "Keys": source.key_of(item),
                "NewImage": image,
                "SequenceNumber": "0",
                "SizeBytes": 0,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }
    )


def _fill_placeholder(value: object, name: str) -> object:
    match value:
        case str():
            return value.replace(PLACEHOLDER, name)
        case list():
            return [_fill_placeholder(each, name) for each in value]
        case dict():
            return {key: _fill_placeholder(each, name) for key, each in value.items()}
    return value


def _key_value(key_type: str, name: str, number: int) -> str:
    if key_type == "N":
        return str(number)
    return name if key_type == "S" else b2a_base64(name.encode(), newline=False).decode()
