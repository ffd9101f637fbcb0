"""The commands' AWS clients, and AWS's errors as one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from botocore.model import OperationModel
from botocore.parsers import ResponseParserError

from dynapinot.errors import CommandError

_CONFIG: Final = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})

# How the body of an answer begins, by the protocol of the service: https://smithy.io/2.0/aws/protocols/index.html
_BEGINNINGS: Final[dict[str, tuple[bytes, ...]]] = {
    "json": (b"{",),
    "rest-json": (b"{",),
    "query": (b"<",),
    "rest-xml": (b"<",),
    "smithy-rpc-v2-cbor": tuple(bytes([first]) for first in range(0xA0, 0xC0)),  # a map
}
_HTML: Final = (b"<html", b"<!doctype html")

# Operations that answer {} or nulls where there is nothing to say. Of all others, an answer has some of its members.
_MAY_ANSWER_NOTHING: Final = ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "GetFunctionConcurrency")

_FIRST_ERROR_OF_A_SERVER: Final = 500  # which the SDK repeats, whatever the body is
_FIRST_ERROR: Final = 300


class AnotherServerError(BotoCoreError):
    """What answers a request is not the service that it is for."""

    fmt = (
        "What answers {operation} is not {service}: is --endpoint-url (or AWS_ENDPOINT_URL) that of AWS, or of an "
        "emulator which has this service? Is there a proxy between?"
    )


class _Emitter(Protocol):
    def register(self, event_name: str, handler: Any, unique_id: str | None = None) -> None: ...  # noqa: ANN401


def check_answers(events: _Emitter) -> None:
    """Make all clients of a session raise AnotherServerError for an answer that another server gave.

    ``events`` is the session's emitter, boto3's ``Session().events``. The SDK itself takes whatever has status 200 for
    an answer, which has no members then, and raises exceptions of its parser for other answers.
    """
    events.register("before-parse", _check_body, unique_id="dynapinot-before-parse")
    events.register("after-call", _check_members, unique_id="dynapinot-after-call")


def _check_body(operation_model: OperationModel, response_dict: dict[str, Any], **_: object) -> None:
    status, body = response_dict["status_code"], response_dict["body"]
    if not isinstance(body, bytes) or not body.strip():
        return
    protocol = operation_model.service_model.resolved_protocol
    start = body.lstrip()[:20].lower()
    is_other_form = start.startswith(_HTML) or not start.startswith(_BEGINNINGS.get(protocol, (b"",)))
    if status >= _FIRST_ERROR_OF_A_SERVER:  # to be repeated, but what is no XML the SDK has made an error of S3's
        is_other_form = protocol == "rest-xml" and not start.startswith(b"<")
    elif status < _FIRST_ERROR and protocol == "query":
        is_other_form |= f"<{operation_model.name}Response".encode() not in body
    if is_other_form:
        raise _another_server(operation_model)


def _check_members(http_response: Any, parsed: dict[str, Any], model: OperationModel, **_: object) -> None:  # noqa: ANN401
    if http_response.status_code >= _FIRST_ERROR or model.output_shape is None or model.has_streaming_output:
        return
    members = [name for name, shape in model.output_shape.members.items() if "location" not in shape.serialization]
    if not members or parsed.keys() & set(members):
        return
    if model.name not in _MAY_ANSWER_NOTHING or not _says_nothing(http_response.content, members):
        raise _another_server(model)


def _says_nothing(body: bytes, members: Sequence[str]) -> bool:
    """Tell an empty object, or one of nulls, from an object of another server."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.keys() <= set(members)


def _another_server(model: OperationModel) -> AnotherServerError:
    return AnotherServerError(operation=model.name, service=model.service_model.service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """The region and the endpoint of AWS; None is what the SDK finds in its own variables and files."""

    region: str | None = None
    endpoint_url: str | None = None

    def client(self, service: str, region: str | None = None) -> Any:  # noqa: ANN401  # the service decides
        """Connect a service, in another region than the usual one if it is given. Raises CommandError."""
        with refusals():
            session = boto3.Session()
            check_answers(session.events)
            return session.client(  # type: ignore[call-overload]  # any service
                service, region_name=region or self.region, endpoint_url=self.endpoint_url, config=_CONFIG
            )

    @contextmanager
    def for_all(self) -> Iterator[None]:
        """Make it known to every client that is made inside of the block, by the SDK's own variables."""
        before = dict(os.environ)
        if self.region:
            os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"] = self.region
        if self.endpoint_url:
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint_url
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def refusals() -> Iterator[None]:
    """Raise CommandError for what AWS refuses inside of the block, and for credentials and regions there are not."""
    try:
        yield
    except NoCredentialsError:
        raise CommandError(
            "There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except NoRegionError:
        raise CommandError("There is no AWS region: give --region, or set AWS_DEFAULT_REGION") from None
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        raise CommandError(_one_line(f"AWS refused {error.operation_name}: {code}: {message}")) from None
    except (BotoCoreError, ResponseParserError) as error:
        raise CommandError(_one_line(str(error))) from None
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint"):  # as the SDK says it
            raise
        raise CommandError(f"{_one_line(str(error))}: write it as http://host:port") from None


def _one_line(text: str) -> str:
    return " ".join(text.split())
