from __future__ import annotations

import json

import pytest

from files import CONFIG, SCHEMA, with_setting

STREAM = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
FACTORY = "org.apache.pinot.plugin.stream.kinesis.KinesisConsumerFactory"


def whole(config):
    """A table config with what Pinot needs to make the table, and with what it is better off with."""
    config = with_setting(config, "tenants", {})
    config = with_setting(config, (*STREAM, "stream.kinesis.consumer.factory.class.name"), FACTORY)
    config = with_setting(config, "upsertConfig.snapshot", "ENABLE")
    return with_setting(config, "upsertConfig.preload", "ENABLE")


@pytest.fixture
def folder(tmp_path):
    """Write a table's folder, whole but for what is given, into a folder of tables of its own; give that."""

    def write(name="items", schema=SCHEMA, config=None, source=None):
        here = tmp_path / "tables" / name
        here.mkdir(parents=True)
        (here / "schema.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
        (here / "table.json").write_text(json.dumps(whole(CONFIG) if config is None else config))
        if source is not None:
            (here / "source.toml").write_text(source)
        return here.parent

    return write


@pytest.fixture(scope="session")
def whole_config():
    return whole(CONFIG)


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch):
    for name in ("PINOT_AUTH", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
