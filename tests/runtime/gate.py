"""A proxy between the function and a service: it refuses connections, hangs, or withholds responses."""

from __future__ import annotations

import threading
from enum import Enum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "expect"}


class Behaviour(Enum):
    """What the gate does with a request."""

    OPEN = "the request and its response are forwarded"
    HANGING = "nothing happens"
    NO_RESPONSE = "the request is forwarded, and its response is withheld"


class Gate:
    """A proxy for the service at ``endpoint``. Until it is opened the first time, it refuses connections."""

    def __init__(self, upstream: str) -> None:
        self.way = Behaviour.OPEN
        self.requests = 0
        self._upstream = urlsplit(upstream)
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.server_bind()  # reserve the port
        self._thread: threading.Thread | None = None
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def open(self, way: Behaviour = Behaviour.OPEN) -> None:
        """Listen, and treat requests in this way from now on."""
        self.way = way
        if not self._thread:
            self._server.server_activate()
            self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
            self._thread.start()

    def close(self) -> None:
        """Stop it, and end every request that hangs."""
        self._closing.set()
        if self._thread:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:  # the method's own name
                gate.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                way = gate.way
                if way is not Behaviour.HANGING:
                    status, content_type, content = gate._forward(self.command, self.path, body, headers)
                if way is not Behaviour.OPEN:
                    gate._closing.wait()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_PUT = do_POST  # noqa: N815  # S3's, by the method's own name

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _forward(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        connection = HTTPConnection(str(self._upstream.hostname), self._upstream.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"] or "", response.read()
        finally:
            connection.close()
