from __future__ import annotations

import botocore.client
import pytest
from moto import mock_aws

from deployment import SESSION, Deployment
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


@pytest.fixture
def aws(monkeypatch):
    """An AWS in which everything is deployed as template.yaml does."""
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
    monkeypatch.setattr("dynapinot.aws.boto3.Session", lambda: SESSION)
    with mock_aws():
        yield Deployment()


@pytest.fixture
def answer_instead(monkeypatch):
    """Let an operation answer, or refuse, by a function of its arguments."""
    make_call = botocore.client.BaseClient._make_api_call

    def install(operation, answer):
        def call(self, name, arguments):
            return answer(arguments) if name == operation else make_call(self, name, arguments)

        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)

    return install
