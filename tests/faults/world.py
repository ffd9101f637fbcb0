"""The function's environment with the faults of one seed: Kinesis, S3, the event source mapping, time.

The relay, the publisher and the event source are the real ones. What they are passed is fake.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import chain
from random import Random
from unittest.mock import patch

from decoder.records import RawRecords
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.replica import Replica
from faults.history import BY_CITY, BY_TIME, BY_VERSION, MAX_RECORD_BYTES, write_history
from handlers import relay
from handlers.planner import Planner
from kinesis_fake import FakeKinesis
from publisher import order, s3
from publisher.concurrency import publish_concurrently, worker_threads
from workers_fake import fake_workers

RERUN = "FAULT_SEED={} FAULT_HISTORIES=1 .venv/bin/pytest tests/faults/test_histories.py"
MAX_STEPS = 3_000  # more than any history takes


def unparsed(event):
    """An event with records that are not parsed yet, as with orjson as the parser of events."""
    records = RawRecords.of(json.dumps(event, separators=(",", ":")).encode(), json.loads)
    return {"Records": records} if records else event


class Killed(BaseException):
    """The function was killed, as by a timeout or for lack of memory. It cannot catch this and continue."""


class DeadInvocationError(RuntimeError):
    """The error that the event source mapping sees."""


class ShardedStream(FakeKinesis):
    """A Kinesis stream with more faults: failing shards, requests processed late, a deleted stream, the kill."""

    def __init__(self, world, first_number=1):
        super().__init__(world.random, shards=world.shard_count)
        self.world = world
        self.down = set()
        self.late = 0.0
        self.denied = False
        self._number = first_number
        self._in_flight = []

    def _accept(self, entry):
        self._number += self.random.choice((1, 1, 50))
        self.shards[self.shard_of(entry.key)].append(entry)
        return self._number

    def send(self, entries):
        world, counts, chance = self.world, self.world.counts, self.random.random
        world.touch()
        if self.unavailable:
            counts["stream missing"] += 1
            raise order.UnavailableError("ResourceNotFoundException")
        if self.denied:
            counts["access denied"] += 1
            raise order.UnavailableError("AccessDeniedException")
        if chance() < self.fail:
            counts["requests failed"] += 1
            return ["InternalFailure"] * len(entries)
        if chance() < self.late:  # only if rows are not ordered by the stream: see docs/architecture.md
            counts["requests processed late"] += 1
            self._in_flight.append(entries)
            return ["ReadTimeoutError"] * len(entries)
        outcomes = [None] * len(entries)
        places = list(range(len(entries)))
        if chance() < self.shuffle:
            counts["requests shuffled"] += 1
            self.random.shuffle(places)
        for place in places:
            if self.down and self.shard_of(entries[place].key) in self.down:
                counts["rejections by a failing shard"] += 1
                outcomes[place] = "InternalFailure"
            elif self.reject and chance() < self.reject:
                counts["rejections"] += 1
                outcomes[place] = "ProvisionedThroughputExceededException"
            else:
                outcomes[place] = self._accept(entries[place])
        if self._in_flight and chance() < 0.5:
            self.process_in_flight()
        world.now += world.request_seconds
        world.touch()
        if chance() < self.lose:
            counts["responses lost"] += 1
            return ["ReadTimeoutError"] * len(entries)
        return outcomes

    def process_in_flight(self):
        """Process the requests that were still in flight."""
        for entries in self._in_flight:
            for entry in entries:
                self._accept(entry)
        self._in_flight.clear()


class Bucket:
    """S3 that may be down, refuse single objects, or lose a response."""

    def __init__(self, world):
        self.world = world
        self.objects = {}
        self.is_down = False
        self.refuse = 0.0

    def put(self, entry):
        self.world.touch()
        if self.is_down or self.world.random.random() < self.refuse:
            self.world.counts["dead letters refused"] += 1
            return "ServiceUnavailable"
        self.objects[entry.key] = entry.data
        self.world.touch()
        if self.world.random.random() < self.refuse:
            self.world.counts["dead letters whose response was lost"] += 1
            return "ReadTimeoutError"
        return None

    def dead_letters(self):
        """The Pinot tables that have dead letters, by sequence number, and the record of each dead letter."""
        tables, records = defaultdict(set), {}
        for data in self.objects.values():
            body = json.loads(data)
            tables[body["sequence_number"]].add(body["table"])
            records[body["sequence_number"]] = body["record"]
        return tables, records


class SequentialPool:
    """A stand-in for a thread pool. The seed decides the order of the work, so that a history can be repeated."""

    def __init__(self, random):
        self.random = random

    def __call__(self, max_workers):
        self.submitted = []
        return self

    def __enter__(self):
        return self

    def map(self, work, *arguments):
        calls = list(zip(*arguments, strict=True))
        results = {}
        for place in self.random.sample(range(len(calls)), len(calls)):
            results[place] = work(*calls[place])
        return [results[place] for place in range(len(calls))]

    def submit(self, work, *arguments):
        future = Future()
        self.submitted.append((future, work, arguments))
        return future

    def __exit__(self, *_):
        for future, work, arguments in self.random.sample(self.submitted, len(self.submitted)):
            try:
                future.set_result(work(*arguments))
            except BaseException as error:  # noqa: BLE001  # as a thread pool does it
                future.set_exception(error)


class World:
    """One history: the changes of the items, the faults on the way, and what must be true at the end."""

    def __init__(self, seed, counts=None, *, threads=False, **fixed):
        self.seed = seed
        self.random = random = Random(seed)
        self.counts = Counter() if counts is None else counts
        self.threads = threads
        self.is_plain = not threads and not fixed  # follows from the seed and nothing else
        kinds = random.choice(((BY_TIME,), (BY_TIME,), (BY_VERSION,), (BY_CITY,), (BY_TIME, BY_VERSION)))
        self.kinds = fixed.get("kinds", kinds)
        self.planner = Planner([kind.table for kind in self.kinds], max_record_bytes=MAX_RECORD_BYTES)
        moves = BY_CITY in self.kinds
        poison = random.choice((0.0, 0.15, 0.4))
        self.steps = fixed.get("steps") or write_history(random, poison=poison, moves=moves)
        self.by_number = {step.sequence_number: step for step in self.steps}
        self.places = {step.sequence_number: place for place, step in enumerate(self.steps)}
        self.visible = random.choice((len(self.steps), 1 + random.randrange(len(self.steps))))
        self.shard_count = random.choice((1, 2, 3))
        self.now = float(self.steps[self.visible - 1].second)
        self.request_seconds = random.choice((0.0, 0.01, 1.0))
        self.streams = {kind.name: ShardedStream(self) for kind in self.kinds}
        self.former_shards = {kind.name: [] for kind in self.kinds}  # of deleted streams
        self.bucket = Bucket(self)
        self.invocations = 0
        self.fuse = None  # calls to the outside that are left before the function is killed
        self.kill_before_response = 0.7  # probability that a kill which has not happened comes after the work
        self.settled = set()  # sequence numbers that were reported as done
        self.discarded = set()
        self.redelivered = False  # settled changes were delivered again
        self._draw_faults(**fixed)
        self.source = self._connect(None)

    def _draw_faults(self, *, settings=None, calm_after=None, budget=None, **_):
        random = self.random
        self.calm_after = random.choice((0, 3, 8, 15)) if calm_after is None else calm_after
        pick = lambda *rates: random.choice((0.0, 0.0, *rates))  # noqa: E731
        self.rates = {
            "reject": pick(0.1, 0.5),
            "fail": pick(0.1, 0.4),
            "lose": pick(0.1, 0.5),
            "shuffle": pick(0.3, 1.0),
            "shard": pick(0.3, 0.8),
            "kill": pick(0.1, 0.5),
            "bucket": pick(0.3, 0.9),
            "refuse": pick(0.2),
            "restart": pick(0.1),
            "delete": pick(0.05),
            "late": pick(0.2),
            "denied": pick(0.2),
        }
        self.budgets = random.choice(((60.0,), (60.0, 5.0, 0.3, 0.0), (0.0,))) if budget is None else (budget,)
        self.limits = order.Limits(records=random.choice((1, 2, 5, 500)), bytes=random.choice((150, 5_000_000)))
        if BY_CITY in self.kinds:  # one change may be two rows: without time left both must fit the first request
            self.limits = order.Limits(records=random.choice((2, 3, 500)))
        has_defect = settings is None and random.random() < 0.06
        self.defect = random.choice(self.steps).sequence_number if has_defect else None  # a change that always kills
        retries = random.choice((-1, -1, -1, -1, 0, 1, 4)) if self.defect is None else random.choice((0, 2))
        self.settings = settings or Settings(
            batch_size=random.choice((1, 3, 10, 100)),
            maximum_batching_window=random.choice((0, 0, 1)),
            parallelization_factor=random.choice((1, 1, 2, 5)),
            bisect_batch_on_function_error=random.random() < 0.5,
            maximum_retry_attempts=retries,
            maximum_record_age=random.choice((-1, -1, -1, -1, 60, 300)),
            report_batch_item_failures=True,
        )
        if self.settings.maximum_record_age > 0:
            self.request_seconds = random.choice((1.0, 20.0))

    # What the function and its event source are passed.

    def touch(self):
        """Count one call to the outside. Kill the function when the fuse is used up."""
        if self.fuse is not None:
            if self.fuse <= 0:
                raise Killed
            self.fuse -= 1

    def sleep(self, seconds):
        self.now += seconds

    def read(self, after, limit):
        start = 0 if after is None else self.places[after] + 1
        return [step.record for step in self.steps[start : min(self.visible, start + limit)]]

    def _pick(self, batches):
        self.counts["choices among parallel batches"] += batches > 1
        return self.random.randrange(batches)

    def _connect(self, checkpoint):
        return EventSource(
            self.read,
            self._invoke,
            clock=lambda: self.now,
            sleep=self._wait,
            on_failure=self._fail,
            settings=self.settings,
            pick=self._pick,
            checkpoint=checkpoint,
        )

    def _wait(self, seconds):
        self.counts["waits of the event source"] += 1
        self.now += seconds

    def _fail(self, document):
        self.counts[f"discarded: {document['requestContext']['condition']}"] += document["DDBStreamBatchInfo"][
            "batchSize"
        ]
        numbers = {record["dynamodb"]["SequenceNumber"] for record in json.loads(document["payload"])["Records"]}
        self.discarded |= numbers
        self.settled -= numbers

    def _invoke(self, event):
        self.invocations += 1
        self._inject_faults()
        deadline = self.now + self.random.choice(self.budgets)
        records = event["Records"]

        def remaining():
            return deadline - self.now

        def publish(target, entries):
            return publish_concurrently(
                entries,
                self.streams[target.stream.removesuffix("-stream")].send,
                worker_threads() if self.threads else fake_workers(self.random),
                shards=lambda: self.shard_count,
                remaining=remaining,
                sleep=self.sleep,
                jitter=self.random.random,
                limits=self.limits,
            )

        try:
            report = relay.relay(
                event if self.invocations % 2 else unparsed(event),
                self.planner,
                publish=publish,
                store=lambda letters: s3.store(letters, self.bucket.put, remaining=self._time_to_begin(remaining)),
            )
            self.report = report
            response = report.response()
            if self.fuse is not None and self.random.random() < self.kill_before_response:
                raise Killed  # noqa: TRY301  # all is done, but the response is lost
        except Killed:
            self.counts["kills"] += 1
            self.counts["batches cut in two"] += len(records) > 1 and self.settings.bisect_batch_on_function_error
            raise DeadInvocationError from None
        finally:
            self.fuse = None
        if self.defect is not None and any(record["dynamodb"]["SequenceNumber"] == self.defect for record in records):
            self.counts["invocations with a change that always kills"] += 1
            raise DeadInvocationError
        failures = response["batchItemFailures"]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        end = numbers.index(failures[0]["itemIdentifier"]) if failures else len(numbers)
        self.counts["partial successes"] += bool(failures)
        self.settled.update(numbers[:end])
        self.discarded -= set(numbers[:end])
        return response

    def _time_to_begin(self, remaining):
        """Leave dead letters the time to begin, as the function does, which ends its rows a little before."""
        first = iter((1.0,))
        return lambda: next(first, None) or remaining()

    # The faults.

    def _inject_faults(self):
        """Choose the faults of this invocation. After some invocations there are none any more."""
        random, rates = self.random, self.rates
        calm = self.invocations > self.calm_after
        for kind in self.kinds:
            stream = self.streams[kind.name]
            for name in ("reject", "fail", "lose", "shuffle"):
                setattr(stream, name, 0.0 if calm else rates[name])
            stream.late = 0.0 if calm or kind.comparison != "version" else rates["late"]
            has_bad_shard = not calm and random.random() < rates["shard"]
            stream.down = {random.randrange(self.shard_count)} if has_bad_shard else set()
            stream.denied = not calm and random.random() < rates["denied"]
        self.bucket.is_down = not calm and random.random() < rates["bucket"]
        self.bucket.refuse = 0.0 if calm else rates["refuse"]
        if not calm and random.random() < rates["kill"]:
            self.fuse = random.randrange(8)

    def _inject_faults_between(self):
        """Choose faults between invocations: a poller restarts, the Kinesis stream is deleted, or created again."""
        random, calm = self.random, self.invocations > self.calm_after
        missing = [stream for stream in self.streams.values() if stream.unavailable]
        if missing and (calm or random.random() < 0.3):
            self._recreate_streams()
        elif not calm and not missing and random.random() < self.rates["delete"]:
            self.counts["streams deleted"] += 1
            for stream in self.streams.values():
                stream.unavailable = True
        elif not calm and random.random() < self.rates["restart"]:
            self.counts["poller restarts"] += 1
            self.redelivered = True
            self.source = self._connect(self.source.checkpoint)

    def _recreate_streams(self):
        """Create empty streams. Their rows are lost, so all retained changes are delivered again from the oldest on."""
        for name, stream in self.streams.items():
            self.former_shards[name].append(stream.shards)
            first = 1 if self.random.random() < 0.5 else 10**9
            self.streams[name] = ShardedStream(self, first)
        self.settled.clear()
        self.redelivered = True
        self.source = self._connect(None)

    def run(self):
        """Run the history to its end and check it. A failure names the seed."""
        try:
            with self._executors():
                self._run_steps()
            self._check()
        except AssertionError as error:
            alone = f"; to run only this history:\n{RERUN.format(self.seed)}" if self.is_plain else " of this test"
            raise AssertionError(f"{error}\nseed {self.seed}{alone}") from error
        finally:
            self._count()
        return self

    @contextmanager
    def _executors(self):
        if self.threads:
            yield
            return
        pool = SequentialPool(self.random)
        with patch.object(relay, "ThreadPoolExecutor", pool), patch.object(s3, "ThreadPoolExecutor", pool):
            yield

    def _run_steps(self):
        for _ in range(MAX_STEPS):
            self._inject_faults_between()
            if not self.source.step():
                if self.visible < len(self.steps):
                    self.visible += self.random.randint(1, 8)
                    self.now = max(self.now, float(self.steps[min(self.visible, len(self.steps)) - 1].second))
                elif not any(stream.unavailable for stream in self.streams.values()):
                    break
        else:
            raise AssertionError("the shard is blocked: its changes are retried without progress")
        for stream in self.streams.values():
            stream.process_in_flight()

    # What must be true.

    def _check(self):
        everything = set(self.by_number)
        assert everything - self.settled == self.discarded, "a change is neither done nor in an on-failure document"
        assert not self.source.pending, "changes of the shard are still pending"
        self._check_dead_letters()
        for kind in self.kinds:
            shards = self.streams[kind.name].shards
            self._check_state(kind, shards)
            if self.former_shards[kind.name]:  # a Pinot table that had read the deleted streams before
                former = zip(*self.former_shards[kind.name], strict=True)  # shard by shard
                joined = [[*chain.from_iterable(old), *new] for old, new in zip(former, shards, strict=True)]
                self._check_state(kind, joined)

    def _check_dead_letters(self):
        tables, records = self.bucket.dead_letters()
        self.dead_lettered = set(tables)
        names = {kind.name for kind in self.kinds}
        for number, step in self.by_number.items():
            if step.poison is False:
                assert number not in tables, f"a good change was dead-lettered: {number}"
            elif step.poison and number in self.settled:
                assert number in tables, f"a change is neither a row nor a dead letter: {number}"
                assert tables[number] in ({None}, names), f"a dead letter is missing: {number}"
            if number in tables:
                assert records[number] == step.record, "a dead letter differs from its change"

    def _check_state(self, kind, shards):
        replica = Replica(kind.upsert)
        for number, shard in enumerate(shards):
            for entry in shard:
                replica.ingest(number, entry.data)
        shown = defaultdict(list)
        for row in replica.live():
            shown[row["id"]].append(row)
        by_key = defaultdict(list)
        for step in self.steps:
            by_key[step.key].append(step)
        for key, steps in by_key.items():
            possible = self._possible(kind, steps)
            if possible is None:
                self.counts["items excused"] += 1
                continue
            self.counts["items compared" if len(possible) == 1 else "items with several possible states"] += 1
            assert shown[key] in possible, (
                f"table {kind.name}, item {key}: Pinot would show {shown[key]}, and the source says {possible}"
            )
        assert not shown.keys() - by_key.keys(), "Pinot would show items that never existed"

    def _possible(self, kind, steps):
        """The states that Pinot may show of an item: of its newest good change or a later discarded one. None: any."""
        possible = [[]]
        for step in steps:
            number = step.sequence_number
            if step.poison or (step.poison is None and number in self.dead_lettered):
                if kind is BY_CITY and step.moves:  # the old row is wrong, whatever the new one is
                    if number in self.discarded:
                        return None
                    possible = [[]]
                continue
            row = kind.row(step)
            shown = [] if row is None else [row]
            if number in self.discarded:
                if kind is BY_CITY:
                    return None  # and the keys of its rows are unknown
                possible.append(shown)
            else:
                possible = [shown]
        return possible

    def _count(self):
        counts = self.counts
        counts["histories"] += 1
        counts["changes"] += len(self.steps)
        counts["invocations"] += self.invocations
        counts["dead letters"] += len(self.bucket.objects)
        for stream in self.streams.values():
            accepted = [entry.data for shard in stream.shards for entry in shard]
            counts["rows"] += len(accepted)
            counts["duplicates"] += len(accepted) - len(set(accepted))
