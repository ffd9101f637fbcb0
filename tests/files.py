"""The files of a small valid table, to change one setting at a time."""

from __future__ import annotations

from copy import deepcopy

from pinot.compile import Files, read_table

REMOVED = object()

SCHEMA = {
    "schemaName": "items",
    "enableColumnBasedNullHandling": True,
    "primaryKeyColumns": ["id"],
    "dimensionFieldSpecs": [
        {"name": "id", "dataType": "STRING"},
        {"name": "name", "dataType": "STRING"},
        {"name": "deleted", "dataType": "BOOLEAN"},
    ],
    "metricFieldSpecs": [{"name": "price", "dataType": "DOUBLE"}],
    "dateTimeFieldSpecs": [
        {"name": "changed", "dataType": "LONG", "format": "EPOCH|MILLISECONDS", "granularity": "1:MILLISECONDS"}
    ],
}
STREAM = {
    "streamType": "kinesis",
    "stream.kinesis.topic.name": "items-stream",
    "region": "eu-west-1",
    "stream.kinesis.decoder.class.name": "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
}
CONFIG = {
    "tableName": "items",
    "tableType": "REALTIME",
    "segmentsConfig": {"timeColumnName": "changed"},
    "tableIndexConfig": {},
    "routing": {"instanceSelectorType": "strictReplicaGroup"},
    "ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [STREAM]}},
    "upsertConfig": {
        "mode": "FULL",
        "deleteRecordColumn": "deleted",
        "comparisonColumns": ["changed"],
        "consistencyMode": "SYNC",
    },
}


def with_setting(document, path, value):
    """Return a copy of a document with the setting at a dotted path replaced or removed."""
    copy = deepcopy(document)
    here = copy
    *outer, last = path.split(".") if isinstance(path, str) else path
    for step in outer:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    if value is REMOVED:
        del here[last]
    else:
        here[int(last) if isinstance(here, list) else last] = value
    return copy


def with_column(name, data_type, **spec):
    """Return a copy of the schema with one more column."""
    copy = deepcopy(SCHEMA)
    kind = "dateTimeFieldSpecs" if "format" in spec else "dimensionFieldSpecs"
    copy[kind].append({"name": name, "dataType": data_type, **spec})
    return copy


def read(schema=SCHEMA, config=CONFIG, source=None):
    return read_table(schema, config, source or {}, Files())


def table(schema=SCHEMA, config=CONFIG, source=None):
    return read(schema, config, source)[0]
