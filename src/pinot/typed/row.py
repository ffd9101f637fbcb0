"""Rows from typed records, for one table and one source of changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias, Union, cast

import msgspec
from msgspec import UNSET, Raw, defstruct

from decoder.attribute import check_unicode
from decoder.change import (
    MS_PER_SECOND,
    Change,
    EventName,
    Image,
    check_sequence_number,
    is_ttl_delete,
    time_in_ms,
)
from decoder.errors import ChangeError
from pinot.key import MAX_KEY_BYTES, partition_key
from pinot.metadata import METADATA
from pinot.source import REST
from pinot.table import Column, Table, write_row
from pinot.typed.record import PROPERTIES, Attributes, Source, example_change, record_type
from pinot.typed.tree import Tree, are_canonical, natural, reader
from pinot.values import converter, rest_text, utf16_length

# A row's partition key and data, the change's time in ms, and the attributes that nothing uses. A change without a key
# has no row in this table.
Made: TypeAlias = "tuple[str | None, bytes, int, Sequence[str]]"

MAX_UNMAPPED: Final = 64  # attributes that nothing uses and that have a field of their own

# What may be raised where the exact path has to decide.
_UNDECIDED: Final = (
    *(msgspec.MsgspecError, ChangeError, RecursionError),
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
)
# Values that fit a column, of another DynamoDB type than its typed records have.
_ALSO_FITS: Final = frozenset({("STRING", "N"), ("STRING", "BOOL"), ("TIMESTAMP", "S")})
_CONSTANT: Final = frozenset({"$deleted", "$event_name", "$table"})
_NOTHING: Final[Image] = {}
_CHECK: Final = r"if (b'\\' in data or not data.isascii() or has_decimals) and not is_exact(row, data): return None"

_decode_names: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_tree: Final = msgspec.json.Decoder(Tree).decode

# The image, its attributes that no column takes by name, and the change -> a column's value, None for none.
_Take: TypeAlias = Callable[[Any, Mapping[str, Tree], Change], object]


class TypedRows:
    """The rows of one table from the changes of one source.

    It learns from changes that took the exact path: which kinds of change there are, which attributes nothing uses, and
    which attributes have values of another DynamoDB type than their column's usual one.
    """

    def __init__(self, table: Table, source: Source) -> None:
        self._table = table
        self._source = source
        self._event_names: dict[EventName, None] = {}
        self._unmapped: dict[str, None] = {}
        self._read_whole: set[str] = set()
        self._is_open = False  # there are too many attributes that nothing uses for fields of their own
        self._attributes = Attributes(table, source)
        self._makers: dict[Any, Callable[[Any], Made | None]] = {}
        self._decode: Callable[[Any], Any] | None = None

    def row(self, text: bytes | Raw, max_bytes: int) -> Made | None:
        """Make the only row of a change by its JSON; None where the exact path has to decide.

        ``max_bytes`` is how large a row may be with its key.
        """
        if self._decode is None:
            return None
        try:
            record = self._decode(text)
            made = self._makers[type(record)](record)
        except _UNDECIDED:
            return None
        if made is not None and len(made[1]) > max_bytes - MAX_KEY_BYTES:  # a row near the limit is rare
            return None
        return made

    def learn(self, change: Change) -> None:
        """Learn from a change that took the exact path, so that the next one like it need not."""
        before = len(self._event_names), len(self._unmapped), len(self._read_whole), self._is_open
        self._event_names[change.event_name] = None
        image = (change.old_image if change.event_name == "REMOVE" else change.new_image) or _NOTHING
        for name, attribute in image.items():
            column = self._attributes.plain.get(name)
            if column is not None:
                if _fits_otherwise(column, attribute):
                    self._read_whole.add(name)
            elif name not in self._attributes.fields and not self._is_open:
                self._unmapped[name] = None
                self._is_open = len(self._unmapped) > MAX_UNMAPPED or not _can_be_field(name)
        if before != (len(self._event_names), len(self._unmapped), len(self._read_whole), self._is_open):
            self._compile()

    def _compile(self) -> None:
        unmapped = () if self._is_open else self._unmapped
        try:
            attributes = Attributes(self._table, self._source, unmapped=unmapped, read_whole=self._read_whole)
            self._attributes = attributes
            makers = [_Maker(each, self._table, attributes, is_open=self._is_open) for each in self._event_names]
            self._makers = {maker.type: maker.make for maker in makers}
            self._decode = msgspec.json.Decoder(Union[tuple(self._makers)], strict=False).decode  # noqa: UP007
        except _UNDECIDED:  # a name that msgspec has no field for, for example
            self._decode = None


def _fits_otherwise(column: Column, attribute: object) -> bool:
    tags = attribute if isinstance(attribute, dict) else ()
    return column.field is not None and any((column.field.data_type, tag) in _ALSO_FITS for tag in tags)


def _can_be_field(name: str) -> bool:
    """Return whether msgspec takes a name for a field: JSON must escape nothing in it."""
    try:
        check_unicode(name)
    except ChangeError:
        return False
    return not any(character in '"\\' or character < " " for character in name)


class _Maker:
    """Makes the rows of one kind of change: INSERT, MODIFY or REMOVE.

    ``make`` gives a record's row. It gives None, or raises one of ``_UNDECIDED``, where the exact path has to decide.
    """

    def __init__(self, event_name: EventName, table: Table, attributes: Attributes, *, is_open: bool) -> None:
        source = attributes.source
        self._event_name, self._table, self._attributes = event_name, table, attributes
        self._is_delete = event_name == "REMOVE"
        self._columns = table.tombstone_columns if self._is_delete else table.columns
        # Where the primary key is not DynamoDB's key, an update may leave a row behind.
        self._can_move = event_name == "MODIFY" and not table.key_attributes <= {*source.keys}
        primary_key = [each.origin for each in table.primary_key] if self._can_move else []
        moving = [str(origin[0]) for origin in primary_key if isinstance(origin, tuple)]
        image = attributes.image("Image", attributes.fields, is_open=is_open)
        other = attributes.image("Other", dict.fromkeys([*source.keys, *attributes.filtered, *moving]), is_open=True)
        properties = {PROPERTIES[column.origin] for column in self._columns if column.origin in PROPERTIES}
        self._asks = False  # some column's value is taken from the change itself
        self._properties = [(each.field, attrgetter(each.path)) for each in properties]
        self.type = record_type(event_name, attributes, properties, image=Raw if is_open else image, other=other)
        self._decode_image = msgspec.json.Decoder(image, strict=False).decode
        self._moving = attrgetter(*map(attributes.path, moving)) if moving else None
        self._ambiguous = [get for _, get in attributes.getters(attributes.ambiguous)]
        self._filtered = attributes.getters(attributes.filtered)
        others = [name for name in attributes.fields if name not in table.taken]
        self._others = attributes.getters(others if table.takes_rest else [n for n in others if n not in table.uses])
        self._like = example_change(event_name, source.table)
        self._takes: list[tuple[_Take, bool]] = []  # of the columns without a plain attribute; whether one is needed
        self.make: Callable[[Any], Made | None] = self._compile(is_open=is_open)

    def _compile(self, *, is_open: bool) -> Callable[[Any], Made | None]:
        """Write the function that makes a row, and compile it: straight lines, in which no name of an attribute or of a
        column stands. See docs/adr/0009.
        """
        table, attributes, source = self._table, self._attributes, self._attributes.source
        own, before = ("OldImage", "NewImage") if self._is_delete else ("NewImage", "OldImage")
        names: dict[str, Any] = {"UNSET": UNSET, "write": write_row, "partition_key": partition_key}
        lines = ["change = record.dynamodb", f"image, other = change.{own}, change.{before}"]
        if is_open:
            lines.append("image, others = open_image(image)")
        elif self._others:
            lines.append("others = others_of(image)")
        for name in source.keys:
            path = attributes.path(name)
            lines.append(f"if change.Keys.{path} != image.{path}: return None")
            lines.append(f"if other is not UNSET and other.{path} != image.{path}: return None")
        if source.is_kinesis_form:
            lines.append("time_ms = time_of(change)")
        else:  # a number of seconds, which Lambda may write as 1.719082124E9
            lines.append("time = change.ApproximateCreationDateTime")
            lines.append(f"time_ms = time * {MS_PER_SECOND} if time.__class__ is int else time_in_ms(time, 'SECOND')")
        can_keep = self._is_delete and table.keep_ttl_deletes
        if can_keep or table.when or self._can_move or self._ambiguous:
            lines.append("is_row = decide(record, image, other)")
            lines.append("if not is_row: return None if is_row is None else (None, b'', time_ms, ())")
        columns = {column.name: f"c{place}" for place, column in enumerate(self._columns)}
        values = ", ".join(self._value(column, names) for column in self._columns)
        if self._takes:
            others = "others" if is_open or self._others else "{}"
            lines.append(f"more = more_of(record, image, {others}, time_ms)")
        lines += [f"row = Row({values})", "data = write(row)", _CHECK]
        lines += self._key([(f"row.{columns[each.name]}", each) for each in table.primary_key])
        reports = (is_open or self._others) and not table.takes_rest
        lines.append(f"return key, data, time_ms, {'tuple(others)' if reports else '()'}")
        names["Row"] = defstruct(
            "Row",
            [(field, Any, UNSET) for field in columns.values()],
            rename={field: name for name, field in columns.items()},
            gc=False,
        )
        names |= {"open_image": self._open_image, "others_of": self._others_of, "time_of": _time_of}
        names["time_in_ms"] = time_in_ms
        plain = [each for each in attributes.plain.values() if each.name in columns]
        names["has_decimals"] = any(each.field and each.field.data_type == "BIG_DECIMAL" for each in plain)
        names |= {"decide": self._decide, "more_of": self._more_of, "is_exact": _checker(columns, plain)}
        exec("def make(record):\n    " + "\n    ".join(lines), names)  # noqa: S102
        return cast("Callable[[Any], Made | None]", names["make"])

    def _key(self, values: Sequence[tuple[str, Column]]) -> list[str]:
        """Write how the partition key is made: a short one here, any by :func:`partition_key`."""
        call = f"key = partition_key(({', '.join(value for value, _ in values)},))"
        parts = []
        for value, column in values:
            data_type = column.field.data_type if column.field else ""
            if self._attributes.plain.get(column.attribute or "") is not column or data_type == "BOOLEAN":
                return [call]
            parts.append(
                f"{{len({value})}}:{{{value}}}"
                if data_type in ("STRING", "BIG_DECIMAL")
                else f"{{len(text := str({value}))}}:{{text}}"
            )
        return [f"key = f'{''.join(parts)}'", f"if len(key) > {MAX_KEY_BYTES} or not key.isascii(): {call}"]

    def _value(self, column: Column, names: dict[str, Any]) -> str:
        """Write where a column's value comes from. Raises ChangeError for a constant that the column cannot hold."""
        origin, field = column.origin, column.field
        if column.attribute and self._attributes.plain.get(column.attribute) is column:
            value = f"image.{self._attributes.path(column.attribute)}"
            is_double = field is not None and field.data_type == "DOUBLE"
            return f"0.0 if (v := {value}) == 0 else v" if is_double else value  # and not -0.0
        if origin == "$timestamp" and field and field.unit_ms == 1 and field.data_type in ("TIMESTAMP", "LONG"):
            return "time_ms"
        if origin in _CONSTANT:
            constant = column.take(self._like, _NOTHING, self._is_delete)
            if constant is None and column.role:
                raise ValueError("a row needs this value")
            names[name := f"constant{len(names)}"] = UNSET if constant is None else constant
            return name
        self._asks = self._asks or origin in METADATA
        self._takes.append((self._take(column), column.role is not None))
        return f"more[{len(self._takes) - 1}]"

    def _take(self, column: Column) -> _Take:
        """Build the function that gives the value of a column that has no plain attribute."""
        if isinstance(column.origin, str):
            if column.origin == REST and column.field:
                most = column.field.max_length
                return lambda _, others, __: rest_text({name: natural(each) for name, each in others.items()}, most)
            return lambda _image, _others, change: column.take(change, _NOTHING, self._is_delete)
        name, steps = str(column.origin[0]), column.origin[1:]
        get = attrgetter(self._attributes.fields[name])
        if name in self._attributes.trees or column.field is None:
            read = reader(column.field, steps, is_key=column.role == "key")
            return lambda image, _others, _: None if (tree := get(image)) is UNSET else read(tree)
        # The types leave these to the exact path's converter: sets, lists, FLOAT and BYTES.
        convert = converter(column.field, is_key=column.role == "key")
        return lambda image, _others, _: None if (attribute := get(image)) is UNSET else convert(attribute)

    def _open_image(self, text: Raw) -> tuple[Any, dict[str, Tree]]:
        """Decode an image that may have attributes without a field, and give those that no column takes by name."""
        image = self._decode_image(text)
        others = self._others_of(image)
        for name, value in _decode_names(text).items():
            if name not in self._attributes.fields:
                others[name] = _decode_tree(value)
        return image, others

    def _others_of(self, image: Any) -> dict[str, Tree]:  # noqa: ANN401  # a type made here
        return {name: tree for name, get in self._others if (tree := get(image)) is not UNSET}

    def _decide(self, record: Any, image: Any, other: Any) -> bool | None:  # noqa: ANN401
        """Return whether the table has a row of a change; None where the exact path has to decide."""
        when = self._table.when
        if when and not when(self._seen_by_filter(image), True):  # noqa: FBT003  # Matches has no names
            if self._event_name != "MODIFY":
                return False
            # An item that was a row before and is none now needs a tombstone.
            was_row = other is UNSET or when(self._seen_by_filter(other), True)  # noqa: FBT003
            return None if was_row else False
        if self._is_delete and self._table.keep_ttl_deletes and is_ttl_delete(record.userIdentity):
            return False
        if self._can_move and (other is UNSET or (self._moving and self._moving(other) != self._moving(image))):
            return None
        return None if any(get(image) is not UNSET for get in self._ambiguous) else True

    def _seen_by_filter(self, image: Any) -> dict[str, object]:  # noqa: ANN401
        """Give the attributes that ``when`` looks at, as an event has them."""
        found = ((name, self._attributes.raw(name, get(image))) for name, get in self._filtered)
        return {name: attribute for name, attribute in found if attribute is not None}

    def _change(self, record: Any, time_ms: int) -> Change:  # noqa: ANN401
        """Give what a change says of itself, for the columns that hold it. Raises MalformedError."""
        properties = {name: value for name, get in self._properties if (value := get(record)) is not UNSET}
        check_sequence_number(properties.get("sequence_number", "0"))
        is_ttl = self._is_delete and is_ttl_delete(record.userIdentity)
        return self._like._replace(timestamp_ms=time_ms, ttl_delete=is_ttl, **properties)

    def _more_of(self, record: Any, image: Any, others: dict[str, Tree], time_ms: int) -> list[object]:  # noqa: ANN401
        """Give the values of the columns that have no plain attribute. Raises ValueError where one is missing."""
        change = self._change(record, time_ms) if self._asks else self._like
        more = []
        for take, is_needed in self._takes:
            value = take(image, others, change)
            if value is None and is_needed:
                raise ValueError("a row needs this value")
            more.append(UNSET if value is None else value)
        return more


def _time_of(change: Any) -> int:  # noqa: ANN401
    """Give the time of a change of Kinesis Data Streams for DynamoDB, in ms. Raises MalformedError."""
    unit = change.ApproximateCreationDateTimePrecision
    return time_in_ms(change.ApproximateCreationDateTime, "MILLISECOND" if unit is UNSET else unit)


def _checker(columns: Mapping[str, str], plain_columns: Sequence[Column]) -> Callable[[Any, bytes], bool]:
    """Build the function that checks, of a row and its data, what the types do not check.

    They do not see the character U+0000, a text's length in UTF-16 units, nor the form of a BIG_DECIMAL.
    """
    plain = [(attrgetter(columns[each.name]), each.field) for each in plain_columns if each.field]
    texts = [
        (get, each.max_length) for get, each in plain if each.data_type == "STRING" and each.max_length is not None
    ]
    shortest = min([most for _, most in texts], default=0)
    decimals = [get for get, each in plain if each.data_type == "BIG_DECIMAL"]

    def is_exact(row: Any, data: bytes) -> bool:  # noqa: ANN401
        if b"\\" in data and b"\\u0000" in data:  # the first is found far faster
            return False
        if decimals and not are_canonical([text for get in decimals if (text := get(row)) is not UNSET]):
            return False
        if data.isascii() or len(data) <= shortest:  # UTF-8 has at least a byte for a unit of UTF-16
            return True
        return not any(
            text is not UNSET and len(text) * 2 > most and utf16_length(text) > most
            for text, most in ((get(row), most) for get, most in texts)
        )

    return is_exact
