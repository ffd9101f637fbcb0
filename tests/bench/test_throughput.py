"""The simulated stream has the latency and the limits of Kinesis."""

from __future__ import annotations

from bench.product import publish_to
from bench.throughput import SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND, SHARDS, Stream, one_by_one
from kinesis_fake import FakeKinesis
from publisher.entry import Entry


class Clock:
    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


def stream(clock, **options):
    return Stream(clock=lambda: clock.now, sleep=clock.sleep, **options)


def entries(count, data=b"x"):
    return [Entry(f"key {number}", data, number) for number in range(count)]


def test_a_request_takes_the_latency_and_gets_increasing_sequence_numbers():
    clock = Clock()
    here = stream(clock, shards=2)
    assert [here.send(entries(3)), here.send(entries(2))] == [[1, 2, 3], [4, 5]]
    assert (clock.now, here.requests) == (0.04, 2)


def test_a_shard_accepts_a_thousand_records_a_second_and_rejects_the_rest():
    clock = Clock()
    here = stream(clock, shards=1, latency=0.0, limited=True)
    outcomes = here.send(entries(1_500))
    assert [isinstance(outcome, int) for outcome in outcomes] == [True] * SHARD_RECORDS_PER_SECOND + [False] * 500
    clock.now += 0.25
    accepted = [outcome for outcome in here.send(entries(1_500)) if isinstance(outcome, int)]
    assert len(accepted) == SHARD_RECORDS_PER_SECOND / 4


def test_a_shard_accepts_a_mib_a_second():
    here = stream(Clock(), shards=1, latency=0.0, limited=True)
    large = entries(8, bytes(SHARD_BYTES_PER_SECOND // 4))
    assert sum(isinstance(outcome, int) for outcome in here.send(large)) == 3, "the keys count too"


def test_twice_the_shards_accept_twice_as_much():
    accepted = {}
    for shards in (1, 2, 4):
        here = stream(Clock(), shards=shards, latency=0.0, limited=True)
        accepted[shards] = sum(isinstance(outcome, int) for outcome in here.send(entries(20_000)))
    assert accepted == {1: 1_000, 2: 2_000, 4: 4_000}


def test_keys_are_assigned_to_the_same_shards_as_in_the_fake_kinesis():
    for shards in SHARDS:
        mine, other = Stream(shards=shards), FakeKinesis(None, shards=shards)
        assert [mine.shard_of(f"key {n}") for n in range(200)] == [other.shard_of(f"key {n}") for n in range(200)]


def test_an_unlimited_stream_accepts_everything():
    assert all(isinstance(outcome, int) for outcome in stream(Clock(), shards=1).send(entries(5_000)))


def test_one_by_one_takes_one_latency_for_every_500_rows():
    clock = Clock()
    one_by_one(stream(clock, shards=1), entries(1_001))
    assert round(clock.now, 9) == 0.06


def test_one_by_one_resends_rejected_records_until_they_are_accepted():
    clock, sent = Clock(), []

    class Counting(Stream):
        def send(self, batch):
            outcomes = super().send(batch)
            sent.extend(entry for entry, outcome in zip(batch, outcomes, strict=True) if isinstance(outcome, int))
            return outcomes

    one_by_one(Counting(clock=lambda: clock.now, sleep=clock.sleep, shards=1, limited=True), entries(2_000))
    assert sorted(sent) == sorted(entries(2_000))
    assert clock.now >= 1, "the second thousand is accepted a second later"


def test_the_benchmark_publishes_with_the_functions_own_code_and_sends_everything():
    here = stream(Clock(), shards=4)
    publish_to(here, entries(1_200))
    assert here.requests == 3
