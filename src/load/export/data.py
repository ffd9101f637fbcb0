"""The lines of a data file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from io import BufferedReader
from typing import Final, NamedTuple

from load.export.errors import ExportError
from load.export.manifest import DataFile
from load.export.stream import OpenObject

_BLOCK: Final = 1 << 18  # bytes that are decompressed at a time
# An item has at most 400 KB, by a measure in which an element of a list has two bytes; its JSON has up to 14. A line
# of an incremental export has two images. So real lines are far below this.
MAX_LINE: Final = 1 << 25


class Batch(NamedTuple):
    """Lines in a row, without their newlines. ``first`` is the number of the first one in the file, from 0."""

    first: int
    lines: list[bytes]


def check_md5(open_object: OpenObject, file: DataFile) -> str:
    """Check the MD5 of a data file's compressed bytes; return the ETag of the object that was checked.

    Reads the object once, in bounded memory. Raises ExportError.
    """
    with closing(open_object(file.key, None)) as stream:
        digest = hashlib.file_digest(stream, partial(hashlib.md5, usedforsecurity=False)).digest()
        found = base64.b64encode(digest).decode()
        if found != file.md5:
            raise ExportError(
                f"{file.url}: the MD5 of its bytes is {found}, the manifest says {file.md5}. "
                "The file was changed: restore it, or ask for a new export"
            )
        return str(stream.etag)


def read_lines(
    open_object: OpenObject, file: DataFile, etag: str, *, first_line: int = 0, max_line: int = MAX_LINE
) -> Iterator[Batch]:
    """Read a data file's lines from a line number on, in batches of about 256 KiB, or of one longer line.

    ``etag`` is what :func:`check_md5` returned, in this run or an earlier one: no other object is read. The lines
    before ``first_line``, at most ``file.items``, are decompressed and counted, nothing else. A file may have several
    gzip members, and no newline at its end.

    Raises ExportError for a file that is not gzip or is cut, and for more or fewer lines than the manifest says. That
    may be at the end only: a file is read when the iterator ends without an error.
    """
    number = 0
    with closing(open_object(file.key, etag)) as stream:
        for lines in _split(BufferedReader(stream, _BLOCK), file, max_line):
            if number + len(lines) > file.items:
                raise _wrong_count(file, f"more than {file.items}")
            skipped = max(first_line - number, 0)
            if skipped < len(lines):
                yield Batch(number + skipped, lines[skipped:])
            number += len(lines)
    if number < file.items:
        raise _wrong_count(file, str(number))


def _split(stream: BufferedReader, file: DataFile, max_line: int) -> Iterator[list[bytes]]:
    """Decompress a stream and yield the lines that each block completes."""
    pending: list[bytes] = []  # the beginning of a line whose end is in a later block
    size = 0
    try:
        with gzip.GzipFile(fileobj=stream) as unzipped:
            while block := unzipped.read1(_BLOCK):
                head, *lines = block.split(b"\n")
                pending.append(head)
                size += len(head)
                if size > max_line:
                    raise ExportError(f"{file.url} has a line of more than {max_line} bytes, and no item has that many")
                if lines:
                    *complete, last = lines
                    yield [b"".join(pending), *complete]
                    pending, size = [last], len(last)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ExportError(f"{file.url} is no complete gzip file: {error}. Ask for a new export") from error
    if size:  # the last line has no newline
        yield [b"".join(pending)]


def _wrong_count(file: DataFile, found: str) -> ExportError:
    return ExportError(f"{file.url} has {found} lines, the manifest says {file.items}. Ask for a new export")
