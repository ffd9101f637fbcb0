"""A Kinesis stream that misbehaves on purpose: none of the emulators throttles, rejects in part or loses an answer."""

from __future__ import annotations

import hashlib
from itertools import count

from publisher.entry import Entry
from publisher.order import Published, UnavailableError


def publish_everything(_, entries):
    """Publish to a stream that takes everything, as the relay is handed it: rows are made as they are taken."""
    list(entries)
    return Published(first_unpublished=None, resent=0, errors={})


def entries_of(keys):
    """One entry a change, its data telling its key and its place."""
    return [Entry(key, f"{key}@{position}".encode(), position) for position, key in enumerate(keys)]


class FakeKinesis:
    """Keeps what it accepts, shard by shard in stream order, and answers as PutRecords does.

    ``random`` decides: each record of a request is rejected with probability ``reject``; with probability ``shuffle`` a
    request's accepted records land in any order; with probability ``lose`` the answer to a request that was carried out
    in full is lost; with probability ``fail`` a request fails as a whole, nothing accepted.
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

    def calm_down(self):
        """Misbehave a little less, so that every history ends."""
        self.reject, self.lose, self.fail = self.reject * 0.9, self.lose * 0.9, self.fail * 0.9

    def last_of_each_key(self):
        """What a reader that lets the later of two rows win ends up with: key -> the data read last."""
        return {entry.key: entry.data for shard in self.shards for entry in shard}


class Clock:
    """Time that passes only by sleeping, and a little with every look at it."""

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
