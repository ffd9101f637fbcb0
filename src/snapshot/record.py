"""Items as change records, so that the code which makes rows of changes makes theirs too. Pure.

The record is that of an INSERT in the form of Kinesis Data Streams for DynamoDB: its time is in milliseconds, and it
has no sequence number. So ``$version`` is the time and zeros, which sort below every change of that millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import orjson
from msgspec import Raw, defstruct

from decoder.errors import MalformedError
from decoder.records import RawRecords

_INSERT: Final = "INSERT"


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
        source = {"eventName": _INSERT, "awsRegion": region, "tableName": table, "recordFormat": "application/json"}
        self._start = orjson.dumps(source)[:-1] + b',"dynamodb":{"ApproximateCreationDateTime":'

    def key_of(self, item: bytes | Raw) -> bytes:
        """Return the JSON of an item's primary key. Raises MalformedError for an item without it."""
        try:
            return self._encode_key(self._decode_key(item))
        except (msgspec.MsgspecError, ValueError) as error:
            raise MalformedError(f"an item has the primary key of its table: {type(error).__name__}") from None

    def records(self, items: Sequence[bytes | Raw], timestamp_ms: int) -> RawRecords:
        """Make the records of items whose rows have a time, in epoch ms. Raises MalformedError."""
        start = b'%b%d,"Keys":' % (self._start, timestamp_ms)
        made = [b'%b%b,"NewImage":%b}}' % (start, self.key_of(item), bytes(item)) for item in items]
        return RawRecords([Raw(each) for each in made], orjson.loads, is_ascii=all(map(bytes.isascii, made)))
