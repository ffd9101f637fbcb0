"""Promises of the demo against a Pinot: it walks, waits for what Pinot shows, and leaves what is not its own alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from io import StringIO
from urllib.request import urlopen

import boto3
import pytest
from rich.console import Console

from decoder.change import decode_change
from dynapinot import pinot_server
from dynapinot.defaults import DEMO_TABLES
from dynapinot.demo import live
from dynapinot.demo.meetups import create_meetups_table
from dynapinot.demo.options import Options
from dynapinot.demo.pinot_table import PINOT_TABLE, stream_config
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.folders import read_documents
from handlers.catalog import load_tables
from pinot_fake import Table, running
from reading_pinot import ReadingPinot

NAME = PINOT_TABLE


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(live, "POLL_SECONDS", 0.001)
    monkeypatch.setattr("dynapinot.demo.walk.MEETUPS", 3)
    monkeypatch.setattr(pinot_server, "CONNECT_RETRIES", 0)


@pytest.fixture
def pinot():
    with running(ReadingPinot()) as fake:
        yield fake


def load_handler(folder):
    """A function that makes the right rows; the real one can be imported only once into a process."""
    (table,), _ = load_tables(folder)
    client = boto3.Session().client("kinesis")

    def handler(event, context):
        for record in event["Records"]:
            for row in table.rows(decode_change(record)):
                client.put_record(StreamName=table.stream, Data=row.data, PartitionKey=row.key)
        sys.stdout.write('{"log": "of the function"}')

    return handler


def walk(pinot, load=load_handler, **options):
    output = StringIO()
    code = live.run(
        Console(file=output, width=200),
        Options(**{"controller": pinot.url, "broker": pinot.url, "timeout": 20} | options),
        load,
    )
    return code, output.getvalue()


def verdicts(output):
    return [line for line in output.splitlines() if line.startswith(("= ", "! "))]


def test_each_step_is_waited_for_and_all_that_pinot_shows_is_equal(pinot):
    pinot.late = 3
    code, output = walk(pinot)
    assert code == OK, output
    counts = [line.partition(", equal in every value that has a column, after ")[0] for line in verdicts(output)[:4]]
    assert counts == [f"= DynamoDB has {number} items, Pinot shows {number} rows" for number in (3, 6, 6, 5)]
    assert "of the function" not in output
    assert "AWS_ENDPOINT_URL_KINESIS" not in os.environ


def test_the_seed_s_queries_are_shown_with_what_pinot_answers(pinot):
    code, output = walk(pinot)
    assert code == OK, output
    of_load, history = output.split("SET skipUpsert=true; ")[1:]
    loaded = [line.split()[3] for line in of_load.splitlines()[3:7]]
    assert sorted(loaded) == ["INSERT", "INSERT", "MODIFY", "REMOVE"]
    assert loaded[1] == loaded[3] == "INSERT", "a loaded row is older than the change"
    assert output.count("POINT (") == 5
    assert "WHERE meetup_id IN ('" in history
    rows = [line.split() for line in history.splitlines()[3:6]]
    assert [row[2] for row in rows] == ["REMOVE", "MODIFY", "INSERT"]
    assert all("-" in row[0] and ":" in row[1] for row in rows)  # Pinot's own text of a time
    assert verdicts(output)[-1].endswith(" in Pinot: 1 INSERT, 1 MODIFY, 1 REMOVE")


def test_pinot_gets_the_shipped_table_with_the_emulator_in_its_stream_and_the_function_does_not(pinot):
    seen = []
    walk(
        pinot,
        lambda folder: seen.append(json.loads((folder / NAME / "table.json").read_text())) or load_handler(folder),
    )
    schema, config = read_documents(DEMO_TABLES / NAME)
    made = pinot.tables[NAME]
    assert seen == [config]
    added = stream_config(made.config).items() - stream_config(config).items()
    assert {name for name, _ in added} == {"endpoint", "accessKey", "secretKey", "requests_per_second_limit"}
    assert dict(added)["requests_per_second_limit"] == "10"
    assert dict(added)["endpoint"].startswith("http://127.0.0.1:")
    stream_config(made.config).clear()
    stream_config(config).clear()
    assert (made.schema, made.config) == (schema, {**config, "tableName": f"{NAME}_REALTIME"})


def test_created_resources_stay_and_the_output_says_how_to_remove_them(pinot):
    _, output = walk(pinot)
    assert list(pinot.tables) == [NAME]
    assert f"curl -X DELETE {pinot.url}/tableConfigs/{NAME}" in output
    assert "Its Kinesis was embedded and is gone now" in output


def test_clean_removes_the_created_resources_and_nothing_else(pinot):
    pinot.tables["another"] = Table({}, {})
    code, output = walk(pinot, clean=True)
    assert (code, list(pinot.tables)) == (OK, ["another"])
    assert "What stays" not in output


def test_a_resource_that_cannot_be_removed_is_named_and_exits_1(pinot, monkeypatch):
    answer = ReadingPinot.answer
    monkeypatch.setattr(
        ReadingPinot,
        "answer",
        lambda self, method, *rest: (500, {"error": "no"}) if method == "DELETE" else answer(self, method, *rest),
    )
    code, output = walk(pinot, clean=True)
    assert code == FOUND
    assert f"Not removed: Pinot's table {NAME}: Pinot's controller at {pinot.url} answers DELETE" in output


def test_a_table_that_exists_is_left_alone_and_another_name_is_offered(pinot):
    theirs = Table({"schemaName": NAME}, {"tableName": f"{NAME}_REALTIME"})
    pinot.tables[NAME] = theirs
    with pytest.raises(CommandError) as caught:
        walk(pinot, clean=True)
    assert str(caught.value) == (
        f"There is already a table or schema {NAME} in the Pinot at {pinot.url}; "
        "the demo makes its own and touches no other: give --table-suffix for other names, or remove it"
    )
    assert pinot.tables == {NAME: theirs}
    code, output = walk(pinot, table_suffix="mine")
    assert code == OK, output
    assert pinot.tables.keys() == {NAME, f"{NAME}_mine"}
    stream = stream_config(pinot.tables[f"{NAME}_mine"].config)
    assert stream["stream.kinesis.topic.name"] == "pinot-ingestion-stream-mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"table_suffix": "a-b"}, "--table-suffix takes"),
        ({"table_suffix": "x" * 41}, "--table-suffix takes"),
        ({"kinesis_endpoint_of_pinot": "http://kinesis:5000"}, "give --kinesis-endpoint too"),
        ({"kinesis_endpoint": "kinesis:5000"}, "write it as http://host:port"),
        ({"controller": "localhost:9000"}, "is no URL of a server"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_anything_is_made(pinot, options, said):
    with pytest.raises(CommandError, match=said):
        walk(pinot, **options)
    assert pinot.tables == {}


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("server", ["controller", "broker"])
def test_an_unreachable_pinot_is_reported_before_anything_is_created(pinot, server):
    url = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(CommandError, match=rf"^Pinot's {server} at {url} cannot be reached"):
        walk(pinot, **{server: url})
    assert pinot.tables == {}


def test_a_broker_that_is_starting_is_not_well(pinot):
    with running(ReadingPinot(well=False)) as starting, pytest.raises(CommandError, match=r"not well \(503\)"):
        walk(pinot, broker=starting.url)


def test_a_table_that_pinot_refuses_is_reported_with_the_kinesis_it_cannot_reach(pinot, monkeypatch):
    answer = ReadingPinot.answer
    refused = (500, {"code": 500, "error": "Failed to list shards"})
    monkeypatch.setattr(
        ReadingPinot,
        "answer",
        lambda self, *asked: refused if asked[:2] == ("POST", "/tableConfigs") else answer(self, *asked),
    )
    removed = []
    create = create_meetups_table

    def created(client, name, **options):
        client.meta.events.register("before-call.dynamodb.DeleteTable", lambda params, **_: removed.append(params))
        return create(client, name, **options)

    monkeypatch.setattr("dynapinot.demo.resources.create_meetups_table", created)
    with pytest.raises(
        CommandError, match=r"Failed to list shards\. Can Pinot reach the Kinesis at http://127\.0\.0\.1:\d+\?$"
    ):
        walk(pinot)
    assert len(removed) == 1  # what was made for a table that could not be


def test_rows_that_never_arrive_are_reported_with_the_last_state_and_waited_for_once(pinot):
    pinot.ingest = lambda record: False
    began = time.monotonic()
    code, output = walk(pinot, timeout=0.3)
    assert time.monotonic() - began < 20
    assert code == FOUND
    first, *others = verdicts(output)
    assert first.startswith("! DynamoDB has 3 items, Pinot shows 0 rows, not equal after 0.")
    assert [line.partition(", not equal after 0.")[0] for line in others] == [
        f"! DynamoDB has {number} items, Pinot shows 0 rows" for number in (6, 6, 5)
    ]
    assert output.count("DynamoDB has it, Pinot would not show it") >= 3
    assert "Pinot's segments of the table: 2 CONSUMING" in output
    assert '{"log": "of the function"}' in output
    assert "What Pinot shows" not in output


def test_a_broker_that_answers_only_with_exceptions_is_reported_with_its_last_one(pinot):
    pinot.late = 10**9
    code, output = walk(pinot, timeout=0.2)
    assert code == FOUND
    assert verdicts(output)[0].startswith("! DynamoDB has 3 items, Pinot gives no answer, not equal after 0.")
    assert f"Pinot's broker at {pinot.url} says 190: TableDoesNotExistError" in output


def test_a_stale_row_is_not_equal(pinot):
    pinot.ingest = lambda record: b'"MODIFY"' not in record.data
    code, output = walk(pinot, timeout=0.3)
    assert code == FOUND
    assert "venue_name is 'Updated Venue " in output


def test_a_column_that_pinot_did_not_compute_is_reported(pinot):
    pinot.computes = False
    code, output = walk(pinot, timeout=0.2)
    assert code == FOUND
    assert output.count("Pinot computed nothing for location") >= 3


def test_a_history_that_lacks_a_row_exits_1(pinot, monkeypatch):
    monkeypatch.setattr("dynapinot.local.replica.Replica.history", history_without_the_first())
    code, output = walk(pinot)
    assert code == FOUND
    assert "sent were 1 INSERT, 1 MODIFY, 1 REMOVE, Pinot has 1 MODIFY, 1 REMOVE" in output


def history_without_the_first():
    from dynapinot.local.replica import Replica  # noqa: PLC0415

    whole = Replica.history

    def history(self, key=None):
        return whole(self, key) if key else [row for row in whole(self) if row["eventName"] != "INSERT"]

    return history


def test_rows_that_the_function_could_not_make_are_not_waited_for(pinot, monkeypatch):
    def broken(_):
        def handler(event, context):
            raise RuntimeError("out of order")

        return handler

    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.001)))
    began = time.monotonic()
    code, output = walk(pinot, broken, timeout=600)
    assert time.monotonic() - began < 60
    assert code == FOUND
    assert "were given up: RetryAttemptsExhausted" in output


@pytest.fixture
def emulator():
    """A moto of its own process: it shares no memory with the one that the demo embeds."""
    port = closed_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urlopen(f"{url}/moto-api/data.json").close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    server.terminate()
    server.wait()


WITH_THE_REAL_FUNCTION = """
import sys
from rich.console import Console
from dynapinot.demo import live
from dynapinot.demo.options import Options
from dynapinot.errors import CommandError
pinot, emulator, of_pinot = sys.argv[1:]
options = Options(
    controller=pinot, broker=pinot, dynamodb_endpoint=emulator, kinesis_endpoint=emulator,
    kinesis_endpoint_of_pinot=of_pinot, timeout=60,
)
try:
    sys.exit(live.run(Console(width=200), options))
except CommandError as error:
    sys.exit(f"Error: {error}")
"""


def test_the_function_uses_given_endpoints_and_a_second_run_touches_nothing(pinot, emulator):
    of_pinot = emulator.replace("127.0.0.1", "localhost")

    def run():
        arguments = [sys.executable, "-c", WITH_THE_REAL_FUNCTION, pinot.url, emulator, of_pinot]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=180, check=False)

    done = run()
    assert (done.returncode, done.stderr) == (OK, ""), done.stdout
    assert len(verdicts(done.stdout)) == 5
    assert stream_config(pinot.tables[NAME].config)["endpoint"] == of_pinot
    assert "Its Kinesis was embedded" not in done.stdout
    del pinot.tables[NAME]
    again = run()
    assert again.returncode == 1
    assert again.stderr == (
        f"Error: There is already a DynamoDB table pinot-ingestion-demo at {emulator}, and a Kinesis stream "
        f"pinot-ingestion-stream at {emulator}; the demo makes its own and touches no other: "
        "give --table-suffix for other names, or remove it\n"
    )
    assert pinot.tables == {}
