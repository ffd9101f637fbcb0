"""Promises of the three commands of the seed: what they do in DynamoDB, and that they print what the seed prints."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from dynapinot.cli.app import app
from dynapinot.defaults import MEETUPS_TABLE
from dynapinot.demo.meetups import create_meetups_table

ROOT = Path(__file__).parents[3]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
ATTRIBUTES = {
    "meetup_id": "S",
    "mtime": "N",
    "meetup_name": "S",
    "venue_name": "S",
    "group_id": "N",
    "group_name": "S",
    "group_city": "S",
    "group_country": "S",
    "group_lat": "N",
    "group_lon": "N",
    "rsvp_count": "N",
}


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["demo", *arguments])
    assert result.exit_code == code, result.output
    return (result.stderr if code else result.stdout).splitlines()


def items(services, table=MEETUPS_TABLE):
    return services.dynamodb.scan(TableName=table)["Items"]


def publish_one():
    match = re.fullmatch(r"Publish item with meetup_id: (\S+) and mtime = (\d+)", run("publish", "--count", "1")[0])
    return match.groups()


@pytest.mark.usefixtures("meetups_stream")
def test_publish_prints_what_the_seed_prints(services):
    *published, end = run("publish")
    assert end == "DynamoDB insertion completed."
    line = re.compile(rf"Publish item with meetup_id: ({UUID}) and mtime = (1\d{{12}})")
    keys = {line.fullmatch(text).groups() for text in published}
    assert len(keys) == 10
    assert keys == {(item["meetup_id"]["S"], item["mtime"]["N"]) for item in items(services)}


@pytest.mark.usefixtures("meetups_stream")
def test_a_meetup_has_the_seed_s_attributes(services):
    run("publish", "--count", "1")
    (item,) = items(services)
    assert {name: tag for name, value in item.items() for tag in value} == ATTRIBUTES
    assert abs(Decimal(item["group_lat"]["N"])) <= 90
    assert abs(Decimal(item["group_lon"]["N"])) <= 180


@pytest.mark.usefixtures("meetups_stream")
@pytest.mark.parametrize("option", ["--meetup_id", "--meetup-id"])
def test_update_prints_what_the_seed_prints(services, option):
    meetup_id, mtime = publish_one()
    before = items(services)[0]
    said, attributes = run("update", option, meetup_id, "--mtime", mtime)
    (after,) = items(services)
    assert said == f"Updated item in DynamoDB with meetup_id: {meetup_id} and mtime: {mtime}"
    assert attributes.startswith("UpdatedAttributes: {")
    literal = re.sub(r"Decimal\('([^']+)'\)", r"'\1'", attributes.removeprefix("UpdatedAttributes: "))
    updated = ast.literal_eval(literal)
    assert set(updated) == {"venue_name", "rsvp_count", "group_lat", "group_lon"}
    assert "'rsvp_count': Decimal('" in attributes
    assert updated["venue_name"].startswith("Updated Venue ")
    assert {name: next(iter(after[name].values())) for name in updated} == updated
    assert {name: value for name, value in after.items() if name not in updated} == {
        name: value for name, value in before.items() if name not in updated
    }


@pytest.mark.usefixtures("meetups_stream")
def test_delete_prints_what_the_seed_prints(services):
    meetup_id, mtime = publish_one()
    assert run("delete", "--meetup_id", meetup_id, "--mtime", mtime) == [
        f"Deleted item with meetup_id: {meetup_id} and mtime: {mtime}"
    ]
    assert items(services) == []


@pytest.mark.usefixtures("meetups_stream")
@pytest.mark.parametrize("command", ["update", "delete"])
def test_a_meetup_that_is_not_there_is_an_error_and_none_is_made(services, command):
    assert run(command, "--meetup_id", "nobody", "--mtime", "1", code=2) == [
        "Error: There is no item with meetup_id: nobody and mtime: 1"
    ]
    assert items(services) == []


def test_another_table_can_be_named(services):
    create_meetups_table(services.dynamodb, "other")
    run("publish", "--table", "other", "--count", "2")
    assert len(items(services, "other")) == 2


@pytest.mark.parametrize(
    "arguments",
    [("publish",), ("update", "--meetup_id", "a", "--mtime", "1"), ("delete", "--meetup_id", "a", "--mtime", "1")],
)
def test_a_missing_table_is_reported_in_one_line(services, arguments):
    endpoint = services.environment["AWS_ENDPOINT_URL"]
    assert run(*arguments, code=2) == [
        f"Error: There is no table {MEETUPS_TABLE} in us-east-1 at {endpoint}: make it, or name another with --table"
    ]


def without_aws(monkeypatch, **variables):
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_missing_credentials_are_reported_in_one_line(monkeypatch):
    without_aws(monkeypatch, AWS_DEFAULT_REGION="us-east-1")
    assert run("publish", code=2) == [
        "Error: There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    ]


def test_a_missing_region_is_reported_in_one_line(monkeypatch):
    without_aws(monkeypatch)
    assert run("publish", code=2) == ["Error: There is no AWS region: give --region, or set AWS_DEFAULT_REGION"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Could not connect to the endpoint URL"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "Invalid endpoint: nonsense"),
        ({"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
    ],
)
def test_any_other_error_of_the_sdk_is_reported_in_one_line(monkeypatch, variables, said):
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    without_aws(monkeypatch, AWS_MAX_ATTEMPTS="1", **credentials, **variables)
    (line,) = run("publish", code=2)
    assert line.startswith(f"Error: {said}")


@pytest.mark.usefixtures("meetups_stream")
def test_a_refusal_by_dynamodb_is_reported_in_one_line(services):
    services.dynamodb.create_table(
        TableName="keyed-otherwise",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    (line,) = run("publish", "--table", "keyed-otherwise", code=2)
    assert line.startswith("Error: AWS refused PutItem: ValidationException: ")


def test_the_meetups_table_has_the_stream_a_replica_needs(services, meetups_stream):
    table = services.dynamodb.describe_table(TableName="pinot-ingestion-demo")["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("meetup_id", "HASH"),
        ("mtime", "RANGE"),
    ]
    assert table["LatestStreamArn"] == meetups_stream
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"


@pytest.mark.usefixtures("meetups_stream")
def test_the_scripts_of_the_seeds_names_do_the_same(services):
    def script(name, *arguments):
        command = [sys.executable, ROOT / "scripts" / f"{name}.py", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    published, end = script("publish_data", "--count", "1")
    assert end == "DynamoDB insertion completed."
    meetup_id, mtime = re.search(r"meetup_id: (\S+) and mtime = (\d+)", published).groups()
    key = ("--meetup_id", meetup_id, "--mtime", mtime)
    assert script("update_data", *key)[0] == f"Updated item in DynamoDB with meetup_id: {meetup_id} and mtime: {mtime}"
    assert script("delete_data", *key) == [f"Deleted item with meetup_id: {meetup_id} and mtime: {mtime}"]
    assert items(services) == []
