"""The client of a running Pinot: what it asks, and what it makes of each answer."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dynapinot import pinot_server
from dynapinot.defaults import DEMO_TABLES
from dynapinot.errors import CommandError
from dynapinot.folders import read_documents
from dynapinot.pinot_server import Broker, Controller, Validation
from pinot_fake import Pinot, Table, result, running

FOLDER = DEMO_TABLES / "pinot_dynamo_ingestion"
RECORDED = Path(__file__).parent / "doctor" / "recorded"
SCHEMA = {"schemaName": "t"}
CONFIG = {"tableName": "t_REALTIME"}


@pytest.fixture
def pinot():
    with running(Pinot()) as fake:
        yield fake


@pytest.fixture
def controller(pinot):
    return Controller(pinot.url)


def test_a_table_that_is_added_is_there_with_its_schema_enabled_and_not_paused(controller):
    assert (controller.table("t"), controller.schema("t"), controller.table_names()) == (None, None, [])
    assert controller.add_table(SCHEMA, CONFIG) == []
    assert (controller.table("t"), controller.schema("t"), controller.table_names()) == (CONFIG, SCHEMA, ["t"])
    assert (controller.is_enabled("t"), controller.is_paused("t")) == (True, False)


def test_a_table_is_named_without_its_type_to_pinot_beside_a_config_that_has_it(pinot, controller):
    controller.validate(SCHEMA, CONFIG)
    assert pinot.requests[-1][3] == {"tableName": "t", "schema": SCHEMA, "realtime": CONFIG}


def test_a_schema_that_is_put_replaces_the_one_there_is(pinot, controller):
    pinot.tables["t"] = Table(SCHEMA, CONFIG)
    controller.put_schema({"schemaName": "t", "primaryKeyColumns": ["id"]})
    assert controller.schema("t") == {"schemaName": "t", "primaryKeyColumns": ["id"]}


def test_segments_have_an_ideal_state_and_an_external_view(pinot, controller):
    ideal = {"t__0__0__20240622T1848Z": {"Server_a": "CONSUMING"}}
    pinot.tables["t"] = Table(SCHEMA, CONFIG, ideal=ideal)
    assert (controller.ideal_state("t"), controller.external_view("t")) == (ideal, {})
    pinot.tables["t"].actual = ideal
    assert controller.external_view("t") == ideal


@pytest.mark.parametrize(
    ("segment", "partition"),
    [("t__0__0__20240622T1848Z", 0), ("a_b__12__345__20240622T1848Z", 12), ("uploaded_2024", None), ("a__b__c", None)],
)
def test_the_partition_is_read_from_the_segments_name(segment, partition):
    assert pinot_server.partition_of(segment) == partition


def test_a_refusal_by_pinot_is_quoted(pinot, controller):
    pinot.refusal = "The upsert table cannot have star-tree index."
    assert controller.validate(SCHEMA, CONFIG) == Validation(
        refusal="Invalid TableConfigs: t. The upsert table cannot have star-tree index."
    )


def test_defaults_that_pinot_writes_no_more_are_not_unrecognized(pinot, controller):
    """As Pinot 1.5.1 said of the seed's own files."""
    pinot.unrecognized = json.loads((RECORDED / "validated-seed.json").read_text())["unrecognizedProperties"]
    assert "/schema/dimensionFieldSpecs/0/notNull" in pinot.unrecognized
    assert controller.validate(SCHEMA, CONFIG) == Validation(
        refusal=None, unrecognized=["realtime.segmentsConfig.schemaName"]
    )


def test_pinot_takes_the_shipped_files_and_knows_everything_in_them(pinot, controller):
    recorded = json.loads((RECORDED / "validated-shipped.json").read_text())
    schema, config = read_documents(FOLDER)
    assert recorded["unrecognizedProperties"] == {}
    assert recorded["schema"]["primaryKeyColumns"] == schema["primaryKeyColumns"]
    assert recorded["realtime"]["upsertConfig"].items() >= config["upsertConfig"].items()


def test_a_query_gives_columns_types_and_rows_with_none_for_null(pinot):
    pinot.answers["SELECT"] = result(["a", "b"], ["STRING", "LONG"], [["x", None], ["y", 2]])
    answer = Broker(pinot.url).query("SET skipUpsert=true; SELECT a, b FROM t")
    assert (answer.columns, answer.types, answer.rows) == (["a", "b"], ["STRING", "LONG"], [["x", None], ["y", 2]])
    assert answer.statistics["numConsumingSegmentsQueried"] == 2
    assert pinot.requests[-1][3] == {"sql": "SET skipUpsert=true; SELECT a, b FROM t"}


def test_an_exception_in_an_answer_of_200_is_an_error(pinot):
    with pytest.raises(CommandError, match=r"^Pinot's broker at \S+ says 190: TableDoesNotExistError$"):
        Broker(pinot.url).query("SELECT 1 FROM nix")


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_server_that_cannot_be_reached_is_reported_in_one_line(monkeypatch):
    monkeypatch.setattr(pinot_server, "CONNECT_RETRIES", 0)
    url = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(CommandError, match=rf"^Pinot's controller at {url} cannot be reached \(ConnectionError\)"):
        Controller(url).check_health()


def test_a_server_that_comes_up_meanwhile_is_reached():
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler, bind_and_activate=False)
    server.server_bind()  # and does not listen yet: connections are refused
    url = f"http://127.0.0.1:{server.server_port}"
    listening = threading.Timer(0.1, server.server_activate)
    listening.start()
    answering = threading.Thread(target=lambda: (listening.join(), server.handle_request()))
    answering.start()
    with pytest.raises(CommandError, match=r"answers GET /tables\?type=realtime with 501"):  # by a server of no methods
        Controller(url).table_names()
    answering.join()
    server.server_close()


def test_an_error_response_is_not_retried(pinot, controller):
    pinot.well = False
    with pytest.raises(CommandError):
        controller.check_health()
    assert len(pinot.requests) == 1


def test_a_controller_that_is_starting_is_not_well(pinot, controller):
    controller.check_health()
    pinot.well = False
    with pytest.raises(CommandError, match=r"is not well: Pinot controller status is STARTING$"):
        controller.check_health()


def test_an_error_names_the_url_the_status_and_pinots_message(pinot, controller):
    pinot.tables["t"] = Table(SCHEMA, CONFIG)
    with pytest.raises(CommandError) as caught:
        controller.add_table(SCHEMA, CONFIG)
    assert str(caught.value) == (
        f"Pinot's controller at {pinot.url} answers POST /tableConfigs with 400: "
        "TableConfigs: t already exists. Use PUT to update existing config"
    )


def test_another_web_server_is_not_taken_for_pinot(pinot):
    pinot.metrics = "hello"
    server = pinot_server._Server("Pinot's controller", pinot.url)
    with pytest.raises(CommandError, match=r"answers without JSON: is it pinot's controller, and is the port right\?$"):
        server.document(server.answer("GET", "/metrics"))


def test_a_message_repeats_no_config_which_may_hold_credentials(pinot, controller, monkeypatch):
    message = 'Invalid TableConfigs json string: {"secretKey": "s3cret"}. Reason: Unexpected character'
    monkeypatch.setattr(Pinot, "answer", lambda *_: (400, {"code": 400, "error": message}))
    assert controller.validate(SCHEMA, CONFIG).refusal == "Unexpected character"


@pytest.mark.parametrize(
    ("secret", "header"),
    [
        ("user:password", "Basic dXNlcjpwYXNzd29yZA=="),
        ("abc", "Bearer abc"),
        ("Bearer abc", "Bearer abc"),
        ("Basic eDp5", "Basic eDp5"),
    ],
)
def test_a_secret_is_sent_as_the_right_header(pinot, secret, header):
    pinot.secret = header
    assert Controller(pinot.url, secret).table_names() == []
    assert pinot.requests[-1][2]["Authorization"] == header


def test_a_denied_request_names_the_variable_to_set_and_not_the_secret(pinot):
    pinot.secret = "Bearer right"
    with pytest.raises(CommandError, match=r"refuses GET /tables \(403\): set PINOT_AUTH") as caught:
        Controller(pinot.url, "wrong-secret").table_names()
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:9000", "ftp://x", "http://", ""])
def test_a_text_that_is_no_url_is_refused(url):
    with pytest.raises(CommandError, match=r"is no URL of a server: write http://host:port$"):
        Controller(url)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(CommandError, match="take the password out of the URL") as caught:
        Broker("http://user:s3cret@localhost:8099")
    assert "s3cret" not in str(caught.value)
