"""Promises of the local parts: the SDK finds them and nothing else, and they leave nothing behind."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from dynapinot.errors import CommandError
from dynapinot.local.services import embedded_services


def test_the_environment_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://192.0.2.1")
    before, level = dict(os.environ), logging.getLogger("werkzeug").level
    with embedded_services() as services:
        assert "AWS_PROFILE" not in os.environ
        assert "AWS_ENDPOINT_URL_KINESIS" not in os.environ
        assert os.environ["AWS_ENDPOINT_URL"] == services.kinesis.meta.endpoint_url
        os.environ["LEFT_BEHIND"] = "1"
    assert dict(os.environ) == before
    assert logging.getLogger("werkzeug").level == level


def test_without_moto_the_extra_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "moto.server", None)
    with pytest.raises(CommandError, match=r"moto's server, which is not .*\. Install dynapinot\[demo\], or"):
        embedded_services().__enter__()


def test_services_start_empty_and_do_not_share_a_port():
    with embedded_services() as first:
        first.kinesis.create_stream(StreamName="s", ShardCount=1)
        endpoint = first.kinesis.meta.endpoint_url
        with embedded_services() as second:
            assert second.kinesis.meta.endpoint_url != endpoint
    with embedded_services() as third:
        assert third.kinesis.list_streams()["StreamNames"] == []


def test_a_service_that_runs_elsewhere_is_the_one_that_is_called():
    elsewhere = {"AWS_ENDPOINT_URL_KINESIS": "http://192.0.2.1"}
    with embedded_services(elsewhere=elsewhere) as services:
        assert services.kinesis.meta.endpoint_url == "http://192.0.2.1"
        assert services.s3.meta.endpoint_url.startswith("http://127.0.0.1:")
