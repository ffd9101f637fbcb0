"""asl-validator finds nothing wrong with the state machine of loads: it follows each path and each transition."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from engines.pinot_engine import ROOT, MissingToolError
from engines.tools import made_once, node, npm, run
from state_machine import deployed_definition

pytestmark = pytest.mark.engines

NAME = "asl-validator"
PROJECT = ROOT / "tests" / "engines" / "asl_validator"


@pytest.fixture(scope="module")
def validator():
    def make(folder):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROJECT / name, folder)
        run([npm(NAME), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], PROJECT, folder)

    try:
        return [node(NAME), str(made_once(NAME, PROJECT, make) / "node_modules" / NAME / "dist" / "bin" / f"{NAME}.js")]
    except MissingToolError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def found(validator, tmp_path):
    """Returns what is wrong with a definition, None if nothing is."""

    def check(definition):
        file = tmp_path / "definition.asl.json"
        file.write_text(json.dumps(definition))
        done = subprocess.run([*validator, "--json-path", str(file)], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr if done.returncode else None

    return check


def test_the_definition_is_valid(found):
    assert found(deployed_definition()) is None


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("Plan", "Next", "Nowhere"),
        ("Units", "MaxConcurrencyPath", "workers"),
        ("Units", "ResultPaht", None),
        ("Units.ItemProcessor.ProcessorConfig", "Mode", "PARALLEL"),
        ("Units.ItemProcessor.States.Rest", "Next", "Nowhere"),
    ],
)
def test_it_finds_mistakes(found, path, name, value):
    definition = deployed_definition()
    here = definition["States"]
    for part in path.split("."):
        here = here[part]
    here[name] = value
    assert found(definition)
