"""Putting a schema, a table config and a source together: where every column of a row comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from decoder.change import Change, Image
from decoder.errors import ChangeError
from pinot.config import TableConfig, names_read_by, read_config
from pinot.errors import Finding, Findings, MisfitError
from pinot.metadata import DYNAMODB_NAMES, can_hold, filler, types_for
from pinot.schema import Field, Schema, read_schema
from pinot.source import REST, Source, Step, follow, read_source
from pinot.table import Column, Role, Table, Take
from pinot.values import Convert, converter, document, natural, shapes_of

Origin: TypeAlias = "str | tuple[Step, ...]"  # a property of the change ($…), or a path into the item

_REST_TYPES: Final = ("JSON", "STRING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What a table's three files are called in findings."""

    schema: str = "schema.json"
    config: str = "table.json"
    source: str = "source.toml"


def read_table(
    schema_document: object,
    config_document: object,
    source_document: Mapping[str, object],
    files: Files,
) -> tuple[Table, tuple[Finding, ...]]:
    """Make a table of its parsed files, and give the warnings there are about them.

    Raises TableError with everything, in the first file that has any, that rules out right rows.
    """
    in_schema, in_config, in_source = Findings(files.schema), Findings(files.config), Findings(files.source)
    schema = read_schema(schema_document, in_schema)
    config = read_config(config_document, in_config)
    source = read_source(source_document, in_source)
    computed = {field.name for field in schema.fields if field.transform} | config.transforms.keys()
    origins = {
        field.name: _origin(field, schema, config, source) for field in schema.fields if field.name not in computed
    }
    _check_schema(schema, config, computed, in_schema)
    _check_config(schema, config, computed, origins, in_config)
    _check_source(schema, computed, origins, source, in_schema, in_source)
    for findings in (in_schema, in_config, in_source):
        findings.raise_errors()
    return _table(schema, config, source, origins), (*in_schema.found, *in_config.found, *in_source.found)


def _origin(field: Field, schema: Schema, config: TableConfig, source: Source) -> Origin:
    """Decide where a column that Pinot does not compute comes from: what is said wins over what it is for."""
    if field.name in source.columns:
        return source.columns[field.name]
    if field.name == config.delete_column:
        return "$deleted"
    if field.name in DYNAMODB_NAMES:
        return DYNAMODB_NAMES[field.name]
    if _orders_by_default(field, schema, config):
        return "$timestamp"
    return (field.name,)


def _orders_by_default(field: Field, schema: Schema, config: TableConfig) -> bool:
    return (
        field.name == config.comparison_column
        and field.name not in schema.primary_key
        and can_hold(field, "$timestamp")
    )


def _check_schema(schema: Schema, config: TableConfig, computed: set[str], findings: Findings) -> None:
    if schema.name and schema.name != config.name:
        problem = f"it is not the table's name, {config.name}, by which Pinot looks the schema up"
        findings.warning("schemaName", problem, "Give both the same name")
    for name in schema.primary_key:
        if name in computed:
            findings.error(
                f"primary key column {name}",
                "Pinot computes it, so the stream could not be partitioned by it",
                "Make the primary key of columns that are sent",
            )


def _check_config(
    schema: Schema, config: TableConfig, computed: set[str], origins: Mapping[str, Origin], findings: Findings
) -> None:
    settings = {
        "upsertConfig.deleteRecordColumn": config.delete_column,
        "segmentsConfig.timeColumnName": config.time_column,
    }
    if config.comparison_column:
        settings["upsertConfig.comparisonColumns"] = config.comparison_column
    for setting, name in settings.items():
        field = schema.field(name)
        if field is None:
            findings.error(setting, f"the schema has no column {name}", "Add the column, or name one that is there")
        elif not field.single_value:
            findings.error(setting, f"column {name} holds several values", "Name a single-value column")
    time_field = schema.field(config.time_column)
    if time_field and not time_field.is_date_time:
        problem = f"column {config.time_column} is not one of the schema's dateTimeFieldSpecs, and Pinot refuses that"
        findings.warning("segmentsConfig.timeColumnName", problem, "Move the column there")
    comparison = config.comparison_column
    if comparison and isinstance(origins.get(comparison), tuple):
        findings.warning(
            "upsertConfig.comparisonColumns",
            f"column {comparison} is the item's own, so the item's writers decide which of its changes is the newest",
            f'Compare by the change\'s time: {comparison} = "$timestamp" in source.toml',
        )
    for name in config.transforms.keys() - {field.name for field in schema.fields}:
        problem = f"it computes {name}, which is no column of the schema"
        findings.warning("ingestionConfig.transformConfigs", problem, "Add the column, or remove the transform")
    if config.delete_column in computed:
        problem = f"Pinot computes column {config.delete_column} from an expression"
        findings.warning(
            "upsertConfig.deleteRecordColumn", problem, "Remove the expression: the flag is sent with the row"
        )


def _check_source(
    schema: Schema,
    computed: set[str],
    origins: Mapping[str, Origin],
    source: Source,
    in_schema: Findings,
    in_source: Findings,
) -> None:
    for name in source.columns:
        if schema.field(name) is None:
            in_source.error(
                f"columns.{name}", "the schema has no such column", "Add it to the schema, or remove the line"
            )
        elif name in computed:
            in_source.error(f"columns.{name}", "Pinot computes this column", "Remove the line, or Pinot's expression")
    for name, origin in origins.items():
        field = schema.field(name)
        if field is None or not isinstance(origin, str):
            continue
        fits = field.single_value and field.data_type in _REST_TYPES if origin == REST else can_hold(field, origin)
        if fits:
            continue
        wanted = " or ".join(_REST_TYPES if origin == REST else types_for(origin))
        problem = f"a {field.data_type} column of this kind cannot hold {origin}"
        if name in source.columns:
            in_source.error(f"columns.{name}", problem, f"Make it {wanted} in the schema")
        else:
            remedy = f'Make it a single-value {wanted}, or map the column in source.toml: [columns] {name} = "…"'
            in_schema.error(f"column {name}", problem, remedy)


def _table(schema: Schema, config: TableConfig, source: Source, origins: Mapping[str, Origin]) -> Table:
    inputs = _inputs(schema, config)
    whole = {origin[0] for origin in origins.values() if isinstance(origin, tuple) and len(origin) == 1}
    taken = frozenset(str(name) for name in whole | inputs)
    columns = [
        _column(field, origins[field.name], schema, config, source, taken)
        for field in schema.fields
        if field.name in origins
    ]
    columns += [Column(name=name, attribute=name, take=_take_attribute(name, natural)) for name in sorted(inputs)]
    by_name = {column.name: column for column in columns}
    return Table(
        name=config.name,
        stream=config.stream,
        region=config.region,
        dynamodb_table=source.dynamodb_table,
        keep_ttl_deletes=source.ttl_deletes == "keep",
        columns=tuple(columns),
        primary_key=tuple(by_name[name] for name in schema.primary_key),
        taken=taken,
    )


def _inputs(schema: Schema, config: TableConfig) -> set[str]:
    """Find the fields that Pinot's expressions read and that are no columns: they must be in the row all the same."""
    expressions = {field.name: field.transform for field in schema.fields if field.transform} | dict(config.transforms)
    if config.filter_function:
        expressions[""] = config.filter_function
    names = set().union(*map(names_read_by, expressions.values()))
    return names - expressions.keys() - {field.name for field in schema.fields}


def _column(
    field: Field, origin: Origin, schema: Schema, config: TableConfig, source: Source, taken: frozenset[str]
) -> Column:
    role = _role(field.name, schema, config)
    if isinstance(origin, str):
        if origin == REST:
            return Column(name=field.name, take=_take_rest(field, taken), role=role)
        take: Take = filler(field, origin)
        if _is_guess(field, origin, source):
            take = _unless_in_item(field.name, take)
        return Column(name=field.name, take=take, role=role)
    convert = converter(field)
    fallback = filler(field, "$timestamp") if role == "time" and can_hold(field, "$timestamp") else None
    if len(origin) > 1:
        return Column(name=field.name, take=_take_path(origin, convert), role=role, fallback=fallback)
    attribute = str(origin[0])
    return Column(
        name=field.name, attribute=attribute, take=_take_attribute(attribute, convert), role=role, fallback=fallback
    )


def _is_guess(field: Field, origin: str, source: Source) -> bool:
    """Tell a comparison column that holds the change's time only because nobody said otherwise."""
    return origin == "$timestamp" and field.name not in source.columns and field.name not in DYNAMODB_NAMES


def _role(name: str, schema: Schema, config: TableConfig) -> Role | None:
    if name in schema.primary_key:
        return "key"
    if name == (config.comparison_column or config.time_column):
        return "comparison"
    return "time" if name == config.time_column else None


def _take_attribute(name: str, convert: Convert) -> Take:
    def take(_: Change, image: Image, deleted: bool) -> object:  # noqa: ARG001, FBT001  # called by position only
        if name not in image:
            return None
        try:
            return convert(image[name])
        except ChangeError as error:
            raise error.inside(name) from None

    return take


def _take_path(steps: tuple[Step, ...], convert: Convert) -> Take:
    def take(_: Change, image: Image, deleted: bool) -> object:  # noqa: ARG001, FBT001
        attribute = follow(image, steps)
        if attribute is None:
            return None
        try:
            return convert(attribute)
        except ChangeError as error:
            raise error.inside(*steps) from None

    return take


def _take_rest(field: Field, taken: frozenset[str]) -> Take:
    shape = shapes_of("STRING", field.max_length)["S"]

    def take(_: Change, image: Image, deleted: bool) -> object:  # noqa: ARG001, FBT001
        rest = {}
        for name, attribute in image.items():
            if name not in taken:
                try:
                    rest[name] = natural(attribute)
                except ChangeError as error:
                    raise error.inside(name) from None
        return shape(document(rest)) if rest else None

    return take


def _unless_in_item(name: str, take: Take) -> Take:
    def take_unless(change: Change, image: Image, deleted: bool) -> object:  # noqa: FBT001
        if name in image:
            detail = (
                "the comparison column holds the change's time, and the item has an attribute of its name; say in "
                f'source.toml which is meant: {name} = "$timestamp" or {name} = "{name}"'
            )
            raise MisfitError("ambiguous_column", detail).inside(name)
        return take(change, image, deleted)

    return take_unless
