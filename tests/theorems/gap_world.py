"""Random histories in which changes are lost in the middle, and repaired by incremental exports and a sweep.

The world is that of :mod:`theorems.world`. An export names each item that was written in its window once, with what it
was before the window and is at its end; an item that is neither is in no line, or in one without images. The clock that
decides what is in a window differs by up to a minute, for each item and each of the window's ends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace

from msgspec import Raw

from dynapinot.gap.windows import windows_of
from load.export_file import incremental_sources
from load.plan import IncrementalReader, Window
from snapshot import version
from snapshot.record import NetChange, NetChangeRecords
from theorems.world import CLOCKS_MS, EXPORT_MS, LATE_MS, NAMES, REGION, SOURCE, Rules, World

LONGEST = 1_800  # seconds of a window, so that a history has several


@dataclass(frozen=True, kw_only=True)
class GapRules(Rules):
    """The rules of a gap, of which a mutant breaks one."""

    margin: int = version.EXPORT
    has_overlap: bool = True
    is_in_time: bool = True  # the first window begins before the first change that was lost
    deletes_those_kept: bool = False


class GapWorld(World):
    """One history with a gap."""

    def __init__(self, kind, seed, *, rules=None):
        super().__init__(kind, seed, readers=["consistent"], losses=["none"], rules=rules or GapRules())

    def tick(self):
        if self.loads:  # the time of a page's row is that of the page before: not earlier than that by minutes
            super().tick()
        else:
            self.now += self.random.choice(
                (1, 60, 1000, self.random.randint(1, 90_000), self.random.randint(1, 900_000))
            )

    def run(self):
        """Let a history take its course, and check what Pinot shows in the end."""
        for _ in range(self.random.randrange(4)):
            self.tick()
            self.write()
        self.is_on, self.since = True, self.now
        self.wait_for(self.since)
        self.loads.append(self.load())
        self.life(self.random.randrange(6))
        self.finish_loads()
        self.is_lossy = True
        self.life(self.random.randint(4, 24))
        for _ in NAMES:  # what is left is lost too, or comes later
            self.deliver()
        self.is_lossy = False
        self.life(self.random.randrange(4))
        if self.lost:
            self._repair()
        self.life(self.random.randrange(4))
        while self.pending or any(self.waiting.values()):
            self.random.choice((self.deliver, self.publish))()
        self.check()

    def _repair(self):
        dated = [each.dated for each in self.lost]
        begin, end = min(dated) // 1000, max(dated) // 1000 + 1
        if not self.rules.is_in_time:
            begin = end - 1
        else:
            earlier = begin - self.random.choice((0, 1, self.random.randrange(2_000)))
            begin = max(earlier, self.since // 1000)  # nothing was replicated before the stream
        end += self.random.choice((0, 0, self.random.randrange(600)))
        margin = self.rules.margin
        windows = windows_of(begin, end, [self.kind.table], margin=margin, longest=LONGEST)
        if not self.rules.has_overlap:
            windows = [replaced(window, windows[:number]) for number, window in enumerate(windows)]
        while self.now < windows[-1].end * 1000 + EXPORT_MS:
            self.now += 60_000
            self.life(1)
        plan = self._plan(
            IncrementalReader(
                bucket="b",
                windows=tuple(Window(folder="f", files=len(NAMES), begin=a, end=b) for a, b in windows),
                margin=margin,
            ),
            self.date(),
        )
        parts = self._exported(plan)
        while parts:  # in any order, some of them twice
            rows = parts[self.random.randrange(len(parts))]
            self.pending.append(rows)
            if self.random.random() < 0.8:
                parts.remove(rows)
            self.life(self.random.randrange(2))
        self.wait_for(max(self.now, *self.dated.values()) + CLOCKS_MS + LATE_MS + 2000)
        self._settle(self.pending, plan.began * 1000)
        self.pending = []
        self.counts["windows"] += len(windows)
        if self.rules.is_swept:
            self.sweep(plan)

    def _exported(self, plan):
        """The rows of all windows, in parts: of each window and item."""
        table = self.kind.table
        if self.rules.deletes_those_kept:
            table = replace(table, keep_ttl_deletes=False)
        exports = [SimpleNamespace(files=NAMES) for _ in plan.reader.windows]
        sources = incremental_sources(exports, plan, plan.reader, [table])
        windows = [window for window in plan.reader.windows for _ in NAMES]
        parts = []
        for window, source in zip(windows, sources, strict=True):
            began, ended = (self._by_its_clock(source.file, each) for each in (window.begin, window.end))
            written = [at for at, _ in self.past[source.file] if began < at <= ended]
            if not written:
                continue
            old, new = self.item(source.file, began), self.item(source.file, ended)
            if old is None and new is None:
                self.counts["neither"] += 1
                if self.random.random() < 0.5:
                    continue
            change = NetChange(Raw(json.dumps({"id": {"S": source.file}}).encode()), _raw(new), _raw(old))
            records = source.records([change])
            if self.rules.row_time == "write":
                keeps = self.kind.table.keep_ttl_deletes
                maker = NetChangeRecords(SOURCE, REGION, keeps_ttl_deletes=keeps)
                records = maker.records([change], written[-1] + self.clocks[source.file])
            parts.append(self.kind.rows(records))
            self.counts["lines"] += 1
        return parts

    def _by_its_clock(self, name, second):
        """The moment at which the clock of an item shows a second: any, or that of a write, within a minute."""
        moments = [at for at, _ in self.past[name] if abs(at - second * 1000) <= EXPORT_MS]
        return self.random.choice([second * 1000 + self.random.randint(-EXPORT_MS, EXPORT_MS), *moments])


def replaced(window, before):
    """A window that begins where the one before it ends."""
    return window._replace(begin=before[-1].end) if before else window


def _raw(item):
    return None if item is None else Raw(json.dumps({name: {"S": value} for name, value in item.items()}).encode())
