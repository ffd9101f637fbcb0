"""The operator's side of the sweep: Pinot's broker over HTTP, DynamoDB and Kinesis by moto."""

from __future__ import annotations

import json
import time

import boto3
import pytest
from moto import mock_aws

from dynapinot.errors import CommandError
from dynapinot.load import sweep as load_sweep
from dynapinot.load.sweep import Sweeping, sweep_table
from dynapinot.pinot_server import Broker
from files import CONFIG, SCHEMA, table
from function import set_environment
from load.plan import Plan, PlannedTable, ScanReader, Swept
from load.sweep import sweep_of
from pinot_fake import Pinot, result, running
from publisher.order import Limits

LATER_MS = (int(time.time()) + 3600) * 1000  # caught up, whatever the load's end
TABLE = table(SCHEMA, CONFIG, {"dynamodb_table": "meetups"})


@pytest.fixture
def pinot():
    with running(Pinot()) as fake:
        fake.answers['"id" > '] = result(["id"], ["STRING"], [])
        fake.answers["SELECT"] = result(["id"], ["STRING"], [["a"], ["b"]])
        fake.statistics["minConsumingFreshnessTimeMs"] = LATER_MS
        yield fake


@pytest.fixture
def kinesis(monkeypatch, tmp_path):
    set_environment(monkeypatch, tmp_path)
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(
            TableName="meetups",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        dynamodb.put_item(TableName="meetups", Item={"id": {"S": "a"}, "name": {"S": "one"}})
        client = boto3.client("kinesis", region_name="eu-west-1")
        client.create_stream(StreamName="items-stream", ShardCount=1)
        yield client


@pytest.fixture
def slept(monkeypatch):
    """The pauses, which take no time; the time goes on by a second."""
    pauses, elapsed = [], 0.0
    monotonic, now = time.monotonic, time.time

    def sleep(seconds):
        nonlocal elapsed
        pauses.append(seconds)
        elapsed += max(seconds, 1)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + elapsed)
    monkeypatch.setattr(load_sweep.time, "time", lambda: now() + elapsed)
    return pauses


def swept(pinot, of=TABLE, **options):
    began = int(time.time()) - 60
    plan = Plan(
        id="load",
        table="meetups",
        region="us-east-1",
        keys=("id",),
        began=began,
        tables={"items": PlannedTable(files="", shards=1)},
        reader=ScanReader(segments=1, margin=1),
        workers=1,
    )
    task = sweep_of(plan, of, [of], {"id": "S"}, 10_000)
    defaults = {"loaded": began + 30.0, "lag": lambda: 0.0, "state": Swept(), "save": lambda _: None}
    sweeping = Sweeping(broker=Broker(pinot.url), items_per_second=1000)
    return sweep_table(task, sweeping, plan=plan, limits=Limits(), **{**defaults, **options})


def published(kinesis):
    shard = kinesis.get_shard_iterator(
        StreamName="items-stream", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )
    return [json.loads(each["Data"]) for each in kinesis.get_records(ShardIterator=shard["ShardIterator"])["Records"]]


def test_what_pinot_has_from_before_the_load_becomes_what_dynamodb_has(pinot, kinesis):
    saved = []
    done = swept(pinot, save=saved.append)
    assert done == Swept(position=("b",), is_done=True, candidates=2, rows=1, tombstones=1)
    assert [each.is_done for each in saved] == [False, True]
    rows = {row["id"]: row for row in published(kinesis)}
    assert (rows["a"]["name"], rows["a"]["deleted"], rows["b"]["deleted"]) == ("one", False, True)
    assert all(-10_000 < row["changed"] - time.time() * 1000 < 0 for row in rows.values())


def test_a_sweep_goes_on_from_a_kept_state(pinot, kinesis):
    state = Swept(position=("b",), candidates=2, rows=2)
    assert swept(pinot, state=state) == Swept(position=("b",), is_done=True, candidates=2, rows=2)
    assert published(kinesis) == []


def test_a_sweep_waits_until_pinot_has_consumed_the_load(pinot, kinesis, slept):
    answers = iter([int(time.time()) * 1000, LATER_MS, LATER_MS])
    broker_response = pinot.answer

    def answer(*arguments):
        pinot.statistics["minConsumingFreshnessTimeMs"] = next(answers)
        return broker_response(*arguments)

    pinot.answer = answer
    assert swept(pinot).candidates == 2
    assert slept[0] == 1.0


def test_a_sweep_waits_until_the_live_path_has_delivered_what_is_older_than_the_load(pinot, kinesis, slept):
    lags = iter([3600.0, 61.0, 55.0, 5.0])
    assert swept(pinot, lag=lambda: next(lags)).is_done
    assert next(lags, None) is None
    assert slept[:3] == [1.0, 1.0, 1.0]
    assert swept(pinot, lag=lambda: None).is_done


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ({"minConsumingFreshnessTimeMs": 1_000}, "Pinot has not consumed the stream of items to its end"),
        ({"minConsumingFreshnessTimeMs": 0}, "Pinot does not say how far it has consumed the stream of items"),
        ({"numGroupsLimitReached": True}, "Pinot's answer is incomplete: there are more groups"),
        ({"partialResult": True}, "Pinot's answer is incomplete: Pinot calls it partial"),
    ],
)
def test_an_answer_that_may_lack_rows_is_an_error(pinot, kinesis, slept, statistics, message):
    pinot.statistics |= statistics
    with pytest.raises(CommandError, match=message):
        swept(pinot)
    assert published(kinesis) == []


def test_an_exception_of_pinot_is_an_error(pinot, kinesis):
    pinot.answers = {"SELECT": [{"errorCode": 250, "message": "timed out"}]}
    with pytest.raises(CommandError, match="says 250: timed out"):
        swept(pinot)


def test_a_live_path_that_stays_behind_is_an_error(pinot, kinesis, slept):
    with pytest.raises(
        CommandError, match="has changes of meetups left that are older than the load, the oldest of 3600 s"
    ):
        swept(pinot, lag=lambda: 3600.0)
    assert len(slept) == load_sweep.WAIT_SECONDS


def test_a_stream_that_is_not_there_is_an_error(pinot, kinesis, monkeypatch):
    monkeypatch.setattr("dynapinot.publishing.SECONDS_FOR_ROWS", 0.0)
    kinesis.delete_stream(StreamName="items-stream")
    with pytest.raises(CommandError, match="items-stream"):
        swept(pinot)
