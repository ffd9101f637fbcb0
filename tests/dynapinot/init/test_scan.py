"""Reading a table: all of it, or a sample of everywhere in it, at a pace, and a few pages at a time."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynapinot.init.profile import Profile
from dynapinot.init.run import profile_items
from dynapinot.init.scan import THREADS, Reading, read_items, reading_of
from dynapinot.init.table_description import TableDescription
from load.pace import Budget


class FakeTable:
    """A table whose items are in segments, with a given number in each; it keeps the requests."""

    def __init__(self, counts, make=lambda segment, number: {"id": {"S": f"{segment}-{number}"}}, units=0.5):
        self.counts = counts
        self.make = make
        self.units = units
        self.pages = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def scan(self, **asked):
        segment = asked["Segment"]
        assert (asked["TotalSegments"], asked["ReturnConsumedCapacity"]) == (len(self.counts), "TOTAL")
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            self.pages[segment] += 1
        start = asked.get("ExclusiveStartKey", {"at": 0})["at"]
        end = min(start + asked["Limit"], self.counts[segment])
        items = [self.make(segment, number) for number in range(start, end)]
        with self._lock:
            self.at_once -= 1
        further = {"LastEvaluatedKey": {"at": end}} if end < self.counts[segment] else {}
        return {"Items": items, "ConsumedCapacity": {"CapacityUnits": self.units}, **further}


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1_000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def reading(segments, *, page_items=10, units_per_second=1e9, sample=None):
    return Reading(segments=segments, page_items=page_items, units_per_second=units_per_second, sample=sample)


def read(table, sample=None, page_items=10):
    clock = FakeClock()
    pace = Budget(1e9, clock=clock, sleep=clock.sleep)
    pages = read_items(table.scan, reading(len(table.counts), page_items=page_items, sample=sample), pace)
    return [item["id"]["S"] for page in pages for item in page]


@settings(max_examples=50)
@given(counts=st.lists(st.integers(0, 45), min_size=1, max_size=20))
def test_every_item_is_read_once(counts):
    table = FakeTable(counts)
    read_ids = read(table)
    assert sorted(read_ids) == sorted(f"{segment}-{n}" for segment, count in enumerate(counts) for n in range(count))
    assert table.most_at_once <= THREADS


@settings(max_examples=50)
@given(counts=st.lists(st.integers(0, 45), min_size=1, max_size=20), sample=st.integers(1, 300))
def test_a_sample_is_as_large_as_asked_or_the_whole_table(counts, sample):
    read_ids = read(FakeTable(counts), sample=sample)
    assert len(set(read_ids)) == len(read_ids) == min(sample, sum(counts))


def test_a_sample_is_of_all_segments_alike():
    table = FakeTable([1_000] * 50)
    by_segment = Counter(each.partition("-")[0] for each in read(table, sample=500))
    assert by_segment == {str(segment): 10 for segment in range(50)}
    assert table.pages == dict.fromkeys(range(50), 1)


def test_a_segment_that_has_all_the_items_is_read_on_until_the_sample_is_full():
    table = FakeTable([0] * 10 + [1_000] + [0] * 10)
    assert len(read(table, sample=100)) == 100


def test_an_error_of_the_table_comes_through():
    def scan(**_):
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        list(read_items(scan, reading(3), Budget(1, clock=FakeClock(), sleep=FakeClock().sleep)))


def test_spending_stays_within_the_units_per_second():
    clock = FakeClock()
    table = FakeTable([100] * 4, units=20.0)
    pace = Budget(10, clock=clock, sleep=clock.sleep)
    list(read_items(table.scan, reading(4, page_items=10), pace))
    # Of the 40 pages of 20 units THREADS go out before any is paid, and the last ones are not waited for.
    seconds = clock.now - 1_000.0
    assert (40 - 2 * THREADS) * 20 / 10 <= seconds <= 40 * 20 / 10


def described(*, items, size=0, read_units=0):
    return TableDescription(
        name="app",
        region="eu-west-1",
        status="ACTIVE",
        key=(),
        items=items,
        bytes=size,
        view_type=None,
        ttl_attribute=None,
        ttl_unknown=None,
        read_units=read_units,
        write_units=0,
        key_arn=None,
        replicas=(),
    )


@pytest.mark.parametrize(
    ("table", "sample", "units", "expected"),
    [
        # A sample of a large table: a page of each of 200 segments.
        (
            described(items=10**6, size=10**9),
            10_000,
            None,
            Reading(segments=200, page_items=50, units_per_second=1_000, sample=10_000),
        ),
        # A table that is smaller than the sample, all of it: fewer segments, larger pages.
        (
            described(items=500, size=500_000),
            10_000,
            None,
            Reading(segments=10, page_items=1_000, units_per_second=1_000, sample=10_000),
        ),
        # DynamoDB counts every six hours, so none may be many.
        (
            described(items=0),
            10_000,
            None,
            Reading(segments=200, page_items=50, units_per_second=1_000, sample=10_000),
        ),
        (
            described(items=10**6, size=10**9),
            None,
            None,
            Reading(segments=32, page_items=1_000, units_per_second=1_000, sample=None),
        ),
        # A quarter of what is provisioned, and the first pages no more than a second of it.
        (
            described(items=10**6, size=10**9, read_units=100),
            None,
            None,
            Reading(segments=32, page_items=25, units_per_second=25, sample=None),
        ),
        (
            described(items=10**6, size=10**9, read_units=1),
            None,
            None,
            Reading(segments=32, page_items=4, units_per_second=1, sample=None),
        ),
        (
            described(items=10**4, size=4 * 10**9, read_units=1),
            None,
            None,
            Reading(segments=32, page_items=1, units_per_second=1, sample=None),
        ),
        (
            described(items=10**6, size=10**9, read_units=100),
            None,
            5_000.0,
            Reading(segments=32, page_items=1_000, units_per_second=5_000, sample=None),
        ),
        (
            described(items=10**9, size=10**12),
            10**6,
            None,
            Reading(segments=1_000, page_items=1_000, units_per_second=1_000, sample=10**6),
        ),
        # A small sample is of everywhere as well.
        (described(items=300), 50, None, Reading(segments=8, page_items=7, units_per_second=1_000, sample=50)),
    ],
)
def test_how_a_table_is_read_follows_from_its_size_and_capacity(table, sample, units, expected):
    assert reading_of(table, sample=sample, units_per_second=units) == expected


def wide_item(segment, number):
    """An item that brings names that nobody has had, at the top and in maps."""
    unique = segment * 10**6 + number
    return {
        "id": {"S": f"{unique}"},
        f"rare-{unique}": {"S": "x" * (number % 100)},
        "wild": {"M": {f"k{unique}": {"N": "1"}}},
        "nested": {"M": {f"k{unique % 40}": {"M": {f"k{unique % 60}": {"L": [{"S": "x"}]}}}}},
    }


def peak_of(count):
    """The items and the names that were counted, and the most memory that took, in bytes."""
    table = FakeTable([count // 32] * 32, wide_item)
    clock = FakeClock()
    tracemalloc.start()
    try:
        pages = read_items(table.scan, reading(32, page_items=100), Budget(1e9, clock=clock, sleep=clock.sleep))
        profile = Profile(max_names=500, max_paths=500)
        profile_items(pages, profile, lambda _: None)
        return profile.items, len(profile.attributes), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_ten_times_as_many_items_take_no_more_memory():
    few, names_of_few, peak_of_few = peak_of(3_200)
    many, names_of_many, peak_of_many = peak_of(32_000)
    assert (few, many, names_of_few, names_of_many) == (3_200, 32_000, 500, 500)
    # How many pages are in memory at a time is up to the threads; if anything of items stayed, it would be ten times.
    assert peak_of_many < 2 * peak_of_few
