"""Reading a Pinot schema: its columns, their types and limits, and the primary key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from pinot.errors import Findings

DATA_TYPES: Final = (
    "INT",
    "LONG",
    "FLOAT",
    "DOUBLE",
    "BIG_DECIMAL",
    "BOOLEAN",
    "TIMESTAMP",
    "STRING",
    "JSON",
    "BYTES",
)
# Several values of a column, which Pinot 1.5.1 does not have: SchemaUtils.validate refuses the first two, and of BYTES
# a consuming segment drops every row, even one without a value (BytesOffHeapMutableDictionary.index).
SINGLE_VALUE_ONLY: Final = ("JSON", "BIG_DECIMAL", "BYTES")

# FieldSpec.DEFAULT_MAX_LENGTH, and getEffectiveMaxLengthExceedStrategy(): STRING is trimmed, JSON and BYTES are left
# alone unless the schema names a strategy.
DEFAULT_MAX_LENGTH: Final = 512
_LENGTH_STRATEGIES: Final = ("TRIM_LENGTH", "ERROR", "SUBSTITUTE_DEFAULT_VALUE", "NO_ACTION")
_DEFAULT_STRATEGY: Final = {"STRING": "TRIM_LENGTH", "JSON": "NO_ACTION", "BYTES": "NO_ACTION"}

# Why a type is no good in a primary key, and what is.
_NO_KEYS: Final = {
    "FLOAT": (
        "two numbers of DynamoDB may be one FLOAT, so two items could be one row",
        "Use BIG_DECIMAL, LONG or DOUBLE",
    ),
    "JSON": (
        "Pinot writes JSON anew, so two texts of DynamoDB may be one, and two items could be one row",
        "Use STRING, or columns of paths into the value",
    ),
}

MOST_LENGTH: Final = 2**31 - 1  # Pinot's maxLength is a Java int

_TEXT_BOOLEANS: Final = {"true": True, "false": False}
_FIELD_SPECS: Final = ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
_MS_PER_UNIT: Final = {
    "NANOSECONDS": Fraction(1, 1_000_000),
    "MICROSECONDS": Fraction(1, 1_000),
    "MILLISECONDS": Fraction(1),
    "SECONDS": Fraction(1_000),
    "MINUTES": Fraction(60_000),
    "HOURS": Fraction(3_600_000),
    "DAYS": Fraction(86_400_000),
}
_COLON_EPOCH: Final = re.compile(r"([0-9]+):([A-Z]+):EPOCH")
_PIPE_EPOCH: Final = re.compile(r"EPOCH(?:\|([A-Z]+)(?:\|([0-9]+))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column as the schema has it.

    ``max_length`` counts UTF-16 code units of a STRING or JSON and bytes of a BYTES; None is no limit. ``unit_ms`` is
    how many milliseconds one step of a date-time column is, None where it is not a number of such steps (a date
    pattern). ``transform`` is the expression Pinot fills the column from; ``not_null`` is what the schema says of
    nulls.
    """

    name: str
    data_type: str
    single_value: bool
    max_length: int | None
    is_date_time: bool
    unit_ms: Fraction | None
    transform: str | None
    not_null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A Pinot schema: its name, its columns in the file's order, and the columns of its primary key."""

    name: str | None
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    handles_nulls: bool

    def field(self, name: str) -> Field | None:
        """Find a column by name."""
        return next((field for field in self.fields if field.name == name), None)


def is_true(setting: object) -> bool:
    """Tell whether a setting is true; Pinot's JSON parser takes text for booleans."""
    return setting is True or (isinstance(setting, str) and setting.lower() == "true")


def read_schema(document: object, findings: Findings) -> Schema:
    """Read a schema file's JSON, alone or under the key ``schema`` as Pinot's REST API wraps it.

    Raises TableError with everything that is wrong; warnings are left in ``findings``.
    """
    if isinstance(document, dict) and isinstance(document.get("schema"), dict):
        document = document["schema"]
    if not isinstance(document, dict):
        findings.error("the file", "it is not a JSON object", "Write a Pinot schema here")
        findings.raise_errors()
        raise AssertionError  # noqa: TRY004  # not reached
    for kind, remedy in (
        (
            "timeFieldSpec",
            "Declare the column in dateTimeFieldSpecs, which Pinot has in place of the deprecated timeFieldSpec",
        ),
        ("complexFieldSpecs", "Declare the column with dataType JSON"),
    ):
        if document.get(kind):
            findings.error(kind, "columns of this kind cannot be replicated", remedy)
    fields: dict[str, Field] = {}
    for kind in document:
        if kind not in _FIELD_SPECS:
            continue
        specs = document[kind]
        if not isinstance(specs, list):
            findings.error(kind, "it is not a list", "List the column specs in [ ]")
            continue
        for index, spec in enumerate(specs):
            field = _read_field(kind, index, spec, findings)
            if field is None:
                continue
            if field.name in fields:
                findings.error(f"column {field.name}", "it is declared twice", "Keep one of the two")
            fields[field.name] = field
    primary_key = document.get("primaryKeyColumns")
    if not isinstance(primary_key, list) or not primary_key or not all(isinstance(name, str) for name in primary_key):
        findings.error(
            "primaryKeyColumns",
            "it names no column, and an upsert table needs a primary key",
            "List the columns that identify an item; usually those of its partition key and sort key",
        )
        primary_key = []
    schema = Schema(
        name=document.get("schemaName"),
        fields=tuple(fields.values()),
        primary_key=tuple(primary_key),
        handles_nulls=is_true(document.get("enableColumnBasedNullHandling")),
    )
    _check_primary_key(schema, findings)
    _check_names(schema, findings)
    findings.raise_errors()
    return schema


def _read_field(kind: str, index: int, spec: object, findings: Findings) -> Field | None:
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str) or not spec["name"]:
        findings.error(f"{kind}[{index}]", "it has no name", 'Write {"name": "…", "dataType": "…"}')
        return None
    name = spec["name"]
    where = f"column {name}"
    if any(character.isspace() for character in name) or name.startswith("$"):
        findings.error(where, "Pinot refuses blanks in a name and keeps names with $ for itself", "Rename the column")
    data_type = spec.get("dataType")
    single_value = _TEXT_BOOLEANS.get(str(spec.get("singleValueField", True)).lower())
    if data_type not in DATA_TYPES:
        known = ", ".join(DATA_TYPES)
        findings.error(where, f"dataType {data_type!r} cannot be replicated", f"Use one of {known}")
        return None
    if single_value is None:
        findings.error(where, "singleValueField is not true or false", "Write true or false")
        return None
    if not single_value and data_type in SINGLE_VALUE_ONLY:
        remedy = (
            "Use DOUBLE, or one JSON column" if data_type == "BIG_DECIMAL" else "Use one JSON column for the whole list"
        )
        findings.error(where, f"Pinot has no multi-value {data_type} that works", remedy)
    return Field(
        name=name,
        data_type=data_type,
        single_value=single_value,
        max_length=_max_length(where, data_type, spec, findings),
        is_date_time=kind == "dateTimeFieldSpecs",
        unit_ms=_unit_ms(where, kind, spec, findings),
        transform=_transform(where, spec, findings),
        not_null=is_true(spec.get("notNull")),
    )


def _max_length(where: str, data_type: str, spec: Mapping[str, Any], findings: Findings) -> int | None:
    if data_type not in _DEFAULT_STRATEGY:
        return None
    strategy = spec.get("maxLengthExceedStrategy") or _DEFAULT_STRATEGY[data_type]
    if strategy not in _LENGTH_STRATEGIES:
        known = ", ".join(_LENGTH_STRATEGIES)
        findings.error(where, f"maxLengthExceedStrategy {strategy!r} is unknown", f"Use one of {known}")
    max_length = spec.get("maxLength")
    if max_length is None:
        max_length = DEFAULT_MAX_LENGTH
    elif isinstance(max_length, str) and max_length.isascii() and max_length.isdecimal():
        max_length = int(max_length)
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not 1 <= max_length <= MOST_LENGTH:
        problem = f"maxLength is not a positive number, or more than {MOST_LENGTH}"
        findings.error(where, problem, "Write how many characters the column may hold")
        return None
    return None if strategy == "NO_ACTION" else max_length


def _unit_ms(where: str, kind: str, spec: Mapping[str, Any], findings: Findings) -> Fraction | None:
    if kind != "dateTimeFieldSpecs":
        return Fraction(1) if spec["dataType"] in ("LONG", "TIMESTAMP") else None
    time_format = spec.get("format")
    if not isinstance(time_format, str) or not time_format:
        findings.error(
            where, "a date-time column needs a format", 'Write "format": "TIMESTAMP" or "EPOCH|MILLISECONDS"'
        )
        return None
    if spec["dataType"] == "TIMESTAMP" or time_format.endswith("TIMESTAMP"):
        return Fraction(1)
    if match := _COLON_EPOCH.fullmatch(time_format):
        size, unit = match[1], match[2]
    elif match := _PIPE_EPOCH.fullmatch(time_format):
        size, unit = match[2] or "1", match[1] or "MILLISECONDS"
    else:
        return None
    if unit not in _MS_PER_UNIT or not int(size):
        findings.error(where, f"the format {time_format} has no such unit or size", "Write it as EPOCH|MILLISECONDS")
        return None
    return int(size) * _MS_PER_UNIT[unit]


def _transform(where: str, spec: Mapping[str, Any], findings: Findings) -> str | None:
    transform = spec.get("transformFunction")
    if transform is not None and not isinstance(transform, str):
        findings.error(where, "transformFunction is not text", "Write the expression as text, or leave it out")
        return None
    return transform or None


def _check_names(schema: Schema, findings: Findings) -> None:
    seen: dict[str, str] = {}
    for field in schema.fields:
        other = seen.setdefault(field.name.lower(), field.name)
        if other != field.name:
            problem = f"it is {other} but for capitals, which a query does not tell apart"
            findings.warning(f"column {field.name}", problem, "Rename one of the two")


def _check_primary_key(schema: Schema, findings: Findings) -> None:
    for name in schema.primary_key:
        field = schema.field(name)
        where = f"primary key column {name}"
        if field is None:
            findings.error(where, "the schema has no such column", "Add the column, or correct primaryKeyColumns")
        elif not field.single_value:
            findings.error(where, "a primary key column must hold a single value", "Remove singleValueField: false")
        elif field.data_type in _NO_KEYS:
            findings.error(where, *_NO_KEYS[field.data_type])
