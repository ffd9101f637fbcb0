"""An endpoint that is another server, or that lacks a service, is an error of one line and never a result."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner

from dynapinot.aws import Aws, check_answers, refusals
from dynapinot.cli.app import app
from dynapinot.defaults import DEMO_TABLES
from dynapinot.errors import CommandError
from handlers import clients

HTML = (200, "text/html", b"<html>bad gateway</html>")
DOCTYPE = (200, "text/html", b"\n<!DOCTYPE html><html><body>Sign in</body></html>")
JSON = (200, "application/json", b'{"status": "ok"}')
BROKEN = (200, "application/json", b"{bad")
NOTHING = (200, "text/plain", b"")
EMPTY_OBJECT = (200, "application/json", b"{}")
OTHER_XML = (200, "application/xml", b"<feed><entry/></feed>")
NO_SUCH_SERVICE = (400, "application/x-amz-json-1.0", b'{"__type": "com.amazonaws#UnknownOperationException"}')

TABLES = ("--tables", str(DEMO_TABLES))
ASKING_AWS = {
    "init": ("init", "--table", "Orders", "--dry-run"),
    "doctor --stack": ("doctor", "--stack", "x", *TABLES),
    "doctor --function": ("doctor", "--function", "f", *TABLES),
    "doctor --aws": ("doctor", "--aws", *TABLES),
    "drift": ("drift", "--log-group", "x"),
    "redrive": ("redrive", "--bucket", "b", *TABLES),
    "redrive --dry-run": ("redrive", "--bucket", "b", "--dry-run", *TABLES),
    "demo publish": ("demo", "publish", "--count", "1"),
    "demo update": ("demo", "update", "--meetup_id", "a", "--mtime", "1"),
    "demo delete": ("demo", "delete", "--meetup_id", "a", "--mtime", "1"),
}


@contextmanager
def server(status, content_type, body):
    """Answer every request alike; give the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # http.server's names

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    clients.session.cache_clear()


def run_against(answer, *arguments):
    with server(*answer) as url:
        return CliRunner().invoke(app, [*arguments, "--endpoint-url", url])


@pytest.mark.parametrize(
    "answer", [HTML, DOCTYPE, JSON, BROKEN, NOTHING], ids=["html", "doctype", "json", "broken", "nothing"]
)
@pytest.mark.parametrize("command", ASKING_AWS)
def test_every_command_says_that_the_endpoint_is_another_server_and_exits_2(command, answer):
    result = run_against(answer, *ASKING_AWS[command])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is --endpoint-url (or AWS_ENDPOINT_URL) that of AWS" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["init", "doctor --stack", "redrive", "drift"])
@pytest.mark.parametrize("answer", [EMPTY_OBJECT, OTHER_XML], ids=["{}", "xml"])
def test_an_answer_without_any_member_of_the_operation_is_another_servers(command, answer):
    result = run_against(answer, *ASKING_AWS[command])
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("command", ["doctor --stack", "redrive", "redrive --dry-run"])
def test_an_emulator_that_lacks_a_service_of_xml_is_an_error(command):
    """DynamoDB Local answers JSON to CloudFormation and S3."""
    result = run_against(NO_SUCH_SERVICE, *ASKING_AWS[command])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("command", ASKING_AWS)
def test_an_emulator_that_lacks_a_service_is_never_all_well(command):
    result = run_against(NO_SUCH_SERVICE, *ASKING_AWS[command])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)


def test_an_error_of_a_server_in_another_form_is_no_traceback(monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with server(500, "text/plain", b"oops") as url, pytest.raises(CommandError), refusals():
        Aws(endpoint_url=url).client("cloudformation").describe_stacks()


def test_an_answer_of_nothing_is_one_where_there_may_be_nothing_to_say():
    with server(*EMPTY_OBJECT) as url:
        client = Aws(endpoint_url=url).client("dynamodb")
        assert client.get_item(TableName="t", Key={"a": {"S": "b"}}).keys() == {"ResponseMetadata"}
        assert Aws(endpoint_url=url).client("lambda").get_function_concurrency(FunctionName="f")


def test_checking_a_session_twice_is_checking_it_once():
    session = clients.session()
    for _ in range(2):
        check_answers(session.get_component("event_emitter"))
    with server(*JSON) as url, pytest.raises(CommandError, match="What answers ListBuckets is not S3"), refusals():
        session.create_client("s3", endpoint_url=url).list_buckets()


def test_the_answers_of_a_service_are_checked_by_their_form():
    answer = json.dumps({"Table": {"TableName": "t"}}).encode()
    with server(200, "application/x-amz-json-1.0", answer) as url:
        assert Aws(endpoint_url=url).client("dynamodb").describe_table(TableName="t")["Table"] == {"TableName": "t"}
