from __future__ import annotations

from load.pace import Budget, Size, StreamPace
from pinot.table import Target

A, B = Target("a", None), Target("b", None)


class Time:
    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


def seconds_for(pace, time, times, sent, *, rejected=()):
    start = time.now
    for place in range(times):
        pace.wait()
        pace.note(sent, is_rejected=place in rejected)
    pace.wait()
    return time.now - start


def stream_pace(time, shards, **options):
    return StreamPace(shards, clock=time.clock, sleep=time.sleep, **{"workers": 1, "share": 0.5, **options})


def test_a_budget_is_not_exceeded_and_not_saved_up():
    time = Time()
    budget = Budget(10, clock=time.clock, sleep=time.sleep)
    time.now += 100
    for _ in range(20):
        budget.wait()
        budget.spend(5)
    budget.wait()
    assert time.now == 110


def test_rows_go_at_the_share_of_the_shards_that_is_the_workers_own():
    time = Time()
    pace = stream_pace(time, {A: 4}, workers=2)
    assert pace.rows_per_second == 1000
    assert round(seconds_for(pace, time, 100, {A: Size(200, 1)}), 6) == 20


def test_large_rows_go_by_their_bytes():
    time = Time()
    assert round(seconds_for(stream_pace(time, {A: 1}), time, 10, {A: Size(1, 1024 * 1024)}), 6) == 20


def test_of_several_streams_the_one_that_is_used_most_decides():
    time = Time()
    pace = stream_pace(time, {A: 10, B: 1})
    assert pace.rows_per_second == 500
    assert round(seconds_for(pace, time, 10, {A: Size(1000, 1), B: Size(50, 1)}), 6) == 2


def test_nothing_sent_costs_nothing():
    time = Time()
    assert seconds_for(stream_pace(time, {A: 1}), time, 10, {}) == 0


def test_a_rejection_halves_the_rate_at_once_and_it_rises_slowly():
    time = Time()
    pace = stream_pace(time, {A: 2})
    pace.note({A: Size(0, 0)}, is_rejected=True)
    assert pace.rows_per_second == 500
    seconds_for(pace, time, 10, {A: Size(500, 1)})
    assert 700 < pace.rows_per_second < 900
    seconds_for(pace, time, 100, {A: Size(500, 1)})
    assert pace.rows_per_second == 1000
    seconds_for(pace, time, 20, {A: Size(0, 0)}, rejected=range(20))
    assert pace.rows_per_second == 1000 / 64


def test_a_new_share_holds_at_once():
    time = Time()
    pace = stream_pace(time, {A: 1})
    pace.share = 1.0
    assert seconds_for(pace, time, 10, {A: Size(1000, 1)}) == 10
