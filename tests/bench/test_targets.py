"""Targets are judged by the interval of the ratio, and only if their race was run."""

from __future__ import annotations

import pytest

from bench import client, decode, invocation, load, memory, start, throughput
from bench.measure import Contender, Race
from bench.targets import TARGETS, Target, judge

TARGET = Target(what="half", race="decode/seed", at_most=0.5)


def race(*ratios):
    contenders = {"first": [10.0] * len(ratios), "dynapinot": [10 * ratio for ratio in ratios]}
    return Race(
        name="decode/seed",
        what="",
        unit="us",
        baseline="first",
        contenders={name: Contender(label=name, samples=tuple(samples)) for name, samples in contenders.items()},
    )


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((0.3, 0.4, 0.5) * 2, "reached"),
        ((0.6, 0.7, 0.8) * 2, "missed"),
        ((0.4, 0.45, 0.6) * 2, "too close to tell"),
        ((0.4, 0.55, 0.6) * 2, "too close to tell"),
        ((0.3, 0.3, 0.3), "too few rounds"),
    ],
)
def test_the_whole_interval_decides_whether_a_target_is_reached_or_missed(ratios, verdict):
    (judged,) = judge([race(*ratios)], [TARGET])
    assert judged.verdict == verdict


def test_a_target_of_a_race_that_was_not_run_is_not_judged():
    assert judge([], [TARGET]) == []


def test_every_target_names_an_existing_race():
    known = {name for suite in (client, decode, invocation, load, memory, start, throughput) for name in suite.names()}
    assert {target.race for target in TARGETS} <= known
