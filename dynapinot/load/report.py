"""What a load did, at its end: ``report.json``, and the summary with what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from dynapinot.errors import FAILED, FOUND, OK
from dynapinot.load.estimate import duration, money
from load.plan import Plan, Total


class Report(Total, kw_only=True):
    """The sum of a load's units, and what it took.

    ``ignored`` counts the items that are rows of no table; None with several tables, where an item may be several
    rows. ``seconds`` is the time since the load began, pauses included. ``dollars`` is without Lambda.
    """

    load: str
    table: str
    ignored: int | None
    seconds: float
    dollars: float


def report_of(plan: Plan, total: Total, *, now: float, dollars: Callable[[Total], float]) -> Report:
    """Report on a load. ``now`` is in epoch seconds."""
    ignored = total.items - total.rows - sum(total.dead_letters.values()) if len(plan.tables) == 1 else None
    return Report(
        **{name: getattr(total, name) for name in Total.__struct_fields__},
        load=plan.id,
        table=plan.table,
        ignored=ignored,
        seconds=round(now - plan.began, 1),
        dollars=round(dollars(total), 6),
    )


def exit_code(total: Total) -> int:
    """Return the exit code: 0 if all is done, 1 if there are dead letters, 2 if something is not done."""
    if total.done < total.units:
        return FAILED
    return FOUND if total.dead_letters else OK


def summary(report: Report, *, redrive: str) -> Sequence[str]:
    """Write a report, and what to do next. ``redrive`` is the command that makes dead letters good."""
    made = "Loaded" if report.done == report.units else f"{report.done:,} of {report.units:,} units are done of"
    cost = f"{report.read_units:,.0f} read units, {money(report.dollars)}"
    took = duration(report.seconds)
    lines = [f"{made} {report.table}: {report.items:,} items, {report.rows:,} rows in {took}, {cost}"]
    if report.ignored:
        lines.append(f"{report.ignored:,} items are rows of no table, by the rules in source.toml")
    if report.dead_letters:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(report.dead_letters.items()))
        lines += [
            f"{sum(report.dead_letters.values()):,} items cannot be rows and are dead letters: {reasons}",
            f"Fix the cause, deploy, and make them good: {redrive}",
        ]
    return lines


def as_document(report: Report) -> dict[str, object]:
    """Give a report as what ``--json`` writes."""
    document: dict[str, object] = msgspec.to_builtins(report)
    return document
