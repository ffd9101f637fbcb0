"""How long a function may go on with its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

TIME_FOR_WORK: Final = 0.75  # of what is left of the function's time; the rest is for the last request and the report


def time_for_work(context: Any) -> Callable[[], float]:  # noqa: ANN401  # the runtime's own
    """Give the function that tells the seconds that are left for work, by an invocation's context."""
    return seconds_from_now(context.get_remaining_time_in_millis() / 1000 * TIME_FOR_WORK)


def seconds_from_now(seconds: float) -> Callable[[], float]:
    """Give the function that tells the seconds that are left of so many."""
    deadline = time.monotonic() + seconds
    return lambda: deadline - time.monotonic()
