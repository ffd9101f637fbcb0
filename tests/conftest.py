"""What holds for all tests."""

from __future__ import annotations

import gc
import sys

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else is no bug: examples are bounded in number, not in time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def no_start_of_an_earlier_test():
    """The SDK's session and what a start does to the garbage collector last as long as the process; a test does not."""
    yield
    gc.enable()  # a start that fails leaves it off
    gc.unfreeze()
    if clients := sys.modules.get("handlers.clients"):
        clients.session.cache_clear()
