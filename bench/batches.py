"""A whole invocation by the size of its batch: the cost of an invocation, and of each further change.

``bench/measured.py`` fits a straight line through these sizes and gives both costs to the model.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import boto3

from bench.alternatives import ALTERNATIVES, FIRST, MARSHALLER, OURS
from bench.client import REGION
from bench.endpoint import endpoint
from bench.invocation import handler_of
from bench.measure import Candidate, Effort, Heading, Race, cpu_block, race
from bench.product import Handler, parser, runtime, start
from bench.shapes import SEED
from dynapinot.local.function import Context

SUITE: Final = "batch"
SIZES: Final = (1, 10, 100, 1_000)
SHAPE: Final = SEED

_SECONDS: Final = 1_000_000.0  # of the invocation's time: no deadline is reached


def names() -> list[str]:
    """List the races."""
    return [f"{SUITE}/{size}" for size in SIZES]


def races(effort: Effort, selected: Collection[str]) -> Iterator[Race]:
    """Measure whole invocations from the event's bytes, of batches of growing size."""
    sizes = [size for size in SIZES if f"{SUITE}/{size}" in selected and size <= effort.largest]
    if not sizes:
        return
    (first,) = (alternative for alternative in ALTERNATIVES if alternative.name == FIRST)
    with endpoint(), tempfile.TemporaryDirectory() as folder:
        alternative = handler_of(first, SHAPE, boto3.client("kinesis", region_name=REGION))
        ours = start(SHAPE.write(Path(folder)))
        marshaller = runtime()
        whole = partial(_whole, marshaller, marshaller.unmarshal_request)
        for size in sizes:
            block = partial(cpu_block, units=1, seconds=effort.seconds)
            candidates = {
                FIRST: Candidate(label=f"{first.label} + boto3", block=block(whole(alternative, size))),
                OURS: Candidate(label="dynapinot", block=block(whole(ours, size))),
                MARSHALLER: Candidate(
                    label="dynapinot, which parses itself",
                    note="EVENT_PARSER=orjson",
                    block=block(_whole(marshaller, parser(marshaller), ours, size)),
                ),
            }
            changes = f"{size:,} change{'s' * (size > 1)}"
            heading = Heading(f"{SUITE}/{size}", f"whole invocation of {changes} of the seed's", "us CPU an invocation")
            yield from race(candidates, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)


def _whole(marshaller: Any, parse: Callable[[bytes], Any], handler: Handler, size: int) -> Callable[[], object]:  # noqa: ANN401  # awslambdaric's
    event, context = SHAPE.event(size), Context(deadline=time.monotonic() + _SECONDS)
    return lambda: marshaller.marshal_response(handler(parse(event), context))
