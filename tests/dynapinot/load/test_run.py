"""``dynapinot load --here`` against an embedded AWS: every item becomes its row, and what a person sees of it."""

from __future__ import annotations

from dynapinot.errors import FOUND, OK
from dynapinot.load.estimate import lines  # noqa: F401


def test_every_item_becomes_its_row_and_the_report_says_so(world):
    world.put_many(300, name={"S": "x"})
    done = world.load()
    print(done.output)
    assert done.exit_code == OK, done.output
    assert sorted(world.ids()) == sorted(f"item-{number}" for number in range(300))
