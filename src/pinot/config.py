"""Reading a Pinot table config: the stream it consumes, how it upserts, and what it computes itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from pinot.errors import Findings

_JSON_DECODER: Final = "JSONMessageDecoder"
_TYPE_SUFFIX: Final = "_REALTIME"

# The names an expression reads: words that are no function call, outside of quoted text; and "quoted names".
_TOKEN: Final = re.compile(r"""'(?:[^']|'')*'|"([^"]+)"|([A-Za-z_][\w$]*(?:\.[\w$]+)*)(\s*\()?""")
_KEYWORDS: Final = frozenset(
    ("and", "or", "not", "case", "when", "then", "else", "end", "null", "true", "false", "is", "in", "between", "like")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableConfig:
    """What the adapter needs of a table config. Column names are not checked against the schema here.

    ``comparison_column`` is None when the config leaves it to Pinot, which then compares by ``time_column``.
    ``transforms`` has, for each column that Pinot computes, its expression; ``filter_function`` the expression that
    makes Pinot drop a row. ``forgets_deletes`` tells that ``deletedKeysTTL`` is set.
    """

    name: str
    stream: str
    region: str | None
    mode: Literal["FULL", "PARTIAL"]
    delete_column: str
    comparison_column: str | None
    time_column: str
    transforms: Mapping[str, str]
    filter_function: str | None
    handles_nulls: bool
    forgets_deletes: bool


def read_config(document: object, findings: Findings) -> TableConfig:
    """Read a table config file's JSON: alone, or under REALTIME or realtime as Pinot's REST API wraps it.

    Raises TableError with everything that is wrong; warnings are left in ``findings``.
    """
    config = _unwrap(document)
    if config is None:
        findings.error("the file", "it is not the config of a realtime table", "Write a Pinot table config here")
        findings.raise_errors()
        raise AssertionError
    name = config.get("tableName")
    if not isinstance(name, str) or not name:
        findings.error("tableName", "it is missing", "Write the name of the Pinot table")
        name = ""
    if config.get("tableType", "REALTIME") != "REALTIME":
        findings.error("tableType", "only a REALTIME table consumes a stream", 'Write "tableType": "REALTIME"')
    stream, region = _read_stream(config, findings)
    mode, delete_column, comparison_column = _read_upsert(config, findings)
    time_column = _at(config, "segmentsConfig.timeColumnName")
    if not isinstance(time_column, str) or not time_column:
        findings.error(
            "segmentsConfig.timeColumnName",
            "it is missing, and Pinot needs it in a realtime table",
            "Name the date-time column that holds the time of a change",
        )
    transforms = dict(_read_transforms(config, findings))
    filter_function = _at(config, "ingestionConfig.filterConfig.filterFunction")
    _advise(config, findings)
    findings.raise_errors()
    return TableConfig(
        name=name.removesuffix(_TYPE_SUFFIX),
        stream=stream,
        region=region,
        mode=cast("Literal['FULL', 'PARTIAL']", mode),
        delete_column=delete_column,
        comparison_column=comparison_column,
        time_column=cast("str", time_column),
        transforms=transforms,
        filter_function=filter_function if isinstance(filter_function, str) and filter_function else None,
        handles_nulls=_at(config, "tableIndexConfig.nullHandlingEnabled") is True,
        forgets_deletes=bool(_at(config, "upsertConfig.deletedKeysTTL")),
    )


def names_read_by(expression: str) -> set[str]:
    """Find the field names that a transform or filter expression reads; rather one too many than one too few."""
    names = set()
    if expression.startswith("Groovy("):
        expression = expression.rpartition("}")[2]  # behind the script come the names of its arguments
    for quoted, word, call in _TOKEN.findall(expression):
        if quoted:
            names.add(quoted)
        elif word and not call and word.lower() not in _KEYWORDS:
            names.add(word)
    return names


def _unwrap(document: object) -> Mapping[str, Any] | None:
    if not isinstance(document, dict):
        return None
    for wrapper in ("REALTIME", "realtime"):
        if isinstance(document.get(wrapper), dict):
            return cast("Mapping[str, Any]", document[wrapper])
    if {"OFFLINE", "offline"} & document.keys():
        return None
    return document


def _at(config: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401  # whatever the file holds there
    here: Any = config
    for step in path.split("."):
        here = here.get(step) if isinstance(here, dict) else None
    return here


def _read_stream(config: Mapping[str, Any], findings: Findings) -> tuple[str, str | None]:
    new_place = "ingestionConfig.streamIngestionConfig.streamConfigMaps"
    where = new_place
    maps = _at(config, new_place) or _at(config, "streamIngestionConfig.streamConfigMaps")
    if maps is None:
        where = "tableIndexConfig.streamConfigs"
        old = _at(config, where)
        maps = None if old is None else [old]
    if not isinstance(maps, list) or not maps or not all(isinstance(entry, dict) for entry in maps):
        findings.error(
            new_place,
            "no stream is configured there, nor in tableIndexConfig.streamConfigs",
            'Add [{"streamType": "kinesis", "stream.kinesis.topic.name": "…", "region": "…", …}]',
        )
        return "", None
    if len(maps) > 1:
        findings.error(where, "an upsert table reads exactly one stream", "Keep one entry")
    stream = maps[0]
    if stream.get("streamType") != "kinesis":
        findings.error(f"{where}.streamType", "it is not kinesis", 'Write "streamType": "kinesis"')
    topic_key = "stream.kinesis.topic.name"
    topic = stream.get(topic_key)
    if not isinstance(topic, str) or not topic:
        findings.error(f"{where}.{topic_key}", "it is missing", "Name the Kinesis stream that Pinot consumes")
        topic = ""
    region = stream.get("region")
    if not isinstance(region, str) or not region:
        findings.warning(f"{where}.region", "it is missing, and Pinot needs it", "Name the stream's AWS region")
        region = None
    _advise_stream(where, stream, findings)
    return topic, region


def _read_upsert(config: Mapping[str, Any], findings: Findings) -> tuple[str, str, str | None]:
    upsert = config.get("upsertConfig")
    if not isinstance(upsert, dict) or upsert.get("mode", "NONE") not in ("FULL", "PARTIAL"):
        findings.error(
            "upsertConfig.mode",
            "the table does not upsert, so every change would be one more row",
            'Write "upsertConfig": {"mode": "FULL", "deleteRecordColumn": "…", "comparisonColumns": ["…"]}',
        )
        return "", "", None
    delete_column = upsert.get("deleteRecordColumn")
    if not isinstance(delete_column, str) or not delete_column:
        findings.error(
            "upsertConfig.deleteRecordColumn",
            "it is missing, so a deleted item would stay in Pinot for ever",
            "Add a BOOLEAN column to the schema and name it here",
        )
        delete_column = ""
    comparison = upsert.get("comparisonColumns")
    if comparison is None and isinstance(upsert.get("comparisonColumn"), str):
        comparison = [upsert["comparisonColumn"]]  # the singular, deprecated form
    if not comparison:
        findings.warning(
            "upsertConfig.comparisonColumns",
            "it is missing, so Pinot orders changes by the time column",
            "Name the column that holds the time of a change",
        )
        return upsert["mode"], delete_column, None
    if not isinstance(comparison, list) or len(comparison) > 1 or not isinstance(comparison[0], str):
        findings.error(
            "upsertConfig.comparisonColumns",
            "it must name exactly one column: Pinot takes several as alternatives and drops a row that fills two",
            "Keep the column that holds the time of a change",
        )
        return upsert["mode"], delete_column, None
    return upsert["mode"], delete_column, comparison[0]


def _read_transforms(config: Mapping[str, Any], findings: Findings) -> Iterator[tuple[str, str]]:
    path = "ingestionConfig.transformConfigs"
    transforms = _at(config, path) or []
    if not isinstance(transforms, list):
        findings.error(path, "it is not a list", "List the transforms in [ ]")
        return
    for index, transform in enumerate(transforms):
        column, function = (
            (transform.get("columnName"), transform.get("transformFunction"))
            if isinstance(transform, dict)
            else (None, None)
        )
        if isinstance(column, str) and isinstance(function, str):
            yield column, function
        else:
            remedy = 'Write {"columnName": "…", "transformFunction": "…"}'
            findings.error(f"{path}[{index}]", "it has no columnName or no transformFunction", remedy)


def _advise_stream(where: str, stream: Mapping[str, Any], findings: Findings) -> None:
    decoder = stream.get("stream.kinesis.decoder.class.name")
    if not isinstance(decoder, str) or decoder.rpartition(".")[2] != _JSON_DECODER:
        findings.warning(
            f"{where}.stream.kinesis.decoder.class.name",
            "the rows on the stream are plain JSON objects, which this decoder does not read",
            "Use org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
        )
    if "shardIteratorType" in stream:
        findings.warning(f"{where}.shardIteratorType", "Pinot reads this setting and never uses it", "Remove it")


def _advise(config: Mapping[str, Any], findings: Findings) -> None:
    """Warn of what Pinot takes without a word and a replica should not have."""
    if _at(config, "upsertConfig.mode") == "PARTIAL":
        findings.warning(
            "upsertConfig.mode",
            "PARTIAL keeps the old value of an attribute that was removed from the item",
            'Write "mode": "FULL"',
        )
    if _at(config, "upsertConfig.metadataTTL"):
        findings.warning("upsertConfig.metadataTTL", "Pinot forgets keys, and then keeps old rows", "Remove it")
    if _at(config, "segmentsConfig.retentionTimeValue"):
        findings.warning(
            "segmentsConfig.retentionTimeValue",
            "Pinot drops live rows whose time is older, though their items still exist",
            "Remove retentionTimeUnit and retentionTimeValue",
        )
    if _at(config, "routing.instanceSelectorType") not in ("strictReplicaGroup", "multiStageReplicaGroup"):
        findings.warning(
            "routing.instanceSelectorType",
            "Pinot refuses an upsert table without it",
            'Write "routing": {"instanceSelectorType": "strictReplicaGroup"}',
        )
    if _at(config, "ingestionConfig.filterConfig.filterFunction"):
        findings.warning(
            "ingestionConfig.filterConfig.filterFunction",
            "a delete that the filter drops leaves its row, and so does an update",
            "Remove it, or make sure that it tells an item the same in all its changes",
        )
    if _at(config, "ingestionConfig.complexTypeConfig.fieldsToUnnest"):
        findings.warning(
            "ingestionConfig.complexTypeConfig.fieldsToUnnest",
            "Pinot makes several rows of one, which have one primary key",
            "Remove it: declare the column multi-value or JSON",
        )
    if _at(config, "tableIndexConfig.sortedColumn"):
        findings.warning(
            "tableIndexConfig.sortedColumn",
            "sorting a segment may turn round two changes of one item that carry the same time",
            "Remove it, or order changes by $version",
        )
