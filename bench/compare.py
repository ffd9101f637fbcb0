"""Compare two results: which races are faster or slower than before, beyond noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from bench.alternatives import MARSHALLER, OURS
from bench.measure import Race, Summary, summarize
from bench.result import Result
from dynapinot.errors import FOUND, OK

Verdict: TypeAlias = Literal["better", "worse", "same", "too few rounds", "new", "gone"]

# Two runs of the same code differ by more than the rounds of one run do: memory layout and hash seeds differ.
TOLERANCE: Final = 0.05

_STYLES: Final = {"better": "green", "worse": "red", "same": "", "too few rounds": "dim", "new": "dim", "gone": "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender of one race, before and now; ratios to that race's baseline, None if there is none."""

    race: str
    contender: str
    label: str
    old: Summary | None
    new: Summary | None

    @property
    def change(self) -> float | None:
        """The new ratio divided by the old one: 0.5 is half the cost. None if there is nothing to compare."""
        return self.new.median / self.old.median if self.old and self.new and self.old.median else None

    @property
    def verdict(self) -> Verdict:
        """Judge the change: it is beyond noise if it exceeds the tolerance and the runs' intervals do not overlap."""
        if self.old is None or self.new is None:
            return "gone" if self.new is None else "new"
        if not (self.old.is_conclusive and self.new.is_conclusive):
            return "too few rounds"
        change = self.change
        if change is None or abs(change - 1) <= TOLERANCE:
            return "same"
        if self.new.high < self.old.low:
            return "better"
        return "worse" if self.new.low > self.old.high else "same"


def compare(old: Result, new: Result) -> list[Line]:
    """Pair two results by race and contender. If a race's baseline has changed, its ratios are new and gone."""
    before, now = dict(_ratios(old)), dict(_ratios(new))
    keys = list(dict.fromkeys((*now, *before)))
    return [
        Line(
            race=race,
            contender=contender,
            label=(now.get((race, contender, baseline)) or before[race, contender, baseline])[0],
            old=before.get((race, contender, baseline), (None, None))[1],
            new=now.get((race, contender, baseline), (None, None))[1],
        )
        for race, contender, baseline in keys
    ]


def _ratios(result: Result) -> Iterator[tuple[tuple[str, str, str], tuple[str, Summary]]]:
    for race in result.races:
        for name, each in race.contenders.items():
            if name != race.baseline:
                yield (race.name, name, race.baseline), (each.label, _ratio(race, name))


def _ratio(race: Race, name: str) -> Summary:
    return summarize(race.ratios(name))


def run(old: Result, new: Result, console: Console) -> int:
    """Print what changed; return FOUND if dynapinot has become worse anywhere, else OK."""
    lines = compare(old, new)
    for result, when in ((old, "old"), (new, "new")):
        quick = ", a quick run: do not rely on its numbers" if result.quick else ""
        console.print(f"{when}: {result.made}, commit {result.commit}, load {result.load}{quick}", highlight=False)
    for name in sorted(old.versions.keys() | new.versions.keys()):
        versions = old.versions.get(name, "none"), new.versions.get(name, "none")
        if versions[0] != versions[1]:
            console.print(f"{name}: {versions[0]} before, {versions[1]} now", style="yellow", highlight=False)
    if old.machine != new.machine:
        console.print("The machines differ: only large differences mean anything.", style="yellow")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("race", "", "old ratio", "new ratio", "change", "verdict"):
        table.add_column(column, justify="right" if column in {"old ratio", "new ratio", "change"} else "left")
    for line in lines:
        table.add_row(
            line.race,
            line.label,
            _text(line.old),
            _text(line.new),
            f"{line.change - 1:+.0%}" if line.change else "",
            line.verdict,
            style=_STYLES[line.verdict],
        )
    console.print(table)
    worse = [line for line in lines if line.contender in {OURS, MARSHALLER} and line.verdict == "worse"]
    console.print(f"{len(worse)} of dynapinot's ratios are worse beyond noise", highlight=False)
    return FOUND if worse else OK


def _text(ratio: Summary | None) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f} - {ratio.high:.2f})" if ratio else ""
