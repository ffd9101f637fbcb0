"""Promises of the reading of a Kinesis stream: every shard however many, each in its order, and each record once."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from dynapinot.local.kinesis_stream import StreamReader, StreamRecord

PAGE = 1_000  # shards that ListShards gives at a time, "The default value is 1000"


class Kinesis:
    """Stands for the SDK's client: shards of records, of which a reading gives two; closed shards have an end.

    A list of shards goes on from a token alone, as the service insists: "Don't specify StreamName […] if you specify
    NextToken", https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html
    """

    def __init__(self, shards, closed=(), empty_pages=0):
        self.shards = shards
        self.closed = closed
        self.empty_pages = empty_pages
        self.readings = []

    def list_shards(self, **asked):
        assert set(asked) in ({"StreamName"}, {"NextToken"})
        start = int(asked.get("NextToken", 0))
        names = list(self.shards)
        more = {"NextToken": str(start + PAGE)} if start + PAGE < len(names) else {}
        return {"Shards": [{"ShardId": name} for name in names[start : start + PAGE]], **more}

    def get_shard_iterator(self, **asked):
        assert asked["ShardIteratorType"] == "TRIM_HORIZON"
        return {"ShardIterator": f"{asked['ShardId']}/0/{self.empty_pages}"}

    def get_records(self, **asked):
        shard, start, empty = asked["ShardIterator"].split("/")
        self.readings.append(shard)
        if int(empty):
            return {"Records": [], "NextShardIterator": f"{shard}/{start}/{int(empty) - 1}", "MillisBehindLatest": 1}
        page = self.shards[shard][int(start) :][:2]
        end = int(start) + len(page)
        is_over = shard in self.closed and end == len(self.shards[shard])
        return {
            "Records": [{"PartitionKey": "k", "Data": data} for data in page],
            "MillisBehindLatest": 0,
            **({} if is_over else {"NextShardIterator": f"{shard}/{end}/0"}),
        }


def record(shard, data):
    return StreamRecord(shard=shard, key="k", data=data)


def test_every_shard_is_read_in_its_order_and_then_what_has_come_since():
    shards = {"a": [b"1", b"2", b"3"], "b": []}
    reader = StreamReader(Kinesis(shards), "s")
    assert reader.read() == [record("a", b"1"), record("a", b"2"), record("a", b"3")]
    assert reader.read() == []
    shards["b"].append(b"4")
    shards["a"].append(b"5")
    assert reader.read() == [record("a", b"5"), record("b", b"4")]


def test_a_stream_of_thousands_of_shards_is_read_whole():
    names = [f"shardId-{number:012d}" for number in range(2 * PAGE + 1)]
    reader = StreamReader(Kinesis({name: [name.encode()] for name in names}), "s")
    assert reader.read() == [record(name, name.encode()) for name in names]


def test_an_empty_page_is_not_the_end_of_a_shard_that_has_more():
    reader = StreamReader(Kinesis({"a": [b"1"]}, empty_pages=3), "s")
    assert reader.read() == [record("a", b"1")]


def test_a_shard_that_was_closed_is_read_to_its_end_and_never_again():
    shards = {"parent": [b"1", b"2", b"3"], "child": [b"4"]}
    kinesis = Kinesis(shards, closed=("parent",))
    reader = StreamReader(kinesis, "s")
    assert reader.read() == [*(record("parent", data) for data in shards["parent"]), record("child", b"4")]
    kinesis.readings.clear()
    assert reader.read() == []
    assert kinesis.readings == ["child"]


def test_the_sdk_takes_what_it_is_asked():
    """Stubbed answers are checked against the service's model, and so are the questions."""
    client = boto3.client("kinesis", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    shard = {
        "ShardId": "shardId-000000000000",
        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
        "SequenceNumberRange": {"StartingSequenceNumber": "1"},
    }
    with Stubber(client) as stub:
        stub.add_response("list_shards", {"Shards": [], "NextToken": "more"}, {"StreamName": "s"})
        stub.add_response("list_shards", {"Shards": [shard]}, {"NextToken": "more"})
        stub.add_response(
            "get_shard_iterator",
            {"ShardIterator": "i"},
            {"StreamName": "s", "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"},
        )
        stub.add_response("get_records", {"Records": [], "MillisBehindLatest": 0}, {"ShardIterator": "i"})
        assert StreamReader(client, "s").read() == []
        stub.assert_no_pending_responses()


def test_a_kinesis_stream_is_read_to_its_end_and_then_on(services):
    services.kinesis.create_stream(StreamName="s", ShardCount=2)
    reader = StreamReader(services.kinesis, "s")
    assert reader.read() == []
    for number in range(40):
        services.kinesis.put_record(StreamName="s", Data=b"%d" % number, PartitionKey=f"key {number % 8}")
    records = reader.read()
    assert sorted(int(record.data) for record in records) == list(range(40))
    assert {record.shard for record in records} == {"shardId-000000000000", "shardId-000000000001"}
    for key in {record.key for record in records}:
        of_key = [int(record.data) for record in records if record.key == key]
        assert of_key == sorted(of_key)
    services.kinesis.put_record(StreamName="s", Data=b"40", PartitionKey="key")
    assert [record.data for record in reader.read()] == [b"40"]
    assert reader.read() == []
    with pytest.raises(ClientError):
        StreamReader(services.kinesis, "missing").read()
