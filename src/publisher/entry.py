"""What is published."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Some bytes under a key, and the place in the batch of the change they came from (0 is the earliest)."""

    key: str
    data: bytes
    position: int

    @property
    def size(self) -> int:
        """How much of Kinesis' limits it takes: the data's bytes and the key's."""
        return len(self.data) + (len(self.key) if self.key.isascii() else len(self.key.encode()))
