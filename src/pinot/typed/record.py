"""The types that a table's changes are decoded into: one for each kind of change, made from the table's columns.

msgspec decodes in its lax mode, so that numbers, which DynamoDB writes as text, are made by its C code. That mode takes
more than it should in a few places; ``NOT_WHOLE`` and ``Literal`` keep that out. ``tests/pinot/typed/test_lax_mode.py``
is the table of what it takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType, defstruct

from decoder.change import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, MS_PER_SECOND, Change, EventName
from decoder.errors import ChangeError
from decoder.number import MAX_EXPONENT, MAX_SIGNIFICANT_DIGITS
from pinot.table import Column, Table
from pinot.typed.tree import Tree, attribute_of
from pinot.values import INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, TIMESTAMP_MAX

# The columns whose values one type decides, each with the DynamoDB type that it is made from.
TAGS: Final = {
    "STRING": "S",
    "BOOLEAN": "BOOL",
    "INT": "N",
    "LONG": "N",
    "TIMESTAMP": "N",
    "DOUBLE": "N",
    "BIG_DECIMAL": "N",
}
_RANGES: Final = {
    "INT": (INT32_MIN, INT32_MAX),
    "LONG": (INT64_MIN, INT64_MAX),
    "TIMESTAMP": (INT32_MAX + 1, TIMESTAMP_MAX),  # a number of 32 bits is sent as text, see timestamp_json
}
# A float that no number is. Beside an int it refuses "9007199254740993.0", which lax mode would round.
NOT_WHOLE: Final = Annotated[float, Meta(gt=1.0, lt=0.0)]
_LARGEST: Final = 10.0 ** (MAX_EXPONENT + 1)  # keeps out "NaN" and "inf", which lax mode takes
_BOUNDS: Final = Meta(ge=-(-MIN_TIMESTAMP_MS // MS_PER_SECOND), lt=MAX_TIMESTAMP_MS // MS_PER_SECOND)
_SECONDS: Final = Annotated[int, _BOUNDS] | Annotated[float, _BOUNDS]
_UNITS: Final = Literal["SECOND", "MILLISECOND", "MICROSECOND"]


class Source(NamedTuple):
    """Where changes come from: what is the same in each of them.

    ``arn`` and ``table_name`` are a record's ``eventSourceARN`` and ``tableName``, None where it has none. ``table`` is
    the DynamoDB table. ``is_kinesis_form`` is true for Kinesis Data Streams for DynamoDB. ``keys`` names the key
    attributes.
    """

    arn: str | None
    table_name: str | None
    table: str | None
    is_kinesis_form: bool
    keys: tuple[str, ...]


def source_of(record: Mapping[str, Any], change: Change) -> Source:
    """Read the source off a change record, and the change that was read from it."""
    return Source(
        arn=record.get("eventSourceARN"),
        table_name=record.get("tableName"),
        table=change.table,
        is_kinesis_form="recordFormat" in record,
        keys=tuple(sorted(change.keys)),
    )


def example_change(event_name: EventName, table: str | None) -> Change:
    """Make a change that says no more of itself than these."""
    return Change(
        event_name=event_name,
        timestamp_ms=MIN_TIMESTAMP_MS,
        sequence_number=None,
        keys={},
        new_image=None,
        old_image=None,
        ttl_delete=False,
        event_id=None,
        table=table,
        region=None,
        size_bytes=None,
        view_type=None,
    )


class Property(NamedTuple):
    """A property of a change: its field of :class:`Change`, and where a record has it."""

    field: str
    path: str


PROPERTIES: Final[Mapping[object, Property]] = {
    "$sequence_number": Property("sequence_number", "dynamodb.SequenceNumber"),
    "$version": Property("sequence_number", "dynamodb.SequenceNumber"),
    "$size_bytes": Property("size_bytes", "dynamodb.SizeBytes"),
    "$view_type": Property("view_type", "dynamodb.StreamViewType"),
    "$event_id": Property("event_id", "eventID"),
    "$region": Property("region", "awsRegion"),
}


class Attributes:
    """How each attribute of a table's items is decoded, and which field of an image holds it.

    A ``plain`` attribute holds the value of its one column. ``trees`` are decoded as a :class:`Tree`; ``skipped`` are
    left out on purpose; the others are decoded as the event has them, for the exact path's converters.
    ``unmapped`` names attributes that no file of the table names; those in ``read_whole`` are not plain.
    """

    def __init__(
        self, table: Table, source: Source, *, unmapped: Iterable[str] = (), read_whole: Collection[str] = ()
    ) -> None:
        self.source = source
        columns: defaultdict[str, list[Column]] = defaultdict(list)
        for column in table.columns:
            if isinstance(column.origin, tuple):
                columns[str(column.origin[0])].append(column)
        self.filtered = [name for name, uses in table.uses.items() if any(use.how == "filter" for use in uses)]
        # Attributes that may be meant for a column that holds the change's time: the exact path says so.
        self.ambiguous = [column.name for column in table.columns if _is_ambiguous(column)]
        needed = {column.attribute for column in table.columns if column.role}
        self.needed = {*source.keys, *filter(None, needed)}
        names = dict.fromkeys([*columns, *source.keys, *table.uses, *self.ambiguous, *unmapped])
        self.fields = {name: f"a{place}" for place, name in enumerate(names)}
        self.plain = {
            name: each[0]
            for name, each in columns.items()
            if len(each) == 1 and name not in {*self.ambiguous, *read_whole} and self._is_plain(each[0])
        }
        others = [name for name in names if name not in self.plain]
        self.trees = {name for name in others if self._is_tree(name, columns.get(name, ()), table)}
        self.skipped = {name for name in others if name not in self.trees and name not in columns}

    def _is_plain(self, column: Column) -> bool:
        field = column.field
        if column.attribute is None or field is None or not field.single_value or field.data_type not in TAGS:
            return False
        # A DOUBLE has not all digits of a number, which a key and a filter need.
        return field.data_type != "DOUBLE" or not (column.role == "key" or column.attribute in self.filtered)

    def _is_tree(self, name: str, columns: Sequence[Column], table: Table) -> bool:
        if not columns:
            return name in self.filtered or name not in table.taken
        return any(each.attribute is None or each.field is None or each.field.data_type == "JSON" for each in columns)

    def path(self, name: str) -> str:
        """Give where an image holds the value of an attribute."""
        column = self.plain.get(name)
        return f"{self.fields[name]}.{TAGS[column.field.data_type]}" if column and column.field else self.fields[name]

    def getters(self, names: Iterable[str]) -> list[tuple[str, Callable[[Any], Any]]]:
        """Give what gets each attribute of an image; of one that is not there, UNSET."""
        return [(name, attrgetter(self.fields[name])) for name in names]

    def raw(self, name: str, value: Any) -> object:  # noqa: ANN401  # a type made here
        """Give an attribute as the event has it, None where an image does not have it."""
        if value is UNSET or name not in self.plain:
            return None if value is UNSET else attribute_of(value) if name in self.trees else value
        tag = self.path(name).partition(".")[2]
        payload = getattr(value, tag)
        if payload is UNSET:
            return {"NULL": True} if value.NULL is True else None
        return {tag: str(payload) if tag == "N" else payload}

    def image(self, name: str, attributes: Iterable[str], *, is_open: bool) -> Any:  # noqa: ANN401
        """Make the type of an image; one that is not open may have no other attributes."""
        fields: list[Any] = []
        for attribute in attributes:
            field, kind = self.fields[attribute], self._type(attribute)
            if attribute in self.needed:
                fields.append((field, kind))
            elif attribute in self.plain:
                fields.append((field, kind, kind()))
            else:
                fields.append((field, *_optional(kind)))
        names = {field: attribute for attribute, field in self.fields.items()}
        return _struct(name, fields, names, forbid_unknown_fields=not is_open)

    def _type(self, name: str) -> Any:  # noqa: ANN401
        column = self.plain.get(name)
        if column and column.field:
            return _value_type(column.field.data_type, column.field.max_length, is_needed=name in self.needed)
        return Tree if name in self.trees else Raw if name in self.skipped else Any


def record_type(
    event_name: EventName,
    attributes: Attributes,
    properties: Collection[Property],
    *,
    image: Any,  # noqa: ANN401
    other: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Make the type of one kind of change.

    ``properties`` are those that columns hold. ``image`` is the type of the image that a row is made from, ``other`` of
    the other image. Raises TypeError or ValueError for a name that msgspec has no field for.
    """
    is_delete, source = event_name == "REMOVE", attributes.source
    own, before = ("OldImage", "NewImage") if is_delete else ("NewImage", "OldImage")
    asked = {each.path for each in properties}
    change: list[Any] = [
        ("ApproximateCreationDateTime", int | NOT_WHOLE if source.is_kinesis_form else _SECONDS),
        ("ApproximateCreationDateTimePrecision", *_optional(_UNITS if source.is_kinesis_form else Literal["SECOND"])),
        ("Keys", attributes.image("Keys", source.keys, is_open=False)),
        (own, image),
        (before, *_optional(other)),
    ]
    if "dynamodb.SequenceNumber" in asked:
        change.append(("SequenceNumber", *_optional(str)) if source.is_kinesis_form else ("SequenceNumber", str))
    if "dynamodb.SizeBytes" in asked:
        change.append(("SizeBytes", *_optional(int | NOT_WHOLE)))
    if "dynamodb.StreamViewType" in asked:
        change.append(("StreamViewType", *_optional(str)))
    record = [
        _only("eventSourceARN", source.arn),
        _only("tableName", source.table_name),
        ("recordFormat", str) if source.is_kinesis_form else ("recordFormat", *_optional(NOT_WHOLE)),
        ("eventSource", *_optional(Literal["aws:dynamodb"])),
        ("dynamodb", _struct(f"{event_name}Change", change)),
        *((name, *_optional(str)) for name in ("eventID", "awsRegion") if name in asked),
        *([("userIdentity", Any, None)] if is_delete else ()),
    ]
    return _struct(f"{event_name}Record", record, tag_field="eventName", tag=event_name)


def _is_ambiguous(column: Column) -> bool:
    """Return whether a column holds a property of the change only by default, not because a file says so."""
    if column.role != "comparison" or isinstance(column.origin, tuple):
        return False
    try:
        column.take(example_change("INSERT", None), {column.name: {"NULL": True}}, False)  # noqa: FBT003  # a Take has no names
    except ChangeError:
        return True
    return False


@cache  # columns that are alike share a type
def _value_type(data_type: str, max_length: int | None, *, is_needed: bool) -> Any:  # noqa: ANN401
    """Make the type of an attribute value: ``{"S": …}`` and no other DynamoDB type, or ``{"NULL": true}``."""
    tag, kind = TAGS[data_type], _payload_type(data_type, max_length)
    fields = [(tag, kind)] if is_needed else [(tag, *_optional(kind)), ("NULL", *_optional(Literal[True]))]
    made = _struct("Value", fields, forbid_unknown_fields=True)
    msgspec.json.Decoder(
        made
    )  # before others have it: msgspec 0.22.0 crashes if several threads are the first to use it
    return made


def _payload_type(data_type: str, max_length: int | None) -> Any:  # noqa: ANN401
    match data_type:
        case "STRING":
            return str if max_length is None else Annotated[str, Meta(max_length=max_length)]
        case "BOOLEAN":
            return Literal[True, False]  # a bool would be made of 1 and of "true" as well
        case "DOUBLE":
            return Annotated[float, Meta(gt=-_LARGEST, lt=_LARGEST)]
        case "BIG_DECIMAL":
            return Annotated[str, Meta(max_length=MAX_SIGNIFICANT_DIGITS)]
    lowest, highest = _RANGES[data_type]
    return Annotated[int, Meta(ge=lowest, le=highest)] | NOT_WHOLE


def _optional(kind: Any) -> tuple[Any, Any]:  # noqa: ANN401
    return (kind, UNSET) if kind is Any else (kind | UnsetType, UNSET)


def _only(name: str, text: str | None) -> tuple[Any, ...]:
    """Make a field that has this text in it, or is not there."""
    return (name, Literal[text]) if text is not None else (name, *_optional(NOT_WHOLE))


def _struct(name: str, fields: Sequence[Any], names: Mapping[str, str] | None = None, **options: Any) -> Any:  # noqa: ANN401
    return defstruct(name, fields, rename=names, frozen=True, gc=False, kw_only=True, **options)
