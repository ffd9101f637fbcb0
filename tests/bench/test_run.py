"""A quick run of the whole benchmark, in its own environment."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from bench import batches, client, decode, invocation, load, memory, start, throughput
from bench.alternatives import ALTERNATIVES, FIRST, OURS
from bench.shapes import SHAPES
from running_bench import run_python

SUITES = (decode, client, invocation, batches, start, memory, throughput, load)
QUICK = [
    *("decode/seed", "decode/wide", "text/seed", "client/seed", "invocation/seed", "handler/seed"),
    *("batch/1", "batch/1000", "start/cpu", "start/wall", "memory/100", "throughput/4"),
    *("load/scan", "load/export", "load/resume"),
]

pytestmark = pytest.mark.bench


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    only = [word for name in QUICK for word in ("--only", name)]
    done = run_python("-m", "bench", "run", "--quick", "--out", folder, *only)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout


@pytest.fixture(scope="module")
def result(ran):
    (file,) = ran[0].glob("*.json")
    return file


def test_every_selected_race_has_all_contenders(result):
    races = {race["name"]: race for race in json.loads(result.read_text())["races"]}
    assert sorted(races) == sorted(QUICK)
    decoders = [alternative.name for alternative in ALTERNATIVES]
    assert {name: list(races[name]["contenders"]) for name in QUICK} == {
        "decode/seed": [*decoders, OURS, "floor"],
        "decode/wide": [*decoders, OURS, "floor"],
        "text/seed": [FIRST, "orjson", "loop", OURS],
        "client/seed": [FIRST, "unchecked", OURS, "floor"],
        "invocation/seed": [FIRST, "orjson", "powertools", OURS, "marshaller", "parse"],
        "handler/seed": [FIRST, "orjson", "powertools", OURS],
        "batch/1": [FIRST, OURS, "marshaller"],
        "batch/1000": [FIRST, OURS, "marshaller"],
        "start/cpu": ["python", "boto3", FIRST, "powertools", "powertools-all", OURS],
        "start/wall": ["python", "boto3", FIRST, "powertools", "powertools-all", OURS],
        "memory/100": ["event", FIRST, OURS],
        "throughput/4": [FIRST, OURS],
        "load/scan": [FIRST, OURS],
        "load/export": [FIRST, OURS],
        "load/resume": [OURS, "skipped"],
    }
    costs = [sample for race in races.values() for each in race["contenders"].values() for sample in each["samples"]]
    assert all(cost >= 0 for cost in costs)


def test_the_tables_and_the_plot_are_beside_the_result(ran, result):
    folder, stdout = ran
    text = result.with_suffix(".txt").read_text()
    for name in QUICK:
        assert f"\n{name}: " in f"\n{text}"
        assert f"\n{name}: " in f"\n{stdout}"
    picture = ET.parse(result.with_suffix(".svg")).getroot()
    words = " ".join(picture.itertext())
    assert picture.tag.endswith("}svg")
    assert "decode, normalize, serialize" in words
    assert "dynapinot" in words
    assert "us CPU" not in words, "ratios can be compared between machines, times cannot"
    assert sorted(each.suffix for each in folder.iterdir()) == [".json", ".svg", ".txt"]


def test_comparing_a_result_with_itself_shows_no_change(result):
    done = run_python("-m", "bench", "compare", result, result)
    assert done.returncode == 0, done.stderr
    assert "0 of dynapinot's ratios are worse beyond noise" in done.stdout
    races = json.loads(result.read_text())["races"]
    assert done.stdout.count("too few rounds") == sum(len(race["contenders"]) - 1 for race in races)


def test_an_unknown_race_is_reported_with_the_known_ones():
    done = run_python("-m", "bench", "run", "--only", "decode/sead")
    assert done.returncode == 2
    output = done.stderr.splitlines()
    assert len(output) == 1
    assert output[0].startswith("There is no race decode/sead. There are: decode/seed, decode/wide, ")
    assert output[0].endswith(", ".join(load.names()))


def test_dynamodb_json_makes_the_same_rows_except_for_its_declared_differences():
    checks = "; ".join(f"decode.check(SHAPES['{name}'], 50)" for name in SHAPES)
    done = run_python("-c", f"from bench import decode; from bench.shapes import SHAPES; {checks}")
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_names_of_races_are_unique():
    names = [name for suite in SUITES for name in suite.names()]
    assert len(names) == len(set(names))
