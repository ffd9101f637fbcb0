"""The threads of a load in this process: what they do when a unit cannot come to its end at once."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from decoder.records import ParsedRecords
from dynapinot.load import here
from dynapinot.load.here import NoProgressError, Pool
from load.files import FilesError
from load.pace import StreamPace
from load.plan import Control, Unit
from load.work import Portion, Sent, Worker
from pinot.table import Target
from publisher.order import UnavailableError

TARGET = Target("s", None)
REJECTED = "ProvisionedThroughputExceededException"


class Time(threading.Event):
    """An event that is also the clock: to wait for it takes no time, only the clock's."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def clock(self):
        return self.now

    def wait(self, timeout=None):
        self.now += timeout or 0
        return self.is_set()


class World:
    """Units of three portions of a row each; ``faults`` has what a unit meets first, one after the other."""

    def __init__(self, units=2, **faults):
        self.time = Time()
        self.faults = {int(number[1:]): list(found) for number, found in faults.items()}
        self.sent, self.saved, self.ticks = Counter(), {}, []
        self.control = Control()
        self.pool = Pool([Unit(number=number) for number in range(units)], self.time, clock=self.time.clock)

    def worker(self):
        return Worker(
            read=self.read,
            send=self.send,
            pace=StreamPace({TARGET: 1}, workers=1, share=1.0, clock=self.time.clock, sleep=lambda _: None),
            save=self.save,
            control=self.look,
            lag=lambda: None,
            remaining=lambda: 0.0 if self.time.is_set() else 1.0,
            clock=self.time.clock,
            wall_clock=lambda: 7.0,
        )

    def look(self):
        return self.control

    def save(self, unit):
        self.saved[unit.number] = unit

    def read(self, unit, limit):
        faults = self.faults.get(unit.number)
        fault = faults.pop(0) if faults else None
        if isinstance(fault, Exception):
            raise fault
        if callable(fault):
            fault()
        self.error = fault if isinstance(fault, str) else None
        for number in range(unit.cursor or 0, 3):
            yield Portion(records=ParsedRecords([{"unit": unit.number}]), cursor=number + 1, is_last=number == 2)

    def send(self, records):
        if self.error:
            return Sent(0, {}, {}, {self.error: 1}, is_complete=False)
        self.sent[records[0]["unit"]] += 1
        return Sent(1, {}, {}, {}, is_complete=True)

    def run(self, workers=1):
        return self.pool.run(
            [self.worker() for _ in range(workers)], lambda total, state: self.ticks.append((total, state))
        )


def refusal(code, status=400):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Scan")


def test_all_units_are_done_by_several_threads():
    world = World(units=20)
    assert world.run(workers=4) is False
    assert world.sent == dict.fromkeys(range(20), 3)
    assert (world.pool.total.done, world.pool.total.rows) == (20, 60)
    assert all(unit.is_done for unit in world.saved.values())


def test_units_that_are_done_are_not_done_again():
    world = World()
    world.pool = Pool([Unit(number=0, is_done=True, rows=3), Unit(number=1)], world.time, clock=world.time.clock)
    world.run()
    assert world.sent == {1: 3}
    assert world.pool.total.rows == 6


@pytest.mark.parametrize(
    "fault",
    [
        REJECTED,
        FilesError("cannot be written"),
        refusal("InternalServerError", 500),
        ConnectTimeoutError(endpoint_url="x"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_may_pass_is_tried_again_after_a_longer_wait_each_time(fault):
    world = World(_0=[fault] * 8)
    world.run()
    assert world.sent == {0: 3, 1: 3}
    assert world.time.now == 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60


@pytest.mark.parametrize("fault", [REJECTED, FilesError("cannot be written: AccessDenied")])
def test_ten_minutes_without_progress_end_the_load(fault):
    world = World(_0=[fault] * 100)
    with pytest.raises(NoProgressError) as failed:
        world.run()
    assert str(failed.value) == f"unit 0 made no progress for 10 min: {fault}"
    assert 600 <= world.time.now < 700


@pytest.mark.parametrize("fault", [refusal("AccessDeniedException"), UnavailableError("ResourceNotFoundException")])
def test_what_does_not_pass_ends_all_threads_at_once(fault):
    world = World(units=50, _0=[fault])
    with pytest.raises(type(fault)):
        world.run(workers=2)
    assert world.time.is_set()
    assert world.pool.total.done < 50


def test_a_pause_waits_without_losing_patience_and_is_shown():
    world = World(units=1)
    world.control = Control(state="pause")
    waits = []

    class Long(Time):
        def wait(self, timeout=None):
            waits.append(timeout)
            if len(waits) == 1_000:
                world.control = Control(state="run")
            return super().wait(timeout)

    world.time = Long()
    world.pool = Pool([Unit(number=0)], world.time, clock=world.time.clock)
    world.run()
    assert world.sent == {0: 3}
    assert waits == [5.0] * 1_000


def test_a_stop_ends_all_and_is_the_operators():
    world = World(units=5)
    world.control = Control(state="stop")
    assert world.run(workers=2) is False
    assert (world.sent, world.pool.total.done) == ({}, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_each_worker_note_how_far_it_is(number, monkeypatch):
    begun, noted = threading.Event(), threading.Event()

    def interrupt():
        begun.set()
        assert noted.wait(10)

    world = World(units=9, _0=[interrupt])
    before = signal.getsignal(signal.SIGTERM)

    class Waiting(Time):
        def set(self):
            super().set()
            noted.set()

    world.time = Waiting()
    world.pool = Pool([Unit(number=each) for each in range(9)], world.time, clock=world.time.clock)
    monkeypatch.setattr(here, "TICK_SECONDS", 0.01)

    def tick(total, state):
        if begun.is_set() and not noted.is_set():
            os.kill(os.getpid(), number)

    assert world.pool.run([world.worker()], tick) is True
    assert signal.getsignal(signal.SIGTERM) == before
    assert world.saved[0] == world.pool.units[0]
    assert not world.saved[0].is_done


def test_what_a_unit_waits_for_is_shown(monkeypatch):
    monkeypatch.setattr(here, "TICK_SECONDS", 0.001)
    world = World(units=1)
    world.control = Control(state="pause")

    class Shown(Time):
        def wait(self, timeout=None):
            if any(state == "pause" for _, state in world.ticks):
                world.control = Control()
            threading.Event().wait(0.002)
            return super().wait(timeout)

    world.time = Shown()
    world.pool = Pool([Unit(number=0)], world.time, clock=world.time.clock)
    world.run()
    assert "pause" in {state for _, state in world.ticks}
    assert world.ticks[-1][1] == "run"
