"""A batch's records: already parsed, or the JSON of each, which is parsed only on access."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, Self, overload

import msgspec
import orjson
from msgspec import Raw, Struct

from decoder.errors import MalformedError
from decoder.record import KINESIS, change_text


class Records(Sequence[object], ABC):
    """Records in the order of their changes. Indexing returns a parsed record."""

    @abstractmethod
    def text(self, position: int) -> bytes | Raw:
        """Return the JSON of a record's change, in UTF-8; empty if there is none."""

    @abstractmethod
    def record(self, position: int) -> object:
        """Return a parsed record."""

    @overload
    def __getitem__(self, position: int) -> object: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[object]: ...
    def __getitem__(self, position: int | slice) -> object:
        """Return a record, or several as a list."""
        if isinstance(position, slice):
            return [self.record(each) for each in range(*position.indices(len(self)))]
        return self.record(position)


class ParsedRecords(Records):
    """Records that are already parsed."""

    def __init__(self, records: Sequence[object]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def record(self, position: int) -> object:
        """Return a record."""
        return self._records[position]

    def text(self, position: int) -> bytes | Raw:
        """Serialize a record's change as JSON."""
        record = self._records[position]
        if isinstance(record, dict) and record.get("eventSource") == KINESIS:
            return _wrapped_text(record)
        try:
            return orjson.dumps(record)
        except TypeError:  # half a surrogate pair, or an integer beyond 64 bits
            return b""


class _Event(Struct, forbid_unknown_fields=True):
    Records: list[Raw]


_split: Final = msgspec.json.Decoder(_Event).decode
_KINESIS_START: Final = b'{"kinesis":'  # how Lambda begins a record of Kinesis


class RawRecords(Records):
    """The records of an event, split but not parsed. ``parse`` parses one record; its errors propagate."""

    def __init__(self, records: Sequence[Raw], parse: Callable[[bytes], Any], *, is_ascii: bool) -> None:
        self._records = records
        self._parse = parse
        self._is_ascii = is_ascii  # then no record's encoding needs a check
        self._is_kinesis = bool(records) and bytes(records[0]).startswith(_KINESIS_START)

    @classmethod
    def of(cls, event: bytes, parse: Callable[[bytes], Any]) -> Self | None:
        """Split an event that has records and nothing else. Return None for any other event."""
        try:
            records = _split(event).Records
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return cls(records, parse, is_ascii=event.isascii())

    def __len__(self) -> int:
        return len(self._records)

    def record(self, position: int) -> object:
        """Parse a record."""
        return self._parse(bytes(self._records[position]))

    def text(self, position: int) -> bytes | Raw:
        """Return the JSON of a record's change."""
        if self._is_kinesis:
            return _wrapped_text(self.record(position))
        text = self._records[position]
        return text if self._is_ascii or _is_unicode(bytes(text)) else b""


def _wrapped_text(record: Any) -> bytes:  # noqa: ANN401  # any JSON
    try:
        text = change_text(record)
    except MalformedError:
        return b""
    return text if _is_unicode(text) else b""


def _is_unicode(text: bytes) -> bool:
    """Return whether a text is UTF-8. msgspec does not check that in the parts it skips."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
