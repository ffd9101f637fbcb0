"""A data file's lines as items and changes of items, whose images stay raw JSON in the form of a stream's images.

Lines of a full export and of an incremental export are in the guide, "Data objects", and seen in real exports. The
order of an object's fields and of an image's attributes differs from line to line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from load.export.data import Batch
from load.export.errors import ExportError
from load.export.manifest import DataFile
from snapshot.record import NetChange

_T = TypeVar("_T")


class _Line(Struct, forbid_unknown_fields=True):
    Item: Raw


class _Number(Struct, forbid_unknown_fields=True):
    N: str


class _Metadata(Struct):
    WriteTimestampMicros: _Number


_ABSENT: Final = Raw()


class _NetChangeLine(Struct, forbid_unknown_fields=True):
    Metadata: _Metadata
    Keys: Raw
    NewImage: Raw = _ABSENT
    OldImage: Raw = _ABSENT


_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_lines: Final = msgspec.json.Decoder(list[_Line]).decode
_decode_net_change_line: Final = msgspec.json.Decoder(_NetChangeLine).decode


def read_items(file: DataFile, batch: Batch) -> list[Raw]:
    """Read the items of a full export's lines. Raises ExportError for a line that is none, with its number from 1."""
    try:
        items = _items(b"[%b]" % b",".join(batch.lines))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        items = []
    # Else read one by one, which says where the error is.
    return items if len(items) == len(batch.lines) else list(_read(file, batch, _item))


def read_net_changes(file: DataFile, batch: Batch) -> Iterator[NetChange]:
    """Read an incremental export's lines. Raises ExportError for a line that is none, with its number from 1.

    A line's ``WriteTimestampMicros`` is left out on purpose: it must never be a row's time. Stream times are whole
    seconds, so a later change of the same second comes with an earlier time than these microseconds and would lose
    for ever. The time of a row is made of the export's :attr:`~load.export.manifest.Export.time`.
    """
    return _read(file, batch, _net_change)


def _read(file: DataFile, batch: Batch, read: Callable[[bytes], _T]) -> Iterator[_T]:
    for number, line in enumerate(batch.lines, batch.first + 1):
        try:
            if not line.isascii():
                line.decode()  # msgspec does not check the encoding of what it leaves raw
            yield read(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # Not the error's text: it may hold a part of the item.
            raise ExportError(
                f"{file.url}, line {number}, is no line of such an export ({type(error).__name__}). "
                "Check that the export is DynamoDB's own, and report this if it is"
            ) from None


def _items(lines: bytes) -> list[Raw]:
    """Read all lines in one call, which takes a tenth of the time of a call for each."""
    if not lines.isascii():
        lines.decode()
    return [_object(each.Item) for each in _decode_lines(lines)]


def _item(line: bytes) -> Raw:
    return _object(_decode_line(line).Item)


def _net_change(line: bytes) -> NetChange:
    read = _decode_net_change_line(line)
    return NetChange(
        keys=_object(read.Keys),
        new_image=None if read.NewImage is _ABSENT else _object(read.NewImage),
        old_image=None if read.OldImage is _ABSENT else _object(read.OldImage),
    )


def _object(raw: Raw) -> Raw:
    if not bytes(raw).startswith(b"{"):
        raise msgspec.ValidationError("an image is an object")
    return raw
