"""How long a function may work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

TIME_FOR_WORK: Final = 0.75  # of the function's remaining time; the rest is for the last request and the response


def time_for_work(context: Any) -> Callable[[], float]:  # noqa: ANN401  # the runtime's own
    """Return the function that returns the seconds left for work, by an invocation's context."""
    return seconds_from_now(context.get_remaining_time_in_millis() / 1000 * TIME_FOR_WORK)


def seconds_from_now(seconds: float) -> Callable[[], float]:
    """Return the function that returns how many of these seconds are left."""
    deadline = time.monotonic() + seconds
    return lambda: deadline - time.monotonic()
