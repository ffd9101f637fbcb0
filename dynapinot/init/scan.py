"""Reading a table's items, or a sample that is spread over all of it, by a parallel Scan that does not hurt others.

A Scan can be split into segments, each of which is a part of the range that partition keys are hashed to. One page of
each of many segments is therefore a sample of everywhere in the table, where the first pages of a plain Scan are all
from one place: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan
Items of one partition key still come together.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from dynapinot.init.profile import Item
from dynapinot.init.table_description import TableDescription
from load.pace import Budget

Page: TypeAlias = Mapping[str, Any]  # an answer to Scan
Scan: TypeAlias = Callable[..., Page]  # a client's scan, which knows its table

THREADS: Final = 8
ITEMS_PER_SEGMENT: Final = 50  # of a sample
MAX_SEGMENTS: Final = 1_000
SEGMENTS_OF_ALL: Final = 32  # more than threads, since segments are not equally large
MAX_PAGE_ITEMS: Final = 1_000  # so that a page of small items is not too much memory, nor a jump of the progress bar

# An eventually consistent read unit is 8 KB, and an item of no known size is taken for 1 KB.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
BYTES_PER_UNIT: Final = 8_192
UNKNOWN_ITEM_BYTES: Final = 1_024

# Read units a second to spend, unless it is said: a part of what is provisioned, so that the table's readers keep the
# most; on demand, far below the 12,000 that any such table takes.
PROVISIONED_SHARE: Final = 0.25
ON_DEMAND_UNITS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A plan to read a table: the number of segments, the items per page, the speed, and when to stop.

    ``sample`` is how many items to read, None is all of them.
    """

    segments: int
    page_items: int
    units_per_second: float
    sample: int | None


def reading_of(described: TableDescription, *, sample: int | None, units_per_second: float | None) -> Reading:
    """Plan how to read a table."""
    rate = units_per_second or (
        ON_DEMAND_UNITS if not described.read_units else max(1.0, described.read_units * PROVISIONED_SHARE)
    )
    if sample is None or 0 < described.items <= sample:
        page_items = MAX_PAGE_ITEMS
        most = math.ceil(described.items / ITEMS_PER_SEGMENT) if described.items else SEGMENTS_OF_ALL
        segments = max(THREADS, min(SEGMENTS_OF_ALL, most))
    else:
        segments = max(THREADS, min(MAX_SEGMENTS, math.ceil(sample / ITEMS_PER_SEGMENT)))
        page_items = min(MAX_PAGE_ITEMS, math.ceil(sample / segments))
    # The first pages are asked for before any is paid, so together they are no more than a second's units; but half a
    # unit is the least that a page costs.
    item_bytes = described.item_bytes or UNKNOWN_ITEM_BYTES
    affordable = max(BYTES_PER_UNIT / 2, rate * BYTES_PER_UNIT / THREADS) / item_bytes
    return Reading(
        segments=segments,
        page_items=max(1, min(page_items, int(affordable))),
        units_per_second=rate,
        sample=sample,
    )


def read_items(scan: Scan, reading: Reading, pace: Budget) -> Iterator[Sequence[Item]]:
    """Give the items page by page, as they come; at most THREADS pages are in memory.

    Segments take turns, so a sample has one page of each before it has two of any, and no page is asked for that the
    sample does not need. Raises what ``scan`` raises.
    """
    left = math.inf if reading.sample is None else reading.sample
    waiting: deque[tuple[int, Mapping[str, Any] | None]] = deque((segment, None) for segment in range(reading.segments))
    running: dict[Future[Page], int] = {}
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="scan") as threads:
        while (waiting or running) and left > 0:
            while waiting and len(running) < THREADS and len(running) * reading.page_items < left:
                segment, start = waiting.popleft()
                pace.wait()
                running[threads.submit(_read_page, scan, reading, segment, start)] = segment
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                segment = running.pop(future)
                page = future.result()
                pace.spend(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))
                if page.get("LastEvaluatedKey"):
                    waiting.append((segment, page["LastEvaluatedKey"]))
                items = page["Items"][: int(min(left, len(page["Items"])))]
                left -= len(items)
                if items:
                    yield items


def _read_page(scan: Scan, reading: Reading, segment: int, start: Mapping[str, Any] | None) -> Page:
    further = {} if start is None else {"ExclusiveStartKey": start}
    return scan(
        Segment=segment,
        TotalSegments=reading.segments,
        Limit=reading.page_items,
        ReturnConsumedCapacity="TOTAL",
        **further,
    )
