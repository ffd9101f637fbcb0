"""Loads by a plan's files, in a process of its own, until every unit is done or a test kills it.

python load_process.py <bucket> <load> <folder of tables> <seconds between two states of a unit that are kept>
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import load.work
from handlers import clients
from handlers.catalog import hashes, load_tables
from handlers.loading import Surroundings, planned_tables, worker_of
from load.files import LoadFiles
from publisher.order import DEFAULT_LIMITS, MAX_RECORD_BYTES
from publisher.s3 import putter, store

SECONDS_LEFT = 3600.0


def main(bucket, name, folder, save_seconds):
    load.work.SAVE_SECONDS = float(save_seconds)
    files = LoadFiles(client=clients.s3(), bucket=bucket, id=name)
    plan = files.plan()
    tables = planned_tables(plan, load_tables(Path(folder))[0], hashes(Path(folder)))
    put = putter(files.client, bucket)
    around = Surroundings(
        dynamodb=clients.dynamodb(),
        s3=files.client,
        publish=clients.streams(tables, DEFAULT_LIMITS).publish_within(remaining),
        store=lambda entries: store(entries, put, remaining=remaining),
        lag=lambda: None,
        remaining=remaining,
        clock=time.monotonic,
        wall_clock=time.time,
        sleep=time.sleep,
        max_record_bytes=MAX_RECORD_BYTES,
    )
    numbers = iter(range(plan.units))  # each thread takes the next one

    def run():
        worker = worker_of(plan, files, tables, around)
        for number in numbers:
            result = load.work.work(files.unit(number), worker)
            assert result.reason is None, result

    with ThreadPoolExecutor(plan.workers) as pool:
        for each in [pool.submit(run) for _ in range(plan.workers)]:
            each.result()


def remaining():
    return SECONDS_LEFT


if __name__ == "__main__":
    main(*sys.argv[1:])
