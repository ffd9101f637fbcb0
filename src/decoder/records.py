"""A batch's records: a list that somebody has parsed, or the JSON text of each, which is parsed when somebody asks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, Self, overload

import orjson

from decoder.errors import MalformedError
from decoder.record import KINESIS, change_text

_START: Final = b'{"Records":['
_END: Final = b"]}"
_KINESIS_START: Final = b'{"kinesis":'


class Records(Sequence[object], ABC):
    """Records in the order of their changes. What is got by position is the record, parsed.

    ``size`` is how many there are, which may turn out otherwise while they are being looked at.
    """

    size: int

    def __len__(self) -> int:
        return self.size

    @abstractmethod
    def text(self, position: int) -> bytes:
        """Give the JSON of a record's change, in UTF-8; nothing where there is none to be had."""

    @overload
    def __getitem__(self, position: int) -> object: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[object]: ...
    def __getitem__(self, position: int | slice) -> object:
        """Give a record, or several as a list."""
        if isinstance(position, slice):
            return [self.record(each) for each in range(*position.indices(len(self)))]
        return self.record(position)

    @abstractmethod
    def record(self, position: int) -> object:
        """Give a record, parsed."""


class ParsedRecords(Records):
    """Records that are there, parsed."""

    def __init__(self, records: Sequence[object]) -> None:
        self._records = records
        self.size = len(records)

    def record(self, position: int) -> object:
        """Give a record."""
        return self._records[position]

    def text(self, position: int) -> bytes:
        """Write the JSON of a record's change."""
        return _text_of(self._records[position])


class UnparsedRecords(Records):
    """The records of an event, cut out of its JSON and not parsed.

    Where the cuts are is a guess, made good by whoever looks at a piece: what is a JSON value by itself, behind others
    that are, is a record. The first piece that is none has the whole event parsed, by ``parse``, as it would have been.
    """

    def __init__(self, event: bytes, pieces: list[bytes], parse: Callable[[bytes], Any]) -> None:
        self._event = event
        self._pieces = pieces
        self._parse = parse
        self._parsed: ParsedRecords | None = None
        self.size = len(pieces)

    @classmethod
    def of(cls, event: bytes, parse: Callable[[bytes], Any]) -> Self | None:
        """Take the records out of an event as Lambda writes one, without blanks; None where it is another.

        ``parse`` parses JSON, and raises whatever it may for what is none.
        """
        if not event.startswith(_START + b'{"') or not event.endswith(b"}" + _END) or event.rfind(_START[1:]) != 1:
            return None
        # Records begin alike. No text in one looks so: its quotes have backslashes before them.
        begin = len(_START)
        another = b"}," + event[begin : event.find(b'":', begin + 2) + 2]
        pieces = []
        while (end := event.find(another, begin)) >= 0:
            pieces.append(event[begin : end + 1])
            begin = end + 2
        pieces.append(event[begin : -len(_END)])
        return cls(event, pieces, parse)

    def record(self, position: int) -> object:
        """Parse a record. Raises what ``parse`` does where the event as a whole is no JSON, ValueError where it has its
        records twice, which nobody writes and of which only the last would count.
        """
        if self._parsed is None:
            piece = self._pieces[position]
            try:
                return self._parse(piece)
            except Exception:  # noqa: BLE001  # whatever the runtime's own parser raises
                self._parsed = ParsedRecords(self._whole(position))
                self.size = self._parsed.size
        return self._parsed.record(position)

    def _whole(self, seen: int) -> list[object]:
        """Parse the event. Raises ValueError where its records are not those that have been ``seen`` already."""
        records = self._parse(self._event)["Records"]
        before = [*map(self._parse, self._pieces[:seen])]
        if not isinstance(records, list) or len(records) <= seen or repr(records[:seen]) != repr(before):
            raise ValueError('the event has "Records" twice')
        return records

    def text(self, position: int) -> bytes:
        """Give a record's own JSON, or its change's where that is wrapped."""
        if self._parsed is not None:
            return self._parsed.text(position)
        text = self._pieces[position]
        # orjson writes no character by its number that need not be.
        if text.startswith(_KINESIS_START) or (b"\\" in text and b"\\u" in text):
            return _text_of(self.record(position))
        return text if _is_unicode(text) else b""


def _text_of(record: object) -> bytes:
    if isinstance(record, dict) and record.get("eventSource") == KINESIS:
        try:
            text = change_text(record)
        except MalformedError:
            return b""
        return text if _is_unicode(text) else b""
    try:
        return orjson.dumps(record)
    except TypeError:  # half a surrogate pair, an integer beyond 64 bits
        return b""


def _is_unicode(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
