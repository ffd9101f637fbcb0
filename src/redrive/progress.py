"""What is done of an object with several failed changes, so that the next run continues where the last one ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

_VERSION: Final = 1


class Progress:
    """The changes of an object that are done, by position, and the position at which to continue."""

    def __init__(self, body: bytes, changes: int, stored: bytes | None = None) -> None:
        """Start with what ``stored`` says of this very body, or else with nothing done."""
        self._body = hashlib.sha256(body).hexdigest()
        self._changes = changes
        self._done: set[int] = set()
        self._next = 0
        document = _document(stored)
        if document.get("version") == _VERSION and document.get("body") == self._body:
            self._done.update(document["done"])
            self._next = document["next"]

    def left(self) -> Iterator[int]:
        """List the positions that are not done, from the one at which to continue, and round to it.

        So changes that fail every time do not keep the ones behind them from being tried.
        """
        positions = (*range(self._next, self._changes), *range(self._next))
        return (position for position in positions if position not in self._done)

    def note(self, position: int, *, is_done: bool) -> None:
        """Take down that a change was tried, and whether it is done."""
        self._next = (position + 1) % self._changes
        if is_done:
            self._done.add(position)

    @property
    def is_complete(self) -> bool:
        """Whether all changes are done."""
        return len(self._done) == self._changes

    def stored(self) -> bytes:
        """Write it down."""
        document = {"version": _VERSION, "body": self._body, "done": sorted(self._done), "next": self._next}
        return json.dumps(document, separators=(",", ":")).encode()


def _document(stored: bytes | None) -> dict[str, Any]:
    try:
        document: Any = json.loads(stored or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
