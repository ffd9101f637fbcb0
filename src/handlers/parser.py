"""The parser of events: Lambda's runtime, or orjson in its place. Both give the same objects; orjson's are lazy.

The hook is the runtime client's own: ``LambdaRuntimeClient.marshaller`` "is a class attribute that determines the
unmarshalling and marshalling logic of a function's event and response", which function authors may override.
https://github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/lambda_runtime_client.py
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Final

import orjson

from decoder.records import RawRecords

RUNTIME: Final = "runtime"
ORJSON: Final = "orjson"
PARSERS: Final = (RUNTIME, ORJSON)

# orjson holds the document beside the objects that it makes. For two thirds of the largest event, both together take
# less memory than the objects of a whole event. So a function needs no more memory than with the runtime's parser.
LARGEST_EVENT: Final = 4 * 1024 * 1024

_CLIENT: Final = "awslambdaric.lambda_runtime_client"
_JSON: Final = "application/json"

# orjson makes a float of an integer beyond 64 bits, which the runtime's parser keeps exact. Such an integer has at
# least 19 characters, and follows a character that can come before a value. Text inside a string may look like that
# too; then the runtime parses without need.
_CHARACTER_CLASSES: Final = bytes(
    ord("0") if each in b"-0123456789" else ord(":") if each in b":,[ \t\n\r" else each for each in range(256)
)
_LONG_INTEGER: Final = b":" + b"0" * 19


class Marshaller:
    """The runtime's marshaller, except that events are parsed here: into the same objects, and only on access."""

    def __init__(self, original: Any) -> None:  # noqa: ANN401  # the runtime's own
        self._original = original

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any attribute of the runtime's
        return getattr(self._original, name)

    def unmarshal_request(self, request: Any, content_type: Any = _JSON) -> Any:  # noqa: ANN401  # the runtime's own
        """Parse an event, a JSON object in bytes.

        The records of a stream's event source mapping are parsed later, as :class:`decoder.records.Records`. Anything
        else is parsed at once. Raises the errors of the runtime's parser.
        """
        if content_type != _JSON or not isinstance(request, bytes):
            return self._original.unmarshal_request(request, content_type)
        records = RawRecords.of(request, self._parse)
        return self._parse(request) if records is None else {"Records": records}

    def _parse(self, text: bytes) -> Any:  # noqa: ANN401
        """Parse JSON. The runtime's parser gets what orjson rejects: half a surrogate pair, numbers beyond a float,
        more than 1,024 levels, and text that is not JSON.
        """
        is_candidate = text[:1] == b"{" and len(text) <= LARGEST_EVENT
        # rfind takes a third of find's time.
        if is_candidate and text.translate(_CHARACTER_CLASSES).rfind(_LONG_INTEGER) < 0:
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError:
                pass
        return self._original.unmarshal_request(text, _JSON)


def set_parser(configured: str) -> str:
    """Let one of PARSERS parse the events of this process. Return the one that does.

    It is the runtime's, whatever is configured, if this process does not run Lambda's runtime client, or if that client
    does not have the known hook. Nothing is raised.
    """
    if configured == RUNTIME:
        return RUNTIME
    client: Any = getattr(sys.modules.get(_CLIENT), "LambdaRuntimeClient", None)
    original = getattr(client, "marshaller", None)
    if isinstance(original, Marshaller):
        return ORJSON
    if not _is_known(original):
        return RUNTIME
    try:
        client.marshaller = Marshaller(original)
    except (AttributeError, TypeError):  # a class whose attributes cannot be set
        return RUNTIME
    return ORJSON


def _is_known(marshaller: Any) -> bool:  # noqa: ANN401  # the runtime's own
    """Return whether a marshaller has the interface of awslambdaric's, of all versions up to 4.2.2."""
    try:
        parameters = inspect.signature(marshaller.unmarshal_request).parameters.values()
    except (AttributeError, TypeError, ValueError):
        return False
    known = [("request", inspect.Parameter.empty), ("content_type", _JSON)]
    return [(each.name, each.default) for each in parameters] == known
