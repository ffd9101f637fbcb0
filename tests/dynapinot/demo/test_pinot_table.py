"""Promises of the demo's Pinot table: a copy of the seed's, alone, and under other names if that is asked for."""

from __future__ import annotations

import json
import shutil

import pytest

from dynapinot.defaults import DEMO_TABLES
from dynapinot.demo.pinot_table import PINOT_TABLE, seed_tables, stream_config
from dynapinot.errors import CommandError
from dynapinot.local.services import embedded_services


def test_the_seed_s_table_is_copied_without_the_others(tmp_path):
    shipped = tmp_path / "tables"
    for name in (PINOT_TABLE, "another"):
        folder = shipped / name
        folder.mkdir(parents=True)
        for file in (DEMO_TABLES / PINOT_TABLE).iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    with seed_tables(shipped) as files:
        assert [each.name for each in files.folder.iterdir()] == [PINOT_TABLE]
        assert files.stream == "pinot-ingestion-stream"
        assert files.upsert_table.name == PINOT_TABLE
    assert not files.folder.exists()


def test_a_missing_seed_table_is_an_error(tmp_path):
    with pytest.raises(CommandError, match="there is no folder"), seed_tables(tmp_path):
        pass


def test_a_suffix_gives_the_table_its_schema_and_its_stream_names_of_their_own():
    with seed_tables(suffix="mine") as files:
        folder = files.folder / PINOT_TABLE
        schema, config = (json.loads((folder / f"{name}.json").read_text()) for name in ("schema", "table"))
    name = f"{PINOT_TABLE}_mine"
    assert (files.upsert_table.name, files.stream) == (name, "pinot-ingestion-stream-mine")
    assert (schema["schemaName"], config["tableName"]) == (name, name)
    assert stream_config(config)["stream.kinesis.topic.name"] == "pinot-ingestion-stream-mine"


@pytest.mark.parametrize(
    "config",
    [
        {"ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [{"region": "r"}]}}},
        {"tableIndexConfig": {"streamConfigs": {"region": "r"}}, "ingestionConfig": {"transformConfigs": []}},
    ],
)
def test_the_settings_of_the_stream_are_found_in_both_places_pinot_reads(config):
    assert stream_config(config) == {"region": "r"}


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("table.json", '{"tableName": "t", "upsertConfig": {"mode": "NONE"}}', "upsertConfig.mode"),
        ("schema.json", "{", "Expecting property name"),
        ("table.json", None, "No such file"),
    ],
)
def test_a_seed_table_that_cannot_be_used_is_an_error(tmp_path, file, text, said):
    shutil.copytree(DEMO_TABLES / PINOT_TABLE, tmp_path / PINOT_TABLE)
    path = tmp_path / PINOT_TABLE / file
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(CommandError, match=said), seed_tables(tmp_path):
        pass


def test_a_stream_of_another_region_is_made_there(tmp_path):
    shutil.copytree(DEMO_TABLES / PINOT_TABLE, tmp_path / PINOT_TABLE)
    path = tmp_path / PINOT_TABLE / "table.json"
    path.write_text(path.read_text().replace('"us-east-1"', '"eu-west-1"'))
    with seed_tables(tmp_path) as files, embedded_services(files.region) as services:
        services.kinesis.create_stream(StreamName=files.stream, ShardCount=1)
        stream = services.kinesis.describe_stream_summary(StreamName=files.stream)["StreamDescriptionSummary"]
        assert ":eu-west-1:" in stream["StreamARN"]
