"""One engine for each test process: built once by the first process, and started once."""

from __future__ import annotations

import sys

import pytest

from engines.pinot_engine import Engine, MissingToolError, build
from engines.sources import dynamodb_local, engines, kinesalite  # noqa: F401  # fixtures


@pytest.fixture(scope="session")
def pinot():
    try:
        command = build()
    except MissingToolError as error:
        pytest.fail(str(error), pytrace=False)
    engine = Engine(command)
    yield engine
    engine.close()


@pytest.fixture(scope="session", autouse=True)
def _deep_documents():
    """Pinot allows JSON of 1,000 levels. Python's parser counts them as calls up to 3.11."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    yield
    sys.setrecursionlimit(limit)
