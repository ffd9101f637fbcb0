"""A fake Kinesis over HTTP with configured responses, which keeps its requests: for tests of the wire format."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIRST = 49543463076548007577105092703039560359975228518395012686


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, with its header names in lower case."""

    url: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def accepted(request):
    """Respond as Kinesis does when it accepts everything; it refuses a request without records."""
    records = request.json["Records"]
    if not records:
        return error("ValidationException", 400)
    results = [
        {"SequenceNumber": str(FIRST + number), "ShardId": "shardId-000000000000"} for number in range(len(records))
    ]
    return answer({"FailedRecordCount": 0, "EncryptionType": "KMS", "Records": results})


def answer(content, status=200):
    return lambda _: (status, content if isinstance(content, bytes) else json.dumps(content).encode())


def error(code, status):
    return answer({"__type": f"com.amazonaws.kinesis.v20131202#{code}", "message": "made up"}, status)


def no_answer(_):
    """End the connection."""


class KinesisEndpoint:
    """``answers`` are functions for the next requests, ``otherwise`` the one for all later requests. Each returns a
    status and a body, or None to end the connection. ``cut`` is how many bytes of each response it announces and does
    not send.
    """

    def __init__(self, url):
        self.url = url
        self.requests = []
        self.answers = deque()
        self.otherwise = accepted
        self.cut = 0


@contextmanager
def kinesis_endpoint():
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):  # the method's own name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(url=f"{service.url}{self.path}", headers=headers, body=body)
            with lock:
                service.requests.append(request)
                respond = service.answers.popleft() if service.answers else service.otherwise
            answered = respond(request)
            if callable(answered):  # the function chose another one
                answered = answered(request)
            if answered is None:
                self.close_connection = True
                return
            status, content = answered
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) - service.cut])
            self.close_connection = bool(service.cut)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = KinesisEndpoint(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
