"""The document that Lambda puts into the on-failure bucket for records that it gives up."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Record: TypeAlias = Mapping[str, Any]  # as a Lambda event has it
Condition: TypeAlias = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of the stream, its shard and the function in the record of a failure."""

    stream_arn: str = "arn:aws:dynamodb:us-east-1:123456789012:table/table/stream/2024-06-22T18:00:00.000"
    shard_id: str = "shardId-00000000000000000000-00000000"
    function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"


def sequence_number(record: Record) -> str:
    """Return a record's sequence number."""
    return str(record["dynamodb"]["SequenceNumber"])


def created(record: Record) -> float:
    """Return when a change was made, in epoch seconds."""
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def failure_document(
    records: Sequence[Record], *, names: Names, condition: Condition, invocations: int, failed: bool, now: float
) -> dict[str, Any]:
    """Write what an S3 bucket gets as the on-failure destination: where the records were, and themselves as payload.

    ``failed`` is whether the function raised an error, rather than reported failures. ``now`` is in epoch seconds.
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    first, last = records[0], records[-1]
    identity = f"{names.stream_arn}/{names.shard_id}/{sequence_number(first)}-{sequence_number(last)}"
    response = {"statusCode": 200, "executedVersion": "$LATEST", **({"functionError": "Unhandled"} if failed else {})}
    return {
        "requestContext": {
            "requestId": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
            "functionArn": names.function_arn,
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "responseContext": response,
        "version": "1.0",
        "timestamp": _iso(now, "milliseconds"),
        "DDBStreamBatchInfo": {
            "shardId": names.shard_id,
            "startSequenceNumber": sequence_number(first),
            "endSequenceNumber": sequence_number(last),
            "approximateArrivalOfFirstRecord": _iso(created(first), "seconds"),
            "approximateArrivalOfLastRecord": _iso(created(last), "seconds"),
            "batchSize": len(records),
            "streamArn": names.stream_arn,
        },
        "payload": json.dumps({"Records": list(records)}),
    }


def _iso(seconds: float, timespec: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
