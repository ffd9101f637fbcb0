"""A result is a complete JSON file, and can be read back."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from bench import result as results
from bench.measure import Contender, Race
from bench.report import show
from bench.result import FORMAT, describe, read, write
from bench.start import Package, package
from dynapinot.errors import CommandError

RACE = Race(
    name="invocation/seed",
    what="invocation: the seed's record",
    unit="us CPU a record",
    baseline="first",
    contenders={
        "first": Contender(label="TypeDeserializer + json", samples=(20.0, 22.0, 24.0) * 2),
        "marshaller": Contender(label="dynapinot", samples=(4.0, 4.4, 6.0) * 2, note="ours"),
    },
)
PACKAGE = Package(what="as built by SAM", parts={"orjson": 2048, "handlers": 1024}, zipped=1024)


def made(**options):
    return describe([RACE], PACKAGE, **{"quick": False, "load": 0.5, **options})


def test_a_result_is_read_back_as_it_was_written(tmp_path):
    result = made()
    write(result, tmp_path / "deep" / "result.json")
    assert read(tmp_path / "deep" / "result.json") == result


def test_the_file_has_the_samples_and_their_statistics_for_readers(tmp_path):
    write(made(), tmp_path / "result.json")
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["format"] == FORMAT == 1
    (race,) = document["races"]
    assert {name: race[name] for name in ("name", "what", "unit", "baseline")} == {
        "name": "invocation/seed",
        "what": "invocation: the seed's record",
        "unit": "us CPU a record",
        "baseline": "first",
    }
    assert race["contenders"]["marshaller"] == {
        "label": "dynapinot",
        "note": "ours",
        "samples": [4.0, 4.4, 6.0] * 2,
        "cost": {
            "count": 6,
            "median": pytest.approx(4.4),
            "q1": pytest.approx(4.1),
            "q3": pytest.approx(5.6),
            "low": 4.0,
            "high": 6.0,
        },
        "ratio": {
            "count": 6,
            "median": pytest.approx(0.2),
            "q1": pytest.approx(0.2),
            "q3": pytest.approx(0.2375),
            "low": pytest.approx(0.2),
            "high": pytest.approx(0.25),
        },
    }
    assert document["package"] == {
        "what": "as built by SAM",
        "parts": {"orjson": 2048, "handlers": 1024},
        "zipped": 1024,
    }
    assert [(target["race"], target["at_most"], target["verdict"]) for target in document["targets"]] == [
        ("invocation/seed", 0.31, "reached")
    ]
    assert document["versions"].keys() >= {"python", "boto3", "orjson"}


def test_the_name_has_the_time_and_the_commit(monkeypatch):
    answers = {"rev-parse": "abc1234", "status": ""}
    monkeypatch.setattr(results, "_git", lambda command, *_: answers[command])
    moment = made().made[:19].replace(":", "")
    assert made().name.startswith(moment[:15])
    assert made().name.endswith("-abc1234")
    answers["status"] = " M src/decoder/attribute.py"
    assert made().name.endswith("-abc1234-changed")


def test_a_result_can_be_made_without_git(monkeypatch):
    monkeypatch.setattr(results, "_git", lambda *_: "")
    assert (made().commit, made().changed) == ("unknown", False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "cannot be read"),
        ("[]", "is no result of the format 1"),
        ('{"format": 2}', "is no result of the format 1"),
        ('{"format": 1}', "is a damaged result"),
    ],
)
def test_a_file_that_is_not_a_result_is_refused_in_one_line(tmp_path, text, problem):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(CommandError, match=problem) as caught:
        read(tmp_path / "result.json")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        read(tmp_path / "none.json")


def shown(result):
    text = io.StringIO()
    show(result, Console(file=text, width=140))
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def test_the_tables_show_the_cost_spread_and_ratio_of_each_contender(tmp_path):
    lines = shown(made())
    assert "invocation/seed: invocation: the seed's record" in lines
    assert "TypeDeserializer + json 22.00 ± 7% 1.00" in lines
    assert "dynapinot 4.40 ± 17% 0.20 0.20 - 0.25 ours" in lines
    assert "whole invocation, seed 0.31 0.20 0.20 - 0.25 reached" in lines
    assert [line for line in lines if line.startswith(("orjson", "handlers", "all of it", "zipped"))] == [
        "orjson 2",
        "handlers 1",
        "all of it 3",
        "zipped 1",
    ]


def test_a_quick_run_is_reported_as_unreliable():
    assert not any("quick" in line for line in shown(made()))
    assert any("Do not rely on" in line for line in shown(made(quick=True)))


def test_the_package_is_sams_build_if_there_is_one(tmp_path):
    function = tmp_path / ".aws-sam" / "build" / "Function"
    (function / "handlers" / "__pycache__").mkdir(parents=True)
    (function / "handlers" / "stream.py").write_bytes(b"x" * 100)
    (function / "handlers" / "__pycache__" / "stream.pyc").write_bytes(b"x" * 100)
    (function / "orjson").mkdir()
    (function / "orjson" / "orjson.so").write_bytes(b"x" * 1_000)
    (function / "six.py").write_bytes(b"x" * 10)
    found = package(tmp_path)
    assert (found.what, found.parts, found.bytes) == (
        "as built by SAM",
        {"handlers": 100, "orjson": 1_000, "six.py": 10},
        1_110,
    )
    assert 0 < found.zipped < 1_000


def test_the_package_is_measured_as_installed_if_there_is_no_build(tmp_path):
    (tmp_path / "src" / "handlers").mkdir(parents=True)
    (tmp_path / "src" / "handlers" / "stream.py").write_bytes(b"x" * 100)
    locked = "orjson==3.13.0 \\\n    --hash=sha256:00\n"
    (tmp_path / "src" / "requirements.txt").write_text(locked)
    found = package(tmp_path)
    assert found.what == "as installed here, not built"
    assert found.parts.keys() == {"src", "orjson"}
    assert found.parts["src"] == 100 + len(locked)
    assert found.parts["orjson"] > 100_000, "its extension module is counted"
