"""A load from an export to S3: asked for and waited for, or one that is there."""

from __future__ import annotations

import pytest

from dynapinot.aws import Aws
from dynapinot.errors import FAILED, OK
from export_writer import DynamoDBFake, full_export, incremental_export, item_line, put

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/app"
ITEMS = [{"id": {"S": f"item-{number}"}} for number in range(30)]
EXPORTS = ("export_table_to_point_in_time", "describe_export")


class Both:
    """A client of which the fake answers what is about exports."""

    def __init__(self, real, fake):
        self.real, self.fake = real, fake

    def __getattr__(self, name):
        return getattr(self.fake if name in EXPORTS else self.real, name)


@pytest.fixture
def exports(world, monkeypatch):
    """Let the world's table be exported; its stream is older than the margin of an export."""
    fake = DynamoDBFake(lambda: ITEMS, world.services.s3, table_arn=ARN)
    make = Aws.client

    def client(self, service, region=None):
        made = make(self, service, region)
        return Both(made, fake) if service == "dynamodb" else made

    monkeypatch.setattr(Aws, "client", client)
    ahead = lambda aws, table: NOW_S  # noqa: E731
    monkeypatch.setattr("dynapinot.load.run.dynamodb_time", ahead)
    monkeypatch.setattr("dynapinot.load.exporting.wait_for_export", waits_briefly())
    return fake


NOW_S = 2_000_000_000


def waits_briefly():
    from load.export.request import wait_for_export  # noqa: PLC0415

    return lambda client, arn, *, sleep, remaining: wait_for_export(
        client, arn, sleep=lambda _: None, remaining=remaining
    )


def export_there(world, *, at=NOW_S, write=full_export, arn=ARN, **times):
    times = times or {"export_ms": at * 1000}
    written = write([[item_line(item) for item in ITEMS]], table_arn=arn, bucket="dead-letters", **times)
    put(world.services.s3, "dead-letters", written.objects)
    return f"s3://dead-letters/{written.folder}/"


def test_an_export_is_asked_for_and_loaded(world, exports):
    done = world.load("--from", "export")
    assert done.exit_code == OK, done.output
    assert sorted(world.ids()) == sorted(item["id"]["S"] for item in ITEMS)
    operation, asked = exports.requests[0]
    assert operation == "ExportTableToPointInTime"
    plan = world.files("plan.json")["plan.json"]
    assert (asked["ExportTime"].timestamp(), plan["began"]) == (NOW_S, NOW_S)
    assert (asked["S3Prefix"], asked["ClientToken"]) == (f"loads/{plan['id']}", plan["id"])
    assert (plan["reader"]["second"], plan["reader"]["files"], plan["items"]) == (NOW_S - 300, 4, 30)
    assert "Reads     an export to S3" in done.output
    assert f"then load it with --from s3://dead-letters/loads/{plan['id']}/AWSDynamoDB/" in done.output


def test_its_rows_have_the_time_of_the_export_less_the_margin(world, exports):
    assert world.load("--from", "export").exit_code == OK
    assert {row["changed"] for row in world.rows()} == {(NOW_S - 300) * 1000 - 1}


def test_an_export_waits_until_the_live_path_is_old_enough(world, exports, monkeypatch):
    slept, times = [], iter([0, 0, NOW_S])
    monkeypatch.setattr("dynapinot.load.run.dynamodb_time", lambda aws, table: next(times))
    monkeypatch.setattr("dynapinot.load.run.time.sleep", slept.append)
    done = world.load("--from", "export")
    assert done.exit_code == OK, done.output
    assert len(slept) == 1
    assert "the first read has to be 300 s after live changes began to come" in done.output


def test_an_export_that_is_there_is_loaded(world, exports):
    done = world.load("--from", export_there(world))
    assert done.exit_code == OK, done.output
    assert len(world.rows()) == 30
    assert exports.requests == []
    assert world.files("report.json")["report.json"]["items"] == 30


def test_of_an_old_export_it_is_assumed_that_changes_were_replicated(world, exports, monkeypatch):
    url = export_there(world)
    monkeypatch.setattr("dynapinot.load.run.dynamodb_time", lambda aws, table: NOW_S + 86_400)
    done = world.load("--from", url)
    assert "Assumed   The function has replicated every change since the export" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"write": incremental_export, "from_ms": 1, "to_ms": NOW_S * 1000}, "a load needs a full export"),
        ({"arn": ARN + "s"}, f"is of {ARN}s, and not of {ARN}"),
        ({"at": 1_700_000_000}, "s too old: not all changes after it were replicated"),
    ],
    ids=["incremental", "other table", "old"],
)
def test_an_export_that_cannot_be_loaded_is_refused(world, exports, options, message):
    refused = world.load("--from", export_there(world, **options))
    assert refused.exit_code == FAILED
    assert message in refused.output
    assert world.rows() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "s3://x/y"), "s3://x/y is not the folder of an export"),
        (("--from", "s3://dead-letters/AWSDynamoDB/1-a"), "holds no export"),
        (("--from", "export", "--where", "a"), "--where is for a Scan"),
    ],
)
def test_what_is_no_export_is_refused(world, exports, words, message):
    refused = world.load(*words)
    assert (refused.exit_code, message in refused.output) == (FAILED, True)


def test_an_export_that_dynamodb_refuses_says_what_to_do(world, exports):
    exports.recovery = False
    refused = world.load("--from", "export")
    assert refused.exit_code == FAILED
    assert "an export needs point-in-time recovery, which is off" in refused.output
    assert "aws dynamodb update-continuous-backups" in refused.output
    assert world.files() == {}
