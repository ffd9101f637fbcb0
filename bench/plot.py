"""A result as a plot: only ratios, since they can be compared between machines and times cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl  # type: ignore[import-not-found]  # the benchmark's own environment

mpl.use("svg")
from matplotlib import pyplot as plt  # once the backend is chosen

from bench.alternatives import FLOOR, LOOP, OURS
from bench.measure import Race, summarize
from bench.result import Result

_INK: Final = "#3d4451"
_OURS: Final = "#0b6e99"
_OTHERS: Final = (
    *("#d9822b", "#8f5db7", "#c23b5a", "#7a8b3c", "#5f6b7a", "#b0a18f"),
    *("#4aa3a2", "#e0b53a", "#7fb069", "#3f51a3", "#1f2430", "#d98cb3"),
)
_NARROWEST: Final = (0.2, 2)  # of the axes: a small difference must look small
_MARKERS: Final[Mapping[str, str]] = {OURS: "o", FLOOR: "|", LOOP: "v"}
_PANEL_INCHES, _ROW_INCHES, _MARGIN_INCHES = 9.0, 0.34, 1.25

_TITLES: Final = {
    "decode": "decode, normalize, serialize",
    "client": "PutRecords' client",
    "invocation": "whole invocation, from the event's bytes",
    "handler": "whole invocation, from the event as a dict",
    "batch": "whole invocation, by the size of its batch",
    "start": "cold start",
    "memory": "memory beyond the event, in that of the event",
    "throughput": "time to publish, by shards",
}


def draw(result: Result, file: Path) -> None:
    """Draw a panel for each suite, a line for each race, a mark for each contender's ratio to the baseline."""
    suites: dict[str, list[Race]] = {}
    for race in result.races:
        suites.setdefault(race.name.partition("/")[0], []).append(race)
    others = dict.fromkeys(
        name for race in result.races for name in race.contenders if name not in {OURS, race.baseline}
    )
    colors = {OURS: _OURS, **dict(zip(others, cycle(_OTHERS), strict=False))}
    heights = [len(races) * _ROW_INCHES + _MARGIN_INCHES for races in suites.values()]
    figure, panels = plt.subplots(
        len(suites),
        figsize=(_PANEL_INCHES, sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for (suite, races), panel in zip(suites.items(), panels[:, 0], strict=True):
        _draw_panel(panel, _TITLES.get(suite, suite), races, colors)
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "dynapinot", "svg.fonttype": "none"}):
        figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _draw_panel(panel: Any, title: str, races: Sequence[Race], colors: Mapping[str, str]) -> None:  # noqa: ANN401  # matplotlib's own
    baseline = races[0].contenders[races[0].baseline].label
    names = list(dict.fromkeys(name for race in races for name in race.contenders))
    rows = [race.name.partition("/")[2] for race in races]
    for name in names:
        if name == races[0].baseline:
            continue
        found = [(row, race, race.contenders[name]) for row, race in enumerate(races) if name in race.contenders]
        ratios = [summarize(race.ratios(name)) for _, race, _ in found]
        panel.errorbar(
            [ratio.median for ratio in ratios],
            [row for row, _, _ in found],
            xerr=[
                [ratio.median - ratio.low for ratio in ratios],
                [ratio.high - ratio.median for ratio in ratios],
            ],
            fmt=_MARKERS.get(name, "s"),
            color=colors[name],
            markersize=9 if name == OURS else 6,
            markeredgewidth=2 if name == FLOOR else 1,
            elinewidth=1,
            label=found[0][2].label,
            zorder=3 if name == OURS else 2,
        )
        if name == OURS:
            for (row, _, _), ratio in zip(found, ratios, strict=True):
                panel.annotate(
                    f"{ratio.median:.2f}",
                    (ratio.median, row),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                    color=_OURS,
                )
    panel.axvline(1, color=_INK, linewidth=1)
    panel.set_xscale("log")
    left, right = panel.get_xlim()
    panel.set_xlim(min(left, _NARROWEST[0]), max(right, _NARROWEST[1]))
    panel.xaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1, 2, 5)))
    panel.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    panel.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    panel.set_yticks(range(len(rows)), rows)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.set_title(title, loc="left", fontsize=11, fontweight="bold", color=_INK)
    panel.set_xlabel(f"less is better; 1 = {baseline}", fontsize=8, color=_INK)
    panel.grid(axis="x", color="#e3e6ea", zorder=0)
    panel.tick_params(labelsize=9, colors=_INK)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
