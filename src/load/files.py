"""A load's files in a bucket, below ``loads/<id>/``: its plan, its units' states, what the operator wants, its report.

They are all of a load's state: whoever has them can go on with it, the function or a command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from load.plan import VERSION, Control, Plan, Swept, Unit
from publisher.entry import Entry
from publisher.s3 import putter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX: Final = "loads/"
PLAN: Final = "plan.json"
CONTROL: Final = "control.json"
REPORT: Final = "report.json"

_PARALLEL_READS: Final = 16
_T = TypeVar("_T")

# Made while there is one thread: msgspec 0.22.0 crashes if several threads are the first to use a type.
_decode_plan: Final = msgspec.json.Decoder(Plan).decode
_decode_unit: Final = msgspec.json.Decoder(Unit).decode
_decode_control: Final = msgspec.json.Decoder(Control).decode
_decode_swept: Final = msgspec.json.Decoder(Swept).decode


class FilesError(Exception):
    """A load's file cannot be read or written; the message names it and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFiles:
    """The files of one load. All methods raise FilesError."""

    client: S3Client
    bucket: str
    id: str

    def plan(self) -> Plan:
        """Read the plan."""
        plan = self._read(PLAN, _decode_plan)
        if plan is None:
            raise FilesError(f"there is no load {self.id}: {self._url(PLAN)} does not exist")
        if plan.version != VERSION:
            raise FilesError(f"{self._url(PLAN)} is of another version of dynapinot: finish the load with that one")
        return plan

    def unit(self, number: int) -> Unit:
        """Read a unit's state: that of its beginning if there is none yet."""
        return self._read(_unit_name(number), _decode_unit) or Unit(number=number)

    def units(self, count: int) -> list[Unit]:
        """Read all units' states."""
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            return list(pool.map(self.unit, range(count)))

    def control(self) -> Control:
        """Read what the operator wants."""
        return self._read(CONTROL, _decode_control) or Control()

    def swept(self, table: str) -> Swept:
        """Read how far the sweep of a Pinot table is: its beginning if there was none yet."""
        return self._read(_swept_name(table), _decode_swept) or Swept()

    def save_swept(self, table: str, swept: Swept) -> None:
        """Write how far the sweep of a Pinot table is."""
        self.save_json(_swept_name(table), swept)

    def save(self, what: Plan | Unit | Control) -> None:
        """Write one of them."""
        match what:
            case Plan():
                self.save_json(PLAN, what)
            case Unit():
                self.save_json(_unit_name(what.number), what)
            case _:
                self.save_json(CONTROL, what)

    def save_json(self, name: str, document: Any) -> None:  # noqa: ANN401  # whatever msgspec encodes
        """Write a file of the load."""
        error = putter(self.client, self.bucket)(Entry(f"{PREFIX}{self.id}/{name}", msgspec.json.encode(document), 0))
        if error:
            raise FilesError(f"{self._url(name)} cannot be written: {error}")

    def _read(self, name: str, decode: Callable[[bytes], _T]) -> _T | None:
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=f"{PREFIX}{self.id}/{name}")["Body"].read()
            return decode(body)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "Unknown")
            if code == "NoSuchKey":
                return None
            raise FilesError(f"{self._url(name)} cannot be read: {code}") from error
        except BotoCoreError as error:
            raise FilesError(f"{self._url(name)} cannot be read: {type(error).__name__}") from error
        except msgspec.MsgspecError as error:
            raise FilesError(f"{self._url(name)} is not a file of a load: {error}") from None

    def _url(self, name: str) -> str:
        return f"s3://{self.bucket}/{PREFIX}{self.id}/{name}"


def load_ids(client: S3Client, bucket: str) -> Iterator[str]:
    """List the loads in a bucket, the oldest first where the ids begin with their times."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX, Delimiter="/")
    for page in pages:
        yield from (each["Prefix"].removeprefix(PREFIX).rstrip("/") for each in page.get("CommonPrefixes", ()))


def _unit_name(number: int) -> str:
    return f"units/{number}.json"


def _swept_name(table: str) -> str:
    return f"sweep/{table}.json"
