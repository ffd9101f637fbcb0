"""How far a load is: a bar on a terminal, a line every 30 s elsewhere, or events as JSON."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from dynapinot.load.estimate import duration, money
from load.plan import Plan, ScanReader, Swept, Total

SECONDS_BETWEEN_LINES: Final = 30.0
RATE_SECONDS: Final = 60.0  # over which rows a second are counted

STATES: Final[Mapping[str, str]] = {"pause": "paused", "live": "waiting for live changes, which lag"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """How far a load is at a moment.

    ``state`` is "run", or why nothing moves: "pause", "live", or a stream's error. ``lag`` is the age in seconds of the
    live path's oldest change, None where it is not known. ``seconds_left`` is None where nothing can be said.
    """

    total: Total
    dollars: float
    rows_per_second: float
    seconds_left: float | None
    lag: float | None
    state: str


class Meter:
    """Counts how fast a load is. ``dollars`` returns what a total cost."""

    def __init__(self, plan: Plan, *, clock: Callable[[], float], dollars: Callable[[Total], float]) -> None:
        filtered = isinstance(plan.reader, ScanReader) and bool(plan.reader.filter)
        self.items = None if filtered else plan.items
        self._clock = clock
        self._dollars = dollars
        self._seen: deque[tuple[float, Total]] = deque()

    def look(self, total: Total, *, state: str, lag: float | None) -> Glance:
        """Take a new total."""
        now = self._clock()
        self._seen.append((now, total))
        while now - self._seen[0][0] > RATE_SECONDS and len(self._seen) > 2:  # noqa: PLR2004  # the window's two ends
            self._seen.popleft()
        then, before = self._seen[0]
        seconds = now - then
        return Glance(
            total=total,
            dollars=self._dollars(total),
            rows_per_second=(total.rows - before.rows) / seconds if seconds else 0.0,
            seconds_left=self._seconds_left(total, before, seconds),
            lag=lag,
            state=state,
        )

    def _seconds_left(self, total: Total, before: Total, seconds: float) -> float | None:
        """Say how long it takes by the items that DynamoDB counted, or else by the units that are done."""
        if self.items and total.items <= self.items:
            left, done = self.items - total.items, total.items - before.items
        else:
            left, done = total.units - total.done, total.done - before.done
        return left * seconds / done if done > 0 else None


class Display:
    """Shows glances. ``console`` is a terminal or not; with ``as_json`` each is an event, a JSON object a line.

    ``has_end`` is whether it is known how much there is to do.
    """

    def __init__(
        self,
        console: Console,
        plan: Plan,
        meter: Meter,
        *,
        as_json: bool,
        clock: Callable[[], float],
        has_end: bool = True,
    ) -> None:
        self._console = console
        self._plan = plan
        self._meter = meter
        self._as_json = as_json
        self._clock = clock
        self._has_end = has_end
        self._written: float | None = None
        self._state = "run"
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._as_json:
            self._bar = Progress(BarColumn(), TextColumn("{task.description}"), console=self._console, transient=True)
            total = self._meter.items or self._plan.units
            self._task = self._bar.add_task("", total=total if self._has_end else None)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, total: Total, *, state: str = "run", lag: float | None = None) -> None:
        """Show how far it is; where there is no bar, only if the last line is 30 s old, or the state is another."""
        glance = self._meter.look(total, state=state, lag=lag)
        done = glance.total.items if self._meter.items else glance.total.done
        text, fields = line(glance, self._meter.items), document(glance, self._meter.items)
        self._show(text, done, state, "progress", fields)

    def show_sweep(self, table: str, swept: Swept) -> None:
        """Show how far the sweep of a Pinot table is; where there is no bar, as rarely."""
        self._show(sweep_line(table, swept), swept.candidates, table, "sweeping", sweep_document(table, swept))

    def _show(self, text: str, done: int, state: str, event: str, fields: Mapping[str, object]) -> None:
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, description=text)
            return
        now = self._clock()
        if self._written is not None and now - self._written < SECONDS_BETWEEN_LINES and state == self._state:
            return
        self._written, self._state = now, state
        self.event(event, **fields)
        self.say(text)

    def say(self, text: str) -> None:
        """Write a line for a person."""
        if not self._as_json:
            self._console.print(text, soft_wrap=True, markup=False, highlight=False)

    def event(self, name: str, **fields: Any) -> None:  # noqa: ANN401  # whatever JSON takes
        """Write an event for a script."""
        if self._as_json:
            self._console.out(json.dumps({"event": name, "load": self._plan.id, **fields}), highlight=False)


def line(glance: Glance, items: int | None) -> str:
    """Write a glance as a line."""
    total = glance.total
    of = f" of {items:,}" if items else ""
    parts = [f"{total.items:,}{of} items", f"{total.done:,} of {total.units:,} units"]
    if glance.state == "run":
        parts.append(f"{glance.rows_per_second:,.0f} rows/s")
        if glance.seconds_left is not None:
            parts.append(f"{duration(glance.seconds_left)} left")
    else:
        parts.append(STATES.get(glance.state, f"trying again after {glance.state}"))
    parts.append(f"{money(glance.dollars)} so far")
    if total.rejected:
        parts.append(f"{total.rejected:,} rejected")
    if glance.lag is not None:
        parts.append(f"live lag {duration(glance.lag)}")
    if total.dead_letters:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(total.dead_letters.items()))
        parts.append(f"dead letters: {reasons}")
    return ", ".join(parts)


def document(glance: Glance, items: int | None) -> dict[str, object]:
    """Write a glance as JSON's values."""
    return {
        **msgspec.to_builtins(glance.total),
        "items_expected": items,
        "rows_per_second": round(glance.rows_per_second, 1),
        "seconds_left": None if glance.seconds_left is None else round(glance.seconds_left),
        "dollars": round(glance.dollars, 6),
        "live_lag_seconds": glance.lag,
        "state": glance.state,
    }


def sweep_line(table: str, swept: Swept) -> str:
    """Write how far the sweep of a Pinot table is as a line."""
    parts = [f"{swept.rows:,} brought up to date", f"{swept.tombstones:,} deleted"]
    parts += [f"{swept.kept:,} kept"] if swept.kept else []
    parts += [f"{sum(swept.failures.values()):,} failed"] if swept.failures else []
    return f"{table}: {swept.candidates:,} old rows, {', '.join(parts)}"


def sweep_document(table: str, swept: Swept) -> dict[str, object]:
    """Write how far the sweep of a Pinot table is as JSON's values, without the key that it has come to."""
    found: dict[str, object] = msgspec.to_builtins(swept)
    del found["position"]
    return {"table": table, **found}
