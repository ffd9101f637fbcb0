"""Settings and fixtures of all tests."""

from __future__ import annotations

import gc
import sys

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is not a bug: the number of examples is limited, not their time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def no_start_of_an_earlier_test():
    """Reset the SDK's session and the garbage collector: a start of the function changes them for the whole process."""
    yield
    gc.enable()  # a failed start leaves it disabled
    gc.unfreeze()
    if clients := sys.modules.get("handlers.clients"):
        clients.session.cache_clear()
