"""The whole path with real engines: DynamoDB Local, the local poller, the function, kinesalite and Pinot's own code."""

from __future__ import annotations

import io
import itertools
import json
import time
from collections import Counter
from contextlib import ExitStack, redirect_stdout
from random import Random

import function
from dynapinot.doctor.kinesis import shard_number
from dynapinot.local.dynamodb_streams import Poller
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.function import Context
from dynapinot.local.kinesis_stream import StreamReader
from engines.dynamodb_local import REGION
from engines.faulty_kinesis import Faults, FaultyKinesis
from engines.feed import INDEXED
from engines.model import agree, model_of
from engines.source_history import Writer
from engines.source_kinds import LastChange, python_item

HANDLER = "handlers.stream"
TOO_MANY = 5_000  # invocations; no history needs so many, so one that does would never end
HASTE = 200  # how much shorter the function's pauses are: the faults that it waits for are simulated
TIMEOUT_S = 60.0
PAUSE = time.sleep

GENTLE = Faults()
ROUGH = Faults(fail=0.05, lose=0.08, shuffle=0.4, reject=0.15)


class KilledError(RuntimeError):
    """The error that the event source mapping gets when a function was killed."""


class EndlessError(BaseException):
    """The poller would never end. It is not an Exception, which the poller would take for a function error."""


class Fed:
    """A Pinot table that consumes its stream: Pinot's own and the model's, which must agree."""

    def __init__(self, files, stream, reader, consumer):
        self.files = files
        self.stream = stream
        self.consumer = consumer
        self.model = model_of(files.schema, files.config)
        self.records = []
        self._reader = reader

    def consume(self):
        """Consume the new records, shard by shard. Pinot must index every row unchanged."""
        fresh = self._reader.read()
        self.records += fresh
        self.take(fresh)

    def take(self, records):
        """Consume records, each shard's in order."""
        by_shard = {}
        for record in records:
            by_shard.setdefault(record.shard, []).append(record.data)
        for shard, rows in by_shard.items():
            partition = shard_number({"ShardId": shard})
            outcomes = self.consumer.ingest(rows, partition)
            refused = [(outcome, row) for outcome, row in zip(outcomes, rows, strict=True) if outcome != INDEXED]
            assert not refused, f"{self.files.name}: {refused}"
            for row in rows:
                self.model.ingest(partition, row)

    def shown(self):
        """Return the rows that queries show."""
        return [self.files.read(row) for row in self.consumer.live()]

    def rows(self):
        """Return every row on the stream, without its position: repeated rows have the same bytes."""
        return {(record.shard, record.key, record.data) for record in self.records}


class Replication:
    """A DynamoDB table with random writes, and its replication to Pinot.

    ``faults`` are those of Kinesis. ``kills`` is the probability that an invocation ends without a response before,
    during or after its work. If ``shards`` or the ``largest_request`` (in rows) is not given, the seed chooses it.
    ``counts`` is what happened.
    """

    def __init__(
        self,
        engines,
        kind,
        seed,
        *,
        monkeypatch,
        folder,
        faults=GENTLE,
        kills=0.0,
        shards=None,
        largest_request=None,
    ):
        self.kind = kind
        self.counts = Counter()
        self.dead_letters = []
        self.random = Random(f"{seed} {kind} {faults} {kills}")
        self._kills = kills
        self._largest_request = largest_request or self.random.choice((3, 10, 500))
        self._log = io.StringIO()  # the function's logs of each batch would bury the test's output
        self._parts = ExitStack()
        self._account = engines.dynamodb.empty()
        self.dynamodb = self._account.client("dynamodb")
        self.streams = self._account.client("dynamodbstreams")
        self.kinesis = engines.kinesis.client()
        self.stream_arn = self._create_table()
        self._edge = self._parts.enter_context(FaultyKinesis(engines.kinesis.endpoint, seed=seed, faults=faults))
        self.fed = [self._feed(engines, files, folder, shards) for files in kind.tables]
        self._handler = self._start(monkeypatch, folder)
        self._poller = self._new_poller()

    def close(self):
        """Remove everything but the DynamoDB table, which no other test sees."""
        self._parts.close()

    def _create_table(self):
        names = list(self.kind.key_types)
        described = self.dynamodb.create_table(
            TableName=self.kind.dynamodb_table,
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind} for name, kind in self.kind.key_types.items()
            ],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        return described["TableDescription"]["LatestStreamArn"]

    def _feed(self, engines, files, folder, shards):
        shards = shards or self.random.choice((1, 2, 3))
        stream = f"{files.stream}-{next(engines.numbers)}"
        files.write(folder / files.name, stream)
        self.kinesis.create_stream(StreamName=stream, ShardCount=shards)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 0.01})
        self._parts.callback(self.kinesis.delete_stream, StreamName=stream)
        partitions = shards + 2  # and the children of a split shard
        consumer = self._parts.enter_context(engines.pinot.table(files.schema, files.config, partitions=partitions))
        return Fed(files, stream, StreamReader(self.kinesis, stream), consumer)

    def _start(self, monkeypatch, folder):
        monkeypatch.setattr(time, "sleep", lambda seconds: PAUSE(seconds / HASTE))
        function.set_environment(
            monkeypatch,
            folder,
            AWS_DEFAULT_REGION=REGION,
            AWS_ENDPOINT_URL_KINESIS=self._edge.endpoint,
            KINESIS_MAX_REQUEST_RECORDS=str(self._largest_request),
        )
        with redirect_stdout(self._log):
            module = function.load(HANDLER)
        self._parts.callback(function.forget, HANDLER)
        monkeypatch.setattr(module, "_put", self.dead_letters.append)  # nothing here may become a dead letter
        return module.handler

    def _new_poller(self):
        settings = Settings(
            batch_size=self.random.choice((5, 25, 100)),
            parallelization_factor=self.random.choice((1, 4)),
            bisect_batch_on_function_error=True,
            report_batch_item_failures=True,
        )

        def connect(_, read):
            return EventSource(
                read,
                self._invoke,
                clock=time.time,
                sleep=time.sleep,
                settings=settings,
                pick=self.random.randrange,
            )

        return Poller(self.streams, self.stream_arn, connect)

    def _invoke(self, event):
        self.counts["invocations"] += 1
        if self.counts["invocations"] > TOO_MANY:
            raise EndlessError
        chance = self.random.random()
        if chance < self._kills:
            self.counts["killed before"] += 1
            raise KilledError
        in_time = chance >= 2 * self._kills
        self.counts["out of time"] += not in_time
        context = Context(deadline=time.monotonic() + (TIMEOUT_S if in_time else 0.0))
        with redirect_stdout(self._log):
            answer = json.loads(json.dumps(self._handler(json.loads(json.dumps(event)), context)))
        self.counts["partial successes"] += bool(answer["batchItemFailures"])
        if chance > 1 - self._kills:
            self.counts["killed after"] += 1
            raise KilledError
        return answer

    def writer(self, seed=""):
        """Return a writer of random changes to the table."""
        random = Random(f"{self.random.random()} {seed}")
        return Writer(
            self._account.client("dynamodb"),
            self.kind.dynamodb_table,
            self.kind.keys,
            self.kind.attributes,
            self.kind.counters,
            random,
        )

    def run(self):
        """Replicate the new changes to Pinot."""
        self._poller.drain()
        assert self.dead_letters == []
        for fed in self.fed:
            fed.consume()

    def run_again(self):
        """Replicate everything to Pinot again, from the stream's oldest change on."""
        self._poller = self._new_poller()
        self.run()

    def items(self):
        """Return the items of DynamoDB, as Python values."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.kind.dynamodb_table, ConsistentRead=True)
        return [python_item(item) for page in pages for item in page["Items"]]

    def changes(self):
        """Read the DynamoDB stream directly, without the project's code: its records, in order."""
        shards = self.streams.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]["Shards"]
        for shard in shards:
            iterator = self.streams.get_shard_iterator(
                StreamArn=self.stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = self.streams.get_records(ShardIterator=iterator)
                yield from page["Records"]
                iterator = page.get("NextShardIterator") if page["Records"] else None

    def check(self):
        """Check that every Pinot table, and its model, shows exactly the rows of the source's items, in all values."""
        self.counts["checks"] += 1
        newest = {_key(record["dynamodb"]["Keys"]): record for record in self.changes()}
        items = [(item, last_change(newest[self._key_of(item)])) for item in self.items()]
        for fed in self.fed:
            rows = [fed.files.row(item, change) for item, change in items]
            shown = fed.shown()
            self.counts["rows compared"] += len(shown)
            found = differences(shown, [row for row in rows if row is not None], fed.files.schema["primaryKeyColumns"])
            assert not found, f"{fed.files.name}:\n" + "\n".join(found)
            agree(fed.consumer, fed.model)

    def _key_of(self, item):
        return frozenset((name, str(item[name])) for name in self.kind.key_types)

    def wait_until(self, condition, seconds=30.0):
        """Wait for something that an engine does by itself."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{condition.__name__} did not come true in {seconds} s"
            PAUSE(0.1)

    def tally(self, *writers):
        """Return all counts."""
        return sum((writer.counts for writer in writers), self.counts + self._edge.counts)


def _key(keys):
    return frozenset((name, str(value)) for name, value in python_item(keys).items())


def last_change(record):
    """Return what a record of the stream says about a change."""
    inner = record["dynamodb"]
    return LastChange(
        name=record["eventName"],
        time_ms=int(inner["ApproximateCreationDateTime"].timestamp()) * 1000,
        number=inner["SequenceNumber"],
    )


def differences(shown, expected, primary_key):
    """Return the rows that Pinot shows and should not, and those that it should show and does not; or nothing."""
    by_key = {}
    for side, rows in enumerate((shown, expected)):
        for row in rows:
            by_key.setdefault(tuple(row[name] for name in primary_key), ([], []))[side].append(row)
    found = []
    for key, (here, there) in by_key.items():
        if len(here) != 1 or len(there) != 1:
            found.append(f"{key}: {len(here)} rows in Pinot, {len(there)} items in DynamoDB")
            continue
        (row,), (right,) = here, there
        found += [
            f"{key} {name}: Pinot has {row.get(name)!r:.300}, DynamoDB {right.get(name)!r:.300}"
            for name in sorted(row.keys() | right.keys())
            if row.get(name) != right.get(name) or type(row.get(name)) is not type(right.get(name))
        ]
    return found


class Engines:
    """The engines of this process, and numbers for separate streams."""

    def __init__(self, dynamodb, kinesis, pinot):
        self.dynamodb = dynamodb
        self.kinesis = kinesis
        self.pinot = pinot
        self.numbers = itertools.count(1)
