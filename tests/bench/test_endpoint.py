"""The local Kinesis responds as Kinesis does, over TLS, and counts requests and records."""

from __future__ import annotations

import os
import time
from contextlib import closing
from http.client import HTTPSConnection

import boto3
import pytest
from botocore.exceptions import ClientError

from bench.client import bodies_of, post_all, put_all
from bench.decode import tables_of
from bench.endpoint import endpoint
from bench.product import connect, decode
from bench.shapes import SHAPES
from dynapinot.local.services import LOOPBACK


@pytest.fixture(scope="module")
def kinesis():
    with endpoint() as started:
        yield started


@pytest.fixture
def received(kinesis):
    """Counts the requests and records since the test began."""
    before = kinesis.counts()

    def since():
        now = kinesis.counts()
        return {name: now[name] - before[name] for name in ("requests", "records")}

    return since


@pytest.fixture
def client(kinesis):
    made = boto3.client("kinesis", region_name="us-east-1")
    yield made
    made.close()


def rows(count):
    return [(f"key {number}", b'{"PartitionKey": 1}' * 10) for number in range(count)]


def test_the_sdk_gets_a_sequence_number_of_56_digits_for_each_record(client):
    records = [{"Data": data, "PartitionKey": key} for key, data in rows(3)]
    responses = [client.put_records(StreamName="s", Records=records) for _ in range(2)]
    assert [response["FailedRecordCount"] for response in responses] == [0, 0]
    numbers = [record["SequenceNumber"] for response in responses for record in response["Records"]]
    assert numbers == sorted(set(numbers))
    assert {len(number) for number in numbers} == {56}


def test_every_client_puts_all_rows_in_the_fewest_possible_requests(kinesis, client, received):
    put_all(client, "s", rows(1_200))
    assert received() == {"requests": 3, "records": 1_200}
    with closing(HTTPSConnection(LOOPBACK, kinesis.port, context=kinesis.trust())) as connection:
        post_all(connection, bodies_of("s", rows(1_200)))
        post_all(connection, bodies_of("s", rows(1_200)))
    assert received() == {"requests": 9, "records": 3_600}


def test_the_function_publishes_to_it(kinesis, received):
    tables = tables_of(SHAPES["seed"])
    connect(tables)(decode(SHAPES["seed"].records(700), tables))
    assert received() == {"requests": 2, "records": 700}


def test_no_other_client_trusts_its_certificate(kinesis):
    connection = HTTPSConnection(LOOPBACK, kinesis.port)
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        connection.request("GET", "/counts")
    connection.close()


def test_it_refuses_every_request_except_put_records(client):
    with pytest.raises(ClientError, match="this knows PutRecords alone"):
        client.list_shards(StreamName="s")


def test_it_responds_after_the_configured_delay():
    with endpoint(delay_ms=150):
        client = boto3.client("kinesis", region_name="us-east-1")
        before = time.monotonic()
        put_all(client, "s", rows(1))
        client.close()
    assert time.monotonic() - before > 0.15


def test_the_environment_is_restored_afterwards():
    before = dict(os.environ)
    with endpoint():
        assert os.environ["AWS_ENDPOINT_URL"].startswith("https://")
    assert dict(os.environ) == before
