"""Everything round the function, misbehaving as one seed says: Kinesis, S3, the event source mapping, time.

The relay, the publisher and the event source are the real ones; what is faked is what they are handed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import chain
from random import Random
from unittest.mock import patch

from decoder.records import UnparsedRecords
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.replica import Replica
from faults.history import BY_CITY, BY_TIME, BY_VERSION, MAX_RECORD_BYTES, write_history
from handlers import relay
from kinesis_fake import FakeKinesis
from lanes_in_turn import lanes_in_turn
from publisher import order, s3
from publisher.lanes import publish_in_lanes, threads

RERUN = "FAULT_SEED={} FAULT_HISTORIES=1 .venv/bin/pytest tests/faults/test_histories.py"
STUCK = 3_000  # no history takes as many steps


def unparsed(event):
    """An event whose records nobody has parsed, as where orjson parses events."""
    records = UnparsedRecords.of(json.dumps(event, separators=(",", ":")).encode(), json.loads)
    return {"Records": records} if records else event


class Killed(BaseException):
    """The function is gone, as by a timeout or for want of memory: nothing in it can catch this and go on."""


class DeadInvocationError(RuntimeError):
    """What the event source mapping sees of it."""


class ShardedStream(FakeKinesis):
    """A Kinesis stream with more to go wrong: single shards, requests carried out late, being deleted, the kill."""

    def __init__(self, world, first_number=1):
        super().__init__(world.random, shards=world.shard_count)
        self.world = world
        self.down = set()
        self.late = 0.0
        self.denied = False
        self._number = first_number
        self._under_way = []

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
        if chance() < self.late:  # only where the order is not the stream's: see docs/architecture.md
            counts["requests carried out late"] += 1
            self._under_way.append(entries)
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
        if self._under_way and chance() < 0.5:
            self.carry_out()
        world.now += world.request_seconds
        world.touch()
        if chance() < self.lose:
            counts["replies lost"] += 1
            return ["ReadTimeoutError"] * len(entries)
        return outcomes

    def carry_out(self):
        """Do what was still under way."""
        for entries in self._under_way:
            for entry in entries:
                self._accept(entry)
        self._under_way.clear()


class Bucket:
    """S3, which may be down, refuse single objects, or lose an answer."""

    def __init__(self, world):
        self.world = world
        self.objects = {}
        self.is_down = False
        self.refuse = 0.0

    def put(self, entry):
        self.world.touch()
        if self.is_down or self.world.random.random() < self.refuse:
            self.world.counts["letters refused"] += 1
            return "ServiceUnavailable"
        self.objects[entry.key] = entry.data
        self.world.touch()
        if self.world.random.random() < self.refuse:
            self.world.counts["letters whose answer was lost"] += 1
            return "ReadTimeoutError"
        return None

    def letters(self):
        """Which Pinot tables' letters there are, by sequence number, and each letter's record."""
        tables, records = defaultdict(set), {}
        for data in self.objects.values():
            body = json.loads(data)
            tables[body["sequence_number"]].add(body["table"])
            records[body["sequence_number"]] = body["record"]
        return tables, records


class InTurn:
    """In place of a thread pool: does the work in an order that the seed decides, so that a history can be rerun."""

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
    """One history: what happened to the items, what went wrong on the way, and what must be true at the end."""

    def __init__(self, seed, counts=None, *, threads=False, **fixed):
        self.seed = seed
        self.random = random = Random(seed)
        self.counts = Counter() if counts is None else counts
        self.threads = threads
        self.is_plain = not threads and not fixed  # follows from the seed and nothing else
        kinds = random.choice(((BY_TIME,), (BY_TIME,), (BY_VERSION,), (BY_CITY,), (BY_TIME, BY_VERSION)))
        self.kinds = fixed.get("kinds", kinds)
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
        self.former = {kind.name: [] for kind in self.kinds}  # the shards of streams that are no more
        self.bucket = Bucket(self)
        self.invocations = 0
        self.fuse = None  # how many touches of the outside are left before the function is killed
        self.last_moment = 0.7  # how often a kill that found no moment comes after the work and before the answer
        self.settled = set()  # sequence numbers that were reported as done
        self.given_up = set()
        self.redelivered = False  # changes came again though they had been settled
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
        if BY_CITY in self.kinds:  # one change may be two rows: without any time both must go in the first request
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

    # What the function and its event source are handed.

    def touch(self):
        """Count one touch of the outside; the function dies when the fuse is burnt down."""
        if self.fuse is not None:
            if self.fuse <= 0:
                raise Killed
            self.fuse -= 1

    def sleep(self, seconds):
        self.now += seconds

    def read(self, after, limit):
        start = 0 if after is None else self.places[after] + 1
        return [step.record for step in self.steps[start : min(self.visible, start + limit)]]

    def _pick(self, lanes):
        self.counts["choices among parallel batches"] += lanes > 1
        return self.random.randrange(lanes)

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
        self.counts[f"given up: {document['requestContext']['condition']}"] += document["DDBStreamBatchInfo"][
            "batchSize"
        ]
        numbers = {record["dynamodb"]["SequenceNumber"] for record in json.loads(document["payload"])["Records"]}
        self.given_up |= numbers
        self.settled -= numbers

    def _invoke(self, event):
        self.invocations += 1
        self._stir()
        deadline = self.now + self.random.choice(self.budgets)
        records = event["Records"]

        def remaining():
            return deadline - self.now

        def publish(target, entries):
            return publish_in_lanes(
                entries,
                self.streams[target.stream.removesuffix("-stream")].send,
                threads() if self.threads else lanes_in_turn(self.random),
                shards=lambda: self.shard_count,
                remaining=remaining,
                sleep=self.sleep,
                jitter=self.random.random,
                limits=self.limits,
            )

        try:
            report = relay.relay(
                event if self.invocations % 2 else unparsed(event),
                [kind.table for kind in self.kinds],
                publish=publish,
                store=lambda letters: s3.store(letters, self.bucket.put, remaining=remaining),
                max_record_bytes=MAX_RECORD_BYTES,
            )
            self.report = report
            response = report.response()
            if self.fuse is not None and self.random.random() < self.last_moment:
                raise Killed  # noqa: TRY301  # all is done, and nobody hears of it
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
        self.given_up -= set(numbers[:end])
        return response

    # What goes wrong.

    def _stir(self):
        """Let this invocation have its share of trouble; after a while there is none any more."""
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

    def _between(self):
        """Let what is no invocation's happen: a poller dies, the Kinesis stream is deleted, or made again."""
        random, calm = self.random, self.invocations > self.calm_after
        missing = [stream for stream in self.streams.values() if stream.unavailable]
        if missing and (calm or random.random() < 0.3):
            self._make_streams_again()
        elif not calm and not missing and random.random() < self.rates["delete"]:
            self.counts["streams deleted"] += 1
            for stream in self.streams.values():
                stream.unavailable = True
        elif not calm and random.random() < self.rates["restart"]:
            self.counts["poller restarts"] += 1
            self.redelivered = True
            self.source = self._connect(self.source.checkpoint)

    def _make_streams_again(self):
        """What was on the streams is lost, so everything that is retained comes again, from the oldest on."""
        for name, stream in self.streams.items():
            self.former[name].append(stream.shards)
            first = 1 if self.random.random() < 0.5 else 10**9
            self.streams[name] = ShardedStream(self, first)
        self.settled.clear()
        self.redelivered = True
        self.source = self._connect(None)

    def run(self):
        """Play the history to its end and check it; what is wrong is told with the seed."""
        try:
            with self._executors():
                self._play()
            self._check()
        except AssertionError as error:
            alone = f"; to run it alone:\n{RERUN.format(self.seed)}" if self.is_plain else " of this test"
            raise AssertionError(f"{error}\nseed {self.seed}{alone}") from error
        finally:
            self._count()
        return self

    @contextmanager
    def _executors(self):
        if self.threads:
            yield
            return
        in_turn = InTurn(self.random)
        with patch.object(relay, "ThreadPoolExecutor", in_turn), patch.object(s3, "ThreadPoolExecutor", in_turn):
            yield

    def _play(self):
        for _ in range(STUCK):
            self._between()
            if not self.source.step():
                if self.visible < len(self.steps):
                    self.visible += self.random.randint(1, 8)
                    self.now = max(self.now, float(self.steps[min(self.visible, len(self.steps)) - 1].second))
                elif not any(stream.unavailable for stream in self.streams.values()):
                    break
        else:
            raise AssertionError("the shard is blocked: its changes come again and again and nothing is done")
        for stream in self.streams.values():
            stream.carry_out()

    # What must be true.

    def _check(self):
        everything = set(self.by_number)
        assert everything - self.settled == self.given_up, "a change is neither done nor in an on-failure document"
        assert not self.source.pending, "the shard's changes are not all done with"
        self._check_letters()
        for kind in self.kinds:
            shards = self.streams[kind.name].shards
            self._check_state(kind, shards)
            if self.former[kind.name]:  # a Pinot table that had read the lost streams before
                former = zip(*self.former[kind.name], strict=True)  # shard by shard
                joined = [[*chain.from_iterable(old), *new] for old, new in zip(former, shards, strict=True)]
                self._check_state(kind, joined)

    def _check_letters(self):
        tables, records = self.bucket.letters()
        self.lettered = set(tables)
        names = {kind.name for kind in self.kinds}
        for number, step in self.by_number.items():
            if step.poison is False:
                assert number not in tables, f"a good change was dead-lettered: {number}"
            elif step.poison and number in self.settled:
                assert number in tables, f"a change is neither a row nor a dead letter: {number}"
                assert tables[number] in ({None}, names), f"a letter is missing: {number}"
            if number in tables:
                assert records[number] == step.record, "a dead letter is not the change as it came"

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
        assert not shown.keys() - by_key.keys(), "Pinot would show items that never were"

    def _possible(self, kind, steps):
        """What may be shown of an item: its newest good change, or one given up after it; None if nothing is known."""
        possible = [[]]
        for step in steps:
            number = step.sequence_number
            if step.poison or (step.poison is None and number in self.lettered):
                if kind is BY_CITY and step.moves:  # the old row is wrong whatever the new one is
                    if number in self.given_up:
                        return None
                    possible = [[]]
                continue
            row = kind.row(step)
            shown = [] if row is None else [row]
            if number in self.given_up:
                if kind is BY_CITY:
                    return None  # and under which keys its rows stand
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
