"""Several Pinot tables on several streams: the faults of one do not affect the others.

A history has one or two DynamoDB tables and two or three routes. A route is a Pinot table with a filter and a stream of
its own. In each invocation each stream has a fault of its own, or none. The result is checked after every invocation,
by a model of what each change means to each route, and once more at the end, after all retries.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest

from changes import insert, modify, remove
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.replica import Replica, UpsertTable, read_upsert_table
from faults.history import FIRST_NUMBER, FIRST_SECOND
from faults.world import SequentialPool
from files import CONFIG, SCHEMA, table, with_setting
from handlers import relay
from handlers.planner import Planner
from kinesis_fake import Clock, FakeKinesis
from pinot.table import Table
from print_counts import print_counts
from publisher import concurrency, s3
from publisher.concurrency import publish_concurrently
from publisher.order import Limits, Published
from workers_fake import fake_workers

HISTORIES = 1_500
MAX_STEPS = 2_000  # more than any history takes
TOPIC = (*"ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split("."), "stream.kinesis.topic.name")
TOO_LONG = "x" * 600  # does not fit a STRING
NOT_A_NUMBER = "dear"  # does not fit a DOUBLE


# The routes, and what a change means to each of them.


@dataclass(frozen=True, kw_only=True)
class Route:
    """A Pinot table; ``selects`` is the model of its filter, ``columns`` those that hold an item's own values."""

    source: str
    table: Table
    upsert: UpsertTable
    selects: Callable[[dict[str, Any]], bool]
    columns: tuple[str, ...]

    @property
    def name(self):
        return self.table.name


def _route(name, source, selects, *columns, when=None, version=False):
    kinds = ("dimensionFieldSpecs", "metricFieldSpecs")
    own = {"id", "deleted", *columns}
    schema = {**SCHEMA, "schemaName": name}
    schema |= {kind: [spec for spec in SCHEMA[kind] if spec["name"] in own] for kind in kinds}
    more = [each for each in ("group", "version") if each in columns or (each == "version" and version)]
    schema["dimensionFieldSpecs"] += [{"name": each, "dataType": "STRING"} for each in more]
    config = with_setting(with_setting(CONFIG, "tableName", name), TOPIC, name)
    document = {"dynamodb_table": source, **({"when": when} if when else {})}
    if version:
        config = with_setting(config, "upsertConfig.comparisonColumns", ["version"])
        document["columns"] = {"version": "$version", "changed": "$timestamp"}
    made, upsert = table(schema, config, document), read_upsert_table(schema, config)
    return Route(source=source, table=made, upsert=upsert, selects=selects, columns=columns)


ALL = _route("all", "app", lambda item: True, "name", "price")
PRICED = _route("priced", "app", lambda item: "price" in item, "price", when={"price": {"exists": True}})
GROUPED = _route(
    *("grouped", "app", lambda item: item.get("group") in ("a", "b"), "name", "group"),
    when={"group": {"in": ["a", "b"]}},
    version=True,
)
OTHER = _route("other", "other", lambda item: True, "name")
TOGETHER = ((ALL, PRICED), (PRICED, GROUPED), (ALL, PRICED, GROUPED), (ALL, OTHER), (PRICED, GROUPED, OTHER))


@dataclass(frozen=True, kw_only=True)
class Write:
    """One change of an item of a DynamoDB table: its attributes before and after, None where there is no item."""

    source: str
    key: str
    second: int
    number: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def record(self):
        encode = {str: lambda text: {"S": text}, float: lambda number: {"N": str(number)}}
        old, new = (
            image and {name: encode[type(value)](value) for name, value in image.items()}
            for image in (self.before, self.after)
        )
        common = {"second": self.second, "sequence": self.number, "table": self.source}
        keys = {"id": {"S": self.key}}
        if new is None:
            return remove(keys, old, **common)
        return insert(keys, new, **common) if old is None else modify(keys, new, old, **common)

    @property
    def sequence_number(self):
        return self.record["dynamodb"]["SequenceNumber"]

    def outcome(self, route):
        """The result of the change for a route: its row, "dead letter", or None."""
        if self.source != route.source:
            return None
        was_row = self.before is not None and route.selects(self.before)
        is_row = self.after is not None and route.selects(self.after)
        if is_row and any(self.after.get(column) in (TOO_LONG, NOT_A_NUMBER) for column in route.columns):
            return "dead letter"
        if not is_row and not was_row:
            return None
        image = self.after if is_row else self.before
        row = {"id": self.key, "deleted": not is_row, "changed": self.second * 1000}
        row |= {
            name: image[name] for name in route.columns if name in image and image[name] not in (TOO_LONG, NOT_A_NUMBER)
        }
        if "version" in route.upsert.columns:
            row["version"] = f"{self.second * 1000:013d}-{self.number:040d}"
        return row


def write_history(random, source):
    """Make the changes of a DynamoDB table, in order: few items, in and out of filters, many changes of one second."""
    items, writes = {}, []
    second, number = FIRST_SECOND, FIRST_NUMBER
    for _ in range(random.randint(3, 16)):
        second += random.choice((0, 0, 1, 60))
        number += random.choice((1, 9))
        key = random.choice("aab")
        before = items.pop(key, None)
        after = None
        if before is None or random.random() < 0.75:
            after = {"name": TOO_LONG if random.random() < 0.1 else f"name {number}"}
            if random.random() < 0.6:
                after["price"] = NOT_A_NUMBER if random.random() < 0.2 else random.randrange(99) / 4
            if random.random() < 0.7:
                after["group"] = random.choice("abc")
            items[key] = after
        writes.append(Write(source=source, key=key, second=second, number=number, before=before, after=after))
    return writes


# The streams and their faults.

FAULTS = {
    "none": {},
    "rejects in part": {"reject": 0.5},
    "rejects everything": {"reject": 1.0},
    "fails now and then": {"fail": 0.5},
    "fails wholly": {"fail": 1.0},
    "loses responses": {"lose": 0.6},
    "shuffles": {"shuffle": 1.0},
    "is refused": {"unavailable": True},
    "hangs": {"hangs": True},
}
NO_FAULT = {"reject": 0.0, "fail": 0.0, "lose": 0.0, "shuffle": 0.0, "unavailable": False, "hangs": False}


class Stream(FakeKinesis):
    """A stream that may also hang until the time is up, whether or not it accepted the rows."""

    def __init__(self, random, *, shards):
        super().__init__(random, shards=shards)
        self.hangs = False
        self.fault = "none"
        self.clock = None

    def set_fault(self, fault, clock):
        self.fault, self.clock = fault, clock
        for name, value in {**NO_FAULT, **FAULTS[fault]}.items():
            setattr(self, name, value)

    def send(self, entries):
        if not self.hangs:
            return super().send(entries)
        self.clock.left = -1.0
        if self.random.random() < 0.5:
            super().send(entries)
        return ["ReadTimeoutError"] * len(entries)


class Bucket:
    """The dead letters by table and sequence number, and whether they can be stored now."""

    def __init__(self):
        self.dead_letters = set()
        self.is_down = False

    def put(self, entry):
        if self.is_down:
            return "ServiceUnavailable"
        dead_letter = json.loads(entry.data)
        self.dead_letters.add((dead_letter["table"], dead_letter["dynamodb_table"], dead_letter["sequence_number"]))
        return None


class Routes:
    """One history of a seed, from the changes to what Pinot would show."""

    def __init__(self, seed, counts=None):
        self.random = random = Random(seed)
        self.counts = Counter() if counts is None else counts
        self.routes = random.choice(TOGETHER)
        self.planner = Planner([route.table for route in self.routes], max_record_bytes=1024 * 1024)
        sources = sorted({route.source for route in self.routes})
        self.writes = {source: write_history(random, source) for source in sources}
        shards = random.choice((1, 2, 3))
        self.streams = {route.name: Stream(random, shards=shards) for route in self.routes}
        self.bucket = Bucket()
        self.calm_after = random.choice((0, 4, 8, 15))
        self.fault_rate = random.choice((0.3, 0.7))
        self.limits = Limits(records=random.choice((1, 2, 5, 500)))
        self.settings = Settings(
            report_batch_item_failures=True,
            batch_size=random.choice((1, 3, 10, 100)),
            parallelization_factor=random.choice((1, 2)),
            bisect_batch_on_function_error=random.random() < 0.5,
        )
        self.invocations = 0
        self.error = None
        self.sources = {source: self._connect(source, None) for source in self.writes}

    def _connect(self, source, checkpoint):
        records = [write.record for write in self.writes[source]]
        numbers = [write.sequence_number for write in self.writes[source]]

        def read(after, limit):
            start = 0 if after is None else numbers.index(after) + 1
            return records[start : start + limit]

        return EventSource(
            read,
            lambda event: self._invoke_and_keep_error(source, event),
            clock=lambda: 0.0,
            sleep=lambda _: None,
            settings=self.settings,
            pick=self.random.randrange,
            checkpoint=checkpoint,
        )

    def run(self):
        """Run the history to its end."""
        pool = SequentialPool(self.random)
        with patch.object(relay, "ThreadPoolExecutor", pool), patch.object(s3, "ThreadPoolExecutor", pool):
            waiting = list(self.sources)
            for _ in range(MAX_STEPS):
                source = self.random.choice(waiting)
                has_more = self.sources[source].step()
                if self.error:
                    raise self.error
                if not has_more:
                    waiting.remove(source)
                elif self.invocations < self.calm_after and self.random.random() < 0.05:
                    self.counts["poller restarts"] += 1
                    self.sources[source] = self._connect(source, self.sources[source].checkpoint)
                if not waiting:
                    break
            else:
                raise AssertionError("the changes are retried without progress")
        self._check_end()
        return self

    def _invoke_and_keep_error(self, source, event):
        """Keep an exception: the event source only sees a function that failed."""
        try:
            return self._invoke(source, event)
        except Exception as error:
            self.error = error
            raise

    def _invoke(self, source, event):
        self.invocations += 1
        self._inject_faults()
        numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
        batch = [write for write in self.writes[source] if write.sequence_number in numbers]
        before = {name: list(map(len, stream.shards)) for name, stream in self.streams.items()}

        def publish(target, entries):
            stream = self.streams[target.stream]
            return publish_concurrently(
                entries,
                stream.send,
                fake_workers(stream.random),
                shards=lambda: len(stream.shards),
                remaining=stream.clock.remaining,
                sleep=stream.clock.sleep,
                jitter=self.random.random,
                limits=self.limits,
            )

        report = relay.relay(
            event,
            self.planner,
            publish=publish,
            store=lambda letters: s3.store(letters, self.bucket.put, remaining=lambda: 1.0),
        )
        response = report.response()
        failures = [failure["itemIdentifier"] for failure in response["batchItemFailures"]]
        self._check_invocation(batch, before, numbers.index(failures[0]) if failures else len(numbers))
        return response

    def _inject_faults(self):
        """Choose a fault and a clock for each stream in this invocation: they are published to concurrently."""
        calm = self.invocations > self.calm_after
        for stream in self.streams.values():
            has_fault = not calm and self.random.random() < self.fault_rate
            fault = self.random.choice(list(FAULTS)) if has_fault else "none"
            stream.set_fault(fault, Clock(self.random.choice((60.0, 0.3))))
            self.counts[fault] += 1
        self.bucket.is_down = not calm and self.random.random() < 0.2
        self.counts["bucket down"] += self.bucket.is_down

    # The checks.

    def _check_invocation(self, batch, before, end):
        faults = {stream.fault for stream in self.streams.values()}
        self.counts["invocations with healthy and other streams"] += "none" in faults and len(faults) > 1
        for route in self.routes:
            stream = self.streams[route.name]
            rows = [row for row in (write.outcome(route) for write in batch) if isinstance(row, dict)]
            sent = [shard[start:] for shard, start in zip(stream.shards, before[route.name], strict=True)]
            if stream.fault == "none":
                assert sorted_by_key(sent) == sorted_by_key([rows], get=lambda row: (row["id"], row)), (
                    f"{route.name}: a healthy stream did not get exactly its rows, in order, in the same invocation"
                )
            on_stream = [json.loads(entry.data) for shard in stream.shards for entry in shard]
            for write in batch[:end]:
                outcome = write.outcome(route)
                if isinstance(outcome, dict):
                    assert outcome in on_stream, f"{route.name}: reported as done, but not on the stream"
                if outcome == "dead letter":
                    assert dead_letter_of(route, write) in self.bucket.dead_letters, (
                        f"{route.name}: reported as done, but its dead letter is missing"
                    )
        if faults == {"none"} and not self.bucket.is_down:
            assert end == len(batch), "a failure was reported without a fault"
        self.counts["retried batches"] += end < len(batch)

    def _check_end(self):
        dead_letters = set()
        for route in self.routes:
            writes = self.writes[route.source]
            outcomes = [write.outcome(route) for write in writes]
            rows = [row for row in outcomes if isinstance(row, dict)]
            dead_letters |= {dead_letter_of(route, write) for write in writes if write.outcome(route) == "dead letter"}
            newest = {row["id"]: row for row in rows}
            stream = self.streams[route.name]
            assert {entry.key for shard in stream.shards for entry in shard} <= {f"1:{key}" for key in newest}
            ends = {key.removeprefix("1:"): json.loads(data) for key, data in stream.last_of_each_key().items()}
            assert ends == newest, f"{route.name}: the stream does not end in the newest change of each key"
            replica = Replica(route.upsert)
            for number, shard in enumerate(stream.shards):
                for entry in shard:
                    assert replica.ingest(number, entry.data) in rows, f"{route.name}: a row that is not its own"
            shown = {row["id"]: row for row in replica.live()}
            assert shown == {key: row for key, row in newest.items() if not row["deleted"]}
            accepted = sum(map(len, stream.shards))
            self.counts["duplicates"] += accepted - len(rows)
            self.counts["deletes by the filter"] += sum(
                isinstance(row, dict) and row["deleted"] and write.after is not None
                for row, write in zip(outcomes, writes, strict=True)
            )
        assert self.bucket.dead_letters == dead_letters, (
            "the dead letters are not exactly those of the tables that cannot take the change"
        )
        self.counts["dead letters of one table, rows of another"] += sum(
            {"dead letter", "row"}
            <= {"row" if isinstance(each, dict) else each for each in map(write.outcome, self.routes)}
            for writes in self.writes.values()
            for write in writes
        )


def sorted_by_key(shards, get=lambda entry: (entry.key.removeprefix("1:"), json.loads(entry.data))):
    """The rows of each key, in order."""
    rows = {}
    for key, row in (get(each) for shard in shards for each in shard):
        rows.setdefault(key, []).append(row)
    return rows


def dead_letter_of(route, write):
    return (route.name, route.source, write.sequence_number)


FAULTS_AND_EVENTS = (
    *FAULTS,
    "retried batches",
    "bucket down",
    "deletes by the filter",
    "duplicates",
    "invocations with healthy and other streams",
    "dead letters of one table, rows of another",
    "poller restarts",
)


def run_routes(seed, counts=None):
    try:
        return Routes(seed, counts).run()
    except AssertionError as error:
        raise AssertionError(f"{error}\nseed {seed}") from error


def test_the_faults_of_one_stream_neither_delay_nor_reorder_the_rows_of_another(capsys):
    counts = Counter()
    for seed in range(HISTORIES):
        run_routes(seed, counts)
    print_counts(capsys, "routes", counts)
    assert [name for name in FAULTS_AND_EVENTS if not counts[name]] == [], "faults and events that never occurred"


# Streams are published to concurrently. The histories imitate that with a clock for each stream.

NAMES = ("all", "priced", "grouped")
THREE = [ALL.table, PRICED.table, GROUPED.table]
FOR_ALL = insert({"id": {"S": "a"}}, {"name": {"S": "x"}, "price": {"N": "1"}, "group": {"S": "a"}}, table="app")
MAX_WAIT_SECONDS = 10.0  # after which the others must be waiting for the stream that hangs


@pytest.mark.parametrize("hanging", NAMES)
def test_a_stream_that_hangs_does_not_block_the_others(hanging):
    others_done = {name: Event() for name in NAMES if name != hanging}

    def publish(target, entries):
        if target.stream != hanging:
            others_done[target.stream].set()
            return Published(first_unpublished=None, resent=0, errors={})
        end = time.monotonic() + MAX_WAIT_SECONDS
        done = [event.wait(end - time.monotonic()) for event in others_done.values()]
        assert done == [True, True], "the others wait for the stream that hangs"
        return Published(first_unpublished=0, resent=0, errors={"ReadTimeoutError": 1})

    report = relay.relay(
        {"Records": [FOR_ALL]},
        Planner(THREE, max_record_bytes=1_000),
        publish=publish,
        store=lambda _: (None, None),
    )
    assert report.response() == {
        "batchItemFailures": [{"itemIdentifier": FOR_ALL["dynamodb"]["SequenceNumber"]}],
    }


# The histories can fail: some of them detect each of these defects of the relay.

DETECTING_HISTORIES = 300


def publishes_one_after_the_other_until_one_fails(monkeypatch):
    def in_a_row(rows, publish):
        published = {}
        for target, entries in rows.items():
            published[target] = publish(target, entries)
            if published[target].first_unpublished is not None:
                break
        return published

    monkeypatch.setattr(relay, "_publish_all", in_a_row)


def drops_the_rows_after_another_streams_failure(monkeypatch):
    def in_a_row(rows, publish):
        published, end = {}, None
        for target, entries in rows.items():
            kept = [entry for entry in entries if end is None or entry.position < end]
            published[target] = publish(target, kept)
            stop = published[target].first_unpublished
            end = stop if end is None or (stop is not None and stop < end) else end
        return published

    monkeypatch.setattr(relay, "_publish_all", in_a_row)


def publishes_nothing_while_dead_letters_cannot_be_stored(monkeypatch):
    publish_all, store = relay._publish_all, s3.store
    not_stored = []

    def remembering(*arguments, **options):
        stop, error = store(*arguments, **options)
        not_stored.extend([stop] if error else [])
        return stop, error

    def careful(rows, publish):
        held_up = bool(not_stored)
        not_stored.clear()
        return {} if held_up else publish_all(rows, publish)

    monkeypatch.setattr(s3, "store", remembering)
    monkeypatch.setattr(relay, "_publish_all", careful)


def reports_only_the_first_streams_failure(monkeypatch):
    publish_all = relay._publish_all

    def forgetful(rows, publish):
        published = publish_all(rows, publish)
        first = next(iter(published), None)
        return {
            target: each if target == first else replace(each, first_unpublished=None)
            for target, each in published.items()
        }

    monkeypatch.setattr(relay, "_publish_all", forgetful)


def reports_the_last_of_the_failures(monkeypatch):
    monkeypatch.setattr(relay, "min", max, raising=False)


def drops_a_change_from_all_tables_if_one_cannot_take_it(monkeypatch):
    rows_of = Planner.rows

    def all_or_nothing(planner, account):
        rows = list(rows_of(planner, account))
        bad = {dead_letter.position for dead_letter in account.dead_letters}
        yield from ((target, entry) for target, entry in rows if entry.position not in bad)

    monkeypatch.setattr(Planner, "rows", all_or_nothing)


def writes_one_dead_letter_for_all_tables(monkeypatch):
    rows_of = Planner.rows

    def one_each(planner, account):
        yield from rows_of(planner, account)
        account.dead_letters[:] = {dead_letter.position: dead_letter for dead_letter in account.dead_letters}.values()

    monkeypatch.setattr(Planner, "rows", one_each)


def sends_every_row_to_the_first_stream(monkeypatch):
    publish_all = relay._publish_all

    def confused(rows, publish):
        first = next(iter(rows), None)
        return publish_all(rows, lambda _, entries: publish(first, entries))

    monkeypatch.setattr(relay, "_publish_all", confused)


def replicates_the_changes_of_every_dynamodb_table(monkeypatch):
    monkeypatch.setattr(Table, "replicates", lambda *_: True)


def forgets_that_leaving_a_filter_is_a_delete(monkeypatch):
    monkeypatch.setattr(Table, "_tombstone_of_left", lambda *_: iter(()))


def deletes_from_every_table_what_leaves_one(monkeypatch):
    monkeypatch.setattr(Table, "_was_row", lambda *_: True)


def never_resends_what_a_stream_once_accepted(monkeypatch):
    """The stream may have accepted only the second of two changes of a key. Then the first one comes last."""
    publish = concurrency.publish

    def thrifty(entries, send, **options):
        taken = vars(send.__self__).setdefault("taken", set())

        def noting(request):
            outcomes = send(request)
            taken.update(entry[:2] for entry, each in zip(request, outcomes, strict=True) if isinstance(each, int))
            return outcomes

        return publish([entry for entry in entries if entry[:2] not in taken], noting, **options)

    monkeypatch.setattr(concurrency, "publish", thrifty)


MUTANTS = (
    deletes_from_every_table_what_leaves_one,
    drops_the_rows_after_another_streams_failure,
    forgets_that_leaving_a_filter_is_a_delete,
    never_resends_what_a_stream_once_accepted,
    publishes_nothing_while_dead_letters_cannot_be_stored,
    publishes_one_after_the_other_until_one_fails,
    reports_only_the_first_streams_failure,
    reports_the_last_of_the_failures,
    sends_every_row_to_the_first_stream,
    drops_a_change_from_all_tables_if_one_cannot_take_it,
    replicates_the_changes_of_every_dynamodb_table,
    writes_one_dead_letter_for_all_tables,
)


def detecting_seed():
    for seed in range(DETECTING_HISTORIES):
        try:
            run_routes(seed)
        except AssertionError:
            return seed
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_histories_detect_a_defect(mutant, monkeypatch):
    mutant(monkeypatch)
    assert detecting_seed() is not None


def test_publishing_one_stream_after_another_is_detected(monkeypatch):
    monkeypatch.setattr(
        relay, "_publish_all", lambda rows, publish: {target: publish(target, rows[target]) for target in rows}
    )
    monkeypatch.setitem(globals(), "MAX_WAIT_SECONDS", 0.05)
    with pytest.raises(AssertionError, match="wait for the stream that hangs"):
        test_a_stream_that_hangs_does_not_block_the_others("all")
