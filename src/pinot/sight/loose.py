"""Making a pattern for changes of items with any of the attributes that a table's columns take, in any order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from decoder.change import Change
from decoder.sight import ANY_TEXT, CHARACTER, ESCAPE, Path, literal
from pinot.metadata import METADATA
from pinot.sight.fragment import ANY, Fragment, fragment
from pinot.sight.mould import Layout, Maker, Member, NoPatternError, name_of, several
from pinot.sight.pattern import ABSENT, NOTHING, Inset, Pattern
from pinot.source import REST
from pinot.table import Column

_WITH_KEYS: Final = frozenset({"Keys", "NewImage", "OldImage"})
_NAME: Final = rf"{CHARACTER}*+(?:{ESCAPE}{CHARACTER}*+)*+"  # as orjson alone writes it, so that a key has one
_MEMBER: Final = rf'"{_NAME}":\{{"(?:[SNB]":{ANY_TEXT}|BOOL":(?:true|false)|NULL":true)\}}'
_MEMBERS: Final = re.compile(rf'"({_NAME})":\{{"([A-Z]+)":({ANY_TEXT}|true|false)\}}'.encode())
_NULL: Final = (b"NULL", b"true")


def make_loose_pattern(layout: Layout, record: Mapping[str, Any], change: Change) -> Pattern:
    """Make the pattern of changes with the keys and what is around images as a change has it, and with any attributes.

    ``change`` is read from ``record``. Raises as :func:`pinot.sight.mould.make_pattern` does.
    """
    return _LooseMaker(layout, record, change).make()


class _Loose(NamedTuple):
    """How an attribute that may be there or not is told, by its type and payload, and where it stands in the row."""

    tag: bytes
    match: Callable[[bytes], re.Match[bytes] | None]
    output: bytes
    place: int
    is_needed: bool


class _LooseMaker(Maker):
    """A loose pattern in the making.

    Its expression tells that the image is one of plain attributes, with the keys if they are there; which they are is
    seen one by one. Groups in a repetition would cost as much for each attribute as there are columns.
    """

    def make(self) -> Pattern:
        """Make the pattern. Raises NoPatternError, ChangeError, or TypeError for what is no JSON."""
        if next(name for name in self.record["dynamodb"] if name in _WITH_KEYS) != "Keys":
            raise NoPatternError  # what the images' keys are compared with comes first
        pattern = super().make()
        if pattern.needs_record:
            raise NoPatternError
        return pattern

    def see_all(self) -> None:
        """See the keys."""
        for name in self.change.keys:
            if name not in self.image:
                raise NoPatternError
            self.seen[name] = self.see(name, self.image[name])
        self.other = NOTHING  # of which nothing is particular

    def sight(self, path: Path, value: object) -> str | None:
        """Tell what may stand at a place of the record."""
        if path in {("dynamodb", "NewImage"), ("dynamodb", "OldImage")} and isinstance(value, dict):
            keys = "|".join(f"{literal(name)}:{again}" for name, again in self.again.items())
            others = "".join(f"(?!{literal(name)}:)" for name in self.again)
            image = rf"\{{(?>(?:(?:{keys}|{others}{_MEMBER})(?:,(?=\")|(?=\}})))*)\}}"
            return self.groups.catch("image", image) if path[1] == self.image_name else image
        return super().sight(path, value)

    def member(self, column: Column) -> Member | None:
        """Find out what a column has of such changes, None for nothing. Raises NoPatternError or ChangeError."""
        if column.origin in METADATA or (isinstance(column.origin, tuple) and column.origin[0] in self.change.keys):
            return super().member(column)
        if column.origin == REST or column.name in self.layout.primary_key:
            raise NoPatternError
        return Member(column=column, output=b"", attribute=column.attribute, is_loose=True)

    def row_of(self, members: Sequence[Member]) -> dict[str, Any]:
        """Give what makes the row: each member that is there, one after the other."""
        wanted = self._wanted(members)
        insets: list[Inset] = []
        always: list[tuple[int, bytes, Callable[[Sequence[Any]], Any]]] = []
        for place, (member, parts) in enumerate(zip(members, self.places(members), strict=True)):
            column, name = member.column, name_of(member.column.name)
            if member.output is None:
                is_needed = column.role is not None
                insets.append(Inset(take=column.take, is_needed=is_needed, before=name, after=b""))
                always.append((place, b"%b", itemgetter(*parts)))
            elif not member.is_loose:
                always.append((place, name.replace(b"%", b"%%") + member.output, several(parts)))
        return {"insets": insets, "fill": _filler(always, wanted, self.groups.caught["image"])}

    def _wanted(self, members: Sequence[Member]) -> Mapping[bytes, _Loose | None]:
        """Find out how the attributes are told that may be there, by their names in JSON; None where nothing is asked.

        One that cannot be told, or not for each of several columns, is not among them. Raises NoPatternError where the
        row cannot do without it.
        """
        columns = self.layout.columns
        # A name that a column of the change itself bears may be more than an attribute's.
        odd = {column.name for column in columns if column.origin in METADATA}
        roots = Counter(column.origin[0] for column in columns if isinstance(column.origin, tuple))
        left_out = set(self.layout.taken) - odd - self.columns.keys()
        wanted: dict[bytes, _Loose | None] = dict.fromkeys(map(_text, [*left_out, *self.change.keys]))
        for place, member in enumerate(members):
            name, column = member.attribute, member.column
            sight = _sight_of(column) if member.is_loose else None
            if name is not None and name not in odd and roots[name] == 1 and sight:
                tag, (pattern, output) = sight
                wanted[_text(name)] = _Loose(
                    tag=tag.encode(),
                    match=re.compile(pattern.encode()).fullmatch,
                    output=name_of(column.name).replace(b"%", b"%%") + output.encode(),
                    place=place,
                    is_needed=column.role is not None,
                )
            elif member.is_loose and column.role is not None:
                raise NoPatternError
        return wanted


def _filler(
    always: Sequence[tuple[int, bytes, Callable[[Sequence[Any]], Any]]],
    wanted: Mapping[bytes, _Loose | None],
    image: int,
) -> Callable[[Sequence[Any]], bytes | None]:
    """Make what writes a row: of what is there in any case, by its place with a template and what fills it out of a
    row's parts, and of the image, which is one of the parts.
    """
    needed = [each.place for each in wanted.values() if each and each.is_needed]

    def fill(parts: Sequence[Any]) -> bytes | None:
        texts = {place: template % some(parts) for place, template, some in always}
        for name, tag, payload in _MEMBERS.findall(parts[image]):
            if name not in wanted:
                return None
            loose = wanted[name]
            if loose is None:
                continue
            if tag == loose.tag:
                match = loose.match(payload)
                if match is None:
                    return None
                texts[loose.place] = loose.output % match.groups(ABSENT)
            elif (tag, payload) == _NULL:
                texts.pop(loose.place, None)  # of a name that stands twice the last value counts
            else:
                return None
        if not all(place in texts for place in needed):
            return None
        return b"{" + b",".join([text for _, text in sorted(texts.items()) if text]) + b"}"

    return fill


def _sight_of(column: Column) -> tuple[str, Fragment] | None:
    """Find the DynamoDB type whose values can be told in a column, and how; None if there is none."""
    for tag in ANY:
        sight = fragment(column.field, tag) if column.field else None
        if sight and sight.groups:
            return tag, sight
    return None


def _text(name: str) -> bytes:
    return orjson.dumps(name)[1:-1]
