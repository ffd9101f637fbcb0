"""The artefact of ``make build``: for Lambda's arm64, and for this machine if that is not arm64.

The function is deployed on arm64. To run it here, the same build uses this machine's wheels in place of Lambda's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from engines.pinot_engine import MissingToolError

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache"
TEMPLATE: Final = ROOT / "template.yaml"
RUNTIME: Final = ROOT / ".venv-runtime"
SAM: Final = ROOT / ".venv-sam"

TABLES: Final = "examples/meetups/tables"

SHIPPED: Final = "arm64"  # the template's architecture, in Lambda's words
BUILD_TIMEOUT_S: Final = 600
KEPT: Final = 3  # artefacts of earlier sources

# A machine's own name -> Lambda's name for it, and the name in wheels.
_MACHINES: Final = {"x86_64": ("x86_64", "x86_64"), "aarch64": ("arm64", "aarch64"), "arm64": ("arm64", "aarch64")}

# The inputs and tools of the build, besides the Makefile's target.
_SOURCES: Final = ("src", TABLES, "scripts/put-tables", "template.yaml", "requirements/sam.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lambda:
    """A function of the template: its folder, its handler, and its default memory (MB) and timeout (s)."""

    folder: Path
    handler: str
    memory: int
    timeout: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """The functions by their names in the template, and the tools to run them.

    ``shipped`` is the folder of the replicating function as it is deployed.
    """

    functions: Mapping[str, Lambda]
    shipped: Path
    emulator: Path
    python: Path


def build() -> Artefact:
    """Find the tools, and build the artefact if necessary. Raises MissingToolError with the remedy."""
    emulator, python = _emulator(), _python()
    architecture, _ = _MACHINES[platform.machine()]
    cache = CACHE / "lambda"
    cache.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lambda.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist has several workers
        folder = cache / _fingerprint()
        done = folder / "done"
        if not done.exists():
            _forget_all_but_the_newest(cache)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _build(folder, architecture)
            if architecture != SHIPPED:
                _build(folder, SHIPPED, "Replicator")
            done.touch()
    return Artefact(
        functions=_functions(folder / architecture),
        shipped=folder / SHIPPED / "Replicator",
        emulator=emulator,
        python=python,
    )


def _forget_all_but_the_newest(cache: Path) -> None:
    """Delete old artefacts, except those that other test processes may be running."""
    folders = sorted((each for each in cache.iterdir() if each.is_dir()), key=lambda each: each.stat().st_mtime)
    for each in folders[:-KEPT]:
        shutil.rmtree(each)


def _emulator() -> Path:
    machine, system = platform.machine(), platform.system()
    if system != "Linux" or machine not in _MACHINES:
        raise MissingToolError(
            f"Lambda's runtime interface emulator runs on Linux on x86-64 or arm64, not on {system} on {machine}"
        )
    name = f"aws-lambda-rie-{_MACHINES[machine][0]}"
    found = list(SAM.glob(f"lib/python3.*/site-packages/samcli/local/rapid/{name}"))
    if not found:
        raise MissingToolError(f".venv-sam has no {name}: run `make test`, which makes that environment")
    return found[0]


def _python() -> Path:
    python = RUNTIME / "bin" / "python"
    remedy = "run `make test`, which makes it of a Python 3.13 (scripts/find-python 3.13 says where there is one)"
    if not python.exists():
        raise MissingToolError(f"There is no .venv-runtime, which stands for Lambda's runtime: {remedy}")
    asked = [python, "-I", "-c", "import sys, awslambdaric, boto3; sys.exit(sys.version_info[:2] != (3, 13))"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        raise MissingToolError(f".venv-runtime is no Python 3.13 with awslambdaric and boto3: {remedy}")
    return python


def _fingerprint() -> str:
    files = [
        file
        for source in _SOURCES
        for file in (sorted((ROOT / source).rglob("*")) if (ROOT / source).is_dir() else [ROOT / source])
        if file.is_file() and "__pycache__" not in file.parts
    ]
    parts = (f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() for file in [*files, Path(__file__)])
    return hashlib.sha256(b"\0".join((_how_to_build().encode(), *parts))).hexdigest()[:16]


def _build(folder: Path, architecture: str, function: str = "") -> None:
    template = folder / f"{architecture}.yaml"
    arm64, this = (f"Architectures: [{each}]" for each in (SHIPPED, architecture))
    template.write_text(_replaced(TEMPLATE.read_text(), arm64, this))
    options = f"--parallel --template-file {template} --base-dir {ROOT} {function}"
    wheels = _replaced(_lambda_wheels(), *(dict(_MACHINES.values())[each] for each in (SHIPPED, architecture)))
    where = (f"TABLES={TABLES}", f"BUILD_DIR={folder / architecture}")
    command = ["make", "build", *where, f"BUILD_OPTIONS={options}", f"LAMBDA_WHEELS={wheels}"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "COVERAGE_", "MAKE", "PYTEST_"))
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=BUILD_TIMEOUT_S
    )
    if done.returncode:
        raise MissingToolError(f"make build failed for {architecture}:\n{(done.stdout + done.stderr)[-3000:].strip()}")


def _lambda_wheels() -> str:
    """Read from the Makefile the variables by which pip downloads Lambda's wheels."""
    found = re.search(r"^LAMBDA_WHEELS := ((?:.*\\\n)*.*)$", _how_to_build(), re.MULTILINE)
    assert found, "the Makefile says otherwise which wheels are built for Lambda"
    return found[1].replace("\\\n", " ")


def _how_to_build() -> str:
    """Read the Makefile's target ``build`` with its variables; nothing else in the file affects the artefact."""
    text = (ROOT / "Makefile").read_text().partition(".PHONY: build\n")[2].partition(".PHONY:")[0]
    assert text, "the Makefile has no target build any more"
    return text


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text, f"there is no {old!r} any more"
    return text.replace(old, new)


def _functions(built: Path) -> Mapping[str, Lambda]:
    template: dict[str, Any] = yaml.safe_load((built / "template.yaml").read_text())

    def number(value: int | str | Mapping[str, str]) -> int:
        name = value["Ref"] if isinstance(value, Mapping) else value
        return int(template["Parameters"][name]["Default"] if isinstance(name, str) else name)

    return {
        name: Lambda(
            folder=built / resource["Properties"]["CodeUri"],
            handler=resource["Properties"]["Handler"],
            memory=number(resource["Properties"]["MemorySize"]),
            timeout=number(resource["Properties"]["Timeout"]),
        )
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
