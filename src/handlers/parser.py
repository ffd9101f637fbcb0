"""Who parses an event: Lambda's runtime, or we in its place: the same objects, and none before somebody asks for it.

The seam is the runtime client's own: ``LambdaRuntimeClient.marshaller`` "is a class attribute that determines the
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

# orjson holds the document beside the objects that it makes of it. Of two thirds of the largest event the two take less
# than the objects of a whole one do, so that a function needs no more memory than by the runtime's parser.
LARGEST_EVENT: Final = 4 * 1024 * 1024

_CLIENT: Final = "awslambdaric.lambda_runtime_client"
_JSON: Final = "application/json"

# An integer beyond 64 bits, which the runtime's parser keeps, orjson makes a float. It is of 19 characters or more, and
# behind one of those that stand before a value. Where a text in a string looks like that, the runtime parses in vain.
_KINDS: Final = bytes(
    ord("0") if each in b"-0123456789" else ord(":") if each in b":,[ \t\n\r" else each for each in range(256)
)
_LONG_INTEGER: Final = b":" + b"0" * 19


class Marshaller:
    """The runtime's marshaller in all, but that events are parsed here: into the same objects, and not before they are
    asked for.
    """

    def __init__(self, original: Any) -> None:  # noqa: ANN401  # the runtime's own
        self._original = original

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the runtime's has
        return getattr(self._original, name)

    def unmarshal_request(self, request: Any, content_type: Any = _JSON) -> Any:  # noqa: ANN401  # the runtime's own
        """Parse an event, which is a JSON object in bytes.

        One as a stream's event source mapping writes it has its records yet to be parsed, as
        :class:`decoder.records.Records`. Anything else is parsed at once; raises what the runtime's parser does.
        """
        if content_type != _JSON or not isinstance(request, bytes):
            return self._original.unmarshal_request(request, content_type)
        records = RawRecords.of(request, self._parse)
        return self._parse(request) if records is None else {"Records": records}

    def _parse(self, text: bytes) -> Any:  # noqa: ANN401
        """Parse JSON. What orjson refuses (half a surrogate pair, numbers beyond a float, levels beyond 1,024, what is
        no JSON) is for the runtime's parser to take or to refuse.
        """
        is_orjsons = text[:1] == b"{" and len(text) <= LARGEST_EVENT
        if is_orjsons and text.translate(_KINDS).rfind(_LONG_INTEGER) < 0:  # from behind, in a third of the time
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError:
                pass
        return self._original.unmarshal_request(text, _JSON)


def set_parser(wanted: str) -> str:
    """Let one of PARSERS parse the events of this process; tell which does.

    That is the runtime's, whatever is wanted, where this is no process of Lambda's runtime client or its seam is not
    the one that is known. Nothing is raised.
    """
    if wanted == RUNTIME:
        return RUNTIME
    client: Any = getattr(sys.modules.get(_CLIENT), "LambdaRuntimeClient", None)
    original = getattr(client, "marshaller", None)
    if isinstance(original, Marshaller):
        return ORJSON
    if not _is_known(original):
        return RUNTIME
    try:
        client.marshaller = Marshaller(original)
    except (AttributeError, TypeError):  # a class that lets none of its attributes be set
        return RUNTIME
    return ORJSON


def _is_known(marshaller: Any) -> bool:  # noqa: ANN401  # the runtime's own
    """Tell whether a marshaller parses as awslambdaric's do, of all versions up to 4.2.2."""
    try:
        parameters = inspect.signature(marshaller.unmarshal_request).parameters.values()
    except (AttributeError, TypeError, ValueError):
        return False
    known = [("request", inspect.Parameter.empty), ("content_type", _JSON)]
    return [(each.name, each.default) for each in parameters] == known
