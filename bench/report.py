"""A result as tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from bench.alternatives import OURS
from bench.measure import Race, Summary, summarize
from bench.result import Result
from bench.sizing import Grid
from bench.start import Package
from bench.targets import Judged, judge

_VERDICTS: Final = {"reached": "green", "missed": "red", "too close to tell": "yellow", "too few rounds": "dim"}


def show(result: Result, console: Console) -> None:
    """Print a result: its origin, the races, the package, the targets."""
    for race in result.races:
        show_race(race, console)
    show_rest(result, console)


def show_rest(result: Result, console: Console) -> None:
    """Print everything but the races."""
    if result.package:
        _show_package(result.package, console)
    judged = judge(result.races)
    if judged:
        _show_targets(judged, console)
    changed = " with changes" if result.changed else ""
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    console.print(f"{result.made}, commit {result.commit}{changed}; {versions}", highlight=False)
    processors = f"{result.machine['processors']} x {result.machine['processor']}"
    console.print(f"{processors}, load {result.load} at the start; {result.machine['interpreter']}", highlight=False)
    if result.quick:
        console.print("A quick run: it shows that everything works. Do not rely on its numbers.", style="yellow")


def show_race(race: Race, console: Console) -> None:
    """Print each contender's cost, and its ratio to the baseline with its confidence interval."""
    table = _table("", race.unit, "spread", "ratio", "interval", "note")
    for name, each in race.contenders.items():
        cost, ratio = summarize(each.samples), summarize(race.ratios(name))
        table.add_row(
            each.label,
            f"{cost.median:.2f}",
            spread_text(cost),
            f"{ratio.median:.2f}",
            "" if name == race.baseline else interval_text(ratio),
            each.note,
            style="bold" if name == OURS else "",
        )
    _show(f"{race.name}: {race.what}", table, console)


def show_grid(grid: Grid, console: Console) -> None:
    """Print a table of the model."""
    table = _table(*grid.columns, texts=grid.texts)
    for row in grid.rows:
        table.add_row(*row)
    _show(grid.title, table, console)


def _table(*columns: str, texts: Collection[str] = ("", "note", "verdict")) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in texts else "right", overflow="fold")
    return table


def _show(title: str, table: Table, console: Console) -> None:
    console.print(title, style="bold", markup=False, highlight=False)
    console.print(table)


def spread_text(summary: Summary) -> str:
    """Format half the interquartile range in per cent of the median."""
    return f"± {(summary.q3 - summary.q1) / 2 / summary.median:.0%}" if summary.median else ""


def interval_text(summary: Summary) -> str:
    """Format the confidence interval of the true median."""
    return f"{summary.low:.2f} - {summary.high:.2f}"


def _show_targets(judged: list[Judged], console: Console) -> None:
    table = _table("", "at most", "ratio", "interval", "verdict")
    for each in judged:
        table.add_row(
            each.target.what,
            f"{each.target.at_most:.2f}",
            f"{each.ratio.median:.2f}",
            interval_text(each.ratio),
            each.verdict,
            style=_VERDICTS[each.verdict],
        )
    _show("targets", table, console)


def _show_package(package: Package, console: Console) -> None:
    table = _table("", "KiB")
    for part, size in sorted(package.parts.items(), key=lambda item: -item[1]):
        table.add_row(part, f"{size / 1024:,.0f}")
    table.add_row("all of it", f"{package.bytes / 1024:,.0f}", style="bold")
    table.add_row("zipped", f"{package.zipped / 1024:,.0f}")
    _show(f"package, {package.what}", table, console)
