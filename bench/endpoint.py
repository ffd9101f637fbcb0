"""A local Kinesis that responds to PutRecords over TLS. It has its own process, so that its CPU does not count.

It accepts everything, responds as soon as it can (or ``delay_ms`` later) and keeps only counts. It makes a new
certificate each time, for the loopback address alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.product import ROOT, python_path
from dynapinot.local.services import LOOPBACK, replaced_environment, sdk_variables

CERTIFICATE: Final = "certificate.pem"
_KEY: Final = "key.pem"
_COUNTS: Final = "/counts"
_PUT_RECORDS: Final = "Kinesis_20131202.PutRecords"
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"
_WAIT_SECONDS: Final = 30
_SEQUENCE: Final = 49_653_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000_000  # 56 digits, as Kinesis'


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Its address, what the SDK needs to find and trust it, and its counts."""

    port: int
    certificate: Path

    @property
    def url(self) -> str:
        """The endpoint URL for the SDK."""
        return f"https://{LOOPBACK}:{self.port}"

    def trust(self) -> ssl.SSLContext:
        """Return a context that trusts its certificate and no other."""
        return ssl.create_default_context(cafile=self.certificate)

    def counts(self) -> dict[str, int]:
        """Return how many ``requests`` and ``records`` it got since the start, and the ``bytes`` of the requests."""
        connection = HTTPSConnection(LOOPBACK, self.port, timeout=_WAIT_SECONDS, context=self.trust())
        try:
            connection.request("GET", _COUNTS)
            counts: dict[str, int] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return counts


@contextmanager
def endpoint(delay_ms: int = 0) -> Iterator[Endpoint]:
    """Run an endpoint for the length of the block, and let this process' SDK use it."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        _write_certificate(here)
        command = [sys.executable, "-m", "bench.endpoint", str(here), "--delay-ms", str(delay_ms)]
        variables = {**os.environ, **python_path()}
        with subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # this file
            try:
                port = int((process.stdout.readline() if process.stdout else "") or 0)
                if not port:
                    raise RuntimeError("the local Kinesis did not start; its own error is above")
                found = Endpoint(port=port, certificate=here / CERTIFICATE)
                variables = {**sdk_variables(found.url), "AWS_CA_BUNDLE": str(found.certificate)}
                with replaced_environment(variables):
                    yield found
            finally:
                process.terminate()


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, LOOPBACK)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / _KEY).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class _Server:
    """The server in the endpoint's process."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._requests = self._records = self._bytes = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to one connection's requests, one after the other, until it closes."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *fields = head.decode("latin-1").split("\r\n")
                headers = {name.strip().lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, answer = await self._answer(line.split(" ")[1], headers, body)
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {_CONTENT_TYPE}\r\nContent-Length: {len(answer)}\r\n"
                    f"x-amzn-RequestId: {self._requests:032x}\r\n\r\n".encode()
                )
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client has closed
        finally:
            writer.close()

    async def _answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[str, bytes]:
        if path == _COUNTS:
            counts = {"requests": self._requests, "records": self._records, "bytes": self._bytes}
            return "200 OK", json.dumps(counts).encode()
        if headers.get("x-amz-target") != _PUT_RECORDS or headers.get("content-type") != _CONTENT_TYPE:
            return "400 Bad Request", b'{"__type":"InvalidArgumentException","message":"this knows PutRecords alone"}'
        count = body.count(b'"PartitionKey"')  # inside a text, quotes would have backslashes before them
        first = _SEQUENCE + self._records
        self._requests += 1
        self._records += count
        self._bytes += len(body)
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        results = ",".join(
            f'{{"SequenceNumber":"{number}","ShardId":"shardId-000000000000"}}'
            for number in range(first, first + count)
        )
        return "200 OK", f'{{"FailedRecordCount":0,"Records":[{results}]}}'.encode()


async def _run(folder: Path, delay_ms: int) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / CERTIFICATE, folder / _KEY)
    server = await asyncio.start_server(_Server(delay_ms / 1000).serve, LOOPBACK, 0, ssl=context, limit=2**20)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = ArgumentParser(description="Respond to PutRecords over TLS until terminated.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--delay-ms", type=int, default=0)
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.folder, arguments.delay_ms))
