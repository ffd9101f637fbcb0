"""Where the schema and the config that Pinot has differ from the table's files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dynapinot.doctor.finding import Finding, error, warning
from dynapinot.doctor.tables import Folder
from pinot import errors
from pinot.compile import Files, compile_table
from pinot.config import TableConfig, read_config
from pinot.errors import Findings, TableError
from pinot.schema import Field, Schema, read_schema

# What of a table config decides which rows come and which are shown, by the names of both sides.
_SETTINGS: Final = {
    "stream": "stream.kinesis.topic.name",
    "region": "region",
    "mode": "upsertConfig.mode",
    "delete_column": "upsertConfig.deleteRecordColumn",
    "comparison_column": "upsertConfig.comparisonColumns",
    "time_column": "segmentsConfig.timeColumnName",
    "transforms": "ingestionConfig.transformConfigs",
    "filter_function": "ingestionConfig.filterConfig.filterFunction",
    "handles_nulls": "tableIndexConfig.nullHandlingEnabled",
    "forgets_deletes_after": "upsertConfig.deletedKeysTTL",
}
_OF_COLUMNS: Final = {
    "data_type": "dataType",
    "single_value": "singleValueField",
    "max_length": "maxLength, or what becomes of longer ones",
    "unit_ms": "format",
    "transform": "transformFunction",
    "is_date_time": "kind of field",
}


def deployed_findings(folder: Folder, schema: Mapping[str, Any] | None, config: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare what Pinot has with the files: column by column, and setting by setting where it matters."""
    name = folder.name
    if schema is None:
        problem = "Pinot has no schema of the table's name"
        yield error("pinot_schema", f"table {name}", problem, f"Add {folder.path / 'schema.json'}", about=name)
        return
    worse = list(_worse_there(folder, schema, config))
    yield from worse
    reported = [finding.where for finding in worse]
    local_schema, local_config = read_files(folder.schema, folder.config)
    there_schema, there_config = read_files(schema, config)
    differences: list[Finding] = []
    if local_schema and there_schema:
        differences += _schema_differences(name, folder.path, local_schema, there_schema)
    if local_config and there_config:
        differences += _config_differences(name, local_config, there_config)
    yield from (each for each in differences if not any(where.startswith(each.where) for where in reported))


def read_files(schema: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Schema | None, TableConfig | None]:
    """Read both documents as the function would; files report what cannot be read, or ``_worse_there`` does."""
    read_there, config_there = None, None
    with suppress(TableError):
        read_there = read_schema(schema, Findings("schema"))
    with suppress(TableError):
        config_there = read_config(config, Findings("config"))
    return read_there, config_there


def _schema_differences(name: str, folder: Path, here: Schema, there: Schema) -> Iterator[Finding]:
    remedy = (
        "Deploy the function from the files that Pinot was given, or give Pinot these, before the function has them: "
        f"dynapinot update-table {folder}"
    )
    here_fields, there_fields = ({field.name: field for field in schema.fields} for schema in (here, there))
    for column in sorted(here_fields.keys() | there_fields.keys()):
        where = f"table {name}: column {column}"
        difference = _field_difference(here_fields.get(column), there_fields.get(column))
        if difference:
            yield error("pinot_schema", where, difference, remedy, about=f"{name} {column}")
    if here.primary_key != there.primary_key:
        problem = f"Pinot has {', '.join(there.primary_key)}, schema.json {', '.join(here.primary_key)}"
        remedy = "Make a new stream and a new table: a primary key cannot be changed"
        yield error("pinot_schema", f"table {name}: primaryKeyColumns", problem, remedy, about=f"{name} primary key")


def _field_difference(here: Field | None, there: Field | None) -> str | None:
    if there is None:
        return "Pinot does not have it, and loses its values"
    if here is None:
        return "only Pinot has it, and it stays empty"
    different = [words for name, words in _OF_COLUMNS.items() if getattr(here, name) != getattr(there, name)]
    return f"Pinot has another {' and another '.join(different)} than schema.json" if different else None


def _config_differences(name: str, here: TableConfig, there: TableConfig) -> Iterator[Finding]:
    for attribute, setting in _SETTINGS.items():
        if getattr(here, attribute) != getattr(there, attribute):
            problem = "Pinot has another value than table.json"
            remedy = "Give Pinot this table config, or deploy the function from the one that Pinot has"
            yield error("pinot_config", f"table {name}: {setting}", problem, remedy, about=f"{name} {attribute}")


def _worse_there(folder: Folder, schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what is wrong with what Pinot has and right in the files: a retention that somebody added, for example."""
    known = {(_last(finding.where), finding.problem) for finding in _said(folder.schema, folder.config)}
    for finding in _said(schema, config):
        if (_last(finding.where), finding.problem) not in known:
            where = f"table {folder.name}: {finding.where}"
            about = f"{folder.name} {finding.where} {finding.problem}"
            make = error if finding.level == "error" else warning
            yield make("pinot_there", where, finding.problem, f"In Pinot: {finding.remedy}", about=about)


def _last(where: str) -> str:
    return where.rpartition(".")[2]


def _said(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Collection[errors.Finding]:
    return compile_table(schema, config, {}, Files())[1]
