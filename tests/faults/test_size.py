"""What the fault suite found once, and what holds since."""

from __future__ import annotations

from changes import modify, remove
from faults.history import BY_CITY, BY_TIME, MAX_RECORD_BYTES
from handlers.planner import plan

SMALL = {"id": {"S": "a"}}


def test_a_delete_is_not_held_up_by_the_size_of_its_last_values():
    too_large = {"notes": {"S": "x" * 3 * MAX_RECORD_BYTES}}
    made = plan([remove(SMALL, too_large)], [BY_TIME.table], max_record_bytes=MAX_RECORD_BYTES)
    assert made.letters == []


def test_a_move_is_not_held_up_by_the_size_of_its_old_values():
    old = {"city": {"S": "Rome"}, "notes": {"S": "x" * 3 * MAX_RECORD_BYTES}}
    move = modify(SMALL, {"city": {"S": "Oslo"}}, old)
    assert plan([move], [BY_CITY.table], max_record_bytes=MAX_RECORD_BYTES).letters == []
