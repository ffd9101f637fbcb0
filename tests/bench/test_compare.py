"""Two results are compared ratio by ratio, and only changes beyond noise count."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.compare import TOLERANCE, compare, run
from bench.measure import Contender, Race
from bench.result import Result
from dynapinot.errors import FOUND, OK

ROUNDS = 25


def spread(ratio, width):
    """Ratios around one, evenly."""
    return [ratio * (1 + width * (number / (ROUNDS - 1) * 2 - 1)) for number in range(ROUNDS)]


def race(name="decode/seed", baseline="first", **ratios):
    contenders = {baseline: [1.0] * ROUNDS, **ratios}
    return Race(
        name=name,
        what="",
        unit="us",
        baseline=baseline,
        contenders={each: Contender(label=each, samples=tuple(samples)) for each, samples in contenders.items()},
    )


def result(*races, **other):
    facts = {
        "made": "2026-11-23T16:00:00+00:00",
        "commit": "abc1234",
        "changed": False,
        "quick": False,
        "machine": {"processor": "a"},
        "load": 0.5,
        "versions": {"python": "3.13.0"},
        "package": None,
    }
    return Result(**{**facts, **other}, races=races)


def verdicts(old, new):
    return {(line.race, line.contender): line.verdict for line in compare(old, new)}


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (spread(0.5, 0.02), spread(0.5, 0.02), "same"),
        (spread(0.5, 0.02), spread(0.4, 0.02), "better"),
        (spread(0.5, 0.02), spread(0.6, 0.02), "worse"),
        (spread(0.5, 0.5), spread(0.6, 0.5), "same"),  # the rounds differ by more than the runs
        (spread(0.5, 0.001), spread(0.5 * (1 + TOLERANCE * 0.9), 0.001), "same"),  # within the tolerance
        (spread(0.5, 0.001), spread(0.5 * (1 + TOLERANCE * 1.1), 0.001), "worse"),
        (spread(0.5, 0.001), spread(0.5 * (1 - TOLERANCE * 1.1), 0.001), "better"),
    ],
)
def test_only_a_change_beyond_noise_is_better_or_worse(before, now, verdict):
    old, new = result(race(dynapinot=before)), result(race(dynapinot=now))
    assert verdicts(old, new) == {("decode/seed", "dynapinot"): verdict}


def test_too_few_rounds_give_no_verdict():
    enough, few = race(dynapinot=[0.5] * ROUNDS), race(dynapinot=[0.9] * 5, first=[1.0] * 5)
    assert set(verdicts(result(enough), result(few)).values()) == {"too few rounds"}
    assert set(verdicts(result(few), result(enough)).values()) == {"too few rounds"}


def test_a_slower_machine_changes_no_verdict():
    old = race(dynapinot=spread(0.5, 0.02))
    slower = Race(
        name=old.name,
        what="",
        unit="us",
        baseline="first",
        contenders={
            name: Contender(label=name, samples=tuple(3 * sample for sample in each.samples))
            for name, each in old.contenders.items()
        },
    )
    (line,) = compare(result(old), result(slower))
    assert (line.change, line.verdict) == (pytest.approx(1), "same")


def test_a_ratio_that_only_one_result_has_is_new_or_gone():
    old = result(race("decode/seed", dynapinot=[1.0] * ROUNDS), race("client/seed", loop=[1.0] * ROUNDS))
    new = result(race("decode/seed", dynapinot=[1.0] * ROUNDS, loop=[2.0] * ROUNDS))
    assert verdicts(old, new) == {
        ("decode/seed", "dynapinot"): "same",
        ("decode/seed", "loop"): "new",
        ("client/seed", "loop"): "gone",
    }


def test_ratios_to_different_baselines_are_not_compared():
    old = result(race(baseline="first", dynapinot=[1.0] * ROUNDS))
    new = result(race(baseline="loop", dynapinot=[2.0] * ROUNDS))
    assert [(line.contender, line.verdict) for line in compare(old, new)] == [
        ("dynapinot", "new"),
        ("dynapinot", "gone"),
    ]


def output(old, new):
    text = io.StringIO()
    code = run(old, new, Console(file=text, width=120))
    return code, text.getvalue()


def test_the_exit_code_reports_that_dynapinot_has_become_worse():
    old = result(race(dynapinot=spread(0.5, 0.01), loop=spread(0.5, 0.01)))
    assert output(old, result(race(dynapinot=spread(0.6, 0.01), loop=spread(0.5, 0.01))))[0] == FOUND
    assert output(old, result(race(dynapinot=spread(0.4, 0.01), loop=spread(0.5, 0.01))))[0] == OK
    assert output(old, result(race(dynapinot=spread(0.5, 0.01), loop=spread(0.9, 0.01))))[0] == OK


def test_the_table_shows_both_ratios_and_the_change():
    old, new = (result(race(dynapinot=spread(ratio, 0.01))) for ratio in (0.5, 0.6))
    (line,) = (line for line in output(old, new)[1].splitlines() if "decode/seed" in line)
    assert line.split() == "decode/seed dynapinot 0.50 (0.50 - 0.50) 0.60 (0.60 - 0.60) +20% worse".split()


def test_differences_that_make_results_hard_to_compare_are_printed():
    old = result(machine={"processor": "a"}, versions={"python": "3.13.0", "orjson": "3.12.0"})
    new = result(machine={"processor": "b"}, versions={"python": "3.13.0", "orjson": "3.13.0"}, quick=True)
    text = output(old, new)[1]
    assert "orjson: 3.12.0 before, 3.13.0 now" in text
    assert "The machines differ" in text
    assert "a quick run" in text
    assert "python: " not in text
