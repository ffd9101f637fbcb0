"""A table's files: what is read out of them, and how each mistake in them is told."""

from __future__ import annotations

import pytest

from files import CONFIG, REMOVED, SCHEMA, STREAM, read, table, with_column, with_setting
from pinot.compile import Files, compile_table
from pinot.errors import TableError

TRANSFORMS = "ingestionConfig.transformConfigs"


def findings(schema=SCHEMA, config=CONFIG, source=None):
    with pytest.raises(TableError) as caught:
        read(schema, config, source)
    assert all(finding.level == "error" for finding in caught.value.findings)
    assert all(finding.problem and finding.remedy for finding in caught.value.findings)
    return [(finding.file, finding.where) for finding in caught.value.findings]


def test_a_table_is_what_its_files_say():
    got, warnings = read()
    assert (got.name, got.stream, got.region, got.dynamodb_table, got.keep_ttl_deletes, warnings) == (
        *("items", "items-stream", "eu-west-1", None, False),
        (),
    )
    assert [(column.name, column.attribute, column.role) for column in got.columns] == [
        ("id", "id", "key"),
        ("name", "name", None),
        ("deleted", None, None),
        ("price", "price", None),
        ("changed", None, "comparison"),
    ]


OLD_PLACE = with_setting(with_setting(CONFIG, "ingestionConfig", REMOVED), "tableIndexConfig.streamConfigs", STREAM)


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        OLD_PLACE,
        {"REALTIME": CONFIG},
        {"REALTIME": OLD_PLACE},
        {"tableName": "items", "schema": SCHEMA, "realtime": CONFIG},
        with_setting(CONFIG, "tableName", "items_REALTIME"),
        with_setting(CONFIG, "tableIndexConfig.streamConfigs", {**STREAM, "stream.kinesis.topic.name": "stale"}),
        with_setting(
            with_setting(CONFIG, "ingestionConfig", REMOVED), "streamIngestionConfig.streamConfigMaps", [STREAM]
        ),
    ],
)
def test_every_place_and_wrapping_of_a_table_config_is_read(config):
    got = table(config=config)
    assert (got.name, got.stream, got.region) == ("items", "items-stream", "eu-west-1")


def test_a_wrapped_schema_is_read():
    assert table(schema={"schema": SCHEMA}).columns[0].name == "id"


@pytest.mark.parametrize("junk", [None, [], "text", 5, True])
def test_a_file_that_is_no_object_is_refused(junk):
    assert findings(schema=junk) == [("schema.json", "the file")]
    assert findings(config=junk) == [("table.json", "the file")]


def test_the_config_of_an_offline_table_is_refused():
    assert findings(config={"OFFLINE": CONFIG}) == [("table.json", "the file")]
    assert findings(config=with_setting(CONFIG, "tableType", "OFFLINE")) == [("table.json", "tableType")]


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        (with_column("x", "DECIMAL"), "column x"),
        (with_column("x", "MAP"), "column x"),
        (with_column("x", None), "column x"),
        (with_column("x", ["INT"]), "column x"),
        (with_column("x", "JSON", singleValueField=False), "column x"),
        (with_column("x", "BIG_DECIMAL", singleValueField=False), "column x"),
        (with_column("x", "INT", singleValueField="no"), "column x"),
        (with_column("x y", "INT"), "column x y"),
        (with_column("$segment", "INT"), "column $segment"),
        (with_column("x", "STRING", maxLength=0), "column x"),
        (with_column("x", "STRING", maxLength="many"), "column x"),
        (with_column("x", "STRING", maxLength=2**31), "column x"),
        (with_column("x", "STRING", maxLengthExceedStrategy="CUT"), "column x"),
        (with_column("x", "STRING", transformFunction=5), "column x"),
        (with_column("x", "LONG", format=""), "column x"),
        (with_column("name", "INT"), "column name"),
        (with_column("", "INT"), "dimensionFieldSpecs[3]"),
        (with_setting(SCHEMA, "dimensionFieldSpecs.1", "name"), "dimensionFieldSpecs[1]"),
        (with_setting(SCHEMA, "metricFieldSpecs", {}), "metricFieldSpecs"),
        (with_setting(SCHEMA, "timeFieldSpec", {"incomingGranularitySpec": {}}), "timeFieldSpec"),
        (with_setting(SCHEMA, "complexFieldSpecs", [{"name": "m"}]), "complexFieldSpecs"),
        (with_setting(SCHEMA, "primaryKeyColumns", REMOVED), "primaryKeyColumns"),
        (with_setting(SCHEMA, "primaryKeyColumns", []), "primaryKeyColumns"),
        (with_setting(SCHEMA, "primaryKeyColumns", "id"), "primaryKeyColumns"),
        (with_setting(SCHEMA, "primaryKeyColumns", ["nix"]), "primary key column nix"),
        (with_setting(SCHEMA, "dimensionFieldSpecs.0.singleValueField", False), "primary key column id"),
        (with_setting(SCHEMA, "dimensionFieldSpecs.0.transformFunction", "upper(name)"), "primary key column id"),
        (with_column("eventName", "JSON"), "column eventName"),
        (with_column("ApproximateCreationDateTime", "STRING"), "column ApproximateCreationDateTime"),
        (with_column("ApproximateCreationDateTime", "INT"), "column ApproximateCreationDateTime"),
        (
            with_column("ApproximateCreationDateTime", "LONG", format="SIMPLE_DATE_FORMAT|yyyyMMdd"),
            "column ApproximateCreationDateTime",
        ),
        (with_column("x", "LONG", format="EPOCH|SECONDS|0"), "column x"),
        (with_column("x", "LONG", format="1:FORTNIGHTS:EPOCH"), "column x"),
        (with_setting(SCHEMA, "dimensionFieldSpecs.0.dataType", "FLOAT"), "primary key column id"),
        (with_setting(SCHEMA, "dimensionFieldSpecs.1.transformFunction", "lower(id) <> 'a'"), "column name"),
        (with_setting(SCHEMA, "primaryKeyColumns", ["id", "deleted"]), "primary key column deleted"),
    ],
)
def test_a_mistake_in_the_schema_is_told_with_its_column(schema, where):
    assert findings(schema=schema) == [("schema.json", where)]


NEW_PLACE = "ingestionConfig.streamIngestionConfig.streamConfigMaps"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("tableName", REMOVED, "tableName"),
        ("ingestionConfig", REMOVED, NEW_PLACE),
        (NEW_PLACE, [], NEW_PLACE),
        (NEW_PLACE, [STREAM, STREAM], NEW_PLACE),
        (NEW_PLACE, ["stream"], NEW_PLACE),
        (f"{NEW_PLACE}.0.streamType", "kafka", f"{NEW_PLACE}.streamType"),
        ((*NEW_PLACE.split("."), "0", "stream.kinesis.topic.name"), "", f"{NEW_PLACE}.stream.kinesis.topic.name"),
        ("upsertConfig", REMOVED, "upsertConfig.mode"),
        ("upsertConfig.mode", "NONE", "upsertConfig.mode"),
        ("upsertConfig.mode", "full", "upsertConfig.mode"),
        ("upsertConfig.deleteRecordColumn", REMOVED, "upsertConfig.deleteRecordColumn"),
        ("upsertConfig.deleteRecordColumn", "nix", "upsertConfig.deleteRecordColumn"),
        ("upsertConfig.comparisonColumns", ["changed", "price"], "upsertConfig.comparisonColumns"),
        ("upsertConfig.comparisonColumns", "changed", "upsertConfig.comparisonColumns"),
        ("upsertConfig.comparisonColumns", ["nix"], "upsertConfig.comparisonColumns"),
        ("segmentsConfig.timeColumnName", REMOVED, "segmentsConfig.timeColumnName"),
        ("segmentsConfig.timeColumnName", "nix", "segmentsConfig.timeColumnName"),
        ("upsertConfig.comparisonColumns", ["SequenceNumber"], "upsertConfig.comparisonColumns"),
        ("upsertConfig.comparisonColumns", ["deleted"], "upsertConfig.comparisonColumns"),
        ("segmentsConfig.timeColumnName", "day", "segmentsConfig.timeColumnName"),
        (TRANSFORMS, {}, TRANSFORMS),
        (TRANSFORMS, [{"columnName": "name"}], f"{TRANSFORMS}[0]"),
        (TRANSFORMS, ["upper(name)"], f"{TRANSFORMS}[0]"),
        (TRANSFORMS, [{"columnName": "name", "transformFunction": "eventName = 'REMOVE'"}], TRANSFORMS),
        (TRANSFORMS, [{"columnName": "deleted", "transformFunction": "eventName = 'REMOVE'"}], TRANSFORMS),
    ],
)
def test_a_mistake_in_the_table_config_is_told_with_its_setting(path, value, where):
    if (path, value) == (TRANSFORMS, {}):
        value = {"columnName": "name"}
    schema = with_column("SequenceNumber", "STRING")
    day = {"name": "day", "dataType": "STRING", "format": "SIMPLE_DATE_FORMAT|yyyy-MM-dd"}
    schema["dateTimeFieldSpecs"].append(day)
    assert findings(schema, with_setting(CONFIG, path, value)) == [("table.json", where)]


def test_a_delete_column_of_several_values_is_refused():
    schema = with_setting(SCHEMA, "dimensionFieldSpecs.2.singleValueField", False)
    assert ("schema.json", "column deleted") in findings(schema=schema)


def test_a_delete_column_that_cannot_hold_a_flag_is_refused():
    schema = with_setting(SCHEMA, "dimensionFieldSpecs.2.dataType", "JSON")
    assert findings(schema=schema) == [("schema.json", "column deleted")]


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ({"dynamo_table": "x"}, "dynamo_table"),
        ({"dynamodb_table": ""}, "dynamodb_table"),
        ({"dynamodb_table": 5}, "dynamodb_table"),
        ({"ttl_deletes": "drop"}, "ttl_deletes"),
        ({"columns": []}, "columns"),
        ({"columns": {"name": 5}}, "columns.name"),
        ({"columns": {"name": ""}}, "columns.name"),
        ({"columns": {"name": "a..b"}}, "columns.name"),
        ({"columns": {"name": ".a"}}, "columns.name"),
        ({"columns": {"name": "a[x]"}}, "columns.name"),
        ({"columns": {"name": "[0].a"}}, "columns.name"),
        ({"columns": {"name": "$now"}}, "columns.name"),
        ({"columns": {"nix": "name"}}, "columns.nix"),
        ({"columns": {"price": "$event_name"}}, "columns.price"),
        ({"columns": {"price": "$rest"}}, "columns.price"),
        ({"columns": {"name": "$timestamp"}}, "columns.name"),
        ({"columns": {"name": "title", "when": {"a": "b"}}}, "columns.when"),
        ({"columns": {"id": "$event_id"}}, "columns.id"),
        ({"columns": {"id": "$rest"}}, "columns.id"),
        ({"columns": {"deleted": "archived"}}, "columns.deleted"),
        ({"columns": {"deleted": "$ttl_delete"}}, "columns.deleted"),
        ({"when": {}}, "when"),
        ({"when": "a"}, "when"),
        ({"when": {"a..b": "x"}}, "when.a..b"),
        ({"when": {"a": {}}}, "when.a"),
        ({"when": {"a": []}}, "when.a"),
        ({"when": {"a": {"starts_with": "x"}}}, "when.a.starts_with"),
        ({"when": {"a": {"begins_with": 5}}}, "when.a.begins_with"),
        ({"when": {"a": {"in": []}}}, "when.a.in"),
        ({"when": {"a": {"in": ["x", []]}}}, "when.a.in"),
        ({"when": {"a": {"exists": "yes"}}}, "when.a.exists"),
        ({"when": {"all": {"a": "x"}}}, "when.all"),
        ({"when": {"any": []}}, "when.any"),
        ({"when": {"any": [{"a": "x"}, "b"]}}, "when.any[1]"),
        ({"when": {"not": [{"a": "x"}]}}, "when.not"),
    ],
)
def test_a_mistake_in_source_toml_is_told_with_its_key(source, where):
    assert findings(source=source) == [("source.toml", where)]


def test_mapping_a_column_that_pinot_computes_is_refused():
    config = with_setting(CONFIG, TRANSFORMS, [{"columnName": "name", "transformFunction": "upper(id)"}])
    assert findings(config=config, source={"columns": {"name": "title"}}) == [("source.toml", "columns.name")]


def test_all_mistakes_of_a_file_are_told_at_once_each_with_its_remedy():
    schema = with_setting(with_column("x", "DECIMAL"), "primaryKeyColumns", [])
    with pytest.raises(TableError) as caught:
        read(schema)
    assert str(caught.value).splitlines() == [
        (
            "schema.json: column x: dataType 'DECIMAL' cannot be replicated. Use one of INT, LONG, FLOAT, DOUBLE, "
            "BIG_DECIMAL, BOOLEAN, TIMESTAMP, STRING, JSON, BYTES."
        ),
        (
            "schema.json: primaryKeyColumns: it names no column, and an upsert table needs a primary key. "
            "List the columns that identify an item; usually those of its partition key and sort key."
        ),
    ]


def warned(schema=SCHEMA, config=CONFIG, source=None):
    return [(finding.file, finding.where) for finding in read(schema, config, source)[1]]


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("upsertConfig.mode", "PARTIAL", "upsertConfig.mode"),
        ("upsertConfig.consistencyMode", REMOVED, "upsertConfig.consistencyMode"),
        ("upsertConfig.consistencyMode", "NONE", "upsertConfig.consistencyMode"),
        ("upsertConfig.dropOutOfOrderRecord", True, "upsertConfig.dropOutOfOrderRecord"),
        ("tableIndexConfig.jsonIndexColumns", ["name"], "tableIndexConfig.jsonIndexColumns"),
        ("upsertConfig.metadataTTL", 86400, "upsertConfig.metadataTTL"),
        ("upsertConfig.comparisonColumns", REMOVED, "upsertConfig.comparisonColumns"),
        ("upsertConfig.comparisonColumns", ["price"], "upsertConfig.comparisonColumns"),
        ("segmentsConfig.retentionTimeValue", "7", "segmentsConfig.retentionTimeValue"),
        ("segmentsConfig.timeColumnName", "name", "segmentsConfig.timeColumnName"),
        ("routing", REMOVED, "routing.instanceSelectorType"),
        (
            "ingestionConfig.filterConfig",
            {"filterFunction": "price < 0"},
            "ingestionConfig.filterConfig.filterFunction",
        ),
        (
            "ingestionConfig.complexTypeConfig",
            {"fieldsToUnnest": ["lines"]},
            "ingestionConfig.complexTypeConfig.fieldsToUnnest",
        ),
        (
            TRANSFORMS,
            [{"columnName": "changed", "transformFunction": "now()"}],
            "upsertConfig.comparisonColumns",
        ),
        ("tableIndexConfig.sortedColumn", ["name"], "tableIndexConfig.sortedColumn"),
        (
            "tableIndexConfig.starTreeIndexConfigs",
            [{"dimensionsSplitOrder": ["name"]}],
            "tableIndexConfig.starTreeIndexConfigs",
        ),
        ("tableIndexConfig.enableDefaultStarTree", True, "tableIndexConfig.enableDefaultStarTree"),
        ("tableIndexConfig.aggregateMetrics", True, "tableIndexConfig.aggregateMetrics"),
        ("ingestionConfig.aggregationConfigs", [{"columnName": "price"}], "ingestionConfig.aggregationConfigs"),
        ("tierConfigs", [], "tierConfigs"),
        ("instanceAssignmentConfigMap.COMPLETED", {}, "instanceAssignmentConfigMap.COMPLETED"),
        ("tenants.tagOverrideConfig", {"realtimeCompleted": "a_OFFLINE"}, "tenants.tagOverrideConfig"),
        ("dedupConfig.dedupEnabled", True, "dedupConfig.dedupEnabled"),
        ("upsertConfig.deletedKeysTTL", 86_399_999, "upsertConfig.deletedKeysTTL"),
        ("upsertConfig.hashFunction", "UUID", "upsertConfig.hashFunction"),
        ("routing.segmentPrunerTypes", ["PARTITION"], "routing.segmentPrunerTypes"),
        (
            "tableIndexConfig.segmentPartitionConfig",
            {"columnPartitionMap": {"id": {"functionName": "Murmur", "numPartitions": 2}}},
            "tableIndexConfig.segmentPartitionConfig",
        ),
        (
            "task.taskTypeConfigsMap.RealtimeToOfflineSegmentsTask",
            {"bucketTimePeriod": "1d"},
            "task.taskTypeConfigsMap.RealtimeToOfflineSegmentsTask",
        ),
        ("tableIndexConfig.aggregateMetrics", "true", "tableIndexConfig.aggregateMetrics"),
        (f"{NEW_PLACE}.0.accessKey", "AKIA", f"{NEW_PLACE}.accessKey"),
        (f"{NEW_PLACE}.0.secretKey", "s3cret", f"{NEW_PLACE}.secretKey"),
        (f"{NEW_PLACE}.0.maxRecordToFetch", "5", f"{NEW_PLACE}.maxRecordToFetch"),
        (
            (*NEW_PLACE.split("."), "0", "realtime.segment.offsetAutoReset.enable"),
            "true",
            f"{NEW_PLACE}.realtime.segment.offsetAutoReset.enable",
        ),
        (
            (*NEW_PLACE.split("."), "0", "stream.kinesis.decoder.prop.dynamodb.deleteColumnName"),
            "is_deleted",
            f"{NEW_PLACE}.stream.kinesis.decoder.prop.dynamodb.deleteColumnName",
        ),
        (f"{NEW_PLACE}.0.region", REMOVED, f"{NEW_PLACE}.region"),
        (f"{NEW_PLACE}.0.shardIteratorType", "LATEST", f"{NEW_PLACE}.shardIteratorType"),
        (TRANSFORMS, [{"columnName": "nix", "transformFunction": "upper(name)"}], TRANSFORMS),
        (
            TRANSFORMS,
            [{"columnName": "deleted", "transformFunction": "strcmp(eventName, 'REMOVE') = 0"}],
            "upsertConfig.deleteRecordColumn",
        ),
        (
            (*NEW_PLACE.split("."), "0", "stream.kinesis.decoder.class.name"),
            "ai.startree.pinot.plugin.inputformat.dynamodb.DynamoDbMessageDecoder",
            f"{NEW_PLACE}.stream.kinesis.decoder.class.name",
        ),
    ],
)
def test_what_pinot_refuses_or_takes_in_silence_is_warned_of(path, value, where):
    assert warned(config=with_setting(CONFIG, path, value)) == [("table.json", where)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tableType", "realtime"),
        ("upsertConfig.mode", REMOVED),
        ("upsertConfig.hashFunction", "MURMUR3"),
        ("routing.segmentPrunerTypes", ["time"]),
        ((*NEW_PLACE.split("."), "0", "stream.kinesis.decoder.class.name"), "a.kafka.KafkaJSONMessageDecoder"),
        (f"{NEW_PLACE}.0.accessKey", "${AWS_ACCESS_KEY_ID}"),
        (f"{NEW_PLACE}.0.region", "us-gov-west-1"),
        (f"{NEW_PLACE}.0.region", "eusc-de-east-1"),
        ("ingestionConfig.complexTypeConfig", {}),
        ("routing.instanceSelectorType", "STRICTREPLICAGROUP"),
        ("routing.instanceSelectorType", "multiStageReplicaGroup"),
        ("upsertConfig.consistencyMode", "SNAPSHOT"),
        ("upsertConfig.metadataTTL", 0.0),
        ("upsertConfig.deletedKeysTTL", 0.0),
        ("upsertConfig.deletedKeysTTL", 86_400_000),
        ("tableIndexConfig.starTreeIndexConfigs", []),
        ("tableIndexConfig.enableDefaultStarTree", False),
        ("tableIndexConfig.aggregateMetrics", False),
        ("instanceAssignmentConfigMap.CONSUMING", {}),
        ("tenants", {"server": "DefaultTenant", "tagOverrideConfig": {}}),
        ("dedupConfig.dedupEnabled", False),
        (f"{NEW_PLACE}.0.requests_per_second_limit", "5"),
        ((*NEW_PLACE.split("."), "0", "realtime.segment.flush.threshold.time"), "6h"),
        ((*NEW_PLACE.split("."), "0", "stream.kinesis.consumer.type"), "lowlevel"),
        ((*NEW_PLACE.split("."), "0", "stream.kinesis.decoder.prop.dynamodb.deleteColumnName"), "deleted"),
        ((*NEW_PLACE.split("."), "0", "stream.kinesis.decoder.prop.anything"), "nix"),
        (TRANSFORMS, [{"columnName": "name", "transformFunction": "jsonPathString(address, '$.city', '')"}]),
    ],
)
def test_what_pinot_takes_and_does_no_harm_is_not_warned_of(path, value):
    assert warned(config=with_setting(CONFIG, path, value)) == []


@pytest.mark.parametrize(
    ("schema", "expression"),
    [
        (SCHEMA, "CAST(amount AS DOUBLE)"),
        (SCHEMA, "name + 1"),
        (with_column("amount", "STRING"), "CAST(amount AS DOUBLE)"),
        (with_setting(SCHEMA, "metricFieldSpecs.0.transformFunction", "CAST(amount AS DOUBLE)"), None),
    ],
)
def test_an_expression_that_fails_on_some_text_is_warned_of_where_pinot_drops_the_row(schema, expression):
    config = with_setting(CONFIG, TRANSFORMS, [{"columnName": "price", "transformFunction": expression}])
    config = config if expression else CONFIG
    assert warned(schema, config) == [("table.json", "ingestionConfig.continueOnError")]
    for true in (True, "true"):
        assert warned(schema, with_setting(config, "ingestionConfig.continueOnError", true)) == []


def test_a_filter_that_fails_on_some_text_is_warned_of_too():
    config = with_setting(CONFIG, "ingestionConfig.filterConfig.filterFunction", "CAST(amount AS LONG) > 5")
    filter_setting = ("table.json", "ingestionConfig.filterConfig.filterFunction")
    assert warned(config=config) == [filter_setting, ("table.json", "ingestionConfig.continueOnError")]
    assert warned(config=with_setting(config, "ingestionConfig.continueOnError", True)) == [filter_setting]


@pytest.mark.parametrize("continues", [False, True])
def test_continue_on_error_does_not_help_where_the_order_is_computed(continues):
    config = with_setting(CONFIG, TRANSFORMS, [{"columnName": "changed", "transformFunction": "CAST(time AS LONG)"}])
    config = with_setting(config, "ingestionConfig.continueOnError", continues)
    assert warned(config=config) == [("table.json", "upsertConfig.comparisonColumns")] * 2


@pytest.mark.parametrize(
    "expression",
    ["CAST(price AS LONG)", "changed + 1", "strcmp(eventName, 'REMOVE') = 0", "fromEpochSeconds(SizeBytes)"],
)
def test_numbers_and_properties_of_the_change_are_no_texts(expression):
    schema = with_column("v", "LONG")
    assert (
        warned(schema, with_setting(CONFIG, TRANSFORMS, [{"columnName": "v", "transformFunction": expression}])) == []
    )


def test_partial_upserts_without_null_handling_are_told_as_what_pinot_refuses():
    schema = with_setting(SCHEMA, "enableColumnBasedNullHandling", False)
    _, warnings = read(schema, with_setting(CONFIG, "upsertConfig.mode", "PARTIAL"))
    assert [(each.where, each.problem) for each in warnings] == [
        ("upsertConfig.mode", "PARTIAL keeps the old value of an attribute that was removed from the item"),
        ("tableIndexConfig.nullHandlingEnabled", "null handling is off, and Pinot refuses the mode PARTIAL without it"),
    ]


def test_deletes_that_one_items_time_makes_pinot_forget_are_warned_of():
    config = with_setting(CONFIG, "upsertConfig.deletedKeysTTL", 10 * 86_400_000)
    source = {"columns": {"changed": "updated_at"}}
    assert warned(config=config, source=source) == [
        ("table.json", "upsertConfig.comparisonColumns"),  # its writers decide the order
        ("table.json", "upsertConfig.deletedKeysTTL"),
    ]


def test_a_ttl_of_deletes_counts_in_the_comparison_columns_unit():
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|SECONDS")
    assert warned(schema, with_setting(CONFIG, "upsertConfig.deletedKeysTTL", 86_400)) == []
    assert warned(schema, with_setting(CONFIG, "upsertConfig.deletedKeysTTL", 86_399)) == [
        ("table.json", "upsertConfig.deletedKeysTTL")
    ]


def test_an_expression_of_the_schema_that_the_config_overrides_does_not_matter():
    schema = with_setting(SCHEMA, "dimensionFieldSpecs.1.transformFunction", "id = 'a'")
    config = with_setting(CONFIG, TRANSFORMS, [{"columnName": "name", "transformFunction": "upper(id)"}])
    assert warned(schema, config) == []


def test_a_filter_that_compares_with_a_text_would_drop_every_row():
    config = with_setting(CONFIG, "ingestionConfig.filterConfig", {"filterFunction": "name = 'x'"})
    assert findings(config=config) == [("table.json", "ingestionConfig.filterConfig.filterFunction")]


def test_mistakes_in_all_three_files_are_told_at_once():
    schema = with_setting(SCHEMA, "primaryKeyColumns", [])
    config = with_setting(CONFIG, "tableName", "")
    assert findings(schema, config, {"ttl_deletes": "drop"}) == [
        ("schema.json", "primaryKeyColumns"),
        ("table.json", "tableName"),
        ("source.toml", "ttl_deletes"),
    ]


def test_errors_hide_no_warnings_from_who_wants_to_see_everything():
    config = with_setting(with_setting(CONFIG, "upsertConfig.mode", "PARTIAL"), "routing", REMOVED)
    table_, found = compile_table(SCHEMA, config, {"columns": {"nix": "name"}}, Files())
    assert table_ is None
    assert [(each.level, each.file, each.where) for each in found] == [
        ("warning", "table.json", "upsertConfig.mode"),
        ("warning", "table.json", "routing.instanceSelectorType"),
        ("error", "source.toml", "columns.nix"),
    ]


def test_a_schema_of_another_name_is_warned_of():
    assert warned(schema=with_setting(SCHEMA, "schemaName", "other")) == [("schema.json", "schemaName")]


def test_the_deprecated_singular_comparison_column_is_read():
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", REMOVED)
    config = with_setting(config, "upsertConfig.comparisonColumn", "changed")
    assert [column.name for column in table(config=config).columns if column.role == "comparison"] == ["changed"]


def test_null_handling_that_is_off_is_warned_of():
    schema = with_setting(SCHEMA, "enableColumnBasedNullHandling", False)
    assert warned(schema=schema) == [("table.json", "tableIndexConfig.nullHandlingEnabled")]
    assert warned(schema, with_setting(CONFIG, "tableIndexConfig.nullHandlingEnabled", True)) == []


def test_forgetting_deletes_by_a_text_is_warned_of():
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["version"])
    config = with_setting(config, "upsertConfig.deletedKeysTTL", 86400000)
    source = {"columns": {"version": "$version", "changed": "$timestamp"}}
    assert warned(with_column("version", "STRING"), config, source) == [("table.json", "upsertConfig.deletedKeysTTL")]


def test_a_primary_key_with_one_of_dynamodbs_own_names_is_the_items_attribute():
    schema = with_setting(with_column("eventID", "STRING"), "primaryKeyColumns", ["eventID"])
    assert [(column.name, column.attribute) for column in table(schema).primary_key] == [("eventID", "eventID")]


@pytest.mark.parametrize("prop", ["$table", "$region"])
def test_a_primary_key_may_hold_what_is_the_same_in_all_changes_of_an_item(prop):
    schema = with_setting(with_column("where", "STRING"), "primaryKeyColumns", ["where", "id"])
    assert [column.name for column in table(schema, source={"columns": {"where": prop}}).primary_key] == ["where", "id"]


@pytest.mark.parametrize("data_type", ["STRING", "FLOAT", "DOUBLE", "BIG_DECIMAL"])
def test_a_time_column_of_a_type_that_stops_pinots_commit_is_refused(data_type):
    schema = with_column("at", data_type, format="EPOCH|SECONDS", granularity="1:SECONDS")
    with pytest.raises(TableError) as caught:
        read(schema, with_setting(CONFIG, "segmentsConfig.timeColumnName", "at"))
    problem = f"column at is a {data_type}, of which Pinot cannot commit a segment"
    remedy = "Make it TIMESTAMP or LONG or INT"
    assert str(caught.value) == f"table.json: segmentsConfig.timeColumnName: {problem}. {remedy}."


def test_a_comparison_column_that_pinot_cannot_compare_is_refused():
    with pytest.raises(TableError, match="column at is a BYTES, which Pinot cannot compare: it drops every row"):
        read(with_column("at", "BYTES"), with_setting(CONFIG, "upsertConfig.comparisonColumns", ["at"]))


def test_a_primary_key_of_json_is_refused():
    schema = with_setting(with_column("k", "JSON"), "primaryKeyColumns", ["k"])
    with pytest.raises(TableError, match="primary key column k: Pinot writes JSON anew, so two texts"):
        read(schema)


def test_several_values_of_bytes_are_refused():
    with pytest.raises(TableError, match="column v: Pinot has no multi-value BYTES that works"):
        read(with_column("v", "BYTES", singleValueField=False))


def test_a_column_that_shows_a_default_for_what_is_not_there_is_warned_of():
    _, (warning,) = read(with_column("size", "LONG", notNull=True))
    assert str(warning) == (
        "schema.json: column size: notNull shows a default value, 0 or the text null, where an item has none. "
        "Remove notNull."
    )
    assert read(with_setting(SCHEMA, "dimensionFieldSpecs.0.notNull", True))[1] == ()  # a key is never null
    assert read(with_column("size", "LONG", notNull=False))[1] == ()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("ingestionConfig.rowTimeValueCheck", True), ("upsertConfig.outOfOrderRecordColumn", "name")],
)
def test_what_pinot_drops_or_writes_over_by_itself_is_warned_of(setting, value):
    _, (warning,) = read(config=with_setting(CONFIG, setting, value))
    assert warning.where == setting


def test_columns_that_differ_by_capitals_alone_are_warned_of():
    _, (warning,) = read(with_column("Name", "STRING"))
    assert (warning.where, warning.problem) == (
        "column Name",
        "it is name but for capitals, which a query does not tell apart",
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("stream.kinesis.topic.name", "${ORDERS_STREAM:orders}"),
        ("stream.kinesis.topic.name", "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"),
        ("stream.kinesis.topic.name", "two words"),
        ("region", "${AWS_REGION:eu-west-1}"),
        ("region", "eu-west1"),
        ("region", "EU-WEST-1"),
        ("region", "eu-west-1a"),
    ],
)
def test_what_names_no_stream_that_the_function_could_send_to_is_refused(setting, value):
    config = with_setting(CONFIG, (*NEW_PLACE.split("."), "0", setting), value)
    assert findings(config=config) == [("table.json", f"{NEW_PLACE}.{setting}")]


def test_a_tables_name_that_pinot_completes_is_refused():
    assert findings(config=with_setting(CONFIG, "tableName", "${TABLE}")) == [("table.json", "tableName")]


def test_text_for_booleans_and_numbers_is_read_as_pinot_reads_it():
    schema = with_column("v", "STRING", singleValueField="true", maxLength="1000")
    schema = with_setting(schema, "enableColumnBasedNullHandling", "false")
    got, warnings = read(schema, with_setting(CONFIG, "tableIndexConfig.nullHandlingEnabled", "true"))
    assert (got.columns[3].field.max_length, got.columns[3].field.single_value, warnings) == (1000, True, ())


@pytest.mark.parametrize(
    ("delimiter", "names"),
    [({}, ["address.city"]), ({"delimiter": "_"}, ["changed_at", "user_id"]), ({"delimiter": "a"}, None)],
)
def test_names_that_pinot_takes_for_paths_are_refused(delimiter, names):
    schema = with_column("address.city", "STRING")
    schema["dimensionFieldSpecs"] += [{"name": "user_id", "dataType": "STRING"}]
    schema["dateTimeFieldSpecs"][0]["name"] = "changed_at"
    config = with_setting(CONFIG, "segmentsConfig.timeColumnName", "changed_at")
    config = with_setting(config, "upsertConfig.comparisonColumns", ["changed_at"])
    config = with_setting(config, "ingestionConfig.complexTypeConfig", delimiter)
    with pytest.raises(TableError) as caught:
        read(schema, config)
    assert {each.where for each in caught.value.findings} == {"ingestionConfig.complexTypeConfig"}
    if names:
        assert [f"reads {name} out of" in str(caught.value) for name in names] == [True] * len(names)
        assert len(caught.value.findings) == len(names)


ENRICHED = {"enricherType": "generateColumn", "properties": {"fieldToFunctionMap": {"name": "upper(city)"}}}


def test_what_an_enricher_computes_is_not_sent_and_what_it_reads_is():
    got, warnings = read(config=with_setting(CONFIG, "ingestionConfig.enrichmentConfigs", [ENRICHED]))
    assert [column.name for column in got.columns] == ["id", "deleted", "price", "changed", "city"]
    assert warnings == ()


@pytest.mark.parametrize("continues", [False, True])
def test_an_enricher_that_fails_on_some_text_is_warned_of_whatever_is_set(continues):
    failing = with_setting(ENRICHED, "properties.fieldToFunctionMap.price", "CAST(amount AS DOUBLE)")
    config = with_setting(CONFIG, "ingestionConfig.enrichmentConfigs", [failing])
    config = with_setting(config, "ingestionConfig.continueOnError", continues)
    assert warned(config=config) == [("table.json", "ingestionConfig.enrichmentConfigs")]


@pytest.mark.parametrize("junk", [{}, ["x"], [{"enricherType": "x"}], [{**ENRICHED, "properties": []}]])
def test_other_enrichers_are_let_be(junk):
    assert warned(config=with_setting(CONFIG, "ingestionConfig.enrichmentConfigs", junk)) == []
