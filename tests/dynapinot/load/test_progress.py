"""How far a load is: on a terminal, in a log, for a script."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from dynapinot.load.progress import Display, Meter
from load.plan import Plan, PlannedTable, ScanReader, Swept, Total


def plan(items=1_000, **reader):
    return Plan(
        id="l",
        table="app",
        region="eu-west-1",
        keys=("id",),
        began=0,
        tables={"items": PlannedTable(files="", shards=4)},
        reader=ScanReader(segments=4, margin=1, **reader),
        workers=4,
        items=items,
    )


class Shown:
    """A display whose clock is set by hand."""

    def __init__(self, plan, *, is_terminal=False, as_json=False, **options):
        self.now = 0.0
        self.file = io.StringIO()
        console = Console(file=self.file, width=200, force_terminal=is_terminal, color_system=None)
        meter = Meter(plan, clock=lambda: self.now, dollars=lambda total: total.rows / 100)
        self.display = Display(console, plan, meter, as_json=as_json, clock=lambda: self.now, **options)

    def at(self, seconds, total, **state):
        self.now = seconds
        self.display.show(total, **state)

    @property
    def lines(self):
        return self.file.getvalue().splitlines()


def total(items, *, done=0, **more):
    return Total(units=4, items=items, rows=items, done=done, **more)


def test_a_log_has_a_line_every_30_seconds():
    shown = Shown(plan())
    for second in range(0, 91, 10):
        shown.at(second, total(second * 10))
    assert shown.lines == [
        "0 of 1,000 items, 0 of 4 units, 0 rows/s, $0.00 so far",
        "300 of 1,000 items, 0 of 4 units, 10 rows/s, 1 min 10 s left, $3.00 so far",
        "600 of 1,000 items, 0 of 4 units, 10 rows/s, 40 s left, $6.00 so far",
        "900 of 1,000 items, 0 of 4 units, 10 rows/s, 10 s left, $9.00 so far",
    ]


def test_a_line_has_what_needs_a_look():
    shown = Shown(plan())
    shown.at(0, total(5, rejected=2, dead_letters={"b": 1, "a": 1_000}), lag=125.0)
    (line,) = shown.lines
    assert line.startswith("5 of 1,000 items, 0 of 4 units, 0 rows/s, $0.05 so far, 2 rejected, live lag 2 min 5 s, ")
    assert line.endswith(", dead letters: a 1,000, b 1")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("pause", "paused"),
        ("live", "waiting for live changes, which lag"),
        ("ProvisionedThroughputExceededException", "trying again after ProvisionedThroughputExceededException"),
    ],
)
def test_what_holds_it_up_is_shown_at_once(state, text):
    shown = Shown(plan())
    shown.at(0, total(1))
    shown.at(1, total(1), state=state)
    shown.at(2, total(1), state=state)
    shown.at(3, total(2))
    assert len(shown.lines) == 3
    assert shown.lines[1] == f"1 of 1,000 items, 0 of 4 units, {text}, $0.01 so far"


def test_the_rate_is_that_of_the_last_minute():
    shown = Shown(plan(10_000))
    for second in range(0, 601, 5):
        shown.at(second, total(min(second, 300) * 10 + max(0, second - 300)))
    assert ", 1 rows/s, " in shown.lines[-1]


@pytest.mark.parametrize(
    ("made", "items"),
    [(plan(None), 500), (plan(filter={"FilterExpression": "a"}), 500), (plan(10), 500)],
    ids=["not counted", "filtered", "more than counted"],
)
def test_where_items_tell_nothing_the_units_tell_how_long_it_takes(made, items):
    shown = Shown(made)
    shown.at(0, total(11))
    shown.at(60, total(items, done=3))
    assert ", 20 s left, " in shown.lines[-1]


def test_a_script_gets_events():
    shown = Shown(plan(), as_json=True)
    shown.display.say("for people")
    shown.at(0, total(5, dead_letters={"a": 1}), lag=2.0)
    shown.display.event("done", rows=5)
    progress, done = map(json.loads, shown.lines)
    assert done == {"event": "done", "load": "l", "rows": 5}
    assert progress == {
        "event": "progress",
        "load": "l",
        "units": 4,
        "done": 0,
        "items": 5,
        "rows": 5,
        "bytes": 0,
        "read_units": 0.0,
        "rejected": 0,
        "dead_letters": {"a": 1},
        "updated": 0.0,
        "items_expected": 1_000,
        "rows_per_second": 0.0,
        "seconds_left": None,
        "dollars": 0.05,
        "live_lag_seconds": 2.0,
        "state": "run",
    }


def test_a_terminal_has_a_bar():
    shown = Shown(plan(), is_terminal=True)
    with shown.display:
        shown.at(0, total(0))
        shown.at(10, total(500))
        shown.display._bar.refresh()
    text = shown.file.getvalue()
    assert "━" in text
    assert "500 of 1,000 items" in text
    assert "10 s left" in text


def test_a_script_on_a_terminal_gets_events_alone():
    shown = Shown(plan(), is_terminal=True, as_json=True)
    with shown.display:
        shown.at(0, total(0))
    assert [json.loads(line)["event"] for line in shown.lines] == ["progress"]


def test_a_sweep_has_a_line_every_30_seconds():
    shown = Shown(plan())
    for second in range(0, 61, 10):
        shown.now = second
        shown.display.show_sweep("t", Swept(candidates=second, rows=second, kept=second // 60, failures={"a": second}))
    assert shown.lines == [
        "t: 0 old rows, 0 brought up to date, 0 deleted, 0 failed",
        "t: 30 old rows, 30 brought up to date, 0 deleted, 30 failed",
        "t: 60 old rows, 60 brought up to date, 0 deleted, 1 kept, 60 failed",
    ]


def test_a_sweep_on_a_terminal_has_a_bar_without_an_end():
    shown = Shown(plan(), is_terminal=True, has_end=False)
    with shown.display:
        shown.display.show_sweep("t", Swept(candidates=5_000, tombstones=5_000))
        assert shown.display._bar.tasks[0].total is None
        shown.display._bar.refresh()
    assert "t: 5,000 old rows, 0 brought up to date, 5,000 deleted" in shown.file.getvalue()
