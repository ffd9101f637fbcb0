"""A real result of a quick run, for tests that need one."""

from __future__ import annotations

import pytest

from running_bench import run_python


@pytest.fixture(scope="session")
def run_bench():
    """Runs the benchmark in its own environment."""
    return lambda *arguments: run_python("-m", "bench", *arguments)


@pytest.fixture(scope="session")
def quick_result(run_bench, tmp_path_factory):
    """The file of a quick result with all races that the model needs."""
    folder = tmp_path_factory.mktemp("quick")
    only = [word for name in ("batch", "invocation", "throughput") for word in ("--only", name)]
    done = run_bench("run", "--quick", "--out", folder, *only)
    assert done.returncode == 0, done.stderr[-3000:]
    (file,) = folder.glob("*.json")
    return file
