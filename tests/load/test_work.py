"""Work on a unit: nothing is noted as done that is not, and it goes on where it ended."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.records import ParsedRecords
from load.pace import Size, StreamPace
from load.plan import Control, Total, Unit
from load.work import PORTION, Portion, Sent, Worker, work
from pinot.table import Target

TARGET = Target("items-stream", None)


def sent(rows, sizes=(), dead_letters=(), errors=(), *, is_complete=True):
    return Sent(rows, dict(sizes), Counter(dead_letters), dict(errors), is_complete)


class World:
    """A unit of so many items, a stream and an operator."""

    def __init__(self, items=1000, *, shards=100, seconds=1000.0, takes=0.1):
        self.items, self.seconds, self.takes = items, seconds, takes
        self.now = 0.0
        self.sent, self.states, self.limits = [], [], []
        self.control, self.seen_lag = Control(share=1.0), None
        self.answers = []  # of the next portions: Sent, an error, or None for a stream that takes everything
        self.pace = StreamPace({TARGET: shards}, workers=1, share=1.0, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds):
        self.now += seconds

    def read(self, unit, limit):
        start = unit.cursor or 0
        while start < self.items:
            self.limits.append(limit())
            end = min(start + self.limits[-1], self.items)
            records = ParsedRecords(list(range(start, end)))
            yield Portion(records, end, end == self.items, read_units=1.0)
            start = end

    def send(self, records):
        self.now += self.takes
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer:
            return answer
        self.sent.append(list(records))
        return sent(len(records), {TARGET: Size(len(records), 10)})

    def worker(self):
        return Worker(
            read=self.read,
            send=self.send,
            pace=self.pace,
            save=self.states.append,
            control=lambda: self.control,
            lag=lambda: self.seen_lag,
            remaining=lambda: self.seconds - self.now,
            clock=lambda: self.now,
            wall_clock=lambda: 1_700_000_000 + self.now,
        )

    def numbers(self):
        return [number for portion in self.sent for number in portion]


def test_a_unit_is_done_when_all_of_its_items_are():
    world = World(2 * PORTION + 1)
    unit, reason = work(Unit(number=3), world.worker())
    count = 2 * PORTION + 1
    assert reason is None
    assert world.numbers() == list(range(count))
    assert (unit.is_done, unit.cursor, unit.items, unit.rows, unit.bytes) == (True, count, count, count, 30)
    assert unit.read_units == 3
    assert unit.updated == pytest.approx(1_700_000_000.3)
    assert world.states == [unit]


def test_a_unit_that_is_done_is_left_alone():
    world = World()
    done = Unit(number=0, is_done=True, cursor=5)
    assert work(done, world.worker()) == (done, None)
    assert not world.sent


def test_the_state_is_kept_now_and_then():
    world = World(100 * PORTION, takes=2.0)
    work(Unit(number=0), world.worker())
    assert len(world.states) == 11
    assert all(after.items - before.items == 10 * PORTION for before, after in pairwise(world.states[:-1]))


def test_it_ends_when_the_time_is_up_and_goes_on_from_there():
    world = World(10 * PORTION, seconds=0.35)
    unit, reason = work(Unit(number=0), world.worker())
    assert (reason, unit.is_done) == ("time", False)
    world.seconds = 1000.0
    unit, reason = work(unit, world.worker())
    assert (reason, unit.is_done, unit.items) == (None, True, 10 * PORTION)
    assert world.numbers() == list(range(10 * PORTION))


def test_a_reader_that_ends_early_has_no_more_time():
    world = World()
    world.read = lambda *_: iter(())
    assert work(Unit(number=0), world.worker()) == (Unit(number=0), "time")


@pytest.mark.parametrize("state", ["pause", "stop"])
def test_what_the_operator_wants_is_seen_within_seconds(state):
    world = World(10**6)
    world.send = changing(world, world.send, at=100, control=Control(state=state))
    assert work(Unit(number=0), world.worker()).reason == state
    assert len(world.sent) <= 150
    sent_before = len(world.sent)
    assert work(Unit(number=0), world.worker()).reason == state
    assert len(world.sent) == sent_before


def changing(world, send, *, at, **values):
    def changed(records):
        if len(world.sent) == at:
            for name, value in values.items():
                setattr(world, name, value)
        return send(records)

    return changed


def test_it_waits_for_the_live_path():
    world = World(10**6)
    world.send = changing(world, world.send, at=10, seen_lag=61.0)
    assert work(Unit(number=0), world.worker()).reason == "live"
    world.seen_lag = 60.0
    world.items = 100
    assert work(Unit(number=0), world.worker()).reason is None


def test_the_share_changes_while_it_runs():
    world = World(10**6, shards=1, takes=0.0)
    world.send = changing(world, world.send, at=5, control=Control(share=0.1))
    world.seconds = 60
    work(Unit(number=0), world.worker())
    assert 6_000 < len(world.numbers()) < 12_000


def test_a_portion_lasts_a_moment_at_any_pace():
    world = World(100, shards=1)
    world.control = Control(share=0.02)
    work(Unit(number=0), world.worker())
    assert set(world.limits) == {5}
    world.control = Control(share=0.001)
    work(Unit(number=0), world.worker())
    assert world.limits[-1] == 1


def test_a_stream_that_takes_no_rows_ends_it_and_nothing_is_noted():
    world = World(5 * PORTION)
    world.answers = [None, None, sent(7, errors={"KMSThrottlingException": 1, "Internal": 2}, is_complete=False)]
    unit, reason = work(Unit(number=0), world.worker())
    assert (reason, unit.cursor, unit.items) == ("Internal", 2 * PORTION, 2 * PORTION)
    world.answers = [sent(0, is_complete=False)]
    assert work(unit, world.worker()) == (unit, "time")


def test_a_rejection_slows_it_down_and_is_counted():
    world = World(2 * PORTION)
    errors = {"ProvisionedThroughputExceededException": 3}
    world.answers = [
        sent(200, {TARGET: Size(200, 2)}, {"missing_key": 2}, errors),
        sent(190, {}, {"missing_key": 1, "too_large": 1}),
    ]
    unit, _ = work(Unit(number=0), world.worker())
    assert (unit.rejected, unit.rows, unit.dead_letters) == (3, 390, {"missing_key": 3, "too_large": 1})
    assert world.pace.rows_per_second == 50_000


@given(st.lists(st.integers(0, 12), max_size=6))
def test_whatever_breaks_nothing_is_left_out(broken):
    world = World(5 * PORTION, takes=1.0)
    kept = [Unit(number=0)]
    world.states = []
    for place in broken:
        world.answers = [None] * place + [OSError("broken")]
        try:
            kept.append(work(kept[-1], world.worker()).unit)
        except OSError:
            kept.append(world.states[-1] if world.states else kept[-1])
    world.answers = []
    unit, reason = work(kept[-1], world.worker())
    assert (reason, unit.is_done) == (None, True)
    assert sorted(set(world.numbers())) == list(range(5 * PORTION))


def test_the_total_of_units():
    units = [
        Unit(number=0, items=3, rows=2, bytes=10, read_units=0.5, dead_letters={"a": 1}, updated=5.0, is_done=True),
        Unit(number=1, items=1, rows=1, bytes=1, rejected=4, dead_letters={"a": 1, "b": 2}, updated=4.0),
    ]
    assert Total.of(units) == Total(
        units=2,
        done=1,
        items=4,
        rows=3,
        bytes=11,
        read_units=0.5,
        rejected=4,
        dead_letters={"a": 2, "b": 2},
        updated=5.0,
    )
