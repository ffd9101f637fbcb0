"""The wheel: one top-level package, which works where it is installed and writes nothing there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from handlers.version import VERSION

ROOT = Path(__file__).parents[2]
EVENT = ROOT / "events" / "insert.json"
TABLES = ROOT / "examples" / "meetups" / "tables"


def run(*command, **variables):
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("TABLES")} | variables,
    )


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which the wheel is installed, and nothing else is."""
    built, folder = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stderr
    (wheel,) = built.iterdir()
    uv = ROOT / ".venv-uv" / "bin" / "uv"
    assert uv.exists(), "there is no .venv-uv: run make setup"
    install = run(uv, "pip", "install", "--offline", "--no-deps", "--python", sys.executable, "--target", folder, wheel)
    assert install.returncode == 0, install.stderr
    return folder


@pytest.fixture
def installed(site, tmp_path, monkeypatch):
    """Run the installed command from an empty folder. -S leaves out this project's own editable installation."""
    monkeypatch.chdir(tmp_path)
    path = os.pathsep.join((str(site), sysconfig.get_path("purelib")))
    return lambda *arguments: run(sys.executable, "-S", "-P", site / "bin" / "dynapinot", *arguments, PYTHONPATH=path)


def test_it_has_one_top_level_package_and_none_of_the_checkouts_tables(site):
    named = {path.name for path in site.iterdir() if not path.name.startswith(".")}
    assert named == {"bin", "dynapinot", f"dynapinot-{VERSION}.dist-info"}
    packages = {path.name for path in (ROOT / "src").iterdir() if (path / "__init__.py").exists()}
    assert {path.name for path in (site / "dynapinot" / "function").iterdir()} == packages


def test_it_requires_what_its_code_imports_and_moto_for_the_demo_only(site):
    metadata = (site / f"dynapinot-{VERSION}.dist-info" / "METADATA").read_text()
    required = set(re.findall(r"^Requires-Dist: ([\w-]+)$", metadata, re.MULTILINE))
    extra = re.findall(r"^Requires-Dist: ([\w-]+).*; extra == 'demo'$", metadata, re.MULTILINE)
    distributions = packages_distributions()
    imported = {
        distribution.lower().replace("_", "-")
        for file in (site / "dynapinot").rglob("*.py")
        for name in re.findall(r"^ *(?:from|import) (\w+)", file.read_text(), re.MULTILINE)
        for distribution in distributions.get(name, ())
    }
    types = {each for each in imported if each.startswith("mypy-boto3-")}
    assert imported - types - {"dynapinot", "botocore", "urllib3"} == required | {"moto"}  # boto3 requires the last two
    assert extra == ["moto"]


def test_it_runs_its_own_copy_of_the_functions_code(site, installed):
    version = installed("--version")
    assert (version.returncode, version.stdout) == (0, f"{VERSION}\n"), version.stderr
    code = "import sys; sys.argv[1:] = ['--version']; import dynapinot.cli.app, handlers; print(handlers.__file__)"
    path = os.pathsep.join((str(site), sysconfig.get_path("purelib")))
    shown = run(sys.executable, "-S", "-P", "-c", code, PYTHONPATH=path)
    assert shown.stdout.strip() == str(site / "dynapinot" / "function" / "handlers" / "__init__.py"), shown.stderr


def test_it_explains_a_change(installed):
    explained = installed("explain", EVENT, "--tables", TABLES, "--json")
    assert explained.returncode == 0, explained.stderr
    assert json.loads(explained.stdout)["table"] == "pinot_dynamo_ingestion"


def test_it_has_the_demos_table_for_the_demo(site):
    folder = site / "dynapinot" / "examples" / "meetups" / "tables"
    assert sorted(path.name for path in folder.rglob("*.json")) == ["schema.json", "table.json"]


@pytest.mark.parametrize("command", [("init", "--table", "orders"), ("doctor",), ("explain", EVENT)])
def test_outside_of_a_checkout_it_asks_for_the_folder_of_tables_and_writes_nothing(site, installed, tmp_path, command):
    before = files(site)
    refused = installed(*command)
    assert refused.returncode == 2
    assert "Give the folder of tables by --tables or TABLES_DIR." in refused.stderr
    assert list(tmp_path.iterdir()) == []
    assert files(site) == before
