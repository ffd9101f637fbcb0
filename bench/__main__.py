"""The command: ``python -m bench run``, ``compare``, ``model`` and ``page``. CONTRIBUTING.md has the make targets."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import batches, client, compare, decode, invocation, load, memory, page, start, throughput
from bench.measure import FULL, QUICK, Race
from bench.product import ROOT
from bench.report import show, show_grid, show_race, show_rest
from bench.result import describe, read, write
from bench.sizing import grids
from dynapinot.errors import FAILED, OK, CommandError

OUT: Final = ROOT / ".cache" / "bench"

_SUITES: Final = (decode, client, invocation, batches, start, memory, throughput, load)
_WIDTH: Final = 140  # where there is no terminal to ask


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; return the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    try:
        match options.command:
            case "run":
                return run(options, console)
            case "compare":
                return _compare(options, console)
            case "model":
                return _model(options, console)
            case _:
                return _page(options, console)
    except (CommandError, decode.UnequalError) as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, soft_wrap=True)
        return FAILED


def selected_races(only: Sequence[str]) -> set[str]:
    """Return the races with these names or prefixes, all of them if there are none. Raises CommandError."""
    known = [name for suite in _SUITES for name in suite.names()]
    unknown = [each for each in only if not any(_matches(each, name) for name in known)]
    if unknown:
        raise CommandError(f"There is no race {unknown[0]}. There are: {', '.join(known)}")
    return {name for name in known if not only or any(_matches(each, name) for each in only)}


def _matches(only: str, name: str) -> bool:
    return name == only or name.startswith(f"{only}/")


def run(options: Namespace, console: Console) -> int:
    """Measure, print, and write the result and its plot."""
    from bench.plot import draw  # noqa: PLC0415  # comparing needs no matplotlib

    effort = QUICK if options.quick else FULL
    selected, load_average = selected_races(options.only), os.getloadavg()[0]
    races: list[Race] = []
    for suite in _SUITES:
        names = selected.intersection(suite.names())
        if not names:
            continue
        found = (
            throughput.races(effort, names, limited=options.shard_limits)
            if suite is throughput
            else suite.races(effort, names)
        )
        for race in found:
            show_race(race, console)
            races.append(race)
    package = start.package() if selected.intersection(start.names()) else None
    result = describe(races, package, quick=options.quick, load=load_average)
    show_rest(result, console)
    file = options.out / f"{result.name}.json"
    write(result, file)
    draw(result, file.with_suffix(".svg"))
    with file.with_suffix(".txt").open("w", encoding="utf-8") as text:
        show(result, Console(file=text, width=_WIDTH))
    console.print(f"written: {file} and, beside it, .svg and .txt", highlight=False, soft_wrap=True)
    return OK


def _compare(options: Namespace, console: Console) -> int:
    new = options.new or max(OUT.glob("*.json"), default=None)
    if new is None:
        raise CommandError(f"There is no result in {OUT}. Run `make bench` first, or name two results")
    return compare.run(read(options.old), read(new), console)


def _model(options: Namespace, console: Console) -> int:
    result = read(options.result)
    for grid in grids(result):
        show_grid(grid, console)
    if result.quick:
        console.print("This is a quick run: do not rely on its numbers.", style="yellow")
    return OK


def _page(options: Namespace, console: Console) -> int:
    page.publish(options.result)
    console.print(f"written: {page.PAGE}, {page.RESULT} and {page.PICTURE}", highlight=False, soft_wrap=True)
    return OK


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="bench", description="How much the function costs, beside the usual alternatives.")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("run", help="measure, and write the result, its tables and its plot")
    measuring.add_argument("--quick", action="store_true", help="a short run, to see that everything works")
    measuring.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="RACE",
        help="a race or a suite: decode/seed, decode; may be repeated",
    )
    measuring.add_argument(
        "--shard-limits", action="store_true", help="limit simulated shards as real ones are limited"
    )
    measuring.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="where to write (.cache/bench)")
    comparing = commands.add_parser("compare", help="compare two results, pair by pair")
    comparing.add_argument("old", type=Path, help="the earlier result")
    comparing.add_argument("new", type=Path, nargs="?", help="the later result (the newest in .cache/bench)")
    modelling = commands.add_parser("model", help="show what a result means for lag and cost, by the model")
    modelling.add_argument("result", type=Path, nargs="?", default=page.RESULT, help="a result (the page's)")
    publishing = commands.add_parser("page", help="write a result's tables and plot into docs/performance.md")
    publishing.add_argument("result", type=Path, help="the result of a full run")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
