"""The response and the log of an invocation, and the cost of a start."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from dynapinot.defaults import MEETUPS_TABLE
from dynapinot.demo.pinot_table import SHARDS
from dynapinot.local.function import FUNCTION
from print_counts import print_counts
from runtime.emulator import FunctionError
from runtime.meetups import UNICODE, meetup

pytestmark = pytest.mark.engines

LONGEST_INIT_S = (
    10  # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
)
SECRET = "not for the log"
NOTHING_LEFT = {"batchItemFailures": []}


def timed(call, *arguments):
    before = time.monotonic()
    call(*arguments)
    return time.monotonic() - before


@pytest.mark.parametrize(
    ("name", "more", "timeout", "warm", "answer"),
    [
        ("Replicator", {}, None, 5, NOTHING_LEFT),
        ("Redrive", {}, None, 5, {"objects": 0, "changes": 0, "rows": 0, "unfinished": False, "failing": []}),
        # It waits for three quarters of its time, because nothing replicates its items.
        ("Heartbeat", {"HEARTBEAT_TABLE": MEETUPS_TABLE}, 8, 0, {"shards": SHARDS, "missing": SHARDS}),
    ],
)
def test_a_cold_start_is_well_below_lambdas_limit_and_the_next_invocations_are_warm(
    name, more, timeout, warm, answer, start, variables, path, capsys
):
    path.create_table()
    function = start(name, variables | more, timeout=timeout)
    event = {"Records": []}
    assert function.invoke(event) == answer
    cold, process = function.usage(), function.process_id()
    seconds = [timed(function.invoke, event) for _ in range(warm)]
    [init] = function.init_seconds
    counts = {
        "init ms": round(init * 1000),
        "processor ms": round(cold.processor * 1000),
        "peak MiB": round(cold.peak),
        "warm invocations ms": [round(each * 1000) for each in sorted(seconds)],
    }
    print_counts(capsys, f"{name}, cold start", counts)
    assert init < LONGEST_INIT_S
    assert function.process_id() == process


def test_the_response_has_the_format_of_the_event_source_mapping(start, variables):
    function = start("Replicator", variables)
    assert function.invoke({"Records": [meetup(1), meetup(2, rsvp_count={"S": "many"})]}) == NOTHING_LEFT
    lost = start("Replicator", {**variables, "DEAD_LETTER_BUCKET": "nobody-made-it"})
    records = [meetup(number, rsvp_count={"S": "many"} if number > 2 else {"N": "1"}) for number in range(1, 5)]
    assert lost.invoke({"Records": records}) == {"batchItemFailures": [{"itemIdentifier": f"{3:021d}"}]}


def test_an_event_may_have_characters_or_their_escapes(start, variables, path):
    function = start("Replicator", variables)
    event = {"Records": [meetup(1, meetup_name={"S": UNICODE})]}
    for ascii_only in (True, False):
        assert function.invoke(json.dumps(event, ensure_ascii=ascii_only).encode()) == NOTHING_LEFT
    assert [row["meetup_name"] for row in path.live().values()] == [UNICODE]
    assert len(path.records) == 2
    assert len(set(path.records)) == 1


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({}, "EventError", 'the event has no list "Records": connect the function to a stream'),
        (b"[1, 2", "Runtime.UnmarshalError", "Unable to unmarshal input: "),
    ],
)
def test_an_invalid_event_fails_the_invocation_and_not_the_function(event, kind, message, start, variables):
    function = start("Replicator", variables)
    with pytest.raises(FunctionError) as caught:
        function.invoke(event)
    assert caught.value.kind == kind
    assert caught.value.message.startswith(message)
    assert function.invoke({"Records": [meetup(1)]}) == NOTHING_LEFT
    assert len(function.init_seconds) == 1


def test_every_log_line_is_a_json_document_without_values_of_items(start, variables):
    function = start("Replicator", variables)
    function.invoke({"Records": [meetup(1, venue_name={"S": SECRET}, größe={"S": SECRET})]})
    function.invoke({"Records": [meetup(2, rsvp_count={"S": SECRET}), meetup(3)]})
    with pytest.raises(FunctionError):
        function.invoke({"nothing": SECRET})
    lines = [json.loads(line) for line in function.log()]
    assert not [line for line in function.log() if SECRET in line]

    metrics = [line for line in lines if "_aws" in line]
    logs = [line for line in lines if "_aws" not in line]
    ids = function.request_ids
    assert [(line["level"], line.get("message", line.get("errorType")), line.get("request_id")) for line in logs] == [
        ("INFO", "tables loaded", None),
        ("INFO", "event parser", None),
        ("INFO", "attribute not mapped", ids[0]),
        ("WARNING", "change dead-lettered", ids[1]),
        ("ERROR", "EventError", None),
    ]
    assert logs[-1]["requestId"] == ids[2]
    assert logs[2]["attribute"] == "größe"
    assert {line.get("service") for line in logs[:-1]} == {FUNCTION}

    emitted = Counter()
    for line in metrics:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "dynapinot"
        assert abs(line["_aws"]["Timestamp"] - time.time() * 1000) < 600_000
        for dimensions in directive["Dimensions"]:
            assert all(isinstance(line[name], str) for name in dimensions)
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                emitted[metric["Name"], *dimensions] += sum(values if isinstance(values, list) else [values])
    del emitted["ReplicationLag", "service"]
    assert emitted == {
        ("ChangesReceived", "service"): 3,
        ("RowsPublished", "service"): 2,
        ("RowsResent", "service"): 0,
        ("ChangesIgnored", "service"): 0,
        ("DeadLetters", "service"): 1,
        ("DeadLetters", "service", "reason"): 1,
        ("RowDifferences", "service"): 0,
        ("UnmappedAttributes", "service"): 1,
        ("BatchesStoppedEarly", "service"): 0,
    }
