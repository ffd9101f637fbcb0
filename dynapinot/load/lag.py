"""The live path's lag, for several threads, and where CloudWatch may not be asked or does not answer."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from botocore.exceptions import BotoCoreError, ClientError

from handlers.lag import KEPT_SECONDS


class Lag:
    """Returns what ``read``, a ``handlers.lag.LagReader``, does; None for 30 s after it failed: a load goes on without.

    ``problem`` says why it failed the last time, None if it did not.
    """

    def __init__(self, read: Callable[[], float | None], *, clock: Callable[[], float]) -> None:
        self.problem: str | None = None
        self._read = read
        self._clock = clock
        self._lock = Lock()
        self._failed: float | None = None

    def __call__(self) -> float | None:
        """Return the lag in seconds, None if it is not known."""
        with self._lock:
            if self._failed is not None and self._clock() - self._failed < KEPT_SECONDS:
                return None
            try:
                seconds = self._read()
            except (ClientError, BotoCoreError) as error:
                self.problem, self._failed = str(error), self._clock()
                return None
            self.problem = self._failed = None
            return seconds
