"""Where a load runs, if it does, and how far its units are, by its files in the bucket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from dynapinot.aws import refusals
from dynapinot.errors import CommandError
from load.files import PREFIX, REPORT, FilesError, LoadFiles, load_ids
from load.plan import Plan, Total, Unit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RUN: Final = "run.json"
SEEN_SECONDS: Final = 10.0  # between two signs of life
DEAD_SECONDS: Final = 45.0  # without one, a process on another machine is taken for dead

_UNITS: Final = "units/"
_PARALLEL_READS: Final = 16
_T = TypeVar("_T")


@contextmanager
def files_errors() -> Iterator[None]:
    """Raise CommandError for a load's file that cannot be read or written inside of the block."""
    try:
        yield
    except FilesError as error:
        raise CommandError(str(error)) from None


class Run(Struct, frozen=True, kw_only=True):
    """Who works on a load, or did last: its ``run.json``.

    ``here`` is a process, ``pid`` on ``host``, which was last ``seen`` at a time in epoch seconds; ``stack`` is an
    execution of a stack's state machine, by its ARN, and ``starts`` counts them.
    """

    place: Literal["here", "stack"]
    host: str = ""
    pid: int = 0
    seen: float = 0.0
    has_ended: bool = False
    execution: str = ""
    starts: int = 0


# Made while there is one thread, see load.files.
_decode_run: Final = msgspec.json.Decoder(Run).decode
_decode_total: Final = msgspec.json.Decoder(Total).decode


def own_run(now: float, *, has_ended: bool = False) -> Run:
    """Return the run of this process."""
    return Run(place="here", host=socket.gethostname(), pid=os.getpid(), seen=now, has_ended=has_ended)


def is_process_alive(run: Run, now: float) -> bool:
    """Return whether the process of a run works, as far as can be known from here."""
    if run.place != "here" or run.has_ended or now - run.seen > DEAD_SECONDS:
        return False
    if run.host != socket.gethostname():
        return True
    if run.pid == os.getpid():
        return False
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def read_run(files: LoadFiles) -> Run | None:
    """Read who works on a load, None if nobody ever did. Raises CommandError."""
    return _read(files, RUN, _decode_run)


def is_reported(files: LoadFiles) -> bool:
    """Return whether a load came to its end: its report says that every unit is done. Raises CommandError."""
    report = _read(files, REPORT, _decode_total)
    return report is not None and report.done == report.units


def _read(files: LoadFiles, name: str, decode: Callable[[bytes], _T]) -> _T | None:
    key = f"{PREFIX}{files.id}/{name}"
    with refusals():
        try:
            body = files.client.get_object(Bucket=files.bucket, Key=key)["Body"].read()
        except files.client.exceptions.NoSuchKey:
            return None
    try:
        return decode(body)
    except msgspec.MsgspecError as error:
        raise CommandError(f"s3://{files.bucket}/{key} is not a file of a load: {error}") from None


def newest_load(client: S3Client, bucket: str) -> str:
    """Return the id of the newest load in a bucket. Raises CommandError if there is none."""
    ids = ids_of(client, bucket)
    if not ids:
        raise CommandError(f"There is no load in s3://{bucket}/{PREFIX}: begin one with dynapinot load")
    return ids[-1]


def unfinished_load(client: S3Client, bucket: str, table: str) -> str | None:
    """Return the id of the newest load of a DynamoDB table if it has not come to its end."""
    for name in reversed(ids_of(client, bucket)):
        files = LoadFiles(client=client, bucket=bucket, id=name)
        try:
            plan = files.plan()
        except FilesError:
            continue  # of another version, or without a plan: not a load that could go on
        if plan.table == table:
            return None if is_reported(files) else name
    return None


def ids_of(client: S3Client, bucket: str) -> list[str]:
    """List the ids of a bucket's loads, the oldest first. Raises CommandError."""
    with refusals():
        return sorted(load_ids(client, bucket))


class Units:
    """The states of a load's units, read from the bucket: at each look, only those that changed."""

    def __init__(self, files: LoadFiles, plan: Plan) -> None:
        self.states = {number: Unit(number=number) for number in range(plan.units)}
        self._files = files
        self._tags: dict[int, str] = {}

    def look(self) -> Total:
        """Read what changed, and add up. Raises CommandError."""
        with refusals():
            changed = [(number, tag) for number, tag in self._listed() if self._tags.get(number) != tag]
        with files_errors(), ThreadPoolExecutor(_PARALLEL_READS) as pool:
            units = pool.map(self._files.unit, [number for number, _ in changed])
            for (number, tag), unit in zip(changed, units, strict=True):
                self.states[number] = unit
                self._tags[number] = tag
        return Total.of(self.states.values())

    def _listed(self) -> Iterator[tuple[int, str]]:
        start = f"{PREFIX}{self._files.id}/{_UNITS}"
        pages = self._files.client.get_paginator("list_objects_v2").paginate(Bucket=self._files.bucket, Prefix=start)
        for page in pages:
            for each in page.get("Contents", ()):
                yield int(each["Key"].removeprefix(start).removesuffix(".json")), each["ETag"]
