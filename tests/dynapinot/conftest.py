from __future__ import annotations

import pytest

from dynapinot.defaults import MEETUPS_TABLE
from dynapinot.demo.meetups import create_meetups_table
from dynapinot.local.services import embedded_services


@pytest.fixture
def services():
    """The embedded services, on a port of their own, for one test; the SDK's environment is theirs meanwhile."""
    with embedded_services() as running:
        yield running


@pytest.fixture
def meetups_stream(services):
    """The ARN of the stream of the seed's DynamoDB table."""
    return create_meetups_table(services.dynamodb, MEETUPS_TABLE)
