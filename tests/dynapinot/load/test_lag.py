"""The live path's lag where CloudWatch does not answer."""

from __future__ import annotations

from botocore.exceptions import ClientError

from dynapinot.load.lag import Lag

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
