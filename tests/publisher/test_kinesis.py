"""PutRecords for real (moto), and what the SDK raises."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber
from moto import mock_aws

from publisher.entry import Entry
from publisher.kinesis import sender
from publisher.order import UnavailableError

ENTRIES = [Entry("a", b'{"n":1}', 0), Entry("b", b'{"n":2}', 1)]


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.client("kinesis", region_name="eu-west-1")


def test_accepted_entries_stand_on_the_stream_under_their_sequence_numbers(client):
    client.create_stream(StreamName="rows", ShardCount=1)
    outcomes = sender(client, "rows")(ENTRIES)
    shard = client.list_shards(StreamName="rows")["Shards"][0]["ShardId"]
    start = client.get_shard_iterator(StreamName="rows", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = client.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert [(each["PartitionKey"], each["Data"], int(each["SequenceNumber"])) for each in records] == [
        (entry.key, entry.data, outcome) for entry, outcome in zip(ENTRIES, outcomes, strict=True)
    ]
    assert outcomes[0] < outcomes[1]


def test_a_missing_stream_is_unavailable(client):
    with pytest.raises(UnavailableError, match="ResourceNotFoundException"):
        sender(client, "nix")(ENTRIES)


def stubbed(**response):
    client = boto3.client("kinesis", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(client)
    if "code" in response:
        stub.add_client_error("put_records", service_error_code=response["code"], http_status_code=response["status"])
    else:
        stub.add_response("put_records", response)
    stub.activate()
    return sender(client, "rows")


def test_a_partly_rejected_request_tells_number_or_error_for_each_entry():
    send = stubbed(
        FailedRecordCount=1,
        Records=[
            {"SequenceNumber": "49543463076548007577105092703039560359975228518395012686", "ShardId": "shardId-0"},
            {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"},
        ],
    )
    assert send(ENTRIES) == [
        49543463076548007577105092703039560359975228518395012686,
        "ProvisionedThroughputExceededException",
    ]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ProvisionedThroughputExceededException", 400),
        ("KMSThrottlingException", 400),
        ("LimitExceededException", 400),
        ("ThrottlingException", 400),
        ("InternalFailure", 500),
        ("ServiceUnavailable", 503),
        ("AnythingElse", 502),
    ],
)
def test_an_error_that_time_mends_counts_as_every_entry_rejected(code, status):
    assert stubbed(code=code, status=status)(ENTRIES) == [code, code]


@pytest.mark.parametrize(
    "code", ["ResourceNotFoundException", "AccessDeniedException", "KMSDisabledException", "ValidationException"]
)
def test_an_error_that_time_does_not_mend_makes_the_stream_unavailable(code):
    with pytest.raises(UnavailableError, match=code):
        stubbed(code=code, status=400)(ENTRIES)


class Raising:
    def __init__(self, error):
        self.error = error

    def put_records(self, **_):
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        ConnectionClosedError(endpoint_url="http://127.0.0.1"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        SSLError(endpoint_url="http://127.0.0.1", error="expired"),
        ProxyConnectionError(proxy_url="http://127.0.0.1"),
        ResponseParserError("half an answer"),
    ],
)
def test_no_connection_and_a_lost_answer_count_as_every_entry_rejected(error):
    assert sender(Raising(error), "rows")(ENTRIES) == [type(error).__name__] * 2


def test_nobody_at_the_endpoint_counts_as_every_entry_rejected():
    client = boto3.client(
        "kinesis",
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        endpoint_url="http://127.0.0.1:9",
        config=Config(retries={"total_max_attempts": 1}),
    )
    assert sender(client, "rows")(ENTRIES) == ["EndpointConnectionError"] * 2


def test_missing_credentials_go_through():
    with pytest.raises(NoCredentialsError):
        sender(Raising(NoCredentialsError()), "rows")(ENTRIES)
