"""The one place of the benchmark that calls the function's own code: a signature that changes, changes here."""

from __future__ import annotations

import importlib
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import bench
from decoder.records import ParsedRecords, Records
from handlers import clients
from handlers.catalog import load_tables
from handlers.parser import Marshaller
from handlers.planner import Account, Planner
from pinot.table import Table
from publisher.concurrency import publish_concurrently, worker_threads
from publisher.entry import Entry
from publisher.order import MAX_RECORD_BYTES, Limits, Outcome

Handler: TypeAlias = Callable[[dict[str, Any], Any], object]

ROOT: Final = Path(bench.__file__).parent.parent
START: Final = "import handlers.stream"  # what a cold start runs
SECONDS: Final = 600.0  # of an invocation, so that no deadline is met

_WORKERS: Final = worker_threads()
_ENTRY_POINT: Final = "handlers.stream"


class Connected(Protocol):
    """A stream to publish to: how to send a request, and how many shards it has."""

    @property
    def shards(self) -> int:
        """How many shards it has."""

    def send(self, entries: Sequence[Entry], /) -> Sequence[Outcome]:
        """Send one request."""


def read_tables(folder: Path) -> Sequence[Table]:
    """Read the tables of a folder."""
    return load_tables(folder)[0]


def decoder(tables: Sequence[Table]) -> Callable[[Sequence[object]], list[Entry]]:
    """Give what makes a batch's rows as the function does, which is kept from batch to batch.

    It raises ValueError when not every change is a row: then it would not be the work to measure.
    """
    planner = Planner(tables, max_record_bytes=MAX_RECORD_BYTES)

    def decode_batch(records: Sequence[object]) -> list[Entry]:
        account = Account(records=records if isinstance(records, Records) else ParsedRecords(records))
        entries = [entry for _, entry in planner.rows(account)]
        if account.dead_letters or account.ignored:
            detail = f"{len(account.dead_letters)} dead letters, {account.ignored} changes ignored"
            raise ValueError(f"{detail}: the shape is wrong")
        return entries

    return decode_batch


def decode(records: Sequence[object], tables: Sequence[Table]) -> list[Entry]:
    """Make the rows of one batch. Raises ValueError as :func:`decoder` says."""
    return decoder(tables)(records)


def connect(tables: Sequence[Table]) -> Callable[[Sequence[Entry]], None]:
    """Make the function's own clients of the environment of now; give what publishes to the one table's stream."""
    (table,) = tables
    publish_to = clients.streams(tables, Limits()).publish_within(lambda: SECONDS)

    def send_all(entries: Sequence[Entry]) -> None:
        _check(publish_to(table.target, entries).first_unpublished)

    return send_all


def publish_to(stream: Connected, entries: Sequence[Entry]) -> None:
    """Publish to a stream that is no client's, whose shards are not known before it has answered."""
    seen = 0

    def send(request: Sequence[Entry]) -> Sequence[Outcome]:
        nonlocal seen
        outcomes = stream.send(request)
        seen = stream.shards
        return outcomes

    published = publish_concurrently(
        entries,
        send,
        _WORKERS,
        shards=lambda: seen,
        remaining=lambda: SECONDS,
        sleep=time.sleep,
        jitter=random.random,
    )
    _check(published.first_unpublished)


def start(tables: Path) -> Handler:
    """Import the function anew in the environment of now; its logs and metrics are written, to nowhere."""
    os.environ.update(environment(tables))
    sys.modules.pop(_ENTRY_POINT, None)
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open for as long as the function is
    with redirect_stdout(nowhere):
        handler: Handler = importlib.import_module(_ENTRY_POINT).handler

    def handle(event: dict[str, Any], context: object) -> object:
        with redirect_stdout(nowhere):
            response = handler(event, context)
        if response != {"batchItemFailures": []}:
            raise ValueError(f"the function did not publish everything: {response}")
        return response

    return handle


def runtime() -> Any:  # noqa: ANN401  # awslambdaric's, which has no types
    """Make the marshaller of Lambda's runtime client, which is in the benchmark's own environment alone."""
    return importlib.import_module("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()


def parser(marshaller: object) -> Callable[[bytes], Any]:
    """Give what parses an event with ``EVENT_PARSER=orjson``, by the runtime's marshaller that it stands before."""
    parse: Callable[[bytes], Any] = Marshaller(marshaller).unmarshal_request
    return parse


def environment(tables: Path) -> Mapping[str, str]:
    """Give the variables that the function reads, beside the SDK's."""
    return {"DEAD_LETTER_BUCKET": "dead-letters", "TABLES_DIR": str(tables), "POWERTOOLS_LOG_LEVEL": "INFO"}


def python_path() -> Mapping[str, str]:
    """Let a process of this environment's Python find the function's code and the benchmark's."""
    return {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}


def _check(first_unpublished: int | None) -> None:
    if first_unpublished is not None:
        raise ValueError(f"not everything was published, from position {first_unpublished} on")
