"""The engines before Pinot, started once for each test process."""

from __future__ import annotations

import pytest

from engines.dynamodb_local import DynamoDBLocal
from engines.kinesalite import Kinesalite
from engines.pinot_engine import MissingToolError
from engines.replication import Engines


def _started(start):
    try:
        return start()
    except MissingToolError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def dynamodb_local():
    server = _started(DynamoDBLocal)
    yield server
    server.close()


@pytest.fixture(scope="session")
def kinesalite():
    server = _started(Kinesalite)
    yield server
    server.close()


@pytest.fixture(scope="session")
def engines(dynamodb_local, kinesalite, pinot):
    return Engines(dynamodb_local, kinesalite, pinot)
