"""The text of the three files: ``schema.json``, ``table.json`` and ``source.toml``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from decoder.errors import path_text
from dynapinot.init.columns import Column, Columns
from handlers.catalog import CONFIG, SCHEMA, SOURCE

# As "jsonIndexColumns" has it, the index multiplies the lists of a value with each other, and a value with more than
# 100,000 combinations fails: Pinot can then not commit the segment any more. Run on Pinot 1.5.1.
JSON_INDEX: Final[dict[str, bool]] = {"disableCrossArrayUnnest": True, "skipInvalidJson": True}

# The characters that TOML needs escaped in text, https://toml.io/en/v1.0.0#string; its comments have none of them.
_TOML_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}
_CONTROL: Final = {*range(0x20), 0x7F}


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The names of the two tables and the stream, and the region of the stream."""

    dynamodb_table: str
    pinot_table: str
    stream: str
    region: str


def file_texts(
    naming: Naming, columns: Columns, *, replication: int = 1, ttl_attribute: str | None = None, origin: str
) -> dict[str, str]:
    """Write the three files, by name. ``origin`` is a line about what the proposal was made of."""
    return {
        SCHEMA: schema_json(naming.pinot_table, columns),
        CONFIG: table_json(naming, columns, replication=replication),
        SOURCE: source_toml(naming.dynamodb_table, columns, ttl_attribute=ttl_attribute, origin=origin),
    }


def schema_json(pinot_table: str, columns: Columns) -> str:
    """Write the schema, a column a line."""
    (changed,) = columns.of("changed")
    dimensions = [_field(column) for column in columns.columns if column is not changed]
    time = {**_field(changed), "format": "EPOCH|MILLISECONDS", "granularity": "1:MILLISECONDS"}
    parts = {
        "schemaName": _json(pinot_table),
        "enableColumnBasedNullHandling": "true",
        "primaryKeyColumns": _json([column.name for column in columns.of("key")]),
        "dimensionFieldSpecs": _lines(dimensions),
        "dateTimeFieldSpecs": _lines([time]),
    }
    body = ",\n".join(f"  {_json(name)}: {text}" for name, text in parts.items())
    return f"{{\n{body}\n}}\n"


def _field(column: Column) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": column.name, "dataType": column.choice.data_type}
    if column.choice.multi_value:
        spec["singleValueField"] = False
    if column.choice.max_length:
        spec["maxLength"] = column.choice.max_length
    return spec


def _lines(specs: Sequence[Mapping[str, Any]]) -> str:
    return "[\n" + ",\n".join(f"    {_json(spec)}" for spec in specs) + "\n  ]"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def table_json(naming: Naming, columns: Columns, *, replication: int) -> str:
    """Write the table config: a replica, as the documentation of the shipped one says (docs/seed.md)."""
    (changed,), (deleted,) = columns.of("changed"), columns.of("deleted")
    config = {
        "tableName": naming.pinot_table,
        "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": changed.name, "replication": str(replication)},
        "tenants": {},
        "tableIndexConfig": {"loadMode": "MMAP", "nullHandlingEnabled": True, **_json_indexes(columns)},
        "routing": {"segmentPrunerTypes": ["time"], "instanceSelectorType": "strictReplicaGroup"},
        "ingestionConfig": {
            "streamIngestionConfig": {
                "streamConfigMaps": [
                    {
                        "streamType": "kinesis",
                        "stream.kinesis.topic.name": naming.stream,
                        "region": naming.region,
                        "stream.kinesis.consumer.type": "lowlevel",
                        "stream.kinesis.fetch.timeout.millis": "120000",
                        "stream.kinesis.decoder.class.name": (
                            "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder"
                        ),
                        "stream.kinesis.consumer.factory.class.name": (
                            "org.apache.pinot.plugin.stream.kinesis.KinesisConsumerFactory"
                        ),
                        "realtime.segment.flush.threshold.rows": "1000000",
                        "realtime.segment.flush.threshold.time": "6h",
                    }
                ]
            }
        },
        "upsertConfig": {
            "mode": "FULL",
            "deleteRecordColumn": deleted.name,
            "comparisonColumns": [changed.name],
            "snapshot": "ENABLE",
            "preload": "ENABLE",
            "consistencyMode": "SYNC",
        },
        "metadata": {"customConfigs": {}},
    }
    return json.dumps(config, ensure_ascii=False, indent=2) + "\n"


def _json_indexes(columns: Columns) -> dict[str, Any]:
    """Index each JSON column, without which JSON_MATCH fails on it. See JSON_INDEX."""
    names = [column.name for column in columns.columns if column.choice.data_type == "JSON"]
    return {"jsonIndexConfigs": dict.fromkeys(names, JSON_INDEX)} if names else {}


def source_toml(dynamodb_table: str, columns: Columns, *, ttl_attribute: str | None, origin: str) -> str:
    """Write where the rows come from, with the columns that are not simply the attribute of their name."""
    lines = [f"# {toml_text(origin)[1:-1]}", "", f"dynamodb_table = {toml_text(dynamodb_table)}"]
    if ttl_attribute is not None:
        lines += [
            "",
            f"# Time to Live is on, by the attribute {toml_text(ttl_attribute)}.",
            '# "delete": what it deletes is deleted in Pinot too; "keep": those rows stay in Pinot forever.',
            'ttl_deletes = "delete"',
        ]
    left_out = [each.attribute for each in columns.left_out]
    if left_out:
        lines += ["", "# Attributes that are not replicated, on purpose."]
        lines += ["leave_out = [", *(f"  {toml_text(name)}," for name in left_out), "]"]
    lines += ["", "[columns]"]
    mapped = [column for column in columns.columns if column.mapped]
    own = [column for column in mapped if column.prop is not None]
    lines += _toml_pairs((column.name, column.prop or "") for column in own)
    lines += _toml_pairs((column.name, source_path(column.steps)) for column in mapped if column.prop is None)
    return "\n".join(lines) + "\n"


def source_path(steps: tuple[str, ...]) -> str:
    """Write a path as source.toml has it; a name with $ in front is quoted, or it would be a property of the change."""
    text = path_text(steps)
    if not text.startswith("$"):
        return text
    quoted = steps[0].replace("\\", "\\\\").replace('"', '\\"')
    return f'["{quoted}"]{text[len(steps[0]) :]}'


def _toml_pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name} = {toml_text(value)}" for name, value in pairs]  # a column's name is a bare key


def toml_text(text: str) -> str:
    """Write a text as TOML's basic string."""
    return '"' + "".join(_TOML_ESCAPES.get(each) or _escaped(each) for each in text) + '"'


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) in _CONTROL else character
