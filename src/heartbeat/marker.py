"""Markers: a few items of the DynamoDB table that are the canary's own, overwritten by every run."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from decoder.change import Change, decode_change

Item: TypeAlias = Mapping[str, Any]  # attribute name -> attribute value, in the JSON of an event

PREFIX: Final = "dynapinot-heartbeat-"
PLACEHOLDER: Final = "{marker}"  # in the text of a template, for the prefix and the marker's number
ATTRIBUTE: Final = "heartbeat"  # the epoch ms of the put: a put that changes nothing makes no stream record

# What a key attribute of type N is: 2000-01-01T00:00:00Z in ms, which a TIMESTAMP column takes and Pinot's segments may
# have as their time (they want 1971 to 2071); where 32 bits are all there is, in seconds.
NUMBERS: Final = (946_684_800_000, 946_684_800)

_MS: Final = 1_000


class HeartbeatError(ValueError):
    """The canary cannot work as it is set up; the message says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttribute:
    """One attribute of a DynamoDB table's key; ``type`` is S, N or B."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The DynamoDB table that the markers are written to; its partition key comes first in ``keys``."""

    table: str
    region: str
    keys: Sequence[KeyAttribute]

    def key_of(self, item: Item) -> Item:
        """Take the key out of an item."""
        return {key.name: item[key.name] for key in self.keys}


def check_templates(templates: Sequence[Item], origin: Origin) -> None:
    """Check what HEARTBEAT_ITEM says of the canary's own attribute and of the key. Raises HeartbeatError."""
    if any(key.name == ATTRIBUTE for key in origin.keys):
        raise HeartbeatError(
            f"The DynamoDB table {origin.table} has {ATTRIBUTE} in its key, and a marker is changed by that attribute"
        )
    for template in templates:
        if ATTRIBUTE in template:
            raise HeartbeatError(f"HEARTBEAT_ITEM has the attribute {ATTRIBUTE}: leave it out, it is written anyway")
        for key in origin.keys:
            given = template.get(key.name)
            if given is not None and not (isinstance(given, dict) and given.keys() == {key.type}):
                example = f'{{"{key.name}": {{"{key.type}": "…"}}}}'
                raise HeartbeatError(f"HEARTBEAT_ITEM has another type for the key attribute {key.name}: use {example}")


def marker(template: Item, origin: Origin, number: int, base: int) -> Item:
    """Make the marker of a number, but for its :data:`ATTRIBUTE`: always the same one.

    Key attributes that the template does not give are the marker's name where they are S or B. An N is ``base``, and in
    the partition key counts on from there.
    """
    name = f"{PREFIX}{number}"
    item = {attribute: _filled(value, name) for attribute, value in template.items()}
    for place, key in enumerate(origin.keys):
        if key.name not in item:
            item[key.name] = {key.type: _key_value(key.type, name, base if place else base + number)}
    return item


def stamped(item: Item, put_ms: int) -> Item:
    """Give the marker as it is put at a time, in epoch ms."""
    return {**item, ATTRIBUTE: {"N": str(put_ms)}}


def change_of(item: Item, origin: Origin, put_ms: int) -> Change:
    """Make the change that a put of a marker becomes, as the stream tells it: its time is in whole seconds.

    Raises MalformedError.
    """
    image = stamped(item, put_ms)
    return decode_change(
        {
            "eventID": "0" * 32,
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "awsRegion": origin.region,
            "tableName": origin.table,
            "dynamodb": {
                "ApproximateCreationDateTime": put_ms // _MS,
                "Keys": origin.key_of(item),
                "NewImage": image,
                "SequenceNumber": "0",
                "SizeBytes": 0,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }
    )


def _filled(value: object, name: str) -> object:
    match value:
        case str():
            return value.replace(PLACEHOLDER, name)
        case list():
            return [_filled(each, name) for each in value]
        case dict():
            return {key: _filled(each, name) for key, each in value.items()}
    return value


def _key_value(key_type: str, name: str, number: int) -> str:
    if key_type == "N":
        return str(number)
    return name if key_type == "S" else b2a_base64(name.encode(), newline=False).decode()
