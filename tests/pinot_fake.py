"""A fake Pinot that keeps its tables and responds as 1.5.1 does: the controller and the broker, over HTTP.

Each response names the class of Pinot 1.5.1 that it was taken from. Schemas and table configs as Pinot returns them
were written by Pinot's own code (``recorded`` beside the tests of the doctor).
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Table:
    """A realtime table: ``ideal`` and ``actual`` are its segments' states, by segment and server."""

    schema: Any
    config: Any
    enabled: bool = True
    paused: bool = False
    ideal: dict = field(default_factory=dict)
    actual: dict = field(default_factory=dict)
    renews: bool = True

    def renew(self):
        """Commit the segments that consume: each partition has a new one."""
        if self.renews:
            ended = {segment: dict.fromkeys(servers, "ONLINE") for segment, servers in self.ideal.items()}
            begun = {segment.replace("__0__2", "__1__2"): servers for segment, servers in self.ideal.items()}
            self.ideal = self.actual = {**ended, **begun}


@dataclass
class Pinot:
    """``refusal`` is its error for every config, ``unrecognized`` the properties that it does not know. ``answers``
    has, for a text in a query, the result table or the exceptions, and ``statistics`` what else its answer says.
    ``secret`` is the Authorization that it requires.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    refusal: str | None = None
    unrecognized: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    secret: str | None = None
    well: bool = True
    metrics: str = ""
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, method, path, params, body):  # noqa: C901, PLR0912  # one case for each resource
        """Return a status and a document; text is sent as it is."""
        match (method, *path.strip("/").split("/")):
            case ("GET", "health"):  # PinotControllerHealthCheck.checkHealth
                return (200, "OK") if self.well else (503, "Pinot controller status is STARTING")
            case ("GET", "metrics"):  # the JMX exporter's own server
                return 200, self.metrics
            case ("GET", "tables") if params == {"type": "realtime"}:  # PinotTableRestletResource.listTables
                return 200, {"tables": [f"{name}_REALTIME" for name in sorted(self.tables)]}
            case ("GET", "tables", name):  # PinotTableRestletResource.listTableConfigs
                if name not in self.tables:
                    return _error(404, f"Table {name}_{params['type'].upper()} does not exist")
                return 200, {"REALTIME": self.tables[name].config}
            case ("GET", "tables", name, "state"):  # PinotTableRestletResource.getTableState
                if name not in self.tables:
                    return _error(404, f"Failed to find table: {name}_REALTIME")
                return 200, {"state": "enabled" if self.tables[name].enabled else "disabled"}
            case (
                "GET",
                "tables",
                name,
                "pauseStatus",
            ):  # PinotRealtimeTableResource.getPauseStatus, PauseStatusDetails
                if not self.tables[name].enabled:
                    return _error(400, f"Table {name}_REALTIME is disabled!")
                return 200, {
                    "pauseFlag": self.tables[name].paused,
                    "consumingSegments": sorted(self.tables[name].ideal),
                    "reasonCode": "ADMINISTRATIVE",
                    "comment": "Table is paused." if self.tables[name].paused else "Table is unpaused.",
                    "timestamp": "",
                }
            case ("GET", "tables", name, "idealstate"):  # TableViews.getIdealState
                return 200, {"OFFLINE": None, "REALTIME": self.tables[name].ideal}
            case ("GET", "tables", name, "externalview"):  # TableViews.getExternalView
                if not self.tables[name].actual:
                    return _error(404, "Table not found")
                return 200, {"OFFLINE": None, "REALTIME": self.tables[name].actual}
            case ("GET", "schemas", name):  # PinotSchemaRestletResource.getSchema
                if name not in self.tables:
                    return _error(404, "Schema not found")
                return 200, self.tables[name].schema
            case ("PUT", "schemas", name):  # PinotSchemaRestletResource.updateSchema
                self.tables[name].schema = body
                return 200, {"unrecognizedProperties": {}, "status": f"{name} successfully added"}
            case ("PUT", "tables", name):  # PinotTableRestletResource.updateTableConfig
                self.tables[name].config = {**body, "tableName": f"{name}_REALTIME"}
                return 200, {"unrecognizedProperties": {}, "status": f"Table config updated for {name}"}
            case ("POST", "segments", name, "reload"):  # PinotSegmentRestletResource.reloadAllSegments
                self.tables[name].renew()
                return 200, {"status": "{}"}
            case ("POST", "tableConfigs", "validate"):  # TableConfigsRestletResource.validateConfig
                if self.refusal:
                    return _error(400, f"Invalid TableConfigs: {body['tableName']}. {self.refusal}")
                return 200, {**body, "unrecognizedProperties": self.unrecognized}
            case ("POST", "tableConfigs"):  # TableConfigsRestletResource.addConfig
                name = body["tableName"]
                if name in self.tables:
                    return _error(400, f"TableConfigs: {name} already exists. Use PUT to update existing config")
                config = {**body["realtime"], "tableName": f"{name}_REALTIME"}
                self.tables[name] = Table(body["schema"], config)
                status = f"TableConfigs {name} successfully added"
                return 200, {"unrecognizedProperties": self.unrecognized, "status": status}
            case ("DELETE", "tableConfigs", name):  # TableConfigsRestletResource.deleteConfig
                self.tables.pop(name, None)
                return 200, {"status": f"Deleted TableConfigs: {name}"}
            case ("POST", "query", "sql"):  # PinotClientRequest.processSqlQueryPost, BrokerResponseNative
                found = next((answer for text, answer in self.answers.items() if text in body["sql"]), None)
                return 200, {**broker_response(found), **self.statistics}
        return 404, "<html>404</html>"


# QueryErrorCode.TABLE_DOES_NOT_EXIST, as BrokerResponseNative.TABLE_DOES_NOT_EXIST gives it
NO_TABLE = [{"errorCode": 190, "message": "TableDoesNotExistError"}]


def result(columns, types, rows):
    """A result table (ResultTable, DataSchema)."""
    return {"dataSchema": {"columnNames": columns, "columnDataTypes": types}, "rows": rows}


def broker_response(answer):
    """The response to a query: a result table, or a list of exceptions, which has the status 200 too."""
    failed = answer is None or isinstance(answer, list)
    rows = {} if failed else {"resultTable": answer}
    return {
        **rows,
        "numRowsResultSet": 0 if failed else len(answer["rows"]),
        "partialResult": False,
        "exceptions": (NO_TABLE if answer is None else answer) if failed else [],
        "numGroupsLimitReached": False,
        "timeUsedMs": 7,
        "requestId": "123456789",
        "brokerId": "Broker_localhost_8099",
        "numDocsScanned": 3,
        "totalDocs": 3,
        "numSegmentsQueried": 2,
        "numConsumingSegmentsQueried": 2,
        "groupsTrimmed": False,
        "minConsumingFreshnessTimeMs": time.time_ns() // 1_000_000,  # caught up
    }


def _error(status, message):
    """An error (SimpleHttpErrorInfo, by WebApplicationExceptionMapper)."""
    return status, {"code": status, "error": message}


@contextmanager
def running(pinot):
    """Serve a fake on a port of its own, at its ``url``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.take()

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # the base class's names

        def take(self):
            parts = urlsplit(self.path)
            params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = unquote(parts.path)
            pinot.requests.append((self.command, path, dict(self.headers), body))
            if pinot.secret and self.headers.get("Authorization") != pinot.secret:
                status, document = _error(403, "Permission denied")
            else:
                status, document = pinot.answer(self.command, path, params, body)
            text = document if isinstance(document, str) else json.dumps(document)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if document is text else "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    pinot.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield pinot
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
