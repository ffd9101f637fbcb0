"""The result of a run as a JSON file: the measurements, the machine and the commit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from bench.measure import Contender, Race, summarize
from bench.product import ROOT
from bench.start import Package
from bench.targets import judge
from dynapinot.errors import CommandError

FORMAT: Final = 1

_DISTRIBUTIONS: Final = (
    *("aws-lambda-powertools", "awslambdaric", "boto3", "botocore", "dynamodb-json", "orjson", "simplejson"),
)
_CPUS: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. ``made`` is in ISO 8601. ``changed`` is whether there were uncommitted changes, ``quick`` whether the
    numbers are unreliable because the run was short. ``load`` is the machine's one-minute load average at the start.
    """

    made: str
    commit: str
    changed: bool
    quick: bool
    machine: Mapping[str, str]
    load: float
    versions: Mapping[str, str]
    package: Package | None
    races: Sequence[Race]

    @property
    def name(self) -> str:
        """The name of its files: the time and the commit."""
        moment = datetime.fromisoformat(self.made)
        return f"{moment:%Y-%m-%dT%H%M%S}-{self.commit}{'-changed' if self.changed else ''}"


def describe(races: Sequence[Race], package: Package | None, *, quick: bool, load: float) -> Result:
    """Make a result from races: add this machine and this commit."""
    commit = _git("rev-parse", "--short", "HEAD")
    return Result(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit or "unknown",
        changed=bool(_git("status", "--porcelain", "--", "src", "bench", "requirements")),
        quick=quick,
        machine={
            "processor": _processor(),
            "processors": str(os.cpu_count()),
            "system": platform.platform(),
            "interpreter": _interpreter(),
        },
        load=round(load, 2),
        versions={"python": platform.python_version(), **_versions()},
        package=package,
        races=races,
    )


def write(result: Result, file: Path) -> None:
    """Write a result: all samples and, for readers, their medians, quartiles and ratios."""
    document = {"format": FORMAT, **asdict(result), "races": [_race(race) for race in result.races]}
    document["targets"] = [
        {**asdict(judged.target), **asdict(judged.ratio), "verdict": judged.verdict} for judged in judge(result.races)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read(file: Path) -> Result:
    """Read a result back. Raises CommandError for a file that is not a result."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error}. Name a result that `make bench` wrote") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CommandError(f"{file} is no result of the format {FORMAT}. Name one that `make bench` wrote")
    try:
        return Result(
            **{name: document[name] for name in ("made", "commit", "changed", "quick", "machine", "load", "versions")},
            package=Package(**document["package"]) if document["package"] else None,
            races=[_read_race(race) for race in document["races"]],
        )
    except (KeyError, TypeError) as error:
        raise CommandError(f"{file} is a damaged result: {error}. Run `make bench` again") from None


def _race(race: Race) -> dict[str, Any]:
    contenders = {}
    for name, each in race.contenders.items():
        cost, ratio = summarize(each.samples), summarize(race.ratios(name))
        contenders[name] = {**asdict(each), "cost": asdict(cost), "ratio": asdict(ratio)}
    return {**asdict(race), "contenders": contenders}


def _read_race(document: Mapping[str, Any]) -> Race:
    return Race(
        **{name: document[name] for name in ("name", "what", "unit", "baseline")},
        contenders={
            name: Contender(label=each["label"], note=each["note"], samples=tuple(each["samples"]))
            for name, each in document["contenders"].items()
        },
    )


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607  # read-only
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    if _CPUS.exists():
        for line in _CPUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _interpreter() -> str:
    """Return how Python was built: Lambda's is optimized by profile; pyenv's is not by default."""
    asked = sysconfig.get_config_var("CONFIG_ARGS") or ""
    how = "with" if "--enable-optimizations" in asked else "without"
    return f"{platform.python_implementation()} configured {how} --enable-optimizations"


def _versions(version: Callable[[str], str] = metadata.version) -> dict[str, str]:
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
