"""A load in a stack: the state machine is started once more each time, and watched by its units' states."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from dynapinot.doctor.template import Deployment
from dynapinot.errors import FAILED, FOUND, OK, CommandError
from dynapinot.load import machine
from dynapinot.load.state import RUN, Run
from load.files import LoadFiles
from load.plan import Total, Unit

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:load"
OUTPUTS = {"DeadLetterBucketName": "dead-letters", "FunctionName": "replicator", "LoadStateMachineArn": ARN}


class StepFunctions:
    """Keeps what it is asked to start; ``states`` are an execution's, one for each look, the last for ever."""

    class exceptions:  # noqa: N801  # as boto3 names it
        class ExecutionAlreadyExists(ClientError):  # noqa: N818
            pass

    def __init__(self, *states, taken=(), **failure):
        self.started = []
        self.states = list(states)
        self.taken = set(taken)
        self.failure = failure

    def start_execution(self, **given):
        if given["name"] in self.taken:
            raise self.exceptions.ExecutionAlreadyExists(
                {"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution"
            )
        self.started.append(given)
        return {"executionArn": f"arn:{given['name']}"}

    def describe_execution(self, executionArn):  # noqa: N803  # as the API names it
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, BaseException):
            raise state
        return {"status": state, **self.failure}


def test_an_execution_is_named_by_the_load_and_how_often_it_was_started():
    client = StepFunctions(taken={"l-3", "l-4"})
    assert machine.start(client, ARN, "l", starts=2) == Run(place="stack", execution="arn:l-5", starts=5)
    assert client.started == [{"stateMachineArn": ARN, "name": "l-5", "input": '{"load": "l"}'}]


def watch(client, slept=None):
    shown = []
    total = machine.watch(
        client, "arn:l-1", look=lambda: Total(rows=len(shown)), show=shown.append, sleep=(slept or []).append
    )
    return total, shown


def test_the_units_are_shown_until_the_execution_ends():
    total, shown = watch(StepFunctions("RUNNING", "RUNNING", "SUCCEEDED"))
    assert total == Total(rows=2)
    assert [each.rows for each in shown] == [0, 1, 2]


@pytest.mark.parametrize("state", ["FAILED", "ABORTED", "TIMED_OUT"])
def test_an_execution_that_fails_says_why(state):
    with pytest.raises(CommandError, match=f"arn:l-1 is {state}: Undone 3 units are not done"):
        watch(StepFunctions("RUNNING", state, error="Undone", cause="3 units are not done"))


def test_to_stop_watching_is_not_to_stop():
    assert watch(StepFunctions("RUNNING", KeyboardInterrupt()))[0] is None


@pytest.fixture
def in_stack(world, monkeypatch):
    """Give the commands a stack with a state machine, whose executions are played."""

    def play(*states, outputs=OUTPUTS, **failure):
        client = StepFunctions(*states, **failure)
        make = __import__("dynapinot.aws", fromlist=["Aws"]).Aws.client

        def client_of(self, service, region=None):
            return client if service == "stepfunctions" else make(self, service, region)

        monkeypatch.setattr("dynapinot.aws.Aws.client", client_of)
        monkeypatch.setattr(
            "dynapinot.load.place.deployed.find_stack", lambda diagnosis, aws, name: (outputs, Deployment())
        )
        monkeypatch.setattr("dynapinot.load.machine.POLL_SECONDS", 0.0)
        return client

    return play


def load(world, *words):
    return world.command("load", "--table", "app", "--stack", "app", "--yes", *words)


def finish(world):
    files = LoadFiles(client=world.services.s3, bucket="dead-letters", id=world.load_id())
    for number in range(files.plan().units):
        files.save(Unit(number=number, is_done=True, items=1, rows=1, dead_letters={"too_large": 1}))
    return files


def test_a_load_in_a_stack_is_planned_here_and_done_there(world, in_stack):
    world.put_many(3)
    client = in_stack("RUNNING", KeyboardInterrupt())
    done = load(world)
    assert done.exit_code == OK, done.output
    (started,) = client.started
    assert json.loads(started["input"]) == {"load": world.load_id()}
    assert world.files("plan.json")["plan.json"]["workers"] == 2  # for 4 shards
    assert f"The load {world.load_id()} runs in arn:{world.load_id()}-1" in done.output
    assert f"Look at it by: dynapinot load status {world.load_id()} --stack app" in done.output
    assert world.rows() == []
    files = finish(world)
    in_stack("SUCCEEDED")
    again = world.command("load", "resume", "--stack", "app")
    assert again.exit_code == FOUND, again.output
    assert "dead letters: too_large 2" in again.output
    assert world.files(RUN)[RUN]["starts"] == 2
    assert files.control().state == "run"


def test_a_load_that_failed_in_a_stack_goes_on_here(world, in_stack):
    world.put_many(3)
    in_stack("FAILED", error="Undone")
    failed = load(world)
    assert failed.exit_code == FAILED
    assert f"is FAILED: Undone. Go on with: dynapinot load resume {world.load_id()} --stack app" in failed.output
    assert ": ended, share 0.5 (arn:" in world.command("load", "status", "--stack", "app").output
    assert world.command("load", "resume", "--stack", "app", "--here").exit_code == OK
    assert len(world.rows()) == 3


def test_a_load_that_runs_in_a_stack_is_told_what_is_wanted(world, in_stack):
    world.put_many(3)
    in_stack("RUNNING", KeyboardInterrupt())
    assert load(world).exit_code == OK
    in_stack("RUNNING")
    assert "pause, share 0.5, within seconds" in world.command("load", "pause", "--stack", "app").output


def test_a_stack_without_the_state_machine_is_refused(world, in_stack):
    in_stack("RUNNING", outputs={"DeadLetterBucketName": "dead-letters"})
    refused = load(world)
    assert (refused.exit_code, "has no output LoadStateMachineArn" in refused.output) == (FAILED, False)
    assert "--stack names no stack with the output LoadStateMachineArn" in refused.output


def test_a_stack_names_the_bucket(world, in_stack):
    in_stack("RUNNING", outputs={})
    refused = world.command("load", "status", "--stack", "app", bucket="")
    assert refused.exit_code == FAILED
    assert "Give --stack, or the stack's dead letter --bucket" in refused.output
