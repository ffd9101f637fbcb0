"""Saying what a randomised test did."""

from __future__ import annotations

import sys


def tell(capsys, title, counts):
    """Say what was done, past pytest's capture: a run that exercised nothing must be seen."""
    with capsys.disabled():
        said = ", ".join(f"{name} {counts[name]}" for name in sorted(counts))
        print(f"\n{title}: {said}", file=sys.stderr)  # noqa: T201
