from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    SSLError,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from export_writer import full_export, item_line, put, spread
from load.export.data import check_md5, read_lines
from load.export.errors import ExportError, MissingObjectError
from load.export.folder import Folder
from load.export.manifest import read_export
from load.export.s3 import open_bucket
from load.export.stream import fetcher

DATA = bytes(range(256)) * 2_000
ETAG = '"0123456789abcdef0123456789abcdef-1"'


def never(_):
    raise AssertionError("no connection broke")


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="exports")
        yield client


def test_an_export_in_a_bucket_is_read_from_its_manifests_to_its_lines(client):
    lines = [item_line({"id": {"S": f"{number}"}}) for number in range(50)]
    written = full_export([*spread(lines, 3), []], prefix="a b/c")
    put(client, "exports", written.objects)
    bucket = open_bucket(client, "exports", sleep=never)
    export = read_export(fetcher(bucket), Folder("exports", written.folder))
    read = [
        line
        for file in export.files
        for batch in read_lines(bucket, file, check_md5(bucket, file))
        for line in batch.lines
    ]
    assert sorted(read) == sorted(lines)


def test_only_the_object_that_was_checked_is_read(client):
    client.put_object(Bucket="exports", Key="a", Body=DATA)
    bucket = open_bucket(client, "exports", sleep=never)
    with closing(bucket("a", None)) as stream:
        assert stream.readall() == DATA
        etag = stream.etag
    with closing(bucket("a", etag)) as stream:
        assert stream.readall() == DATA
    client.put_object(Bucket="exports", Key="a", Body=b"replaced")
    with pytest.raises(ExportError) as error, closing(bucket("a", etag)) as stream:
        stream.readall()
    assert str(error.value) == (
        "s3://exports/a was replaced after it was checked, so what was read of it cannot be trusted. "
        "Nothing may write to an export's folder: find out what did, and load the export anew"
    )


def test_a_missing_object_and_a_missing_bucket_are_told_apart(client):
    with pytest.raises(MissingObjectError, match="s3://exports/a does not exist"):
        fetcher(open_bucket(client, "exports", sleep=never))("a")
    with pytest.raises(ExportError, match="s3://nix/a: S3 refuses to return it: NoSuchBucket"):
        fetcher(open_bucket(client, "nix", sleep=never))("a")


def refusal(code, status):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


class Refusing:
    """A client whose first requests raise an error."""

    def __init__(self, client, error, *, times=1):
        self._client = client
        self._error = error
        self._times = times

    def get_object(self, **parameters):
        if self._times:
            self._times -= 1
            raise self._error
        return self._client.get_object(**parameters)


def test_denied_access_is_explained(client):
    with pytest.raises(ExportError) as error:
        fetcher(open_bucket(Refusing(client, refusal("AccessDenied", 403)), "exports", sleep=never))("a")
    assert str(error.value) == (
        "s3://exports/a: access denied. Reading an export needs s3:GetObject on its objects, s3:ListBucket on the "
        "bucket (without it S3 says this of missing objects too), and kms:Decrypt if a KMS key encrypts the export"
    )


@pytest.mark.parametrize(
    "error",
    [
        refusal("InternalError", 500),
        refusal("SlowDown", 503),
        refusal("RequestTimeout", 400),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        ConnectionClosedError(endpoint_url="http://127.0.0.1"),
        SSLError(endpoint_url="http://127.0.0.1", error="made up"),
    ],
    ids=str,
)
def test_a_request_that_may_succeed_later_is_sent_again(client, error):
    client.put_object(Bucket="exports", Key="a", Body=DATA)
    pauses = []
    bucket = open_bucket(Refusing(client, error, times=2), "exports", sleep=pauses.append)
    assert fetcher(bucket)("a") == DATA
    assert pauses == [1.0, 2.0]


class Dropping:
    """An S3 over HTTP with one object, which ends connections after so many bytes of their bodies."""

    def __init__(self):
        self.drops = []
        self.requests = []

    def handler(self):
        dropping = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # the name that the base class calls
                span, match = self.headers.get("Range"), self.headers.get("If-Match")
                dropping.requests.append((span, match))
                offset = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
                drop = dropping.drops.pop(0) if dropping.drops else None
                self.close_connection = True
                if drop == "before":
                    return
                self.send_response(206 if span else 200)
                self.send_header("Content-Length", str(len(DATA) - offset))
                self.send_header("ETag", ETAG)
                self.end_headers()
                self.wfile.write(DATA[offset:][:drop])

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture(scope="module")
def dropping():
    fake = Dropping()
    server = ThreadingHTTPServer(("127.0.0.1", 0), fake.handler())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=2, s3={"addressing_style": "path"}),
    )
    fake.bucket = open_bucket(client, "exports", sleep=lambda _: None)
    yield fake
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def drops(fake, *drops):
    fake.drops, fake.requests = list(drops), []
    yield
    assert fake.drops == []


@given(st.lists(st.integers(1, len(DATA) // 10) | st.just("before"), max_size=5))
@settings(max_examples=30)
def test_real_connections_that_break_go_on_by_range_and_etag(dropping, broken):
    with drops(dropping, *broken):
        assert fetcher(dropping.bucket)("a") == DATA
    position, expected = 0, []
    for drop in [*broken, 0]:
        expected.append((f"bytes={position}-" if position else None, ETAG if position else None))
        position += 0 if drop == "before" else drop
    assert dropping.requests == expected


def test_a_server_that_never_returns_a_byte_is_given_up(dropping):
    with drops(dropping, *["before"] * 6), pytest.raises(ExportError, match="the connection broke 6 times at byte 0, "):
        fetcher(dropping.bucket)("a")
