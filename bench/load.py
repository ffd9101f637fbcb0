"""A load's worker: items in, rows put onto a stream over TLS on this machine; beside the loop that people write first.

``load/scan`` begins with the response to a Scan, ``load/export`` with a data file of an export. ``load/resume`` is what
it costs to skip the lines of a data file that an earlier run has loaded, beside loading them. Reading from AWS is not
measured: the responses come from this process.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import boto3
import orjson
from boto3.dynamodb.types import TypeDeserializer
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from bench.alternatives import FIRST, OURS, Row, plain, standard_dumps
from bench.client import REGION, put_all
from bench.decode import tables_of
from bench.endpoint import endpoint
from bench.measure import Candidate, Effort, Heading, Race, cpu_block, race
from bench.product import file_loader, scan_loader
from bench.shapes import SEED, Item, Shape

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Put: TypeAlias = Callable[[Sequence[Row]], None]

SUITE: Final = "load"
SCAN: Final = f"{SUITE}/scan"
EXPORT: Final = f"{SUITE}/export"
RESUME: Final = f"{SUITE}/resume"
SKIPPED: Final = "skipped"

_PAGE_ITEMS: Final = 2_500  # about the megabyte that a page has at most
_TIME_MS: Final = 1_719_082_123_999
_HEADERS: Final = {"Date": "Sat, 22 Jun 2024 18:00:00 GMT", "Content-Type": "application/x-amz-json-1.0"}


def names() -> list[str]:
    """List the races."""
    return [SCAN, EXPORT, RESUME]


def races(effort: Effort, selected: Collection[str]) -> Iterator[Race]:
    """Measure the selected ways to read items."""
    if not selected:
        return
    items = [record["dynamodb"]["NewImage"] for record in SEED.records(min(effort.largest, _PAGE_ITEMS))]
    with endpoint():
        put = partial(put_all, boto3.client("kinesis", region_name=REGION), SEED.stream)
        if SCAN in selected:
            yield from _scan_race(SEED, items, put, effort)
        if EXPORT in selected or RESUME in selected:
            yield from _file_races(SEED, items, put, effort, selected)


def first_rows(items: Sequence[Item], shape: Shape) -> list[Row]:
    """Make the rows of items as people usually do first: boto3's TypeDeserializer and json.dumps."""
    deserialize = TypeDeserializer().deserialize
    rows = []
    for image in items:
        row = shape.finish({name: deserialize(value) for name, value in image.items()}, standard_dumps)
        row |= {"eventName": "INSERT", "is_delete": False, "ApproximateCreationDateTime": _TIME_MS}
        rows.append((":".join(str(row[name]) for name in shape.key), json.dumps(row, default=plain).encode()))
    return rows


def scan_first(client: DynamoDBClient, put: Put, shape: Shape) -> None:
    """Scan a page, and put its rows."""
    put(first_rows(client.scan(TableName="bench", ConsistentRead=True)["Items"], shape))


def file_first(file: bytes, put: Put, shape: Shape) -> None:
    """Read a data file, and put its rows."""
    put(first_rows([json.loads(line)["Item"] for line in gzip.decompress(file).splitlines()], shape))


def _scan_race(shape: Shape, items: Sequence[Item], put: Put, effort: Effort) -> Iterator[Race]:
    page = orjson.dumps({"Items": items, "Count": len(items), "ConsumedCapacity": {"CapacityUnits": 128.0}})
    first, ours = (_client_that_gets(page) for _ in range(2))
    block = partial(cpu_block, units=len(items), seconds=effort.seconds)
    candidates = {
        FIRST: Candidate(
            label="scan, TypeDeserializer, json, put_records", block=block(partial(scan_first, first, put, shape))
        ),
        OURS: Candidate(
            label="dynapinot", block=block(partial(scan_loader(tables_of(shape), shape.key, ours), len(items)))
        ),
    }
    heading = Heading(SCAN, f"a page of a Scan as rows: {shape.what}", "us CPU an item")
    yield from race(candidates, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)


def _file_races(
    shape: Shape, items: Sequence[Item], put: Put, effort: Effort, selected: Collection[str]
) -> Iterator[Race]:
    file = gzip.compress(b"".join(orjson.dumps({"Item": item}) + b"\n" for item in items))
    load = file_loader(tables_of(shape), shape.key, file, len(items))
    block = partial(cpu_block, units=len(items), seconds=effort.seconds)
    ours = Candidate(label="dynapinot", block=block(partial(load, 0)))
    first = Candidate(
        label="gunzip, json, TypeDeserializer, put_records", block=block(partial(file_first, file, put, shape))
    )
    skipped = Candidate(label="skipped, as done before", block=block(partial(load, len(items))))
    contests: Mapping[str, tuple[str, dict[str, Candidate], str]] = {
        EXPORT: (f"a data file of an export as rows: {shape.what}", {FIRST: first, OURS: ours}, FIRST),
        RESUME: ("lines of a data file, loaded or skipped", {OURS: ours, SKIPPED: skipped}, OURS),
    }
    for name, (what, candidates, baseline) in contests.items():
        if name in selected:
            headings = {"cpu": Heading(name, what, "us CPU an item")}
            yield from race(candidates, headings, baseline=baseline, rounds=effort.rounds)


def _client_that_gets(page: bytes) -> DynamoDBClient:
    """Make a client whose requests are answered in this process, always by the same page."""

    def answer(request: Any, **_: object) -> Any:  # noqa: ANN401  # botocore's
        return AWSResponse(request.url, 200, HTTPHeaders.from_dict(_HEADERS), _Raw(page))

    client: DynamoDBClient = boto3.client("dynamodb", region_name=REGION)
    client.meta.events.register("before-send.dynamodb.Scan", answer)
    return client


class _Raw(BytesIO):
    """A body as urllib3 has it."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """Yield all of it."""
        yield self.read()
