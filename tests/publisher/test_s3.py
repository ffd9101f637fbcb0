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


def letters(count):
    return [Entry(f"letters/{position}", f"{position}".encode(), position) for position in range(count)]


def test_every_object_is_stored_under_its_key_over_what_stands_there(client):
    client.create_bucket(Bucket="dead")
    for _ in range(2):
        assert store(letters(40), putter(client, "dead"), remaining=always) == (None, None)
    stored = {
        each["Key"]: client.get_object(Bucket="dead", Key=each["Key"])["Body"].read()
        for each in client.list_objects_v2(Bucket="dead")["Contents"]
    }
    assert stored == {entry.key: entry.data for entry in letters(40)}


def test_a_missing_bucket_is_told_with_the_first_position(client):
    assert store(letters(3), putter(client, "nix"), remaining=always) == (0, "NoSuchBucket")


def test_no_connection_is_told_like_any_failure():
    class Unreachable:
        def put_object(self, **_):
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1")

    assert store(letters(1), putter(Unreachable(), "dead"), remaining=always) == (0, "EndpointConnectionError")


def test_the_first_failure_ends_it():
    seen, lock = set(), threading.Lock()

    def put(entry):
        with lock:
            seen.add(entry.position)
        return "Down" if entry.position in (20, 25) else None

    assert store(letters(100), put, remaining=always) == (20, "Down")
    assert set(range(21)) <= seen <= set(range(2 * PARALLEL_PUTS))


def test_no_more_are_begun_when_the_time_is_up():
    assert store(letters(100), lambda _: None, remaining=lambda: 0.0) == (PARALLEL_PUTS, "OutOfTime")


def test_nothing_to_store_is_stored():
    assert store([], lambda _: "never called", remaining=always) == (None, None)
