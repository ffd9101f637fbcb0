"""How long a function may work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

TIME_FOR_WORK: Final = 0.75  # of the function's remaining time; the rest is for the last request and the response
TIME_FOR_ROWS: Final = 0.7  # so that dead letters, which are stored after the rows, have time to begin


def time_for_work(context: Any, share: float = TIME_FOR_WORK) -> Callable[[], float]:  # noqa: ANN401  # the runtime's own
    """Return the function that returns the seconds left for work, by an invocation's context.

    ``share`` is how much of the invocation's remaining time that is.
    """
    return seconds_from_now(context.get_remaining_time_in_millis() / 1000 * share)


def seconds_from_now(seconds: float) -> Callable[[], float]:
    """Return the function that returns how many of these seconds are left."""
    deadline = time.monotonic() + seconds
    return lambda: deadline - time.monotonic()
