"""With several requests in flight, the stream must still end in the newest entry of each key."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinesis_fake import Clock, FakeKinesis, entries_of
from publisher.concurrency import MAX_IN_FLIGHT, MAX_WAITING, Workers, publish_concurrently, worker_threads
from publisher.entry import Entry
from publisher.order import Limits, Published
from strategies import fault_rates
from workers_fake import fake_workers

REJECTED = "ProvisionedThroughputExceededException"
DONE = Published(first_unpublished=None, resent=0, errors={})


def run(entries, send, workers=None, *, shards=4, budget=60.0, tick=0.0, **options):
    clock = Clock(budget, tick)
    return publish_concurrently(
        entries,
        send,
        workers or fake_workers(Random(1)),
        shards=lambda: shards,
        remaining=clock.remaining,
        sleep=clock.sleep,
        jitter=lambda: 0.5,
        **options,
    )


class WatchedWorkers:
    """Workers that do nothing until they are waited for, then the oldest chunk first. They count the chunks."""

    def __init__(self):
        self.in_flight = []
        self.most = 0
        self.started = 0
        self.workers = Workers(start=self.start, wait=self.wait)

    def start(self, work):
        self.in_flight.append((Future(), work))
        self.started += 1
        self.most = max(self.most, len(self.in_flight))
        return self.in_flight[-1][0]

    def wait(self, running):
        future, work = self.in_flight.pop(0)
        assert future in running
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  # as a thread pool does it
            future.set_exception(error)
        return [future]


def accept_all():
    numbers = iter(range(1, 10**9))
    requests = []

    def send(entries):
        requests.append([entry.data.decode() for entry in entries])
        return [next(numbers) for _ in entries]

    send.requests = requests
    return send


def test_a_batch_of_one_request_is_published_without_a_worker():
    watched, send = WatchedWorkers(), accept_all()
    assert run(entries_of("aba"), send, watched.workers) == DONE
    assert (watched.started, send.requests) == (0, [["a@0", "b@1", "a@2"]])


def test_an_empty_batch_sends_no_request():
    send = accept_all()
    assert run([], send) == DONE
    assert send.requests == []


@pytest.mark.parametrize(("shards", "most"), [(0, 2), (1, 1), (3, 3), (100, MAX_IN_FLIGHT)])
def test_as_many_requests_are_in_flight_as_the_stream_has_shards(shards, most):
    watched, send = WatchedWorkers(), accept_all()
    assert run(entries_of(map(str, range(60))), send, watched.workers, shards=shards, limits=Limits(records=3)) == DONE
    assert watched.most == most
    assert len(send.requests) == 20


def test_a_throttled_request_halves_the_requests_in_flight_and_successes_bring_them_back():
    watched, numbers, seen = WatchedWorkers(), iter(range(1, 10**6)), []

    def send(entries):
        seen.append(len(watched.in_flight) + 1)  # this one too
        is_throttled = len(seen) == 1
        return [REJECTED if is_throttled else next(numbers) for _ in entries]

    published = run(entries_of(map(str, range(80))), send, watched.workers, shards=8, limits=Limits(records=1))
    assert (published.first_unpublished, published.resent, published.errors) == (None, 1, {REJECTED: 1})
    assert seen[:7] == [8, 8, 7, 6, 5, 4, 4], "the first is sent again, and no other until half are done"
    assert seen[7:30].index(8) > 10, "it grows by one with each round"


def test_a_key_is_in_one_request_in_flight_and_its_later_entries_follow_in_order():
    watched, send = WatchedWorkers(), accept_all()
    run(entries_of("aabbabccdd"), send, watched.workers, limits=Limits(records=2))
    assert send.requests == [["a@0", "a@1"], ["b@2", "b@3"], ["a@4", "c@6"], ["b@5", "c@7"], ["d@8", "d@9"]] or (
        [each for request in send.requests for each in request if each[0] == "a"] == ["a@0", "a@1", "a@4"]
        and [each for request in send.requests for each in request if each[0] == "b"] == ["b@2", "b@3", "b@5"]
    )


def test_many_entries_of_one_key_are_sent_in_full_requests():
    send = accept_all()
    assert run(entries_of("a" * 1_000), send, WatchedWorkers().workers, limits=Limits(records=10)) == DONE
    assert list(map(len, send.requests)) == [10] * 100


def test_requests_keep_within_both_limits():
    send = accept_all()
    sizes = [10, 10, 10, 25, 5, 5, 5, 5, 5]
    entries = [Entry(f"k{index}", b"x" * (size - 2), index) for index, size in enumerate(sizes)]
    run(entries, send, WatchedWorkers().workers, limits=Limits(records=4, bytes=30))
    assert [list(map(len, request)) for request in send.requests] == [[8, 8, 8], [23, 3], [3, 3, 3, 3]]


def test_no_more_entries_are_taken_than_may_be_in_flight_or_wait():
    """Rows do not pile up, whether of many keys or of one: the next row is made only when there is room for it."""
    for keys in (map(str, range(5_000)), "a" * 5_000):
        taken, sent = [], []

        def make_entries(keys=keys, taken=taken):
            for entry in entries_of(keys):
                taken.append(entry)
                yield entry

        def send(entries, taken=taken, sent=sent):
            assert len(taken) - len(sent) <= (4 + MAX_WAITING + 2) * 10
            sent.extend(entries)
            return [len(sent) - len(entries) + place for place in range(len(entries))]

        assert (
            run(make_entries(), send, WatchedWorkers().workers, shards=4, limits=Limits(records=10)).first_unpublished
            is None
        )
        assert len(sent) == 5_000


def test_without_time_left_only_the_first_request_is_sent():
    send = accept_all()
    published = run(entries_of("abcdef"), send, WatchedWorkers().workers, budget=-1, limits=Limits(records=2))
    assert (send.requests, published.first_unpublished) == ([["a@0", "b@1"]], 2)


def test_an_unavailable_stream_is_sent_no_further_requests():
    stream, taken = FakeKinesis(Random(1)), []
    stream.unavailable = True

    def make_entries():
        for entry in entries_of(map(str, range(1_000))):
            taken.append(entry)
            yield entry

    published = run(make_entries(), stream.send, shards=1, limits=Limits(records=10))
    assert (published.first_unpublished, published.errors) == (0, {"ResourceNotFoundException": 10})
    assert len(taken) < 50


def test_entries_that_wait_for_an_unsettled_key_are_reported_as_unpublished():
    """The first request always fails, while entries of its key wait for it."""

    def send(entries):
        return [REJECTED] * len(entries) if entries[0].key == "a" else list(range(len(entries)))

    published = run(entries_of("abacad"), send, WatchedWorkers().workers, budget=0.01, limits=Limits(records=1))
    assert published.first_unpublished == 0
    published = run(entries_of("bac"), send, WatchedWorkers().workers, budget=0.01, limits=Limits(records=1))
    assert published.first_unpublished == 1


def test_an_unexpected_error_is_raised_once_nothing_is_in_flight():
    watched = WatchedWorkers()

    def send(entries):
        if entries[0].key == "b":
            raise ZeroDivisionError
        return [1]

    with pytest.raises(ZeroDivisionError):
        run(entries_of("abcdef"), send, watched.workers, limits=Limits(records=1))
    assert watched.in_flight == []


def test_an_error_in_making_entries_is_raised_once_nothing_is_in_flight():
    watched, send = WatchedWorkers(), accept_all()

    def make_entries():
        yield from entries_of("abc")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(make_entries(), send, watched.workers, limits=Limits(records=1))
    assert (watched.in_flight, send.requests) == ([], [["a@0"], ["b@1"]])


def test_threads_send_requests_concurrently():
    together = threading.Barrier(4, timeout=30)

    def send(entries):
        together.wait()  # breaks, and fails the test, unless four are in flight
        return list(range(1, len(entries) + 1))

    assert run(entries_of("abcdefgh"), send, worker_threads(), limits=Limits(records=1)) == DONE


@settings(max_examples=2000, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60),
    seed=st.integers(0, 2**32),
    faults=fault_rates,
    records=st.integers(1, 12),
    shards=st.integers(0, 9),
    budget=st.sampled_from((0.0, 0.3, 5.0, 1000.0)),
)
def test_with_retries_every_history_ends_with_the_newest_entry_of_each_key(keys, seed, faults, records, shards, budget):
    """Any request in flight may be done first. The batch is retried from the earliest unpublished entry on."""
    random = Random(seed)
    stream = FakeKinesis(random, **faults)
    everything = entries_of(keys)
    reached = 0
    for _ in range(200):
        published = run(
            everything[reached:],
            stream.send,
            fake_workers(random),
            shards=shards,
            budget=budget,
            tick=0.001,
            limits=Limits(records=records),
        )
        reached = len(keys) if published.first_unpublished is None else published.first_unpublished
        accepted = {entry.data for shard in stream.shards for entry in shard}
        assert {entry.data for entry in everything[:reached]} <= accepted, (
            "reported as published, but not on the stream"
        )
        if reached == len(keys):
            break
        stream.reduce_faults()
    assert reached == len(keys)
    assert stream.last_of_each_key() == {entry.key: entry.data for entry in everything}


@given(seed=st.integers(0, 2**32), keys=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30))
def test_without_errors_nothing_is_sent_twice(seed, keys):
    stream = FakeKinesis(Random(seed))
    published = run(entries_of(keys), stream.send, fake_workers(Random(seed)), limits=Limits(records=3))
    assert published == DONE
    assert sum(map(len, stream.requests)) == len(keys)
