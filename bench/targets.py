"""The function's targets, beside other contenders of the same run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from bench.alternatives import FIRST, LOOP, MARSHALLER, OURS
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


TARGETS: Final = (
    Target(what="decode, the seed's record: 4 times as fast", race="decode/seed", at_most=1 / 4),
    Target(what="decode, a wide item: 5 times as fast", race="decode/wide", at_most=1 / 5),
    Target(what="decode, a nested item: 3.5 times as fast", race="decode/nested", at_most=1 / 3.5),
    Target(what="decode, a sparse item: no slower than a loop by hand", race="decode/sparse", at_most=1, against=LOOP),
    Target(what="PutRecords' client: a third of boto3's", race="client/seed", at_most=1 / 3),
    Target(what="whole invocation: half", race="invocation/seed", at_most=0.5),
    Target(what="whole invocation with a marshaller: 0.35", race="invocation/seed", at_most=0.35, contender=MARSHALLER),
    Target(what="cold start: half of boto3's client and all of Powertools", race="start/cpu", at_most=0.5, against=ALL),
    Target(what="memory beyond the batch: a tenth of it", race="memory/10000", at_most=0.1, against=EVENT),
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
