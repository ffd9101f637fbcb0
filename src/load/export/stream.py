"""An object of S3 as a stream that goes on after a broken connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from io import RawIOBase
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from load.export.errors import BrokenConnectionError, ExportError
from load.export.manifest import Fetch

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ATTEMPTS: Final = 6  # in a row that bring not one byte; with the pauses below that takes a minute


class Body(NamedTuple):
    """The answer to a request for an object. ``size`` is the whole object's, in bytes, whatever part was asked for.

    ``read`` reads at most so many bytes. It raises BrokenConnectionError, or returns none, if the connection breaks.
    """

    etag: str
    size: int
    read: Callable[[int], bytes]
    close: Callable[[], object]


# Asks for an object from an offset in bytes on, if it still has the ETag that is given. Raises BrokenConnectionError,
# and ExportError when the object has another ETag by now.
OpenAt: TypeAlias = Callable[[int, str | None], Body]


class ObjectStream(RawIOBase):
    """Reads an object once, from its beginning. Only an object of the given ETag, or of the first answer's.

    After a broken connection it asks for the rest. Raises ExportError after ``attempts`` failures without a byte
    between them; the pauses between them double, from one second.
    """

    def __init__(
        self,
        open_at: OpenAt,
        url: str,
        *,
        etag: str | None = None,
        sleep: Callable[[float], None],
        attempts: int = ATTEMPTS,
    ) -> None:
        super().__init__()
        self.url = url
        self.etag = etag
        self._open_at = open_at
        self._sleep = sleep
        self._attempts = attempts
        self._position = 0
        self._size: int | None = None
        self._body: Body | None = None

    def readable(self) -> bool:
        """Tell that the stream can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read some bytes into a buffer; return how many, 0 at the object's end. Raises ExportError."""
        view = memoryview(buffer).cast("B")
        failures = 0
        while self._position != self._size:
            try:
                data = self._read(len(view))
            except BrokenConnectionError as error:
                self._disconnect()
                failures += 1
                if failures == self._attempts:
                    raise ExportError(
                        f"{self.url}: the connection broke {failures} times at byte {self._position}, last by {error}. "
                        "Check the network and the bucket's region, and start again"
                    ) from error
                self._sleep(2.0 ** (failures - 1))
                continue
            view[: len(data)] = data
            self._position += len(data)
            return len(data)
        return 0

    def _read(self, count: int) -> bytes:
        if self._body is None:
            self._body = self._open_at(self._position, self.etag)
            if self._size not in (None, self._body.size):
                raise ExportError(f"{self.url}: S3 did not return the part of the object that was asked for")
            self.etag, self._size = self._body.etag, self._body.size
            if not self._size:
                return b""
        data = self._body.read(count)
        if not data:
            raise BrokenConnectionError("an answer that ended early")
        return data

    def _disconnect(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        """Close the connection."""
        self._disconnect()
        super().close()


# Opens an object by its key. With an ETag, reads only the object that has it.
OpenObject: TypeAlias = Callable[[str, str | None], ObjectStream]


def fetcher(open_object: OpenObject) -> Fetch:
    """Return the function that reads a whole object."""

    def fetch(key: str) -> bytes:
        with closing(open_object(key, None)) as stream:
            return stream.readall()

    return fetch
