"""Cold start: the time until a new process is ready for its first event, and the size of the package.

Every number includes the interpreter's own start. Compiled files exist, as after a first start.
"""

from __future__ import annotations

import io
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from bench.alternatives import FIRST, OURS
from bench.measure import Candidate, Effort, Heading, Race, race
from bench.product import ROOT, START, environment, python_path
from bench.shapes import SEED
from dynapinot.local.services import sdk_variables

SUITE: Final = "start"
ALL: Final = "powertools-all"

_CLIENT: Final = "import boto3\nboto3.client('kinesis', region_name='us-east-1')\n"
_POWERTOOLS: Final = "from aws_lambda_powertools import Logger, Metrics, Tracer\n"
_UTILITIES: Final = (
    *("batch", "data_classes", "data_masking", "feature_flags", "idempotency", "jmespath_utils", "parameters"),
    *("parser", "streaming", "typing", "validation"),
)

# The label of each contender, and the code that its new process runs.
_STARTS: Final[Mapping[str, tuple[str, str]]] = {
    "python": ("Python alone", "pass"),
    "boto3": ("boto3 client", _CLIENT),
    FIRST: (
        "json + TypeDeserializer + boto3 client",
        f"import json\nfrom boto3.dynamodb.types import TypeDeserializer\n{_CLIENT}",
    ),
    "powertools": (
        "boto3 client + Powertools Logger, Metrics, Tracer, data class",
        f"{_CLIENT}{_POWERTOOLS}from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent\n",
    ),
    ALL: (
        "boto3 client + all of Powertools",
        f"{_CLIENT}{_POWERTOOLS}import aws_lambda_powertools.event_handler, aws_lambda_powertools.middleware_factory\n"
        + "".join(f"import aws_lambda_powertools.utilities.{each}\n" for each in _UTILITIES),
    ),
    OURS: ("dynapinot", START),
}


def names() -> list[str]:
    """List the races."""
    return [f"{SUITE}/cpu", f"{SUITE}/wall"]


def races(effort: Effort, selected: Collection[str]) -> Iterator[Race]:
    """Start each contender in turn, in a new process, and measure its CPU and wall time."""
    if not selected:
        return
    with tempfile.TemporaryDirectory() as folder:
        variables = _variables(SEED.write(Path(folder)))
        candidates = {
            name: Candidate(label=label, block=lambda code=code: start(code, variables))  # type: ignore[misc]  # a default
            for name, (label, code) in _STARTS.items()
        }
        headings = {
            measure: Heading(f"{SUITE}/{measure}", f"cold start, {what} time of a fresh process", f"ms {what}")
            for measure, what in (("cpu", "CPU"), ("wall", "wall"))
            if f"{SUITE}/{measure}" in selected
        }
        yield from race(candidates, headings, baseline=FIRST, rounds=effort.starts)


def start(code: str, variables: Mapping[str, str]) -> Mapping[str, float]:
    """Run code in a new process; measure its ``cpu`` (user and system) and ``wall`` time, in ms."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-c", code], env=variables, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # ours
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu * 1_000, "wall": wall * 1_000}


def _variables(tables: Path) -> Mapping[str, str]:
    others = (
        "AWS_",
        "POWERTOOLS_",
        "COV",
        "PYTHONDONTWRITEBYTECODE",
    )  # with the last one our own code would be compiled again
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {
        **kept,
        **sdk_variables("https://127.0.0.1:9"),  # nothing is sent
        **environment(tables),
        **python_path(),
        "POWERTOOLS_TRACE_DISABLED": "true",  # there is no daemon
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The size of the package: ``what`` was measured, its files' bytes by part, and all of them zipped."""

    what: str
    parts: Mapping[str, int]
    zipped: int

    @property
    def bytes(self) -> int:
        """The size of all parts, unpacked."""
        return sum(self.parts.values())


def package(root: Path = ROOT) -> Package:
    """Measure the function's package as SAM built it, or else the installed sizes of its parts."""
    built = sorted(path for path in (root / ".aws-sam" / "build").glob("*") if (path / "handlers").is_dir())
    if built:
        return _package("as built by SAM", {each.name: {Path(each.name): each} for each in built[0].iterdir()})
    source = root / "src"
    parts = {"src": {Path(each.name): each for each in source.iterdir()}}
    locked = (source / "requirements.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([A-Za-z0-9_.-]+)==", locked, re.MULTILINE):
        parts[name] = {Path(each): Path(str(each.locate())) for each in metadata.files(name) or ()}
    return _package("as installed here, not built", parts)


def _package(what: str, parts: Mapping[str, Mapping[Path, Path]]) -> Package:
    sizes = dict.fromkeys(parts, 0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, paths in parts.items():
            for name, path in _files(paths):
                sizes[part] += path.stat().st_size
                archive.write(path, str(name))
    return Package(what=what, parts=sizes, zipped=packed.tell())


def _files(paths: Mapping[Path, Path]) -> Iterator[tuple[Path, Path]]:
    """Find the files to ship below these paths: no compiled ones, nothing outside of the package."""
    for name, path in paths.items():
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in inside:
            shipped = name / each.relative_to(path) if path.is_dir() else name
            if each.is_file() and not {"__pycache__", ".."} & set(shipped.parts):
                yield shipped, each
