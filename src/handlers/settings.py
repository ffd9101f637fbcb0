"""The only reader of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from publisher.order import MAX_RECORD_BYTES, MAX_REQUEST_BYTES, MAX_REQUEST_RECORDS

SHIPPED_TABLES: Final = Path(__file__).parent.parent / "tables"

# What Kinesis itself takes at the most: records and bytes a request, bytes a record of a stream configured for it.
_HIGHEST: Final = {
    "KINESIS_MAX_REQUEST_RECORDS": 500,
    "KINESIS_MAX_REQUEST_BYTES": 10 * 1024 * 1024,
    "KINESIS_MAX_RECORD_BYTES": 10 * 1024 * 1024,
}


class SettingsError(ValueError):
    """An environment variable is missing or cannot be read; the message names it and says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The function's settings, each from the environment variable of its name in capitals.

    ``tables_dir`` has one folder a Pinot table; ``dead_letter_bucket`` takes the changes that can never become rows.
    The limits are Kinesis' own unless the stream is configured otherwise.
    """

    dead_letter_bucket: str
    tables_dir: Path
    kinesis_max_request_records: int
    kinesis_max_request_bytes: int
    kinesis_max_record_bytes: int

    @classmethod
    def from_mapping(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings, from ``os.environ`` or a test's dict. Raises SettingsError."""
        bucket = environment.get("DEAD_LETTER_BUCKET", "")
        if not bucket:
            raise SettingsError("DEAD_LETTER_BUCKET is not set: name the S3 bucket that takes dead letters")
        settings = cls(
            dead_letter_bucket=bucket,
            tables_dir=Path(environment.get("TABLES_DIR") or SHIPPED_TABLES),
            kinesis_max_request_records=_number(environment, "KINESIS_MAX_REQUEST_RECORDS", MAX_REQUEST_RECORDS),
            kinesis_max_request_bytes=_number(environment, "KINESIS_MAX_REQUEST_BYTES", MAX_REQUEST_BYTES),
            kinesis_max_record_bytes=_number(environment, "KINESIS_MAX_RECORD_BYTES", MAX_RECORD_BYTES),
        )
        if settings.kinesis_max_record_bytes > settings.kinesis_max_request_bytes:
            raise SettingsError(
                "KINESIS_MAX_RECORD_BYTES is larger than KINESIS_MAX_REQUEST_BYTES: raise the latter too"
            )
        return settings


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    highest = _HIGHEST[name]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= highest:
        raise SettingsError(f"{name} is not a whole number from 1 to {highest}")
    return int(text)
