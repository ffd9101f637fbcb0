"""A service fails: the function reports in time the changes to retry, or is killed. Either way nothing is lost."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from dynapinot.local.function import BUCKET
from handlers import clients
from handlers.deadline import TIME_FOR_WORK
from runtime.emulator import FunctionError
from runtime.gate import Behaviour
from runtime.meetups import meetup
from runtime.path import reading

pytestmark = pytest.mark.engines

# handlers/clients.py: a request that hangs is two attempts of 4 s, with a pause by the SDK between them.
SHORTEST_HANG_S = 8
LONGEST_PAUSE_S = 1  # before the first retry in the SDK's standard mode
# With this timeout, the time for work is over after the first request: no second one begins.
LONG_ENOUGH_S = 10
# With this one it is not over, and the second request exceeds the function's timeout.
TOO_SHORT_S = 15

RECORDS = [meetup(1), meetup(2), meetup(1, 3, rsvp_count={"N": "46"}), meetup(3, 4)]
FIRST = {"batchItemFailures": [{"itemIdentifier": RECORDS[0]["dynamodb"]["SequenceNumber"]}]}
DONE = {"batchItemFailures": []}


class Observed:
    """An ``invoke`` that keeps the outcome of each invocation, and opens the gate after the first."""

    def __init__(self, function, gate):
        self.outcomes = []
        self.seconds = []
        self._function = function
        self._gate = gate

    def __call__(self, event):
        before = time.monotonic()
        try:
            answer = self._function.invoke(event)
        except FunctionError as error:
            self.outcomes.append(error.message)
            raise
        else:
            self.outcomes.append(answer)
            return answer
        finally:
            self.seconds.append(time.monotonic() - before)
            self._gate.open()


@pytest.fixture
def observe(start, variables, gate):
    """Starts and warms up the function, with a gate before one of its services."""

    def observe(service, timeout):
        function = start("Replicator", {**variables, f"AWS_ENDPOINT_URL_{service}": gate.endpoint}, timeout=timeout)
        function.warm_up()
        return function, Observed(function, gate)

    return observe


def rsvps(path):
    return {meetup_id: row["rsvp_count"] for meetup_id, row in path.live().items()}


def stopped_early(function):
    """Return what the function logged when it stopped early: the stream's errors, or the error of the dead letters."""
    lines = [json.loads(line) for line in function.log()]
    [last] = [line for line in lines if line.get("message") == "batch stopped early"]
    assert (last["position"], last["sequence_number"]) == (0, FIRST["batchItemFailures"][0]["itemIdentifier"])
    return [each for line in lines for each in (line.get("errors") or {line.get("error"): 1}) if each]


def test_if_kinesis_refuses_connections_the_function_responds_in_time_and_the_retry_succeeds(observe, path):
    function, invoke = observe("KINESIS", timeout=6)
    path.source(reading(RECORDS), invoke).drain()
    assert invoke.outcomes == [FIRST, DONE]
    assert invoke.seconds[0] < 6
    assert stopped_early(function) == ["EndpointConnectionError"]
    assert rsvps(path) == {"meetup-000001": 46, "meetup-000002": 45, "meetup-000003": 45}
    assert path.given_up == []


def test_if_kinesis_hangs_the_function_responds_in_time(observe, gate, path):
    assert SHORTEST_HANG_S > LONG_ENOUGH_S * TIME_FOR_WORK
    gate.open(Behaviour.HANGING)
    function, invoke = observe("KINESIS", timeout=LONG_ENOUGH_S)
    path.source(reading(RECORDS), invoke).drain()
    assert invoke.outcomes == [FIRST, DONE]
    assert SHORTEST_HANG_S <= invoke.seconds[0] < LONG_ENOUGH_S
    assert stopped_early(function) == ["ReadTimeoutError"]
    assert rsvps(path) == {"meetup-000001": 46, "meetup-000002": 45, "meetup-000003": 45}


def test_if_the_bucket_hangs_the_function_responds_in_time_and_loses_no_dead_letter(observe, gate, path, services):
    gate.open(Behaviour.HANGING)
    function, invoke = observe("S3", timeout=LONG_ENOUGH_S)
    wrong = meetup(1, rsvp_count={"S": "many"})
    path.source(reading([wrong, *RECORDS[1:]]), invoke).drain()
    assert invoke.outcomes == [FIRST, DONE]
    assert invoke.seconds[0] < LONG_ENOUGH_S
    assert "ReadTimeoutError" in stopped_early(function)
    assert rsvps(path) == {"meetup-000001": 46, "meetup-000002": 45, "meetup-000003": 45}
    [dead_letter] = services.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert dead_letter["Key"].endswith(f"/{wrong['dynamodb']['SequenceNumber']}.json")


def test_retrying_the_changes_of_a_killed_function_changes_nothing(observe, gate, path):
    """Kinesis has accepted the rows, and the function is killed before it gets the response."""
    assert SHORTEST_HANG_S + LONGEST_PAUSE_S < TOO_SHORT_S * TIME_FOR_WORK < TOO_SHORT_S < 2 * SHORTEST_HANG_S
    gate.open(Behaviour.NO_RESPONSE)
    function, invoke = observe("KINESIS", timeout=TOO_SHORT_S)
    starts = len(function.init_seconds)
    path.source(reading(RECORDS), invoke).drain()
    killed, *retries = invoke.outcomes
    assert killed == f"Task timed out after {TOO_SHORT_S}.00 seconds"
    assert retries == [DONE, DONE]  # the halves of the batch
    assert len(function.init_seconds) == starts + 1
    assert rsvps(path) == {"meetup-000001": 46, "meetup-000002": 45, "meetup-000003": 45}
    assert len(path.records) >= 2 * len(RECORDS)
    assert len(set(path.records)) == len(RECORDS)
    assert path.given_up == []


def test_the_templates_minimum_timeout_is_enough_for_the_last_request(artefact):
    """It takes 45 s: a request begins when the time for work is almost over, and takes as long as it can."""
    template = yaml.safe_load((artefact.functions["Replicator"].folder.parent / "template.yaml").read_text())
    least = template["Parameters"]["TimeoutSeconds"]["MinValue"]
    config = clients._CONFIG
    attempts = config.retries["total_max_attempts"]
    longest = attempts * (config.connect_timeout + config.read_timeout) + (attempts - 1) * LONGEST_PAUSE_S
    assert least * TIME_FOR_WORK + longest < least
    assert attempts * config.read_timeout == SHORTEST_HANG_S
