"""A proxy before kinesalite that rejects records, reorders them, fails, and loses responses, by a seed."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from urllib.parse import urlsplit

_TARGET = "X-Amz-Target"
_TYPE = "application/x-amz-json-1.1"
_FORWARDED = (_TARGET, "Content-Type", "Authorization", "X-Amz-Date")
_PASSING = {"InternalFailure": 500, "ProvisionedThroughputExceededException": 400, "ServiceUnavailable": 503}
_REJECTIONS = ("ProvisionedThroughputExceededException", "InternalFailure")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Probabilities. Of a PutRecords request: ``fail``, it is not executed; ``lose``, it is executed and the connection
    ends without a response; ``shuffle``, its records are stored in any order. Of a record in an executed request:
    ``reject``, it is not accepted.
    """

    fail: float = 0.0
    lose: float = 0.0
    shuffle: float = 0.0
    reject: float = 0.0


class FaultyKinesis:
    """A proxy for the service at ``endpoint``. It forwards everything but PutRecords unchanged."""

    def __init__(self, upstream, *, seed=0, faults=None):
        self.counts = Counter()
        self._upstream = urlsplit(upstream)
        self._faults = faults or Faults()
        self._seed = seed
        self._randoms = {}  # one for each stream: streams are published to concurrently
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):  # the method's own name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: self.headers[name] for name in _FORWARDED if name in self.headers}
                answer = outer._answer(headers, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, content = answer
                self.send_response(status)
                self.send_header("Content-Type", _TYPE)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        return Handler

    def _answer(self, headers, body):
        """Return a status and a body, None for no response."""
        if not headers.get(_TARGET, "").endswith(".PutRecords"):
            return self._forward(headers, body)
        request = json.loads(body)
        with self._lock:
            name = request["StreamName"]
            random = self._randoms.setdefault(name, Random(f"{self._seed} {name}"))
        chance, faults = random.random, self._faults
        self._count("requests")
        if chance() < faults.fail:
            code = random.choice(sorted(_PASSING))
            self._count("requests failed")
            return _PASSING[code], json.dumps({"__type": code, "message": "made up"}).encode()
        records = request["Records"]
        order = list(range(len(records)))
        if chance() < faults.shuffle and len(records) > 1:
            random.shuffle(order)
            self._count("requests shuffled")
        order = [place for place in order if chance() >= faults.reject]
        results = [{"ErrorCode": random.choice(_REJECTIONS), "ErrorMessage": "made up"} for _ in records]
        self._count("records rejected", len(records) - len(order))
        if order:
            request["Records"] = [records[place] for place in order]
            status, content = self._forward(headers, json.dumps(request).encode())
            assert status == 200, content
            for place, result in zip(order, json.loads(content)["Records"], strict=True):
                results[place] = result
        if chance() < faults.lose:
            self._count("answers lost")
            return None
        answer = {"FailedRecordCount": len(records) - len(order), "Records": results}
        return 200, json.dumps(answer).encode()

    def _count(self, name, number=1):
        with self._lock:
            self.counts[name] += number

    def _forward(self, headers, body):
        connection = HTTPConnection(self._upstream.hostname, self._upstream.port, timeout=30)
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
