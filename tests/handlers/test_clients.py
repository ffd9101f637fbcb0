"""The clients: what they send, and that their service models are the SDK's."""

from __future__ import annotations

import botocore.session
import pytest
from botocore.exceptions import DataNotFoundError
from botocore.loaders import create_loader

from files import table
from handlers import clients
from kinesis_endpoint import kinesis_endpoint
from publisher.entry import Entry
from publisher.order import Limits


@pytest.fixture
def environment(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


MODELS = [
    *((service, model) for service in ("dynamodb", "kinesis", "s3") for model in ("paginators-1", "waiters-2")),
    *((service, "service-2") for service in ("dynamodb", "kinesis", "s3", "sts", "sso", "sso-oidc")),
    *((service, "endpoint-rule-set-1") for service in ("dynamodb", "kinesis", "s3", "sts", "sso", "sso-oidc")),
]


@pytest.mark.parametrize(("service", "model"), MODELS)
def test_the_service_models_are_the_sdks_own(service, model):
    ours, its = (
        loader.load_service_model(service, model)
        for loader in (clients.session().get_component("data_loader"), create_loader())
    )
    assert ours == its


def test_custom_service_models_are_found(environment, tmp_path):
    own = tmp_path / "mine" / "2024-01-01"
    own.mkdir(parents=True)
    (own / "service-2.json").write_text('{"metadata": {}}')
    environment.setenv("AWS_DATA_PATH", str(tmp_path))
    loader = clients.session().get_component("data_loader")
    assert loader.load_service_model("mine", "service-2") == {"metadata": {}}


def test_an_unknown_model_is_not_found():
    with pytest.raises(DataNotFoundError):
        clients.session().get_component("data_loader").load_data("nothing/of/the/kind")


def test_a_client_follows_the_environment_and_sends_the_sdks_user_agent(environment):
    one = table()
    with kinesis_endpoint() as service:
        environment.setenv("AWS_ENDPOINT_URL_KINESIS", service.url)
        streams = clients.streams([one], Limits())
        published = streams.publish_within(lambda: 60.0)(one.target, [Entry("a", b"1", 0)])
    assert published.first_unpublished is None
    (request,) = service.requests
    assert request.json == {"StreamName": one.stream, "Records": [{"Data": "MQ==", "PartitionKey": "a"}]}
    assert request.headers["user-agent"].startswith(
        botocore.session.get_session().user_agent()
    )  # Powertools adds to it
    assert f"/{one.region}/kinesis/aws4_request" in request.headers["authorization"]
    assert streams.senders[one.target].shards == 1


def test_the_clients_share_a_session_and_their_timeouts(environment):
    made = [clients.s3(), clients.dynamodb(), clients.kinesis_for_reading("eu-west-1")]
    assert clients.session() is clients.session()
    timeouts = [(client.meta.config.connect_timeout, client.meta.config.read_timeout) for client in made]
    assert timeouts == [(1, 4)] * 3
    attempts = [client.meta.config.retries for client in made]
    assert attempts == [{"mode": "standard", "total_max_attempts": number} for number in (2, 2, 1)]
