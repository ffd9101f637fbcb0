"""A load in a stack: its state machine, started and watched."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from dynapinot.aws import Aws, refusals
from dynapinot.errors import CommandError
from dynapinot.load.state import Run, is_process_alive
from load.plan import Total

OUTPUT: Final = "LoadStateMachineArn"  # of the stack
POLL_SECONDS: Final = 10.0

RUNNING: Final = "RUNNING"
SUCCEEDED: Final = "SUCCEEDED"


def start(client: Any, machine: str, load: str, *, starts: int) -> Run:  # noqa: ANN401  # a boto3 client
    """Start the state machine for a load, for the next time after ``starts`` times. Raises CommandError."""
    while True:
        starts += 1
        with refusals():
            try:
                execution = client.start_execution(
                    stateMachineArn=machine, name=f"{load}-{starts}", input=json.dumps({"load": load})
                )
            except client.exceptions.ExecutionAlreadyExists:
                continue  # somebody started it whose note is not there
        return Run(place="stack", execution=execution["executionArn"], starts=starts)


def status(client: Any, execution: str) -> tuple[str, str]:  # noqa: ANN401
    """Return an execution's status, and why it failed. Raises CommandError."""
    with refusals():
        found = client.describe_execution(executionArn=execution)
    return found["status"], " ".join(filter(None, (found.get("error"), found.get("cause"))))


def is_working(aws: Aws, run: Run) -> bool:
    """Return whether somebody works on a load, by its run, as far as can be known from here. Raises CommandError."""
    if run.place == "here":
        return is_process_alive(run, time.time())
    return status(aws.client("stepfunctions"), run.execution)[0] == RUNNING


def watch(
    client: Any,  # noqa: ANN401
    execution: str,
    *,
    look: Callable[[], Total],
    show: Callable[[Total], None],
    sleep: Callable[[float], None],
) -> Total | None:
    """Show the progress until the execution ends; return the total then, None if watching was interrupted.

    Raises CommandError if the execution failed.
    """
    try:
        while True:
            state, why = status(client, execution)
            total = look()
            show(total)
            if state == SUCCEEDED:
                return total
            if state != RUNNING:
                raise CommandError(f"the execution {execution} is {state}: {why or 'see it in the console'}")
            sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return None
