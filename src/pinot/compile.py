"""From a table's parsed files to a :class:`~pinot.table.Table`: each column with the function that takes its value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from decoder.change import Change, Image
from decoder.errors import ChangeError, path_text
from pinot.config import read_config
from pinot.definition import Definition
from pinot.errors import Finding, Findings, MisfitError, TableError
from pinot.metadata import DYNAMODB_NAMES, METADATA, can_hold, filler
from pinot.path import Step, follow
from pinot.schema import Field, read_schema
from pinot.source import REST, read_source
from pinot.table import Column, Origin, Table, Take, Target, Use
from pinot.validation import validate
from pinot.values import Convert, converter, expression_input, natural, rest_text

_Document = TypeVar("_Document")
_Read = TypeVar("_Read")


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

    Raises TableError with everything that rules out right rows.
    """
    table, found = compile_table(schema_document, config_document, source_document, files)
    if table is None:
        raise TableError(finding for finding in found if finding.level == "error")
    return table, found


def compile_table(
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
    definition = Definition(schema=schema, config=config, source=source) if schema and config and source else None
    if definition:
        validate(definition, in_schema, in_config, in_source)
    found = (*in_schema.found, *in_config.found, *in_source.found)
    right = definition and all(finding.level != "error" for finding in found)
    return _table(definition) if definition and right else None, found


def _try(read: Callable[[_Document, Findings], _Read], document: _Document, findings: Findings) -> _Read | None:
    try:
        return read(document, findings)
    except TableError:  # whose findings are in ``findings``
        return None


def _table(definition: Definition) -> Table:
    origins, inputs = definition.origins, definition.inputs()
    whole = {origin[0] for origin in origins.values() if isinstance(origin, tuple) and len(origin) == 1}
    read = inputs - DYNAMODB_NAMES.keys()
    taken = frozenset(str(name) for name in whole | read | definition.source.leave_out)
    fields = [field for field in definition.schema.fields if field.name in origins]
    columns = [_column(field, origins[field.name], definition, taken) for field in fields]
    columns += map(_input_column, sorted(inputs))
    columns = [replace(each, in_tombstones=definition.in_tombstones(each.name, each.origin)) for each in columns]
    by_name = {column.name: column for column in columns}
    return Table(
        name=definition.config.name,
        target=Target(definition.config.stream, definition.config.region),
        dynamodb_table=definition.source.dynamodb_table,
        when=definition.source.when,
        keep_ttl_deletes=definition.source.ttl_deletes == "keep",
        shows_nulls=definition.schema.handles_nulls or definition.config.handles_nulls,
        columns=tuple(columns),
        primary_key=tuple(by_name[name] for name in definition.schema.primary_key),
        computed=definition.transforms,
        uses=_uses(columns, definition),
    )


def _uses(columns: Iterable[Column], definition: Definition) -> Mapping[str, tuple[Use, ...]]:
    uses: defaultdict[str, list[Use]] = defaultdict(list)
    for column in columns:
        if isinstance(column.origin, tuple):
            path = None if column.attribute else path_text(column.origin)
            uses[str(column.origin[0])].append(Use("expression" if column.is_input else "column", column.name, path))
    for name in sorted(definition.source.when_attributes):
        uses[name].append(Use("filter"))
    for name in sorted(definition.source.leave_out):
        uses[name].append(Use("left_out"))
    for name in definition.transforms:
        uses[name].append(Use("computed", name))
    return {name: tuple(found) for name, found in uses.items()}


def _column(field: Field, origin: Origin, definition: Definition, taken: frozenset[str]) -> Column:
    role = definition.role(field.name)
    if origin == REST:
        return Column(name=field.name, field=field, origin=origin, take=_take_rest(field, taken), role=role)
    if isinstance(origin, str):
        take: Take = filler(field, origin)
        if definition.orders_by_default(field):
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
