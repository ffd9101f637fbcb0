"""The live path's lag, of CloudWatch."""

from __future__ import annotations

from datetime import UTC, datetime

from botocore.exceptions import ClientError

from dynapinot.load.lag import Lag

NOW = 1_764_000_000


class CloudWatch:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def get_metric_statistics(self, **given):
        self.asked.append(given)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {
            "Datapoints": [{"Timestamp": datetime.fromtimestamp(NOW + at, UTC), "Maximum": ms} for at, ms in answer]
        }


def test_it_is_the_newest_iterator_age_and_asked_for_every_30_seconds():
    client, now = CloudWatch([(-120, 9_000.0), (-60, 1_500.0)], [(-60, 3_000.0)], []), [0.0]
    lag = Lag(client, "replicator", clock=lambda: now[0], wall_clock=lambda: NOW)
    assert lag() == lag() == 1.5
    now[0] = 29.9
    assert lag() == 1.5
    now[0] = 30.0
    assert (lag(), lag.problem) == (3.0, None)
    now[0] = 60.0
    assert lag() is None
    assert len(client.asked) == 3
    asked = client.asked[0]
    assert (asked["Namespace"], asked["MetricName"]) == ("AWS/Lambda", "IteratorAge")
    assert asked["Dimensions"] == [{"Name": "FunctionName", "Value": "replicator"}]
    assert (asked["EndTime"] - asked["StartTime"]).total_seconds() == 300


def test_a_cloudwatch_that_cannot_be_asked_leaves_it_unknown():
    refused = ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricStatistics")
    lag = Lag(CloudWatch(refused), "replicator", clock=lambda: 0.0, wall_clock=lambda: NOW)
    assert lag() is None
    assert "AccessDenied" in lag.problem
