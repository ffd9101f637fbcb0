"""The changes in the dead letter bucket, read from its two kinds of objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from decoder.change import Change
from decoder.errors import ChangeError
from decoder.record import decode_record


class ObjectError(ValueError):
    """An object that is neither a dead letter nor a batch that the event source mapping discarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedChange:
    """One change that did not become rows. ``table`` is the Pinot table that could not take it, None for all tables.

    ``change`` is None, and ``error`` says why, when the record cannot be decoded.
    """

    reason: str
    table: str | None
    change: Change | None
    error: ChangeError | None = None


def read_object(body: bytes) -> tuple[FailedChange, ...]:
    """Read an object: a dead letter of the function, or a batch of the event source mapping. Raises ObjectError.

    The form of the batch: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ObjectError("it is not JSON") from None
    match document:
        case {"record": record, "reason": str(reason)}:
            table = document.get("table")
            return (_failed(record, reason, table if isinstance(table, str) else None),)
        case {"DDBStreamBatchInfo": dict(), "payload": payload} | {"KinesisBatchInfo": dict(), "payload": payload}:
            context = document.get("requestContext")
            condition = context.get("condition") if isinstance(context, dict) else None
            return tuple(_failed(record, str(condition or "GivenUp"), None) for record in _records(payload))
    raise ObjectError("it is not a dead letter: it has neither a record and a reason nor a batch and its payload")


def _records(payload: Any) -> list[object]:  # noqa: ANN401  # whatever the object holds
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            raise ObjectError("its payload is not JSON") from None
    records = payload.get("Records") if isinstance(payload, dict) else None
    if not isinstance(records, list):
        raise ObjectError("its payload has no list of records")
    return records


def _failed(record: object, reason: str, table: str | None) -> FailedChange:
    try:
        return FailedChange(reason=reason, table=table, change=decode_record(record))
    except ChangeError as error:
        return FailedChange(reason=reason, table=table, change=None, error=error)
