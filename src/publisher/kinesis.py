"""The only module that calls PutRecords."""

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
from publisher.sdk_hooks import RecordsPlaceholder, UnexpectedBodyError, install_hooks

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

# Transient errors of a whole request. The SDK has retried it before such an error is raised.
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html#API_PutRecords_Errors
_TRANSIENT: Final = frozenset(
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

# No connection, or no complete response. It is not known whether the request was processed.
NO_RESPONSE: Final = (ConnectionError, HTTPClientError, ResponseParserError)


class Sender:
    """Sends entries to a stream, one request for each call. Several threads may call it at once.

    The client must be made with ``parameter_validation=False``.
    """

    def __init__(self, client: KinesisClient, stream: str) -> None:
        install_hooks(client)
        self._client = client
        self._stream = stream
        self._uses_hooks = True
        self._shards: set[str] = set()

    @property
    def shards(self) -> int:
        """How many shards have accepted a record of this sender so far; 0 before the first response."""
        return len(self._shards)

    def __call__(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Send entries; return an outcome for each, in order.

        If a request fails as a whole, or its response is lost or cannot be read, every entry counts as rejected. Those
        that were accepted all the same will be on the stream twice. Raises UnavailableError for an error that no retry
        fixes, and whatever the SDK raises before it sends anything.
        """
        try:
            return self._outcomes(self._put(entries), len(entries))
        except ClientError as error:
            code = transient_error(error)
            if code is None:
                raise UnavailableError(error.response.get("Error", {}).get("Code", "Unknown")) from error
            return [code] * len(entries)
        except NO_RESPONSE as error:
            return [type(error).__name__] * len(entries)

    def _put(self, entries: Sequence[Entry]) -> Mapping[str, Any]:
        put: Any = self._client.put_records
        if self._uses_hooks:
            records = RecordsPlaceholder(entries)
            try:
                response: Mapping[str, Any] = put(StreamName=self._stream, Records=records)
            except (ClientError, ParamValidationError, UnexpectedBodyError):
                if records.are_sent:
                    raise
            else:
                if records.are_sent:
                    return response
            # This SDK's events are different. If it sent a request, that had no records in it.
            self._uses_hooks = False
        plain: Mapping[str, Any] = put(
            StreamName=self._stream,
            Records=[{"Data": entry.data, "PartitionKey": entry.key} for entry in entries],
        )
        return plain

    def _outcomes(self, response: Mapping[str, Any], count: int) -> list[Outcome]:
        """Read a response. Raises ResponseParserError when it is not one of PutRecords to so many records."""
        try:
            results = response["Records"]
            outcomes: list[Outcome] = [
                str(result["ErrorCode"]) if result.get("ErrorCode") else int(result["SequenceNumber"], 10)
                for result in results
            ]
            shards = {result.get("ShardId") for result in results}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ResponseParserError("a result is not one of PutRecords") from error
        if len(outcomes) != count:
            raise ResponseParserError(f"{len(outcomes)} results for {count} records")
        self._shards.update(shards - {None})
        return outcomes


def transient_error(error: ClientError) -> str | None:
    """Return the code of a transient error of Kinesis, None for any other error."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code if code in _TRANSIENT or status >= _SERVER_ERROR else None
