"""For each key the stream must end in its newest entry, whatever Kinesis does. What is missing is reported."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinesis_fake import Clock, FakeKinesis, entries_of
from publisher.entry import Entry
from publisher.order import Backoff, Limits, Published, publish
from strategies import fault_rates, rates


def run(entries, stream, *, budget=60.0, tick=0.0, **options):
    clock = Clock(budget, tick)
    send = stream if callable(stream) else stream.send
    published = publish(entries, send, remaining=clock.remaining, sleep=clock.sleep, jitter=lambda: 0.5, **options)
    return published, clock


def newest_by_key(entries):
    return {entry.key: entry.data for entry in entries}


def scripted(*responses):
    """A stream that gives these responses, one for each request, and keeps the requests."""
    responses = list(responses)
    requests = []

    def send(request):
        requests.append([entry.data.decode() for entry in request])
        return responses.pop(0)

    send.requests = requests
    return send


REJECTED = "ProvisionedThroughputExceededException"


def test_entries_are_sent_in_order_and_in_one_request():
    send = scripted([1, 2, 3])
    published, clock = run(entries_of("aba"), send)
    assert send.requests == [["a@0", "b@1", "a@2"]]
    assert (published, clock.slept) == (Published(first_unpublished=None, resent=0, errors={}), [])


def test_an_empty_batch_sends_no_request():
    send = scripted()
    assert run([], send)[0] == Published(first_unpublished=None, resent=0, errors={})
    assert send.requests == []


def test_all_entries_of_a_key_from_its_first_failed_one_on_are_sent_again():
    send = scripted([1, REJECTED, 2, 3, 4], [5, 6])
    published, clock = run(entries_of("aaabb"), send)
    assert send.requests[1] == ["a@1", "a@2"]
    assert published == Published(first_unpublished=None, resent=2, errors={REJECTED: 1})
    assert clock.slept == [0.05]


def test_an_overtaken_entry_is_sent_again_at_once():
    send = scripted([2, 1], [3])
    published, clock = run(entries_of("aa"), send)
    assert send.requests[1] == ["a@1"]
    assert (published.first_unpublished, published.resent, clock.slept) == (None, 1, [])


def test_a_key_is_settled_when_its_last_entry_comes_last_even_if_others_changed_places():
    send = scripted([2, 1, 3])
    assert run(entries_of("aaa"), send)[0].resent == 0
    assert len(send.requests) == 1


def test_a_resent_entry_that_precedes_an_earlier_copy_is_sent_again():
    send = scripted([REJECTED, 9], [5, 6], [10, 11])
    published, _ = run(entries_of("aa"), send)
    assert send.requests == [["a@0", "a@1"]] * 3
    assert published.first_unpublished is None


def test_no_later_entry_of_a_key_is_sent_before_a_failed_one():
    send = scripted([REJECTED, 1], [2, 3], [4, 5], [6])
    run(entries_of(["a", "b", "a", "c", "d", "a"]), send, limits=Limits(records=2))
    assert send.requests == [["a@0", "b@1"], ["c@3", "d@4"], ["a@0", "a@2"], ["a@5"]]


def test_requests_keep_within_both_limits():
    sizes = [10, 10, 10, 25, 5, 5, 5, 5, 5]
    entries = [Entry(f"k{index}", b"x" * (size - 2), index) for index, size in enumerate(sizes)]
    stream = FakeKinesis(Random(1))
    run(entries, stream, limits=Limits(records=4, bytes=30))
    assert [[entry.size for entry in request] for request in stream.requests] == [[10, 10, 10], [25, 5], [5, 5, 5, 5]]


def test_size_counts_the_bytes_of_data_and_key():
    assert Entry("ü", b"123", 0).size == 5


def test_an_entry_larger_than_a_request_is_still_sent_alone():
    send = scripted([1], [2], [3])
    run([Entry("a", b"1", 0), Entry("b", b"x" * 99, 1), Entry("c", b"3", 2)], send, limits=Limits(bytes=10))
    assert [len(request) for request in send.requests] == [1, 1, 1]


def test_without_time_left_only_the_first_request_is_sent():
    send = scripted([1, 2])
    published, _ = run(entries_of("abcd"), send, budget=-1, limits=Limits(records=2))
    assert (send.requests, published.first_unpublished) == ([["a@0", "b@1"]], 2)


def test_no_wait_is_started_that_would_outlast_the_time():
    send = scripted([REJECTED, 1])
    published, clock = run(entries_of("ab"), send, budget=0.04)
    assert (published.first_unpublished, clock.slept, len(send.requests)) == (0, [], 1)


def test_waits_grow_while_everything_is_rejected_and_shrink_once_something_is_accepted():
    responses = [[REJECTED, REJECTED]] * 4 + [[1, REJECTED], [2]]
    _, clock = run(entries_of("ab"), scripted(*responses), backoff=Backoff(base=1, cap=6))
    assert clock.slept == [1, 2, 3, 3, 0.5]


def test_an_unavailable_stream_ends_the_publishing():
    stream = FakeKinesis(Random(1))
    stream.unavailable = True
    published, clock = run(entries_of("ab"), stream)
    assert published == Published(first_unpublished=0, resent=0, errors={"ResourceNotFoundException": 2})
    assert clock.slept == []


def test_an_unexpected_error_is_raised():
    def send(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(entries_of("a"), send)


@settings(max_examples=3000, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcd"), min_size=1, max_size=40),
    seed=st.integers(0, 2**32),
    faults=fault_rates,
    records=st.integers(1, 12),
    budget=st.sampled_from((0.0, 0.3, 5.0, 1000.0)),
)
def test_with_retries_every_history_ends_with_the_newest_entry_of_each_key(keys, seed, faults, records, budget):
    """The batch is retried from the earliest unpublished entry on until all is done. Then the state is right."""
    stream = FakeKinesis(Random(seed), **faults)
    batch = entries_of(keys)
    for _ in range(200):
        published, _ = run(batch, stream, budget=budget, tick=0.001, limits=Limits(records=records))
        reached = len(keys) if published.first_unpublished is None else published.first_unpublished
        done = [entry for entry in entries_of(keys) if entry.position < reached]
        accepted = {entry.data for shard in stream.shards for entry in shard}
        assert {entry.data for entry in done} <= accepted, "reported as published, but not on the stream"
        if published.first_unpublished is None:
            break
        batch = [entry for entry in entries_of(keys) if entry.position >= published.first_unpublished]
        stream.reduce_faults()
    assert published.first_unpublished is None
    assert stream.last_of_each_key() == newest_by_key(entries_of(keys))


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32), reject=rates, shuffle=rates, hot=st.booleans())
def test_a_large_batch_is_published_in_one_call_when_there_is_time(seed, reject, shuffle, hot):
    random = Random(seed)
    stream = FakeKinesis(random, reject=reject / 2, shuffle=shuffle)
    batch = entries_of([random.choice("ab") if hot else str(random.randrange(200)) for _ in range(300)])
    published, _ = run(batch, stream, budget=1e9, limits=Limits(records=50))
    assert published.first_unpublished is None
    assert stream.last_of_each_key() == newest_by_key(batch)


@given(seed=st.integers(0, 2**32), keys=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30))
def test_without_errors_nothing_is_sent_twice(seed, keys):
    stream = FakeKinesis(Random(seed))
    assert run(entries_of(keys), stream, limits=Limits(records=7))[0].resent == 0
    assert sum(map(len, stream.requests)) == len(keys)
