"""Reading a Pinot table config: the stream it consumes, how it upserts, and what it computes itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

from pinot.config_checks import DECODER_PROPERTY, at, check_config, check_stream
from pinot.errors import Findings
from pinot.schema import is_true

_TYPE_SUFFIX: Final = "_REALTIME"
_VARIABLE: Final = "${"  # Pinot's Environment and ConfigUtils fill ${NAME:default}
# "[a-zA-Z0-9_.-]+", API_CreateStream.html; regions: us-east-1, us-gov-west-1, eusc-de-east-1.
_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
REGION: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")
_NAMES_COLUMN: Final = "ColumnName"  # so end the settings of a decoder that say which column it fills


@dataclass(frozen=True, slots=True, kw_only=True)
class TableConfig:
    """What the adapter needs of a table config. Column names are not checked against the schema here.

    ``comparison_column`` is None when the config leaves it to Pinot, which then compares by ``time_column``.
    ``transforms`` has, for each column that Pinot computes, its expression; ``enrichments`` those of the fields that it
    computes before, over what a row has. ``filter_function`` is the expression that makes Pinot drop a row.
    ``forgets_deletes_after`` is ``deletedKeysTTL``, in the comparison column's unit, 0 for never.
    ``continues_on_error`` tells whether Pinot takes a row whose expression fails, with null there.
    ``decoder_columns`` are those that settings of the decoder name, each by where the setting stands.
    ``flattened_at`` is the delimiter at which Pinot takes a column's name for a path into the row, None for never.
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
    continues_on_error: bool
    forgets_deletes_after: float
    decoder_columns: Mapping[str, str]
    enrichments: Mapping[str, str] = field(default_factory=dict)
    flattened_at: str | None = None


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
    _check_filled("tableName", name, findings)
    if str(config.get("tableType", "REALTIME")).upper() != "REALTIME":
        findings.error("tableType", "only a REALTIME table consumes a stream", 'Write "tableType": "REALTIME"')
    stream = _read_stream(config, findings)
    mode, delete_column, comparison_column = _read_upsert(config, findings)
    time_column = at(config, "segmentsConfig.timeColumnName")
    if not isinstance(time_column, str) or not time_column:
        findings.error(
            "segmentsConfig.timeColumnName",
            "it is missing, and Pinot needs it in a realtime table",
            "Name the date-time column that holds the time of a change",
        )
    transforms = dict(_read_transforms(config, findings))
    complex_types = at(config, "ingestionConfig.complexTypeConfig")
    filter_function = at(config, "ingestionConfig.filterConfig.filterFunction")
    check_config(config, findings)
    findings.raise_errors()
    return TableConfig(
        name=name.removesuffix(_TYPE_SUFFIX),
        stream=stream.topic,
        region=stream.region,
        mode=cast("Literal['FULL', 'PARTIAL']", mode),
        delete_column=delete_column,
        comparison_column=comparison_column,
        time_column=cast("str", time_column),
        transforms=transforms,
        filter_function=filter_function if isinstance(filter_function, str) and filter_function else None,
        handles_nulls=is_true(at(config, "tableIndexConfig.nullHandlingEnabled")),
        continues_on_error=is_true(at(config, "ingestionConfig.continueOnError")),
        forgets_deletes_after=_number(at(config, "upsertConfig.deletedKeysTTL")),
        decoder_columns=stream.decoder_columns,
        enrichments=dict(_read_enrichments(config)),
        flattened_at=str(complex_types.get("delimiter") or ".") if isinstance(complex_types, dict) else None,
    )


def _unwrap(document: object) -> Mapping[str, Any] | None:
    if not isinstance(document, dict):
        return None
    for wrapper in ("REALTIME", "realtime"):
        if isinstance(document.get(wrapper), dict):
            return cast("Mapping[str, Any]", document[wrapper])
    if {"OFFLINE", "offline"} & document.keys():
        return None
    return document


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _check_filled(where: str, text: str, findings: Findings) -> bool:
    """Tell a text that Pinot completes from its own environment, which the function does not have."""
    has_variable = _VARIABLE in text
    if has_variable:
        problem = "Pinot fills ${…} from its servers' environment, which the function does not have"
        findings.error(where, problem, "Write the value itself")
    return has_variable


class _Stream(NamedTuple):
    topic: str
    region: str | None
    decoder_columns: Mapping[str, str]


def _read_stream(config: Mapping[str, Any], findings: Findings) -> _Stream:
    new_place = "ingestionConfig.streamIngestionConfig.streamConfigMaps"
    where = new_place
    maps = at(config, new_place) or at(config, "streamIngestionConfig.streamConfigMaps")
    if maps is None:
        where = "tableIndexConfig.streamConfigs"
        old = at(config, where)
        maps = None if old is None else [old]
    if not isinstance(maps, list) or not maps or not all(isinstance(entry, dict) for entry in maps):
        findings.error(
            new_place,
            "no stream is configured there, nor in tableIndexConfig.streamConfigs",
            'Add [{"streamType": "kinesis", "stream.kinesis.topic.name": "…", "region": "…", …}]',
        )
        return _Stream("", None, {})
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
    elif not _check_filled(f"{where}.{topic_key}", topic, findings) and not _STREAM_NAME.fullmatch(topic):
        problem = "it is not the name of a Kinesis stream, and the function could send nothing"
        findings.error(f"{where}.{topic_key}", problem, "Write the name alone, not the ARN")
    region = stream.get("region")
    if not isinstance(region, str) or not region:
        findings.warning(f"{where}.region", "it is missing, and Pinot needs it", "Name the stream's AWS region")
        region = None
    elif not _check_filled(f"{where}.region", region, findings) and not REGION.fullmatch(region):
        problem = "it has not the form of an AWS region, and the function could send nothing"
        findings.error(f"{where}.region", problem, "Write the region's name, as eu-west-1")
    check_stream(where, stream, findings)
    columns = {
        f"{where}.{key}": value
        for key, value in stream.items()
        if key.startswith(DECODER_PROPERTY) and key.endswith(_NAMES_COLUMN) and isinstance(value, str)
    }
    return _Stream(topic, region, columns)


def _read_upsert(config: Mapping[str, Any], findings: Findings) -> tuple[str, str, str | None]:
    upsert = config.get("upsertConfig")
    mode = (upsert.get("mode") or "FULL") if isinstance(upsert, dict) else "NONE"
    if not isinstance(upsert, dict) or mode not in ("FULL", "PARTIAL"):
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
        return mode, delete_column, None
    if not isinstance(comparison, list) or len(comparison) > 1 or not isinstance(comparison[0], str):
        findings.error(
            "upsertConfig.comparisonColumns",
            "it must name exactly one column: Pinot takes several as alternatives and drops a row that fills two",
            "Keep the column that holds the time of a change",
        )
        return mode, delete_column, None
    return mode, delete_column, comparison[0]


def _read_enrichments(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find the fields that a ``generateColumn`` enricher computes; CustomFunctionEnricher of Pinot 1.5.1."""
    enrichers = at(config, "ingestionConfig.enrichmentConfigs")
    for enricher in enrichers if isinstance(enrichers, list) else ():
        functions = at(enricher, "properties.fieldToFunctionMap") if isinstance(enricher, dict) else None
        if isinstance(functions, dict) and enricher.get("enricherType") == "generateColumn":
            yield from ((name, function) for name, function in functions.items() if isinstance(function, str))


def _read_transforms(config: Mapping[str, Any], findings: Findings) -> Iterator[tuple[str, str]]:
    path = "ingestionConfig.transformConfigs"
    transforms = at(config, path) or []
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
