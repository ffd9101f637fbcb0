"""Random histories of a DynamoDB table, its stream, and what reads the table's items, on the real rows.

A history depends on its kind and its seed alone. Two theorems must hold in it (:mod:`snapshot.version` and
:mod:`load.sweep`): rows of items as they are read never win against a newer change; and after losses a reload and a
sweep leave exactly what is right.

- Every item's stream has a clock of its own, every response another one: they differ by up to a second. A change may
  be dated later than it was made, and on a global table up to the margin earlier.
- The live path gives each item's changes late, in order and again, or in the Kinesis form in any order and twice.
- A page shows several items at one moment; or, if it is eventually consistent, as they were up to the margin ago; an
  export's file shows them within a minute of the ExportTime. Pages are read again, published late, and twice.
- Two loads go on at a time, with redrives of changes that were given up.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import product
from random import Random
from typing import Any

from msgspec import Raw

from changes import SECOND, TTL_IDENTITY, insert, modify, remove
from decoder.record import decode_record
from decoder.records import ParsedRecords
from dynapinot.local.replica import Replica, read_upsert_table
from files import CONFIG, SCHEMA, table, with_setting
from handlers.planner import Account, Planner
from load.plan import ExportReader, Plan, PlannedTable, ScanReader, Swept, Unit
from load.scan import Page, SegmentReader
from load.sweep import sweep, sweep_of
from pinot_sql import answer
from publisher.order import Published
from redrive.current_rows import ItemSnapshot, current_rows
from redrive.failed_change import FailedChange
from snapshot import version
from snapshot.record import SnapshotRecords

MAX_BYTES = 100_000
SOURCE, REGION = "meetups", "us-east-1"
NAMES = ("a", "b", "c")
CLOCKS_MS = 500  # that a clock may be before or behind the time
LATE_MS = 300  # that a change may be dated after it was made
EXPORT_MS = 60_000  # that an export's file may be before or behind the ExportTime

READERS = ("consistent", "global", "eventual", "export")
LOSSES = ("none", "redriven", "swept")


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
    planner: Any = field(repr=False)

    def __str__(self):
        parts = (self.key, self.comparison, "keep" * self.keep, "when" * self.when, "kinesis" * self.kinesis)
        return "-".join(filter(None, parts))

    def is_row(self, item):
        return item is not None and (not self.when or item["kind"] == "row")

    def primary_key(self, item):
        return tuple(item[name] for name in self.upsert.primary_key)

    def rows(self, records):
        """The rows of records, by the function's own code."""
        account = Account(records=records)
        rows = [entry.data for _, entry in self.planner.rows(account)]
        assert account.dead_letters == []
        return rows


def kind(key, comparison, keep, when, kinesis):
    schema = with_setting(SCHEMA, "primaryKeyColumns", ["id", "city"] if key == "moving" else ["id"])
    more = [{"name": name, "dataType": "STRING"} for name in ("city", "v")]
    schema = with_setting(schema, "dimensionFieldSpecs", [*SCHEMA["dimensionFieldSpecs"], *more])
    if comparison == "seconds":
        schema = with_setting(schema, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["v" if comparison == "version" else "changed"])
    source = {"dynamodb_table": SOURCE, "columns": {"v": "$version", "changed": "$timestamp"}}
    if keep:
        source["ttl_deletes"] = "keep"
    if when:
        source["when"] = {"kind": "row"}
    made = table(schema, config, source)
    return Kind(
        key=key,
        comparison=comparison,
        keep=keep,
        when=when,
        kinesis=kinesis,
        table=made,
        upsert=read_upsert_table(schema, config),
        planner=Planner([made], max_record_bytes=MAX_BYTES),
    )


# Seconds and the Kinesis form together have no order: docs/operations.md says to take milliseconds.
KINDS = [
    kind(*each)
    for each in product(("fixed", "moving"), ("ms", "seconds", "version"), (False, True), (False, True), (False, True))
    if not (each[1] == "seconds" and each[4])
]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of which a mutant breaks one; those that the product has in code are broken there."""

    margins: Any = field(
        default_factory=lambda: {
            "consistent": version.CONSISTENT_READ,
            "global": version.GLOBAL_TABLE_READ,
            "eventual": version.EVENTUAL_READ,
            "export": version.EXPORT,
        }
    )
    stream_comes_first: bool = True
    is_swept: bool = True
    sweep_comes_last: bool = True
    deletes_kept: bool = False
    sweep_bound: str = "first read"  # "stream": far earlier; "now": when the sweep begins
    page_time: str = "before"  # or "after": by the page's own response
    row_time: str = "read"  # or "write": an export's row has the time at which its item was written


@dataclass(frozen=True, kw_only=True)
class Write:
    """One change: its time by its stream, and its item before and after."""

    name: str
    dated: int
    before: Any
    after: Any
    is_ttl: bool
    is_live: bool
    record: Any

    def events(self, kind):
        """What the change does in Pinot: primary key -> the item's text, None for a deleted row."""
        if self.is_ttl and kind.keep:
            return {}
        events = {}
        if kind.is_row(self.before):
            events[kind.primary_key(self.before)] = None
        if kind.is_row(self.after):
            events[kind.primary_key(self.after)] = self.after["name"]
        return events


class World:
    """One history."""

    def __init__(self, kind, seed, *, readers=READERS, losses=LOSSES, rules=None):
        self.kind, self.seed, self.rules = kind, seed, rules or Rules()
        self.random = Random(f"{kind} {seed}")
        self.reader = self.random.choice(readers)
        self.losses = self.random.choice(losses)
        if kind.keep and self.losses == "redriven":  # which is refused where the order is not known
            self.losses = "none"
        self.replica = Replica(kind.upsert)
        self.now = SECOND * 1000
        self.past = {name: [(0, None)] for name in NAMES}  # the states of each item, with the times they began
        self.dated = dict.fromkeys(NAMES, 0)  # the time of each item's last change by its stream
        self.clocks = {name: self._clock() for name in NAMES}
        self.writes, self.lost, self.pending = [], [], []
        self.waiting, self.delivered = defaultdict(list), defaultdict(list)
        self.is_on = self.is_lossy = False
        self.loads = []
        self.depth = 0
        self.counts = Counter()

    # The source.

    def tick(self):
        longest = {"consistent": 700, "global": 20_000, "eventual": 90_000, "export": 40_000}[self.reader]
        self.now += self.random.choice((1, 60, 400, 1000, self.random.randint(1, longest)))

    def date(self):
        """The second of a response: each comes from a machine with a clock of its own."""
        return (self.now + self._clock()) // 1000

    def _clock(self):
        return self.random.choice((-CLOCKS_MS, CLOCKS_MS, self.random.randint(-CLOCKS_MS, CLOCKS_MS)))

    def item(self, name, at=None):
        return next(item for began, item in reversed(self.past[name]) if at is None or began <= at)

    def write(self):
        name = self.random.choice(NAMES)
        before = self.item(name)
        number = len(self.writes) + 1
        after, is_ttl = None, False
        if before is None or self.random.random() < 0.6:
            after = {
                "id": name,
                "name": f"n{number}",
                "city": self.random.choice(("Rome", "Oslo")),
                "kind": self.random.choice(("row", "row", "other")),
            }
        else:
            is_ttl = self.random.random() < 0.5
        self.now += 1
        self.past[name].append((self.now, after))
        lag = self.random.choice((0, 0, self.random.randint(0, 58_000))) if self.reader == "global" else 0
        time = self.now + self.clocks[name] + self.random.choice((0, 0, LATE_MS)) - lag
        self.dated[name] = max(time, self.dated[name] + 1)
        record = self._record(number, name, before, after, is_ttl)
        made = Write(
            name=name,
            dated=self.dated[name],
            before=before,
            after=after,
            is_ttl=is_ttl,
            is_live=self.is_on,
            record=record,
        )
        self.writes.append(made)
        if self.is_on:
            self.waiting[name].append(made)

    def _record(self, number, name, before, after, is_ttl):
        keys, old, new = {"id": {"S": name}}, _attributes(before), _attributes(after)
        options = {"second": self.dated[name] // 1000, "sequence": number, "table": SOURCE}
        if is_ttl:
            options["userIdentity"] = TTL_IDENTITY
        if new is None:
            record = remove(keys, old, **options)
        else:
            record = insert(keys, new, **options) if old is None else modify(keys, new, old, **options)
        if not self.kind.kinesis:
            return record
        inner = {each: value for each, value in record["dynamodb"].items() if each != "SequenceNumber"}
        inner["ApproximateCreationDateTime"] = self.dated[name]
        record = {**record, "dynamodb": inner, "tableName": SOURCE, "recordFormat": "application/json"}
        del record["eventSourceARN"]
        data = base64.b64encode(json.dumps(record).encode()).decode()
        return {"eventSource": "aws:kinesis", "kinesis": {"data": data, "sequenceNumber": str(number)}}

    # The live path.

    def deliver(self):
        """Deliver some changes of an item, or give them up."""
        names = [name for name, waiting in self.waiting.items() if waiting]
        if not names:
            return
        name = self.random.choice(names)
        waiting = self.waiting[name]
        batch = waiting[: self.random.randint(1, 3)]
        if self.kind.kinesis and self.random.random() < 0.4:
            batch = self.random.sample(waiting, len(batch))
        self.waiting[name] = [each for each in waiting if each not in batch]
        if self.is_lossy and self.random.random() < 0.5:
            self.counts["given up"] += len(batch)
            self.lost += batch
            self.delivered[name].clear()
            return
        self._ingest(batch)
        self.delivered[name] += batch
        if self.random.random() < 0.2:  # once more, from any change on
            again = self.delivered[name]
            self._ingest(again[self.random.randrange(len(again)) :])

    def _ingest(self, batch):
        for row in self.kind.rows(ParsedRecords([each.record for each in batch])):
            self.replica.ingest(0, row)

    def publish(self):
        """Publish rows that were read some time ago, maybe twice."""
        if self.pending:
            place = self.random.randrange(len(self.pending))
            for row in self.pending[place]:
                self.replica.ingest(0, row)
            if self.random.random() < 0.8:
                del self.pending[place]

    # The readers.

    def load(self):
        """A load, step by step. It begins when the stream is on, and was for as long as the margin."""
        self.counts["loads"] += 1
        began = self.date()
        return self._export(began) if self.reader == "export" else self._scan(began)

    def _plan(self, reader, began):
        return Plan(
            id="load",
            table=SOURCE,
            region=REGION,
            keys=("id",),
            began=began,
            tables={"items": PlannedTable(files="", shards=1)},
            reader=reader,
            workers=1,
        )

    def _scan(self, began):
        margin = self.rules.margins[self.reader]
        plan = self._plan(ScanReader(segments=1, margin=margin, consistent=self.reader != "eventual"), began)
        reader = SegmentReader(
            self._page,
            plan,
            plan.reader,
            [self.kind.table],
            budget=None,
            sleep=lambda _: None,
            remaining=lambda: 1.0,
        )
        if self.rules.page_time == "after":
            reader._scan = _dated_by_the_page(self._page, reader)
        cursor, is_done = None, False
        while not is_done:
            again = self.random.random() < 0.2
            for portion in reader(Unit(number=0, cursor=cursor), lambda: self.random.randint(1, 2)):
                self.pending.append(self.kind.rows(portion.records))
                yield
                if again:  # a part is done twice, since the position was not kept
                    break
                cursor, is_done = portion.cursor, portion.is_last

    def _page(self, _, after):
        if self.random.random() < 0.3:
            self.life(1)
        most = 290_000 if self.reader == "eventual" else 0
        at = self.now - self.random.choice((0, self.random.randint(0, most)))
        left = [name for name in NAMES if after is None or name > after["id"]["S"]]
        names = left[: self.random.randint(1, 2)]
        items = [self.item(name, at) for name in names]
        self.life(self.random.choice((0, 0, 3)))
        last = None if names == left else Raw(json.dumps({"id": {"S": names[-1]}}).encode())
        return Page(items=[_json(item) for item in items if item], last_key=last, read_units=1.0, date=self.date())

    def _export(self, exported):
        while self.now < exported * 1000 + EXPORT_MS:
            self.life(3)
            self.now += 10_000
        yield
        records = SnapshotRecords(SOURCE, REGION, ["id"])
        second = version.read_second(exported, self.rules.margins["export"])
        for name in NAMES:  # each in a file of its own
            moments = [began for began, _ in self.past[name] if abs(began - exported * 1000) <= EXPORT_MS]
            at = self.random.choice([exported * 1000 + self.random.randint(-EXPORT_MS, EXPORT_MS), *moments])
            item = self.item(name, at)
            if item:
                time = version.snapshot_ms(self.kind.table, second)
                if self.rules.row_time == "write":
                    time = next(began for began, _ in reversed(self.past[name]) if began <= at) + self.clocks[name]
                self.pending.append(self.kind.rows(records.records([_json(item)], time)))
            yield

    def _read_item(self, change, earliest):
        """A consistent read, with the time of the response before it."""
        margin = self.rules.margins["global" if self.reader == "global" else "consistent"]
        while (second := version.read_second(self.date(), margin)) < earliest:
            self.now += 1000
        self.life(self.random.randrange(2))
        item = self.item(change.keys["id"]["S"])
        self.life(self.random.randrange(2))
        return ItemSnapshot(_attributes(item), second)

    def redrive(self):
        if not self.lost:
            return
        lost = self.lost.pop(self.random.randrange(len(self.lost)))
        failed = FailedChange(reason="GivenUp", table=None, change=decode_record(lost.record))
        rows = [row.data for _, row in current_rows(failed, [self.kind.table], self._read_item, MAX_BYTES)]
        self.pending.append(rows)
        self.counts["redriven"] += 1

    def sweep(self, plan):
        of = replace(self.kind.table, keep_ttl_deletes=self.kind.keep and not self.rules.deletes_kept)
        task = sweep_of(plan, of, [of], {"id": "S"}, MAX_BYTES)
        if self.rules.sweep_bound != "first read":
            second = self.since // 1000 if self.rules.sweep_bound == "stream" else self.date()
            task = replace(task, before_ms=version.snapshot_ms(of, second - self.rules.margins[self.reader]))
        done = sweep(
            task,
            Swept(),
            query=lambda sql: answer(self.replica.table, self.replica.live(), sql),
            read_item=self._read_item,
            publish=self._publish,
            save=lambda _: None,
            page=self.random.randint(1, 3),
            portion=self.random.randint(1, 3),
        )
        assert not done.failures
        for name in ("candidates", "rows", "tombstones", "kept"):
            self.counts[name] += getattr(done, name)

    def _publish(self, _, entries):
        self.pending.append([entry.data for entry in entries])
        self.life(self.random.randrange(3))
        return Published(first_unpublished=None, resent=0, errors={})

    # The course of things.

    def life(self, steps):
        """Let things happen, but no load inside of another step's."""
        self.depth += 1
        for _ in range(steps):
            self.tick()
            choice = self.random.random()
            if choice < 0.4:
                self.write()
            elif choice < 0.7:
                self.deliver()
            elif choice < 0.85:
                self.publish()
            elif self.depth == 1 and self.loads:
                self.step(self.random.choice(self.loads))
            elif self.depth == 1 and self.losses == "redriven" and self.random.random() < 0.3:
                self.redrive()
        self.depth -= 1

    def step(self, load):
        depth, self.depth = self.depth, self.depth + 1
        try:
            next(load)
        except StopIteration:
            self.loads.remove(load)
        self.depth = depth

    def finish_loads(self):
        while self.loads:
            self.life(self.random.randrange(2))
            if self.loads:
                self.step(self.random.choice(self.loads))

    def wait_for(self, earliest_ms):
        """Wait until a read may begin whose margin begins after a time. What is dated earlier is then refreshed."""
        while version.read_second(self.date(), self.rules.margins[self.reader]) * 1000 < earliest_ms:
            self.now += self.random.randint(500, 1000 * self.rules.margins[self.reader] + 1000)
            self.life(1)

    def run(self):
        """Let a history take its course, and check what Pinot shows in the end."""
        for _ in range(self.random.randrange(5)):
            self.tick()
            self.write()
        if not self.rules.stream_comes_first:
            self.loads.append(self.load())
            for _ in range(self.random.randrange(4)):
                self.tick()
                self.random.choice((self.write, lambda: self.loads and self.step(self.loads[0])))()
        self.is_on, self.since = True, self.now
        self.is_lossy = self.losses != "none"
        if self.rules.stream_comes_first:
            self.wait_for(self.since)
            self.loads += [self.load() for _ in range(self.random.randint(1, 2))]
        self.life(self.random.randint(4, 16))
        self.finish_loads()
        self.is_lossy = False
        if self.losses == "swept":
            self._reload()
        while self.losses == "redriven" and self.lost:
            self.redrive()
        self.life(self.random.randrange(4))
        while self.pending or any(self.waiting.values()):
            self.random.choice((self.deliver, self.publish))()
        self.check()

    def _reload(self):
        """Load all again, after what is wrong and can be no more so; then sweep."""
        self.wait_for(max([self.now, *self.dated.values()]) + CLOCKS_MS + LATE_MS + 2000)
        earlier = list(self.pending)
        began, margin = self.date(), self.rules.margins[self.reader]
        self.loads.append(self._export(began) if self.reader == "export" else self._scan(began))
        self.finish_loads()
        if self.reader == "export":
            reader = ExportReader(bucket="b", folder="f", files=1, second=version.read_second(began, margin))
        else:
            reader = ScanReader(segments=1, margin=margin)
        plan = self._plan(reader, began)
        if self.rules.sweep_comes_last:
            self._settle(earlier, began * 1000)
        if self.rules.is_swept:
            self.sweep(plan)

    def _settle(self, earlier, began_ms):
        """Let all rows from before the load be in Pinot; those of the load itself may be late."""
        while any(each.dated <= began_ms for waiting in self.waiting.values() for each in waiting):
            self.deliver()
        for rows in earlier:
            for row in rows:
                self.replica.ingest(0, row)

    # What must be true.

    def check(self):
        shown = {self.kind.upsert.key(row): row["name"] for row in self.replica.live()}
        last = {}
        for each in self.writes:
            for key, name in each.events(self.kind).items():
                last[key] = (name, each)
        items = {name: self.item(name) for name in NAMES}
        current = {self.kind.primary_key(item): item["name"] for item in items.values() if self.kind.is_row(item)}
        lost = {key for each in self.lost for key in each.events(self.kind)}
        for key in last.keys() | shown.keys():
            right, decisive = last.get(key, (None, None))
            if key in current:
                allowed = {current[key]}
            elif not self.kind.keep or right is None:
                allowed = {None, *([shown.get(key)] if key in lost and self.kind.keep else ())}
            elif key in lost:  # kept, and not as it was: nothing is known of it
                allowed = {right, shown.get(key)}
            else:  # kept; a row from before the stream only if a load saw it
                allowed = {right} if decisive.is_live else {right, None}
            assert shown.get(key) in allowed, f"{self.kind} seed {self.seed}: {key} is {shown.get(key)}, not {allowed}"


def _dated_by_the_page(scan, reader):
    def read(segment, after):
        page = scan(segment, after)
        reader._before = page.date
        return page

    return read


def _attributes(item):
    return None if item is None else {name: {"S": value} for name, value in item.items()}


def _json(item):
    return Raw(json.dumps(_attributes(item)).encode())
