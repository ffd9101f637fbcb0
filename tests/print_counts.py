"""Printing what a randomised test did."""

from __future__ import annotations

import sys


def print_counts(capsys, title, counts):
    """Print what was done in spite of pytest's capture: a run that exercised nothing must be noticed."""
    with capsys.disabled():
        text = ", ".join(f"{name} {counts[name]}" for name in sorted(counts))
        print(f"\n{title}: {text}", file=sys.stderr)  # noqa: T201
