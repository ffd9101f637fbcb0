"""Runs the benchmark in its own environment; has the work of the tests of its model."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bench.model import Work

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-bench" / "bin" / "python"

WORK = Work(
    shape="made up",
    us_per_invocation=1_500,
    us_per_change=50,
    row_bytes=450,
    put_units=1,
    event_bytes=1_100,
    stream_bytes=500,
    write_units=1,
)


def run_python(*arguments):
    """Run the Python of the benchmark's environment; return its output."""
    assert PYTHON.exists(), "the benchmark's environment is missing: make it with `make .venv-bench/.ready`"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV"))}
    return subprocess.run(
        [PYTHON, *map(str, arguments)],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
