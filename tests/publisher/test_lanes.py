"""Several requests under way at once, and the stream must still end in each key's newest entry."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinesis_fake import Clock, FakeKinesis, entries_of
from lanes_in_turn import lanes_in_turn
from publisher.entry import Entry
from publisher.lanes import MAX_UNDER_WAY, MAX_WAITING, Lanes, publish_in_lanes, threads
from publisher.order import Limits, Published
from strategies import troubles

REJECTED = "ProvisionedThroughputExceededException"
DONE = Published(first_unpublished=None, resent=0, errors={})


def run(entries, send, lanes=None, *, shards=4, budget=60.0, tick=0.0, **options):
    clock = Clock(budget, tick)
    return publish_in_lanes(
        entries,
        send,
        lanes or lanes_in_turn(Random(1)),
        shards=lambda: shards,
        remaining=clock.remaining,
        sleep=clock.sleep,
        jitter=lambda: 0.5,
        **options,
    )


class Watched:
    """Lanes that keep what is under way until it is waited for, the oldest first, and know how much that was."""

    def __init__(self):
        self.under_way = []
        self.most = 0
        self.started = 0
        self.lanes = Lanes(start=self.start, wait=self.wait)

    def start(self, work):
        self.under_way.append((Future(), work))
        self.started += 1
        self.most = max(self.most, len(self.under_way))
        return self.under_way[-1][0]

    def wait(self, running):
        future, work = self.under_way.pop(0)
        assert future in running
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  # as a thread pool does it
            future.set_exception(error)
        return [future]


def accepting():
    numbers = iter(range(1, 10**9))
    requests = []

    def send(entries):
        requests.append([entry.data.decode() for entry in entries])
        return [next(numbers) for _ in entries]

    send.requests = requests
    return send


def test_a_batch_of_one_request_is_published_where_it_is():
    watched, send = Watched(), accepting()
    assert run(entries_of("aba"), send, watched.lanes) == DONE
    assert (watched.started, send.requests) == (0, [["a@0", "b@1", "a@2"]])


def test_nothing_is_sent_for_nothing():
    send = accepting()
    assert run([], send) == DONE
    assert send.requests == []


@pytest.mark.parametrize(("shards", "most"), [(0, 2), (1, 1), (3, 3), (100, MAX_UNDER_WAY)])
def test_as_many_requests_are_under_way_as_the_stream_has_shards(shards, most):
    watched, send = Watched(), accepting()
    assert run(entries_of(map(str, range(60))), send, watched.lanes, shards=shards, limits=Limits(records=3)) == DONE
    assert watched.most == most
    assert len(send.requests) == 20


def test_a_throttled_request_halves_what_is_under_way_and_others_bring_it_back():
    watched, numbers, seen = Watched(), iter(range(1, 10**6)), []

    def send(entries):
        seen.append(len(watched.under_way) + 1)  # this one too
        is_throttled = len(seen) == 1
        return [REJECTED if is_throttled else next(numbers) for _ in entries]

    published = run(entries_of(map(str, range(80))), send, watched.lanes, shards=8, limits=Limits(records=1))
    assert (published.first_unpublished, published.resent, published.errors) == (None, 1, {REJECTED: 1})
    assert seen[:7] == [8, 8, 7, 6, 5, 4, 4], "the first goes again, and no other until half are done"
    assert seen[7:30].index(8) > 10, "it grows by one a round"


def test_a_key_is_in_one_request_under_way_and_its_later_entries_follow_in_order():
    watched, send = Watched(), accepting()
    run(entries_of("aabbabccdd"), send, watched.lanes, limits=Limits(records=2))
    assert send.requests == [["a@0", "a@1"], ["b@2", "b@3"], ["a@4", "c@6"], ["b@5", "c@7"], ["d@8", "d@9"]] or (
        [each for request in send.requests for each in request if each[0] == "a"] == ["a@0", "a@1", "a@4"]
        and [each for request in send.requests for each in request if each[0] == "b"] == ["b@2", "b@3", "b@5"]
    )


def test_many_entries_of_one_key_fill_their_requests():
    send = accepting()
    assert run(entries_of("a" * 1_000), send, Watched().lanes, limits=Limits(records=10)) == DONE
    assert list(map(len, send.requests)) == [10] * 100


def test_requests_keep_within_both_limits():
    send = accepting()
    sizes = [10, 10, 10, 25, 5, 5, 5, 5, 5]
    entries = [Entry(f"k{index}", b"x" * (size - 2), index) for index, size in enumerate(sizes)]
    run(entries, send, Watched().lanes, limits=Limits(records=4, bytes=30))
    assert [list(map(len, request)) for request in send.requests] == [[8, 8, 8], [23, 3], [3, 3, 3, 3]]


def test_no_more_is_taken_than_may_be_under_way_or_wait():
    """Neither rows of many keys nor of a single one heap up: what is made next is made when there is room."""
    for keys in (map(str, range(5_000)), "a" * 5_000):
        taken, sent = [], []

        def making(keys=keys, taken=taken):
            for entry in entries_of(keys):
                taken.append(entry)
                yield entry

        def send(entries, taken=taken, sent=sent):
            assert len(taken) - len(sent) <= (4 + MAX_WAITING + 2) * 10
            sent.extend(entries)
            return [len(sent) - len(entries) + place for place in range(len(entries))]

        assert run(making(), send, Watched().lanes, shards=4, limits=Limits(records=10)).first_unpublished is None
        assert len(sent) == 5_000


def test_without_time_the_first_request_is_made_and_no_other():
    send = accepting()
    published = run(entries_of("abcdef"), send, Watched().lanes, budget=-1, limits=Limits(records=2))
    assert (send.requests, published.first_unpublished) == ([["a@0", "b@1"]], 2)


def test_a_stream_that_is_unavailable_is_given_no_more():
    stream, taken = FakeKinesis(Random(1)), []
    stream.unavailable = True

    def making():
        for entry in entries_of(map(str, range(1_000))):
            taken.append(entry)
            yield entry

    published = run(making(), stream.send, shards=1, limits=Limits(records=10))
    assert (published.first_unpublished, published.errors) == (0, {"ResourceNotFoundException": 10})
    assert len(taken) < 50


def test_what_waits_for_a_key_that_was_not_settled_is_unpublished():
    """The first request fails for good, while entries of its key wait for it."""

    def send(entries):
        return [REJECTED] * len(entries) if entries[0].key == "a" else list(range(len(entries)))

    published = run(entries_of("abacad"), send, Watched().lanes, budget=0.01, limits=Limits(records=1))
    assert published.first_unpublished == 0
    published = run(entries_of("bac"), send, Watched().lanes, budget=0.01, limits=Limits(records=1))
    assert published.first_unpublished == 1


def test_what_nobody_foresaw_goes_through_once_nothing_is_under_way():
    watched = Watched()

    def send(entries):
        if entries[0].key == "b":
            raise ZeroDivisionError
        return [1]

    with pytest.raises(ZeroDivisionError):
        run(entries_of("abcdef"), send, watched.lanes, limits=Limits(records=1))
    assert watched.under_way == []


def test_an_error_in_making_entries_goes_through_once_nothing_is_under_way():
    watched, send = Watched(), accepting()

    def making():
        yield from entries_of("abc")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(making(), send, watched.lanes, limits=Limits(records=1))
    assert (watched.under_way, send.requests) == ([], [["a@0"], ["b@1"]])


def test_threads_send_side_by_side():
    together = threading.Barrier(4, timeout=30)

    def send(entries):
        together.wait()  # breaks, and fails the test, unless four are under way
        return list(range(1, len(entries) + 1))

    assert run(entries_of("abcdefgh"), send, threads(), limits=Limits(records=1)) == DONE


@settings(max_examples=2000, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60),
    seed=st.integers(0, 2**32),
    trouble=troubles,
    records=st.integers(1, 12),
    shards=st.integers(0, 9),
    budget=st.sampled_from((0.0, 0.3, 5.0, 1000.0)),
)
def test_retried_as_the_event_source_would_every_history_ends_with_the_newest_entry_of_each_key(
    keys, seed, trouble, records, shards, budget
):
    """Whichever request under way is done first; the batch comes again from the earliest unpublished entry on."""
    random = Random(seed)
    stream = FakeKinesis(random, **trouble)
    everything = entries_of(keys)
    reached = 0
    for _ in range(200):
        published = run(
            everything[reached:],
            stream.send,
            lanes_in_turn(random),
            shards=shards,
            budget=budget,
            tick=0.001,
            limits=Limits(records=records),
        )
        reached = len(keys) if published.first_unpublished is None else published.first_unpublished
        accepted = {entry.data for shard in stream.shards for entry in shard}
        assert {entry.data for entry in everything[:reached]} <= accepted, "reported as published, and is not there"
        if reached == len(keys):
            break
        stream.calm_down()
    assert reached == len(keys)
    assert stream.last_of_each_key() == {entry.key: entry.data for entry in everything}


@given(seed=st.integers(0, 2**32), keys=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30))
def test_without_trouble_nothing_is_sent_twice(seed, keys):
    stream = FakeKinesis(Random(seed))
    published = run(entries_of(keys), stream.send, lanes_in_turn(Random(seed)), limits=Limits(records=3))
    assert published == DONE
    assert sum(map(len, stream.requests)) == len(keys)
