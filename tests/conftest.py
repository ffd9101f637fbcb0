"""Settings and fixtures of all tests."""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from functools import partialmethod
from pathlib import Path

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

# A busy machine is not a bug: the number of examples is limited, not their time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


# Tens of thousands of histories and events, which make test runs and make test-fast leaves out. They run the same lines
# again and again, and counting lines would triple their time: a line that only they reach counts as not covered.
SLOW = [Path(__file__).parent / name for name in ("faults", "hostile", "theorems", "limits/test_memory.py")]


def pytest_itemcollected(item):
    if any(item.path.is_relative_to(path) for path in SLOW):
        item.add_marker("slow")
        item.add_marker("no_cover")


@pytest.fixture(scope="session", autouse=True)
def read_sdk_models_once():
    """Each session of the SDK reads the service models again, which is half the cost of a client.

    Here the sessions of a process share the models they read. Each keeps its own search path.
    """
    make, known = botocore.session.create_loader, defaultdict(dict)

    def make_with_known(search_path=None):
        loader = make(search_path)
        loader._cache = known[search_path]
        return loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", make_with_known)
        yield


@pytest.fixture(scope="session", autouse=True)
def stop_embedded_servers_at_once():
    """An embedded server checks twice a second whether to stop. Tests would wait for each server that they started."""
    from werkzeug.serving import BaseWSGIServer  # noqa: PLC0415  # which not every process has loaded otherwise

    with pytest.MonkeyPatch.context() as patch:
        checks_often = partialmethod(BaseWSGIServer.serve_forever, poll_interval=0.02)
        patch.setattr(BaseWSGIServer, "serve_forever", checks_often)
        yield


@pytest.fixture(autouse=True)
def no_start_of_an_earlier_test():
    """Reset the SDK's session and the garbage collector: a start of the function changes them for the whole process."""
    yield
    gc.enable()  # a failed start leaves it disabled
    gc.unfreeze()
    if clients := sys.modules.get("handlers.clients"):
        clients.session.cache_clear()
