"""The publishing client alone: finished rows, put onto a stream over TLS on this machine."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from functools import partial
from http import HTTPStatus
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from bench.alternatives import FIRST, FLOOR, OURS, Row
from bench.decode import tables_of
from bench.endpoint import Endpoint, endpoint
from bench.measure import Candidate, Effort, Heading, Race, cpu_block, race
from bench.product import connect, decode
from bench.shapes import SHAPES, Shape
from dynapinot.local.services import LOOPBACK

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

SUITE: Final = "client"
MAX_RECORDS: Final = 500  # of a PutRecords request
REGION: Final = "us-east-1"

_SHAPES: Final = ("seed", "wide", "hot")  # a small row, a large one, and one key's changes all in one request
_HEADERS: Final = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Kinesis_20131202.PutRecords"}


def names() -> list[str]:
    """List the races."""
    return [f"{SUITE}/{shape}" for shape in _SHAPES]


def races(effort: Effort, selected: Collection[str]) -> Iterator[Race]:
    """Measure the rows of each selected shape."""
    if not selected:
        return
    with endpoint() as kinesis:
        for each in _SHAPES:
            name = f"{SUITE}/{each}"
            if name in selected:
                yield from _race(name, SHAPES[each], effort, kinesis)


def put_all(client: KinesisClient, stream: str, rows: Sequence[Row]) -> None:
    """Put rows the simplest way. Raises ValueError if Kinesis rejects any."""
    for start in range(0, len(rows), MAX_RECORDS):
        records = [{"Data": data, "PartitionKey": key} for key, data in rows[start : start + MAX_RECORDS]]
        response = client.put_records(StreamName=stream, Records=records)  # type: ignore[arg-type]  # TypedDicts
        if response["FailedRecordCount"]:
            raise ValueError("some records were rejected")


def _race(name: str, shape: Shape, effort: Effort, kinesis: Endpoint) -> Iterator[Race]:
    tables = tables_of(shape)
    entries = decode(shape.records(min(shape.batch, effort.batch)), tables)
    rows = [(entry.key, entry.data) for entry in entries]
    block = partial(cpu_block, units=len(rows), seconds=effort.seconds)
    first = boto3.client("kinesis", region_name=REGION)
    unchecked = boto3.client("kinesis", region_name=REGION, config=Config(parameter_validation=False))
    ours = connect(tables)
    with closing(HTTPSConnection(LOOPBACK, kinesis.port, context=kinesis.trust())) as connection:
        candidates = {
            FIRST: Candidate(label="boto3 put_records", block=block(partial(put_all, first, shape.stream, rows))),
            "unchecked": Candidate(
                label="boto3, parameter_validation=False",
                block=block(partial(put_all, unchecked, shape.stream, rows)),
            ),
            OURS: Candidate(
                label="dynapinot", note="in order, settled key by key", block=block(partial(ours, entries))
            ),
            FLOOR: Candidate(
                label="a POST of a finished body, unsigned",
                note="the floor: TLS and HTTP alone",
                block=block(partial(post_all, connection, bodies_of(shape.stream, rows))),
            ),
        }
        heading = Heading(name, f"PutRecords' client: rows of {shape.what}", "us CPU a record")
        yield from race(candidates, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)


def bodies_of(stream: str, rows: Sequence[Row]) -> list[bytes]:
    """Return the bodies of the requests that put all rows."""
    return [
        json.dumps(
            {
                "StreamName": stream,
                "Records": [
                    {"Data": base64.b64encode(data).decode(), "PartitionKey": key}
                    for key, data in rows[start : start + MAX_RECORDS]
                ],
            }
        ).encode()
        for start in range(0, len(rows), MAX_RECORDS)
    ]


def post_all(connection: HTTPSConnection, bodies: Sequence[bytes]) -> None:
    """Post finished bodies and read the responses, nothing else. Raises ValueError for an error response."""
    for body in bodies:
        connection.request("POST", "/", body, _HEADERS)
        response = connection.getresponse()
        answer = response.read()
        if response.status != HTTPStatus.OK:
            raise ValueError(f"the local Kinesis answered {response.status}: {answer!r}")
