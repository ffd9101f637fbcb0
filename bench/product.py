"""The benchmark's calls to the function's own code: only this module changes with the function's signatures."""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import bench
from decoder.records import ParsedRecords, Records
from handlers import clients
from handlers.catalog import load_tables
from handlers.loading import sender
from handlers.parser import Marshaller
from handlers.planner import Account, Planner
from load.export.folder import Folder
from load.export.manifest import DataFile, Export
from load.export.stream import Body, ObjectStream
from load.export_file import FileReader, full_sources
from load.pace import StreamPace
from load.plan import Control, ExportReader, Plan, PlannedTable, ScanReader, Unit
from load.scan import SegmentReader, page_reader
from load.work import Read, Worker, work
from pinot.table import Table
from publisher.concurrency import publish_concurrently, worker_threads
from publisher.entry import Entry
from publisher.order import MAX_RECORD_BYTES, Limits, Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Handler: TypeAlias = Callable[[dict[str, Any], Any], object]

ROOT: Final = Path(bench.__file__).parent.parent
START: Final = "import handlers.stream"  # what a cold start runs
SECONDS: Final = 600.0  # of an invocation: no deadline is reached

_BEGAN: Final = 1_719_082_124
_MANY_SHARDS: Final = 1_000_000  # so that no pace slows a load down

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
    """Return a function that makes a batch's rows as the Lambda function does. It keeps its state between batches.

    It raises ValueError unless every change becomes a row: then it would measure other work.
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
    """Make the rows of one batch. Raises ValueError as :func:`decoder` does."""
    return decoder(tables)(records)


def connect(tables: Sequence[Table]) -> Callable[[Sequence[Entry]], None]:
    """Make the function's own clients from the current environment; return what publishes to the one table's stream."""
    (table,) = tables
    publish_to = clients.streams(tables, Limits()).publish_within(lambda: SECONDS)

    def send_all(entries: Sequence[Entry]) -> None:
        _check(publish_to(table.target, entries).first_unpublished)

    return send_all


def publish_to(stream: Connected, entries: Sequence[Entry]) -> None:
    """Publish to a stream that is not a client's. Its shards are unknown until it has responded."""
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


def scan_loader(tables: Sequence[Table], keys: Sequence[str], client: DynamoDBClient) -> Callable[[int], None]:
    """Return a function that loads a segment of so many items, which a client's Scan returns."""
    reader = ScanReader(segments=1, margin=1)
    plan = _plan(tables, keys, reader)
    read = SegmentReader(
        page_reader(client, plan.table, reader), plan, reader, tables, budget=None, sleep=time.sleep, remaining=_forever
    )
    work_on = _worker(tables, read)
    return lambda items: work_on(Unit(number=0), items)


def file_loader(tables: Sequence[Table], keys: Sequence[str], file: bytes, items: int) -> Callable[[int], None]:
    """Return a function that loads a data file of so many items, from a line on."""
    md5 = base64.b64encode(hashlib.md5(file, usedforsecurity=False).digest()).decode()
    folder = Folder("exports", "AWSDynamoDB/1-a")
    data = DataFile(bucket=folder.bucket, key="a.json.gz", items=items, md5=md5)
    export = Export(
        table_arn="",
        table_id="",
        export_arn="",
        kind="FULL",
        from_time=None,
        time=_BEGAN,
        has_old_images=False,
        items=items,
        billed_bytes=0,
        folder=folder,
        files=(data,),
    )
    reader = ExportReader(bucket=folder.bucket, folder=folder.key, files=1, second=_BEGAN)

    def open_object(_: str, etag: str | None) -> ObjectStream:
        def open_at(offset: int, _: str | None) -> Body:
            opened = BytesIO(file)
            opened.seek(offset)
            return Body("etag", len(file), opened.read, opened.close)

        return ObjectStream(open_at, folder.url, etag=etag, sleep=time.sleep)

    sources = full_sources(export, _plan(tables, keys, reader), reader, tables)
    work_on = _worker(tables, FileReader(open_object, sources))

    def load(first_line: int) -> None:
        unit = Unit(number=0, cursor=first_line, checked_etag="etag") if first_line else Unit(number=0)
        work_on(unit, items - first_line)

    return load


def _plan(tables: Sequence[Table], keys: Sequence[str], reader: ScanReader | ExportReader) -> Plan:
    return Plan(
        id="bench",
        table="bench",
        region="us-east-1",
        keys=tuple(keys),
        began=_BEGAN,
        tables={table.name: PlannedTable(files="", shards=1) for table in tables},
        reader=reader,
        workers=1,
    )


def _worker(tables: Sequence[Table], read: Read) -> Callable[[Unit, int], None]:
    """Return a function that works on a unit, and raises ValueError unless so many items become rows."""
    publish = clients.streams(tables, Limits()).publish_within(_forever)
    shards = {table.target: _MANY_SHARDS for table in tables}
    worker = Worker(
        read=read,
        send=sender(Planner(tables, max_record_bytes=MAX_RECORD_BYTES), publish=publish, store=lambda _: (0, "none")),
        pace=StreamPace(shards, workers=1, share=1.0, clock=time.monotonic, sleep=time.sleep),
        save=lambda _: None,
        control=lambda: Control(share=1.0),
        lag=lambda: None,
        remaining=_forever,
        clock=time.monotonic,
        wall_clock=time.time,
    )

    def work_on(unit: Unit, items: int) -> None:
        done, reason = work(unit, worker)
        if reason or done.rows != items:
            raise ValueError(f"{done.rows} rows of {items} items: {reason}")

    return work_on


def _forever() -> float:
    return SECONDS


def start(tables: Path) -> Handler:
    """Import the function again in the current environment; its logs and metrics are written and discarded."""
    os.environ.update(environment(tables))
    sys.modules.pop(_ENTRY_POINT, None)
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # open for as long as the function
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
    """Make the marshaller of Lambda's runtime client, which only the benchmark's environment has."""
    return importlib.import_module("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()


def parser(marshaller: object) -> Callable[[bytes], Any]:
    """Return the event parser of ``EVENT_PARSER=orjson``, in front of the runtime's marshaller."""
    parse: Callable[[bytes], Any] = Marshaller(marshaller).unmarshal_request
    return parse


def environment(tables: Path) -> Mapping[str, str]:
    """Return the variables that the function reads, without the SDK's."""
    return {"DEAD_LETTER_BUCKET": "dead-letters", "TABLES_DIR": str(tables), "POWERTOOLS_LOG_LEVEL": "INFO"}


def python_path() -> Mapping[str, str]:
    """Return the variables by which a Python process finds the function's code and the benchmark's."""
    return {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}


def _check(first_unpublished: int | None) -> None:
    if first_unpublished is not None:
        raise ValueError(f"not everything was published, from position {first_unpublished} on")
