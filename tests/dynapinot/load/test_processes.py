"""A load in a process of its own: killed, interrupted, paused and gone on with, and nothing lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from dynapinot.errors import FAILED, OK

# With states that are kept often, and a look at the operator's wishes as often.
RUN = """
import atexit, pathlib, sys
status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = lambda: next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    atexit.register(lambda: print(peak()))
import load.work
load.work.SAVE_SECONDS = 0.1
load.work.CONTROL_SECONDS = 0.1
import dynapinot.load.here
dynapinot.load.here.WAIT_SECONDS = 0.1
from dynapinot.cli.app import app
app(prog_name="dynapinot")
"""
LOAD = ("load", "--table", "app", "--here", "--yes")
ITEMS = 400


@contextmanager
def process(world, *words):
    """Run a command in a process of its own; it is killed at the end of the block if it still runs."""
    given = [*words, "--bucket", "dead-letters", "--trust-live-path", "--tables", str(world.tables)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    running = subprocess.Popen(
        [sys.executable, "-c", RUN, *given],
        env={**environment, **world.services.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def wait_for_rows(world, seen, least):
    """Wait until so many rows more have come; take them into ``seen``."""
    deadline = time.monotonic() + 60
    goal = len(seen) + least
    while len(seen) < goal:
        assert time.monotonic() < deadline, f"{len(seen)} of {goal} rows"
        seen += world.ids()
        time.sleep(0.05)


def output_of(running):
    return running.communicate(timeout=120)[0]


def everything():
    return {f"item-{number}" for number in range(ITEMS)}


def test_a_load_that_is_killed_three_times_goes_on_and_loses_nothing(world):
    world.put_many(ITEMS)
    seen = []
    words = (*LOAD, "--share", "0.01")
    for _ in range(3):
        with process(world, *words) as running:
            wait_for_rows(world, seen, 20)
            os.kill(running.pid, signal.SIGKILL)
            assert running.wait(10) == -signal.SIGKILL
        words = ("load", "resume")
    assert world.files("report.json") == {}
    done = world.command("load", "resume", "--share", "1")
    assert done.exit_code == OK, done.output
    seen += world.ids()
    assert set(seen) == everything()
    assert len(seen) < 2 * ITEMS  # it went on where it was: not from the beginning each time
    assert world.files("report.json")["report.json"]["items"] >= ITEMS


def test_an_interrupted_load_notes_what_it_sent_and_says_how_to_go_on(world):
    world.put_many(ITEMS)
    seen = []
    with process(world, *LOAD, "--share", "0.05") as running:
        wait_for_rows(world, seen, 20)
        os.kill(running.pid, signal.SIGINT)
        output = output_of(running)
    assert running.returncode == FAILED
    resume = f"dynapinot load resume {world.load_id()} --bucket dead-letters --trust-live-path --tables {world.tables}"
    assert f"The load is interrupted; what was sent is noted. Go on with: {resume}" in output
    seen += world.ids()
    assert sum(unit["rows"] for unit in world.files("units/").values()) == len(seen)
    status = world.command("load", "status")
    assert f"{len(seen):,} of {ITEMS} items" in status.output
    assert f"{world.load_id()} of app: ended, share 0.05" in status.output
    assert world.command("load", "resume", "--share", "1").exit_code == OK
    seen += world.ids()
    assert sorted(seen) == sorted(everything())  # each once


def test_a_load_is_paused_paced_and_resumed_while_it_runs(world):
    world.put_many(ITEMS)
    seen = []
    with process(world, *LOAD, "--share", "0.02") as running:
        wait_for_rows(world, seen, 20)
        paused = world.command("load", "pause")
        assert f"The load {world.load_id()}: pause, share 0.02, within seconds" in paused.output
        time.sleep(1)
        seen += world.ids()
        time.sleep(1)
        assert world.ids() == []
        status = world.command("load", "status")
        assert f"pause, share 0.02 (process {running.pid} on " in status.output
        assert "paused" in status.output
        assert world.command("load", "pace", "--share", "1").exit_code == OK
        resumed = world.command("load", "resume")
        assert (resumed.exit_code, "run, share 1, within seconds" in resumed.output) == (OK, True)
        output = output_of(running)
    assert running.returncode == OK, output
    seen += world.ids()
    assert sorted(seen) == sorted(everything())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
def test_the_largest_items_and_many_small_ones_take_less_than_200_mib(world):
    schema = world.tables / "items" / "schema.json"
    document = json.loads(schema.read_text())
    document["dimensionFieldSpecs"][1]["maxLengthExceedStrategy"] = "NO_ACTION"
    schema.write_text(json.dumps(document))
    world.put_many(2_000, name={"S": "x" * 200})
    for number in range(50):
        item = {"id": {"S": f"large-{number}"}, "name": {"S": "x" * 404_000}}
        world.services.dynamodb.put_item(TableName="app", Item=item)
    with process(world, *LOAD, "--share", "1") as running:
        output = output_of(running)
    assert running.returncode == OK, output
    assert "Loaded app: 2,050 items, 2,050 rows" in output
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", output)
    assert int(peak) / 1024 < 200
