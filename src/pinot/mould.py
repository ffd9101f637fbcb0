"""Making a pattern of one change, for those that are like it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, repeat
from operator import is_not, itemgetter
from typing import Any, Final, NamedTuple

import orjson

from decoder.attribute import open_attribute
from decoder.change import MS_PER_SECOND, SEQUENCE_NUMBER_DIGITS, Change, Image
from decoder.sight import ANY_TEXT, CHARACTER, Path, like, literal, one_of
from pinot.fragment import ANY, RIGHT, Fragment, fragment
from pinot.metadata import METADATA
from pinot.pattern import NOTHING, Caught, Inset, Pattern
from pinot.source import REST
from pinot.table import Column, Kind

ABSENT: Final = b".0"  # for a group that caught nothing: what orjson ends a whole DOUBLE with

_WITH_KEYS: Final = frozenset({"Keys", "NewImage", "OldImage"})
_ANY_FLAT: Final = rf'\{{"(?:[SNB]":{ANY_TEXT}|BOOL":(?:true|false)|NULL":true)\}}'

# What changes that are alike have all the same of what they say of themselves.
_ALIKE: Final = frozenset({"$deleted", "$event_name", "$region", "$table", "$ttl_delete", "$view_type"})


class _Time(NamedTuple):
    """How a change's time is written: the ``digits`` that count, times ``to_ms`` or with the ``zeros`` behind them, are
    ms; others may stand behind.
    """

    per_second: int
    digits: str
    behind: str
    to_ms: int
    zeros: str


_TIMES: Final = (
    _Time(1, "[1-9][0-9]{6,9}", "", MS_PER_SECOND, "000"),
    _Time(MS_PER_SECOND, "[1-9][0-9]{9,12}", "", 1, ""),
    _Time(MS_PER_SECOND**2, "[1-9][0-9]{9,12}", "[0-9]{3}", 1, ""),
)


class NoPatternError(Exception):
    """Changes such as this one have no pattern."""


def make_pattern(layout: Layout, record: Mapping[str, Any], change: Change) -> Pattern:
    """Make the pattern of changes with images of the same attributes, in the same order, as a change that is one.

    ``change`` is read from ``record``. Raises NoPatternError or ChangeError, TypeError for what is no JSON and
    RecursionError for what has too many levels.
    """
    return _Maker(layout, record, change).make()


def make_loose_pattern(layout: Layout, record: Mapping[str, Any], change: Change) -> Pattern:
    """Make the pattern of changes with images of any of the attributes that columns take; else as make_pattern."""
    return _LooseMaker(layout, record, change).make()


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
class _Groups:
    """The groups of an expression in the making."""

    count: int = 0
    places: dict[str, Sequence[int]] = field(default_factory=dict)  # of what an attribute's columns have
    caught: dict[str, int] = field(default_factory=dict)

    def catch(self, name: str, pattern: str) -> str:
        """Put an expression into a group."""
        self.caught[name] = self.count
        self.count += 1
        return f"({pattern})"


class _Maker:
    """A pattern in the making, for changes such as ``change``, which is read from ``record``."""

    def __init__(self, layout: Layout, record: Mapping[str, Any], change: Change) -> None:
        self._layout = layout
        self._record = record
        self._change = change
        self._is_delete = change.event_name == "REMOVE"
        self._image_name, self._other_name = ("OldImage", "NewImage") if self._is_delete else ("NewImage", "OldImage")
        inner = record["dynamodb"]
        self._image: Image = inner[self._image_name]
        self._other: Image = inner.get(self._other_name) or NOTHING
        self._columns: defaultdict[str, list[Column]] = defaultdict(list)  # by the attribute that they take whole
        for column in layout.columns:
            if column.attribute is not None:
                self._columns[column.attribute].append(column)
        self._time = _time_like(inner.get("ApproximateCreationDateTime"), change.timestamp_ms)
        self._seen: dict[str, _Seen] = {}
        self._checked: list[str] = []
        self._asks = False  # some column is told what no group of an attribute has
        self._is_other_hidden = False
        self._groups = _Groups()
        self._again: dict[str, str] = {}  # of a key attribute, the expression that it is what it was before

    def make(self) -> Pattern:
        """Make the pattern. Raises NoPatternError, ChangeError, or TypeError for what is no JSON."""
        change, layout = self._change, self._layout
        if None in layout.primary_key.values():
            raise NoPatternError  # a key of what no group has
        if change.event_name == "MODIFY" and not set(layout.primary_key.values()) <= change.keys.keys():
            raise NoPatternError  # where the primary key may change, a row is left behind
        self._see_all()
        members = [member for column in layout.columns if (member := self._member(column))]
        hidden = dict.fromkeys(name for name, seen in self._seen.items() if seen.payload is None)
        needs_record = bool(hidden or self._checked or any(member.needs_record for member in members))
        self._is_other_hidden = bool(self._other) and (needs_record or not all(map(_is_flat, self._other.values())))
        expression = re.compile(like(self._record, self._sight).encode())
        unmapped = [] if layout.takes_rest else [name for name in self._seen if name not in layout.taken]
        caught = self._groups.caught
        return Pattern(
            match=expression.fullmatch,
            time=caught["time"],
            to_ms=self._time.to_ms,
            caught=Caught(
                sequence_number=caught.get("sequence_number"),
                event_id=caught.get("event_id"),
                size_bytes=caught.get("size_bytes"),
            ),
            absent=ABSENT,
            key=_several([self._groups.places[str(name)][0] for name in layout.primary_key.values()]),
            kind=Kind(table=change.table, unmapped=tuple(name for name in unmapped if name not in layout.used)),
            example=change._replace(keys=NOTHING, new_image=None, old_image=None),
            image=self._image_name,
            other=self._other_name,
            hidden=hidden,
            is_other_hidden=self._is_other_hidden,
            checked=self._checked,
            needs_record=needs_record or self._is_other_hidden,
            **self._row_of(members),
        )

    def _see_all(self) -> None:
        """See the attributes that the pattern is to tell. Raises NoPatternError or ChangeError."""
        self._seen = {name: self._see(name, attribute) for name, attribute in self._image.items()}

    def _row_of(self, members: Sequence[_Member]) -> dict[str, Any]:
        """Give what makes the row, as Pattern has it: a template with the groups, and insets with their commas."""
        start = next((place for place, member in enumerate(members) if member.output is not None), None)
        if start is None:
            raise NoPatternError  # no member is always there, and commas cannot be told
        insets = [
            Inset(
                take=member.column.take,
                is_needed=member.column.role is not None,
                before=(b"," if place > start else b"") + _name(member.column.name),
                after=b"" if place > start else b",",
                absent=b"",
            )
            for place, member in enumerate(members)
            if member.output is None
        ]
        template = _template(members, start)
        arrange = itemgetter(*(place for places in self._places(members) for place in places))
        return {"insets": insets, "fill": lambda parts: template % arrange(parts)}

    def _places(self, members: Sequence[_Member]) -> Iterator[Sequence[int]]:
        """Give, for each member, where its parts stand among a row's."""
        insets = self._groups.count
        for member in members:
            if member.output is None:
                yield (insets,)
                insets += 1
            elif member.is_time:
                yield (self._groups.caught["time"],)
            else:
                yield self._groups.places[member.attribute] if member.attribute is not None else ()

    # The record's expression.

    def _sight(self, path: Path, value: object) -> str | None:
        """Tell what may stand at a place of the record; see :data:`decoder.sight.Sight`."""
        match path:
            case ("eventID",) if isinstance(value, str):
                return f'"{self._told("event_id", f"{CHARACTER}*+")}"'
            case ("dynamodb", "SequenceNumber") if isinstance(value, str):
                return f'"{self._told("sequence_number", f"[0-9]{{1,{SEQUENCE_NUMBER_DIGITS}}}+")}"'
            case ("dynamodb", "SizeBytes") if type(value) is int:
                return self._told("size_bytes", "0|[1-9][0-9]{0,17}+")
            case ("dynamodb", "ApproximateCreationDateTime"):
                return self._groups.catch("time", self._time.digits) + self._time.behind
            case ("dynamodb", "Keys", name):
                return self._attribute(name)
            case ("dynamodb", self._image_name, name):
                return self._attribute(name)
            case ("dynamodb", self._other_name) if self._is_other_hidden:
                return "null"
            case ("dynamodb", self._other_name, name):
                return self._attribute(name) if name in self._change.keys else _flat(value)
        return None

    def _told(self, name: str, pattern: str) -> str:
        """Give the expression of what a change says of itself, in a group if a column may ask for it."""
        return self._groups.catch(name, pattern) if self._asks else f"(?:{pattern})"

    def _attribute(self, name: str) -> str:
        """Give the expression of an attribute of the image, or of the keys, which are to be the image's."""
        if name in self._again:
            return self._again[name]
        seen = self._seen.get(name)
        if seen is None:
            raise NoPatternError
        if seen.payload is None:
            return "null"
        # Atomic: what stands behind may not match, and then no other way to match this is to be tried.
        if name not in self._change.keys:
            return rf'(?>\{{"{seen.tag}":{self._with_groups(name, seen)}\}})'
        group = f"key{len(self._again)}"
        self._again[name] = f"(?P={group})"
        self._groups.count += 1
        return rf'(?P<{group}>(?>\{{"{seen.tag}":{self._with_groups(name, seen)}\}}))'

    def _with_groups(self, name: str, seen: _Seen) -> str:
        """Give the expression of an attribute's payload, and remember where its groups stand."""
        if seen.sight:
            self._groups.places[name] = range(self._groups.count, self._groups.count + seen.sight.groups)
            self._groups.count += seen.sight.groups
        return str(seen.payload)

    def _see(self, name: str, attribute: object) -> _Seen:
        """Find out how an attribute of the image is told. Raises ChangeError for one that is malformed."""
        tag, _ = open_attribute(attribute)
        columns = self._columns.get(name)
        sight = None
        if columns:
            key = next((column for column in columns if column.name in self._layout.primary_key), None)
            sights = [self._fragment(column, tag) for column in ([key] if key else columns)]
            sight = next((each for each in sights if each), None)
            if key and (sight is None or sight.groups != 1):
                raise NoPatternError
            payload = sight.pattern if sight else None
        elif name in self._layout.taken:
            payload = ANY.get(tag)
        elif self._layout.takes_rest:
            payload = None
        else:
            payload = RIGHT.get(tag)
            if payload is None:
                self._checked.append(name)
        if payload is None and name in self._change.keys:
            payload = ANY_TEXT  # what the keys are is compared in any case
        return _Seen(tag, payload, sight)

    def _fragment(self, column: Column, tag: str) -> Fragment | None:
        if column.field is None:
            return None
        is_key = any(each.name in self._layout.primary_key for each in self._columns[str(column.attribute)])
        return fragment(column.field, tag, is_key=is_key)

    # The row's template.

    def _member(self, column: Column) -> _Member | None:
        """Find out what a column has of such changes, None for nothing. Raises NoPatternError or ChangeError."""
        if column.origin in METADATA:
            return self._property(column)
        name = column.origin[0] if isinstance(column.origin, tuple) else None
        if name is not None and name not in self._image:
            return _no_member(column)
        seen = self._seen[str(name)] if column.attribute else None
        if seen is None or not seen.sight or seen.sight != self._fragment(column, seen.tag):
            return _Member(column=column, output=None, needs_record=True)
        if not seen.sight.groups:
            return _no_member(column)
        return _Member(column=column, output=seen.sight.output.encode(), attribute=column.attribute)

    def _property(self, column: Column) -> _Member | None:
        """Find out what a column has of the change itself."""
        value = column.take(self._change, self._image, self._is_delete)
        if value is None:
            return _no_member(column)
        if column.origin in _ALIKE:
            return _Member(column=column, output=orjson.dumps(value).replace(b"%", b"%%"))
        field = column.field
        if column.origin == "$timestamp" and field and field.unit_ms == 1 and field.data_type in ("TIMESTAMP", "LONG"):
            return _Member(column=column, output=b"%b" + self._time.zeros.encode(), is_time=True)
        self._asks = True
        return _Member(column=column, output=None)


class _LooseMaker(_Maker):
    """A pattern in the making for changes of items with any of the attributes that columns take, in any order."""

    def __init__(self, layout: Layout, record: Mapping[str, Any], change: Change) -> None:
        super().__init__(layout, record, change)
        # A name that a column of the change itself bears may be more than another column's attribute.
        odd = {column.name for column in layout.columns if column.origin in METADATA}
        roots = Counter(column.origin[0] for column in layout.columns if isinstance(column.origin, tuple))
        self._loose = {
            name: seen
            for name, (column, *_) in self._columns.items()
            if roots[name] == 1 and name not in odd | change.keys.keys() and (seen := _see_any(column))
        }
        self._left_out = sorted(set(layout.taken) - self._columns.keys() - odd - change.keys.keys())

    def make(self) -> Pattern:
        """Make the pattern. Raises NoPatternError, ChangeError, or TypeError for what is no JSON."""
        if next(name for name in self._record["dynamodb"] if name in _WITH_KEYS) != "Keys":
            raise NoPatternError  # what the images' keys are compared with comes first
        pattern = super().make()
        if pattern.needs_record:
            raise NoPatternError
        return pattern

    def _see_all(self) -> None:
        for name in self._change.keys:
            if name not in self._image:
                raise NoPatternError
            self._seen[name] = self._see(name, self._image[name])
        self._other = NOTHING  # of which nothing is particular

    def _sight(self, path: Path, value: object) -> str | None:
        match path:
            case ("dynamodb", self._image_name):
                return _object(one_of([*self._again, *self._loose, *self._left_out], self._loosely))
            case ("dynamodb", self._other_name) if isinstance(value, dict):
                others = "".join(f"(?!{literal(name)}:)" for name in self._change.keys)
                keys = one_of(self._again, self._again.__getitem__)
                return _object(f'{keys}|{others}"{CHARACTER}*+":{_ANY_FLAT}')
        return super()._sight(path, value)

    def _loosely(self, name: str) -> str:
        """Give the expression of an attribute's value: a key, one that a column takes, or one that is left out."""
        if name not in self._loose:
            return self._again.get(name, _ANY_FLAT)
        seen, (column, *_) = self._loose[name], self._columns[name]
        payload = self._with_groups(name, seen)
        # Of a name that stands twice the last value counts: a null behind another value is not for here.
        null = "" if column.role else rf'|NULL":(?({self._groups.places[name][0] + 1})(?!)|true)'
        return rf'\{{"(?:{seen.tag}":{payload}{null})\}}'

    def _member(self, column: Column) -> _Member | None:
        name = column.attribute
        if name in self._loose:
            sight = self._loose[name].sight
            return _Member(column=column, output=sight.output.encode() if sight else b"", attribute=name)
        if column.origin in METADATA or name in self._change.keys:
            return super()._member(column)
        if column.origin == REST:
            raise NoPatternError
        return _no_member(column)

    def _row_of(self, members: Sequence[_Member]) -> dict[str, Any]:
        """Give what makes the row: each member that is there, one after the other."""
        insets = [
            Inset(
                take=member.column.take,
                is_needed=member.column.role is not None,
                before=b"",
                after=b"",
                absent=ABSENT,
            )
            for member in members
            if member.output is None
        ]
        always: list[int] = []  # members that are there in any case, by their places among all
        loose: dict[int, int] = {}  # the first group of one that may be there -> its place
        taken: dict[int, int] = {}  # the same of insets
        needed: list[int] = []
        befores, mains, afters = [], [], []
        constants: list[bytes] = []
        end = self._groups.count + len(insets)

        def constant(text: bytes) -> int:
            constants.append(text)
            return end + len(constants) - 1

        for index, (member, places) in enumerate(zip(members, self._places(members), strict=True)):
            before, *between, after = (member.output or b"%b").split(b"%b") if places else (b"", b"")
            mains.append(places[0] if places else constant((member.output or b"").replace(b"%%", b"%")))
            befores.append(_name(member.column.name) + before)
            afters.append(places[1] if between else constant(after))
            if member.output is None:
                taken[places[0]] = index
            elif member.attribute in self._loose:
                loose[places[0]] = index
                if member.column.role:
                    needed.append(places[0])
            else:
                always.append(index)
        if not loose:
            raise NoPatternError  # any pattern would do
        first_groups, indexes = _several(list(loose)), list(loose.values())
        more, absent = tuple(constants), repeat(ABSENT)

        def fill(parts: Sequence[Any]) -> bytes | None:
            for place in needed:
                if parts[place] is ABSENT:
                    return None
            there = [*always, *compress(indexes, map(is_not, first_groups(parts), absent))]
            there += [index for place, index in taken.items() if parts[place] is not ABSENT]
            there.sort()
            parts = (*parts, *more)
            return b"{" + b",".join([befores[each] + parts[mains[each]] + parts[afters[each]] for each in there]) + b"}"

        return {"insets": insets, "fill": fill}


def _see_any(column: Column) -> _Seen | None:
    """Find the type of which a pattern tells the values that a column can have; None if there is none."""
    for tag in ANY:
        sight = fragment(column.field, tag) if column.field else None
        if sight and sight.groups:
            return _Seen(tag, sight.pattern, sight)
    return None


def _object(member: str) -> str:
    """Give the expression of an object of any such members, each of which is to match in one way alone.

    Nothing in it is possessive or atomic: of groups in a repetition that is, Python 3.11 loses what they caught.
    """
    return rf"\{{(?:(?:{member})(?:,(?=\")|(?=\}})))*\}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """What a column has in the row: ``output`` with the groups of an attribute, the time, or neither; or an inset."""

    column: Column
    output: bytes | None
    attribute: str | None = None
    is_time: bool = False
    needs_record: bool = False


def _no_member(column: Column) -> _Member | None:
    """Let a column have nothing. Raises NoPatternError for one that the row cannot do without."""
    if column.role is not None:
        raise NoPatternError
    return None


def _template(members: Sequence[_Member], start: int) -> bytes:
    """Write the row, with a place for each part."""
    texts = [
        b"%b"
        if member.output is None
        else (b"," if place > start else b"") + _name(member.column.name).replace(b"%", b"%%") + member.output
        for place, member in enumerate(members)
    ]
    return b"{" + b"".join(texts) + b"}"


def _several(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Get parts by their places, in a tuple even if it is one."""
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))


def _time_like(time: object, timestamp_ms: int) -> _Time:
    """Find the form of times such as one that means ``timestamp_ms``. Raises NoPatternError."""
    if type(time) is int:
        for each in _TIMES:
            if time * MS_PER_SECOND // each.per_second == timestamp_ms:
                return each
    raise NoPatternError


def _is_flat(attribute: object) -> bool:
    return isinstance(attribute, dict) and len(attribute) == 1 and not ANY.keys().isdisjoint(attribute)


def _flat(attribute: object) -> str:
    """Give the expression of any attribute of the type that a flat one has."""
    tag = next(iter(attribute)) if isinstance(attribute, dict) else ""
    return rf'(?>\{{"{tag}":{ANY[tag]}\}})'


def _name(name: str) -> bytes:
    return orjson.dumps(name) + b":"
