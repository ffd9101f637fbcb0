"""Counts and percentages as people read them."""

from __future__ import annotations

from typing import Final

_LEAST: Final = 0.1  # percent; the least that one decimal shows


def count_and_percent(part: int, whole: int) -> str:
    """Write a count with its percentage: ``31 (0.3%)``."""
    return f"{part:,} ({percent(part, whole)})"


def percent(part: int, whole: int) -> str:
    """Write a percentage with at most one decimal; never 0% of something, nor 100% of not all."""
    if not part or not whole:
        return "0%"
    value = 100 * part / whole
    if part < whole and value > 100 - _LEAST:
        return f"> {100 - _LEAST}%"
    return f"< {_LEAST}%" if value < _LEAST else f"{value:.1f}".removesuffix(".0") + "%"
