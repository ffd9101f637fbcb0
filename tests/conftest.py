"""What holds for all tests."""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from functools import partialmethod
from pathlib import Path

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with something else is no bug: examples are bounded in number, not in time.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


# They go over the same lines ten thousands of times, at thrice the cost while lines are counted. What only they reach
# counts as not covered, so the threshold is no easier to reach.
UNCOUNTED = [Path(__file__).parent / name for name in ("faults", "hostile")]


def pytest_itemcollected(item):
    if any(item.path.is_relative_to(folder) for folder in UNCOUNTED):
        item.add_marker("no_cover")


@pytest.fixture(scope="session", autouse=True)
def sdk_models_are_read_once():
    """A session of the SDK's reads its models of the services anew, which is half of what a client takes to be made.

    Here those of a process share what they read, and what the SDK's clients change in it as they do within a session;
    where each looks for it stays its own.
    """
    make, known = botocore.session.create_loader, defaultdict(dict)

    def make_with_the_known(search_path=None):
        loader = make(search_path)
        loader._cache = known[search_path]
        return loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", make_with_the_known)
        yield


@pytest.fixture(scope="session", autouse=True)
def embedded_servers_end_at_once():
    """A server looks twice a second whether it shall end, and so a test would wait for each that it had started."""
    from werkzeug.serving import BaseWSGIServer  # noqa: PLC0415  # which not every process has loaded otherwise

    with pytest.MonkeyPatch.context() as patch:
        looks_often = partialmethod(BaseWSGIServer.serve_forever, poll_interval=0.02)
        patch.setattr(BaseWSGIServer, "serve_forever", looks_often)
        yield


@pytest.fixture(autouse=True)
def no_start_of_an_earlier_test():
    """The SDK's session and what a start does to the garbage collector last as long as the process; a test does not."""
    yield
    gc.enable()  # a start that fails leaves it off
    gc.unfreeze()
    if clients := sys.modules.get("handlers.clients"):
        clients.session.cache_clear()
