"""Putting a schema, a table config and a source together: where every column of a row comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from decoder.change import Change, Image
from decoder.errors import ChangeError, path_text
from pinot.advice import compares_text
from pinot.config import TableConfig, names_read_by, read_config
from pinot.errors import Finding, Findings, MisfitError, TableError
from pinot.metadata import DYNAMODB_NAMES, METADATA, can_hold, filler, types_for
from pinot.path import Step, follow, parse_path
from pinot.schema import Field, Schema, read_schema
from pinot.source import REST, Source, read_source
from pinot.table import Column, Origin, Role, Table, Take, Target, Use
from pinot.values import Convert, converter, expression_input, natural, rest_text

_Document = TypeVar("_Document")
_Read = TypeVar("_Read")

_REST_TYPES: Final = ("JSON", "STRING")
_TIME_TYPES: Final = ("TIMESTAMP", "LONG", "INT")  # BaseSegmentCreator reads others' values by their format, and throws
_ORDERING: Final = ("$timestamp", "$version")
_CONSTANT: Final = ("$table", "$region")  # the same in all changes of an item
_LATEST_CHANGE_MS: Final = 24 * 3_600_000  # a DynamoDB stream keeps a change for so long, and then it may still come


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What a table's three files are called in findings."""

    schema: str = "schema.json"
    config: str = "table.json"
    source: str = "source.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """A table's three files as read, and what follows from them together."""

    schema: Schema
    config: TableConfig
    source: Source

    @property
    def transforms(self) -> Mapping[str, str]:
        """The expressions that Pinot fills columns from."""
        return transforms_of(self.schema, self.config)

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where each column comes from that Pinot does not compute."""
        transforms = self.transforms
        return {each.name: self._origin(each) for each in self.schema.fields if each.name not in transforms}

    def _origin(self, field: Field) -> Origin:
        """Decide where a column comes from: what is said of it wins over what it is for."""
        if field.name in self.source.columns:
            return self.source.columns[field.name]
        if field.name in self.schema.primary_key:
            return (field.name,)  # a property of the change would make each change a row of its own
        if field.name == self.config.delete_column:
            return "$deleted"
        if field.name in DYNAMODB_NAMES:
            return DYNAMODB_NAMES[field.name]
        return "$timestamp" if self.orders_by_default(field) else (field.name,)

    def orders_by_default(self, field: Field) -> bool:
        """Tell a comparison column that holds the change's time only because nobody said otherwise."""
        return (
            field.name == self.config.comparison_column
            and field.name not in {*self.schema.primary_key, *self.source.columns, *DYNAMODB_NAMES}
            and can_hold(field, "$timestamp")
        )

    def role(self, name: str) -> Role | None:
        """Tell why a row cannot do without a column, None where it can."""
        if name in self.schema.primary_key:
            return "key"
        if name == (self.config.comparison_column or self.config.time_column):
            return "comparison"
        return "time" if name == self.config.time_column else None

    def inputs(self) -> set[str]:
        """Find the fields that Pinot's expressions read and that are no columns: rows must have them all the same."""
        transforms = self.transforms
        expressions = [*transforms.values(), self.config.filter_function or ""]
        names = set().union(*map(names_read_by, expressions))
        return names - transforms.keys() - {field.name for field in self.schema.fields}


def transforms_of(schema: Schema, config: TableConfig) -> dict[str, str]:
    """Collect the expressions that Pinot fills columns from; the table config's wins over the schema's, as in Pinot."""
    return {field.name: field.transform for field in schema.fields if field.transform} | dict(config.transforms)


def read_table(
    schema_document: object,
    config_document: object,
    source_document: Mapping[str, object],
    files: Files,
) -> tuple[Table, tuple[Finding, ...]]:
    """Make a table of its parsed files, and give the warnings there are about them.

    Raises TableError with everything that rules out right rows.
    """
    table, found = examine(schema_document, config_document, source_document, files)
    if table is None:
        raise TableError(finding for finding in found if finding.level == "error")
    return table, found


def examine(
    schema_document: object,
    config_document: object,
    source_document: Mapping[str, object],
    files: Files,
) -> tuple[Table | None, tuple[Finding, ...]]:
    """Give everything there is to say about a table's parsed files; and the table, None where errors rule it out."""
    in_schema, in_config, in_source = Findings(files.schema), Findings(files.config), Findings(files.source)
    schema = _try(read_schema, schema_document, in_schema)
    config = _try(read_config, config_document, in_config)
    source = _try(read_source, source_document, in_source)
    parts = _Parts(schema=schema, config=config, source=source) if schema and config and source else None
    if parts:
        _check_schema(parts, in_schema)
        _check_config(parts, in_config)
        _check_source(parts, in_source)
    found = (*in_schema.found, *in_config.found, *in_source.found)
    right = parts and all(finding.level != "error" for finding in found)
    return _table(parts) if parts and right else None, found


def _try(read: Callable[[_Document, Findings], _Read], document: _Document, findings: Findings) -> _Read | None:
    try:
        return read(document, findings)
    except TableError:  # whose findings are in ``findings``
        return None


def _check_schema(parts: _Parts, findings: Findings) -> None:
    schema, transforms = parts.schema, parts.transforms
    for field in schema.fields:
        if field.transform and field.name not in parts.config.transforms and compares_text(field.transform):
            problem = "its transformFunction compares with a text, on which Pinot fails in every row and drops it"
            findings.error(f"column {field.name}", problem, "Write strcmp(…, '…') = 0, or remove the expression")
    if schema.name and schema.name != parts.config.name:
        problem = f"it is not the table's name, {parts.config.name}, by which Pinot looks the schema up"
        findings.warning("schemaName", problem, "Give both the same name")
    for name in schema.primary_key:
        if name in transforms:
            problem = "Pinot computes it, so the stream could not be partitioned by it"
            findings.error(f"primary key column {name}", problem, "Make the primary key of columns that are sent")
        if name == parts.config.delete_column:
            problem = "it is the delete column, and a delete would have another key than the row it deletes"
            findings.error(f"primary key column {name}", problem, "Take it out of primaryKeyColumns")
    for field in schema.fields:
        if field.not_null and isinstance(parts.origins.get(field.name), tuple) and not parts.role(field.name):
            problem = "notNull shows a default value, 0 or the text null, where an item has none"
            findings.warning(f"column {field.name}", problem, "Remove notNull")
    for field, problem, wanted in _cannot_hold(parts):
        if field.name not in parts.source.columns:
            remedy = f'Make it a single-value {wanted}, or map it in source.toml: [columns] {field.name} = "…"'
            findings.error(f"column {field.name}", problem, remedy)


def _check_config(parts: _Parts, findings: Findings) -> None:
    schema, config = parts.schema, parts.config
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
    _check_order(parts, findings)
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
    _check_expressions(parts, findings)
    _check_deleted_keys(parts, findings)


def _check_expressions(parts: _Parts, findings: Findings) -> None:
    schema, config = parts.schema, parts.config
    where = "ingestionConfig.transformConfigs"
    for name in sorted(config.transforms.keys() - {field.name for field in schema.fields}):
        problem = f"it computes {name}, which is no column of the schema"
        findings.warning(where, problem, "Add the column, or remove the transform")
    why = "compares with a text, on which Pinot fails in every row and drops it"
    for name in sorted(config.transforms):
        if compares_text(config.transforms[name]):
            remedy = "Write strcmp(…, '…') = 0, or remove the expression"
            findings.error(where, f"the expression for column {name} {why}", remedy)
    if config.filter_function and compares_text(config.filter_function):
        remedy = "Write strcmp(…, '…') = 0"
        findings.error("ingestionConfig.filterConfig.filterFunction", f"the expression {why}", remedy)
    computed = parts.transforms.get(config.delete_column)
    if computed and not compares_text(computed):
        problem = f"Pinot computes column {config.delete_column} from an expression"
        remedy = "Remove the expression: the flag is sent with the row"
        findings.warning("upsertConfig.deleteRecordColumn", problem, remedy)


def _check_deleted_keys(parts: _Parts, findings: Findings) -> None:
    """Check when Pinot forgets deletes: a change that comes later than that brings an old row back to life.

    ``deletedKeysTTL`` counts in the comparison column's unit, from the greatest value that Pinot has seen.
    """
    config = parts.config
    comparison = parts.schema.field(config.comparison_column or config.time_column)
    if not config.forgets_deletes_after or comparison is None:
        return
    where = "upsertConfig.deletedKeysTTL"
    if comparison.data_type == "STRING":
        problem = f"Pinot refuses it with a comparison column of type STRING, as {comparison.name} is"
        findings.warning(where, problem, "Remove it")
    elif isinstance(parts.origins.get(comparison.name), tuple):
        problem = f"one item with a {comparison.name} far in the future makes Pinot forget every delete"
        findings.warning(where, problem, "Remove it, or compare by the change's time")
    elif comparison.unit_ms and config.forgets_deletes_after * comparison.unit_ms < _LATEST_CHANGE_MS:
        lowest = int(_LATEST_CHANGE_MS / comparison.unit_ms)
        problem = (
            "deletes are forgotten within the 24 h that a change may come late, and then an older row is alive again"
        )
        remedy = f"Write {lowest} or more, in the unit of {comparison.name}, or remove it"
        findings.warning(where, problem, remedy)


def _check_order(parts: _Parts, findings: Findings) -> None:
    comparison = parts.config.comparison_column
    field = parts.schema.field(comparison) if comparison else None
    if comparison is None or field is None:
        return
    where = "upsertConfig.comparisonColumns"
    if field.data_type == "BYTES":
        problem = f"column {comparison} is a BYTES, which Pinot cannot compare: it drops every row"
        findings.error(where, problem, "Name a column that holds the time of a change")
        return
    remedy = f'Compare by the change\'s time: {comparison} = "$timestamp" in source.toml'
    if comparison in parts.transforms:
        findings.warning(where, f"Pinot computes column {comparison}, so what it holds cannot be checked", remedy)
        return
    origin = parts.origins[comparison]
    if isinstance(origin, tuple):
        problem = f"column {comparison} is the item's own, so its writers decide which of its changes is the newest"
        findings.warning(where, problem, remedy)
    elif origin not in _ORDERING:
        findings.error(where, f"column {comparison} holds {origin}, which does not tell the order of changes", remedy)


def _check_source(parts: _Parts, findings: Findings) -> None:
    transforms = parts.transforms
    needed = _needed_attributes(parts)
    for name in sorted(parts.source.leave_out & needed):
        remedy = "Take the name off the list, or map the column otherwise"
        findings.error("leave_out", f"the attribute {name} is taken by a column or an expression", remedy)
    for name in sorted(parts.source.leave_out):
        steps = parse_path(name) or ()
        if len(steps) > 1 and (steps[0] in needed or REST in parts.origins.values()):
            problem = f"attributes stay behind as a whole, and {name} reads as a path into one"
            remedy = f"Leave out {steps[0]}, or put up with it if an attribute really has this name"
            findings.warning("leave_out", problem, remedy)
    for name, origin in parts.source.columns.items():
        if parts.schema.field(name) is None:
            remedy = "Add it to the schema, or remove the line"
            findings.error(f"columns.{name}", "the schema has no such column", remedy)
        elif name in transforms:
            findings.error(f"columns.{name}", "Pinot computes this column", "Remove the line, or Pinot's expression")
        elif name in parts.schema.primary_key and isinstance(origin, tuple) and len(origin) > 1:
            problem = "a path is never DynamoDB's key, so an item's row can move, and its delete takes an old image"
            findings.warning(f"columns.{name}", problem, "Make the primary key of the table's own key")
        elif name in parts.schema.primary_key and isinstance(origin, str) and origin not in _CONSTANT:
            problem = f"a primary key of {origin} would make each change a row of its own"
            findings.error(f"columns.{name}", problem, "Take the column out of primaryKeyColumns, or map an attribute")
        elif name == parts.config.delete_column and origin != "$deleted":
            findings.error(
                f"columns.{name}", "it is the delete column", f'Write {name} = "$deleted", or remove the line'
            )
    for field, problem, wanted in _cannot_hold(parts):
        if field.name in parts.source.columns:
            findings.error(f"columns.{field.name}", problem, f"Make it a single-value {wanted} in the schema")


def _needed_attributes(parts: _Parts) -> set[str]:
    first_steps = {str(origin[0]) for origin in parts.origins.values() if isinstance(origin, tuple)}
    return first_steps | (parts.inputs() - DYNAMODB_NAMES.keys())


def _cannot_hold(parts: _Parts) -> Iterator[tuple[Field, str, str]]:
    """Find the columns that cannot hold the property of the change they should; with each, that and what types can."""
    origins = parts.origins
    for field in parts.schema.fields:
        origin = origins.get(field.name)
        if not isinstance(origin, str):
            continue
        types = _REST_TYPES if origin == REST else types_for(origin)
        fits = field.single_value and field.data_type in types if origin == REST else can_hold(field, origin)
        if not fits:
            problem = f"a column of type {field.data_type}, as it is declared, cannot hold {origin}"
            yield field, problem, " or ".join(types)


def _table(parts: _Parts) -> Table:
    origins, inputs = parts.origins, parts.inputs()
    whole = {origin[0] for origin in origins.values() if isinstance(origin, tuple) and len(origin) == 1}
    read = inputs - DYNAMODB_NAMES.keys()
    taken = frozenset(str(name) for name in whole | read | parts.source.leave_out)
    columns = [
        _column(field, origins[field.name], parts, taken) for field in parts.schema.fields if field.name in origins
    ]
    columns += map(_input_column, sorted(inputs))
    by_name = {column.name: column for column in columns}
    return Table(
        name=parts.config.name,
        target=Target(parts.config.stream, parts.config.region),
        dynamodb_table=parts.source.dynamodb_table,
        when=parts.source.when,
        keep_ttl_deletes=parts.source.ttl_deletes == "keep",
        columns=tuple(columns),
        primary_key=tuple(by_name[name] for name in parts.schema.primary_key),
        computed=parts.transforms,
        uses=_uses(columns, parts),
    )


def _uses(columns: Iterable[Column], parts: _Parts) -> Mapping[str, tuple[Use, ...]]:
    uses: defaultdict[str, list[Use]] = defaultdict(list)
    for column in columns:
        if isinstance(column.origin, tuple):
            path = None if column.attribute else path_text(column.origin)
            uses[str(column.origin[0])].append(Use("expression" if column.is_input else "column", column.name, path))
    for name in sorted(parts.source.when_attributes):
        uses[name].append(Use("filter"))
    for name in sorted(parts.source.leave_out):
        uses[name].append(Use("left_out"))
    for name in parts.transforms:
        uses[name].append(Use("computed", name))
    return {name: tuple(found) for name, found in uses.items()}


def _column(field: Field, origin: Origin, parts: _Parts, taken: frozenset[str]) -> Column:
    role = parts.role(field.name)
    if origin == REST:
        return Column(name=field.name, field=field, origin=origin, take=_take_rest(field, taken), role=role)
    if isinstance(origin, str):
        take: Take = filler(field, origin)
        if parts.orders_by_default(field):
            take = _unless_in_item(field.name, take)
        return Column(name=field.name, field=field, origin=origin, take=take, role=role)
    convert = converter(field, is_key=role == "key")
    fallback = filler(field, "$timestamp") if role == "time" and can_hold(field, "$timestamp") else None
    take = _take_path(origin, convert) if len(origin) > 1 else _take_attribute(str(origin[0]), convert)
    return Column(name=field.name, field=field, origin=origin, take=take, role=role, fallback=fallback)


def _input_column(name: str) -> Column:
    """Make the column of a field that only Pinot's expressions read."""
    if name not in DYNAMODB_NAMES:
        return Column(
            name=name, field=None, origin=(name,), take=_take_attribute(name, expression_input), is_input=True
        )
    origin = DYNAMODB_NAMES[name]
    read = METADATA[origin].read

    def take(change: Change, _: Image, deleted: bool) -> object:  # noqa: FBT001  # called by position only
        return read(change, deleted)

    return Column(name=name, field=None, origin=origin, take=take, is_input=True)


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
    def take(_: Change, image: Image, deleted: bool) -> object:  # noqa: ARG001, FBT001
        rest = {}
        for name, attribute in image.items():
            if name not in taken:
                try:
                    rest[name] = natural(attribute)
                except ChangeError as error:
                    raise error.inside(name) from None
        return rest_text(rest, field.max_length)

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
