"""The one place that says PutRecords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004  # the SDK's own
    HTTPClientError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from publisher.entry import Entry
from publisher.order import Outcome, UnavailableError
from publisher.shortcut import Records, UnexpectedBodyError, take_shortcut

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


class Sender:
    """Puts entries onto a stream, one request a call; several threads may call it at once.

    The client is made with ``parameter_validation=False``.
    """

    def __init__(self, client: KinesisClient, stream: str) -> None:
        take_shortcut(client)
        self._client = client
        self._stream = stream
        self._is_short = True
        self._shards: set[str] = set()

    @property
    def shards(self) -> int:
        """How many shards have accepted something of this sender so far; 0 before the first answer."""
        return len(self._shards)

    def __call__(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Send entries; give an outcome for each, in order.

        A request that failed as a whole, or whose answer was lost or cannot be read, counts as every entry rejected:
        those that were accepted all the same will stand on the stream twice. Raises UnavailableError for what no retry
        mends, and what the SDK raises before it sends anything.
        """
        try:
            return self._outcomes(self._put(entries), len(entries))
        except ClientError as error:
            code = passing_error(error)
            if code is None:
                raise UnavailableError(error.response.get("Error", {}).get("Code", "Unknown")) from error
            return [code] * len(entries)
        except NO_ANSWER as error:
            return [type(error).__name__] * len(entries)

    def _put(self, entries: Sequence[Entry]) -> Mapping[str, Any]:
        put: Any = self._client.put_records
        if self._is_short:
            records = Records(entries)
            try:
                response: Mapping[str, Any] = put(StreamName=self._stream, Records=records)
            except (ClientError, ParamValidationError, UnexpectedBodyError):
                if records.are_sent:
                    raise
            else:
                if records.are_sent:
                    return response
            # An SDK whose events are not what they were. What it sent, if anything, had no records in it.
            self._is_short = False
        plain: Mapping[str, Any] = put(
            StreamName=self._stream,
            Records=[{"Data": entry.data, "PartitionKey": entry.key} for entry in entries],
        )
        return plain

    def _outcomes(self, response: Mapping[str, Any], count: int) -> list[Outcome]:
        """Read an answer. Raises ResponseParserError when it is not what PutRecords answers to so many records."""
        try:
            results = response["Records"]
            outcomes: list[Outcome] = [
                str(result["ErrorCode"]) if result.get("ErrorCode") else int(result["SequenceNumber"], 10)
                for result in results
            ]
            shards = {result.get("ShardId") for result in results}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ResponseParserError("a result is not what PutRecords answers") from error
        if len(outcomes) != count:
            raise ResponseParserError(f"{len(outcomes)} results for {count} records")
        self._shards.update(shards - {None})
        return outcomes


def passing_error(error: ClientError) -> str | None:
    """Give the code of an error of Kinesis that time mends, None for any other."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code if code in _PASSING or status >= _SERVER_ERROR else None
