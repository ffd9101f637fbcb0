"""``load --sweep`` and ``load sweep`` against an embedded AWS, and a Pinot that shows what the model does."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from changes import insert
from dynapinot.errors import FAILED, FOUND, OK, CommandError
from dynapinot.load.state import RUN, Run
from dynapinot.load.sweep import summary
from load.files import LoadFiles
from load.plan import Control, Swept

SWEEP_FILE = "sweep/items.json"


def key(name):
    return {"id": {"S": name}}


def item(name, text="new"):
    return {**key(name), "name": {"S": text}}


def events(output):
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def lossy(world, pinot):
    """A table whose live path lost changes: Pinot has a stale row, a ghost, and nothing of a third item."""
    world.live(insert(key("stale"), {"name": {"S": "old"}}), insert(key("ghost"), {"name": {"S": "old"}}))
    world.put(item("stale"), item("missing"))
    assert pinot.shown() == {"stale": "old", "ghost": "old"}
    return pinot


def sweep(world, pinot, *words):
    return world.command("load", "sweep", *words, "--broker", pinot.url, "--items-per-second", "1000")


def files_of(world, load=None):
    return LoadFiles(client=world.services.s3, bucket="dead-letters", id=load or world.load_id())


def test_a_load_with_a_sweep_leaves_pinot_with_what_dynamodb_has(world, lossy):
    done = world.load("--sweep", "--broker", lossy.url)
    assert done.exit_code == OK, done.output
    assert lossy.shown() == {"stale": "new", "missing": "new"}
    assert done.output.splitlines()[-3:] == [
        "Sweeping items, when Pinot has consumed all rows of the load",
        "items: 1 old rows, 0 brought up to date, 1 deleted",
        "Swept items: 1 rows were older than the load; 0 are up to date now, 1 are deleted",
    ]
    assert world.files(SWEEP_FILE)[SWEEP_FILE] == {
        "position": ["ghost"],
        "is_done": True,
        "candidates": 1,
        "rows": 0,
        "tombstones": 1,
        "kept": 0,
        "failures": {},
    }


def test_a_load_that_has_ended_is_swept_by_its_id_and_says_it_in_json(world, lossy):
    assert world.load().exit_code == OK
    assert lossy.shown() == {"stale": "new", "missing": "new", "ghost": "old"}
    done = sweep(world, lossy, world.load_id(), "--json")
    assert done.exit_code == OK, done.output
    assert lossy.shown() == {"stale": "new", "missing": "new"}
    counts = {"table": "items", "candidates": 1, "rows": 0, "tombstones": 1, "kept": 0, "failures": {}}
    assert events(done.output) == [
        {"event": "sweeping", "load": world.load_id(), "is_done": False, **counts},
        {"event": "swept", "load": world.load_id(), "is_done": True, **counts},
    ]


def test_an_interrupted_sweep_goes_on_and_one_that_is_done_begins_anew(world, lossy, monkeypatch):
    world.live(insert(key("a ghost"), {"name": {"S": "old"}}))
    assert world.load().exit_code == OK

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    files = files_of(world)
    files.save_swept("items", Swept(position=("b",), candidates=7, rows=7))
    with monkeypatch.context() as patch:
        patch.setattr("dynapinot.load.sweep.sweep", interrupt)
        interrupted = sweep(world, lossy)
    assert interrupted.exit_code == FAILED
    again = f"dynapinot load sweep {files.id} --bucket dead-letters --trust-live-path --tables {world.tables}"
    assert f"what was sent is noted. Go on with: {again} --broker {lossy.url}" in interrupted.output
    assert sweep(world, lossy).exit_code == OK
    assert files.swept("items").candidates == 8
    assert "a ghost" in lossy.shown()
    assert sweep(world, lossy).exit_code == OK
    assert files.swept("items").candidates == 1
    assert lossy.shown() == {"stale": "new", "missing": "new"}


def test_rows_that_have_to_stay_are_a_finding(world, lossy):
    (world.tables / "items" / "source.toml").write_text('dynamodb_table = "app"\nttl_deletes = "keep"\n')
    world.put({**key("bad"), "price": {"S": "much"}})
    world.live(insert(key("bad"), {"name": {"S": "old"}}))
    assert world.load().exit_code == FOUND
    done = sweep(world, lossy)
    assert done.exit_code == FOUND, done.output
    assert "Swept items: 2 rows were older than the load; 0 are up to date now, 0 are deleted" in done.output
    assert "1 rows without an item stay" in done.output
    assert "1 rows stay as they were: type_mismatch 1" in done.output
    assert lossy.shown() == {"stale": "new", "missing": "new", "ghost": "old", "bad": "old"}


def test_the_summary_says_what_to_do_about_each_reason():
    swept = Swept(candidates=10, rows=1, tombstones=2, kept=3, failures={"foreign_key": 1, "type_mismatch": 3})
    first, kept, failed, foreign, others = summary("items", swept, again="dynapinot load sweep")
    assert first == "Swept items: 10 rows were older than the load; 1 are up to date now, 2 are deleted"
    assert kept.startswith("3 rows without an item stay: by ttl_deletes")
    assert failed == "4 rows stay as they were: foreign_key 1, type_mismatch 3"
    assert foreign.startswith("foreign_key: no item has such a key")
    assert others.endswith("Fix the cause, deploy, and sweep again: dynapinot load sweep")
    only = summary("items", msgspec.structs.replace(swept, kept=0, failures={"foreign_key": 1}), again="")
    assert len(only) == 3
    assert len(summary("items", Swept(), again="")) == 1


def without_the_source(world, pinot):
    (world.tables / "items" / "source.toml").unlink()


def without_a_broker(world, pinot):
    pinot.well = False


def as_they_are(world, pinot):
    pass


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (without_the_source, (), 'Write dynamodb_table = "app" there'),
        (without_a_broker, (), "is not well (503): wait until it is"),
        (as_they_are, ("--where", "attribute_exists(id)"), "the load has a filter"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_read(world, lossy, change, words, message):
    change(world, lossy)
    refused = world.load("--sweep", "--broker", lossy.url, *words)
    assert (refused.exit_code, message in refused.output) == (FAILED, True), refused.output
    assert world.files() == {}
    assert lossy.shown() == {"stale": "old", "ghost": "old"}


@pytest.mark.parametrize("words", [("--sweep",), ("--broker", "http://localhost:8099")], ids=lambda words: words[0])
def test_a_sweep_and_its_broker_are_given_together(world, words):
    refused = world.load(*words)
    assert (refused.exit_code, "Error: Give --sweep and --broker together" in refused.output) == (FAILED, True)


def test_a_load_that_is_not_done_is_not_swept(world, lossy, monkeypatch):
    monkeypatch.setattr("dynapinot.load.run.execute", lambda session, machine: OK)
    refused = world.load("--sweep", "--broker", lossy.url)
    assert refused.exit_code == FAILED
    assert (
        f"The load {world.load_id()} is not done, and so not swept. When it is: dynapinot load sweep" in refused.output
    )
    assert lossy.shown() == {"stale": "old", "ghost": "old"}


def test_another_load_of_the_table_has_to_end_first(world, lossy):
    assert world.load().exit_code == OK
    load = world.load_id()
    other = files_of(world, "20260101T000000Z-app")
    other.save(msgspec.structs.replace(files_of(world).plan(), id=other.id))
    files_of(world, "unreadable").save_json("plan.json", {})
    refused = sweep(world, lossy, load)
    assert refused.exit_code == FAILED
    assert f"The load {other.id} of app is not done" in refused.output
    assert f"or end it, dynapinot load stop {other.id} --bucket dead-letters. Then sweep" in refused.output
    other.save(Control(state="stop"))
    other.save_json(RUN, Run(place="here", host="elsewhere", pid=7, seen=time.time()))
    assert sweep(world, lossy, load).exit_code == FAILED  # it ends within seconds
    other.save_json(RUN, Run(place="here", host="elsewhere", pid=7, seen=time.time(), has_ended=True))
    assert sweep(world, lossy, load).exit_code == OK
    assert lossy.shown() == {"stale": "new", "missing": "new"}


def test_what_stops_a_sweep_says_how_to_go_on(world, lossy, monkeypatch):
    assert world.load().exit_code == OK

    def refuse(*_, **__):
        raise CommandError("Pinot is away")

    monkeypatch.setattr("dynapinot.load.sweep.sweep_table", refuse)
    refused = sweep(world, lossy)
    assert refused.exit_code == FAILED
    assert "Error: the sweep stopped: Pinot is away. Go on with: dynapinot load sweep" in refused.output
