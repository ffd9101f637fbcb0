"""A record to publish, or an object to store."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Some bytes under a key, and the position in the batch of the change that they came from (0 is the earliest)."""

    key: str
    data: bytes
    position: int

    @property
    def size(self) -> int:
        """Its size as Kinesis counts it: the bytes of the data and of the key."""
        return len(self.data) + (len(self.key) if self.key.isascii() else len(self.key.encode()))
