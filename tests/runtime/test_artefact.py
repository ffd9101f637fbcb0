"""These tests run the deployed artefact on the packages of Lambda's runtime, and nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import runtime.artefact
from engines.pinot_engine import MissingToolError
from runtime.artefact import ROOT, build
from runtime.meetups import meetup

pytestmark = pytest.mark.engines

LAYER = Path(__file__).with_name("layer")

# The files of a wheel that depend on the machine: its extension module, and the metadata.
OF_THE_MACHINE = re.compile(
    r"orjson/orjson\.cpython-313-(aarch64|x86_64)-linux-gnu\.so"
    r"|msgspec/_core\.cpython-313-(aarch64|x86_64)-linux-gnu\.so|msgspec-[\d.]+\.dist-info/(RECORD|WHEEL)"
    r"|orjson-[\d.]+\.dist-info/(RECORD|WHEEL|sboms/orjson\.cyclonedx\.json)"
)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("SAM", ".venv-sam has no aws-lambda-rie-"),
        ("RUNTIME", "There is no .venv-runtime, which stands for Lambda's runtime: run `make test`"),
    ],
)
def test_a_missing_tool_is_reported_with_the_remedy(missing, said, monkeypatch, tmp_path):
    monkeypatch.setattr(runtime.artefact, missing, tmp_path)
    with pytest.raises(MissingToolError, match="run `make test`") as caught:
        build()
    assert str(caught.value).startswith(said)


def contents(folder):
    """Return every file with its digest, in two parts: files that depend on the machine, and all others."""
    digests = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }
    own = {name for name in digests if OF_THE_MACHINE.fullmatch(name)}
    return own, {name: digest for name, digest in digests.items() if name not in own}


def test_the_artefact_for_this_machine_equals_the_deployed_one_except_for_its_native_wheels(artefact):
    shipped_own, shipped = contents(artefact.shipped)
    own, here = contents(artefact.functions["Replicator"].folder)
    assert here == shipped
    assert "handlers/stream.py" in here
    assert len(own) == len(shipped_own) == 7


def test_all_functions_have_the_same_artefact_and_different_handlers(artefact):
    first, *others = [contents(function.folder) for function in artefact.functions.values()]
    assert all(other == first for other in others)
    assert {name: function.handler for name, function in artefact.functions.items()} == {
        "Replicator": "handlers.stream.handler",
        "Redrive": "handlers.redrive.handler",
        "Heartbeat": "handlers.heartbeat.handler",
        "Loader": "handlers.load.handler",
    }


def versions_of(*requirements):
    text = "\n".join((ROOT / each).read_text() for each in requirements)
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def test_the_runtime_has_the_same_sdk_as_all_other_tests():
    ours, tests = versions_of("requirements/runtime.txt"), versions_of("requirements/dev.txt")
    assert ours["boto3"] == tests["boto3"]
    assert {name: version for name, version in ours.items() if tests.get(name, version) != version} == {}


def test_the_function_uses_only_its_own_packages_and_the_runtimes_sdk(artefact, start, variables):
    function = artefact.functions["Replicator"]
    before = contents(function.folder)
    emulator = start("Replicator", variables, handler="probe.handler", layer=LAYER)
    versions = ["boto3", "botocore", "msgspec", "orjson"]
    response = emulator.invoke({"handler": function.handler, "event": {"Records": [meetup(1)]}, "versions": versions})
    assert (response["answer"], response["python"]) == ({"batchItemFailures": []}, [3, 13])
    locked = versions_of("src/requirements.txt", "requirements/runtime.txt")
    assert response["versions"] == {name: locked[name] for name in versions}

    own, layer, *standard_library, packages = response["path"]
    assert (own, layer) == (str(function.folder), str(LAYER))
    assert packages == str(artefact.python.parents[1] / "lib" / "python3.13" / "site-packages")
    origins = {own: "artefact", layer: "layer", packages: "runtime"} | dict.fromkeys(standard_library, "Python")
    found = {origin: set() for origin in (*origins.values(), "elsewhere")}
    for name, file in response["modules"].items():
        if name not in {"__main__", "__mp_main__"}:  # the bootstrap, which multiprocessing calls by a second name
            [origin, *_] = [origins[folder] for folder in origins if Path(file).is_relative_to(folder)] or ["elsewhere"]
            found[origin].add(name.partition(".")[0])
    assert found.pop("Python") >= {"json", "logging"}
    runtimes = found.pop("runtime")
    assert runtimes >= {"awslambdaric", "botocore", "simplejson"}
    assert "boto3" not in runtimes, "botocore alone is imported in half the time"
    rooms = {"decoder", "handlers", "pinot", "publisher"}  # and none of the other functions' modules
    installed = {"aws_lambda_powertools", "jmespath", "msgspec", "orjson", "typing_extensions"}
    assert found == {"artefact": rooms | installed, "layer": {"probe"}, "elsewhere": set()}

    others = {name for name in response["environment"] if not name.startswith(("AWS_LAMBDA_", "_"))} - {
        *emulator.variables
    }
    assert others == {"AWS_SESSION_TOKEN"}
    assert contents(function.folder) == before
