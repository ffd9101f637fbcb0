"""The live path's lag where CloudWatch does not answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from dynapinot.load.lag import Lag
from dynapinot.load.session import Session, note_unknown

REFUSED = ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")


def test_a_cloudwatch_that_cannot_be_asked_leaves_it_unknown_for_a_while():
    answers, now, asked = [1.5, REFUSED, 3.0, None], [0.0], []

    def read():
        asked.append(now[0])
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lag = Lag(read, clock=lambda: now[0])
    assert (lag(), lag.problem) == (1.5, None)
    assert lag() is None
    assert "AccessDenied" in lag.problem
    now[0] = 29.9
    assert lag() is None
    now[0] = 30.0
    assert (lag(), lag.problem) == (3.0, None)
    assert (lag(), lag.problem) == (None, None)
    assert asked == [0.0, 0.0, 30.0, 30.0]


class CloudWatch:
    """Has one value of a function's iterator age, in ms, or refuses."""

    def __init__(self, answer):
        self.answer = answer

    def get_metric_data(self, **_):
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"MetricDataResults": [{"Values": [self.answer]}]}


def session(answer, function="replicator"):
    around = {"named": SimpleNamespace(aws=SimpleNamespace(client=lambda service: CloudWatch(answer)))}
    missing = dict.fromkeys(("plan", "ready", "prices", "console"))
    return Session(**around, place=SimpleNamespace(function=function), as_json=False, **missing)


@pytest.mark.parametrize(
    ("answer", "function", "seconds", "said"),
    [
        (2_500.0, "replicator", 2.5, []),
        (2_500.0, None, None, []),
        (
            REFUSED,
            "replicator",
            None,
            [f"It cannot wait for live changes that lag, because their age is not known: {REFUSED}"],
        ),
    ],
    ids=["known", "without a function", "refused"],
)
def test_a_session_knows_the_lag_of_its_function_or_says_why_not(answer, function, seconds, said):
    lag, lines = session(answer, function).lag(), []
    assert lag() == seconds
    note_unknown(lag, SimpleNamespace(say=lines.append))
    assert lines == said
