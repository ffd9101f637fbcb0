"""The short way to the row of an ordinary change: its image matches a pattern, or it goes the exact way.

Most items of a table have the same attributes, of the same types, with values that need no thought: text without odd
characters, numbers of a few digits. For each such *shape* (the names of an image's attributes) that comes again and
again there is one regular expression, put together from the table ``FRAGMENTS``. An image is written as JSON, and where
that matches, all of it is as it should be, keys included, and what the groups caught is already what the row has: the
row is a template, filled. Where it does not match nothing is said: :meth:`pinot.table.Table.rows` decides, by the
exact rules, and ``tests/pinot/test_pattern.py`` holds the two to the same bytes.

What no pattern tells (sets, lists, maps, paths, BYTES, …) is taken as the exact way takes it, and put in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from decoder.attribute import decode, is_unicode, open_attribute
from decoder.change import EVENT_NAMES, Change, Image
from decoder.errors import ChangeError
from pinot.key import encode_key
from pinot.schema import Field
from pinot.table import Column, ShortRow, Take
from pinot.values import CANONICAL, SHORT_INTEGERS

MADE_AFTER: Final = 20  # images of a shape; making a pattern takes as long as some 100 rows do
PATIENCE: Final = 100  # misses of a pattern, twice as many of the next one
MAX_SHAPES: Final = 256  # remembered; a table of which every item has other attributes has no use for them

_EVENT_NAMES: Final = {name: name.encode() for name in EVENT_NAMES}
_LONGEST_EVENT_NAME: Final = max(map(len, EVENT_NAMES))
_FLAGS: Final = {True: b"true", False: b"false"}
_EVENT_NAME, _FLAG, _TIMESTAMP, _FIRST_GROUP = range(4)  # where a row's parts stand
_MOST_NUMBERED: Final = 99  # groups that can be referred to by number: "\\100" is a character in octal
_WHOLE: Final = b".0"  # what orjson ends a whole DOUBLE with: for the group that caught no fraction


class Fragment(NamedTuple):
    """How the JSON of an attribute's payload must look, and how its groups stand in the row."""

    pattern: str
    output: str

    @property
    def groups(self) -> int:
        """How many groups the pattern has."""
        return self.output.count("%b")


# By column type and DynamoDB type: what can be told by sight, and has the same text in the row.
FRAGMENTS: Final[Mapping[tuple[str, str], Fragment]] = {
    **{(data_type, "N"): Fragment(f'"({pattern})"', "%b") for data_type, pattern in SHORT_INTEGERS.items()},
    # Up to 15 digits come back from a double as they were; 0.0000… would be written with an exponent.
    ("DOUBLE", "N"): Fragment(
        r'"((?!-?0\.0000)(?:0|-?[1-9][0-9]{0,8}|-0(?=\.)|-?[1-9][0-9]{9,14}(?=")))(\.[0-9]{0,5}[1-9])?+"', "%b%b"
    ),
    ("BIG_DECIMAL", "N"): Fragment(rf'"(?=[0-9.-]{{1,38}}")({CANONICAL})"', '"%b"'),
    ("BOOLEAN", "BOOL"): Fragment("(true|false)", "%b"),
}
NULL: Final = Fragment("true", "")


def text_fragment(max_length: int | None, *, is_key: bool = False) -> Fragment:
    """Make the fragment of an S in a STRING column: no control characters but those with an escape of their own.

    ``max_length`` counts UTF-16 code units, of which a text's JSON in UTF-8 never has more than bytes. In a primary key
    nothing is escaped: the partition key is made of the text itself.
    """
    most = "" if max_length is None else max_length
    plain = rf'[^"\\]{{0,{most}}}+'
    return Fragment(f'"({plain})"' if is_key else rf'"({plain}(?=")|(?:[^"\\]|\\[^u]){{0,{most}}}+)"', '"%b"')


def fragment(field: Field, tag: str, *, is_key: bool = False) -> Fragment | None:
    """Find the fragment for a DynamoDB type in a column; None where a pattern cannot tell."""
    if not field.single_value:
        return None
    if (field.data_type, tag) == ("STRING", "S"):
        return text_fragment(field.max_length, is_key=is_key)
    return NULL if tag == "NULL" else FRAGMENTS.get((field.data_type, tag))


class _Inset(NamedTuple):
    """A column that is taken the exact way: ``before`` and ``after`` its JSON in the row, nothing where it has none."""

    take: Take
    is_needed: bool
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """What makes the rows of one shape.

    ``values`` and ``keys`` get out of an image and out of a change's keys what ``match`` is to see. A row's parts are
    the event's name, the delete flag, the time in ms, the groups and then the ``insets``; ``arrange`` puts them as the
    ``template`` wants them, and ``key`` gets the primary key's out of them.
    ``checked`` names the attributes that nothing takes, ``unmapped`` those of them that nothing uses.
    """

    values: Callable[[Image], Any]
    keys: Callable[[Image], Any]
    key_count: int
    is_keyed: bool
    match: Callable[[bytes], re.Match[bytes] | None]
    insets: Sequence[_Inset]
    arrange: Callable[[Sequence[Any]], tuple[Any, ...]]
    template: bytes
    key: Callable[[Sequence[Any]], tuple[bytes, ...]]
    checked: Sequence[str]
    unmapped: tuple[str, ...]

    def row(self, change: Change, image: Image, *, deleted: bool) -> ShortRow | None:
        """Make the row of an image of this shape; None where the exact way is to tell.

        Raises ChangeError, LookupError or TypeError where it is, too.
        """
        if len(change.keys) != self.key_count or not (self.is_keyed or change.event_name != "MODIFY"):
            return None  # where the primary key may change, a row is left behind
        match = self.match(orjson.dumps((self.values(image), self.keys(change.keys))))
        if match is None:
            return None
        parts: tuple[Any, ...] = (_EVENT_NAMES[change.event_name], _FLAGS[deleted], change.timestamp_ms)
        parts += match.groups(_WHOLE)
        for inset in self.insets:
            value = inset.take(change, image, deleted)
            if value is not None:
                parts += (inset.before + orjson.dumps(value) + inset.after,)
            elif inset.is_needed:
                return None
            else:
                parts += (b"",)
        for name in self.checked:
            decode(image[name])
        key = encode_key([part.decode() for part in self.key(parts)])
        return key, self.template % self.arrange(parts), self.unmapped


@dataclass(slots=True)
class _Shape:
    """What is known of a shape: how often it has come without a pattern, and when one is ``due``; how often the pattern
    has been missed, and when that is too much: it was made of one image, and others may have other types.
    """

    due: int
    patience: int
    times: int = 0
    pattern: _Pattern | None = None
    misses: int = 0


class Patterns:
    """The patterns of a table, made as its items come.

    ``taken`` and ``used`` are names of attributes, as :class:`pinot.table.Table` has them, ``takes_rest`` too.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        primary_key: Sequence[Column],
        *,
        taken: Collection[str],
        used: Collection[str],
        takes_rest: bool,
        made_after: int = MADE_AFTER,
        patience: int = PATIENCE,
        max_shapes: int = MAX_SHAPES,
    ) -> None:
        self._columns = columns
        self._primary_key = primary_key
        self._taken = taken
        self._used = used
        self._takes_rest = takes_rest
        self._made_after = made_after
        self._patience = patience
        self._max_shapes = max_shapes
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def row(self, change: Change, image: Image, deleted: bool) -> ShortRow | None:  # noqa: FBT001  # one for each change
        """Make the row of a change's image, which nobody has checked yet; None where only the exact way can tell."""
        names = tuple(image)
        shape = self._shapes.get(names) or self._meet(names)
        if shape.pattern is None:
            shape.times += 1
            if shape.times >= shape.due:
                shape.due *= 2  # should there be no pattern now
                shape.pattern = self._make(change.keys, image)
            return None
        try:
            row = shape.pattern.row(change, image, deleted=deleted)
        except (ChangeError, LookupError, TypeError):  # orjson's error for half a surrogate pair is a TypeError
            row = None
        if row is None:
            shape.misses += 1
            if shape.misses >= shape.patience:
                shape.pattern, shape.misses, shape.times, shape.due = None, 0, 0, 1
                shape.patience *= 2
        return row

    def _meet(self, names: tuple[str, ...]) -> _Shape:
        """Remember a new shape; forgotten for it are those that come less often, and if there are none, all."""
        if len(self._shapes) >= self._max_shapes:
            for shape in self._shapes.values():
                shape.times //= 2
            self._shapes = {known: shape for known, shape in self._shapes.items() if shape.pattern or shape.times}
            if len(self._shapes) >= self._max_shapes:
                self._shapes = {}
        shape = self._shapes[names] = _Shape(due=self._made_after, patience=self._patience)
        return shape

    def _make(self, keys: Image, image: Image) -> _Pattern | None:
        """Make the pattern of images such as this one; None if there can be none."""
        maker = _Maker(image, {column.name for column in self._primary_key})
        if not all(map(maker.add_column, self._columns)) or not all(map(maker.add_key, keys)):
            return None
        others = [] if self._takes_rest else [name for name in image if name not in self._taken]
        if not maker.has_start or not all(map(is_unicode, image)):
            return None
        return _Pattern(
            values=itemgetter(*maker.values),
            keys=itemgetter(*keys),
            key_count=len(keys),
            is_keyed={column.attribute for column in self._primary_key} <= keys.keys(),
            match=re.compile(maker.pattern.encode()).fullmatch,
            insets=maker.insets,
            arrange=maker.arrange,
            template=maker.template,
            key=_several([maker.places[column.name] for column in self._primary_key]),
            checked=others,
            unmapped=tuple(name for name in others if name not in self._used),
        )


class _Maker:
    """A pattern in the making, for images such as ``image``."""

    def __init__(self, image: Image, primary_key: Collection[str]) -> None:
        self._image = image
        self._primary_key = primary_key
        self._groups = 0
        self._sights: list[str] = []  # the pattern of each of the image's values
        self._key_sights: list[str] = []  # and of the change's keys
        self._members: list[tuple[str, str | None, Sequence[int]]] = []  # name, output, its parts; no output: an inset
        self._whole: dict[str, str] = {}  # an attribute that a pattern tells -> what its payload is again
        self._takes: list[Column] = []
        self.values: list[str] = []  # names of attributes
        self.places: dict[str, int] = {}  # where a column's part stands, its first if it has several

    def add_column(self, column: Column) -> bool:
        """Add a column; tell whether there can be a pattern."""
        name = column.attribute
        if name is None or column.field is None:
            self._add_property(column)
            return column.name not in self._primary_key
        if name not in self._image:
            return column.role is None
        tag = _tag(self._image[name])
        is_key = column.name in self._primary_key
        sight = fragment(column.field, tag, is_key=is_key)
        if is_key and (sight is None or sight.groups != 1):
            return False
        if sight is None:
            self._add_inset(column)
        elif sight.groups:
            self._see(name, tag, sight.pattern)
            self._add_groups(column.name, sight)
            if sight.groups == 1 and self._groups <= _MOST_NUMBERED:
                self._whole[name] = rf'\{{"{tag}":"\{self._groups}"\}}'
        elif column.role:
            return False
        else:
            self._see(name, tag, sight.pattern)
        return True

    def add_key(self, name: str) -> bool:
        """Add an attribute of DynamoDB's key, which is to be the image's; tell whether there can be a pattern."""
        if name not in self._image:
            return False
        if name not in self._whole:
            self._groups += 1
            self._sights.append(rf'(?P<key{self._groups}>\{{"[SNB]":"[^"\\]*+(?:\\.[^"\\]*+)*+"\}})')
            self.values.append(name)
            self._whole[name] = f"(?P=key{self._groups})"
        self._key_sights.append(self._whole[name])
        return True

    def _see(self, name: str, tag: str, payload: str) -> None:
        self.values.append(name)
        # Atomic: what stands behind may not match, and then no other way to match this is to be tried.
        self._sights.append(rf'(?>\{{"{tag}":{payload}\}})')

    def _add_groups(self, column: str, sight: Fragment) -> None:
        first = _FIRST_GROUP + self._groups
        self._groups += sight.groups
        self.places[column] = first
        self._members.append((column, sight.output, range(first, first + sight.groups)))

    def _add_property(self, column: Column) -> None:
        part = _part_of(column)
        # What a column of the change's time does with an attribute of its own name is not for here.
        if part is None or column.name in self._image:
            self._add_inset(column)
        else:
            output = {_EVENT_NAME: '"%b"', _FLAG: "%b", _TIMESTAMP: "%d"}[part]
            self._members.append((column.name, output, [part]))

    def _add_inset(self, column: Column) -> None:
        self._members.append((column.name, None, [len(self._takes)]))
        self._takes.append(column)

    @property
    def has_start(self) -> bool:
        """Tell whether some member is always there, so that commas can be told."""
        return any(output for _, output, _ in self._members) and bool(self.values)

    @property
    def pattern(self) -> str:
        """The regular expression of what a change's image and keys are written as."""
        return rf"\[{_listed(self._sights)},{_listed(self._key_sights)}\]"

    def _start(self) -> int:
        return next(index for index, (_, output, _) in enumerate(self._members) if output)

    @property
    def template(self) -> bytes:
        """The row, with a place for each part."""
        start = self._start()
        texts = [
            (b"," if index > start else b"") + _name(name).replace(b"%", b"%%") + output.encode() if output else b"%b"
            for index, (name, output, _) in enumerate(self._members)
        ]
        return b"{" + b"".join(texts) + b"}"

    @property
    def arrange(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """What puts a row's parts in the template's order."""
        after = _FIRST_GROUP + self._groups
        return itemgetter(*(part if output else after + part for _, output, parts in self._members for part in parts))

    @property
    def insets(self) -> Sequence[_Inset]:
        """The columns that are taken the exact way, each with a comma on the side of what is always there."""
        start = self._start()
        return [
            _Inset(
                take=self._takes[parts[0]].take,
                is_needed=self._takes[parts[0]].role is not None,
                before=(b"," if index > start else b"") + _name(name),
                after=b"" if index > start else b",",
            )
            for index, (name, output, parts) in enumerate(self._members)
            if output is None
        ]


def _several(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Get parts by their places, in a tuple even if it is one."""
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))


def _part_of(column: Column) -> int | None:
    """Find the part of a row that a property of the change is, just as it is."""
    field = column.field
    if field is None:
        return None
    match column.origin, field.data_type:
        case "$event_name", "STRING" if field.max_length is None or field.max_length >= _LONGEST_EVENT_NAME:
            return _EVENT_NAME
        case "$deleted", "BOOLEAN":
            return _FLAG
        case "$timestamp", "TIMESTAMP" | "LONG" if field.unit_ms == 1:
            return _TIMESTAMP
    return None


def _tag(attribute: object) -> str:
    try:
        return open_attribute(attribute)[0]
    except ChangeError:
        return ""


def _listed(patterns: Sequence[str]) -> str:
    """Put patterns together as an itemgetter does values: one is itself, several are a tuple."""
    return patterns[0] if len(patterns) == 1 else rf"\[{','.join(patterns)}\]"


def _name(name: str) -> bytes:
    return orjson.dumps(name) + b":"
