"""docs/seed.md says what was wrong with the recipe's table and what is different here: both are so."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SHIPPED, SEED = (
    {name: json.loads((folder / f"{name}.json").read_text()) for name in ("schema", "table")}
    for folder in (
        ROOT / "examples" / "meetups" / "tables" / "pinot_dynamo_ingestion",
        ROOT / "tests" / "tables" / "seed" / "pinot_dynamo_ingestion",
    )
)


def stream(files):
    table = files["table"]
    ingestion = table["ingestionConfig"].get("streamIngestionConfig")
    return ingestion["streamConfigMaps"][0] if ingestion else table["tableIndexConfig"]["streamConfigs"]


def column(files, name):
    kinds = ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
    return next(spec for kind in kinds for spec in files["schema"][kind] if spec["name"] == name)


def facts(files):
    upsert, segments = files["table"]["upsertConfig"], files["table"]["segmentsConfig"]
    return {
        "mode": upsert["mode"],
        "primary key": files["schema"]["primaryKeyColumns"],
        "decoder": stream(files)["stream.kinesis.decoder.class.name"].rpartition(".")[2],
        "is_delete is computed": "transformFunction" in column(files, "is_delete"),
        "location is computed in the schema": "transformFunction" in column(files, "location"),
        "retention": segments.get("retentionTimeValue"),
        "shardIteratorType": stream(files).get("shardIteratorType"),
        "snapshot and preload": (upsert.get("snapshot"), upsert.get("preload")),
        "consistencyMode": upsert.get("consistencyMode"),
        "obsolete settings": sorted(segments.keys() & {"schemaName", "timeType"}),
        "access keys": sorted(stream(files).keys() & {"accessKey", "secretKey"}),
        "old place of the stream": "streamConfigs" in files["table"]["tableIndexConfig"],
        "column based null handling": files["schema"].get("enableColumnBasedNullHandling", False),
    }


def test_the_recipes_table_is_as_the_page_says():
    assert facts(SEED) == {
        "mode": "PARTIAL",
        "primary key": ["meetup_id"],
        "decoder": "DynamoDbMessageDecoder",
        "is_delete is computed": True,
        "location is computed in the schema": True,
        "retention": "7",
        "shardIteratorType": "AFTER_SEQUENCE_NUMBER",
        "snapshot and preload": (None, None),
        "consistencyMode": None,
        "obsolete settings": ["schemaName", "timeType"],
        "access keys": ["accessKey", "secretKey"],
        "old place of the stream": True,
        "column based null handling": False,
    }


def test_the_shipped_table_is_as_the_page_says():
    assert facts(SHIPPED) == {
        "mode": "FULL",
        "primary key": ["meetup_id", "mtime"],
        "decoder": "JSONMessageDecoder",
        "is_delete is computed": False,
        "location is computed in the schema": False,
        "retention": None,
        "shardIteratorType": None,
        "snapshot and preload": ("ENABLE", "ENABLE"),
        "consistencyMode": "SYNC",
        "obsolete settings": [],
        "access keys": [],
        "old place of the stream": False,
        "column based null handling": True,
    }


def test_both_tables_have_the_same_columns_of_the_same_types():
    def columns(files):
        kinds = ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
        return [(spec["name"], spec["dataType"]) for kind in kinds for spec in files["schema"][kind]]

    assert columns(SHIPPED) == columns(SEED)


def test_the_location_is_computed_by_the_recipes_own_expression():
    (transform,) = SHIPPED["table"]["ingestionConfig"]["transformConfigs"]
    assert transform["columnName"] == "location"
    assert transform["transformFunction"] == column(SEED, "location")["transformFunction"]
