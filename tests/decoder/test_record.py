from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from changes import insert
from decoder.change import decode_change
from decoder.errors import MalformedError
from decoder.record import decode_record, sequence_number_of

SEED = Path(__file__).parent.parent / "seed"
NUMBER = "49590338271490256608559692538361571095921575989136588898"


def wrapped(payload, **kinesis):
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "a",
            "sequenceNumber": NUMBER,
            "data": b64encode(payload).decode(),
            "approximateArrivalTimestamp": 1719082124.1,
            **kinesis,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{NUMBER}",
        "eventName": "aws:kinesis:record",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/cdc",
    }


@pytest.mark.parametrize("name", ["insert", "modify", "remove"])
def test_the_seeds_own_records_are_decoded_from_kinesis(name):
    text = (SEED / f"record-{name}.json").read_bytes()
    assert decode_record(wrapped(text)) == decode_change(json.loads(text))


def test_a_record_of_dynamodb_streams_is_its_own_change_record():
    record = insert({"id": {"S": "a"}}, {})
    assert decode_record(record) == decode_change(record)


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (wrapped(b"hello"), "kinesis.data"),
        (wrapped(b"\xff"), "kinesis.data"),
        (wrapped(b"[" * 100_000), "kinesis.data"),
        (wrapped(b"", data="not base64!"), "kinesis.data"),
        (wrapped(b"", data=None), "kinesis.data"),
        (wrapped(b"{}"), "dynamodb"),
        (wrapped(b"[]"), ""),
        ({**wrapped(b"{}"), "kinesis": None}, "kinesis"),
    ],
)
def test_a_kinesis_record_that_is_not_a_change_is_refused(record, path):
    with pytest.raises(MalformedError) as caught:
        decode_record(record)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("record", "number"),
    [
        (wrapped(b""), NUMBER),
        (insert({"id": {"S": "a"}}, {}, sequence=7), "000000000000000000007"),
        (wrapped(b"", sequenceNumber="x"), None),
        ({"dynamodb": {"SequenceNumber": 7}}, None),
        ({"dynamodb": None}, None),
        ({}, None),
        ("record", None),
    ],
)
def test_the_sequence_number_of_the_event_source_is_found(record, number):
    assert sequence_number_of(record) == number
