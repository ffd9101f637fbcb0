"""A whole invocation, as the Lambda runtime makes one: parse, decode, normalize, publish over TLS on this machine.

``invocation`` begins with the event's bytes and the runtime's own parser, ``handler`` with the parsed dict.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3

from bench.alternatives import ALTERNATIVES, FIRST, MARSHALLER, OURS, Alternative
from bench.client import REGION, put_all
from bench.endpoint import endpoint
from bench.measure import Candidate, Effort, Heading, Race, cpu_block, race
from bench.product import Handler, parser, runtime, start
from bench.shapes import SHAPES, Shape
from dynapinot.local.function import Context

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

WHOLE, HANDLER = "invocation", "handler"
PARSE: Final = "parse"

_MEASURED: Final = tuple(
    alternative for alternative in ALTERNATIVES if alternative.name in {FIRST, "orjson", "powertools"}
)
_SECONDS: Final = 1_000_000.0  # of the invocation's time: no deadline is reached


def names() -> list[str]:
    """List the races."""
    return [f"{suite}/{shape}" for suite in (WHOLE, HANDLER) for shape in SHAPES]


def races(effort: Effort, selected: Collection[str]) -> Iterator[Race]:
    """Measure each selected shape, from the event's bytes and from the event as a dict."""
    if not selected:
        return
    with endpoint(), tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES.values():
            suites = [suite for suite in (WHOLE, HANDLER) if f"{suite}/{shape.name}" in selected]
            if not suites:
                continue
            handlers = _handlers(shape, Path(folder) / shape.name)
            if WHOLE in suites:
                yield from _whole(shape, handlers, effort)
            if HANDLER in suites:
                yield from _handler(shape, handlers, effort)


def handler_of(alternative: Alternative, shape: Shape, client: KinesisClient) -> Handler:
    """Return a handler that decodes as an alternative does."""

    def handler(event: dict[str, Any], _: object) -> object:
        put_all(client, shape.stream, list(alternative.decode(event["Records"], shape)))
        return {"batchItemFailures": []}

    return handler


def _handlers(shape: Shape, folder: Path) -> Mapping[str, Handler]:
    client = boto3.client("kinesis", region_name=REGION)
    handlers = {alternative.name: handler_of(alternative, shape, client) for alternative in _MEASURED}
    return {**handlers, OURS: start(shape.write(folder))}


def _label(name: str) -> str:
    return next(
        (f"{alternative.label} + boto3" for alternative in ALTERNATIVES if alternative.name == name), "dynapinot"
    )


def _whole(shape: Shape, handlers: Mapping[str, Handler], effort: Effort) -> Iterator[Race]:
    marshaller = runtime()
    count = min(shape.batch, effort.batch)
    event, context = shape.event(count), Context(deadline=time.monotonic() + _SECONDS)

    def whole(parse: Callable[[bytes], Any], handler: Handler) -> Callable[[], object]:
        return lambda: marshaller.marshal_response(handler(parse(event), context))

    block = partial(cpu_block, units=count, seconds=effort.seconds)
    candidates = {
        name: Candidate(label=_label(name), block=block(whole(marshaller.unmarshal_request, handler)))
        for name, handler in handlers.items()
    }
    candidates[MARSHALLER] = Candidate(
        label="dynapinot, which parses itself",
        note="EVENT_PARSER=orjson",
        block=block(whole(parser(marshaller), handlers[OURS])),
    )
    candidates[PARSE] = Candidate(
        label="the runtime's parse alone", note="simplejson", block=block(lambda: marshaller.unmarshal_request(event))
    )
    heading = Heading(
        f"{WHOLE}/{shape.name}", f"whole invocation, from the event's bytes: {shape.what}", "us CPU a record"
    )
    return race(candidates, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)


def _handler(shape: Shape, handlers: Mapping[str, Handler], effort: Effort) -> Iterator[Race]:
    count = min(shape.batch, effort.batch)
    event, context = {"Records": shape.records(count)}, Context(deadline=time.monotonic() + _SECONDS)
    block = partial(cpu_block, units=count, seconds=effort.seconds)
    candidates = {
        name: Candidate(label=_label(name), block=block(partial(handler, event, context)))
        for name, handler in handlers.items()
    }
    heading = Heading(
        f"{HANDLER}/{shape.name}", f"whole invocation, from the event as a dict: {shape.what}", "us CPU a record"
    )
    return race(candidates, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)
