"""``dynapinot gap --from … --to …`` against an embedded AWS, a fake of the exports and a fake Pinot."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from dynapinot.aws import Aws
from dynapinot.errors import FAILED, FOUND, OK
from dynapinot.load.session import execute
from export_writer import DynamoDBFake, change_line
from pinot_fake import Pinot, result, running

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/app"
EXPORTS = ("export_table_to_point_in_time", "describe_export", "describe_continuous_backups")
NOW = int(time.time())
DAY = 86_400
BEGIN, END = NOW - 3 * DAY, NOW - 2 * DAY
WINDOWS = [(BEGIN - 300, BEGIN - 300 + DAY), (BEGIN - 300 + DAY - 602, END + 301)]


class Both:
    """A client of which the fake answers what is about exports."""

    def __init__(self, real, fake):
        self.real, self.fake = real, fake

    def __getattr__(self, name):
        return getattr(self.fake if name in EXPORTS else self.real, name)


def changes(begin, end):
    """What became of three items; the second window has one line only."""
    lines = [
        change_line({"id": {"S": "a"}}, {"id": {"S": "a"}, "name": {"S": "new"}}, {"id": {"S": "a"}}),
        change_line({"id": {"S": "b"}}, None, {"id": {"S": "b"}}),
        change_line({"id": {"S": "c"}}, {"id": {"S": "c"}}),
    ]
    return lines if begin == WINDOWS[0][0] else lines[:1]


@pytest.fixture
def fake(world, monkeypatch):
    fake = DynamoDBFake(list, world.services.s3, read_changes=changes, table_arn=ARN, earliest=NOW - 30 * DAY, files=2)
    make = Aws.client

    def client(self, service, region=None):
        made = make(self, service, region)
        return Both(made, fake) if service == "dynamodb" else made

    from load.export.request import wait_for_export  # noqa: PLC0415

    monkeypatch.setattr(Aws, "client", client)
    monkeypatch.setattr("dynapinot.load.preconditions._stream_began", lambda *_: NOW - 20 * DAY)
    monkeypatch.setattr(
        "dynapinot.gap.run.wait_for_export",
        lambda client, arn, *, sleep, remaining: wait_for_export(
            client, arn, sleep=lambda _: None, remaining=remaining
        ),
    )
    (world.tables / "items" / "source.toml").write_text('dynamodb_table = "app"\n')
    return fake


@pytest.fixture
def pinot():
    with running(Pinot()) as pinot:
        pinot.answers['"id" > '] = result(["id"], ["STRING"], [])
        pinot.answers["SELECT"] = result(["id"], ["STRING"], [["ghost"]])
        pinot.statistics["minConsumingFreshnessTimeMs"] = (NOW + 3600) * 1000
        yield pinot


@pytest.fixture
def gap(world, fake, pinot):
    def gap_(*words, begin=BEGIN, end=END, here=("--here", "--yes"), **options):
        times = [datetime.fromtimestamp(each, UTC).isoformat() for each in (begin, end)]
        given = ["gap", "--from", times[0], "--to", times[1], "--broker", pinot.url, "--tables", str(world.tables)]
        return world.command(*given, "--trust-live-path", *here, *words, **options)

    return gap_


def test_what_changed_becomes_rows_and_tombstones_and_what_is_left_is_swept(world, fake, gap):
    done = gap()
    assert done.exit_code == OK, done.output
    rows = {(row["id"], row["deleted"], row["changed"]) for row in world.rows()}
    times = [(end - 300) * 1000 - 1 for _, end in WINDOWS]
    (swept,) = (row for row in rows if row[0] == "ghost")
    assert rows - {swept} == {("a", False, times[0]), ("b", True, times[0]), ("c", False, times[0])} | {
        ("a", False, times[1])
    }
    assert swept[1]
    assert -10_000 < swept[2] - time.time() * 1000 < 0
    assert "Exports   2, from " in done.output
    assert "Swept items: 1 rows were of the gap's time; 0 are up to date now, 1 are deleted" in done.output
    asked = [each["IncrementalExportSpecification"] for name, each in fake.requests if name.startswith("Export")]
    assert [(each["ExportFromTime"].timestamp(), each["ExportToTime"].timestamp()) for each in asked] == WINDOWS
    files = world.files()
    assert files["sweep/items.json"]["is_done"]
    assert (files["gap.json"]["begin"], files["gap.json"]["end"]) == (BEGIN, END)
    assert [window["end"] for window in files["plan.json"]["reader"]["windows"]] == [end for _, end in WINDOWS]


def test_the_sweep_asks_for_rows_of_the_gaps_time(gap, pinot):
    assert gap().exit_code == OK
    sql = next(body["sql"] for *_, body in pinot.requests if body)
    first, last = (WINDOWS[0][0] - 300) * 1000, (WINDOWS[1][1] - 300) * 1000 - 1
    assert f'"changed" >= {first} AND "changed" < {last}' in sql


def test_a_gap_that_was_repaired_is_repaired_again_only_if_it_is_wanted(gap):
    assert gap().exit_code == OK
    refused = gap()
    assert refused.exit_code == FAILED
    assert "This gap was repaired by" in refused.output
    assert gap("--new").exit_code == OK


def test_the_same_command_goes_on_with_the_exports_it_asked_for(world, fake, gap):
    fake._failure = ("X", "nothing")
    failed = gap()
    assert failed.exit_code == FAILED
    assert "X: nothing" in failed.output
    fake._failure = None
    done = gap()
    assert done.exit_code == OK, done.output
    assert f"Going on with {world.load_id()}" in done.output
    assert [name for name, _ in fake.requests].count("ExportTableToPointInTime") == 2


def test_the_same_command_goes_on_with_the_load_and_with_the_sweep(world, gap, pinot, monkeypatch):
    monkeypatch.setattr("dynapinot.gap.run.execute", lambda session, machine: FAILED)
    stopped = gap()
    assert stopped.exit_code == FAILED
    assert "is not done, and so not swept. When it is: dynapinot load sweep" in stopped.output
    monkeypatch.setattr("dynapinot.gap.run.execute", execute)
    pinot.statistics["partialResult"] = True
    unswept = gap()
    assert unswept.exit_code == FAILED
    assert "Pinot's answer is incomplete" in unswept.output
    assert len(world.rows()) == 4
    pinot.statistics["partialResult"] = False
    assert gap().exit_code == OK
    assert world.ids() == ["ghost"]


def test_a_load_that_somebody_worked_on_is_resumed(world, gap, monkeypatch):
    from dynapinot.load.state import RUN, own_run  # noqa: PLC0415

    def begun(session, machine):
        session.files.save_json(RUN, own_run(0.0, has_ended=True))
        return FAILED

    monkeypatch.setattr("dynapinot.gap.run.execute", begun)
    assert gap().exit_code == FAILED
    done = gap()
    assert done.exit_code == OK, done.output
    assert len(world.rows()) == 5


def test_another_load_has_to_end_before_a_sweep(world, gap, monkeypatch):
    monkeypatch.setattr("dynapinot.load.run.execute", lambda session, machine: OK)
    monkeypatch.setattr("dynapinot.gap.run.dynamodb_time", lambda *_: int(time.time()) + 60)  # not the load's second
    assert world.load().exit_code == OK
    refused = gap()
    assert refused.exit_code == FAILED
    assert f"The load {world.load_id()} of app is not done" in refused.output


def test_the_last_export_is_waited_for_until_its_end_is_past(gap, monkeypatch):
    slept = []
    times = iter([NOW, NOW, NOW + 400, NOW + 400])
    monkeypatch.setattr("dynapinot.gap.run.dynamodb_time", lambda aws, table: next(times))
    monkeypatch.setattr("dynapinot.gap.run.time.sleep", slept.append)
    monkeypatch.setattr("dynapinot.gap.run.execute", lambda session, machine: OK)
    done = gap(begin=NOW - 2 * 3600, end=NOW)
    assert "is not done, and so not swept" in done.output
    assert "Waiting 5 min 1 s: the last export ends 300 s after --to" in done.output
    assert slept == [301]


def test_tables_that_keep_deletes_are_repaired_without_tombstones_and_say_so(world, gap):
    (world.tables / "items" / "source.toml").write_text('dynamodb_table = "app"\nttl_deletes = "keep"\n')
    done = gap()
    assert done.exit_code == FOUND, done.output
    assert {(row["id"], row["deleted"]) for row in world.rows()} == {("a", False), ("c", False)}
    assert "Stays     rows of items that were deleted" in done.output
    assert "1 rows without an item stay" in done.output


def test_rows_that_cannot_be_swept_are_told_and_found(world, gap):
    world.put({"id": {"S": "ghost"}, "price": {"S": "much"}})
    done = gap()
    assert done.exit_code == FOUND
    assert "1 rows stay as they were: type_mismatch 1" in done.output


def test_json_has_an_event_for_each_step(gap):
    found = [json.loads(line) for line in gap("--json").output.splitlines()]
    assert [each["event"] for each in found][-3:] == ["done", "sweeping", "swept"]
    assert found[-1]["tombstones"] == 1


def test_the_operator_is_asked(world, gap, monkeypatch):
    monkeypatch.setattr("dynapinot.cli.load._can_ask", lambda: True)
    asked = gap(here=("--here",), input="n\n")
    assert asked.exit_code == OK
    assert "Repair the gap? [y/N]:" in asked.output
    assert "Nothing was done" in asked.output
    assert world.files() == {}
    assert gap(here=("--here",), input="y\n").exit_code == OK


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"begin": END, "end": BEGIN}, "--from is not before --to"),
        ({"end": NOW + 3600}, "--to is in the future: give a time before"),
        ({"begin": NOW - 25 * DAY, "end": NOW - 21 * DAY}, "The table's stream began at"),
        ({"here": ("--here",)}, "Nobody can be asked here: give --yes"),
        ({"here": ("--yes",)}, "Give --here to work in this process, or --stack to work in the stack"),
    ],
)
def test_what_cannot_be_repaired_is_refused_in_one_line(world, gap, options, message):
    refused = gap(**options)
    assert refused.exit_code == FAILED
    assert f"Error: {message}" in refused.output
    assert world.files() == {}


@pytest.mark.parametrize("reach", ["is off", "reaches back to "])
def test_without_recovery_over_the_whole_gap_a_load_and_a_sweep_are_proposed(fake, gap, reach):
    fake.recovery, fake.earliest = reach != "is off", BEGIN
    refused = gap()
    assert refused.exit_code == FAILED
    assert f"Point-in-time recovery of app {reach}" in refused.output
    assert "sweep: dynapinot load --bucket dead-letters --table app --sweep --broker …" in refused.output


def test_a_table_that_cannot_be_swept_is_refused(world, gap):
    (world.tables / "items" / "source.toml").write_text("")
    refused = gap("--table", "app")
    assert refused.exit_code == FAILED
    assert "the table items cannot be swept" in refused.output


def test_a_table_that_forgets_keys_is_refused(world, gap):
    config = world.tables / "items" / "table.json"
    document = json.loads(config.read_text())
    document["upsertConfig"]["metadataTTL"] = DAY
    config.write_text(json.dumps(document))
    refused = gap()
    assert refused.exit_code == FAILED
    assert "with upsertConfig.metadataTTL, Pinot forgets the keys of items" in refused.output


def add_table(world, source):
    """A second Pinot table of the same DynamoDB table."""
    other = world.tables / "others"
    other.mkdir()
    for name, change in (("schema.json", {"schemaName": "others"}), ("table.json", {"tableName": "others"})):
        document = json.loads((world.tables / "items" / name).read_text())
        (other / name).write_text(json.dumps(document | change).replace('"items-stream"', '"others-stream"'))
    (other / "source.toml").write_text(source)
    world.services.kinesis.create_stream(StreamName="others-stream", ShardCount=1)


def test_a_table_that_is_swept_is_not_swept_again(world, gap, pinot):
    add_table(world, 'dynamodb_table = "app"\n')
    pinot.answers = {'FROM "others"': [{"errorCode": 250, "message": "timed out"}], **pinot.answers}
    assert gap().exit_code == FAILED
    assert len(world.rows()) == 5
    pinot.answers['FROM "others"'] = result(["id"], ["STRING"], [])
    done = gap()
    assert done.exit_code == OK, done.output
    assert "Swept others: 0 rows" in done.output
    assert world.rows() == []


def test_tables_that_differ_in_what_they_keep_are_repaired_one_by_one(world, gap):
    add_table(world, 'dynamodb_table = "app"\nttl_deletes = "keep"\n')
    refused = gap()
    assert refused.exit_code == FAILED
    assert "repair them one after the other, with --only" in refused.output
    assert gap("--only", "items").exit_code == OK


def test_an_export_that_is_not_the_one_that_was_asked_for_is_refused(gap, monkeypatch):
    from dataclasses import replace  # noqa: PLC0415

    from dynapinot.load import exporting  # noqa: PLC0415

    read = exporting.read
    monkeypatch.setattr(exporting, "read", lambda *a, **o: replace(read(*a, **o), has_old_images=False))
    refused = gap()
    assert refused.exit_code == FAILED
    assert "is not the export that was asked for: begin anew with --new" in refused.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Give --find, or --from and --to"),
        (("--from", "2026-03-01T08:00:00Z"), "Give --find, or --from and --to"),
        (("--from", "2026-03-01T08:00:00", "--to", "x"), "is no time with its zone"),
        (("--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"), "Give the --broker"),
    ],
)
def test_what_is_missing_is_named(world, words, message):
    refused = world.command("gap", "--tables", str(world.tables), *words)
    assert refused.exit_code == FAILED
    assert message in refused.output
