"""A Kinesis stream with injected faults. No emulator throttles, rejects some records only, or loses a response."""

from __future__ import annotations

import hashlib
from itertools import count

from publisher.entry import Entry
from publisher.order import Published, UnavailableError


def publish_everything(_, entries):
    """Publish to a stream that accepts everything. Takes all entries, since rows are made only when they are taken."""
    list(entries)
    return Published(first_unpublished=None, resent=0, errors={})


def entries_of(keys):
    """One entry for each change. Its data names its key and its position."""
    return [Entry(key, f"{key}@{position}".encode(), position) for position, key in enumerate(keys)]


class FakeKinesis:
    """Keeps what it accepts, shard by shard in stream order, and responds as PutRecords does.

    ``random`` decides. Each record of a request is rejected with probability ``reject``. The accepted records of a
    request are in any order with probability ``shuffle``. The response to a processed request is lost with probability
    ``lose``. A request fails as a whole, with nothing accepted, with probability ``fail``.
    """

    def __init__(self, random, *, shards=2, reject=0.0, shuffle=0.0, lose=0.0, fail=0.0):
        self.random = random
        self.shards = [[] for _ in range(shards)]
        self.reject, self.shuffle, self.lose, self.fail = reject, shuffle, lose, fail
        self.requests = []
        self.unavailable = False
        self._numbers = count(1)

    def shard_of(self, key):
        return int(hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(), 16) * len(self.shards) >> 128

    def send(self, entries):
        if self.unavailable:
            raise UnavailableError("ResourceNotFoundException")
        self.requests.append(list(entries))
        if self.random.random() < self.fail:
            return ["InternalFailure"] * len(entries)
        outcomes = [None] * len(entries)
        order = list(range(len(entries)))
        if self.random.random() < self.shuffle:
            self.random.shuffle(order)
        for index in order:
            if self.random.random() < self.reject:
                outcomes[index] = "ProvisionedThroughputExceededException"
            else:
                outcomes[index] = next(self._numbers)
                self.shards[self.shard_of(entries[index].key)].append(entries[index])
        if self.random.random() < self.lose:
            return ["ReadTimeoutError"] * len(entries)
        return outcomes

    def reduce_faults(self):
        """Make faults a little less likely, so that every history ends."""
        self.reject, self.lose, self.fail = self.reject * 0.9, self.lose * 0.9, self.fail * 0.9

    def last_of_each_key(self):
        """The state of a reader for whom the later of two rows wins: key -> the data read last."""
        return {entry.key: entry.data for shard in self.shards for entry in shard}


class Clock:
    """Time that passes only by sleeping, and a little whenever it is read."""

    def __init__(self, budget, tick=0.0):
        self.left = budget
        self.tick = tick
        self.slept = []

    def remaining(self):
        self.left -= self.tick
        return self.left

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.left -= seconds
