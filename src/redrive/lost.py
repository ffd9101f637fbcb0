"""What the dead letter bucket holds: the changes that never became rows, in the two kinds of objects it has them in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from decoder.change import Change
from decoder.errors import ChangeError
from decoder.record import decode_record


class ObjectError(ValueError):
    """An object that is neither a dead letter nor a batch that the event source mapping gave up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """One change that was lost. ``table`` is the one Pinot table that could not take it, None for all of its tables.

    ``change`` is None, and ``error`` says why, when the record cannot be read.
    """

    reason: str
    table: str | None
    change: Change | None
    error: ChangeError | None = None


def read_object(body: bytes) -> tuple[Lost, ...]:
    """Read an object: a letter of the function's own, or a batch of the event source mapping's. Raises ObjectError.

    The latter's form: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ObjectError("it is not JSON") from None
    match document:
        case {"record": record, "reason": str(reason)}:
            table = document.get("table")
            return (_lost(record, reason, table if isinstance(table, str) else None),)
        case {"DDBStreamBatchInfo": dict(), "payload": payload} | {"KinesisBatchInfo": dict(), "payload": payload}:
            context = document.get("requestContext")
            condition = context.get("condition") if isinstance(context, dict) else None
            return tuple(_lost(record, str(condition or "GivenUp"), None) for record in _records(payload))
    raise ObjectError("it is no dead letter: it has neither a record with a reason nor a batch with its payload")


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


def _lost(record: object, reason: str, table: str | None) -> Lost:
    try:
        return Lost(reason=reason, table=table, change=decode_record(record))
    except ChangeError as error:
        return Lost(reason=reason, table=table, change=None, error=error)
