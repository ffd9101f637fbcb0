"""One run against shards that keep what they get: everything is seen, and what does not come is counted."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from files import table
from heartbeat.aim import Shard, hash_key, take_aim
from heartbeat.beat import POLL_SECONDS, Arrival, UnreadableError, beat
from heartbeat.marker import KeyAttribute, Origin, change_of

START_MS = 1_719_082_124_987
ORIGIN = Origin(table="meetups", region="eu-west-1", keys=[KeyAttribute(name="id", type="S")])


class Path:
    """The whole way from the table to the shards, by a clock that only waiting moves.

    ``delay_ms`` is how long a row takes; ``dead`` shards get none; ``errors`` are the failures of a shard's next reads.
    """

    def __init__(self, shards, *, delay_ms=400, dead=(), errors=(), seconds=30, read_seconds=0.0):
        bounds = [2**128 * each // shards for each in range(shards + 1)]
        self.table = table()
        self.shards = [Shard(id=str(each), first=bounds[each], last=bounds[each + 1] - 1) for each in range(shards)]
        self.delay_ms = delay_ms
        self.dead = set(dead)
        self.errors = list(errors)
        self.clock_ms = START_MS
        self.deadline_ms = START_MS + seconds * 1000
        self.read_seconds = read_seconds
        self.puts = []
        self.reads = []
        self.coming = []  # shard, arrival

    def put(self, item):
        self.puts.append(item)
        self.arrive(item, int(item["heartbeat"]["N"]), self.delay_ms)

    def arrive(self, item, put_ms, delay_ms):
        marker = {name: value for name, value in item.items() if name != "heartbeat"}
        (row,) = self.table.rows(change_of(marker, ORIGIN, put_ms))
        (shard,) = [shard.id for shard in self.shards if shard.first <= hash_key(row.key) <= shard.last]
        if shard not in self.dead:
            self.coming.append((shard, Arrival(row.key, row.data, self.clock_ms + delay_ms)))

    def read(self, place):
        self.reads.append((place.shard, self.clock_ms))
        self.clock_ms += int(self.read_seconds * 1000)
        if self.errors:
            raise UnreadableError(self.errors.pop(0))
        came = [each for each in self.coming if each[0] == place.shard and each[1].arrived_ms <= self.clock_ms]
        self.coming = [each for each in self.coming if each not in came]
        return [arrival for _, arrival in came]

    def sleep(self, seconds):
        self.clock_ms += int(seconds * 1000)

    def aims(self):
        return take_aim([(self.table, self.shards)], [{}], ORIGIN, now_ms=self.clock_ms)

    def run(self, aims=None):
        return beat(
            self.aims() if aims is None else aims,
            put=self.put,
            read=self.read,
            now_ms=lambda: self.clock_ms,
            sleep=self.sleep,
            remaining=lambda: (self.deadline_ms - self.clock_ms) / 1000,
        )


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_every_shard_s_marker_is_seen_with_its_lag(shards):
    path = Path(shards)
    outcomes = path.run()
    assert {outcome.aim.place.shard for outcome in outcomes} == {shard.id for shard in path.shards}
    assert [outcome.lag_ms for outcome in outcomes] == [400] * shards
    assert len(path.puts) == shards


def test_the_lag_is_that_of_the_arrival_and_not_of_the_look():
    path = Path(1, delay_ms=2_345)
    assert path.run()[0].lag_ms == 2_345
    assert path.clock_ms == START_MS + 3_000


def test_clocks_that_differ_give_no_negative_lag():
    assert Path(1, delay_ms=-5).run()[0].lag_ms == 0


def test_a_shard_is_looked_at_no_more_than_once_a_second():
    path = Path(3, dead={"1"})
    path.run()
    at = [ms for shard, ms in path.reads if shard == "1"]
    assert len(at) == 29
    assert min(later - earlier for earlier, later in pairwise(at)) >= POLL_SECONDS * 1000
    assert [shard for shard, _ in path.reads].count("0") == 1  # it is left alone once its marker has come


def test_missing_markers_are_told_and_the_time_is_kept():
    path = Path(7, dead={"2", "5"}, seconds=10)
    outcomes = path.run()
    assert {outcome.aim.place.shard for outcome in outcomes if outcome.lag_ms is None} == {"2", "5"}
    assert {outcome.error for outcome in outcomes} == {None}
    assert path.clock_ms <= path.deadline_ms


def test_no_look_is_begun_without_time():
    path = Path(7, dead=map(str, range(7)), seconds=10, read_seconds=4)
    assert all(outcome.lag_ms is None for outcome in path.run())
    assert len(path.reads) == 3


def test_without_any_time_the_markers_are_written_and_missing():
    path = Path(2, seconds=0)
    assert [outcome.lag_ms for outcome in path.run()] == [None, None]
    assert (len(path.puts), path.reads) == (2, [])


def test_a_late_marker_of_an_earlier_run_is_not_mistaken_for_this_one():
    path = Path(1)
    aims = path.aims()
    path.arrive(aims[0].item, START_MS - 60_000, delay_ms=100)  # it was put a minute ago, and arrives now
    path.dead = {"0"}
    assert path.run(aims)[0].lag_ms is None
    path = Path(1, delay_ms=1_500)
    path.arrive(aims[0].item, START_MS - 60_000, delay_ms=100)
    assert path.run(aims)[0].lag_ms == 1_500


def test_other_rows_of_the_shard_are_passed_over():
    path = Path(1, delay_ms=2_000)
    path.coming.append(("0", Arrival("1:a", b"{}", START_MS)))
    assert path.run()[0].lag_ms == 2_000


def test_a_read_that_fails_is_tried_again_a_second_later():
    path = Path(1, errors=["ProvisionedThroughputExceededException"])
    assert [(outcome.lag_ms, outcome.error) for outcome in path.run()] == [(400, None)]
    assert len(path.reads) == 2


def test_a_shard_that_cannot_be_read_is_missing_with_the_last_error():
    path = Path(1, errors=["first", *["last"] * 100])
    assert [(outcome.lag_ms, outcome.error) for outcome in path.run()] == [(None, "last")]


def test_a_marker_that_is_aimed_at_two_streams_is_written_once():
    path = Path(2)
    aims = path.aims()
    path.run([*aims, *aims])
    assert len(path.puts) == 2


def test_the_marker_is_changed_by_the_time_of_the_put():
    path = Path(1)
    path.run()
    path.sleep(60)
    path.run()
    assert [json.loads(item["heartbeat"]["N"]) for item in path.puts] == [START_MS, START_MS + 61_000]
