"""Let threads be the first to read a load's files and to make rows, as in a new process, again and again.

msgspec 0.22.0 crashes, and the process with it, if several threads are the first to use a type.
"""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import reload
from threading import Barrier
from types import SimpleNamespace

import msgspec

import load.export.manifest
import load.files
import load.plan
from export_writer import full_export, item_line
from files import table
from handlers.loading import sender
from handlers.planner import Planner
from load.export.folder import Folder
from pinot.typed import record
from publisher.order import Published
from snapshot.record import SnapshotRecords

THREADS = 4
ROUNDS = 150
ITEM = b'{"id":{"S":"a"},"name":{"S":"one"},"price":{"N":"1"}}'
EXPORT = full_export([[item_line({"id": {"S": "a"}})]])


def main():
    sys.setswitchinterval(1e-6)  # seconds, after which another thread goes on
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(ROUNDS):
            for module in (load.plan, load.files, load.export.manifest):
                reload(module)
            record._value_type.cache_clear()
            together = Barrier(THREADS)
            for each in [pool.submit(work, together) for _ in range(THREADS)]:
                each.result()


def work(together):
    files = load.files.LoadFiles(client=SimpleNamespace(get_object=get_object), bucket="b", id="l")
    send = sender(Planner([table()], max_record_bytes=1_000_000), publish=publish, store=None)
    together.wait()
    assert files.control() == load.plan.Control()
    assert files.unit(7) == load.plan.Unit(number=7)
    assert load.export.manifest.read_export(EXPORT.objects.get, Folder("exports", EXPORT.folder)).items == 1
    together.wait()
    for _ in range(3):
        assert send(SnapshotRecords("items", "eu-west-1", ["id"]).records([ITEM], 1_700_000_000_000)).rows == 1


def get_object(**parameters):
    document = load.plan.Control() if "control" in parameters["Key"] else load.plan.Unit(number=7)
    return {"Body": io.BytesIO(msgspec.json.encode(document))}


def publish(_, entries):
    list(entries)
    return Published(first_unpublished=None, resent=0, errors={})


if __name__ == "__main__":
    main()
