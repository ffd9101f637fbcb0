"""Memory: how much a batch takes beyond its own event. Each measurement has its own process.

``python -m bench.memory <contender> <event file> <tables folder>``, with the SDK's variables set, handles the event as
the runtime would and prints the memory that took, in KiB. Linux only: it reads /proc.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import boto3

from bench.alternatives import ALTERNATIVES, FIRST, OURS
from bench.client import REGION
from bench.endpoint import endpoint
from bench.invocation import handler_of
from bench.measure import LEAST_SAMPLES, Candidate, Effort, Heading, Race, race
from bench.product import Handler, python_path, start
from bench.shapes import SEED
from dynapinot.local.function import Context

SUITE: Final = "memory"
EVENT: Final = "event"

_SIZES: Final = (100, 1_000, 10_000)
_STATUS: Final = Path("/proc/self/status")
_LABELS: Final = {EVENT: "the event itself, as a dict", FIRST: "TypeDeserializer + json + boto3", OURS: "dynapinot"}


def names() -> list[str]:
    """List the races; none if memory cannot be read."""
    return [f"{SUITE}/{size}" for size in _SIZES] if _STATUS.exists() else []


def races(effort: Effort, selected: Collection[str]) -> Iterator[Race]:
    """Measure batches of growing size: each contender's memory beyond the event, beside the event's own."""
    sizes = [size for size in _SIZES if f"{SUITE}/{size}" in selected and size <= effort.largest]
    if not sizes:
        return
    with endpoint(), tempfile.TemporaryDirectory() as folder:
        tables = SEED.write(Path(folder) / "tables")
        for size in sizes:
            event = Path(folder) / "event.json"
            event.write_bytes(SEED.event(size))
            candidates = {
                name: Candidate(label=label, block=partial(_run, name, event, tables, size))
                for name, label in _LABELS.items()
            }
            heading = Heading(
                f"{SUITE}/{size}",
                f"memory at the peak, beyond the event, of {size:,} changes of the seed's shape",
                "KiB a record",
            )
            yield from race(candidates, {"memory": heading}, baseline=EVENT, rounds=min(effort.starts, LEAST_SAMPLES))


def _run(name: str, event: Path, tables: Path, size: int) -> Mapping[str, float]:
    command = [sys.executable, "-m", "bench.memory", name, str(event), str(tables)]
    variables = {**os.environ, **python_path()}
    done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603  # this file
    usage = json.loads(done.stdout)
    return {"memory": usage[EVENT if name == EVENT else "beyond"] / size}


def _kib(name: str) -> int:
    line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def _handler(name: str, tables: Path) -> Handler:
    if name == OURS:
        return start(tables)
    (first,) = (alternative for alternative in ALTERNATIVES if alternative.name == FIRST)
    return handler_of(first, SEED, boto3.client("kinesis", region_name=REGION))


def _measure(name: str, event_file: Path, tables: Path) -> Mapping[str, int]:
    handler, context = _handler(name, tables), Context(deadline=time.monotonic() + 600)
    handler({"Records": SEED.records(1)}, context)  # objects made with the first request are not part of a batch
    gc.collect()
    before = _kib("VmRSS")
    event = json.loads(event_file.read_bytes())
    gc.collect()
    parsed = _kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak: man 5 proc_pid_clear_refs
    handler(event, context)
    return {"event": parsed - before, "beyond": max(0, _kib("VmHWM") - parsed)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
