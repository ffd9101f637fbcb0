"""A cold start is of a process that is fresh, and of nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.product import START, environment, python_path
from bench.shapes import SEED
from bench.start import _STARTS, _variables, start

VARIABLES = {**os.environ, **python_path(), "AWS_DEFAULT_REGION": "us-east-1"}


def test_cpu_is_of_the_process_and_wall_of_the_time_it_takes():
    busy = start("sum(range(10_000_000))", VARIABLES)
    idle = start("import time; time.sleep(0.5)", VARIABLES)
    assert idle["wall"] >= 500
    assert idle["cpu"] < 400
    assert busy["cpu"] > 50


def test_code_that_does_not_start_is_no_fast_start():
    with pytest.raises(subprocess.CalledProcessError):
        start("import nothing_of_this_name", VARIABLES)


def test_the_functions_start_makes_its_handler(tmp_path):
    variables = {**VARIABLES, **environment(SEED.write(tmp_path))}
    code = f"{START}\nassert callable(handlers.stream.handler)"
    assert start(code, variables).keys() == {"cpu", "wall"}


def test_the_functions_own_code_is_compiled_once_as_its_libraries_are(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    variables = _variables(tmp_path)
    start("import sys; assert not sys.dont_write_bytecode", variables)
    start("import sys; assert sys.dont_write_bytecode", {**variables, "PYTHONDONTWRITEBYTECODE": "1"})


@pytest.mark.parametrize("name", ["python", "boto3", "first"])
def test_what_is_next_to_it_starts(name):
    subprocess.run([sys.executable, "-c", _STARTS[name][1]], env=VARIABLES, check=True)
