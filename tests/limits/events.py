"""The largest possible events: 6 MB of payload, or 10,000 changes."""

from __future__ import annotations

import base64
import json

from changes import insert, modify

PAYLOAD_BYTES = 6 * 1024 * 1024  # of one invocation by an event source mapping
BATCH_SIZE = 10_000  # largest of an event source mapping for a stream
ITEM_BYTES = 400 * 1024  # largest of DynamoDB


def key(number):
    return {"id": {"S": f"item-{number:06d}"}}


def compact(value):
    """Write JSON as Lambda does, without spaces, so that a payload holds as much as possible."""
    return json.dumps(value, separators=(",", ":"))


def _filled(make):
    """As many records as fit into the payload."""
    records, size = [], len('{"Records":[]}')
    for number in range(BATCH_SIZE):
        record = make(number)
        size += len(compact(record)) + 1
        if size > PAYLOAD_BYTES:
            break
        records.append(record)
    return {"Records": records}


def text(size):
    return {"name": {"S": "x" * size}}


def binary(size):
    return {"data": {"B": base64.b64encode(bytes(size)).decode()}}


def document(levels, width):
    attribute = {"N": "1"}
    for _ in range(levels):
        attribute = {"M": {"down": attribute, **{f"a{number}": {"N": "1.5"} for number in range(width)}}}
    return {"document": attribute}


def control(size):
    return {"name": {"S": "\x01" * size}}


def members(attribute, count):
    return {"many": {"L": [attribute] * count}}


EVENTS = {
    "10,000 small changes": lambda: {"Records": [insert(key(n % 3_000), text(20)) for n in range(BATCH_SIZE)]},
    "10,000 changes of 600 bytes": lambda: _filled(lambda n: insert(key(n), text(100))),
    "1,000 dead letters": lambda: {"Records": [insert(key(n), {"price": {"S": "x"}}) for n in range(1_000)]},
    "6 MB of 1 KB items": lambda: _filled(lambda n: modify(key(n), text(1_000), text(1_000))),
    "6 MB of 400 KB texts": lambda: _filled(lambda n: insert(key(n), text(ITEM_BYTES - 100))),
    "6 MB of 400 KB binaries": lambda: _filled(lambda n: insert(key(n), binary(ITEM_BYTES - 100))),
    "6 MB of many small numbers": lambda: _filled(lambda n: insert(key(n), document(4, 400))),
    "6 MB of maps 30 levels deep": lambda: _filled(lambda n: insert(key(n), document(30, 20))),
    "6 MB of the shortest numbers": lambda: _filled(lambda n: insert(key(n), members({"N": "1"}, 30_000))),
    "6 MB of control characters": lambda: _filled(lambda n: insert(key(n), control(100_000))),
    "6 MB of empty lists": lambda: _filled(lambda n: insert(key(n), members({"L": []}, 30_000))),
    "6 MB of empty lists, dead-lettered": lambda: _filled(
        lambda n: insert(key(n), {**members({"L": []}, 30_000), "price": {"S": "x"}})
    ),
}
BOMBS = ("6 MB of empty lists", "6 MB of empty lists, dead-lettered")  # as many values as possible
