"""After any writes, losses and redrives in any order, Pinot shows what is right, or the bucket still has what it lacks.

A history depends on its kind and its seed alone. An item's changes come in order and at least once, as from a shard of
a DynamoDB stream, or in any order and twice, as in the Kinesis form. Changes of different items come in any order, as
from several shards and from shards that split. A change is lost when it cannot be a row, or when its batch is given up,
of which some rows may be on the stream already. Redrives run at any time, several at a time, end early, fail in part,
and take the objects in any order.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import product
from random import Random
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

import function
from changes import SECOND, TTL_IDENTITY, insert, modify, remove
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.replica import Replica, read_upsert_table
from dynapinot.local.services import records_in_turn
from files import CONFIG, SCHEMA, table, with_setting
from function import forget, set_environment
from handlers.planner import plan
from publisher.order import Published
from redrive.current_rows import ItemSnapshot
from redrive.run import Bucket, redrive

HISTORIES = 50  # of each kind
MAX_BYTES = 100_000
MOST_LISTED = 20  # objects of redrives at a time
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000, aws_request_id="request-1")
TOPIC = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", "stream.kinesis.topic.name")
SPOILT = object()  # in the place of a row that the table cannot take

PRIMARY_KEYS = {
    "id": ["id"],
    "composite": ["id", "city"],
    "path": ["place", "id"],
    "moving": ["place"],  # without DynamoDB's key: items may share a row
    "shared": ["id"],  # without DynamoDB's sort key: likewise
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A Pinot table with its model, and the form in which its changes come."""

    key: str
    comparison: str
    keep: bool
    when: bool
    kinesis: bool
    table: Any = field(repr=False)
    upsert: Any = field(repr=False)
    documents: Any = field(repr=False)

    def __str__(self):
        parts = (self.key, self.comparison, "keep" * self.keep, "when" * self.when, "kinesis" * self.kinesis)
        return "-".join(filter(None, parts))

    @property
    def is_shared(self):
        return self.key in ("moving", "shared")

    @property
    def is_exact(self):
        """Whether the comparison column alone orders an item's changes."""
        return self.comparison == "version" or (self.kinesis and self.comparison == "ms")

    @property
    def is_ordered(self):
        """Whether the changes of an item end in the newest one.

        Those of a second do not if the comparison column counts seconds and they come in any order, as in the Kinesis
        form: docs/operations.md says to take milliseconds. Then any of them may be shown.
        """
        return not (self.kinesis and self.comparison == "seconds")

    def is_row(self, item):
        return item is not None and (not self.when or item["kind"] == "row")

    def source_toml(self):
        *_, source = self.documents
        plain = [f"{name} = {json.dumps(value)}" for name, value in source.items() if isinstance(value, str)]
        plain += ['when = { kind = "row" }'] * self.when
        return "\n".join([*plain, "[columns]", *(f"{c} = {json.dumps(v)}" for c, v in source["columns"].items())])

    def primary_key(self, item):
        return tuple(item["id" if name == "id" else "city"] for name in self.upsert.primary_key)


def kind(key, comparison, keep, when, kinesis):
    schema = with_setting(SCHEMA, "primaryKeyColumns", PRIMARY_KEYS[key])
    more = [{"name": name, "dataType": "STRING"} for name in ("city", "place", "v")]
    schema = with_setting(schema, "dimensionFieldSpecs", [*SCHEMA["dimensionFieldSpecs"], *more])
    if comparison == "seconds":
        schema = with_setting(schema, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
    column = "v" if comparison == "version" else "changed"
    name = "_".join((key, comparison, *(["keep"] if keep else ()), *(["when"] if when else ())))
    schema = with_setting(schema, "schemaName", name)
    config = with_setting(with_setting(CONFIG, "tableName", name), TOPIC, f"{name}-stream")
    config = with_setting(config, "upsertConfig.comparisonColumns", [column])
    source = {"columns": {"place": "address.city", "v": "$version", "changed": "$timestamp"}}
    if keep:
        source["ttl_deletes"] = "keep"
    if when:
        source["when"] = {"kind": "row"}
    return Kind(
        key=key,
        comparison=comparison,
        keep=keep,
        when=when,
        kinesis=kinesis,
        table=table(schema, config, source),
        upsert=read_upsert_table(schema, config),
        documents=(schema, config, source),
    )


KINDS = [
    kind(*each)
    for each in product(PRIMARY_KEYS, ("ms", "seconds", "version"), (False, True), (False, True), (False, True))
]


@dataclass(frozen=True, kw_only=True)
class Write:
    """One change: its number in the order of all, its item before and after, and its record."""

    number: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    is_ttl: bool
    record: dict[str, Any]

    def events(self, kind):
        """What the change does in Pinot: primary key -> the item's name, None for a deleted row, or SPOILT."""
        if self.is_ttl and kind.keep:
            return {}
        events = {}
        if kind.is_row(self.before):
            events[kind.primary_key(self.before)] = None
        if kind.is_row(self.after):
            events[kind.primary_key(self.after)] = SPOILT if self.after["is_spoilt"] else self.after["name"]
        return events


class World:
    """One history."""

    def __init__(self, kinds, seed, counts):
        self.kinds, self.random, self.counts = kinds, Random(f"{names_of(kinds)} {seed}"), counts
        self.kind = kinds[0]  # the one that is looked at; all have the same source
        self.replicas = {each.table.target: Replica(each.upsert) for each in kinds}
        self.now = SECOND * 1000
        self.items, self.waiting, self.writes = {}, defaultdict(list), []
        self.delivered = defaultdict(list)  # since a shard's last changes that were given up
        self.shards = self.random.choice((1, 2))  # of the source; an item has one of them
        self.objects, self.progress = {}, {}
        self.listed = ()  # objects that a redrive may be at
        self.is_quiet = False

    # The source.

    def write(self):
        if self.is_quiet:
            return
        name = self.random.choice(("a1", "a1", "a2") if self.kind.key == "shared" else ("a", "a", "b"))
        number = len(self.writes) + 1
        before = self.items.get(name)
        last = self.writes[-1] if self.writes else None
        is_shared = any(each.is_shared for each in self.kinds)
        is_timed = self.kind.kinesis and all(each.is_exact for each in self.kinds)
        if is_shared and last and last.name != name and not is_timed:
            self.now += 1000  # in one second two items that share a row have no order
        elif self.kind.kinesis:
            self.now += self.random.choice((1, 1, 400))
        after, is_ttl = None, False
        if before is None or self.random.random() < 0.65:
            after = {
                "id": name[:1] if self.kind.key == "shared" else name,
                "name": f"n{number}",
                "city": self.random.choice(("Rome", "Oslo")),
                "kind": self.random.choice(("row", "row", "other")),
                "is_spoilt": self.random.random() < 0.12,
            }
        else:
            is_ttl = self.random.random() < 0.6
        self.items[name] = after
        record = self._record(number, name, before, after, is_ttl)
        made = Write(number=number, before=before, after=after, is_ttl=is_ttl, record=record)
        object.__setattr__(made, "name", name)
        self.writes.append(made)
        self.waiting[sum(map(ord, name)) % self.shards].append(made)

    def _keys(self, name):
        return {"id": {"S": name[:1]}, "sk": {"S": name[1:]}} if self.kind.key == "shared" else {"id": {"S": name}}

    def _record(self, number, name, before, after, is_ttl):
        keys, old, new = self._keys(name), _attributes(before), _attributes(after)
        options = {"second": self.now // 1000, "sequence": number}
        if is_ttl:
            options["userIdentity"] = TTL_IDENTITY
        if new is None:
            record = remove(keys, old, **options)
        else:
            record = insert(keys, new, **options) if old is None else modify(keys, new, old, **options)
        if not self.kind.kinesis:
            return record
        inner = {each: value for each, value in record["dynamodb"].items() if each != "SequenceNumber"}
        inner["ApproximateCreationDateTime"] = self.now
        record = {**record, "dynamodb": inner, "tableName": "meetups", "recordFormat": "application/json"}
        del record["eventSourceARN"]
        data = base64.b64encode(json.dumps(record).encode()).decode()
        return {"eventSource": "aws:kinesis", "kinesis": {"data": data, "sequenceNumber": str(number)}}

    def pass_time(self):
        self.now += self.random.choice((0, 0, 1000))
        if self.random.random() < 0.7:
            self.write()

    # The live path.

    def deliver(self):
        """Deliver some changes of a shard, of any of its items, or give them up."""
        shards = [shard for shard, waiting in self.waiting.items() if waiting]
        if not shards:
            return
        shard = self.random.choice(shards)
        waiting = self.waiting[shard]
        batch = waiting[: self.random.randint(1, 3)]
        if self.kind.kinesis and self.random.random() < 0.4:
            batch = self.random.sample(waiting, len(batch))
        self.waiting[shard] = [each for each in waiting if each not in batch]
        self.counts["batches of several items"] += len({each.name for each in batch}) > 1
        if self.random.random() < 0.35:
            if self.random.random() < 0.3:
                self._ingest(batch[: self.random.randint(0, len(batch))], letters=False)
            self._give_up(batch)
            self.delivered[shard].clear()
            return
        self._ingest(batch)
        self.delivered[shard] += batch
        if self.random.random() < 0.15:  # once more, from any change on
            again = self.delivered[shard]
            self.counts["delivered again"] += 1
            self._ingest(again[self.random.randrange(len(again)) :])

    def _ingest(self, batch, *, letters=True):
        tables = [each.table for each in self.kinds]
        made = plan([each.record for each in batch], tables, max_record_bytes=MAX_BYTES)
        for target, entries in made.rows.items():
            for entry in entries:
                self.replicas[target].ingest(0, entry.data)
        for letter in made.dead_letters if letters else ():
            entry = letter.entry()
            self.objects[entry.key] = entry.data
            self.counts["dead letters"] += 1

    def _give_up(self, batch):
        """Put changes into one object, or into the one of another item's changes: a batch has changes of all items."""
        self.counts["given up"] += len(batch)
        batches = [key for key in self.objects if key.startswith("aws/") and key not in {*self.progress, *self.listed}]
        key = f"aws/lambda/{len(self.writes)}-{self.random.random()}"
        records = [each.record for each in batch]
        if batches and self.random.random() < 0.3:
            key = self.random.choice(batches)
            records = [*json.loads(self.objects[key])["payload"]["Records"], *records]
        self.objects[key] = json.dumps({"DDBStreamBatchInfo": {}, "payload": {"Records": records}}).encode()

    # The redrive.

    def _read(self, change, earliest):
        while self.now // 1000 < earliest:
            self.now += 1000
            if self.random.random() < 0.3:
                self.write()
        second = self.random.randint(earliest, self.now // 1000)  # by a clock that may be behind
        for _ in range(self.random.randrange(2)):
            self.pass_time()
        if not self.listed[MOST_LISTED:] and self.random.random() < 0.15:
            self.counts["redrives within another"] += 1
            self.redrive()
        name = "".join(part["S"] for part in change.keys.values())
        item = self.items.get(name)
        for _ in range(self.random.randrange(2)):
            self.pass_time()
        return ItemSnapshot(None if item is None else {**change.keys, **_attributes(item)}, second)

    def _publish(self, target, entries):
        if not self.is_quiet and self.random.random() < 0.3:
            self.deliver()
        first = self.random.randrange(len(entries)) if not self.is_quiet and self.random.random() < 0.2 else None
        (self.kind,) = (each for each in self.kinds if each.table.target == target)
        before = self.shown()
        for place, entry in enumerate(entries):
            if first is None or place < first or self.random.random() < 0.5:
                self.replicas[target].ingest(0, entry.data)
        self._check_nothing_newer_was_replaced(before)
        return Published(first_unpublished=first, resent=0, errors={})

    def redrive(self):
        keys = list(self.objects)
        self.random.shuffle(keys)
        outer, self.listed = self.listed, (*self.listed, *keys)
        bucket = Bucket(
            list_keys=lambda: keys,
            fetch=self.objects.get,
            archive=lambda key: self.objects.pop(key, None),
            fetch_progress=self.progress.get,
            save_progress=self.progress.__setitem__,
            delete_progress=lambda key: self.progress.pop(key, None),
        )
        left = 1000 if self.is_quiet else self.random.choice((1, 2, 5, 1000))

        def remaining():
            nonlocal left
            left -= 1
            return left

        summary = redrive(
            bucket,
            [each.table for each in self.kinds],
            read_item=self._read,
            publish=self._publish,
            max_record_bytes=MAX_BYTES,
            remaining=remaining,
            portion=self.random.choice((1, 2, 500)),
        )
        self.listed = outer
        self.counts["made good"] += summary.redriven
        for (_, reason), failing in summary.failing.items():
            self.counts[reason] += failing
        return summary

    # What must be true.

    def shown(self):
        return {self.kind.upsert.key(row): row["name"] for row in self.replicas[self.kind.table.target].live()}

    def expected(self):
        """What Pinot should show by the order of all changes, and the change that decides it, by primary key."""
        last = {}
        for each in self.writes:
            for key, name in each.events(self.kind).items():
                last[key] = (name, each)
        return last

    def ties(self, key, last):
        """What the changes do that may decide what Pinot shows of a key, and they: ``last``, or all of its second."""
        if self.kind.is_ordered:
            return [(last.events(self.kind)[key], last)]
        second = _second(last)
        return [
            (each.events(self.kind)[key], each)
            for each in self.writes
            if _second(each) == second and key in each.events(self.kind)
        ]

    def _check_nothing_newer_was_replaced(self, before):
        """Check a redrive's rows against those of the changes that came by themselves or were made good.

        A row may also be shown before its own change is made good, as a redrive reads the item as it is now.
        """
        expected, after = self.expected(), self.shown()
        settled = {each.number for each in self.writes} - self.left()
        settled -= {each.number for waiting in self.waiting.values() for each in waiting}
        for key in before.keys() | after.keys():
            right, decisive = expected[key]
            if before.get(key) == right and decisive.number in settled:
                assert after.get(key) == right, f"{key} was right, and a redriven row replaced it"
            elif key in before and key in after and int(before[key][1:]) in settled:
                assert int(before[key][1:]) <= int(after[key][1:]), f"{key}: an older row replaced a newer one"

    def left(self):
        """The numbers of the changes that the bucket still has as not made good."""
        numbers = set()
        for key, body in self.objects.items():
            document = json.loads(body)
            if document.get("table") not in (None, self.kind.table.name):
                continue
            payload = document.get("payload")
            if isinstance(payload, str):
                payload = json.loads(payload)
            records = payload["Records"] if payload else [document["record"]]
            done = json.loads(self.progress.get(key, b'{"done": []}'))["done"]
            numbers |= {_number(record) for place, record in enumerate(records) if place not in done}
        return numbers

    def may_stay(self, write, kind):
        """Whether a lost change may be left as not made good at the end, for what a table is."""
        item = self.items[write.name]
        if kind.is_row(item) and item["is_spoilt"]:
            return True
        if not kind.keep:
            return False
        if kind.is_exact:
            if write.after is None:
                return False
            is_replaced = kind.is_row(item) and kind.primary_key(item) == kind.primary_key(write.after)
            return write.after["is_spoilt"] and not is_replaced
        is_moving = kind.key in ("composite", "path", "moving")
        return bool(write.events(kind)) and (is_moving or not kind.is_row(item))

    def run(self):
        for _ in range(self.random.randint(4, 16)):
            self.random.choice((self.pass_time, self.pass_time, self.deliver, self.redrive))()
        self.is_quiet = True
        while any(self.waiting.values()):
            self.deliver()
        self.now += 3000
        for _ in range(2):
            self.redrive()
        for kind in self.kinds:
            self.kind = kind
            self.check_end()

    def check_end(self):
        left, shown = self.left(), self.shown()
        lost = [each for each in self.writes if each.number in left]
        unexplained = [each for each in lost if not any(self.may_stay(each, kind) for kind in self.kinds)]
        assert unexplained == [], "changes that can be made good were not"
        for key, (name, write) in self.expected().items():
            self.counts["rows compared"] += 1
            if name is SPOILT:
                assert write.number in left, f"{key}: a change that cannot be a row is counted as made good"
            elif shown.get(key) not in dict(ties := self.ties(key, write)):
                self.counts["rows that stay wrong"] += 1
                assert not left.isdisjoint(each.number for _, each in ties), (
                    f"{key}: Pinot shows {shown.get(key)}, right is {name}, counted as made good"
                )
        assert not shown.keys() - self.expected().keys()


def _attributes(item):
    if item is None:
        return None
    attributes = {name: {"S": item[name]} for name in ("name", "city", "kind")}
    attributes["address"] = {"M": {"city": {"S": item["city"]}}}
    return attributes | ({"price": {"S": "cheap"}} if item["is_spoilt"] else {})


def _second(write):
    inner = json.loads(base64.b64decode(write.record["kinesis"]["data"]))
    return inner["dynamodb"]["ApproximateCreationDateTime"] // 1000


def _number(record):
    inner = record.get("kinesis")
    return int(inner["sequenceNumber"] if inner else record["dynamodb"]["SequenceNumber"])


def names_of(kinds):
    return " + ".join(map(str, kinds))


# Tables of different primary keys, orders and rules that take the same changes.
FAN_OUT = [
    tuple(kind(*each, kinesis) for each in tables)
    for kinesis in (False, True)
    for tables in (
        (("id", "ms", False, False), ("composite", "version", True, False)),
        (("id", "seconds", True, False), ("path", "ms", False, True)),
        (("moving", "ms", False, False), ("id", "version", False, True), ("composite", "ms", True, True)),
        (("shared", "version", False, True), ("shared", "seconds", True, False)),
    )
]


@pytest.mark.parametrize("kinds", [*((each,) for each in KINDS), *FAN_OUT], ids=names_of)
def test_pinot_ends_right_or_it_is_known_what_it_lacks(kinds):
    counts = Counter()
    for seed in range(HISTORIES):
        try:
            World(kinds, seed, counts).run()
        except AssertionError as error:
            raise AssertionError(f"{error}\nkinds {names_of(kinds)}, seed {seed}") from error
    assert all(
        counts[each]
        for each in (
            *("given up", "dead letters", "delivered again", "made good", "redrives within another"),
            "batches of several items",
        )
    )
    assert bool(counts["order_unknown"]) == any(each.keep and not each.is_exact for each in kinds)
    assert bool(counts["rows that stay wrong"]) <= any(each.keep and not each.is_exact for each in kinds)


class Deployed(World):
    """A history through both functions as they are deployed, with the SDK's own clients, against moto.

    All writes come first: moto's clock is the real one, and redriven rows have its time. The stream of the table has a
    shard that splits, and each shard has an event source mapping, whose function fails at times, and gives batches up.
    The Kinesis form comes in any order, and some changes come twice.
    """

    def __init__(self, kind, seed, counts, aws):
        super().__init__((kind,), seed, counts)
        self.aws = aws
        self.stream, self.redriver = function.load("handlers.stream"), function.load("handlers.redrive")

    def run(self):
        while len(self.writes) < 40:
            self.pass_time()
        for name, item in self.items.items():
            if item:
                attributes = {**self._keys(name), **_attributes(item)}
                self.aws.dynamodb.put_item(TableName="meetups", Item=attributes)
        (self._drain_kinesis if self.kind.kinesis else self._drain_shards)()
        for _ in range(2):
            self._redrive()
        for number, shard in enumerate(self.aws.kinesis.list_shards(StreamName=self.kind.table.stream)["Shards"]):
            start = self.aws.kinesis.get_shard_iterator(
                StreamName=self.kind.table.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )
            for record in self.aws.kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]:
                self.replicas[self.kind.table.target].ingest(number, record["Data"])
        for each in self.aws.s3.list_objects_v2(Bucket="dead").get("Contents", []):
            body = self.aws.s3.get_object(Bucket="dead", Key=each["Key"])["Body"].read()
            place, _, key = each["Key"].partition("/")
            if place == "progress":
                self.progress[key] = body
            elif place != "redriven":
                self.objects[each["Key"]] = body
        self.check_end()

    def _drain_shards(self):
        middle = len(self.writes) // 2
        first, second = sorted({each.name for each in self.writes})
        parent, *children = (
            self._source([each for each in self.writes if each.number <= middle]),
            self._source([each for each in self.writes if each.number > middle and each.name == first]),
            self._source([each for each in self.writes if each.number > middle and each.name == second]),
        )
        self._drain([parent])
        self._drain(children)

    def _drain_kinesis(self):
        """Deliver all changes in any order, some of them twice, and give up batches that fail."""
        records = [each.record for each in self.writes]
        records += self.random.sample(records, len(records) // 4)
        self.random.shuffle(records)
        for start in range(0, len(records), 4):
            batch = records[start : start + 4]
            try:
                assert self._invoke({"Records": batch}) == {"batchItemFailures": []}
            except RuntimeError:
                self._store({"KinesisBatchInfo": {"batchSize": len(batch)}, "payload": json.dumps({"Records": batch})})
            if self.random.random() < 0.15:
                self._redrive()

    def _source(self, writes):
        numbers = [each.record["dynamodb"]["SequenceNumber"] for each in writes]

        def read(after, limit):
            start = 0 if after is None else numbers.index(after) + 1
            return [each.record for each in writes[start : start + limit]]

        return EventSource(
            read,
            self._invoke,
            clock=lambda: self.now / 1000,
            sleep=lambda _: None,
            on_failure=self._store,
            settings=Settings(
                batch_size=4,
                bisect_batch_on_function_error=True,
                maximum_retry_attempts=0,
                report_batch_item_failures=True,
            ),
        )

    def _drain(self, sources):
        while sources:
            source = self.random.choice(sources)
            if not source.step():
                sources.remove(source)
            if self.random.random() < 0.15:
                self._redrive()

    def _invoke(self, event):
        if self.random.random() < 0.4:
            raise RuntimeError("the function failed")
        response = self.stream.handler(event, CONTEXT)
        if self.random.random() < 0.3:
            raise RuntimeError("the response is lost")
        return response

    def _store(self, document):
        info = document.get("KinesisBatchInfo") or document["DDBStreamBatchInfo"]
        self.counts["given up"] += info["batchSize"]
        key = f"aws/lambda/mapping/{self.counts['given up']}"
        self.aws.s3.put_object(Bucket="dead", Key=key, Body=json.dumps(document))

    def _redrive(self):
        self.counts["rows made good"] += self.redriver.handler({}, CONTEXT)["rows"]


@pytest.fixture
def deployed(monkeypatch, tmp_path, request):
    kind = request.param
    folder = tmp_path / "tables" / kind.table.name
    folder.mkdir(parents=True)
    for name, document in zip(("schema.json", "table.json"), kind.documents[:2], strict=True):
        (folder / name).write_text(json.dumps(document))
    (folder / "source.toml").write_text(kind.source_toml())
    set_environment(monkeypatch, folder.parent, REDRIVE_ITEMS_PER_SECOND="1000")
    keys = ("id", "sk") if kind.key == "shared" else ("id",)
    with mock_aws(), records_in_turn():
        kinesis = boto3.client("kinesis", region_name="eu-west-1")
        kinesis.create_stream(StreamName=kind.table.stream, ShardCount=3)
        s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
        s3.create_bucket(Bucket="dead")
        dynamodb.create_table(
            TableName="meetups",
            KeySchema=[{"AttributeName": n, "KeyType": t} for n, t in zip(keys, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        yield kind, SimpleNamespace(kinesis=kinesis, s3=s3, dynamodb=dynamodb)
    forget("handlers.stream", "handlers.redrive")


DEPLOYED = (
    ("id", "ms", False, True, False),
    ("id", "version", True, True, False),
    ("composite", "version", True, False, False),
    ("path", "seconds", False, True, False),
    ("moving", "ms", False, False, False),
    ("shared", "version", False, True, False),
    ("id", "ms", False, False, True),
    ("composite", "seconds", False, True, True),
    ("moving", "version", False, False, True),
)


@pytest.mark.parametrize("deployed", [kind(*each) for each in DEPLOYED], ids=str, indirect=True)
def test_the_functions_and_the_sdks_clients_come_to_the_same(deployed):
    kind, aws = deployed
    counts = Counter()
    Deployed(kind, 0, counts, aws).run()
    assert counts["given up"] >= 3
    assert counts["rows made good"] >= 1
    assert counts["rows compared"] >= 1
