"""The settings. No other module reads the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from handlers.parser import PARSERS, RUNTIME
from publisher.order import MAX_RECORD_BYTES, MAX_REQUEST_BYTES, MAX_REQUEST_RECORDS, Limits

SHIPPED_TABLES: Final = Path(__file__).parent.parent / "tables"

SERVICE: Final = "dynapinot"  # the service of logs and metrics, unless the stack sets its own name
REDRIVE_ITEMS_PER_SECOND: Final = 50

# Kinesis' own maxima: records and bytes of a request, bytes of a record (on a stream that is configured for it).
_LOWEST: Final = {"KINESIS_MAX_REQUEST_RECORDS": 2}  # a change may be two rows, which must fit into one request
_HIGHEST: Final = {
    "KINESIS_MAX_REQUEST_RECORDS": 500,
    "KINESIS_MAX_REQUEST_BYTES": 10 * 1024 * 1024,
    "KINESIS_MAX_RECORD_BYTES": 10 * 1024 * 1024,
    "REDRIVE_ITEMS_PER_SECOND": 10_000,
}


class SettingsError(ValueError):
    """An environment variable is missing or cannot be read; the message names it and says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The function's settings, each from the environment variable of its name in capitals.

    ``tables_dir`` has one folder for each Pinot table. ``tables`` names those to replicate, none for all.
    ``dead_letter_bucket`` is for the changes that can never become rows. ``powertools_service_name`` distinguishes this
    stack's logs and metrics from another's. The limits are Kinesis' own unless the stream is configured otherwise.
    ``event_parser`` is one of ``handlers.parser.PARSERS``. ``redrive_items_per_second`` limits the rate at which a
    redrive reads items. ``replicating_function`` names the function whose lag a load waits for.
    """

    dead_letter_bucket: str
    tables_dir: Path
    tables: Sequence[str]
    powertools_service_name: str
    event_parser: str
    kinesis_max_request_records: int
    kinesis_max_request_bytes: int
    kinesis_max_record_bytes: int
    redrive_items_per_second: int
    replicating_function: str

    @property
    def limits(self) -> Limits:
        """How large one PutRecords request may be."""
        return Limits(records=self.kinesis_max_request_records, bytes=self.kinesis_max_request_bytes)

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings, from ``os.environ`` or a test's dict. Raises SettingsError."""
        bucket = environment.get("DEAD_LETTER_BUCKET", "")
        if not bucket:
            raise SettingsError("DEAD_LETTER_BUCKET is not set: name the S3 bucket for dead letters")
        settings = cls(
            dead_letter_bucket=bucket,
            tables_dir=Path(environment.get("TABLES_DIR") or SHIPPED_TABLES),
            tables=_names(environment, "TABLES"),
            powertools_service_name=environment.get("POWERTOOLS_SERVICE_NAME") or SERVICE,
            event_parser=_one_of(PARSERS, environment, "EVENT_PARSER", RUNTIME),
            kinesis_max_request_records=_number(environment, "KINESIS_MAX_REQUEST_RECORDS", MAX_REQUEST_RECORDS),
            kinesis_max_request_bytes=_number(environment, "KINESIS_MAX_REQUEST_BYTES", MAX_REQUEST_BYTES),
            kinesis_max_record_bytes=_number(environment, "KINESIS_MAX_RECORD_BYTES", MAX_RECORD_BYTES),
            redrive_items_per_second=_number(environment, "REDRIVE_ITEMS_PER_SECOND", REDRIVE_ITEMS_PER_SECOND),
            replicating_function=environment.get("REPLICATING_FUNCTION", ""),
        )
        if settings.kinesis_max_record_bytes > settings.kinesis_max_request_bytes:
            raise SettingsError(
                "KINESIS_MAX_RECORD_BYTES is larger than KINESIS_MAX_REQUEST_BYTES: raise the latter too"
            )
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSettings:
    """The heartbeat function's settings, each from the environment variable of its name in capitals.

    ``heartbeat_table`` is the DynamoDB table that heartbeat items are written to. ``heartbeat_item`` has the attributes
    of such an item besides its key, in DynamoDB's JSON: one object, or several for tables of different items. The
    others are those of the replicating function.
    """

    heartbeat_table: str
    heartbeat_item: Sequence[Mapping[str, Any]]
    tables_dir: Path
    tables: Sequence[str]
    powertools_service_name: str

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> HeartbeatSettings:
        """Read the settings, from ``os.environ`` or a test's dict. Raises SettingsError."""
        table = environment.get("HEARTBEAT_TABLE", "")
        if not table:
            raise SettingsError("HEARTBEAT_TABLE is not set: name the DynamoDB table for the heartbeat items")
        return cls(
            heartbeat_table=table,
            heartbeat_item=_items(environment, "HEARTBEAT_ITEM"),
            tables_dir=Path(environment.get("TABLES_DIR") or SHIPPED_TABLES),
            tables=_names(environment, "TABLES"),
            powertools_service_name=environment.get("POWERTOOLS_SERVICE_NAME") or SERVICE,
        )


def _names(environment: Mapping[str, str], name: str) -> Sequence[str]:
    return tuple(each.strip() for each in environment.get(name, "").split(",") if each.strip())


def _items(environment: Mapping[str, str], name: str) -> Sequence[Mapping[str, Any]]:
    try:
        document = json.loads(environment.get(name) or "{}")
    except ValueError as error:
        raise SettingsError(f"{name} is not JSON: {error}") from None
    items = document if isinstance(document, list) else [document]
    if not items or not all(isinstance(item, dict) for item in items):
        raise SettingsError(f'{name} is not an object of attributes, such as {{"kind": {{"S": "test"}}}}')
    return items


def _one_of(known: Sequence[str], environment: Mapping[str, str], name: str, default: str) -> str:
    text = environment.get(name) or default
    if text not in known:
        raise SettingsError(f"{name} is not one of {', '.join(known)}")
    return text


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    lowest, highest = _LOWEST.get(name, 1), _HIGHEST[name]
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise SettingsError(f"{name} is not a whole number from {lowest} to {highest}")
    return int(text)
