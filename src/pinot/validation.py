"""What is wrong with a table's files taken together. Rules of a single file are in the module that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pinot.definition import Definition
from pinot.errors import Findings
from pinot.expression import compares_text, fails_on_some_text, names_read_by
from pinot.metadata import DYNAMODB_NAMES, METADATA, can_hold, types_for
from pinot.path import parse_path
from pinot.schema import Field
from pinot.source import REST

_REST_TYPES: Final = ("JSON", "STRING")
_TIME_TYPES: Final = ("TIMESTAMP", "LONG", "INT")  # BaseSegmentCreator reads others' values by their format, and throws
_ORDERING: Final = ("$timestamp", "$version")
_CONSTANT: Final = ("$table", "$region")  # the same in all changes of an item
_LATEST_CHANGE_MS: Final = 24 * 3_600_000  # a DynamoDB stream keeps a change for so long, and then it may still come


def validate(definition: Definition, schema: Findings, config: Findings, source: Findings) -> None:
    """Check a table's files together; ``schema``, ``config`` and ``source`` get what is found in each."""
    _check_schema(definition, schema)
    _check_config(definition, config)
    _check_source(definition, source)


def _check_schema(definition: Definition, findings: Findings) -> None:
    schema, transforms = definition.schema, definition.transforms
    for field in schema.fields:
        if field.transform and field.name not in definition.config.transforms and compares_text(field.transform):
            problem = "its transformFunction compares with a text, on which Pinot fails in every row and drops it"
            findings.error(f"column {field.name}", problem, "Write strcmp(…, '…') = 0, or remove the expression")
    if schema.name and schema.name != definition.config.name:
        problem = f"it is not the table's name, {definition.config.name}, by which Pinot looks the schema up"
        findings.warning("schemaName", problem, "Give both the same name")
    for name in schema.primary_key:
        if name in transforms:
            problem = "Pinot computes it, so the stream could not be partitioned by it"
            findings.error(f"primary key column {name}", problem, "Make the primary key of columns that are sent")
        if name == definition.config.delete_column:
            problem = "it is the delete column, and a delete would have another key than the row it deletes"
            findings.error(f"primary key column {name}", problem, "Take it out of primaryKeyColumns")
    for field in schema.fields:
        if field.not_null and isinstance(definition.origins.get(field.name), tuple) and not definition.role(field.name):
            problem = "notNull shows a default value, 0 or the text null, where an item has none"
            findings.warning(f"column {field.name}", problem, "Remove notNull")
    for field, problem, wanted in _cannot_hold(definition):
        if field.name not in definition.source.columns:
            remedy = f'Make it a single-value {wanted}, or map it in source.toml: [columns] {field.name} = "…"'
            findings.error(f"column {field.name}", problem, remedy)


def _check_config(definition: Definition, findings: Findings) -> None:
    schema, config = definition.schema, definition.config
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
    _check_order(definition, findings)
    time_field = schema.field(config.time_column)
    if time_field and time_field.is_date_time and not time_field.unit_ms:
        problem = (
            f"column {config.time_column} is a date pattern, and text that does not fit it stops Pinot's ingestion"
        )
        findings.error("segmentsConfig.timeColumnName", problem, "Name a column of the format TIMESTAMP or EPOCH|…")
    elif time_field and time_field.is_date_time and time_field.data_type not in _TIME_TYPES:
        problem = f"column {config.time_column} is a {time_field.data_type}, of which Pinot cannot commit a segment"
        findings.error("segmentsConfig.timeColumnName", problem, f"Make it {' or '.join(_TIME_TYPES)}")
    if time_field and not time_field.is_date_time:
        problem = f"column {config.time_column} is not one of the schema's dateTimeFieldSpecs, and Pinot refuses that"
        findings.warning("segmentsConfig.timeColumnName", problem, "Move the column there")
    if not (schema.handles_nulls or config.handles_nulls):
        problem = "null handling is off, so an absent attribute reads as a default value: the text null, 0, or less"
        if config.mode == "PARTIAL":
            problem = "null handling is off, and Pinot refuses the mode PARTIAL without it"
        remedy = 'Write "enableColumnBasedNullHandling": true in the schema'
        findings.warning("tableIndexConfig.nullHandlingEnabled", problem, remedy)
    for setting, name in config.decoder_columns.items():
        if schema.field(name) is None:
            problem = f"it names the column {name}, which the schema does not have"
            findings.warning(setting, problem, "Remove it: the decoder of JSON does not read it")
    _check_expressions(definition, findings)
    _check_flattening(definition, findings)
    _check_deleted_keys(definition, findings)


def _check_expressions(definition: Definition, findings: Findings) -> None:
    schema, config = definition.schema, definition.config
    where = "ingestionConfig.transformConfigs"
    for name in sorted(config.transforms.keys() - {field.name for field in schema.fields}):
        problem = f"it computes {name}, which is no column of the schema"
        findings.warning(where, problem, "Add the column, or remove the transform")
    why = "compares with a text, on which Pinot fails in every row and drops it"
    expressions = {**config.transforms, **config.enrichments}
    for name in sorted(expressions):
        if compares_text(expressions[name]):
            remedy = "Write strcmp(…, '…') = 0, or remove the expression"
            findings.error(where, f"the expression for column {name} {why}", remedy)
    if config.filter_function and compares_text(config.filter_function):
        remedy = "Write strcmp(…, '…') = 0"
        findings.error("ingestionConfig.filterConfig.filterFunction", f"the expression {why}", remedy)
    _check_inputs(definition, findings)
    computed = definition.transforms.get(config.delete_column)
    if computed and not compares_text(computed):
        problem = f"Pinot computes column {config.delete_column} from an expression"
        remedy = "Remove the expression: the flag is sent with the row"
        findings.warning("upsertConfig.deleteRecordColumn", problem, remedy)


def _check_inputs(definition: Definition, findings: Findings) -> None:
    """Check for expressions that Pinot fails to compute for some values, and then drops the row."""
    config = definition.config
    expressions = {f"the expression for column {name}": name for name in sorted(definition.transforms)}
    for what, name in {**expressions, "the filter": None}.items():
        expression = definition.transforms[name] if name else config.filter_function or ""
        inputs = sorted(_inputs_of_any_text(definition, expression))
        if not inputs or compares_text(expression) or not fails_on_some_text(expression):
            continue
        read = f"{what} cannot read {' or '.join(inputs)}"
        if name and definition.role(name) == "comparison":
            problem = f"where {read}, Pinot cannot order the change and loses it, with continueOnError too"
            findings.warning("upsertConfig.comparisonColumns", problem, "Compare by the change's time")
        elif name in config.enrichments:
            problem = f"where {read}, Pinot drops the change, and the item's old row stays"
            remedy = "Compute it in transformConfigs, where continueOnError helps"
            findings.warning("ingestionConfig.enrichmentConfigs", problem, remedy)
        elif not config.continues_on_error:
            problem = f"where {read}, Pinot drops the change, and the item's old row stays"
            remedy = 'Write "continueOnError": true, and Pinot takes null there'
            findings.warning("ingestionConfig.continueOnError", problem, remedy)


def _check_flattening(definition: Definition, findings: Findings) -> None:
    """Check for names that Pinot takes for paths into the row: with complexTypeConfig, ``a.b`` is b inside of a."""
    delimiter = definition.config.flattened_at
    for name in sorted({*definition.origins, *definition.inputs()}):
        if delimiter and delimiter in name:
            outer = name.partition(delimiter)[0]
            problem = f"with the delimiter {delimiter} Pinot reads {name} out of {outer}, and finds null"
            remedy = "Remove complexTypeConfig, or write a delimiter that no column's name has"
            findings.error("ingestionConfig.complexTypeConfig", problem, remedy)


def _inputs_of_any_text(definition: Definition, expression: str) -> Iterator[str]:
    """Find what an expression reads that may hold any text: neither numbers, times nor properties of the change."""
    origins = definition.origins
    for name in names_read_by(expression):
        field = definition.schema.field(name)
        is_property = origins.get(name, DYNAMODB_NAMES.get(name) if field is None else None) in METADATA
        if not is_property and (field is None or field.data_type in ("STRING", "JSON", "BYTES")):
            yield name


def _check_deleted_keys(definition: Definition, findings: Findings) -> None:
    """Check when Pinot forgets deletes: a change that comes later than that brings an old row back to life.

    ``deletedKeysTTL`` counts in the comparison column's unit, from the greatest value that Pinot has seen.
    """
    config = definition.config
    comparison = definition.schema.field(config.comparison_column or config.time_column)
    if not config.forgets_deletes_after or comparison is None:
        return
    where = "upsertConfig.deletedKeysTTL"
    if comparison.data_type == "STRING":
        problem = f"Pinot refuses it with a comparison column of type STRING, as {comparison.name} is"
        findings.warning(where, problem, "Remove it")
    elif isinstance(definition.origins.get(comparison.name), tuple):
        problem = f"one item with a {comparison.name} far in the future makes Pinot forget every delete"
        findings.warning(where, problem, "Remove it, or compare by the change's time")
    elif comparison.unit_ms and config.forgets_deletes_after * comparison.unit_ms < _LATEST_CHANGE_MS:
        lowest = int(_LATEST_CHANGE_MS / comparison.unit_ms)
        problem = (
            "deletes are forgotten within the 24 h that a change may come late, and then an older row is alive again"
        )
        remedy = f"Write {lowest} or more, in the unit of {comparison.name}, or remove it"
        findings.warning(where, problem, remedy)


def _check_order(definition: Definition, findings: Findings) -> None:
    comparison = definition.config.comparison_column
    field = definition.schema.field(comparison) if comparison else None
    if comparison is None or field is None:
        return
    where = "upsertConfig.comparisonColumns"
    if field.data_type == "BYTES":
        problem = f"column {comparison} is a BYTES, which Pinot cannot compare: it drops every row"
        findings.error(where, problem, "Name a column that holds the time of a change")
        return
    remedy = f'Compare by the change\'s time: {comparison} = "$timestamp" in source.toml'
    if comparison in definition.transforms:
        findings.warning(where, f"Pinot computes column {comparison}, so what it holds cannot be checked", remedy)
        return
    origin = definition.origins[comparison]
    if isinstance(origin, tuple):
        problem = f"column {comparison} is the item's own, so its writers decide which of its changes is the newest"
        findings.warning(where, problem, remedy)
    elif origin not in _ORDERING:
        findings.error(where, f"column {comparison} holds {origin}, which does not tell the order of changes", remedy)


def _check_source(definition: Definition, findings: Findings) -> None:
    transforms = definition.transforms
    needed = _needed_attributes(definition)
    for name in sorted(definition.source.leave_out & needed):
        remedy = "Take the name off the list, or map the column otherwise"
        findings.error("leave_out", f"the attribute {name} is taken by a column or an expression", remedy)
    for name in sorted(definition.source.leave_out):
        steps = parse_path(name) or ()
        if len(steps) > 1 and (steps[0] in needed or REST in definition.origins.values()):
            problem = f"attributes stay behind as a whole, and {name} reads as a path into one"
            remedy = f"Leave out {steps[0]}, or keep the line if an attribute really has this name"
            findings.warning("leave_out", problem, remedy)
    for name, origin in definition.source.columns.items():
        if definition.schema.field(name) is None:
            remedy = "Add it to the schema, or remove the line"
            findings.error(f"columns.{name}", "the schema has no such column", remedy)
        elif name in transforms:
            findings.error(f"columns.{name}", "Pinot computes this column", "Remove the line, or Pinot's expression")
        elif name in definition.schema.primary_key and isinstance(origin, tuple) and len(origin) > 1:
            problem = "a path is never DynamoDB's key, so an item's row can move, and its delete takes an old image"
            findings.warning(f"columns.{name}", problem, "Make the primary key of the table's own key")
        elif name in definition.schema.primary_key and isinstance(origin, str) and origin not in _CONSTANT:
            problem = f"a primary key of {origin} would make each change a row of its own"
            findings.error(f"columns.{name}", problem, "Take the column out of primaryKeyColumns, or map an attribute")
        elif name == definition.config.delete_column and origin != "$deleted":
            findings.error(
                f"columns.{name}", "it is the delete column", f'Write {name} = "$deleted", or remove the line'
            )
    for field, problem, wanted in _cannot_hold(definition):
        if field.name in definition.source.columns:
            findings.error(f"columns.{field.name}", problem, f"Make it a single-value {wanted} in the schema")


def _needed_attributes(definition: Definition) -> set[str]:
    first_steps = {str(origin[0]) for origin in definition.origins.values() if isinstance(origin, tuple)}
    return first_steps | (definition.inputs() - DYNAMODB_NAMES.keys())


def _cannot_hold(definition: Definition) -> Iterator[tuple[Field, str, str]]:
    """Find the columns that cannot hold the property of the change they should; with each, that and what types can."""
    origins = definition.origins
    for field in definition.schema.fields:
        origin = origins.get(field.name)
        if not isinstance(origin, str):
            continue
        types = _REST_TYPES if origin == REST else types_for(origin)
        fits = field.single_value and field.data_type in types if origin == REST else can_hold(field, origin)
        if not fits:
            problem = f"a column of type {field.data_type}, as it is declared, cannot hold {origin}"
            yield field, problem, " or ".join(types)
