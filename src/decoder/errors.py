"""Why a change can never become a valid row."""

from __future__ import annotations

import re
from typing import Final, Self

_PLAIN_STEP: Final = re.compile(r"[^\s.\[\]\"]+")


class ChangeError(ValueError):
    """A change that no retry can turn into a valid row.

    ``reason`` is a short code from a small, fixed set (it is a metric dimension and the first field of a dead letter),
    ``detail`` a sentence for a person. Neither ever holds an item's values. ``path`` grows while the error unwinds:
    each level adds its own step in front with :meth:`inside`, so the hot path builds no path at all.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.column: str | None = None  # the Pinot column that could not be filled, if there is one
        self.steps: tuple[str | int, ...] = ()

    def inside(self, *steps: str | int) -> Self:
        """Put the outer steps in front of the path. Return self, to be raised again."""
        self.steps = (*steps, *self.steps)
        return self

    @property
    def path(self) -> str:
        """The path to the value, as ``order.lines[1].price``; empty for the whole record."""
        return path_text(self.steps)

    def __str__(self) -> str:
        where = self.path
        return f"{where}: {self.detail}" if where else self.detail


class MalformedError(ChangeError):
    """Something DynamoDB never writes: an unknown type tag, text that is not a number, a record without keys."""

    def __init__(self, detail: str) -> None:
        super().__init__("malformed", detail)


def path_text(steps: tuple[str | int, ...]) -> str:
    """Render the steps of a path: ``("a", 1, "b c")`` is ``a[1]["b c"]``."""
    parts: list[str] = []
    for step in steps:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif not _PLAIN_STEP.fullmatch(step):
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f'["{escaped}"]')
        else:
            parts.append(f".{step}" if parts else step)
    return "".join(parts)
