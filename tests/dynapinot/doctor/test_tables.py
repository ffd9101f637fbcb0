"""What is found in the tables' files alone, one fault at a time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynapinot.doctor import tables
from dynapinot.doctor.finding import Diagnosis
from dynapinot.doctor.table_creation import flush_ms
from files import REMOVED, SCHEMA, STREAM, with_column, with_setting

PLACE = "ingestionConfig.streamIngestionConfig.streamConfigMaps"
AT_STREAM = (*PLACE.split("."), "0")
TRANSFORMS = "ingestionConfig.transformConfigs"
UPPER = {"columnName": "name", "transformFunction": "upper(id)"}


def found_in(directory, names=()):
    diagnosis = Diagnosis()
    folders = tables.look(diagnosis, directory, names)
    assert all(each.problem and each.remedy for each in diagnosis.findings)
    return folders, [(each.level, each.code) for each in diagnosis.findings]


def test_a_complete_table_has_no_findings(folder):
    (only,), found = found_in(folder())
    assert found == []
    assert (only.name, only.table.name, only.config["tableName"]) == ("items", "items", "items")


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("tenants", REMOVED, "tenants"),
        ("tableIndexConfig", REMOVED, "tableIndexConfig"),
        ("tableName", "it ems", "tableName"),
        ("tableName", "it__ems", "tableName"),
        ("tableName", "a.b.items", "tableName"),
        ("tableIndexConfig.streamConfigs", STREAM, "tableIndexConfig.streamConfigs"),
        (
            (*AT_STREAM, "stream.kinesis.consumer.factory.class.name"),
            REMOVED,
            f"{PLACE}.stream.kinesis.consumer.factory.class.name",
        ),
        (
            (*AT_STREAM, "stream.kinesis.consumer.factory.class.name"),
            "a.KafkaConsumerFactory",
            f"{PLACE}.stream.kinesis.consumer.factory.class.name",
        ),
        (
            (*AT_STREAM, "realtime.segment.flush.threshold.time"),
            "6 hours",
            f"{PLACE}.realtime.segment.flush.threshold.time",
        ),
        ((*AT_STREAM, "realtime.segment.flush.threshold.time"), "0", f"{PLACE}.realtime.segment.flush.threshold.time"),
        ((*AT_STREAM, "requests_per_second_limit"), "6", f"{PLACE}.requests_per_second_limit"),
        (TRANSFORMS, [UPPER, UPPER], TRANSFORMS),
        (TRANSFORMS, [{"columnName": "name", "transformFunction": "upper(name)"}], TRANSFORMS),
    ],
)
def test_a_config_that_pinot_would_refuse_is_a_warning(folder, whole_config, path, value, code):
    config = with_setting(whole_config, path, value)
    schema = with_setting(SCHEMA, "schemaName", config["tableName"])
    assert found_in(folder(schema=schema, config=config))[1] == [("warning", code)]


def test_two_flush_thresholds_are_one_too_many(folder, whole_config):
    config = with_setting(whole_config, (*AT_STREAM, "realtime.segment.flush.threshold.rows"), "1000000")
    assert found_in(folder("a", config=config))[1] == []
    config = with_setting(config, (*AT_STREAM, "realtime.segment.flush.threshold.segment.size"), "200M")
    config = with_setting(with_setting(config, "tableName", "b"), (*AT_STREAM, "stream.kinesis.topic.name"), "b")
    assert found_in(folder("b", schema=with_setting(SCHEMA, "schemaName", "b"), config=config))[1] == [
        ("warning", f"{PLACE}.realtime.segment.flush.threshold.segment.size")
    ]


def test_replicas_share_what_a_shard_may_be_read(folder, whole_config):
    config = with_setting(whole_config, "segmentsConfig.replication", "3")
    config = with_setting(config, (*AT_STREAM, "requests_per_second_limit"), "2")
    assert found_in(folder(config=config))[1] == [("warning", f"{PLACE}.requests_per_second_limit")]


def test_a_stream_that_pinot_does_not_look_for_is_reported(folder, whole_config):
    config = with_setting(
        whole_config, "streamIngestionConfig", whole_config["ingestionConfig"]["streamIngestionConfig"]
    )
    assert found_in(folder(config=config))[1] == [("warning", "streamIngestionConfig")]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("segmentsConfig.schemaName", "items", "segmentsConfig.schemaName"),
        ("segmentsConfig.timeType", "MILLISECONDS", "segmentsConfig.timeType"),
        ("upsertConfig.snapshot", REMOVED, "upsertConfig.snapshot"),
        ("upsertConfig.preload", "DISABLE", "upsertConfig.preload"),
    ],
)
def test_a_possible_improvement_is_a_note(folder, whole_config, path, value, code):
    assert found_in(folder(config=with_setting(whole_config, path, value)))[1] == [("note", code)]


def test_the_older_names_of_snapshot_and_preload_are_good_as_well(folder, whole_config):
    config = with_setting(
        with_setting(whole_config, "upsertConfig.snapshot", REMOVED), "upsertConfig.enableSnapshot", True
    )
    config = with_setting(with_setting(config, "upsertConfig.preload", REMOVED), "upsertConfig.enablePreload", True)
    assert found_in(folder(config=config))[1] == []


def test_preload_is_not_recommended_with_settings_that_forbid_it(folder, whole_config):
    config = with_setting(whole_config, "upsertConfig.preload", "DISABLE")
    config = with_setting(config, "upsertConfig.enableDeletedKeysCompactionConsistency", True)
    assert found_in(folder(config=config))[1] == []


def test_the_deprecated_place_of_a_stream_is_a_note(folder, whole_config):
    stream = whole_config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"][0]
    config = with_setting(
        with_setting(whole_config, "ingestionConfig", REMOVED), "tableIndexConfig.streamConfigs", stream
    )
    assert found_in(folder(config=config))[1] == [("note", "tableIndexConfig.streamConfigs")]


def test_expressions_in_a_schema_are_a_note(folder):
    schema = with_setting(SCHEMA, "dimensionFieldSpecs.1.transformFunction", "upper(id)")
    assert found_in(folder(schema=schema))[1] == [("note", "column name")]


def test_cutting_json_is_a_note(folder):
    schema = with_column("x", "JSON", maxLengthExceedStrategy="TRIM_LENGTH")
    assert found_in(folder(schema=schema))[1] == [("note", "column x")]


def test_errors_hide_neither_warnings_nor_other_tables(folder, whole_config):
    config = with_setting(with_setting(whole_config, "upsertConfig.mode", "PARTIAL"), "tableName", "")
    folder("a", config=config)
    directory = folder("b", schema="{")
    (only,), found = found_in(directory)
    assert (only.path.name, only.table) == ("a", None)
    assert found == [("error", "tableName"), ("error", "line 1, column 2"), ("warning", "upsertConfig.mode")]


def test_only_the_tables_that_are_named_are_looked_at(folder, whole_config):
    folder("a")
    directory = folder("b", config=with_setting(whole_config, "tableName", ""))
    folders, found = found_in(directory, ["a"])
    assert ([each.path.name for each in folders], found) == (["a"], [])


def test_tables_that_clash_are_reported_once(folder):
    folder("a")
    folders, found = found_in(folder("b"))
    assert found == [("error", "tableName"), ("error", "stream.kinesis.topic.name")]
    assert [each.path.name for each in folders] == ["a", "b"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths_in(document, path=()):
    yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from paths_in(value, (*path, str(key)))


@given(data=st.data())
def test_any_content_of_the_files_is_reported_and_stops_nothing(data, tmp_path_factory, whole_config):
    here = tmp_path_factory.mktemp("tables") / "items"
    here.mkdir()
    for name, document in (("schema.json", SCHEMA), ("table.json", whole_config)):
        path = data.draw(st.sampled_from(sorted(paths_in(document))), label=name)
        value = data.draw(JSON)
        (here / name).write_text(json.dumps(with_setting(document, path, value) if path else value))
    folders, found = found_in(here.parent)
    assert all(each.table is not None for each in folders) or ("error" in [level for level, _ in found])


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    assert found_in(tmp_path / "nix") == ([], [("error", "the folder of tables")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6h", 21_600_000),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
        ("90s", 90_000),
        ("21600000", 21_600_000),
        (21600000, 21_600_000),
        ("6 hours", None),
        ("", None),
    ],
)
def test_how_long_pinot_gathers_rows_is_read_as_pinot_reads_it(text, expected):
    assert flush_ms({"realtime.segment.flush.threshold.time": text}) == expected


def test_pinot_gathers_rows_for_six_hours_unless_configured():
    assert flush_ms({}) == 6 * 3_600_000
