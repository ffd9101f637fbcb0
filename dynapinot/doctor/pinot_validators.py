"""Rules of Pinot's own validators that a table's files can break without making a row wrong: Pinot refuses the table.

They are those of Pinot 1.5.1's ``SchemaUtils``, ``TableConfigUtils`` and the constructors of its specs.
``tests/engines/test_pinot_validate.py`` runs each on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pinot.config_checks import at
from pinot.errors import Findings
from pinot.values import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN

_KINDS: Final = ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
_METRIC_TYPES: Final = ("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BYTES")
_STORED_AS_TEXT: Final = ("STRING", "JSON")

_UNIT: Final = "(?:NANOSECONDS|MICROSECONDS|MILLISECONDS|SECONDS|MINUTES|HOURS|DAYS)"
_GRANULARITY: Final = re.compile(rf"{_UNIT}(?:\|[1-9][0-9]*)?|[1-9][0-9]*:{_UNIT}")
# Units and sizes that do not exist are errors of the schema itself.
_FORMAT: Final = re.compile(
    r"[0-9]+:[A-Z]+:(?:EPOCH|TIMESTAMP|SIMPLE_DATE_FORMAT(?::(?P<old>.+))?)"
    r"|EPOCH(?:\|[A-Z]+(?:\|[0-9]+)?)?|TIMESTAMP|SIMPLE_DATE_FORMAT(?:\|(?P<pattern>[^|]+)(?:\|.*)?)?"
)
_QUOTED: Final = re.compile("'[^']*'")
_PATTERN_LETTERS: Final = frozenset("GCYxwEeDyMdahHKkmsSzZ")  # org.joda.time.format.DateTimeFormat
_BY_SIZE: Final = "yMdHms"

_WHOLE: Final = re.compile("[+-]?[0-9]+")
_STORAGE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?\s*[KMGTP]?B?", re.IGNORECASE)


class _Column(NamedTuple):
    kind: str
    data_type: str
    single_value: bool


def look_at_schema(schema: Mapping[str, Any], findings: Findings) -> None:
    """Warn of what Pinot refuses in a schema."""
    for kind, spec in _specs(schema):
        where, data_type = f"column {spec.get('name')}", str(spec.get("dataType"))
        is_multiple = str(spec.get("singleValueField", True)).lower() == "false"
        if kind == "metricFieldSpecs" and (is_multiple or data_type not in _METRIC_TYPES):
            problem = f"Pinot refuses a metric of {'several values' if is_multiple else f'type {data_type}'}"
            findings.warning(where, problem, "Move the column to dimensionFieldSpecs")
        if kind == "dateTimeFieldSpecs":
            _look_at_date_time(where, spec, is_multiple=is_multiple, findings=findings)
        default = spec.get("defaultNullValue")
        if default is not None and not _is_of_type(default, data_type):
            problem = f"its defaultNullValue is no {data_type}, and Pinot refuses the schema"
            findings.warning(where, problem, "Correct it, or leave it out")


def look_at_config(schema: Mapping[str, Any], config: Mapping[str, Any], findings: Findings) -> None:
    """Warn of what Pinot refuses in a table config, in the light of the schema's columns."""
    columns = {
        str(spec.get("name")): _Column(
            kind, str(spec.get("dataType")), str(spec.get("singleValueField", True)).lower() != "false"
        )
        for kind, spec in _specs(schema)
    }
    for setting, name, index in _indexed(config):
        column = columns.get(name)
        if column is None:
            findings.warning(
                setting, f"the schema has no column {name}, and Pinot refuses the table", "Remove it there"
            )
        elif problem := _index_problem(index, column):
            findings.warning(setting, f"Pinot refuses {problem}, and {name} is a {column.data_type}", "Remove it there")
    raw = {name for setting, name, _ in _indexed(config) if setting.startswith("tableIndexConfig.noDictionary")}
    for setting, name, index in _indexed(config):
        if index == "range" and name in raw and columns.get(name, _NOTHING).data_type in ("STRING", "JSON", "BYTES"):
            problem = f"Pinot refuses a range index without a dictionary on {name}, which holds no numbers"
            findings.warning(setting, problem, "Remove one of the two")
    _look_at_quota(config, findings)
    _look_at_order(config, columns, findings)


_NOTHING: Final = _Column("", "", single_value=True)

_LISTS: Final = {
    "invertedIndexColumns": "inverted",
    "rangeIndexColumns": "range",
    "jsonIndexColumns": "json",
    "bloomFilterColumns": "bloom",
    "noDictionaryColumns": "none",
    "onHeapDictionaryColumns": "none",
    "varLengthDictionaryColumns": "none",
    "sortedColumn": "none",
    "jsonIndexConfigs": "json",
    "bloomFilterConfigs": "bloom",
    "noDictionaryConfig": "none",
    "segmentPartitionConfig.columnPartitionMap": "none",
}


def _indexed(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give the columns that indexes name: the setting, the column's name, and the index."""
    for name, index in _LISTS.items():
        setting = f"tableIndexConfig.{name}"
        columns = at(config, setting)
        for column in columns if isinstance(columns, list | dict) else ():
            yield setting, str(column), index
    fields = config.get("fieldConfigList")
    for place, field in enumerate(fields if isinstance(fields, list) else ()):
        if not isinstance(field, dict):
            continue
        types, indexes = field.get("indexTypes"), field.get("indexes")
        named = [*(types if isinstance(types, list) else ()), *(indexes if isinstance(indexes, dict) else ())]
        for index in (*named, field.get("indexType"), "none"):
            if index is not None:
                yield f"fieldConfigList[{place}]", str(field.get("name")), str(index).lower()


def _index_problem(index: str, column: _Column) -> str | None:
    if index in ("json", "text", "fst") and column.data_type not in _STORED_AS_TEXT:
        return f"a {index.upper()} index on a column without text"
    if index == "bloom" and column.data_type == "BOOLEAN":
        return "a bloom filter on a BOOLEAN column"
    return None


def _look_at_date_time(where: str, spec: Mapping[str, Any], *, is_multiple: bool, findings: Findings) -> None:
    if is_multiple:
        problem = "Pinot refuses a date-time column of several values"
        findings.warning(where, problem, "Move the column to dimensionFieldSpecs")
    granularity = spec.get("granularity")
    if granularity is None:
        findings.warning(where, "it has no granularity, and Pinot refuses the schema", 'Write "1:MILLISECONDS"')
    elif not _GRANULARITY.fullmatch(str(granularity)):
        problem = f"Pinot refuses the granularity {granularity}"
        findings.warning(where, problem, 'Write a size and a unit, as "1:MILLISECONDS"')
    text = spec.get("format")
    if not isinstance(text, str) or not text:
        return  # an error of the schema itself
    match = _FORMAT.fullmatch(text)
    if match is None or not _is_date_pattern(match["pattern"] or match["old"]):
        findings.warning(where, f"Pinot refuses the format {text}", "Write TIMESTAMP, EPOCH|… or SIMPLE_DATE_FORMAT|…")
    elif not _sorts_by_time(match["pattern"] or match["old"]):
        problem = f"Pinot refuses the format {text}, whose texts do not sort by time"
        findings.warning(where, problem, "Write the year first, then the month, the day, and so on")


def _is_date_pattern(pattern: str | None) -> bool:
    letters = _letters(pattern)
    return set(letters) <= _PATTERN_LETTERS


def _sorts_by_time(pattern: str | None) -> bool:
    last = [place for place in map(_letters(pattern).rfind, _BY_SIZE) if place >= 0]
    return last == sorted(last)


def _letters(pattern: str | None) -> str:
    """Give the letters of a date pattern that stand for something; the zone behind ``tz`` is no part of it."""
    return "".join(filter(str.isalpha, _QUOTED.sub("", (pattern or "").partition(" tz(")[0])))


def _look_at_quota(config: Mapping[str, Any], findings: Findings) -> None:
    queries, storage = at(config, "quota.maxQueriesPerSecond"), at(config, "quota.storage")
    if queries is not None and not (_is_double(str(queries)) and float(queries) > 0):
        problem = "it is no number above 0, and Pinot refuses the table"
        findings.warning("quota.maxQueriesPerSecond", problem, "Write a number, or remove it")
    if storage is not None and not _STORAGE.fullmatch(str(storage)):
        findings.warning("quota.storage", "it is no size, and Pinot refuses the table", 'Write "100G", or remove it')


def _look_at_order(config: Mapping[str, Any], columns: Mapping[str, _Column], findings: Findings) -> None:
    marks = at(config, "upsertConfig.outOfOrderRecordColumn")
    if marks and columns.get(str(marks), _NOTHING)[1:] != ("BOOLEAN", True):
        problem = f"Pinot refuses a column other than a single-value BOOLEAN, as {marks} is none"
        findings.warning("upsertConfig.outOfOrderRecordColumn", problem, "Name a BOOLEAN column, or remove it")
    scheme = at(config, "segmentsConfig.peerSegmentDownloadScheme")
    if scheme and str(scheme).lower() not in ("http", "https"):
        problem = "Pinot refuses another scheme than http and https"
        findings.warning("segmentsConfig.peerSegmentDownloadScheme", problem, "Write one of them, or remove it")


def _specs(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in _KINDS:
        specs = schema.get(kind)
        if isinstance(specs, list):
            yield from ((kind, spec) for spec in specs if isinstance(spec, dict))


def _is_of_type(default: object, data_type: str) -> bool:
    text = str(default).lower() if isinstance(default, bool) else str(default)
    is_one = _PARSERS.get(data_type)
    return is_one is None or is_one(text)


def _is_whole(lowest: int, highest: int) -> Callable[[str], bool]:
    return lambda text: _WHOLE.fullmatch(text) is not None and lowest <= int(text) <= highest


def _is_double(text: str) -> bool:
    return _parses(float, text) and "_" not in text


def _is_time(text: str) -> bool:
    return _WHOLE.fullmatch(text) is not None or _parses(datetime.fromisoformat, text)


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except (ValueError, ArithmeticError):
        return False
    return True


_PARSERS: Final[Mapping[str, Callable[[str], bool]]] = {
    "INT": _is_whole(INT32_MIN, INT32_MAX),
    "LONG": _is_whole(INT64_MIN, INT64_MAX),
    "FLOAT": _is_double,
    "DOUBLE": _is_double,
    "BIG_DECIMAL": lambda text: _parses(Decimal, text) and Decimal(text).is_finite(),
    "TIMESTAMP": _is_time,
    "BYTES": lambda text: _parses(bytes.fromhex, text),
}
