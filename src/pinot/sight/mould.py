"""Making a pattern of one change, for those that are like it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from decoder.attribute import open_attribute
from decoder.change import MS_PER_SECOND, SEQUENCE_NUMBER_DIGITS, Change, Image
from decoder.sight import ANY_TEXT, CHARACTER, Path, like
from pinot.metadata import METADATA
from pinot.sight.fragment import ANY, RIGHT, Fragment, fragment
from pinot.sight.pattern import NOTHING, Caught, Inset, Pattern
from pinot.table import Column, Kind

MAX_ATTRIBUTES: Final = 300  # of a record that a pattern is made of: the time and room it takes grow with them

# What changes that are alike have all the same of what they say of themselves.
_ALIKE: Final = frozenset({"$deleted", "$event_name", "$region", "$table", "$ttl_delete", "$view_type"})


class Time(NamedTuple):
    """How a change's time is written: the ``digits`` that count, times ``to_ms`` or with the ``zeros`` behind them, are
    ms; others may stand behind.
    """

    per_second: int
    digits: str
    behind: str
    to_ms: int
    zeros: str


_TIMES: Final = (
    Time(1, "[1-9][0-9]{6,9}", "", MS_PER_SECOND, "000"),
    Time(MS_PER_SECOND, "[1-9][0-9]{9,12}", "", 1, ""),
    Time(MS_PER_SECOND**2, "[1-9][0-9]{9,12}", "[0-9]{3}", 1, ""),
)


class NoPatternError(Exception):
    """Changes such as this one have no pattern."""


def make_pattern(layout: Layout, record: Mapping[str, Any], change: Change) -> Pattern:
    """Make the pattern of changes with images of the same attributes, in the same order, as a change that is one.

    ``change`` is read from ``record``. Raises NoPatternError or ChangeError, TypeError for what is no JSON and
    RecursionError for what has too many levels.
    """
    return Maker(layout, record, change).make()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a table's patterns have in common."""

    columns: Sequence[Column]
    primary_key: Mapping[str, str | None]  # column -> the attribute that it takes whole
    taken: Collection[str]
    used: Collection[str]
    takes_rest: bool


class _Seen(NamedTuple):
    """How an attribute of the image is told: by its type and the expression of its payload, None where it is hidden;
    ``sight`` is what its columns have of it.
    """

    tag: str
    payload: str | None
    sight: Fragment | None = None


@dataclass(slots=True)
class Groups:
    """The groups of an expression in the making."""

    count: int = 0
    places: dict[str, Sequence[int]] = field(default_factory=dict)  # of what an attribute's columns have
    caught: dict[str, int] = field(default_factory=dict)

    def catch(self, name: str, pattern: str) -> str:
        """Put an expression into a group."""
        self.caught[name] = self.count
        self.count += 1
        return f"({pattern})"


class Maker:
    """A pattern in the making, for changes such as ``change``, which is read from ``record``."""

    def __init__(self, layout: Layout, record: Mapping[str, Any], change: Change) -> None:
        self.layout = layout
        self.record = record
        self.change = change
        self.is_delete = change.event_name == "REMOVE"
        self.image_name, self.other_name = ("OldImage", "NewImage") if self.is_delete else ("NewImage", "OldImage")
        inner = record["dynamodb"]
        self.image: Image = inner[self.image_name]
        self.other: Image = inner.get(self.other_name) or NOTHING
        self.columns: defaultdict[str, list[Column]] = defaultdict(list)  # by the attribute that they take whole
        for column in layout.columns:
            if column.attribute is not None:
                self.columns[column.attribute].append(column)
        self._time = _time_like(inner.get("ApproximateCreationDateTime"), change.timestamp_ms)
        self.seen: dict[str, _Seen] = {}
        self._checked: list[str] = []
        self._asks = False  # some column is told what no group of an attribute has
        self._is_other_hidden = False
        self.groups = Groups()
        self.again: dict[str, str] = {}  # of a key attribute, the expression that it is what it was before

    def make(self) -> Pattern:
        """Make the pattern. Raises NoPatternError, ChangeError, or TypeError for what is no JSON."""
        change, layout = self.change, self.layout
        if len(self.image) + len(self.other) > MAX_ATTRIBUTES:
            raise NoPatternError
        if None in layout.primary_key.values() or len(set(layout.primary_key.values())) < len(layout.primary_key):
            raise NoPatternError  # a key of what no group has, or the same as two columns write it
        if change.event_name == "MODIFY" and not set(layout.primary_key.values()) <= change.keys.keys():
            raise NoPatternError  # where the primary key may change, a row is left behind
        self.see_all()
        members = [member for column in layout.columns if (member := self.member(column))]
        hidden = dict.fromkeys(name for name, seen in self.seen.items() if seen.payload is None)
        needs_record = bool(hidden or self._checked or any(member.needs_record for member in members))
        self._is_other_hidden = bool(self.other) and (needs_record or not all(map(_is_flat, self.other.values())))
        expression = re.compile(like(self.record, self.sight).encode())
        unmapped = [] if layout.takes_rest else [name for name in self.seen if name not in layout.taken]
        caught = self.groups.caught
        return Pattern(
            match=expression.fullmatch,
            time=caught["time"],
            to_ms=self._time.to_ms,
            caught=Caught(
                sequence_number=caught.get("sequence_number"),
                event_id=caught.get("event_id"),
                size_bytes=caught.get("size_bytes"),
            ),
            key=several([self.groups.places[str(name)][0] for name in layout.primary_key.values()]),
            kind=Kind(table=change.table, unmapped=tuple(name for name in unmapped if name not in layout.used)),
            example=change._replace(keys=NOTHING, new_image=None, old_image=None),
            image=self.image_name,
            other=self.other_name,
            hidden=hidden,
            is_other_hidden=self._is_other_hidden,
            checked=self._checked,
            needs_record=needs_record or self._is_other_hidden,
            size=len(self.image) + len(self.other),
            **self.row_of(members),
        )

    def see_all(self) -> None:
        """See the attributes that the pattern is to tell. Raises NoPatternError or ChangeError."""
        self.seen = {name: self.see(name, attribute) for name, attribute in self.image.items()}

    def row_of(self, members: Sequence[Member]) -> dict[str, Any]:
        """Give what makes the row, as Pattern has it: a template with the groups, and insets with their commas."""
        start = next(place for place, member in enumerate(members) if member.output is not None)  # there is the key
        insets = [
            Inset(
                take=member.column.take,
                is_needed=member.column.role is not None,
                before=(b"," if place > start else b"") + name_of(member.column.name),
                after=b"" if place > start else b",",
            )
            for place, member in enumerate(members)
            if member.output is None
        ]
        template = _template(members, start)
        arrange = itemgetter(*(place for places in self.places(members) for place in places))
        return {"insets": insets, "fill": lambda parts: template % arrange(parts)}

    def places(self, members: Sequence[Member]) -> Iterator[Sequence[int]]:
        """Give, for each member, where its parts stand among a row's."""
        insets = self.groups.count
        for member in members:
            if member.output is None:
                yield (insets,)
                insets += 1
            elif member.is_time:
                yield (self.groups.caught["time"],)
            else:
                yield () if member.attribute is None else self.groups.places.get(member.attribute, ())

    # The record's expression.

    def sight(self, path: Path, value: object) -> str | None:
        """Tell what may stand at a place of the record; see :data:`decoder.sight.Sight`."""
        match path:
            case ("eventID",) if isinstance(value, str):
                return f'"{self._told("event_id", f"{CHARACTER}*+")}"'
            case ("dynamodb", "SequenceNumber") if isinstance(value, str):
                return f'"{self._told("sequence_number", f"[0-9]{{1,{SEQUENCE_NUMBER_DIGITS}}}+")}"'
            case ("dynamodb", "SizeBytes") if type(value) is int:
                return self._told("size_bytes", "0|[1-9][0-9]{0,17}+")
            case ("dynamodb", "ApproximateCreationDateTime"):
                return self.groups.catch("time", self._time.digits) + self._time.behind
            case ("dynamodb", "Keys", name):
                return self._attribute(name)
            case ("dynamodb", self.image_name, name):
                return self._attribute(name)
            case ("dynamodb", self.other_name) if self._is_other_hidden:
                return "null"
            case ("dynamodb", self.other_name, name):
                return self._attribute(name) if name in self.change.keys else _flat(value)
        return None

    def _told(self, name: str, pattern: str) -> str:
        """Give the expression of what a change says of itself, in a group if a column may ask for it."""
        return self.groups.catch(name, pattern) if self._asks else f"(?:{pattern})"

    def _attribute(self, name: str) -> str:
        """Give the expression of an attribute of the image, or of the keys, which are to be the image's."""
        if name in self.again:
            return self.again[name]
        seen = self.seen.get(name)
        if seen is None:
            raise NoPatternError
        if seen.payload is None:
            return "null"
        # Atomic: what stands behind may not match, and then no other way to match this is to be tried.
        if name not in self.change.keys:
            return rf'(?>\{{"{seen.tag}":{self._with_groups(name, seen)}\}})'
        group = f"key{len(self.again)}"
        self.again[name] = f"(?P={group})"
        self.groups.count += 1
        return rf'(?P<{group}>(?>\{{"{seen.tag}":{self._with_groups(name, seen)}\}}))'

    def _with_groups(self, name: str, seen: _Seen) -> str:
        """Give the expression of an attribute's payload, and remember where its groups stand."""
        if seen.sight:
            self.groups.places[name] = range(self.groups.count, self.groups.count + seen.sight.groups)
            self.groups.count += seen.sight.groups
        return str(seen.payload)

    def see(self, name: str, attribute: object) -> _Seen:
        """Find out how an attribute of the image is told. Raises ChangeError for one that is malformed."""
        tag, _ = open_attribute(attribute)
        columns = self.columns.get(name)
        sight = None
        if columns:
            key = next((column for column in columns if column.name in self.layout.primary_key), None)
            sights = [self._fragment(column, tag) for column in ([key] if key else columns)]
            sight = next((each for each in sights if each), None)
            if key and (sight is None or sight.groups != 1):
                raise NoPatternError
            payload = sight.pattern if sight else None
        elif name in self.layout.taken:
            payload = ANY.get(tag)
        elif self.layout.takes_rest:
            payload = None
        else:
            payload = RIGHT.get(tag)
            if payload is None:
                self._checked.append(name)
        if payload is None and name in self.change.keys:
            payload = ANY_TEXT  # what the keys are is compared in any case
        return _Seen(tag, payload, sight)

    def _fragment(self, column: Column, tag: str) -> Fragment | None:
        if column.field is None:
            return None
        is_key = any(each.name in self.layout.primary_key for each in self.columns[str(column.attribute)])
        return fragment(column.field, tag, is_key=is_key)

    # The row's template.

    def member(self, column: Column) -> Member | None:
        """Find out what a column has of such changes, None for nothing. Raises NoPatternError or ChangeError."""
        if column.origin in METADATA:
            return self._property(column)
        name = column.origin[0] if isinstance(column.origin, tuple) else None
        if name is not None and name not in self.image:
            return no_member(column)
        seen = self.seen[str(name)] if column.attribute else None
        if seen is None or not seen.sight or seen.sight != self._fragment(column, seen.tag):
            return Member(column=column, output=None, needs_record=True)
        if not seen.sight.groups:
            return no_member(column)
        return Member(column=column, output=seen.sight.output.encode(), attribute=column.attribute)

    def _property(self, column: Column) -> Member | None:
        """Find out what a column has of the change itself."""
        value = column.take(self.change, self.image, self.is_delete)
        if value is None:
            return no_member(column)
        if column.origin in _ALIKE:
            return Member(column=column, output=orjson.dumps(value).replace(b"%", b"%%"))
        field = column.field
        if column.origin == "$timestamp" and field and field.unit_ms == 1 and field.data_type in ("TIMESTAMP", "LONG"):
            return Member(column=column, output=b"%b" + self._time.zeros.encode(), is_time=True)
        self._asks = True
        return Member(column=column, output=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a column has in the row: ``output`` with the groups of an attribute, the time, or neither; None for an
    inset.
    """

    column: Column
    output: bytes | None
    attribute: str | None = None
    is_time: bool = False
    is_loose: bool = False  # it may be there or not
    needs_record: bool = False


def no_member(column: Column) -> Member | None:
    """Let a column have nothing. Raises NoPatternError for one that the row cannot do without."""
    if column.role is not None:
        raise NoPatternError
    return None


def _template(members: Sequence[Member], start: int) -> bytes:
    """Write the row, with a place for each part."""
    texts = [
        b"%b"
        if member.output is None
        else (b"," if place > start else b"") + name_of(member.column.name).replace(b"%", b"%%") + member.output
        for place, member in enumerate(members)
    ]
    return b"{" + b"".join(texts) + b"}"


def several(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Get parts by their places, in a tuple even if it is one or none."""
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1) if places else slice(0))


def _time_like(time: object, timestamp_ms: int) -> Time:
    """Find the form of times such as one that means ``timestamp_ms``. Raises NoPatternError."""
    if type(time) is not int:
        raise NoPatternError
    return next(each for each in _TIMES if time * MS_PER_SECOND // each.per_second == timestamp_ms)


def _is_flat(attribute: object) -> bool:
    return isinstance(attribute, dict) and len(attribute) == 1 and not ANY.keys().isdisjoint(attribute)


def _flat(attribute: object) -> str:
    """Give the expression of any attribute of the type that a flat one has."""
    tag = next(iter(attribute)) if isinstance(attribute, dict) else ""
    return rf'(?>\{{"{tag}":{ANY[tag]}\}})'


def name_of(name: str) -> bytes:
    """Write the name of a row's member, with the colon behind it."""
    return orjson.dumps(name) + b":"
