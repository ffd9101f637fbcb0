"""What CloudWatch has counted."""

from __future__ import annotations

import pytest

from dynapinot.doctor.cloudwatch import metric_findings, values_of

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"dead_letters": 0, "errors": 0, "undelivered": 0, "age_ms": 300_000}, []),
        ({"dead_letters": 3}, [("warning", "dead_letters")]),
        ({"errors": 1}, [("warning", "function_errors")]),
        ({"undelivered": 1}, [("error", "undelivered")]),
        ({"age_ms": 300_001}, [("warning", "late")]),
        ({"age_ms": 19 * HOUR_MS}, [("error", "late")]),
    ],
)
def test_the_metrics_are_judged(values, expected):
    assert [(each.level, each.code) for each in metric_findings("replicator", values)] == expected


def test_counts_are_added_up_and_an_age_is_the_newest():
    answer = {
        "MetricDataResults": [
            {"Id": "dead_letters", "Values": [1.0, 2.0]},
            {"Id": "age_ms", "Values": [400.0, 9000.0]},  # the newest first, as it was asked for
            {"Id": "errors", "Values": []},
        ]
    }
    assert values_of(answer) == {"dead_letters": 3.0, "age_ms": 400.0, "errors": 0.0}
