from __future__ import annotations

import threading

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from publisher.entry import Entry
from publisher.s3 import PARALLEL_PUTS, putter, store


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


def always():
    return 1.0


def dead_letters(count):
    return [Entry(f"dead-letters/{position}", f"{position}".encode(), position) for position in range(count)]


def test_every_object_is_stored_under_its_key_and_overwrites_an_earlier_one(client):
    client.create_bucket(Bucket="dead")
    for _ in range(2):
        assert store(dead_letters(40), putter(client, "dead"), remaining=always) == (None, None)
    stored = {
        each["Key"]: client.get_object(Bucket="dead", Key=each["Key"])["Body"].read()
        for each in client.list_objects_v2(Bucket="dead")["Contents"]
    }
    assert stored == {entry.key: entry.data for entry in dead_letters(40)}


def test_a_missing_bucket_is_reported_with_the_first_position(client):
    assert store(dead_letters(3), putter(client, "nix"), remaining=always) == (0, "NoSuchBucket")


def test_a_connection_error_is_reported_like_any_other_failure():
    class Unreachable:
        def put_object(self, **_):
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1")

    assert store(dead_letters(1), putter(Unreachable(), "dead"), remaining=always) == (0, "EndpointConnectionError")


def test_nothing_is_stored_after_the_first_failure():
    seen, lock = set(), threading.Lock()

    def put(entry):
        with lock:
            seen.add(entry.position)
        return "Down" if entry.position in (20, 25) else None

    assert store(dead_letters(100), put, remaining=always) == (20, "Down")
    assert set(range(21)) <= seen <= set(range(2 * PARALLEL_PUTS))


def test_no_object_is_stored_when_the_time_is_up():
    """A request may take 10 s. One that begins when the rows have used up the time would outlive the function."""
    put = []
    assert store(dead_letters(1), put.append, remaining=lambda: 0.0) == (0, "OutOfTime")
    left = iter((1.0, 0.0))
    assert store(dead_letters(100), put.append, remaining=lambda: next(left)) == (PARALLEL_PUTS, "OutOfTime")
    assert len(put) == PARALLEL_PUTS


def test_an_empty_list_is_stored_without_a_call():
    assert store([], lambda _: "never called", remaining=always) == (None, None)
