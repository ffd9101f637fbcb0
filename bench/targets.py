"""The function's targets, beside other contenders of the same run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bench.alternatives import FIRST, MARSHALLER, OURS
from bench.measure import Race, Summary, summarize
from bench.memory import EVENT
from bench.start import ALL

Verdict: TypeAlias = Literal["reached", "missed", "too close to tell", "too few rounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """In a race, a contender should cost at most this part of what another costs."""

    what: str
    race: str
    at_most: float
    against: str = FIRST
    contender: str = OURS


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A target and its measured ratio."""

    target: Target
    ratio: Summary

    @property
    def verdict(self) -> Verdict:
        """Judge by the confidence interval of the true median: all of it must be on one side."""
        if not self.ratio.is_conclusive:
            return "too few rounds"
        if self.ratio.high <= self.target.at_most:
            return "reached"
        return "missed" if self.ratio.low > self.target.at_most else "too close to tell"


# Of a whole invocation as the template sets it up, beside what people write first. docs/performance.md says what the
# limit is. Targets that no code could reach were dropped: see docs/adr/0009.
_INVOCATIONS: Final = {"seed": 0.31, "hot": 0.32, "deletes": 0.35, "sparse": 0.52, "wide": 0.36, "nested": 0.30}

TARGETS: Final = (
    *(
        Target(what=f"whole invocation, {shape}", race=f"invocation/{shape}", at_most=ratio, contender=MARSHALLER)
        for shape, ratio in _INVOCATIONS.items()
    ),
    Target(what="cold start: half of boto3's client and all of Powertools", race="start/cpu", at_most=0.5, against=ALL),
    Target(what="memory beyond the batch: a tenth of it", race="memory/10000", at_most=0.1, against=EVENT),
    Target(what="load of a page of a Scan", race="load/scan", at_most=0.4),
    Target(what="load of a data file of an export", race="load/export", at_most=0.4),
    Target(what="20 ms a request, 16 shards: a quarter of the time", race="throughput/16", at_most=1 / 4),
)


def judge(races: Iterable[Race], targets: Iterable[Target] = TARGETS) -> list[Judged]:
    """Judge the targets whose races were run."""
    by_name: Mapping[str, Race] = {race.name: race for race in races}
    return [
        Judged(target=target, ratio=summarize(by_name[target.race].ratios(target.contender, target.against)))
        for target in targets
        if target.race in by_name
    ]
