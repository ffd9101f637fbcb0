from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynapinot.defaults import DEMO_TABLES
from files import CONFIG, REMOVED, SCHEMA, with_column, with_setting
from handlers.catalog import load_tables
from pinot.errors import TableError

SEED = Path(__file__).parent.parent / "tables" / "seed"


def folder(root, name="items", schema=SCHEMA, config=CONFIG, source=None):
    here = root / name
    here.mkdir(parents=True)
    (here / "schema.json").write_text(json.dumps(schema))
    (here / "table.json").write_text(json.dumps(config))
    if source is not None:
        (here / "source.toml").write_text(source)
    return here


def refused(root):
    with pytest.raises(TableError) as caught:
        load_tables(root)
    return [(finding.file.removeprefix(str(root)), finding.where) for finding in caught.value.findings]


def test_each_folder_is_a_table_and_source_toml_is_optional(tmp_path):
    folder(tmp_path)
    other = with_setting(CONFIG, "tableName", "others")
    stream = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
    other = with_setting(other, (*stream, "stream.kinesis.topic.name"), "others-stream")
    schema = with_setting(SCHEMA, "schemaName", "others")
    folder(tmp_path, "others", schema, other, 'dynamodb_table = "app"\nttl_deletes = "keep"\n[columns]\nname = "title"')
    (tmp_path / "README.md").write_text("not a table")
    (tmp_path / ".hidden").mkdir()
    tables, warnings = load_tables(tmp_path)
    assert [(table.name, table.dynamodb_table, table.keep_ttl_deletes) for table in tables] == [
        ("items", None, False),
        ("others", "app", True),
    ]
    assert warnings == ()


def several(root, *names):
    stream = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
    for name in names:
        config = with_setting(CONFIG, "tableName", name)
        config = with_setting(config, (*stream, "stream.kinesis.topic.name"), f"{name}-stream")
        folder(root, name, with_setting(SCHEMA, "schemaName", name), config)


def test_only_the_folders_that_are_named_are_read_if_any_are(tmp_path):
    several(tmp_path, "a", "b", "c")
    (tmp_path / "c" / "table.json").unlink()
    assert [table.name for table in load_tables(tmp_path, ["b", "a"])[0]] == ["a", "b"]
    assert [table.name for table in load_tables(tmp_path, ["b"])[0]] == ["b"]
    assert refused(tmp_path) == [("/c/table.json", "the file")]


def test_a_name_without_a_folder_is_reported_with_the_existing_folders(tmp_path):
    several(tmp_path, "a", "b")
    (tmp_path / "b" / "table.json").unlink()
    with pytest.raises(TableError) as caught:
        load_tables(tmp_path, ["b", "x", "../a"])
    remedy = "Name some of a, b, or none for all."
    assert str(caught.value).splitlines() == [
        f"{tmp_path}: TABLES: there is no folder x. {remedy}",
        f"{tmp_path}: TABLES: there is no folder ../a. {remedy}",
        f"{tmp_path}/b/table.json: the file: it is missing. A table's folder needs schema.json and table.json.",
    ]


def test_the_shipped_table_is_loaded_without_a_warning():
    tables, warnings = load_tables(DEMO_TABLES)
    assert ([table.name for table in tables], warnings) == (["pinot_dynamo_ingestion"], ())
    assert [column.name for column in tables[0].primary_key] == ["meetup_id", "mtime"]


def test_the_seeds_own_files_are_loaded_with_a_warning_for_each_of_their_faults():
    (table,), warnings = load_tables(SEED)
    assert (table.name, table.stream) == ("pinot_dynamo_ingestion", "pinot-ingestion-stream")
    assert [warning.where.rpartition(".")[2] for warning in warnings] == [
        "name",  # stream.kinesis.decoder.class.name
        "shardIteratorType",
        "accessKey",
        "mode",
        "consistencyMode",
        "retentionTimeValue",
        "timeColumnName",  # stream.kinesis.decoder.prop.dynamodb.…
        "deleteColumnName",
        "deleteRecordColumn",
    ]


@pytest.mark.parametrize(
    ("file", "text", "where"),
    [
        ("schema.json", None, "the file"),
        ("table.json", None, "the file"),
        ("schema.json", '{"schemaName": \n  x}', "line 2, column 3"),
        ("table.json", "", "line 1, column 1"),
        ("source.toml", "dynamodb_table = app", "the file"),
        ("source.toml", b"\xff", "the file"),
        ("schema.json", "[" * 100_000, "the file"),
    ],
)
def test_an_unreadable_file_is_reported_with_its_name_and_position(tmp_path, file, text, where):
    here = folder(tmp_path)
    if text is None:
        (here / file).unlink()
    else:
        (here / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refused(tmp_path) == [(f"/items/{file}", where)]


def test_a_folder_that_is_missing_or_has_no_table_is_refused(tmp_path):
    assert refused(tmp_path / "nix") == [("", "the folder of tables")]
    assert refused(tmp_path) == [("", "the folder of tables")]


def test_the_mistakes_of_all_tables_are_reported_together(tmp_path):
    folder(tmp_path, "a", with_column("x", "DECIMAL"))
    folder(tmp_path, "b", config=with_setting(CONFIG, "tableName", ""))
    assert refused(tmp_path) == [("/a/schema.json", "column x"), ("/b/table.json", "tableName")]


def test_a_stream_without_a_region_clashes_with_any_stream_of_its_name(tmp_path):
    folder(tmp_path, "a")
    stream = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
    other = with_setting(with_setting(CONFIG, "tableName", "others"), (*stream, "region"), REMOVED)
    folder(tmp_path, "b", with_setting(SCHEMA, "schemaName", "others"), other)
    assert refused(tmp_path) == [("/b/table.json", "stream.kinesis.topic.name")]


def test_two_tables_never_share_a_name_or_a_stream(tmp_path):
    folder(tmp_path, "a")
    folder(tmp_path, "b")
    assert refused(tmp_path) == [("/b/table.json", "tableName"), ("/b/table.json", "stream.kinesis.topic.name")]


@pytest.mark.parametrize("name", ["sources.toml", "Source.toml", "source.tml"])
def test_settings_in_a_file_of_another_name_cause_a_warning(tmp_path, name):
    (folder(tmp_path) / name).write_text('when = { kind = "item" }')
    (table,), (warning,) = load_tables(tmp_path)
    assert table.when is None
    problem = "the settings of a table are read from source.toml only, and not from this file"
    assert str(warning) == f"{tmp_path}/items/{name}: the file: {problem}. Name it source.toml."


def test_settings_that_are_nested_too_deeply_are_refused(tmp_path):
    folder(tmp_path, source="when = " + "{ not = " * 5000 + "}" * 5000)
    with pytest.raises(TableError, match=r"source\.toml: the file: it is nested too deeply\. Write the settings"):
        load_tables(tmp_path)
