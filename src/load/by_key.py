"""From a primary key in Pinot to the item that it is made of, and to what is to be under that key. Pure but for reads.

A primary key tells its item if it holds the whole DynamoDB key, and if the value of each of its columns shows which
attribute value it was made of.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from decoder.change import Change, Image
from decoder.number import decode_number, number_text
from load.plan import KeyValue
from pinot.errors import MisfitError
from pinot.table import Column, Row, Table
from redrive.current_rows import ReadItem
from snapshot.version import snapshot_ms

FOREIGN_KEY: Final = "foreign_key"  # Pinot has a row that is not made of an item


class KeyAnswerError(Exception):
    """Pinot answers a primary key with another type than its schema has."""


class UntoldItemError(Exception):
    """The primary key of a table does not tell which item a row is made of; the message says why."""


class _Form(NamedTuple):
    """What a Pinot column of a primary key holds: the type of Pinot's answer, and how the attribute's value is made."""

    answer: type
    payload: Callable[[Any], str]


class KeyColumn(NamedTuple):
    """A column of a primary key, and the attribute that it is made of, with its type."""

    column: Column
    attribute: str
    tag: str
    form: _Form


def _number(value: KeyValue) -> str:
    return number_text(decode_number(str(value)))


# By the column's type and the attribute's. A DOUBLE is not there: no text shows which number it was made of.
_FORMS: Final[Mapping[tuple[str, str], _Form]] = {
    ("STRING", "S"): _Form(str, str),
    ("STRING", "N"): _Form(str, _number),
    ("INT", "N"): _Form(int, _number),
    ("LONG", "N"): _Form(int, _number),
    ("TIMESTAMP", "N"): _Form(int, _number),
    ("BIG_DECIMAL", "N"): _Form(str, _number),
    ("BYTES", "B"): _Form(str, lambda text: b64encode(bytes.fromhex(text)).decode()),
}
# A query answers a TIMESTAMP as a date, in the calendar of its time.
_CASTS: Final = {"TIMESTAMP": "LONG", "BIG_DECIMAL": "STRING"}
# Of an attribute that is not in the DynamoDB key, any type will do that makes the same column of it.
_ANY_TAG: Final[Mapping[str, str]] = dict(reversed(_FORMS))


@dataclass(frozen=True, slots=True, kw_only=True)
class ByKey:
    """The rows of a Pinot table by their primary keys. :func:`by_key` makes it.

    ``keys`` names the attributes of the primary key of the DynamoDB table ``source``.
    """

    table: Table
    source: str
    region: str
    keys: Sequence[str]
    columns: Sequence[KeyColumn]
    max_record_bytes: int

    def image(self, key: Sequence[object]) -> Image:
        """Make the attributes of which a primary key was made, in the order of its columns.

        Raises KeyAnswerError, and MisfitError for a key that is not made of an item's.
        """
        image = {}
        for (column, attribute, tag, form), value in zip(self.columns, key, strict=True):
            if type(value) is not form.answer:
                raise KeyAnswerError(f"Pinot answers {type(value).__name__} for {column.name}, a {data_type(column)}")
            try:
                image[attribute] = {tag: form.payload(value)}
            except ValueError:
                detail = f"the value is no {data_type(column)} that is made of a DynamoDB {tag}"
                raise MisfitError(FOREIGN_KEY, detail) from None
        return image

    def row(self, key: Sequence[object], read_item: ReadItem, second: int) -> Row | None:
        """Read the item of a primary key from a second on, and make what is to be under that key: a row or a tombstone.

        Return None for a row that stays, as Time to Live may have deleted its item. Raises RedriveError if the item
        cannot be read, ChangeError if it cannot be a row, or if the key is not one that is made of an item's, and
        KeyAnswerError.
        """
        image = self.image(key)
        keys = {name: image[name] for name in self.keys}
        item, read_second = read_item(self.change(keys, 0), second)
        now = self.change(keys, snapshot_ms(self.table, read_second))
        if item is not None and self.table.has_row_of(item):
            place = self.table.key_of(now, item)
            if place is not None and place == self.table.key_of(now, image):
                (row,) = self.table.rows(now._replace(event_name="INSERT", new_image=item), self.max_record_bytes)
                return row
        return None if self.table.keep_ttl_deletes else self.table.tombstone(now, image)

    def change(self, keys: Image, timestamp_ms: int) -> Change:
        """Make the change of an item that is gone, by its DynamoDB key."""
        return change_of(self.source, self.region, keys, timestamp_ms)


def change_of(source: str, region: str, keys: Image, timestamp_ms: int) -> Change:
    """Make the change of an item of a DynamoDB table that is gone."""
    return Change(
        event_name="REMOVE",
        timestamp_ms=timestamp_ms,
        sequence_number=None,
        keys=keys,
        new_image=None,
        old_image=None,
        ttl_delete=False,
        event_id=None,
        table=source,
        region=region,
        size_bytes=None,
        view_type=None,
    )


def by_key(table: Table, source: str, region: str, key_types: Mapping[str, str], max_record_bytes: int) -> ByKey:
    """Say how the primary key of a Pinot table tells the item of the DynamoDB table ``source``.

    ``key_types`` has the type of each attribute of the DynamoDB key, in its order: S, N or B. Raises UntoldItemError.
    """
    missing = ", ".join(sorted(key_types.keys() - table.key_attributes))
    if missing:
        raise UntoldItemError(
            f"its primary key lacks {missing} of the DynamoDB table's key, and a row does not tell its item"
        )
    columns = []
    for column in table.primary_key:
        tag = key_types.get(column.attribute or "", _ANY_TAG.get(data_type(column), ""))
        form = _FORMS.get((data_type(column), tag))
        if column.attribute is None or form is None:
            raise UntoldItemError(
                f"the value of its primary key column {column.name}, a {data_type(column)}, does not tell what it was "
                "made of"
            )
        columns.append(KeyColumn(column, column.attribute, tag, form))
    return ByKey(
        table=table,
        source=source,
        region=region,
        keys=tuple(key_types),
        columns=columns,
        max_record_bytes=max_record_bytes,
    )


def selected(column: Column) -> str:
    """Write a column of a primary key for a SELECT, so that the answer has its exact value."""
    name, cast = quoted(column.name), _CASTS.get(data_type(column))
    return f"CAST({name} AS {cast})" if cast else name


def literal(value: object) -> str:
    """Write a value. BYTES and BIG_DECIMAL are text here too: Pinot would read a long number as a DOUBLE."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'{}'".format(value.replace("'", "''"))
    return repr(value)


def quoted(name: str) -> str:
    """Write the name of a table or a column."""
    return '"{}"'.format(name.replace('"', '""'))


def data_type(column: Column) -> str:
    """Return the Pinot type of a column, empty for one that is only an expression's input."""
    return column.field.data_type if column.field else ""
