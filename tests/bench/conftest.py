"""A real result, measured quickly, for what is made of one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv-bench" / "bin" / "python"


@pytest.fixture(scope="session")
def run_bench():
    """Runs the benchmark in its own environment."""

    def run(*arguments):
        assert PYTHON.exists(), "the benchmark's environment is missing: make it with `make .venv-bench/.ready`"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV"))}
        return subprocess.run(
            [PYTHON, "-m", "bench", *map(str, arguments)],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def quick_result(run_bench, tmp_path_factory):
    """The file of a quick result with all that the model needs."""
    folder = tmp_path_factory.mktemp("quick")
    only = [word for name in ("batch", "invocation", "lanes") for word in ("--only", name)]
    done = run_bench("run", "--quick", "--out", folder, *only)
    assert done.returncode == 0, done.stderr[-3000:]
    (file,) = folder.glob("*.json")
    return file
