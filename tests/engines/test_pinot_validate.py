"""Pinot accepts the repository's tables, and the adapter has findings for tables that Pinot refuses."""

from __future__ import annotations

import pytest

from dynapinot.doctor import pinot_validators, table_creation
from engines.feed import COMPLETE, read_folder
from engines.pinot_engine import ROOT, EngineError
from files import REMOVED, SCHEMA, read, with_column, with_setting
from pinot.errors import Findings, TableError
from validators import REFUSED_BY_VALIDATORS, TAKEN_BY_VALIDATORS

pytestmark = pytest.mark.engines

FOLDERS = sorted(
    path.parent
    for pattern in ("tests/tables/*/*", "examples/*/tables/*")
    for path in ROOT.glob(f"{pattern}/schema.json")
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_pinot_accepts_every_table_of_the_repository(pinot, folder):
    """It accepts the seed's too: Pinot reports neither PARTIAL nor the decoder nor the retention as an error."""
    schema, config, _ = read_folder(folder)
    pinot.validate(schema, config)


def test_pinot_accepts_the_table_from_which_the_invalid_ones_are_made_and_it_has_no_findings(pinot):
    pinot.validate(SCHEMA, COMPLETE)
    assert read(SCHEMA, COMPLETE)[1] == ()


STREAM = "ingestionConfig.streamIngestionConfig.streamConfigMaps"
ONE_STREAM = COMPLETE["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"][0]
STAR_TREE = {"dimensionsSplitOrder": ["name"], "functionColumnPairs": ["COUNT__*"], "maxLeafRecords": 1}
TIER = {
    "name": "old",
    "segmentSelectorType": "time",
    "segmentAge": "3d",
    "storageType": "pinot_server",
    "serverTag": "x_REALTIME",
}
ASSIGNMENT = {"tagPoolConfig": {"tag": "x_REALTIME"}, "replicaGroupPartitionConfig": {"replicaGroupBased": True}}

CONFIGS = [
    # setting, value, Pinot's message
    ("tableIndexConfig.starTreeIndexConfigs", [STAR_TREE], "The upsert table cannot have star-tree index"),
    ("tableIndexConfig.enableDefaultStarTree", True, "The upsert table cannot have star-tree index"),
    ("tableIndexConfig.aggregateMetrics", True, "Metrics aggregation and upsert cannot be enabled together"),
    (
        "ingestionConfig.aggregationConfigs",
        [{"columnName": "price", "aggregationFunction": "SUM(price)"}],
        "Aggregated column: price must be a no-dictionary column",
    ),
    ("tierConfigs", [], "The upsert table cannot have multi-tiers"),
    ("tierConfigs", [TIER], "The upsert table cannot have multi-tiers"),
    (
        "instanceAssignmentConfigMap",
        {"COMPLETED": ASSIGNMENT},
        "COMPLETED instance partitions can't be configured for upsert / dedup tables",
    ),
    ("tenants.tagOverrideConfig", {"realtimeConsuming": "x_REALTIME"}, "Invalid tenant tag override used for Upsert"),
    ("tenants.tagOverrideConfig", {"realtimeCompleted": "x_REALTIME"}, "Invalid tenant tag override used for Upsert"),
    ("dedupConfig", {"dedupEnabled": True}, "either Upsert or Dedup enabled, but not both"),
    ("routing", REMOVED, "must use strict replica-group (i.e. strictReplicaGroup) based routing"),
    ("routing.instanceSelectorType", "balanced", "must use strict replica-group (i.e. strictReplicaGroup)"),
    ("upsertConfig.comparisonColumns", ["nix"], "The comparison column does not exist on schema"),
    ("upsertConfig.consistencyMode", "NIX", "not one of the values accepted for Enum class"),
    ("upsertConfig.dropOutOfOrderRecord", True, "dropOutOfOrderRecord cannot be enabled when consistencyMode is SYNC"),
    (
        "upsertConfig",
        {
            **{name: value for name, value in COMPLETE["upsertConfig"].items() if name != "consistencyMode"},
            "dropOutOfOrderRecord": True,
            "outOfOrderRecordColumn": "deleted",
        },
        "outOfOrderRecordColumn and dropOutOfOrderRecord shouldn't exist together",
    ),
    (
        "upsertConfig.outOfOrderRecordColumn",
        "deleted",
        "outOfOrderRecordColumn cannot be configured when consistencyMode is SYNC",
    ),
    ("upsertConfig.deleteRecordColumn", "nix", "specified in deleteRecordColumn does not exist"),
    ("segmentsConfig.timeColumnName", REMOVED, "'timeColumnName' cannot be null in REALTIME table config"),
    ("segmentsConfig.timeColumnName", "nix", "Cannot find valid fieldSpec for timeColumn: nix"),
    ("segmentsConfig.timeColumnName", "price", "Cannot find valid fieldSpec for timeColumn: price"),
    (STREAM, [], "Must have at least 1 stream in REALTIME table"),
    (STREAM, [ONE_STREAM, ONE_STREAM], "Multiple stream configs are not supported for upsert table"),
    ((*STREAM.split("."), "0", "streamType"), REMOVED, "streamType cannot be null"),
    ((*STREAM.split("."), "0", "stream.kinesis.topic.name"), REMOVED, "Stream topic name"),
    ((*STREAM.split("."), "0", "stream.kinesis.decoder.class.name"), REMOVED, "Must specify decoder class name"),
    (
        "ingestionConfig.transformConfigs",
        [{"columnName": "nix", "transformFunction": "upper(name)"}],
        "The destination column 'nix' of the transform function must be present in the schema",
    ),
]
SCHEMAS = [
    (with_column("v", "JSON", singleValueField=False), "JSON columns cannot be of multi-value type"),
    (with_column("v", "BIG_DECIMAL", singleValueField=False), "BIG_DECIMAL columns cannot be of multi-value type"),
    (with_column("v", "MAP"), "Unsupported dimension/time data type: MAP"),
    (with_column("v", "STRUCT"), "Unsupported dimension/time data type: STRUCT"),
    (with_column("v", "NIX"), "not one of the values accepted for Enum class"),
    (with_column("a b", "STRING"), "should not contain blank space"),
    (with_column("name", "STRING"), "Field spec already exists for column: name"),
    (with_column("v", "LONG", format="EPOCH|NIX", granularity="1:DAYS"), "Invalid time unit: NIX"),
    (with_column("v", "STRING", maxLengthExceedStrategy="NIX"), "not one of the values accepted for Enum class"),
    (with_setting(SCHEMA, "primaryKeyColumns", []), "must have primary key columns in the schema"),
    (with_setting(SCHEMA, "primaryKeyColumns", ["nix"]), "The primary key column must exist"),
    (
        with_setting(with_column("k", "STRING", singleValueField=False), "primaryKeyColumns", ["k"]),
        "Upsert/Dedup primary key column: k cannot be of multi-value type",
    ),
]
TEXT_VERSION = with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["name"])
TOGETHER = [
    (
        SCHEMA,
        with_setting(TEXT_VERSION, "upsertConfig.deletedKeysTTL", 1),
        "must have comparison column: name in numeric type, found: STRING",
    ),
    (
        with_setting(SCHEMA, "enableColumnBasedNullHandling", value=False),
        with_setting(COMPLETE, "upsertConfig.mode", "PARTIAL"),
        "Null handling must be enabled for partial upsert tables",
    ),
]
REFUSED = [
    *((SCHEMA, with_setting(COMPLETE, setting, value), says) for setting, value, says in CONFIGS),
    *((schema, COMPLETE, says) for schema, says in SCHEMAS),
    *TOGETHER,
]


@pytest.mark.parametrize(("schema", "config", "says"), REFUSED)
def test_tables_that_pinot_refuses_have_findings(pinot, schema, config, says):
    with pytest.raises(EngineError) as refusal:
        pinot.validate(schema, config)
    assert says in str(refusal.value)
    assert findings(schema, config)


def findings(schema, config):
    try:
        return read(schema, config)[1]
    except TableError as error:
        return error.findings


# The adapter does not look at these: it makes right rows. Doctor does.
UNSEEN = [
    (SCHEMA, with_setting(COMPLETE, "tenants", REMOVED), "Missing required creator property 'tenants'"),
    (
        SCHEMA,
        with_setting(COMPLETE, "tableIndexConfig", REMOVED),
        "Missing required creator property 'tableIndexConfig",
    ),
    (SCHEMA, with_setting(COMPLETE, "tableName", "a b"), "containing space is not allowed"),
    (SCHEMA, with_setting(COMPLETE, "tableName", "a.b.c"), "containing more than one '.' is not allowed"),
]


@pytest.mark.parametrize(("schema", "config", "says"), UNSEEN)
def test_what_has_no_part_in_making_rows_is_found_by_doctor(pinot, schema, config, says):
    with pytest.raises(EngineError) as refusal:
        pinot.validate(schema, config)
    assert says in str(refusal.value)
    assert doctors_findings(schema, config)


@pytest.mark.parametrize(("schema", "config"), REFUSED_BY_VALIDATORS)
def test_what_doctor_says_pinot_refuses_it_does_refuse(pinot, schema, config):
    with pytest.raises(EngineError):
        pinot.validate(schema, config)
    assert doctors_findings(schema, config)


@pytest.mark.parametrize(("schema", "config"), TAKEN_BY_VALIDATORS)
def test_what_doctor_is_silent_about_pinot_takes(pinot, schema, config):
    pinot.validate(schema, config)
    assert doctors_findings(schema, config) == []


def doctors_findings(schema, config):
    """What doctor says of what Pinot refuses."""
    in_schema, in_config = Findings("schema.json"), Findings("table.json")
    pinot_validators.look_at_schema(schema, in_schema)
    pinot_validators.look_at_config(schema, config, in_config)
    table_creation.look_at_config(with_consumer(config), in_config)
    return [*in_schema.found, *in_config.found]


def with_consumer(config):
    """The config with what the others here leave to Pinot's default, of which doctor would warn."""
    setting = (*STREAM.split("."), "0", table_creation.FACTORY)
    return with_setting(config, setting, table_creation.KINESIS_FACTORY)


def test_a_table_type_that_is_missing_is_left_to_pinot(pinot):
    with pytest.raises(EngineError, match="Missing required creator property 'tableType'"):
        pinot.validate(SCHEMA, with_setting(COMPLETE, "tableType", REMOVED))


ACCEPTED = [
    ("routing.instanceSelectorType", "multiStageReplicaGroup"),
    ("routing.instanceSelectorType", "STRICTREPLICAGROUP"),
    ("upsertConfig.deletedKeysTTL", 3_600_000),
    ("upsertConfig.metadataTTL", 3_600_000),
    ("upsertConfig.mode", "PARTIAL"),
    ("upsertConfig.consistencyMode", "NONE"),
    ("upsertConfig.comparisonColumns", ["changed", "price"]),
    ("upsertConfig.deleteRecordColumn", "price"),
    ("tableIndexConfig.sortedColumn", ["name"]),
    ("segmentsConfig.retentionTimeValue", "7"),
    ("ingestionConfig.transformConfigs", [{"columnName": "price", "transformFunction": "name = 'x'"}]),
    ((*STREAM.split("."), "0", "shardIteratorType"), "AFTER_SEQUENCE_NUMBER"),
    ((*STREAM.split("."), "0", "no.such.setting"), "1"),
    ((*STREAM.split("."), "0", "region"), REMOVED),
]


@pytest.mark.parametrize(("setting", "value"), ACCEPTED)
def test_pinot_accepts_settings_that_break_replication(pinot, setting, value):
    pinot.validate(SCHEMA, with_setting(COMPLETE, setting, value))


@pytest.mark.parametrize("data_type", ["FLOAT", "JSON", "BYTES", "BOOLEAN", "DOUBLE"])
def test_pinot_accepts_a_primary_key_of_any_type(pinot, data_type):
    pinot.validate(with_setting(with_column("k", data_type), "primaryKeyColumns", ["k"]), COMPLETE)
