"""One run against fake shards: rows that arrive are seen with their lag, and missing ones are counted."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from files import table
from heartbeat.item import KeyAttribute, SourceTable, insert_change
from heartbeat.probe import Shard, hash_key, make_probes
from heartbeat.run import POLL_SECONDS, ShardRecord, UnreadableError, run_probes

START_MS = 1_719_082_124_987
SOURCE = SourceTable(table="meetups", region="eu-west-1", keys=[KeyAttribute(name="id", type="S")])


class Pipeline:
    """Everything from the table to the shards, with a clock that only sleeping moves.

    ``delay_ms`` is the delay of a row; ``dead`` shards get none; ``errors`` are those of the next reads.
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
        self.pending = []  # shard, record

    def put(self, item):
        self.puts.append(item)
        self.arrive(item, int(item["heartbeat"]["N"]), self.delay_ms)

    def arrive(self, item, put_ms, delay_ms):
        item_without_time = {name: value for name, value in item.items() if name != "heartbeat"}
        (row,) = self.table.rows(insert_change(item_without_time, SOURCE, put_ms))
        (shard,) = [shard.id for shard in self.shards if shard.first <= hash_key(row.key) <= shard.last]
        if shard not in self.dead:
            self.pending.append((shard, ShardRecord(row.key, row.data, self.clock_ms + delay_ms)))

    def read(self, location):
        self.reads.append((location.shard, self.clock_ms))
        self.clock_ms += int(self.read_seconds * 1000)
        if self.errors:
            raise UnreadableError(self.errors.pop(0))
        arrived = [each for each in self.pending if each[0] == location.shard and each[1].arrived_ms <= self.clock_ms]
        self.pending = [each for each in self.pending if each not in arrived]
        return [record for _, record in arrived]

    def sleep(self, seconds):
        self.clock_ms += int(seconds * 1000)

    def probes(self):
        return make_probes([(self.table, self.shards)], [{}], SOURCE, now_ms=self.clock_ms)

    def run(self, probes=None):
        return run_probes(
            self.probes() if probes is None else probes,
            put=self.put,
            read=self.read,
            now_ms=lambda: self.clock_ms,
            sleep=self.sleep,
            remaining=lambda: (self.deadline_ms - self.clock_ms) / 1000,
        )


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_the_row_of_every_shard_is_seen_with_its_lag(shards):
    pipeline = Pipeline(shards)
    results = pipeline.run()
    assert {result.probe.location.shard for result in results} == {shard.id for shard in pipeline.shards}
    assert [result.lag_ms for result in results] == [400] * shards
    assert len(pipeline.puts) == shards


def test_the_lag_ends_with_the_arrival_and_not_with_the_read():
    pipeline = Pipeline(1, delay_ms=2_345)
    assert pipeline.run()[0].lag_ms == 2_345
    assert pipeline.clock_ms == START_MS + 3_000


def test_different_clocks_give_no_negative_lag():
    assert Pipeline(1, delay_ms=-5).run()[0].lag_ms == 0


def test_a_shard_is_read_at_most_once_a_second():
    pipeline = Pipeline(3, dead={"1"})
    pipeline.run()
    at = [ms for shard, ms in pipeline.reads if shard == "1"]
    assert len(at) == 29
    assert min(later - earlier for earlier, later in pairwise(at)) >= POLL_SECONDS * 1000
    assert [shard for shard, _ in pipeline.reads].count("0") == 1  # it is not read again once its row has arrived


def test_missing_rows_are_reported_within_the_time():
    pipeline = Pipeline(7, dead={"2", "5"}, seconds=10)
    results = pipeline.run()
    assert {result.probe.location.shard for result in results if result.lag_ms is None} == {"2", "5"}
    assert {result.error for result in results} == {None}
    assert pipeline.clock_ms <= pipeline.deadline_ms


def test_no_read_is_started_without_time_left():
    pipeline = Pipeline(7, dead=map(str, range(7)), seconds=10, read_seconds=4)
    assert all(result.lag_ms is None for result in pipeline.run())
    assert len(pipeline.reads) == 3


def test_without_any_time_the_items_are_written_and_their_rows_missing():
    pipeline = Pipeline(2, seconds=0)
    assert [result.lag_ms for result in pipeline.run()] == [None, None]
    assert (len(pipeline.puts), pipeline.reads) == (2, [])


def test_a_late_row_of_an_earlier_run_does_not_count():
    pipeline = Pipeline(1)
    probes = pipeline.probes()
    pipeline.arrive(probes[0].item, START_MS - 60_000, delay_ms=100)  # it was put a minute ago, and arrives now
    pipeline.dead = {"0"}
    assert pipeline.run(probes)[0].lag_ms is None
    pipeline = Pipeline(1, delay_ms=1_500)
    pipeline.arrive(probes[0].item, START_MS - 60_000, delay_ms=100)
    assert pipeline.run(probes)[0].lag_ms == 1_500


def test_other_rows_of_the_shard_are_ignored():
    pipeline = Pipeline(1, delay_ms=2_000)
    pipeline.pending.append(("0", ShardRecord("1:a", b"{}", START_MS)))
    assert pipeline.run()[0].lag_ms == 2_000


def test_a_failed_read_is_retried_a_second_later():
    pipeline = Pipeline(1, errors=["ProvisionedThroughputExceededException"])
    assert [(result.lag_ms, result.error) for result in pipeline.run()] == [(400, None)]
    assert len(pipeline.reads) == 2


def test_an_unreadable_shard_is_missing_with_the_last_error():
    pipeline = Pipeline(1, errors=["first", *["last"] * 100])
    assert [(result.lag_ms, result.error) for result in pipeline.run()] == [(None, "last")]


def test_an_item_that_probes_two_streams_is_written_once():
    pipeline = Pipeline(2)
    probes = pipeline.probes()
    pipeline.run([*probes, *probes])
    assert len(pipeline.puts) == 2


def test_the_item_has_the_time_of_the_put():
    pipeline = Pipeline(1)
    pipeline.run()
    pipeline.sleep(60)
    pipeline.run()
    assert [json.loads(item["heartbeat"]["N"]) for item in pipeline.puts] == [START_MS, START_MS + 61_000]
