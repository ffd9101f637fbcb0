"""How far the live path is behind: the iterator age of the function that replicates changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

KEPT_SECONDS: Final = 30.0  # the metric has one value a minute
RECENT: Final = timedelta(minutes=5)  # values arrive a minute or two late
_MS_PER_SECOND: Final = 1000
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
_AGE: Final = ("AWS/Lambda", "IteratorAge", "FunctionName")


class LagReader:
    """Returns the age in seconds of the oldest change that a function was invoked with in the last five minutes.

    It is None where there was no invocation: the table does not change, or Lambda does not poll, which has an alarm of
    its own. ``clock`` is monotonic, ``wall_clock`` returns epoch seconds. Calls raise botocore's errors.
    """

    def __init__(
        self, client: CloudWatchClient, function: str, *, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._function = function
        self._clock = clock
        self._wall_clock = wall_clock
        self._read_at: float | None = None
        self._lag: float | None = None

    def __call__(self) -> float | None:
        """Return the age, which is read again when it is older than 30 seconds."""
        clock = self._clock()
        if self._read_at is None or clock - self._read_at >= KEPT_SECONDS:
            self._lag = self._read()
            self._read_at = clock
        return self._lag

    def _read(self) -> float | None:
        namespace, metric, dimension = _AGE
        end = datetime.fromtimestamp(self._wall_clock(), UTC)
        response = self._client.get_metric_data(
            MetricDataQueries=[
                {
                    "Id": "age",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": namespace,
                            "MetricName": metric,
                            "Dimensions": [{"Name": dimension, "Value": self._function}],
                        },
                        "Period": 60,
                        "Stat": "Maximum",
                    },
                }
            ],
            StartTime=end - RECENT,
            EndTime=end,
        )
        ages_ms = [age for result in response["MetricDataResults"] for age in result["Values"]]
        return max(ages_ms) / _MS_PER_SECOND if ages_ms else None
