"""``dynapinot load --here`` against an embedded AWS: every item becomes its row, and what a person sees of it."""

from __future__ import annotations

import json

import pytest

from dynapinot.errors import FAILED, FOUND, OK

BIG = 404_000  # moto takes items of 405,000 bytes, where DynamoDB takes 400 KiB


def events(output):
    return [json.loads(line) for line in output.splitlines()]


def test_every_item_becomes_its_row_and_the_report_says_so(world):
    world.put_many(300, name={"S": "x"})
    done = world.load()
    assert done.exit_code == OK, done.output
    assert sorted(world.ids()) == sorted(f"item-{number}" for number in range(300))
    assert "Loaded app: 300 items, 300 rows in " in done.output
    assert "Assumed   Something replicates every change since the stream was enabled" in done.output
    files = world.files()
    assert sorted(files) == [
        "control.json",
        "plan.json",
        "report.json",
        "run.json",
        *(f"units/{n}.json" for n in range(4)),
    ]
    report = files["report.json"]
    assert (report["items"], report["rows"], report["done"], report["units"]) == (300, 300, 4, 4)
    assert (report["load"], report["table"], report["ignored"]) == (world.load_id(), "app", 0)
    assert report["read_units"] > 0
    assert files["run.json"]["has_ended"]


def test_a_row_has_a_time_before_the_load_so_it_loses_to_every_change_of_that_second(world):
    world.put({"id": {"S": "a"}})
    assert world.load().exit_code == OK
    (row,) = world.rows()
    assert row["changed"] == (world.files()["plan.json"]["began"] - 1) * 1000 - 1


def test_items_that_cannot_be_rows_are_dead_letters_that_a_redrive_makes_good(world):
    world.put({"id": {"S": "good"}}, {"id": {"S": "bad"}, "price": {"S": "much"}})
    done = world.load()
    assert done.exit_code == FOUND
    assert "1 items cannot be rows and are dead letters: type_mismatch 1" in done.output
    assert f"make them good: dynapinot redrive --bucket dead-letters --tables {world.tables}" in done.output
    assert world.ids() == ["good"]
    (letter,) = world.dead_letters()
    assert letter["reason"] == "type_mismatch"
    world.put({"id": {"S": "bad"}, "price": {"N": "3"}})
    assert world.command("redrive", "--tables", str(world.tables)).exit_code == OK
    assert [(row["id"], row["price"]) for row in world.rows()] == [("bad", 3)]


def test_items_as_large_as_dynamodb_takes_them_are_loaded(world):
    for number in range(6):
        item = {"id": {"S": f"{number}"}, "name": {"S": "x" * BIG}}
        world.services.dynamodb.put_item(TableName="app", Item=item)
    done = world.load("--share", "1")
    assert done.exit_code == FOUND  # longer than the 512 characters that the column takes
    assert "Loaded app: 6 items, 0 rows" in done.output
    schema = world.tables / "items" / "schema.json"
    document = json.loads(schema.read_text())
    document["dimensionFieldSpecs"][1]["maxLengthExceedStrategy"] = "NO_ACTION"
    schema.write_text(json.dumps(document))
    assert world.load("--share", "1").exit_code == OK
    assert {len(row["name"]) for row in world.rows()} == {BIG}


def test_an_estimate_changes_nothing(world):
    world.put_many(3)
    shown = world.command("load", "--table", "app", "--estimate")
    assert shown.exit_code == OK
    assert "Table     app: 3 items" in shown.output
    assert (world.files(), world.rows()) == ({}, [])


def test_an_estimate_is_json_for_scripts(world):
    world.put_many(3)
    (event,) = events(world.command("load", "--table", "app", "--estimate", "--json").output)
    assert (event["event"], event["items"], event["rows"], event["workers"]) == ("estimate", 3, 3, 4)
    assert event["assumed"] == [
        "Something replicates every change since the stream was enabled: no function was looked at"
    ]


@pytest.mark.parametrize(("answer", "rows"), [(True, 3), (False, 0)])
def test_the_operator_is_asked(world, monkeypatch, answer, rows):
    world.put_many(3)
    monkeypatch.setattr("dynapinot.cli.load._can_ask", lambda: True)
    done = world.command("load", "--table", "app", "--here", input="y\n" if answer else "n\n")
    assert done.exit_code == OK
    assert "Load? [y/N]:" in done.output
    assert len(world.rows()) == rows
    assert ("Nothing was done" in done.output) is not answer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--here",), "Nobody can be asked here: look at --estimate, then give --yes"),
        (("--yes",), "Give --here to load in this process, or --stack to load in the stack"),
        (("--here", "--yes", "--price-file", "none.toml"), "none.toml: the prices cannot be read"),
        (("--here", "--yes", "--where", "no ("), "AWS refused Scan: ValidationException"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(world, words, message):
    world.put_many(3)
    refused = world.command("load", "--table", "app", *words)
    assert refused.exit_code == FAILED
    assert f"Error: {message}" in refused.output
    assert (world.files(), world.rows()) == ({}, [])


def test_a_bucket_that_is_not_there_is_refused(world):
    refused = world.command("load", "--table", "app", "--here", "--yes", bucket="other")
    assert refused.exit_code == FAILED
    assert "Error: The bucket other is not there, or may not be seen (404): fix --bucket" in refused.output


def test_a_place_without_a_function_has_to_be_trusted(world):
    refused = world.command("load", "--here", "--yes", trusted=False)
    assert refused.exit_code == FAILED
    assert "Give --stack, or the --function that replicates the table's changes, or --trust-live-path" in refused.output


def test_only_what_matches_is_loaded(world):
    world.put_many(10)
    world.put({"id": {"S": "x"}, "status": {"S": "open"}})
    done = world.load(
        "--where", "#s = :s", "--where-names", '{"#s": "status"}', "--where-values", '{":s": {"S": "open"}}'
    )
    assert done.exit_code == OK, done.output
    assert world.ids() == ["x"]
    assert world.files()["report.json"]["items"] == 1


def test_json_has_an_event_for_each_step(world):
    world.put_many(3)
    found = events(world.load("--json").output)
    assert [each["event"] for each in found] == ["estimate", "started", "progress", "done"]
    assert {each["load"] for each in found[1:]} == {world.load_id()}
    assert found[2].keys() >= {"items", "rows", "rows_per_second", "seconds_left", "dollars", "dead_letters", "state"}
    assert (found[3]["rows"], found[3]["done"]) == (3, 4)


def test_the_first_read_waits_until_the_live_path_is_old_enough(world, monkeypatch):
    slept = []
    monkeypatch.setattr("dynapinot.load.run.time.sleep", slept.append)
    times = iter([0, 0, 10**10])
    monkeypatch.setattr("dynapinot.load.run.dynamodb_time", lambda aws, table: next(times))
    monkeypatch.setattr("dynapinot.load.run.execute", lambda session, machine: OK)
    done = world.load()
    assert done.exit_code == OK, done.output
    assert len(slept) == 1
    assert slept[0] > 1_000
    assert "the first read has to be 1 s after live changes began to come" in done.output
    assert world.files()["plan.json"]["began"] == 10**10


def test_an_unfinished_load_is_gone_on_with_or_replaced(world, monkeypatch):
    world.put_many(3)
    with monkeypatch.context() as patch:
        patch.setattr("dynapinot.load.run.execute", lambda session, machine: OK)
        assert world.load().exit_code == OK
    load = world.load_id()
    refused = world.load()
    assert refused.exit_code == FAILED
    assert f"The load {load} of app is not done: go on with dynapinot load resume {load} --bucket" in refused.output
    assert world.load("--new").exit_code == OK
    assert len(world.rows()) == 3
    assert world.load().exit_code == OK  # of a finished one it is not said
