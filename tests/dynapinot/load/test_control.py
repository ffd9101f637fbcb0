"""The commands for a load that is there: what they show, what they note, and what they refuse."""

from __future__ import annotations

import json
import os
import socket
import time

import msgspec
import pytest

from dynapinot.errors import FAILED, FOUND, OK
from dynapinot.load.state import RUN, Run
from load.files import LoadFiles
from load.plan import Unit


@pytest.fixture
def begun(world, monkeypatch):
    """A load that was planned, and that nobody works on."""
    world.put_many(4)
    monkeypatch.setattr("dynapinot.load.run.execute", lambda session, machine: OK)
    assert world.load("--share", "0.25").exit_code == OK
    monkeypatch.undo()
    return LoadFiles(client=world.services.s3, bucket="dead-letters", id=world.load_id())


def works_now(files, **run):
    found = Run(**{"place": "here", "host": "elsewhere", "pid": 7, "seen": time.time(), **run})
    files.save_json(RUN, found)


def test_a_load_that_nobody_works_on_needs_a_look(world, begun):
    shown = world.command("load", "status")
    assert shown.exit_code == FOUND
    first, second, third = shown.output.splitlines()
    assert first == f"{begun.id} of app: ended, share 0.25 (nobody has worked on it yet)"
    assert second == "0 of 4 items, 0 of 4 units, 0 rows/s, $0.00 so far"
    assert third == f"Go on with: dynapinot load resume {begun.id} --bucket dead-letters"


def test_a_load_that_runs_elsewhere_is_shown_with_its_dead_letters(world, begun):
    works_now(begun)
    began = begun.plan().began
    begun.save(Unit(number=2, is_done=True, items=3, rows=20, dead_letters={"type_mismatch": 1}, updated=began + 10))
    shown = world.command("load", "status", begun.id)
    assert shown.exit_code == FOUND
    assert shown.output.splitlines() == [
        f"{begun.id} of app: run, share 0.25 (process 7 on elsewhere)",
        "3 of 4 items, 1 of 4 units, 2 rows/s, under $0.01 so far, dead letters: type_mismatch 1",
    ]
    found = json.loads(world.command("load", "status", "--json").output)
    assert (found["state"], found["items"], found["share"], found["place"]) == ("run", 3, 0.25, "here")


def test_a_finished_load_is_done_and_is_not_gone_on_with(world, begun):
    assert world.command("load", "resume").exit_code == OK
    assert len(world.rows()) == 4
    shown = world.command("load", "status")
    assert (shown.exit_code, ": done, share" in shown.output) == (OK, True)
    refused = world.command("load", "resume")
    assert refused.exit_code == FAILED
    assert f"The load {begun.id} is done: there is nothing to go on with" in refused.output
    assert f"Noted. The load {begun.id} is done" in world.command("load", "pause").output


@pytest.mark.parametrize(
    ("words", "state", "share"),
    [(("pause",), "pause", 0.25), (("stop",), "stop", 0.25), (("pace", "--share", "0.75"), "run", 0.75)],
)
def test_what_is_wanted_is_noted(world, begun, words, state, share):
    works_now(begun)
    done = world.command("load", *words)
    assert done.exit_code == OK
    assert f"The load {begun.id}: {state}, share {share:g}, within seconds" in done.output
    assert (begun.control().state, begun.control().share, begun.control().max_lag) == (state, share, 60)


def test_what_is_wanted_of_a_load_that_nobody_works_on_is_noted_with_the_way_on(world, begun):
    done = world.command("load", "pause")
    assert f"is not running; dynapinot load resume {begun.id} --bucket dead-letters goes on with it" in done.output


def test_a_load_that_runs_is_only_told_to_go_on(world, begun):
    works_now(begun)
    assert "run, share 0.5, within seconds" in world.command("load", "resume", "--share", "0.5").output
    assert world.rows() == []


@pytest.mark.parametrize(
    "run",
    [
        {"seen": 0},
        {"has_ended": True},
        {"host": socket.gethostname(), "pid": 2**22 + 1},
        {"host": socket.gethostname(), "pid": os.getpid()},
    ],
    ids=["long ago", "ended", "dead", "this one"],
)
def test_a_process_that_is_gone_is_replaced(world, begun, run):
    works_now(begun, **run)
    assert world.command("load", "resume").exit_code == OK
    assert len(world.rows()) == 4


def test_a_process_of_this_machine_is_seen(world, begun):
    works_now(begun, host=socket.gethostname(), pid=os.getppid())
    assert "within seconds" in world.command("load", "resume").output


def change_files(world, begun):
    file = world.tables / "items" / "table.json"
    file.write_text(file.read_text() + " ")


def change_shards(world, begun):
    plan = begun.plan()
    tables = {"items": msgspec.structs.replace(plan.tables["items"], shards=9)}
    begun.save(msgspec.structs.replace(plan, tables=tables))


def begin_before_the_stream(world, begun):
    begun.save(msgspec.structs.replace(begun.plan(), began=1_764_000_000))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_files, "the files of the table items are not those that the load"),
        (change_shards, "The stream of items has 4 shards, and had 9 when the load"),
        (begin_before_the_stream, "The stream of app was enabled after the load"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_load_whose_surroundings_changed_is_not_gone_on_with(world, begun, change, message):
    change(world, begun)
    refused = world.command("load", "resume")
    assert refused.exit_code == FAILED
    assert message in refused.output
    assert world.rows() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status", "none"), "there is no load none: s3://dead-letters/loads/none/plan.json does not exist"),
        (("resume", "--in-stack"), "--stack names no stack with the output LoadStateMachineArn"),
    ],
)
def test_what_is_not_there_is_refused(world, begun, words, message):
    refused = world.command("load", *words)
    assert (refused.exit_code, message in refused.output) == (FAILED, True)


def test_a_bucket_without_loads_says_so(world):
    refused = world.command("load", "status")
    assert (refused.exit_code, "There is no load in s3://dead-letters/loads/" in refused.output) == (FAILED, True)


def test_a_commands_options_come_after_its_name(world):
    refused = world.command("load", "--here", "status")
    assert refused.exit_code == 2
    assert "Give the options of status after its name" in refused.output
