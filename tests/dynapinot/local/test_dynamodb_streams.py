"""Promises of the reading of a DynamoDB stream: Lambda's own record form, and parents before their children."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from dynapinot.local.dynamodb_streams import Poller, Shard, ShardReader, event_record, list_shards, parents_first
from dynapinot.local.event_source import EventSource
from dynapinot.local.failure import sequence_number

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/all/stream/2024-06-22T18:00:00.000"
TIME = datetime(2024, 6, 22, 18, 48, 44, 987_000, tzinfo=UTC)


def sdk_record(number, *, key="a", identity=None, new=None, old=None):
    made = {
        "eventID": f"{number:032x}",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": TIME,
            "Keys": {"id": {"S": key}},
            "SequenceNumber": str(number),
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }
    if new is not None:
        made["dynamodb"]["NewImage"] = new
    if old is not None:
        made["dynamodb"]["OldImage"] = old
    if identity:
        made["userIdentity"] = identity
    return made


def test_every_type_has_the_form_it_has_in_an_event():
    image = {
        "s": {"S": "é"},
        "n": {"N": "12345678901234567890123456789012345678"},
        "b": {"B": b"\x00\xff"},
        "bool": {"BOOL": False},
        "null": {"NULL": True},
        "ss": {"SS": ["b", "a"]},
        "ns": {"NS": ["1", "2.5"]},
        "bs": {"BS": [b"1", b"\xff"]},
        "l": {"L": [{"B": b"2"}, {"L": [{"BS": [b"3"]}]}, {"N": "1"}]},
        "m": {"M": {"deep": {"M": {"b": {"B": b"4"}}}, "empty": {"M": {}}}},
    }
    in_event = {
        "s": {"S": "é"},
        "n": {"N": "12345678901234567890123456789012345678"},
        "b": {"B": "AP8="},
        "bool": {"BOOL": False},
        "null": {"NULL": True},
        "ss": {"SS": ["b", "a"]},
        "ns": {"NS": ["1", "2.5"]},
        "bs": {"BS": ["MQ==", "/w=="]},
        "l": {"L": [{"B": "Mg=="}, {"L": [{"BS": ["Mw=="]}]}, {"N": "1"}]},
        "m": {"M": {"deep": {"M": {"b": {"B": "NA=="}}}, "empty": {"M": {}}}},
    }
    record = event_record(sdk_record(7, new=image, old=image), ARN)
    assert record == {
        "eventID": "00000000000000000000000000000007",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1719082124,
            "Keys": {"id": {"S": "a"}},
            "NewImage": in_event,
            "OldImage": in_event,
            "SequenceNumber": "7",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": ARN,
    }
    assert json.loads(json.dumps(record)) == record


def test_a_binary_key_is_text_in_an_event():
    record = sdk_record(1)
    record["dynamodb"]["Keys"] = {"id": {"B": b"key"}}
    assert event_record(record, ARN)["dynamodb"]["Keys"] == {"id": {"B": "a2V5"}}


def test_the_time_is_whole_seconds_rounded_down():
    time = event_record(sdk_record(1), ARN)["dynamodb"]["ApproximateCreationDateTime"]
    assert time == 1719082124
    assert type(time) is int


def test_the_identity_of_a_ttl_delete_is_written_small():
    identity = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    record = event_record(sdk_record(1, identity=identity), ARN)
    assert record["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}


def test_the_sdk_s_record_is_left_as_it_was():
    record = sdk_record(1, new={"b": {"B": b"1"}})
    event_record(record, ARN)
    assert record == sdk_record(1, new={"b": {"B": b"1"}})


def shard(name, parent=None, *, closed=False):
    return Shard(id=name, parent=parent, closed=closed)


def test_shards_come_behind_their_parents_and_a_parent_that_is_gone_does_not_matter():
    shards = [shard("c", "b"), shard("d", "gone"), shard("b", "a"), shard("a")]
    assert [each.id for each in parents_first(shards)] == ["a", "b", "c", "d"]


class Streams:
    """Stands for the SDK's client: shards of pages, where a page may be empty, in a stream listed two at a time."""

    def __init__(self, shards, pages):
        self.shards = shards
        self.pages = pages
        self.iterators = []

    def describe_stream(self, **asked):
        ids = [each["ShardId"] for each in self.shards]
        start = ids.index(asked["ExclusiveStartShardId"]) + 1 if "ExclusiveStartShardId" in asked else 0
        page = self.shards[start : start + 2]
        more = {"LastEvaluatedShardId": page[-1]["ShardId"]} if start + 2 < len(self.shards) else {}
        return {"StreamDescription": {"Shards": page, **more}}

    def get_shard_iterator(self, **asked):
        name, after = asked["ShardId"], asked.get("SequenceNumber")
        self.iterators.append((name, asked["ShardIteratorType"], after))
        flat = [number for page in self.pages[name] for number in page]
        position = 0 if after is None else flat.index(int(after)) + 1
        return {"ShardIterator": f"{name}/{position}/0"}

    def get_records(self, **asked):
        name, skip, page = asked["ShardIterator"].split("/")
        pages = self.pages[name]
        if int(page) >= len(pages):
            more = {} if self._is_closed(name) else {"NextShardIterator": asked["ShardIterator"]}
            return {"Records": [], **more}
        before = sum(map(len, pages[: int(page)]))
        numbers = pages[int(page)][max(0, int(skip) - before) :]
        return {
            "Records": [sdk_record(number) for number in numbers],
            "NextShardIterator": f"{name}/{skip}/{int(page) + 1}",
        }

    def _is_closed(self, name):
        (found,) = (each for each in self.shards if each["ShardId"] == name)
        return "EndingSequenceNumber" in found["SequenceNumberRange"]


def described(name, parent=None, *, closed=False):
    numbers = {"StartingSequenceNumber": "1", **({"EndingSequenceNumber": "9"} if closed else {})}
    return {"ShardId": name, "SequenceNumberRange": numbers, **({"ParentShardId": parent} if parent else {})}


def test_a_stream_is_listed_page_by_page():
    client = Streams([described("c", "b"), described("b", "a", closed=True), described("a", closed=True)], {})
    assert list_shards(client, ARN) == [
        shard("a", closed=True),
        shard("b", "a", closed=True),
        shard("c", "b"),
    ]


def test_a_reader_begins_at_the_oldest_record_and_goes_on_without_a_new_iterator():
    client = Streams([described("a")], {"a": [[1, 2], [3]]})
    reader = ShardReader(client, ARN, shard("a"))
    assert [sequence_number(each) for each in reader(None, 10)] == ["1", "2"]
    assert [sequence_number(each) for each in reader("2", 10)] == ["3"]
    assert reader("3", 10) == ()
    assert client.iterators == [("a", "TRIM_HORIZON", None)]


def test_a_reader_can_begin_behind_any_record():
    client = Streams([described("a")], {"a": [[1, 2, 3]]})
    reader = ShardReader(client, ARN, shard("a"))
    assert [sequence_number(each) for each in reader("1", 10)] == ["2", "3"]
    assert [sequence_number(each) for each in reader("2", 10)] == ["3"]
    assert client.iterators == [("a", "AFTER_SEQUENCE_NUMBER", "1"), ("a", "AFTER_SEQUENCE_NUMBER", "2")]


def test_a_closed_shard_is_read_over_its_empty_pages_to_its_end():
    client = Streams([described("a", closed=True)], {"a": [[], [1], [], [], [2]]})
    reader = ShardReader(client, ARN, shard("a", closed=True))
    assert [sequence_number(each) for each in reader(None, 10)] == ["1"]
    assert [sequence_number(each) for each in reader("1", 10)] == ["2"]
    assert reader("2", 10) == ()
    assert reader("2", 10) == ()


def test_a_poller_brings_a_parent_s_records_before_its_child_s_and_each_only_once():
    pages = {"child": [[4], [5]], "parent": [[1, 2], [], [3]]}
    client = Streams([described("child", "parent"), described("parent", closed=True)], pages)
    seen = []

    def invoke(event):
        seen.extend(sequence_number(each) for each in event["Records"])

    def connect(_, read):
        return EventSource(read, invoke, clock=lambda: 0.0, sleep=lambda _: None)

    poller = Poller(client, ARN, connect)
    poller.drain()
    assert seen == ["1", "2", "3", "4", "5"]
    pages["child"].append([6])
    poller.drain()
    assert seen == ["1", "2", "3", "4", "5", "6"]


def test_a_shard_that_was_closed_since_is_read_to_its_end():
    pages = {"a": [[1]]}
    client = Streams([described("a")], pages)
    seen = []

    def connect(_, read):
        def invoke(event):
            seen.extend(sequence_number(each) for each in event["Records"])

        return EventSource(read, invoke, clock=lambda: 0.0, sleep=lambda _: None)

    poller = Poller(client, ARN, connect)
    poller.drain()
    pages["a"] += [[], [2]]
    client.shards = [described("a", closed=True)]
    poller.drain()
    assert seen == ["1", "2"]


def test_a_real_stream_is_polled_in_the_form_of_a_lambda_event(services, meetups_stream):
    events = []

    def connect(shard, read):
        return EventSource(read, events.append, clock=lambda: 0.0, sleep=lambda _: None)

    poller = Poller(services.streams, meetups_stream, connect)
    poller.drain()
    assert events == []
    item = {"meetup_id": {"S": "a"}, "mtime": {"N": "1"}, "b": {"B": b"\x00\xff"}, "m": {"M": {"l": {"L": []}}}}
    services.dynamodb.put_item(TableName="pinot-ingestion-demo", Item=item)
    services.dynamodb.delete_item(TableName="pinot-ingestion-demo", Key={"meetup_id": {"S": "a"}, "mtime": {"N": "1"}})
    poller.drain()
    poller.drain()
    (event,) = events
    made, removed = event["Records"]
    assert (made["eventName"], removed["eventName"]) == ("INSERT", "REMOVE")
    assert made["eventSourceARN"] == meetups_stream
    assert made["dynamodb"]["NewImage"] == {**item, "b": {"B": "AP8="}}
    assert removed["dynamodb"]["Keys"] == {"meetup_id": {"S": "a"}, "mtime": {"N": "1"}}
    assert int(made["dynamodb"]["SequenceNumber"]) < int(removed["dynamodb"]["SequenceNumber"])
    json.dumps(event)


def test_a_poller_can_go_on_behind_a_checkpoint_of_a_real_stream(services, meetups_stream):
    for number in range(3):
        services.dynamodb.put_item(
            TableName="pinot-ingestion-demo", Item={"meetup_id": {"S": "a"}, "mtime": {"N": str(number)}}
        )
    events = []

    def connect(checkpoint):
        return lambda _, read: EventSource(
            read, events.append, clock=lambda: 0.0, sleep=lambda _: None, checkpoint=checkpoint
        )

    Poller(services.streams, meetups_stream, connect(None)).drain()
    first = events[0]["Records"][0]["dynamodb"]["SequenceNumber"]
    Poller(services.streams, meetups_stream, connect(first)).drain()
    assert events[1]["Records"] == events[0]["Records"][1:]
