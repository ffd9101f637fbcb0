"""Faults that the fault tests have found, and that are fixed."""

from __future__ import annotations

from changes import modify, remove
from faults.history import BY_CITY, BY_TIME, MAX_RECORD_BYTES
from handlers.planner import plan

SMALL = {"id": {"S": "a"}}


def test_a_delete_does_not_fail_because_its_old_values_are_too_large():
    too_large = {"notes": {"S": "x" * 3 * MAX_RECORD_BYTES}}
    made = plan([remove(SMALL, too_large)], [BY_TIME.table], max_record_bytes=MAX_RECORD_BYTES)
    assert made.dead_letters == []


def test_a_move_does_not_fail_because_its_old_values_are_too_large():
    old = {"city": {"S": "Rome"}, "notes": {"S": "x" * 3 * MAX_RECORD_BYTES}}
    move = modify(SMALL, {"city": {"S": "Oslo"}}, old)
    assert plan([move], [BY_CITY.table], max_record_bytes=MAX_RECORD_BYTES).dead_letters == []
