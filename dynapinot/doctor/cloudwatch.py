"""The function's metrics in CloudWatch, of the last day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from dynapinot.aws import Aws
from dynapinot.doctor.finding import Diagnosis, Finding, error, warning
from dynapinot.wording import counted
from handlers.telemetry import NAMESPACE

PART: Final = "CloudWatch"

DAY_S: Final = 86_400
LATE_MS: Final = 5 * 60_000  # as the alarms of template.yaml
LOSING_MS: Final = 18 * 3_600_000


class _Metric(NamedTuple):
    id: str
    namespace: str
    name: str
    dimension: str
    statistic: str


_METRICS: Final = (
    _Metric("dead_letters", NAMESPACE, "DeadLetters", "service", "Sum"),
    _Metric("errors", "AWS/Lambda", "Errors", "FunctionName", "Sum"),
    _Metric("undelivered", "AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", "Sum"),
    _Metric("age_ms", "AWS/Lambda", "IteratorAge", "FunctionName", "Maximum"),
)


def look(diagnosis: Diagnosis, aws: Aws, *, function: str, service: str, now_ms: int) -> None:
    """Ask CloudWatch about the last 24 hours. ``service`` is the dimension of the function's own metrics."""
    client = aws.client("cloudwatch")
    end = datetime.fromtimestamp(now_ms / 1_000, UTC)
    values = {"service": service, "FunctionName": function}
    queries = [
        {
            "Id": metric.id,
            "MetricStat": {
                "Metric": {
                    "Namespace": metric.namespace,
                    "MetricName": metric.name,
                    "Dimensions": [{"Name": metric.dimension, "Value": values[metric.dimension]}],
                },
                "Period": 3_600,
                "Stat": metric.statistic,
            },
        }
        for metric in _METRICS
    ]
    answer = diagnosis.ask(
        f"CloudWatch: metrics of {function}",
        lambda: client.get_metric_data(
            MetricDataQueries=queries,
            StartTime=end - timedelta(seconds=DAY_S),
            EndTime=end,
            ScanBy="TimestampDescending",
        ),
    )
    if answer is not None:
        diagnosis.add(PART, metric_findings(function, values_of(answer)))


def values_of(answer: Mapping[str, Any]) -> Mapping[str, float]:
    """Take one number for each metric out of GetMetricData's answer: the sum of the day, or the newest age."""
    found: dict[str, float] = {}
    for result in answer.get("MetricDataResults", []):
        numbers = result.get("Values") or [0.0]
        found[result["Id"]] = numbers[0] if result["Id"] == "age_ms" else sum(numbers)
    return found


def metric_findings(function: str, values: Mapping[str, float]) -> Iterator[Finding]:
    """Check what was counted."""
    where = f"function {function}"
    dead_letters = int(values.get("dead_letters", 0))
    if dead_letters:
        problem = (
            f"{counted(dead_letters, 'dead letter')} in the last 24 h, and Pinot shows older values of these items"
        )
        remedy = "Fix the cause (dynapinot drift shows it), then run dynapinot redrive"
        yield warning("dead_letters", f"{where}: DeadLetters", problem, remedy)
    undelivered = int(values.get("undelivered", 0))
    if undelivered:
        problem = f"{undelivered} times Lambda gave changes up and could not store them: they are lost to Pinot"
        remedy = "See docs/operations.md, On-failure delivery failures"
        yield error("undelivered", f"{where}: DestinationDeliveryFailures", problem, remedy)
    failures = int(values.get("errors", 0))
    if failures:
        problem = f"it failed {failures} times in the last 24 h"
        yield warning("function_errors", f"{where}: Errors", problem, "See its log, and docs/operations.md, Errors")
    age = values.get("age_ms", 0)
    if age > LATE_MS:
        make = error if age > LOSING_MS else warning
        problem = f"it is {age / 3_600_000:.1f} h behind, and the stream forgets a change after 24 h"
        yield make("late", f"{where}: IteratorAge", problem, "See docs/operations.md, Iterator age")
