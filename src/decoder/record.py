"""One record of a Lambda event, from DynamoDB Streams or from Kinesis Data Streams for DynamoDB."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from decoder.attribute import decode_binary
from decoder.change import Change, decode_change
from decoder.errors import MalformedError

KINESIS: Final = "aws:kinesis"
_DIGITS: Final = re.compile(r"[0-9]{1,128}")  # a sequence number of Kinesis is longer than one of DynamoDB


def decode_record(record: object) -> Change:
    """Read a record of either event source. Raises MalformedError with the path inside the record."""
    return decode_change(change_record(record))


def change_record(record: object) -> object:
    """Return the change record: the record itself, or what a Kinesis record wraps. Raises MalformedError."""
    if isinstance(record, dict) and record.get("eventSource") == KINESIS:
        return _unwrap(record)
    return record


def sequence_number_of(record: object) -> str | None:
    """Return the sequence number by which the event source knows a record, None if it cannot be read."""
    if not isinstance(record, dict):
        return None
    name, key = (
        ("kinesis", "sequenceNumber") if record.get("eventSource") == KINESIS else ("dynamodb", "SequenceNumber")
    )
    inner = record.get(name)
    number = inner.get(key) if isinstance(inner, dict) else None
    return number if isinstance(number, str) and _DIGITS.fullmatch(number) else None


def change_text(record: dict[str, Any]) -> bytes:
    """Return the JSON of the change that a Kinesis record has as base64. Raises MalformedError.

    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """
    inner = record.get("kinesis")
    if not isinstance(inner, dict):
        raise MalformedError("a record of Kinesis has an object here").inside("kinesis")
    try:
        return decode_binary(inner.get("data"))
    except MalformedError:
        raise MalformedError("must be base64 text").inside("kinesis", "data") from None


def _unwrap(record: dict[str, Any]) -> object:
    text = change_text(record)
    try:
        change: object = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedError("this is no DynamoDB change: it is not JSON").inside("kinesis", "data") from None
    return change
