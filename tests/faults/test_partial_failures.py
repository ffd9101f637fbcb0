"""All partial failures of small requests: each subset rejected, each order on the stream."""

from __future__ import annotations

from collections import Counter
from itertools import permutations, product

import pytest

from kinesis_fake import Clock
from publisher.entry import Entry
from publisher.order import Limits, publish


class ScriptedStream:
    """A stream of one shard with exactly these first responses. Afterwards it accepts everything in order."""

    def __init__(self, *responses):
        self.responses = list(responses)
        self.rows = []
        self.counts = Counter()

    def send(self, entries):
        rejected, order, lost = self.responses.pop(0) if self.responses else ((), None, False)
        outcomes = ["ProvisionedThroughputExceededException"] * len(entries)
        places = range(len(entries)) if order is None else [place for place in order if place < len(entries)]
        for place in places:
            if place not in rejected:
                self.rows.append(entries[place])
                outcomes[place] = len(self.rows)
        self.counts["rejected"] += len(entries) - sum(isinstance(each, int) for each in outcomes)
        self.counts["lost"] += lost
        return ["ReadTimeoutError"] * len(entries) if lost else outcomes


def subsets(count):
    return [tuple(place for place in range(count) if mask >> place & 1) for mask in range(2**count)]


FIRST = list(product(subsets(4), permutations(range(4)), (False, True)))
SECOND = list(product(subsets(4), [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)], (False, True)))


def entries_of(keys):
    return [Entry(key, f"{key}@{position}".encode(), position) for position, key in enumerate(keys)]


def newest_by_key(entries):
    return {entry.key: entry.data for entry in entries}


def publish_all(keys, *responses, limit=500, budget=1e9):
    """Publish until the batch needs no retry. Check that the stream ends in each key's newest entry; return it."""
    stream = ScriptedStream(*responses)
    entries = entries_of(keys)
    start = 0
    for _ in range(20):
        clock = Clock(budget)
        published = publish(
            entries[start:],
            stream.send,
            remaining=clock.remaining,
            sleep=clock.sleep,
            jitter=lambda: 0.5,
            limits=Limits(records=limit),
        )
        if published.first_unpublished is None:
            break
        start = published.first_unpublished
        for entry in entries[:start]:
            assert entry in stream.rows, "reported as published, but not on the stream"
    assert published.first_unpublished is None
    assert newest_by_key(stream.rows) == newest_by_key(entries), (keys, responses, limit, budget)
    return stream


@pytest.mark.parametrize("keys", ["aaaa", "aabb", "abab", "abba", "aaab", "abcd"])
def test_every_partial_failure_of_one_request_ends_with_the_newest_entry_of_each_key(keys):
    counts = Counter()
    for first in FIRST:
        for limit, budget in ((500, 1e9), (500, 0.0), (3, 1e9), (2, 0.0)):
            counts += publish_all(keys, first, limit=limit, budget=budget).counts
    assert counts["rejected"] > 1000
    assert counts["lost"] > 1000


@pytest.mark.parametrize("keys", ["aaa", "aab", "aba"])
def test_every_partial_failure_of_two_requests_ends_with_the_newest_entry_of_each_key(keys):
    for first, second in product(FIRST[::3], SECOND[::5]):
        publish_all(keys, first, second)
