"""A DynamoDB table that is written to, its live path with a delay, its replica, and a clock: what a sample compares."""

from __future__ import annotations

import json
import zlib
from collections import deque
from random import Random

from msgspec import Raw

from changes import SECOND, insert, remove
from decoder.change import decode_change
from dynapinot.local.replica import Replica, read_upsert_table
from dynapinot.verify.columns import Columns
from dynapinot.verify.judge import Reading
from dynapinot.verify.sample import Sample, Scan
from files import CONFIG, SCHEMA, table
from load.by_key import by_key
from load.work import Portion
from pinot_sql import SEGMENT, answer
from publisher.order import Published
from redrive.current_rows import ItemSnapshot
from snapshot.record import SnapshotRecords
from snapshot.version import snapshot_ms

MAX_BYTES = 10_000
SOURCE = {"dynamodb_table": "meetups"}
RECORDS = SnapshotRecords("meetups", "us-east-1", ["id"])


class VerifiedTable:
    """Its state: ``items`` by their id. ``delay`` is the live path's, in seconds; ``hot`` items change all the time.

    A question takes a tenth of a second. The replica has partition 0, and 1 for keys that are live twice.
    """

    def __init__(self, schema=SCHEMA, config=CONFIG, source=None, seed=0, delay=5.0):
        self.random = Random(seed)
        self.table = table(schema, config, {**SOURCE, **(source or {})})
        self.replica = Replica(read_upsert_table(schema, config))
        self.items, self.pending, self.hot = {}, deque(), ()
        self.now, self.delay = float(SECOND), delay
        self.asked, self.published, self.read = [], [], []
        self.unreadable = []
        self.sample = self.new_sample()

    def new_sample(self, **options):
        defaults = {
            "reading": Reading(Columns(self.table), "meetups", "us-east-1", MAX_BYTES),
            "ask": self.ask,
            "read_item": self.read_item,
            "key_names": ("id",),
            "random": self.random,
            "clock": lambda: self.now,
            "sleep": self.pass_time,
        }
        return Sample(**{**defaults, **options})

    # The source.

    def put(self, key, /, **attributes):
        self.items[key] = {"id": {"S": key}, **attributes}
        self._change(insert({"id": {"S": key}}, attributes, second=int(self.now)))

    def delete(self, name):
        old = self.items.pop(name)
        self._change(remove({"id": {"S": name}}, old, second=int(self.now)))

    def _change(self, record):
        for row in self.table.rows(decode_change(record)):
            self.pending.append((self.now + self.delay, row.data))

    def pass_time(self, seconds):
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 0.7)
            if self.hot:
                name = self.random.choice(self.hot)
                if name in self.items and self.random.random() < 0.4:
                    self.delete(name)
                else:
                    self.put(name, name={"S": f"version {self.now}"})
            while self.pending and self.pending[0][0] <= self.now:
                self.replica.ingest(0, self.pending.popleft()[1])

    def read_item(self, change, _):
        self.pass_time(0.1)
        name = change.keys["id"]["S"]
        self.read.append(name)
        if self.unreadable:
            raise self.unreadable.pop()
        return ItemSnapshot(self.items.get(name), int(self.now) - 1)

    def scan(self, segments=10, probability=1.0):
        def read(unit, _):
            self.pass_time(0.1)
            items = [
                Raw(json.dumps(item).encode())
                for name, item in self.items.items()
                if zlib.crc32(name.encode()) % segments == unit.number
            ]
            records = RECORDS.records(items, snapshot_ms(self.table, int(self.now) - 1))
            yield Portion(records=records, cursor=None, is_last=True, read_units=1.0)

        return Scan(read, segments, probability)

    # The replica.

    def ask(self, sql, published):
        self.pass_time(0.1)
        self.asked.append((sql, published))
        rows = [{**row, SEGMENT: f"items__{place}__7__20240101T0000Z"} for place, row in self.replica.placed()]
        return answer(self.replica.table, rows, sql)

    def live(self, key):
        return next(row for row in self.replica.live() if row["id"] == key)

    def show(self, key, /, partition=0, **columns):
        """Let Pinot show a row as it is damaged; with nothing given it is lost."""
        old = self.replica._newest.pop((partition, (key,)), {"id": key, "deleted": False, "changed": SECOND * 1000})
        if columns:
            self.replica._newest[partition, (key,)] = {**old, **columns}

    def publish(self, target, entries):
        assert target == self.table.target
        for entry in entries:
            self.published.append(json.loads(entry.data))
            self.pending.append((self.now + 1, entry.data))
        return Published(first_unpublished=None, resent=0, errors={})

    # The comparison.

    def by_key(self):
        return by_key(self.table, "meetups", "us-east-1", {"id": "S"}, MAX_BYTES)

    def compare(self, wanted=1_000, wait=60.0, scan=None):
        """Compare in both directions; return the differences' kinds by their ids."""
        sample = self.sample
        sample.compare_items(wanted, scan or self.scan())
        sample.compare_rows(wanted, sample.count(), self.by_key())
        sample.settle(wait)
        return self.kinds()

    def kinds(self):
        return {str(key[0]): each.finding.kind for key, each in self.sample.differences.items()}
