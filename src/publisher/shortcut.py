"""PutRecords through the SDK, past its walk over every record.

The SDK checks, copies and encodes each record by the service's model, and each result too: most of what a request
costs. Its events let a client's own hooks write the body and read the answer instead, once for the whole request. All
else stays the SDK's: credentials, endpoints, signing, connections, retries, and what it makes of an error.
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html

On Lambda the SDK is the runtime's, of whatever version. Where it does not emit the events that the body takes, or
writes another body than the one that is known here, :class:`Records` tells that they were not sent. Before botocore
1.35.16 there is no ``before-parse``, and the SDK reads the answer itself, to the same end.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Never

import orjson
from botocore.parsers import ResponseParserError

from publisher.entry import Entry

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

KEEP: Final = "provide-client-params.kinesis.PutRecords"
WRITE: Final = "before-call.*.*"  # before the hooks that answer in the service's place, as botocore.stub's
READ: Final = "before-parse.kinesis.PutRecords"

_CONTEXT: Final = "dynapinot.records"  # under which a request's own context holds them
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"


class UnexpectedBodyError(Exception):
    """The SDK wrote something else than the JSON that is known here; nothing was sent."""


class Records(list[Never]):
    """The records of one request, for a client that takes the shortcut: to the SDK an empty list, soon walked.

    ``are_sent`` tells that the entries stood in the request's body, and not that empty list.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.entries = entries
        self.are_sent = False


def take_shortcut(client: KinesisClient) -> None:
    """Let a client's PutRecords take the shortcut where it is given :class:`Records`. Once or often is the same.

    The client is to be made with ``parameter_validation=False``: an empty list would not do.
    """
    events = client.meta.events
    events.register(KEEP, _keep, unique_id=KEEP)
    events.register_first(WRITE, _write, unique_id=WRITE)
    events.register(READ, _read, unique_id=READ)


def _keep(params: Mapping[str, object], context: dict[str, object], **_: object) -> None:
    """Keep a request's records at hand, in its own context."""
    if isinstance(params.get("Records"), Records):
        context[_CONTEXT] = params["Records"]


def _write(params: dict[str, Any], context: Mapping[str, Any], **_: object) -> None:
    """Write the records into the body. Raises UnexpectedBodyError."""
    records = context.get(_CONTEXT)
    if records is None:
        return
    try:
        body = orjson.loads(params["body"])
        is_expected = body["Records"] == [] and params["headers"]["Content-Type"] == _CONTENT_TYPE
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedBodyError from error
    if not is_expected:
        raise UnexpectedBodyError
    body["Records"] = [
        {"Data": b2a_base64(entry.data, newline=False).decode("ascii"), "PartitionKey": entry.key}
        for entry in records.entries
    ]
    params["body"] = orjson.dumps(body)
    records.are_sent = True


def _read(
    operation_model: Any,  # noqa: ANN401  # botocore's, which has no types
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Take an answer's members as they are, and leave errors to the SDK. Raises ResponseParserError for no object."""
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    try:
        answer = orjson.loads(response_dict["body"])
    except ValueError as error:
        raise ResponseParserError("the answer to PutRecords is no JSON") from error
    if not isinstance(answer, dict):
        raise ResponseParserError("the answer to PutRecords is no object")
    response_dict["body"] = b"{}"
    customized_response_dict.update(
        {name: answer[name] for name in operation_model.output_shape.members if name in answer}
    )
