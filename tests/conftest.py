"""What holds for all tests."""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else is no bug: examples are bounded in number, not in time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def no_client_of_an_earlier_test():
    """The SDK's session lasts as long as the process; a test's world does not."""
    yield
    if clients := sys.modules.get("handlers.clients"):
        clients.session.cache_clear()
