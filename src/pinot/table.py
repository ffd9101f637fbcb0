"""One Pinot table, ready to work: a change goes in, its rows come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

import msgspec

from decoder.attribute import decode
from decoder.change import Change, Image
from decoder.errors import ChangeError, path_text
from pinot.errors import MisfitError
from pinot.filter import Matches
from pinot.key import Scalar, partition_key
from pinot.metadata import DYNAMODB_NAMES, METADATA
from pinot.path import Step
from pinot.schema import Field
from pinot.source import REST

# A change, the image its row is made from, whether that row is a delete -> the value, None when there is none.
Take: TypeAlias = Callable[[Change, Image, bool], object]
Role: TypeAlias = Literal["key", "comparison", "time"]
Origin: TypeAlias = "str | tuple[Step, ...]"  # a property of the change ($…), or a path into the item

TOO_LARGE: Final = "row_too_large"

# The one writer of rows, on both paths: two JSON libraries write some numbers differently.
write_row: Final[Callable[[Any], bytes]] = msgspec.json.Encoder().encode

_WHY_NEEDED: Final[dict[Role, str]] = {
    "key": "it is part of the primary key, and Pinot would file the row under the text null",
    "comparison": "it is the comparison column, and Pinot could not put this change in order",
    "time": "it is the time column, and Pinot would put in the server's own time",
}


class Target(NamedTuple):
    """The Kinesis stream that feeds a Pinot table; no region is the function's own."""

    stream: str
    region: str | None


class Row(NamedTuple):
    """One row: its Kinesis partition key and its JSON, byte for byte the same whenever the change is replayed.

    ``left_out`` names the columns of a delete whose last value did not fit, each with the reason: a delete needs no
    more than its key, so it is not held up by them. ``unmapped`` names the item's attributes that nothing uses.
    """

    key: str
    data: bytes
    is_delete: bool
    left_out: tuple[tuple[str, str], ...] = ()
    unmapped: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many bytes the row and its key are, as Kinesis counts."""
        return len(self.data) + len(self.key.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One field of a row and where it comes from.

    ``field`` is the column as the schema has it. ``role`` says why a row cannot do without the value; ``fallback``
    gives the value of a delete that has none. An ``is_input`` is no column of Pinot's, and has no ``field``: it is
    what its expressions read. A tombstone has the columns that are ``in_tombstones``.
    """

    name: str
    field: Field | None
    origin: Origin
    take: Take
    role: Role | None = None
    fallback: Take | None = None
    is_input: bool = False
    in_tombstones: bool = True

    @property
    def attribute(self) -> str | None:
        """The item's attribute that the column takes whole, None where it takes something else."""
        return str(self.origin[0]) if isinstance(self.origin, tuple) and len(self.origin) == 1 else None


class Use(NamedTuple):
    """What a table makes of an attribute: a column or one of Pinot's expressions takes it, ``when`` looks at it, it is
    left out on purpose, or it stays away because Pinot computes a column of its name.

    ``name`` is the column's, where there is one; ``path`` what the column takes of the attribute, None for the whole.
    """

    how: Literal["column", "expression", "filter", "left_out", "computed"]
    name: str | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A Pinot table: its name, the stream that feeds it, and the rules that make a change its rows.

    ``dynamodb_table`` is the only source table, None for any. ``when`` decides which of its items are rows, None for
    all. ``columns`` are in the order of a row. ``shows_nulls`` is whether Pinot shows null, and not a default value,
    where a row has no value. ``computed`` has, for each column that Pinot fills itself, its expression. ``uses``
    lists, for each attribute that the files name, what it is used for.
    """

    name: str
    target: Target
    dynamodb_table: str | None
    when: Matches | None
    keep_ttl_deletes: bool
    shows_nulls: bool
    columns: tuple[Column, ...]
    primary_key: tuple[Column, ...]
    computed: Mapping[str, str]
    uses: Mapping[str, tuple[Use, ...]]

    @property
    def stream(self) -> str:
        """The name of the Kinesis stream that feeds the table."""
        return self.target.stream

    @property
    def region(self) -> str | None:
        """The stream's AWS region, None for the function's own."""
        return self.target.region

    @cached_property
    def comparison(self) -> Column:
        """The column that orders the rows of a primary key."""
        return next(column for column in self.columns if column.role == "comparison")

    @cached_property
    def key_attributes(self) -> frozenset[str | None]:
        """The attributes that the primary key takes whole, with None where it takes something else."""
        return frozenset(column.attribute for column in self.primary_key)

    @cached_property
    def taken(self) -> frozenset[str]:
        """The attributes that a column or an expression takes whole, or that are left out: nothing else checks them."""
        return frozenset(
            name
            for name, uses in self.uses.items()
            if any(use.how == "left_out" or (use.how in ("column", "expression") and not use.path) for use in uses)
        )

    @cached_property
    def takes_rest(self) -> bool:
        """Whether a column takes every attribute that nothing else does."""
        return any(column.origin == REST for column in self.columns)

    @cached_property
    def tombstone_columns(self) -> tuple[Column, ...]:
        """The columns of a delete's row."""
        return tuple(column for column in self.columns if column.in_tombstones)

    @cached_property
    def essential(self) -> frozenset[str]:
        """The columns that a delete cannot go without."""
        return frozenset(
            column.name
            for column in self.columns
            if column.role or column.name in DYNAMODB_NAMES or column.origin in METADATA
        )

    def replicates(self, dynamodb_table: str | None) -> bool:
        """Return whether changes of a DynamoDB table belong to this Pinot table."""
        return self.dynamodb_table is None or self.dynamodb_table == dynamodb_table

    def rows(self, change: Change, max_bytes: int | None = None) -> Iterator[Row]:
        """Make the rows of a change, one after the other: none, one, or a tombstone of its old primary key and one.

        ``max_bytes`` is how large a row may be with its key; a delete that is larger goes without its last values.
        Raises MalformedError for what DynamoDB never writes and MisfitError for what the columns, or the stream, cannot
        hold; either way the change can never become a valid row. A tombstone that came before is to be sent all the
        same: the old row is wrong whatever the new one is.
        """
        for row in self._rows(change):
            yield row if max_bytes is None or row.size <= max_bytes else self._shortened(row, max_bytes)

    def _shortened(self, row: Row, max_bytes: int) -> Row:
        if row.is_delete:
            values = msgspec.json.decode(row.data, type=dict[str, msgspec.Raw])
            left_out = ((name, TOO_LARGE) for name in values if name not in self.essential)
            short = row._replace(
                data=write_row({name: value for name, value in values.items() if name in self.essential}),
                left_out=(*row.left_out, *left_out),
            )
            if short.size <= max_bytes:
                return short
        raise MisfitError(
            TOO_LARGE, f"the row and its key are {row.size} bytes, over the stream's limit of {max_bytes}"
        )

    def _rows(self, change: Change) -> Iterator[Row]:
        if change.ttl_delete and self.keep_ttl_deletes:
            return
        if change.event_name == "REMOVE":
            was_row = self._was_row(change)
            if was_row is None and self.not_in_key(change.keys):
                raise _no_image("OldImage", "the key may be of another item too, and only the old image shows which")
            if was_row is not False:
                yield self._deleted(change)
            return
        if change.new_image is None:
            raise _no_image("NewImage", "a row is made of the new image")
        if not self.has_row_of(change.new_image):
            yield from self._tombstone_of_left(change)
            return
        if change.event_name == "MODIFY" and not self.is_keyed_by(change.keys):
            yield from self._tombstone_of_moved(change, change.new_image)
        yield self._row(change, change.new_image, deleted=False)

    def tombstone(self, change: Change, image: Image) -> Row:
        """Make a tombstone of the row that an image has, whatever ``when`` says of it: Pinot is known to show it.

        The image needs no more than the attributes of the primary key. Raises MalformedError and MisfitError.
        """
        return self._row(change, image, deleted=True)

    def _deleted(self, change: Change) -> Row:
        try:
            return self._row(change, change.old_image or change.keys, deleted=True)
        except MisfitError as error:
            if change.old_image is None and error.reason == "missing_key":
                why = "the primary key is made of more than the DynamoDB key, and only the old image has all of it"
                raise _no_image("OldImage", why) from None
            raise

    def has_row_of(self, image: Image) -> bool:
        """Return whether an item is a row of this table, by ``when``. Raises MalformedError."""
        return self.when is None or self.when(image, True) is True  # noqa: FBT003  # Matches has no names

    def _was_row(self, change: Change) -> bool | None:
        """Return whether the item was a row before the change; None where only an old image could show it."""
        if self.when is None:
            return True
        if change.old_image is None:
            return self.when(change.keys, False)  # noqa: FBT003
        return self.when(change.old_image, True)  # noqa: FBT003

    def _tombstone_of_left(self, change: Change) -> Iterator[Row]:
        """Give a tombstone for an item that is no row any more and was one before."""
        if change.event_name == "INSERT":
            return
        was_row = self._was_row(change)
        if was_row is None:
            raise _no_image("OldImage", "the item may have been a row before, and only the old image shows it")
        if was_row and change.old_image is not None:
            yield self._row(change, change.old_image, deleted=True)

    def is_keyed_by(self, keys: Image) -> bool:
        """Return whether the primary key is made of the DynamoDB key alone, so that it never changes."""
        return self.key_attributes <= keys.keys()

    def is_key_of_one_item(self, keys: Image) -> bool:
        """Return whether the primary key holds the whole DynamoDB key, so that no two items share a row."""
        return keys.keys() <= self.key_attributes

    def not_in_key(self, keys: Image) -> tuple[str, ...]:
        """List the attributes of the DynamoDB key that the primary key leaves out: items may share a row."""
        if not self.is_keyed_by(keys):
            return ()
        return tuple(sorted(keys.keys() - self.key_attributes))

    def _row(self, change: Change, image: Image, *, deleted: bool) -> Row:
        values: dict[str, object] = {}
        left_out = []
        for column in self.tombstone_columns if deleted else self.columns:
            try:
                value = column.take(change, image, deleted)
            except MisfitError as error:
                error.column = column.name
                if not deleted or column.role in ("key", "comparison"):
                    raise
                left_out.append((column.name, error.reason))
                value = None
            if value is None and column.role:
                value = _needed(column, change, image, deleted=deleted)
            if value is not None:
                values[column.name] = value
        unmapped = []
        if not self.takes_rest:
            for name, attribute in image.items():
                if name not in self.taken:
                    _check(name, attribute)
                    if name not in self.uses:
                        unmapped.append(name)
        key = partition_key(cast("list[Scalar]", [values[column.name] for column in self.primary_key]))
        return Row(key, write_row(values), deleted, tuple(left_out), tuple(unmapped))

    def _tombstone_of_moved(self, change: Change, new: Image) -> Iterator[Row]:
        """Give a tombstone for the row that a change leaves behind when it changes the primary key."""
        old = change.old_image
        if old is None:
            raise _no_image("OldImage", "the primary key may have changed, and only the old image shows it")
        if not self.has_row_of(old):
            return
        old_key = self.key_of(change, old)
        if old_key is not None and old_key != self.key_of(change, new):
            yield self._row(change, old, deleted=True)

    def key_of(self, change: Change, image: Image) -> str | None:
        """Make the partition key of an image's row, None where it cannot be a row."""
        try:
            return partition_key(cast("Scalar", _needed_value(column, change, image)) for column in self.primary_key)
        except ChangeError:
            return None


def _needed_value(column: Column, change: Change, image: Image) -> object:
    value = column.take(change, image, True)  # noqa: FBT003  # a Take has no names for its arguments
    return _needed(column, change, image, deleted=True) if value is None else value


def _needed(column: Column, change: Change, image: Image, *, deleted: bool) -> object:
    if deleted and column.fallback:
        return column.fallback(change, image, deleted)
    role = column.role or "key"
    detail = f"column {column.name} has no value: {_WHY_NEEDED[role]}"
    near = _name_like(column.attribute, image) if column.attribute else None
    if near:
        detail += f"; the item has {near}: write {column.name} = '{path_text((near,))}' in source.toml, below [columns]"
    error = MisfitError(f"missing_{role}", detail)
    error.column = column.name
    raise error.inside(column.attribute or column.name)


def _name_like(name: str, image: Image) -> str | None:
    """Find an attribute of an image whose name is another only in its capitals, hyphens and underscores."""
    bare = _bare(name)
    return next((each for each in image if each != name and _bare(each) == bare), None)


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _check(name: str, attribute: object) -> None:
    try:
        decode(attribute)
    except ChangeError as error:
        raise error.inside(name) from None


def _no_image(name: str, why: str) -> MisfitError:
    error = MisfitError("no_image", f"{why}; set the stream's view type to NEW_AND_OLD_IMAGES")
    error.inside("dynamodb", name)
    return error
