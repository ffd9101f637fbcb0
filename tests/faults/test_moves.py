"""An item whose Pinot primary key changes with a change that can never become a row."""

from __future__ import annotations

from changes import insert, modify
from dynapinot.local.event_source import Settings
from faults.history import BY_CITY, FIRST_NUMBER, FIRST_SECOND, Step
from faults.world import World

SMALL = {"id": {"S": "a"}}


def step(place, make, item, *, poison=False, **images):
    number = FIRST_NUMBER + place
    record = make(SMALL, second=FIRST_SECOND, sequence=number, **images)
    return Step(record=record, number=number, key="a", second=FIRST_SECOND, item=item, poison=poison)


def item(city, price=None):
    return {"city": {"S": city}, "name": {"S": city}, **({} if price is None else {"price": {"S": price}})}


def test_a_dead_lettered_move_does_not_leave_the_former_row_in_place():
    steps = [
        step(0, insert, {"name": "Rome", "city": "Rome"}, new=item("Rome")),
        step(1, modify, None, new=item("Oslo", "cheap"), old=item("Rome"), poison=True),
        step(2, modify, {"name": "Oslo", "city": "Oslo"}, new=item("Oslo"), old=item("Oslo", "cheap")),
    ]
    for end in (2, 3):
        world = World(
            0,
            kinds=(BY_CITY,),
            steps=steps[:end],
            settings=Settings(report_batch_item_failures=True),
            calm_after=-1,
            budget=60.0,
        )
        assert world.run().counts["items compared"] == 1
