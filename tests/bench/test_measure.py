"""How samples are taken and summarized."""

from __future__ import annotations

import gc
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure import (
    LEAST_SAMPLES,
    Candidate,
    Contender,
    Heading,
    Race,
    Summary,
    cpu_block,
    race,
    round_order,
    summarize,
)

HEADING = {"cpu": Heading("decode/seed", "decode", "us")}


def of(samples):
    return Race(
        name="decode/seed",
        what="decode",
        unit="us",
        baseline="first",
        contenders={name: Contender(label=name, samples=tuple(taken)) for name, taken in samples.items()},
    )


@pytest.mark.parametrize(
    ("samples", "summary"),
    [
        ([3.0], Summary(count=1, median=3, q1=3, q3=3, low=3, high=3)),
        ([3.0, 1.0, 2.0], Summary(count=3, median=2, q1=1.5, q3=2.5, low=1, high=3)),
        ([1.0] * 24 + [100.0], Summary(count=25, median=1, q1=1, q3=1, low=1, high=1)),
        (list(map(float, range(11))), Summary(count=11, median=5, q1=2.5, q3=7.5, low=1, high=9)),
        (list(map(float, range(25))), Summary(count=25, median=12, q1=6, q3=18, low=7, high=17)),
    ],
)
def test_a_summary_has_the_median_the_quartiles_and_the_interval(samples, summary):
    assert summarize(samples) == summary


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=40))
def test_the_values_of_a_summary_are_in_ascending_order(samples):
    summary = summarize(samples)
    assert min(samples) <= summary.low <= summary.median <= summary.high <= max(samples)
    assert summary.q1 <= summary.median <= summary.q3


@pytest.mark.parametrize("rounds", [LEAST_SAMPLES, 11, 25])
def test_the_interval_misses_the_true_median_at_most_once_in_twenty_times(rounds):
    chance = random.Random(rounds)
    summaries = [summarize([chance.lognormvariate(0, 1) for _ in range(rounds)]) for _ in range(4_000)]
    missed = sum(not summary.low <= 1 <= summary.high for summary in summaries)  # 1 is the distribution's median
    assert 0 < missed / len(summaries) < 0.06
    assert all(summary.is_conclusive for summary in summaries)


def test_the_interval_of_fewer_than_six_samples_is_inconclusive():
    assert [summarize([1.0] * count).is_conclusive for count in (1, 5, 6)] == [False, False, True]


@given(st.lists(st.text(), min_size=1, max_size=6, unique=True), st.integers(0, 30))
def test_every_contender_runs_once_in_every_round(names, number):
    assert sorted(round_order(names, number)) == sorted(names)


def test_every_contender_runs_first_as_often_as_last():
    rounds = [round_order("abc", number) for number in range(6)]
    assert sorted(order[0] for order in rounds) == sorted(order[-1] for order in rounds) == list("aabbcc")


def test_ratios_compare_samples_of_the_same_round():
    samples = of({"first": [2.0, 20.0, 200.0], "dynapinot": [1.0, 5.0, 100.0], "loop": [4.0, 10.0, 50.0]})
    assert samples.ratios("dynapinot") == (0.5, 0.25, 0.5)
    assert samples.ratios("dynapinot", "loop") == (0.25, 0.5, 2.0)
    assert samples.ratios("first") == (1.0, 1.0, 1.0)


def test_a_race_alternates_the_contenders_after_a_warm_up_round():
    ran = []

    def block(name, costs):
        def run():
            ran.append(name)
            return {"cpu": costs.pop(0)}

        return run

    candidates = {
        "first": Candidate(label="First", note="slow", block=block("first", [99.0, 2.0, 4.0])),
        "dynapinot": Candidate(label="Ours", block=block("dynapinot", [77.0, 1.0, 1.0])),
    }
    assert list(race(candidates, HEADING, baseline="first", rounds=2)) == [
        Race(
            name="decode/seed",
            what="decode",
            unit="us",
            baseline="first",
            contenders={
                "first": Contender(label="First", note="slow", samples=(2.0, 4.0)),
                "dynapinot": Contender(label="Ours", samples=(1.0, 1.0)),
            },
        )
    ]
    assert ran == ["first", "dynapinot", "first", "dynapinot", "first", "dynapinot"]


def test_each_measure_of_a_block_is_a_race_of_its_own():
    candidates = {"first": Candidate(label="First", block=lambda: {"cpu": 1.0, "wall": 3.0, "unasked": 5.0})}
    headings = {"cpu": Heading("start/cpu", "CPU", "ms"), "wall": Heading("start/wall", "wall", "ms")}
    measured = {
        each.name: each.contenders["first"].samples for each in race(candidates, headings, baseline="first", rounds=2)
    }
    assert measured == {"start/cpu": (1.0, 1.0), "start/wall": (3.0, 3.0)}


def test_the_garbage_collector_is_restored_after_a_failed_race():
    answers = [{"cpu": 1.0}]  # for the warm-up round; then it fails
    before = gc.get_freeze_count()
    with pytest.raises(IndexError):
        next(race({"first": Candidate(label="", block=answers.pop)}, HEADING, baseline="first", rounds=1))
    assert gc.get_freeze_count() == before == 0


def test_a_block_repeats_its_work_for_long_enough_and_gives_the_cost_of_a_unit():
    now, runs = [0], []

    def work():
        runs.append(now[0])
        now[0] += 2_000_000  # 2 ms

    block = cpu_block(work, units=100, seconds=0.01, clock=lambda: now[0])
    assert block() == {"cpu": 20.0}  # us: 2 ms for 100 units
    assert len(runs) == 1 + 1 + 5, "once to warm up, once to see how long it takes, then five times 2 ms"
    assert block() == {"cpu": 20.0}
    assert len(runs) == 7 + 5


def test_a_block_measures_the_cpu_time_of_this_process_not_wall_time():
    import time  # noqa: PLC0415

    (cost,) = cpu_block(lambda: time.sleep(0.05), units=1, seconds=1e-9)().values()
    assert cost < 25_000, json.dumps(cost)  # of the 50,000 us that pass
