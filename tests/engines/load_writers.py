"""Writers that go on putting, updating and deleting random items of a table, and know the second of each change."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import NamedTuple

WRITERS = 3
HOT = 5  # of a writer's keys
STAMP_TIMEOUT_S = 30.0


class Write(NamedTuple):
    """A change of an item: when its writer had the response, in epoch seconds, and the new item, None for none."""

    time: float
    key: str
    item: dict | None


def first_item(number):
    """Return an item that the table has before the writers begin."""
    return {
        "id": {"S": f"item {number}"},
        "name": {"S": f"first name of {number}"},
        "price": {"N": f"{number}.5"},
        "version": {"N": "0"},
    }


class Writers:
    """Threads that write until they are stopped, ``rate`` changes a second together.

    A key belongs to one thread, so the order of its changes is known. Each item has the number of the write that made
    it, ``version``: with it, a record of the stream is known to be of that write. ``client`` connects DynamoDB.
    ``log`` has the changes in the order in which their writers had the responses.
    """

    def __init__(self, client, table, items, *, rate, seed):
        self.counts = Counter()
        self.log = []
        self._table = table
        self._items = items
        self._pause = WRITERS / rate
        self._seed = seed
        self._versions = count(1)
        self._seconds = {}
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(WRITERS)
        self._running = [self._pool.submit(self._write_all, client(), place) for place in range(WRITERS)]

    def stop(self):
        """End after the present writes; raise what a writer raised."""
        self._stopped.set()
        self._pool.shutdown()
        for each in self._running:
            each.result()

    def second_of(self, record):
        """Return the second in which the change of a stream's record was made, once its writer knows."""
        inner = record["dynamodb"]
        is_delete = record["eventName"] == "REMOVE"
        image = inner["OldImage" if is_delete else "NewImage"]
        change = (inner["Keys"]["id"]["S"], int(image["version"]["N"]), is_delete)
        end = time.monotonic() + STAMP_TIMEOUT_S
        while change not in self._seconds:  # the stream may have it before the writer has its response
            assert time.monotonic() < end, f"nobody made the change {change}"
            time.sleep(0.001)
        return self._seconds[change]

    def last_seconds(self):
        """Return the second of the last change of each key that was changed."""
        return {write.key: int(write.time) for write in self.log}

    def items_at(self, time_of):
        """Return the items as they were at times, in epoch seconds: ``time_of`` returns one for each key."""
        items = {f"item {number}": first_item(number) for number in range(self._items)}
        times = {key: time_of(key) for key in sorted(items.keys() | {write.key for write in self.log})}
        for write in self.log:
            if write.time <= times[write.key]:
                items[write.key] = write.item
        return [items[key] for key in times if items.get(key)]

    def _write_all(self, client, place):
        random = Random(f"{self._seed} {place}")
        mine = range(place, self._items, WRITERS)
        new = []
        while not self._stopped.wait(random.uniform(0, 2 * self._pause)):
            choice = random.random()
            if choice < 0.1:
                new.append(f"new item {place} {len(new)}")
                self._write(client, random, new[-1], self._put)
                continue
            hot = choice < 0.4
            key = random.choice(new) if new and choice > 0.95 else f"item {random.choice(mine[:HOT] if hot else mine)}"
            self._write(client, random, key, random.choice((self._put, self._update, self._update, self._delete)))

    def _write(self, client, random, key, operation):
        """Write, and note the second.

        It is that of this machine's clock after the write, which is DynamoDB Local's clock: never before the second in
        which DynamoDB Local wrote. If the write began in the same second, it is that second.
        """
        version = next(self._versions)
        began = time.time()
        version, item = operation(client, random, key, version)
        ended = time.time()
        if version is None:
            return  # the delete of an item that did not exist
        self._seconds[key, version, item is None] = int(ended)
        self.log.append(Write(ended, key, item))
        self.counts[operation.__name__.strip("_")] += 1
        self.counts["writes over a second's end"] += int(began) != int(ended)

    def _put(self, client, random, key, version):
        item = {"id": {"S": key}, "version": {"N": str(version)}, "name": {"S": f"name {version}"}}
        if random.random() < 0.7:
            item["price"] = {"N": f"{version}.25"}
        client.put_item(TableName=self._table, Item=item)
        return version, item

    def _update(self, client, random, key, version):
        """Change the name, add or remove the price, or make the item."""
        price = random.random() < 0.5
        expression = "SET version = :version, #name = :name" + (", price = :price" if price else " REMOVE price")
        given = {":version": {"N": str(version)}, ":name": {"S": f"updated name {version}"}}
        answer = client.update_item(
            TableName=self._table,
            Key={"id": {"S": key}},
            UpdateExpression=expression,
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues=given | ({":price": {"N": f"{version}.75"}} if price else {}),
            ReturnValues="ALL_NEW",
        )
        return version, answer["Attributes"]

    def _delete(self, client, _, key, __):
        answer = client.delete_item(TableName=self._table, Key={"id": {"S": key}}, ReturnValues="ALL_OLD")
        old = answer.get("Attributes")
        return (int(old["version"]["N"]) if old else None), None


class StampedStreams:
    """A client of DynamoDB Streams whose records have the seconds of their changes. DynamoDB Local's have minutes."""

    def __init__(self, client, second_of):
        self._client = client
        self._second_of = second_of

    def __getattr__(self, name):
        return getattr(self._client, name)

    def get_records(self, **parameters):
        page = self._client.get_records(**parameters)
        for record in page["Records"]:
            record["dynamodb"]["ApproximateCreationDateTime"] = datetime.fromtimestamp(self._second_of(record), UTC)
        return page
