"""The model's results as tables: costs by shape, the effect of each setting, the bottleneck at each scale.

``python -m bench model`` prints the tables, ``python -m bench page`` writes the same into docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench import batches, invocation
from bench.alternatives import FIRST
from bench.measure import summarize
from bench.measured import SHIPPED, by_batch, fit, measured_assumptions, works
from bench.model import (
    MILLION,
    PARTITION_WRITE_UNITS,
    PUT_UNIT_BYTES,
    Assumptions,
    Estimate,
    Load,
    Setting,
    Stage,
    Work,
    estimate,
    invocation_seconds,
    largest_batch,
    least_stream_shards,
)
from bench.prices import AS_OF, KINESIS_PAGE, LAMBDA_PAGE, PRICES, REGION
from bench.result import Result
from bench.shapes import SEED, SHAPES
from bench.simulation import simulate
from bench.targets import judge
from dynapinot.init.capacity import HEADROOM, SHARD_BYTES, SHARD_RECORDS, WriteRate, shards_for

SCALES: Final = (1_000, 10_000, 100_000)  # changes a second
USUAL: Final = 1_000  # changes a second, for tables that show one load

_KINDS: Final = ("seed", "wide", "nested", "sparse")  # of items; the other shapes are the seed's
_SEED_OF_CHANCE: Final = 1
_SIMULATED_SECONDS: Final[Mapping[int, float]] = {1_000: 60.0, 10_000: 20.0, 100_000: 8.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table. ``texts`` are the columns that hold words, and are aligned to the left."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: frozenset[str] = frozenset()


def grids(result: Result) -> Iterator[Grid]:
    """Make all tables of a result. Raises CommandError if a race is missing."""
    shapes, assumptions = works(result), measured_assumptions(result)
    yield _measured(result, shapes)
    yield _line(result)
    yield _concurrent_requests(assumptions)
    yield _costs(shapes, assumptions)
    yield _traffic(shapes[SEED.name], assumptions)
    yield _knobs(shapes[SEED.name], assumptions)
    yield _scale(shapes[SEED.name], assumptions)
    yield _by_shape({name: shapes[name] for name in _KINDS}, assumptions)
    yield _one_item({name: shapes[name] for name in _KINDS}, assumptions)
    yield _against_simulation(shapes[SEED.name], assumptions)
    yield _prices()
    yield _targets(result)


def setting_for(load: Load, work: Work, *, headroom: float = HEADROOM) -> Setting:
    """Choose as many Kinesis shards as ``dynapinot init``, or with another headroom; all else is the template's."""
    rate = WriteRate(per_second=load.changes_per_second * headroom / HEADROOM, source="")
    return Setting(
        stream_shards=least_stream_shards(load, work),
        splits=True,
        kinesis_shards=shards_for(rate, round(work.row_bytes)).count,
    )


def _dollars(amount: float) -> str:
    return f"${amount:,.4f}"


def _per_cent(share: float) -> str:
    return f"{share:.0%}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:,.0f}"


def _lag(found: Estimate) -> str:
    return _ms(found.lane.lag.total) if found.keeps_up else "grows"


def _cost(found: Estimate) -> str:
    return _dollars(found.cost.total) if found.keeps_up else "-"


def _stage(stage: Stage) -> str:
    return f"{stage.name} ({stage.utilisation:.0%})"


def _measured(result: Result, shapes: Mapping[str, Work]) -> Grid:
    races = {race.name: race for race in result.races}
    rows = []
    for name, work in shapes.items():
        race = races[f"{invocation.WHOLE}/{name}"]
        rows.append(
            [
                name,
                SHAPES[name].what,
                f"{summarize(race.contenders[SHIPPED].samples).median:.1f}",
                f"{summarize(race.ratios(SHIPPED, FIRST)).median:.2f}",
                f"{work.row_bytes:,.0f}",
                f"{work.event_bytes:,.0f}",
                f"{work.write_units:.1f}",
            ]
        )
    return Grid(
        name="measured",
        title="a change of each shape, in a whole invocation",
        columns=("shape", "what", "us CPU a change", "ratio", "bytes a row", "bytes in the event", "write units"),
        rows=rows,
        texts=frozenset({"shape", "what"}),
    )


def _line(result: Result) -> Grid:
    points = by_batch(result)
    line = fit(points)
    rows = [
        [f"{changes:,}", f"{us / 1_000:,.2f}", f"{line.at(changes) / 1_000:,.2f}", f"{line.at(changes) / us - 1:+.0%}"]
        for changes, us in points.items()
    ]
    rows.append(["none", "", f"{line.at_none / 1_000:,.2f}", ""])
    rows.append(["each more", "", f"{line.each / 1_000:,.3f}", ""])
    return Grid(
        name="line",
        title=f"CPU of an invocation by its changes, ms, of the shape {batches.SHAPE.name}",
        columns=("changes", "measured", "by the line", "off by"),
        rows=rows,
    )


def _concurrent_requests(assumptions: Assumptions) -> Grid:
    return Grid(
        name="at-once",
        title=f"PutRecords requests at a time, of {_ms(assumptions.request_seconds)} ms each",
        columns=("Kinesis shards", "at a time"),
        rows=[[str(shards), f"{times:.1f}"] for shards, times in assumptions.concurrent_requests.items()],
    )


def _costs(shapes: Mapping[str, Work], assumptions: Assumptions) -> Grid:
    rows = []
    for name, work in shapes.items():
        load = Load(changes_per_second=USUAL)
        setting = setting_for(load, work)
        found = estimate(load, work, setting, assumptions)
        rows.append(
            [
                name,
                f"{found.lane.batch:,.0f}",
                _ms(found.lane.seconds),
                f"{found.cost.gb_seconds:,.0f}",
                _dollars(found.cost.computing),
                _dollars(found.cost.requests),
                _dollars(found.cost.put_units),
                f"{setting.kinesis_shards}",
                _dollars(found.cost.shard_hours),
                _dollars(found.cost.total),
            ]
        )
    return Grid(
        name="costs",
        title=f"a million changes at {USUAL:,} a second, by shape",
        columns=(
            *("shape", "changes an invocation", "ms an invocation", "GB-s", "Lambda", "requests", "PUT units"),
            *("Kinesis shards", "their hours", "all"),
        ),
        rows=rows,
        texts=frozenset({"shape"}),
    )


def _traffic(work: Work, assumptions: Assumptions) -> Grid:
    rows = []
    for rate in (1, 10, 100, *SCALES):
        load = Load(changes_per_second=rate)
        setting = setting_for(load, work)
        found = estimate(load, work, setting, assumptions)
        rows.append(
            [
                f"{rate:,}",
                str(setting.kinesis_shards),
                f"{found.lane.batch:,.0f}",
                f"{found.invocations_per_second:,.1f}",
                f"{found.concurrency:,.1f}",
                _ms(found.lane.lag.total),
                _dollars(found.cost.total - found.cost.shard_hours),
                _dollars(found.cost.shard_hours),
                f"${found.cost.total * rate * 3_600 * 24 / MILLION:,.2f}",
            ]
        )
    return Grid(
        name="traffic",
        title=f"by traffic, of the shape {work.shape}, as the template sets it",
        columns=(
            *("changes a second", "Kinesis shards", "changes an invocation", "invocations a second", "at a time"),
            *("lag, ms", "a million but for shards", "shards", "a day, all"),
        ),
        rows=rows,
    )


_KNOBS: Final[Sequence[tuple[str, Callable[[Setting], Setting]]]] = (
    ("as the template sets it", lambda usual: usual),
    ("window 0 s", lambda usual: replace(usual, window_seconds=0.0)),
    ("window 5 s", lambda usual: replace(usual, window_seconds=5.0)),
    ("batch 100", lambda usual: replace(usual, batch_size=100)),
    ("batch 10,000, window 10 s", lambda usual: replace(usual, batch_size=10_000, window_seconds=10.0)),
    ("memory 256 MB", lambda usual: replace(usual, memory_megabytes=256)),
    ("memory 1,024 MB", lambda usual: replace(usual, memory_megabytes=1_024)),
    ("memory 1,769 MB", lambda usual: replace(usual, memory_megabytes=1_769)),
    ("memory 3,008 MB", lambda usual: replace(usual, memory_megabytes=3_008)),
    ("parallelization factor 4", lambda usual: replace(usual, parallelization_factor=4)),
    ("parallelization factor 10", lambda usual: replace(usual, parallelization_factor=10)),
    ("Kinesis shards 16", lambda usual: replace(usual, kinesis_shards=16)),
)


def _knobs(work: Work, assumptions: Assumptions) -> Grid:
    load = Load(changes_per_second=USUAL)
    rows = []
    for what, turned in _KNOBS:
        found = estimate(load, work, turned(setting_for(load, work)), assumptions)
        lag = found.lane.lag
        rows.append(
            [
                what,
                f"{found.lane.batch:,.0f}",
                *map(_ms, (lag.window, lag.lambda_poll, lag.invocation, lag.pinot_poll, lag.total)),
                _per_cent(found.hot_lane.utilisation),
                _dollars(found.cost.total - found.cost.shard_hours),
                _dollars(found.cost.total),
            ]
        )
    return Grid(
        name="knobs",
        title=f"one knob at a time, {USUAL:,} changes a second of the shape {work.shape}",
        columns=(
            *("what is set", "changes an invocation", "window, ms", "poll", "invocation", "Pinot", "lag, ms"),
            *("lanes full", "a million but for shards", "all"),
        ),
        rows=rows,
        texts=frozenset({"what is set"}),
    )


_FACTORS: Final = (1, 2, 10)


def _scale(work: Work, assumptions: Assumptions) -> Grid:
    rows = []
    for rate in SCALES:
        load = Load(changes_per_second=rate)
        sized = [setting_for(load, work, headroom=headroom) for headroom in (1.25, 2, HEADROOM)]
        shards = dict.fromkeys((Setting().kinesis_shards, *(setting.kinesis_shards for setting in sized)))
        for count in shards:
            settings = [replace(sized[0], kinesis_shards=count, parallelization_factor=factor) for factor in _FACTORS]
            found = [estimate(load, work, setting, assumptions) for setting in settings]
            rows.append(
                [
                    f"{rate:,}",
                    f"{sized[0].stream_shards}",
                    f"{count}",
                    *map(_lag, found),
                    *map(_cost, found),
                    _per_cent(found[0].lane.utilisation),
                    _stage(found[0].bottleneck),
                    f"{found[0].max_changes_per_second:,.0f}",
                    ", ".join(_stage(quota) for quota in found[0].quotas if quota.utilisation >= 1) or "none",
                ]
            )
    return Grid(
        name="scale",
        title=f"lag and cost by shards and parallelization factor, of the shape {work.shape}",
        columns=(
            *("changes a second", "stream shards", "Kinesis shards"),
            *(f"lag, ms, factor {factor}" for factor in _FACTORS),
            *(f"a million, factor {factor}" for factor in _FACTORS),
            *("lanes full, factor 1", "full first", "takes at most", "quotas to raise"),
        ),
        rows=rows,
        texts=frozenset({"full first", "quotas to raise"}),
    )


_FREE_SHARE: Final = 0.5  # of a lane, which the factor must leave free


def factor_for(load: Load, work: Work, setting: Setting, assumptions: Assumptions) -> int:
    """Choose the smallest parallelization factor that leaves a lane half free; 10 if none does."""
    for factor in range(1, 10):
        found = estimate(load, work, replace(setting, parallelization_factor=factor), assumptions)
        if found.hot_lane.utilisation <= 1 - _FREE_SHARE:
            return factor
    return 10


def _by_shape(shapes: Mapping[str, Work], assumptions: Assumptions) -> Grid:
    rows = []
    for name, work in shapes.items():
        for rate in SCALES:
            load = Load(changes_per_second=rate)
            sized = setting_for(load, work)
            setting = replace(sized, parallelization_factor=factor_for(load, work, sized, assumptions))
            found = estimate(load, work, setting, assumptions)
            rows.append(
                [
                    name,
                    f"{rate:,}",
                    f"{sized.stream_shards}",
                    _per_cent(estimate(load, work, sized, assumptions).lane.utilisation),
                    f"{setting.parallelization_factor}",
                    f"{setting.kinesis_shards:,}",
                    _lag(found),
                    _cost(found),
                    _stage(found.bottleneck),
                    ", ".join(_stage(quota) for quota in found.quotas if quota.utilisation >= 1) or "none",
                ]
            )
    return Grid(
        name="by-shape",
        title=f"what each shape needs: shards for {HEADROOM} times the changes, a factor that leaves lanes half free",
        columns=(
            *("shape", "changes a second", "stream shards", "lanes full at factor 1", "factor", "Kinesis shards"),
            *("lag, ms", "a million, all", "full first", "quotas to raise"),
        ),
        rows=rows,
        texts=frozenset({"shape", "full first", "quotas to raise"}),
    )


def _one_item(shapes: Mapping[str, Work], assumptions: Assumptions) -> Grid:
    rows = []
    for name, work in shapes.items():
        setting = Setting()
        most = largest_batch(work, setting)
        takes = {
            "DynamoDB": PARTITION_WRITE_UNITS / work.write_units,
            "its lane": most / invocation_seconds(most, work, setting, assumptions),
            "its Kinesis shard": min(SHARD_RECORDS, SHARD_BYTES / work.row_bytes),
        }
        rows.append([name, *(f"{each:,.0f}" for each in takes.values()), min(takes, key=lambda each: takes[each])])
    return Grid(
        name="one-item",
        title="changes a second of one item, at most",
        columns=("shape", "DynamoDB", "its lane", "its Kinesis shard", "full first"),
        rows=rows,
        texts=frozenset({"shape", "full first"}),
    )


def _against_simulation(work: Work, assumptions: Assumptions) -> Grid:
    rows = []
    for rate in SCALES:
        for window in (Setting().window_seconds, 0.0):
            load = Load(changes_per_second=rate)
            setting = replace(setting_for(load, work, headroom=2), window_seconds=window)
            found = estimate(load, work, setting, assumptions)
            played = simulate(load, work, setting, assumptions, seconds=_SIMULATED_SECONDS[rate], seed=_SEED_OF_CHANCE)
            rows.append(
                [
                    f"{rate:,}",
                    f"{setting.window_seconds:.0f} s",
                    f"{played.changes:,}",
                    f"{found.lane.batch:,.0f}",
                    f"{played.batch:,.0f}",
                    _ms(found.lane.lag.total),
                    _ms(played.median_lag),
                    f"{played.median_lag / found.lane.lag.total - 1:+.0%}",
                ]
            )
    return Grid(
        name="simulation",
        title="the model beside the simulation",
        columns=(
            *("changes a second", "window", "changes played", "an invocation", "played", "lag, ms", "played, median"),
            "off by",
        ),
        rows=rows,
    )


def _prices() -> Grid:
    return Grid(
        name="prices",
        title=f"prices, {REGION}, as of {AS_OF}",
        columns=("what", "US dollars", "where"),
        rows=[
            ["Lambda, arm64, a GB-second", f"{PRICES.gb_second:.10f}", LAMBDA_PAGE],
            ["Lambda, a million requests", f"{PRICES.million_requests:.2f}", LAMBDA_PAGE],
            [
                f"Kinesis, a million PUT payload units of {PUT_UNIT_BYTES // 1024} KB",
                f"{PRICES.million_put_units:.3f}",
                KINESIS_PAGE,
            ],
            ["Kinesis, a shard's hour", f"{PRICES.shard_hour:.3f}", KINESIS_PAGE],
            [
                "Kinesis, a shard's hour more, where rows are kept for over 24 hours",
                f"{PRICES.extended_shard_hour:.3f}",
                KINESIS_PAGE,
            ],
        ],
        texts=frozenset({"what", "where"}),
    )


def _targets(result: Result) -> Grid:
    return Grid(
        name="targets",
        title="what was to be reached",
        columns=("what", "at most", "ratio", "interval", "verdict"),
        rows=[
            [
                each.target.what,
                f"{each.target.at_most:.2f}",
                f"{each.ratio.median:.2f}",
                f"{each.ratio.low:.2f} - {each.ratio.high:.2f}",
                each.verdict,
            ]
            for each in judge(result.races)
        ],
        texts=frozenset({"what", "verdict"}),
    )
