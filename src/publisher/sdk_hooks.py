"""Hooks in the SDK that build the PutRecords request and parse its response in one step.

The SDK validates, copies and encodes each record by the service's model, and each result too: that is most of the cost
of a request. Its events let a client's hooks write the body and parse the response instead, once for the whole request.
All else remains the SDK's work: credentials, endpoints, signing, connections, retries and errors.
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/events.html

On Lambda the SDK is the runtime's, of any version. It may not emit the events that the body needs, or write another
body than the one known here; then :class:`RecordsPlaceholder` says that the entries were not sent. Before botocore
1.35.16 there is no ``before-parse``; then the SDK parses the response itself, with the same result.
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

PARAMS_EVENT: Final = "provide-client-params.kinesis.PutRecords"
REQUEST_EVENT: Final = "before-call.*.*"  # ahead of the hooks that respond in the service's place, as botocore.stub's
RESPONSE_EVENT: Final = "before-parse.kinesis.PutRecords"

_CONTEXT: Final = "dynapinot.records"  # the key of the placeholder in the context of its request
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"


class UnexpectedBodyError(Exception):
    """The SDK wrote another body than the JSON that is known here; nothing was sent."""


class RecordsPlaceholder(list[Never]):
    """The records of one request, for a client with the hooks. To the SDK it is an empty list, which costs nothing.

    ``are_sent`` says that the request's body had the entries, and not that empty list.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.entries = entries
        self.are_sent = False


def install_hooks(client: KinesisClient) -> None:
    """Let PutRecords of a client accept a :class:`RecordsPlaceholder`. A second call changes nothing.

    The client must be made with ``parameter_validation=False``, as an empty list is not valid.
    """
    events = client.meta.events
    events.register(PARAMS_EVENT, _keep_records, unique_id=PARAMS_EVENT)
    events.register_first(REQUEST_EVENT, _write_body, unique_id=REQUEST_EVENT)
    events.register(RESPONSE_EVENT, _parse_response, unique_id=RESPONSE_EVENT)


def _keep_records(params: Mapping[str, object], context: dict[str, object], **_: object) -> None:
    """Keep the placeholder in the context of its request, for the next hook."""
    if isinstance(params.get("Records"), RecordsPlaceholder):
        context[_CONTEXT] = params["Records"]


def _write_body(params: dict[str, Any], context: Mapping[str, Any], **_: object) -> None:
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


def _parse_response(
    operation_model: Any,  # noqa: ANN401  # botocore's, which has no types
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Take a response's members as they are; leave errors to the SDK. Raises ResponseParserError if not an object."""
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    try:
        response = orjson.loads(response_dict["body"])
    except ValueError as error:
        raise ResponseParserError("the response to PutRecords is not JSON") from error
    if not isinstance(response, dict):
        raise ResponseParserError("the response to PutRecords is not an object")
    response_dict["body"] = b"{}"
    customized_response_dict.update(
        {name: response[name] for name in operation_model.output_shape.members if name in response}
    )
