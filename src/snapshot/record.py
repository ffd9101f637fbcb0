"""Items as change records, so that the code which makes rows of changes makes theirs too. Pure.

The record has the form of Kinesis Data Streams for DynamoDB: its time is in milliseconds, and it has no sequence
number. So ``$version`` is the time and zeros, which sort below every change of that millisecond. An item that was read
is an INSERT. What became of an item between two times, whatever happened to it meanwhile, is one change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import orjson
from msgspec import Raw, defstruct

from decoder.change import EventName
from decoder.errors import MalformedError
from decoder.records import RawRecords

_DYNAMODB: Final = b',"dynamodb":{"ApproximateCreationDateTime":'
_TTL_IDENTITY: Final = b',"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}'


def _start(table: str, region: str, event_name: EventName) -> bytes:
    source = {"eventName": event_name, "awsRegion": region, "tableName": table, "recordFormat": "application/json"}
    return orjson.dumps(source)[:-1]


class SnapshotRecords:
    """Makes records of the items of one DynamoDB table, each given as the JSON of ``{"attribute": {"S": …}, …}``.

    ``keys`` names the attributes of the table's primary key, ``region`` is the table's.
    """

    def __init__(self, table: str, region: str, keys: Sequence[str]) -> None:
        fields = [(f"key{position}", Raw) for position in range(len(keys))]
        renamed = {f"key{position}": name for position, name in enumerate(keys)}
        key_type = defstruct("Key", fields, rename=renamed)
        self._decode_key = msgspec.json.Decoder(key_type).decode
        self._encode_key = msgspec.json.Encoder().encode
        self._start = _start(table, region, "INSERT") + _DYNAMODB

    def key_of(self, item: bytes | Raw) -> bytes:
        """Return the JSON of an item's primary key. Raises MalformedError for an item without it."""
        try:
            return self._encode_key(self._decode_key(item))
        except (msgspec.MsgspecError, ValueError) as error:
            raise MalformedError(f"an item has the primary key of its table: {type(error).__name__}") from None

    def records(self, items: Sequence[bytes | Raw], timestamp_ms: int) -> RawRecords:
        """Make the records of items whose rows have a time, in epoch ms. Raises MalformedError."""
        start = b'%b%d,"Keys":' % (self._start, timestamp_ms)
        return _records([b'%b%b,"NewImage":%b}}' % (start, self.key_of(item), bytes(item)) for item in items])


class NetChange(NamedTuple):
    """What became of one item between two times, as raw JSON objects.

    ``old_image`` is the item just before the first time, None if it did not exist. ``new_image`` is the item at the
    second time, None if it was deleted. An item that was inserted and deleted between them has neither.
    """

    keys: Raw
    new_image: Raw | None
    old_image: Raw | None


class NetChangeRecords:
    """Makes records of what became of the items of one DynamoDB table, by what they were and are.

    ``keeps_ttl_deletes`` is whether all Pinot tables keep what Time to Live deletes. Nothing tells whether it was that.
    So none of their rows is deleted: a deleted item is one that Time to Live deleted, and an item that was changed is
    one that was inserted, which leaves the row of its former primary key. Elsewhere both are what the images show.
    """

    def __init__(self, table: str, region: str, *, keeps_ttl_deletes: bool) -> None:
        self._insert = _start(table, region, "INSERT") + _DYNAMODB
        self._modify = _start(table, region, "MODIFY") + _DYNAMODB
        self._remove = _start(table, region, "REMOVE") + _TTL_IDENTITY * keeps_ttl_deletes + _DYNAMODB
        self._keeps_ttl_deletes = keeps_ttl_deletes

    def records(self, changes: Iterable[NetChange], timestamp_ms: int) -> RawRecords:
        """Make the records of changes whose rows have a time, in epoch ms; none of a change that has neither image."""
        return _records([self._record(each, timestamp_ms) for each in changes if each.new_image or each.old_image])

    def _record(self, change: NetChange, timestamp_ms: int) -> bytes:
        keys, new, old = (bytes(each or b"") for each in change)
        if new and (self._keeps_ttl_deletes or not old):
            return b'%b%d,"Keys":%b,"NewImage":%b}}' % (self._insert, timestamp_ms, keys, new)
        if new:
            return b'%b%d,"Keys":%b,"NewImage":%b,"OldImage":%b}}' % (self._modify, timestamp_ms, keys, new, old)
        return b'%b%d,"Keys":%b,"OldImage":%b}}' % (self._remove, timestamp_ms, keys, old)


def _records(made: Sequence[bytes]) -> RawRecords:
    return RawRecords([Raw(each) for each in made], orjson.loads, is_ascii=all(map(bytes.isascii, made)))
