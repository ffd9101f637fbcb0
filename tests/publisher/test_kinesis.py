"""PutRecords through the real SDK: against moto, a service with given responses, and errors that the SDK raises."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
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

from kinesis_endpoint import FIRST, answer, error, kinesis_endpoint, no_answer
from publisher.entry import Entry
from publisher.kinesis import Sender
from publisher.order import UnavailableError
from publisher.sdk_hooks import PARAMS_EVENT, REQUEST_EVENT, RESPONSE_EVENT

REGION = "eu-west-1"
ENTRIES = [Entry("a", b'{"n":1}', 0), Entry("b", b'{"n":2}', 1)]
ACCEPTED = [FIRST, FIRST + 1]
UNREAD = ["ResponseParserError"] * 2


def client_of(endpoint_url=None, **options):
    options = {"parameter_validation": False, "retries": {"mode": "standard", "total_max_attempts": 2}, **options}
    return boto3.client(
        "kinesis",
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="y",
        endpoint_url=endpoint_url,
        config=Config(**options),
    )


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)  # between the SDK's attempts
    with kinesis_endpoint() as service:
        yield service


@pytest.fixture
def client(service):
    client = client_of(service.url)
    yield client
    client.close()


@pytest.fixture
def moto():
    with mock_aws():
        yield client_of()


# --- what is on the stream, and what is sent over the network ---------------------------------------------------

AWKWARD = [
    Entry("36:4dc2a627-940e-4e3c-ba6f-875c2e84496e", b'{"n":1}', 0),
    Entry("Zürich 東京 \U0001f3d4", "東京".encode(), 1),
    Entry('"quoted", \\ and \n\t\x00\x7f\u2028', bytes(range(256)), 2),
    Entry("empty", b"", 3),
    Entry("x" * 256, b"x" * 100_000, 4),
]
MOST = [Entry(f"key {number}", b"%d" % number, number) for number in range(500)]


@pytest.mark.parametrize("entries", [ENTRIES, AWKWARD, MOST], ids=["usual", "awkward", "most"])
def test_accepted_entries_are_on_the_stream_under_their_sequence_numbers(moto, entries):
    moto.create_stream(StreamName="rows", ShardCount=1)
    outcomes = Sender(moto, "rows")(entries)
    shard = moto.list_shards(StreamName="rows")["Shards"][0]["ShardId"]
    start = moto.get_shard_iterator(StreamName="rows", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = moto.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert [(each["PartitionKey"], each["Data"], int(each["SequenceNumber"])) for each in records] == [
        (entry.key, entry.data, outcome) for entry, outcome in zip(entries, outcomes, strict=True)
    ]
    assert outcomes == sorted(set(outcomes))


@pytest.mark.parametrize("entries", [ENTRIES, AWKWARD, MOST], ids=["usual", "awkward", "most"])
def test_the_request_is_equivalent_to_the_sdks_own(service, client, entries):
    Sender(client, "rows")(entries)
    client.put_records(
        StreamName="rows", Records=[{"Data": entry.data, "PartitionKey": entry.key} for entry in entries]
    )
    ours, its = service.requests
    assert ours.json == its.json
    assert ours.body != its.body
    same = ("content-type", "x-amz-target", "user-agent", "host")
    assert [ours.headers[name] for name in same] == [its.headers[name] for name in same]
    assert ours.url == its.url


def signature_of(request):
    """The signature that the SDK's own signer gives to the request."""
    names = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signed = AWSRequest("POST", request.url, {name: request.headers[name] for name in names}, request.body)
    signed.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("x", "y"), "kinesis", REGION)
    return signer.signature(signer.string_to_sign(signed, signer.canonical_request(signed)), signed)


def test_each_attempt_is_signed_over_the_body_that_is_sent(service, client):
    service.answers.append(error("InternalFailure", 500))
    Sender(client, "rows")(AWKWARD)
    assert len(service.requests) == 2
    for request in service.requests:
        assert request.headers["authorization"].endswith(f"Signature={signature_of(request)}")


# --- outcomes ---------------------------------------------------------------------------------------------------


def test_a_partly_rejected_request_gives_a_sequence_number_or_an_error_for_each_entry(service, client):
    service.answers.append(
        answer(
            {
                "FailedRecordCount": 1,
                "Records": [
                    {"SequenceNumber": str(FIRST), "ShardId": "shardId-000000000000", "ErrorCode": None},
                    {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"},
                ],
            }
        )
    )
    assert Sender(client, "rows")(ENTRIES) == [FIRST, "ProvisionedThroughputExceededException"]
    assert len(service.requests) == 1


def test_the_shards_that_accepted_a_record_are_counted(service, client):
    def on(*shards):
        results = [{"SequenceNumber": "1", "ShardId": shard} if shard else {"ErrorCode": "x"} for shard in shards]
        return answer({"FailedRecordCount": shards.count(None), "Records": results})

    service.answers.extend([error("InternalFailure", 500)] * 2)
    service.answers.extend([on(None, None), on("one", None), on("one", "one"), on("two", "three")])
    send = Sender(client, "rows")
    counts = [send.shards]
    for _ in range(5):
        send(ENTRIES)
        counts.append(send.shards)
    assert counts == [0, 0, 0, 1, 1, 3]


def test_a_missing_stream_is_unavailable(moto):
    with pytest.raises(UnavailableError, match="ResourceNotFoundException"):
        Sender(moto, "nix")(ENTRIES)


TRANSIENT = [
    ("ProvisionedThroughputExceededException", 400),
    ("KMSThrottlingException", 400),
    ("LimitExceededException", 400),
    ("ThrottlingException", 400),
    ("InternalFailure", 500),
    ("ServiceUnavailable", 503),
    ("AnythingElse", 502),
]


@pytest.mark.parametrize(("code", "status"), TRANSIENT)
def test_a_transient_error_counts_as_every_entry_rejected(service, client, code, status):
    service.otherwise = error(code, status)
    assert Sender(client, "rows")(ENTRIES) == [code, code]


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_the_sdk_retries_a_throttled_request(service, client, code):
    service.answers.append(error(code, 400))
    assert Sender(client, "rows")(ENTRIES) == ACCEPTED
    assert [request.json for request in service.requests] == [service.requests[0].json] * 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_the_sdk_retries_after_a_server_error_that_is_not_json(service, client, status):
    service.answers.append(answer(b"<html>", status))
    assert Sender(client, "rows")(ENTRIES) == ACCEPTED
    assert [request.json for request in service.requests] == [service.requests[0].json] * 2


@pytest.mark.parametrize(
    "code", ["ResourceNotFoundException", "AccessDeniedException", "KMSDisabledException", "ValidationException"]
)
def test_a_permanent_error_makes_the_stream_unavailable(service, client, code):
    service.otherwise = error(code, 400)
    with pytest.raises(UnavailableError, match=code):
        Sender(client, "rows")(ENTRIES)
    assert len(service.requests) == 1


def results(*numbers):
    return {"FailedRecordCount": 0, "Records": [{"SequenceNumber": number, "ShardId": "one"} for number in numbers]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        json.dumps(results("1", "2")).encode()[:-1],
        [],
        None,
        {},
        {"FailedRecordCount": 0},
        {"FailedRecordCount": 0, "Records": None},
        results(),
        results("1"),
        results("1", "2", "3"),
        results("1", None),
        results("1", 2),
        results("1", 2.5),
        results("1", "2.5"),
        {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}, {}]},
        {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"}, None]},
        {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": {}}, {"SequenceNumber": "2"}]},
    ],
)
def test_a_response_that_is_not_one_of_putrecords_counts_as_every_entry_rejected(service, client, content):
    service.answers.append(answer(content))
    send = Sender(client, "rows")
    assert (send(ENTRIES), send.shards) == (UNREAD, 0)
    assert len(service.requests) == 1
    assert send(ENTRIES) == ACCEPTED


# --- no response ------------------------------------------------------------------------------------------------


def test_the_sdk_retries_after_a_connection_that_ends_without_a_response(service, client):
    service.answers.append(no_answer)
    assert Sender(client, "rows")(ENTRIES) == ACCEPTED


def test_connections_that_end_without_a_response_count_as_every_entry_rejected(service, client):
    service.otherwise = no_answer
    assert Sender(client, "rows")(ENTRIES) == ["ConnectionClosedError"] * 2
    assert len(service.requests) == 2


@pytest.mark.parametrize("cut", [1, 50, 10_000])
def test_an_incomplete_response_counts_as_every_entry_rejected(service, client, cut):
    service.cut = cut
    first, second = Sender(client, "rows")(ENTRIES)
    assert first == second
    assert first in {"ResponseParserError", "ConnectionClosedError"}  # depends on the SDK's version


def test_a_read_timeout_counts_as_every_entry_rejected(service):
    is_over = threading.Event()
    service.otherwise = lambda _: is_over.wait(30) and None
    outcomes = Sender(client_of(service.url, read_timeout=0.05), "rows")(ENTRIES)
    is_over.set()
    assert outcomes == ["ReadTimeoutError"] * 2
    assert len(service.requests) == 2


def raising(error):
    """A client whose requests raise an error of the SDK."""

    def fail(**_):
        raise error

    client = client_of()
    client.meta.events.register("before-send.kinesis.PutRecords", fail)
    return client


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        ConnectionClosedError(endpoint_url="http://127.0.0.1"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        SSLError(endpoint_url="http://127.0.0.1", error="expired"),
        ProxyConnectionError(proxy_url="http://127.0.0.1"),
        ResponseParserError("half a response"),
    ],
)
def test_no_connection_and_a_lost_response_count_as_every_entry_rejected(monkeypatch, error):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    assert Sender(raising(error), "rows")(ENTRIES) == [type(error).__name__] * 2


def test_an_endpoint_without_a_server_counts_as_every_entry_rejected():
    client = client_of("http://127.0.0.1:9", retries={"total_max_attempts": 1})
    assert Sender(client, "rows")(ENTRIES) == ["EndpointConnectionError"] * 2


def test_missing_credentials_are_raised():
    with pytest.raises(NoCredentialsError):
        Sender(raising(NoCredentialsError()), "rows")(ENTRIES)


# --- several threads --------------------------------------------------------------------------------------------


def test_requests_of_several_threads_are_not_mixed_up(service, client):
    def numbered(request):
        data = [int(base64.b64decode(record["Data"])) for record in request.json["Records"]]
        return answer(
            {
                "FailedRecordCount": sum(number % 7 == 0 for number in data),
                "Records": [
                    {"ErrorCode": f"error {number}"}
                    if number % 7 == 0
                    else {"SequenceNumber": str(number), "ShardId": f"shard {number % 3}"}
                    for number in data
                ],
            }
        )

    service.otherwise = numbered
    send = Sender(client, "rows")
    requests = [[Entry("key", b"%d" % (10 * start + step), 0) for step in range(1 + start % 9)] for start in range(200)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(send, requests))
    expected = [[int(entry.data) for entry in request] for request in requests]
    assert outcomes == [[f"error {each}" if each % 7 == 0 else each for each in request] for request in expected]
    assert len(service.requests) == len(requests)
    assert send.shards == 3


def test_senders_may_share_a_client(service, client):
    first, second = Sender(client, "rows"), Sender(client, "others")
    assert [first(ENTRIES), second(ENTRIES), first(ENTRIES)] == [ACCEPTED] * 3
    assert [request.json["StreamName"] for request in service.requests] == ["rows", "others", "rows"]
    assert [len(request.json["Records"]) for request in service.requests] == [2, 2, 2]


# --- another version of the SDK: on Lambda it is the runtime's --------------------------------------------------


def without(*events):
    """An SDK that does not emit these events."""

    def change(client):
        for event in events:
            client.meta.events.unregister(event, unique_id=event)

    return change


def writing(**changes):
    """An SDK that writes other requests."""

    def change(client):
        client.meta.events.register_first(REQUEST_EVENT, lambda params, **_: params.update(changes))

    return change


def has_all_records(request):
    return request.json["Records"] == [
        {"Data": base64.b64encode(entry.data).decode(), "PartitionKey": entry.key} for entry in ENTRIES
    ]


@pytest.mark.parametrize("empty_is", ["refused", "accepted"])
@pytest.mark.parametrize(
    "change",
    [without(PARAMS_EVENT), without(REQUEST_EVENT), without(PARAMS_EVENT, REQUEST_EVENT, RESPONSE_EVENT)],
    ids=["no provide-client-params", "no before-call", "none of them"],
)
def test_without_the_request_events_the_sdk_sends_the_records_itself(service, client, change, empty_is):
    if empty_is == "accepted":
        service.answers.append(answer(results()))
    send = Sender(client, "rows")
    change(client)
    assert (send(ENTRIES), send(ENTRIES), send.shards) == (ACCEPTED, ACCEPTED, 1)
    empty, *others = service.requests
    assert empty.json["Records"] == []
    assert [has_all_records(request) for request in others] == [True, True]


def test_without_before_parse_the_sdk_parses_the_response_itself(service, client):
    send = Sender(client, "rows")
    without(RESPONSE_EVENT)(client)
    assert (send(ENTRIES), send.shards) == (ACCEPTED, 1)
    service.answers.extend([answer(results("1")), answer(b"<html>")])
    assert [send(ENTRIES), send(ENTRIES)] == [UNREAD, UNREAD]
    assert [has_all_records(request) for request in service.requests] == [True] * 3


@pytest.mark.parametrize(
    "change",
    [
        writing(body=b"\xa2jStreamNamedrows"),
        writing(body=b"[]"),
        writing(body=b"{}"),
        writing(body=b'{"StreamName": "rows", "Records": {}}'),
        writing(body=b'{"StreamName": "rows", "records": []}'),
        writing(body=None),
        writing(headers={"Content-Type": "application/cbor"}),
        writing(headers={}),
    ],
)
def test_if_the_sdk_writes_another_body_than_the_known_one_only_its_own_request_is_sent(service, client, change):
    change(client)
    send = Sender(client, "rows")
    service.otherwise = answer(results("1", "2"))
    assert (send(ENTRIES), send(ENTRIES)) == ([1, 2], [1, 2])
    assert len(service.requests) == 2


def test_a_client_that_validates_its_parameters_sends_the_records_itself(service):
    send = Sender(client_of(service.url, parameter_validation=True), "rows")
    assert (send(ENTRIES), send(ENTRIES)) == (ACCEPTED, ACCEPTED)
    assert [has_all_records(request) for request in service.requests] == [True, True]


def test_a_stubbed_client_gives_the_stubs_responses():
    client = client_of()
    with Stubber(client) as stub:
        partly = {"FailedRecordCount": 1, "Records": [{"SequenceNumber": "1", "ShardId": "one"}, {"ErrorCode": "slow"}]}
        stub.add_response("put_records", partly)
        stub.add_client_error("put_records", service_error_code="InternalFailure", http_status_code=500)
        send = Sender(client, "rows")
        assert [send(ENTRIES), send(ENTRIES)] == [[1, "slow"], ["InternalFailure"] * 2]
        stub.assert_no_pending_responses()
