from __future__ import annotations

import pytest

from dynapinot import local, meetups


@pytest.fixture
def services():
    """The embedded services, on a port of their own, for one test; the SDK's environment is theirs meanwhile."""
    with local.embedded_services() as running:
        yield running


@pytest.fixture
def meetups_stream(services):
    """The ARN of the stream of the seed's DynamoDB table."""
    return local.create_meetups_table(services.dynamodb, meetups.TABLE)
