"""Handle one large event as Lambda would, in a process of its own, and print the memory that it took.

``python peak.py <event file>``: the environment names the endpoints of Kinesis and S3, as for the function itself. The
output is a line of JSON on stderr: the memory in MiB after the start and at the peak, and the seconds that it took.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

MIB = 1024 * 1024


def peak_mib():
    """The peak memory of this process. On Linux not by getrusage, which starts with the memory of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def main(event_file):
    handler = importlib.import_module("handlers.stream").handler
    started = peak_mib()
    event = json.loads(Path(event_file).read_bytes())  # as the runtime does
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request-1")
    before = time.monotonic()
    response = handler(event, context)
    seconds = time.monotonic() - before
    result = {
        "start": started,
        "peak": peak_mib(),
        "seconds": seconds,
        "failures": len(response["batchItemFailures"]),
    }
    print(json.dumps(result), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
