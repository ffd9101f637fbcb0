"""The function is killed at every point of a batch, and the event source mapping then retries the batch."""

from __future__ import annotations

from itertools import product

import pytest

from changes import insert, modify, remove
from dynapinot.local.event_source import Settings
from faults.history import BY_TIME, BY_VERSION, FIRST_NUMBER, FIRST_SECOND, Step
from faults.world import World
from publisher.order import Limits


def batch():
    """One second of a hot item with a poison change in the middle, a delete, and other items in between."""

    def step(number, key, make, item, *, poison=False, **options):
        record = make({"id": {"S": key}}, second=FIRST_SECOND, sequence=FIRST_NUMBER + number, **options)
        return Step(record=record, number=FIRST_NUMBER + number, key=key, second=FIRST_SECOND, item=item, poison=poison)

    def name(text):
        return {"name": {"S": text}}

    spoilt = {**name("hot 2"), "price": {"S": "cheap"}}
    return [
        step(0, "hot", insert, {"name": "hot 0"}, new=name("hot 0")),
        step(1, "cold", insert, {"name": "cold 0"}, new=name("cold 0")),
        step(2, "hot", modify, {"name": "hot 1"}, new=name("hot 1"), old=name("hot 0")),
        step(3, "hot", modify, {"name": "hot 2"}, new=spoilt, old=name("hot 1"), poison=True),
        step(4, "gone", insert, {"name": "gone 0"}, new=name("gone 0")),
        step(5, "hot", modify, {"name": "hot 3"}, new=name("hot 3"), old=spoilt),
        step(6, "gone", remove, None, old=name("gone 0")),
        step(7, "last", insert, {"name": "x"}, new={"name": {"S": "x"}, "odd": {"Q": "?"}}, poison=True),
    ]


class KilledAtPoints(World):
    """A world without other faults, in which each of the first invocations is killed at one point."""

    def __init__(self, tables, points, settings, *, limit):
        super().__init__(0, kinds=tables, steps=batch(), settings=settings, calm_after=-1, budget=60.0)
        self.points = dict(enumerate(points, start=1))
        self.limits = Limits(records=limit)
        self.visible = len(self.steps)
        self.defect = None
        self.kill_before_response = 1.0
        self.touches = 0

    def _inject_faults(self):
        super()._inject_faults()
        self.fuse = self.points.get(self.invocations)

    def touch(self):
        self.touches += 1
        super().touch()


TABLES = {"time": (BY_TIME,), "version": (BY_VERSION,), "both": (BY_TIME, BY_VERSION)}
SETTINGS = [
    Settings(report_batch_item_failures=True, bisect_batch_on_function_error=bisect, batch_size=size, **options)
    for bisect, size in product((True, False), (3, 100))
    for options in ({}, {"parallelization_factor": 3})
]


@pytest.mark.parametrize("limit", [1, 3, 500])
@pytest.mark.parametrize("tables", TABLES)
def test_after_a_kill_at_any_point_and_a_retry_the_state_is_the_sources(tables, limit):
    kills = 0
    for settings in SETTINGS:
        points = (
            KilledAtPoints(TABLES[tables], [], settings, limit=limit).run().touches + 1
        )  # the last: before the response
        for point in range(points):
            world = KilledAtPoints(TABLES[tables], [point], settings, limit=limit)
            world.run()
            assert world.discarded == set()
            kills += world.counts["kills"]
    assert kills >= 60


@pytest.mark.parametrize("tables", TABLES)
def test_after_two_kills_at_any_points_the_state_is_the_sources(tables):
    settings = Settings(report_batch_item_failures=True, bisect_batch_on_function_error=True)
    kills = 0
    for points in product(range(0, 16, 2), range(16)):
        world = KilledAtPoints(TABLES[tables], points, settings, limit=3)
        world.run()
        kills += world.counts["kills"]
    assert kills >= 100


def test_a_change_that_always_kills_is_isolated_and_all_others_are_replicated():
    """Bisecting isolates it in a batch of its own, whose retries run out. Its neighbours are replicated."""
    settings = Settings(
        report_batch_item_failures=True, bisect_batch_on_function_error=True, maximum_retry_attempts=2, batch_size=100
    )
    for place in range(8):
        world = KilledAtPoints((BY_TIME,), [], settings, limit=500)
        world.defect = world.steps[place].sequence_number
        world.run()
        assert world.discarded == {world.defect}
