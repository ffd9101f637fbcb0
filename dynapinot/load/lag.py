"""The live path's lag while a load runs: how old the oldest change is that the function has not replicated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

ASK_SECONDS: Final = 30.0  # CloudWatch has a value a minute
WINDOW_SECONDS: Final = 300


class Lag:
    """Asks CloudWatch for the function's iterator age, at most every 30 s. Several threads may call it at once.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401  # a boto3 client
        function: str,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.problem: str | None = None  # why CloudWatch did not answer the last time
        self._client = client
        self._function = function
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = Lock()
        self._asked: float | None = None
        self._seconds: float | None = None

    def __call__(self) -> float | None:
        """Return the newest value in seconds, None if there is none: no change came, or CloudWatch cannot be asked."""
        with self._lock:
            if self._asked is None or self._clock() - self._asked >= ASK_SECONDS:
                self._asked = self._clock()
                self._seconds = self._ask()
            return self._seconds

    def _ask(self) -> float | None:
        end = datetime.fromtimestamp(self._wall_clock(), UTC)
        try:
            found = self._client.get_metric_statistics(
                Namespace="AWS/Lambda",
                MetricName="IteratorAge",
                Dimensions=[{"Name": "FunctionName", "Value": self._function}],
                StartTime=end - timedelta(seconds=WINDOW_SECONDS),
                EndTime=end,
                Period=60,
                Statistics=["Maximum"],
            )["Datapoints"]
        except (ClientError, BotoCoreError) as error:
            self.problem = str(error)
            return None
        self.problem = None
        newest = max(found, key=lambda each: each["Timestamp"], default=None)
        return None if newest is None else float(newest["Maximum"]) / 1_000
