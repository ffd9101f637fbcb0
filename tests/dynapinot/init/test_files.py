"""The three files' text: what a person would have written, and what reads back as it was meant."""

from __future__ import annotations

import json
import tomllib

from hypothesis import example, given
from hypothesis import strategies as st

from dynapinot.init.files import file_texts, schema_json, source_path, source_toml, table_json, toml_text
from pinot.path import parse_path
from proposals import NAMING, ORIGIN, columns_of, key_of, load

texts = st.text(st.characters(exclude_categories=["Cs"]))
ITEM = {
    "PK": {"S": "k"},
    "SK": {"N": "7"},
    "name": {"S": "x"},
    "price": {"N": "19.99"},
    "tags": {"SS": ["a"]},
    "created-at": {"S": "2024-06-22T18:48:44Z"},
    "address": {"M": {"city": {"S": "x"}}},
}
KEY = key_of(("PK", "S"), ("SK", "N"))

SCHEMA = """\
{
  "schemaName": "app",
  "enableColumnBasedNullHandling": true,
  "primaryKeyColumns": ["PK", "SK"],
  "dimensionFieldSpecs": [
    {"name": "PK", "dataType": "STRING", "maxLength": 2048},
    {"name": "SK", "dataType": "LONG"},
    {"name": "address", "dataType": "JSON"},
    {"name": "created_at", "dataType": "STRING", "maxLength": 512},
    {"name": "name", "dataType": "STRING", "maxLength": 512},
    {"name": "price", "dataType": "DOUBLE"},
    {"name": "tags", "dataType": "STRING", "singleValueField": false, "maxLength": 512},
    {"name": "address_city", "dataType": "STRING", "maxLength": 512},
    {"name": "is_deleted", "dataType": "BOOLEAN"}
  ],
  "dateTimeFieldSpecs": [
    {"name": "changed_at", "dataType": "LONG", "format": "EPOCH|MILLISECONDS", "granularity": "1:MILLISECONDS"}
  ]
}
"""
SOURCE = """\
# Proposed by a test.

dynamodb_table = "app"

# Time to Live is on, by the attribute "expires\\u0007".
# "delete": what it deletes is deleted in Pinot too; "keep": those rows stay in Pinot forever.
ttl_deletes = "delete"

# Attributes that are not replicated, on purpose.
leave_out = [
  "secret \\"sauce\\"",
]

[columns]
is_deleted = "$deleted"
changed_at = "$timestamp"
created_at = "created-at"
address_city = "address.city"
"""


def test_the_schema_has_a_column_a_line():
    assert schema_json("app", columns_of(ITEM, key=KEY, paths=True)) == SCHEMA


def test_source_toml_has_what_the_schema_cannot_say():
    columns = columns_of(ITEM, key=KEY, paths=True, leave_out=('secret "sauce"',))
    assert source_toml("app", columns, ttl_attribute="expires\a", origin=ORIGIN) == SOURCE


def test_source_toml_names_only_what_exists():
    columns = columns_of({"id": {"S": "k"}})
    assert tomllib.loads(source_toml("app", columns, ttl_attribute=None, origin=ORIGIN)) == {
        "dynamodb_table": "app",
        "columns": {"is_deleted": "$deleted", "changed_at": "$timestamp"},
    }


def test_the_table_config_is_that_of_a_replica():
    config = json.loads(table_json(NAMING, columns_of({"id": {"S": "k"}, "is_deleted": {"S": "x"}}), replication=3))
    stream = config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"]
    assert config["tableName"] == "app"
    assert config["segmentsConfig"] == {"timeColumnName": "changed_at", "replication": "3"}
    assert config["upsertConfig"] == {
        "mode": "FULL",
        "deleteRecordColumn": "is_deleted_2",
        "comparisonColumns": ["changed_at"],
        "snapshot": "ENABLE",
        "preload": "ENABLE",
        "consistencyMode": "SYNC",
    }
    assert config["routing"]["instanceSelectorType"] == "strictReplicaGroup"
    assert [(each["stream.kinesis.topic.name"], each["region"]) for each in stream] == [("app-stream", "eu-west-1")]


def test_each_json_column_is_indexed_and_no_other():
    def indexes(*items):
        config = json.loads(table_json(NAMING, columns_of(*items), replication=1))
        return config["tableIndexConfig"].get("jsonIndexConfigs")

    assert indexes({"id": {"S": "k"}}) is None
    assert indexes({"id": {"S": "k"}, "a": {"M": {}}, "b": {"S": "x"}, "c": {"L": [{"M": {}}]}}) == {
        "a": {"disableCrossArrayUnnest": True, "skipInvalidJson": True},
        "c": {"disableCrossArrayUnnest": True, "skipInvalidJson": True},
    }


def test_the_function_reads_the_files_as_they_were_meant():
    columns = columns_of(ITEM, key=KEY, paths=True, leave_out=("secret",))
    table = load(columns, ttl_attribute="expires", replication=2)
    assert (table.name, table.dynamodb_table, table.target) == ("app", "app", ("app-stream", "eu-west-1"))
    assert [column.name for column in table.primary_key] == ["PK", "SK"]
    assert not table.keep_ttl_deletes
    assert sorted(file_texts(NAMING, columns, origin=ORIGIN)) == ["schema.json", "source.toml", "table.json"]


@given(texts)
@example("\r\n\t\b\f\x00\x1f\x7f\x85\u2028\ufeff\"\\'#😀")
def test_any_text_is_the_same_when_toml_is_read(text):
    assert tomllib.loads(f"text = {toml_text(text)}") == {"text": text}


@given(texts)
def test_no_origin_or_attribute_breaks_out_of_its_comment(text):
    source = source_toml("app", columns_of({"id": {"S": "k"}}), ttl_attribute=text, origin=text)
    assert tomllib.loads(source) == {
        "dynamodb_table": "app",
        "ttl_deletes": "delete",
        "columns": {"is_deleted": "$deleted", "changed_at": "$timestamp"},
    }


@given(st.lists(texts.filter(bool), min_size=1, max_size=3).map(tuple))
@example(("$deleted",))
@example(('$"\\', "$a", "b c"))
@example(("$ x", ""))
def test_any_path_is_the_same_when_source_toml_is_read(steps):
    text = source_path(steps)
    assert parse_path(text) == steps
    assert not text.startswith("$")
