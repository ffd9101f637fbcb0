"""Prints the counts of a randomised test."""

from __future__ import annotations

import sys


def print_counts(capsys, title, counts):
    """Print counts in spite of pytest's capture, so that a run that tests nothing is noticed."""
    with capsys.disabled():
        text = ", ".join(f"{name} {counts[name]}" for name in sorted(counts))
        print(f"\n{title}: {text}", file=sys.stderr)  # noqa: T201
