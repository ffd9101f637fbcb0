"""The one place that says PutRecords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  # the SDK's own
from botocore.parsers import ResponseParserError

from publisher.entry import Entry
from publisher.order import Outcome, Send, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

# Errors of a whole request that time mends; the SDK has tried again already when one gets here.
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html#API_PutRecords_Errors
_PASSING: Final = frozenset(
    {
        "InternalFailure",
        "InternalFailureException",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
_SERVER_ERROR: Final = 500

# No connection, or no whole answer: whether the request was carried out is not known.
NO_ANSWER: Final = (ConnectionError, HTTPClientError, ResponseParserError)


def sender(client: KinesisClient, stream: str) -> Send:
    """Give the function that puts entries onto a stream in one request.

    A request that failed as a whole, or whose answer was lost, counts as every entry rejected: those that were
    accepted all the same will stand on the stream twice. UnavailableError is raised for what no retry mends.
    """

    def send(entries: Sequence[Entry]) -> list[Outcome]:
        records = [{"Data": entry.data, "PartitionKey": entry.key} for entry in entries]
        try:
            response = client.put_records(StreamName=stream, Records=records)  # type: ignore[arg-type]  # TypedDicts
        except ClientError as error:
            code = passing_error(error)
            if code is None:
                raise UnavailableError(error.response.get("Error", {}).get("Code", "Unknown")) from error
            return [code] * len(entries)
        except NO_ANSWER as error:
            return [type(error).__name__] * len(entries)
        return [
            result["ErrorCode"] if result.get("ErrorCode") else int(result["SequenceNumber"])
            for result in response["Records"]
        ]

    return send


def passing_error(error: ClientError) -> str | None:
    """Give the code of an error of Kinesis that time mends, None for any other."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code if code in _PASSING or status >= _SERVER_ERROR else None
