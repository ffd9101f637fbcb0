"""Clients of a running Pinot's controller and broker.

Paths and answers are those of Pinot 1.5.1: the resources of ``pinot-controller``'s ``api/resources`` and
``PinotClientRequest`` of ``pinot-broker``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from dynapinot.defaults import AUTH_VARIABLE, BROKER, CONTROLLER
from dynapinot.errors import CommandError

# A table that is caught up is within a poll of now, which is a second by default. The clocks may differ.
BEHIND_SECONDS: Final = 30

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 60
CONNECT_RETRIES: Final = 3

Document: TypeAlias = Mapping[str, Any]
View: TypeAlias = Mapping[str, Mapping[str, str]]  # segment -> server -> state: CONSUMING, ONLINE, OFFLINE, ERROR

_OK, _NOT_FOUND, _BAD_REQUEST = 200, 404, 400
_REFUSED: Final = (401, 403)
_LONGEST: Final = 500  # characters of Pinot's own message
_NO_TIME: Final = 2**62  # Long.MAX_VALUE stands for no consuming segment

# What an answer says of itself when rows are missing from it (BrokerResponse), and what to do.
_INCOMPLETE: Final = (
    (
        "numGroupsLimitReached",
        "there are more groups than numGroupsLimit. Write SET numGroupsLimit=…; before the query, or ask for fewer",
    ),
    ("groupsTrimmed", "servers left out groups that seemed too low in the order. Write SET useMultistageEngine=true;"),
)

# What the AWS SDK in Pinot adds to a message: ids of the request, 200 characters of them.
_SDK_DETAILS: Final = re.compile(r"\s*\((?:Service: |SDK Attempt Count: )[^()]*\)")

# A segment that consumes: <table>__<partition>__<number>__<when> (LLCSegmentName).
_SEGMENT: Final = re.compile(r".+?__([0-9]+)__[0-9]+__[^_]+")

# What stringToObjectAndUnrecognizedProperties calls unrecognized and is not: it reads the documents, writes them again,
# and lists what is gone, which are defaults as well. Run on Pinot 1.5.1.
_RECOGNIZED: Final = frozenset(
    ("notNull", "singleValueField", "allowTrailingZeros", "defaultNullValue", "comparisonColumn")
)


def authorization(secret: str) -> str:
    """Write the header of a token, or of ``user:password``; a whole header, ``Basic …`` or ``Bearer …``, stays."""
    if secret.startswith(("Basic ", "Bearer ")):
        return secret
    return f"Basic {b64encode(secret.encode()).decode()}" if ":" in secret else f"Bearer {secret}"


def partition_of(segment: str) -> int | None:
    """Return which partition a segment consumed or consumes, None of one that was uploaded.

    For Kinesis it is the shard's number: ``shardId-000000000003`` is 3 (KinesisStreamMetadataProvider).
    """
    match = _SEGMENT.fullmatch(segment)
    return int(match[1]) if match else None


class _Server:
    """One of Pinot's HTTP servers. ``secret`` is for :func:`authorization`."""

    def __init__(self, what: str, url: str, secret: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandError(f"{what}: {url!r} is no URL of a server: write http://host:port")
        if parts.password is not None:
            raise CommandError(f"{what}: take the password out of the URL, and set {AUTH_VARIABLE} to user:password")
        self.url = url.rstrip("/")
        self._what = what
        self._session = requests.Session()
        if secret:
            self._session.headers["Authorization"] = authorization(secret)
        # Connections alone are tried again: they fail before anything is sent.
        retry = Retry(total=None, connect=CONNECT_RETRIES, read=0, redirect=3, status=0, other=0, backoff_factor=0.2)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def answer(
        self, method: str, path: str, body: object = None, params: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Ask; any status is an answer but those that say who may ask. Raises CommandError."""
        try:
            response = self._session.request(
                method, f"{self.url}{path}", json=body, params=params, timeout=(CONNECT_SECONDS, READ_SECONDS)
            )
        except requests.Timeout:
            raise CommandError(f"{self._what} at {self.url} does not answer: {method} {path}") from None
        except requests.RequestException as error:
            raise CommandError(
                f"{self._what} at {self.url} cannot be reached ({type(error).__name__}): is it there, and running?"
            ) from None
        if response.status_code in _REFUSED:
            raise CommandError(
                f"{self._what} at {self.url} refuses {method} {path} ({response.status_code}): "
                f"set {AUTH_VARIABLE} to a token or user:password that may do this"
            )
        return response

    def document(self, response: requests.Response) -> Any:  # noqa: ANN401  # whatever JSON it is
        """Read a good answer's JSON. Raises CommandError with the status and the message of another."""
        if response.status_code != _OK:
            raise CommandError(
                f"{self._what} at {self.url} answers {response.request.method} {response.request.path_url} "
                f"with {response.status_code}: {message_of(response)}"
            )
        try:
            return response.json()
        except requests.exceptions.JSONDecodeError:
            raise CommandError(
                f"what is at {self.url} answers without JSON: is it {self._what.lower()}, and is the port right?"
            ) from None


def message_of(response: requests.Response) -> str:
    """Take the message out of an answer (SimpleHttpErrorInfo), without the documents it may repeat."""
    try:
        body = response.json()
        text = str(body["error"]) if isinstance(body, dict) and "error" in body else response.text
    except requests.exceptions.JSONDecodeError:
        text = response.text
    if text.startswith("Invalid TableConfigs json string"):  # which it then has in full, credentials and all
        text = text.rpartition("Reason: ")[2]
    text = _SDK_DETAILS.sub("", " ".join(text.split())) or "(no message)"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Pinot's verdict on a schema and a table config: why it refuses them, and which properties it does not know."""

    refusal: str | None
    unrecognized: Sequence[str] = ()


class Controller:
    """Pinot's controller. Every method raises CommandError, whose one line names the URL, the status and the message.

    Tables are named without their type.
    """

    def __init__(self, url: str = CONTROLLER, secret: str | None = None) -> None:
        self._server = _Server("Pinot's controller", url, secret)
        self.url = self._server.url

    def check_health(self) -> None:
        """Make sure that it is up."""
        response = self._server.answer("GET", "/health")
        if response.status_code != _OK:
            raise CommandError(f"Pinot's controller at {self.url} is not well: {message_of(response)}")

    def table_names(self) -> Sequence[str]:
        """List the realtime tables."""
        names = self._get("/tables", type="realtime")["tables"]
        return [name.removesuffix("_REALTIME") for name in names]

    def schema(self, name: str) -> Document | None:
        """Get a schema, None if there is none."""
        return self._find(f"/schemas/{quote(name, safe='')}")

    def put_schema(self, schema: Document) -> None:
        """Replace a schema that exists. Pinot refuses what is not backward compatible.

        Segments that consume keep the schema they began with: see :meth:`reload`.
        """
        path = f"/schemas/{quote(str(schema.get('schemaName')), safe='')}"
        self._server.document(self._server.answer("PUT", path, schema))

    def put_table(self, config: Document) -> None:
        """Replace a table config (PinotTableRestletResource.updateTableConfig)."""
        name = str(config.get("tableName", "")).removesuffix("_REALTIME")
        self._server.document(self._server.answer("PUT", f"/tables/{quote(name, safe='')}", config))

    def reload(self, name: str) -> None:
        """Reload a table's segments; those that consume are committed.

        PinotSegmentRestletResource.reloadAllSegments.
        """
        path = f"/segments/{quote(name, safe='')}/reload"
        self._server.document(self._server.answer("POST", path, params={"type": "REALTIME"}))

    def table(self, name: str) -> Document | None:
        """Get a realtime table's config, None if there is no such table."""
        found = self._find(f"/tables/{quote(name, safe='')}", type="realtime")
        return None if found is None else found.get("REALTIME")

    def validate(self, schema: Document, config: Document) -> Validation:
        """Let Pinot look at a schema and a config as when it makes the table; it does not look at the stream."""
        response = self._server.answer("POST", "/tableConfigs/validate", _table_configs(schema, config))
        if response.status_code == _BAD_REQUEST:
            return Validation(refusal=message_of(response))
        unrecognized = self._server.document(response).get("unrecognizedProperties") or {}
        return Validation(refusal=None, unrecognized=_unrecognized(unrecognized))

    def add_table(self, schema: Document, config: Document) -> Sequence[str]:
        """Make a schema and its realtime table; give the properties of both that Pinot does not know."""
        response = self._server.answer("POST", "/tableConfigs", _table_configs(schema, config))
        return _unrecognized(self._server.document(response).get("unrecognizedProperties") or {})

    def remove_table(self, name: str) -> None:
        """Remove a table and its schema (TableConfigsRestletResource.deleteConfig)."""
        self._server.document(self._server.answer("DELETE", f"/tableConfigs/{quote(name, safe='')}"))

    def is_enabled(self, name: str) -> bool:
        """Return whether a table is enabled."""
        state: str = self._get(f"/tables/{quote(name, safe='')}/state", type="realtime")["state"]
        return state == "enabled"

    def is_paused(self, name: str) -> bool:
        """Return whether somebody, or Pinot itself, has paused a table's consumption."""
        return bool(self._get(f"/tables/{quote(name, safe='')}/pauseStatus")["pauseFlag"])

    def ideal_state(self, name: str) -> View:
        """Get what a table's segments are to be."""
        return self._view(name, "idealstate")

    def external_view(self, name: str) -> View:
        """Get what a table's segments are."""
        return self._view(name, "externalview")

    def _view(self, name: str, view: str) -> View:
        found = self._find(f"/tables/{quote(name, safe='')}/{view}", tableType="realtime")
        return (found or {}).get("REALTIME") or {}

    def _get(self, path: str, **params: str) -> Any:  # noqa: ANN401
        return self._server.document(self._server.answer("GET", path, params=params))

    def _find(self, path: str, **params: str) -> Document | None:
        response = self._server.answer("GET", path, params=params)
        if response.status_code == _NOT_FOUND:
            return None
        found: Document = self._server.document(response)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A query's answer: the columns, Pinot's names of their types, and the rows, None for null.

    ``statistics`` has the rest of the answer: numDocsScanned, numConsumingSegmentsQueried and others.
    """

    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]
    statistics: Document

    @property
    def incomplete(self) -> Sequence[str]:
        """Say why rows may be missing or wrong; empty if Pinot says nothing of the kind."""
        reasons = [reason for name, reason in _INCOMPLETE if self.statistics.get(name)]
        if self.statistics.get("partialResult") and not reasons:
            return ["Pinot calls it partial, and does not say why"]
        return reasons

    @property
    def consumed_ms(self) -> int | None:
        """When the newest record arrived that every partition has consumed, in epoch ms, None if it is not known.

        It is the present for a table that is caught up.
        """
        consumed_ms = self.statistics.get("minConsumingFreshnessTimeMs")
        return consumed_ms if isinstance(consumed_ms, int) and 0 < consumed_ms < _NO_TIME else None

    def seconds_behind(self, now_ms: int) -> int | None:
        """Return how long before now that was, None if it is not known; 0 at least: clocks differ."""
        return None if self.consumed_ms is None else max(0, now_ms - self.consumed_ms) // 1_000


class QueryError(CommandError):
    """Pinot answered a query with an exception. ``code`` is its QueryErrorCode."""

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


class Broker:
    """Pinot's broker."""

    def __init__(self, url: str = BROKER, secret: str | None = None) -> None:
        self._server = _Server("Pinot's broker", url, secret)
        self.url = self._server.url

    def check_health(self) -> None:
        """Make sure that it is up (PinotBrokerHealthCheck). Raises CommandError."""
        response = self._server.answer("GET", "/health")
        if response.status_code != _OK:
            raise CommandError(f"Pinot's broker at {self.url} is not well ({response.status_code}): wait until it is")

    def query(self, sql: str) -> Answer:
        """Run a query; options go before it, as in ``SET skipUpsert=true; SELECT …``.

        Null is None only with ``SET enableNullHandling=true``, otherwise the column's default value. A broker answers
        200 whatever happens: raises QueryError if the answer lists an exception, even beside rows, since it then
        lacks some. Without an exception it may lack some too: see ``Answer.incomplete``.
        """
        found = self._server.document(self._server.answer("POST", "/query/sql", {"sql": sql}))
        exceptions = found.get("exceptions") or []
        if exceptions:
            first = exceptions[0]
            text = " ".join(str(first.get("message")).split())[:_LONGEST]
            code = first.get("errorCode")
            raise QueryError(f"Pinot's broker at {self.url} says {code}: {text}", code)
        table = found.pop("resultTable", None) or {}
        schema = table.get("dataSchema") or {}
        return Answer(
            columns=schema.get("columnNames") or [],
            types=schema.get("columnDataTypes") or [],
            rows=table.get("rows") or [],
            statistics=found,
        )


def _table_configs(schema: Document, config: Document) -> Document:
    """Put a schema and a config into one document, as /tableConfigs takes them; it needs the table's bare name."""
    name = str(config.get("tableName", "")).removesuffix("_REALTIME")
    return {"tableName": name, "schema": schema, "realtime": config}


def _unrecognized(properties: Mapping[str, Any]) -> Sequence[str]:
    """Pick the properties that Pinot really ignores, each as a dotted path behind ``schema`` or ``realtime``."""
    return sorted(
        path.strip("/").replace("/", ".")
        for path, value in properties.items()
        if value is not None and path.rpartition("/")[2] not in _RECOGNIZED
    )
