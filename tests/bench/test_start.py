"""A cold start measures a new process, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.product import START, environment, python_path
from bench.shapes import SEED
from bench.start import _STARTS, _variables, start

VARIABLES = {**os.environ, **python_path(), "AWS_DEFAULT_REGION": "us-east-1"}


def test_cpu_time_and_wall_time_are_measured_separately():
    busy = start("sum(range(10_000_000))", VARIABLES)
    idle = start("import time; time.sleep(0.5)", VARIABLES)
    assert idle["wall"] >= 500
    assert idle["cpu"] < 400
    assert busy["cpu"] > 50


def test_code_that_fails_to_start_is_an_error():
    with pytest.raises(subprocess.CalledProcessError):
        start("import nothing_of_this_name", VARIABLES)


def test_starting_the_function_creates_its_handler(tmp_path):
    variables = {**VARIABLES, **environment(SEED.write(tmp_path))}
    code = f"{START}\nassert callable(handlers.stream.handler)"
    assert start(code, variables).keys() == {"cpu", "wall"}


def test_the_functions_own_code_is_compiled_once_like_its_libraries(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    variables = _variables(tmp_path)
    start("import sys; assert not sys.dont_write_bytecode", variables)
    start("import sys; assert sys.dont_write_bytecode", {**variables, "PYTHONDONTWRITEBYTECODE": "1"})


@pytest.mark.parametrize("name", ["python", "boto3", "first"])
def test_the_other_contenders_start(name):
    subprocess.run([sys.executable, "-c", _STARTS[name][1]], env=VARIABLES, check=True)
