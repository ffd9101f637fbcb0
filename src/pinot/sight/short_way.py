"""The short way to the row of an ordinary change: its record matches a pattern, or it goes the exact way.

Most items of a table have the same attributes, of the same types, with values that need no thought: text without odd
characters, numbers of a few digits. For each such *shape* (what happened, and the names of the attributes) that comes
again and again there is one regular expression for the JSON of the whole change record. Where it matches, all of the
record is as it should be, keys included, and what the groups caught is already what the row has: the row is a template,
filled, and nobody needs to have parsed the record. Where it does not match nothing is said:
:meth:`pinot.table.Table.rows` decides, by the exact rules, and ``tests/pinot/test_short_way.py`` holds the two to the
same bytes.

Where ever other shapes come, there is a *loose* pattern for all of them: of any of the attributes that the table's
columns take, in any order.

What no pattern tells (sets, lists, maps, paths, BYTES, …) is taken as the exact way takes it, out of the parsed record,
and put in its place; in the JSON that is matched, a null stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from decoder.change import Change
from decoder.errors import ChangeError
from pinot.sight.loose import make_loose_pattern
from pinot.sight.mould import Layout, NoPatternError, make_pattern
from pinot.sight.pattern import Pattern
from pinot.table import Column, ShortRow

MADE_AFTER: Final = 20  # changes of a shape; making a pattern takes as long as some 200 rows do
LOOSE_AFTER: Final = 20  # shapes
PATIENCE: Final = 100  # misses of a pattern, twice as many of the next one
MAX_SHAPES: Final = 256  # remembered
MAX_TOGETHER: Final = 10_000  # attributes of all patterns' images, each about a KiB
MAX_TRIED: Final = 8  # patterns, on a record of which only the text is known

# What a pattern may raise where the exact way is to tell; orjson's error for half a surrogate pair is a TypeError.
_EXACT: Final = (ChangeError, LookupError, TypeError)


@dataclass(slots=True)
class _Shape:
    """What is known of a shape: how often it has come without a pattern, and when one is ``due``; how often the pattern
    has been missed, and when that is too much: it was made of one change, and others may have other types.
    """

    due: int
    patience: int
    times: int = 0
    pattern: Pattern | None = None
    misses: int = 0

    def is_due(self) -> bool:
        """Tell whether a pattern is to be made now; if there is none, again when it has come twice as often."""
        if self.times < self.due:
            return False
        self.due *= 2
        return True


class Patterns:
    """The patterns of a table, made as its changes come.

    ``taken`` and ``used`` are names of attributes, as :class:`pinot.table.Table` has them, ``takes_rest`` too.
    ``knows_all`` tells that an item is a row whatever is in it, so that one of which only the text is known is one.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        primary_key: Sequence[Column],
        *,
        taken: Collection[str],
        used: Collection[str],
        takes_rest: bool,
        knows_all: bool = True,
        made_after: int = MADE_AFTER,
        patience: int = PATIENCE,
        loose_after: int = LOOSE_AFTER,
        max_shapes: int = MAX_SHAPES,
    ) -> None:
        self._layout = Layout(
            columns=columns,
            primary_key={column.name: column.attribute for column in primary_key},
            taken=taken,
            used=used,
            takes_rest=takes_rest,
        )
        self._knows_all = knows_all
        self._made_after = made_after
        self._patience = patience
        self._loose_after = loose_after
        self._max_shapes = max_shapes
        self._shapes: dict[object, _Shape] = {}
        self._loose: dict[object, _Shape] = {}
        self._by_text: list[Pattern] = []  # those that need no more than the text, the latest that matched first
        self._loose_by_text: list[Pattern] = []
        self.can_see = False  # whether there are any

    def row_of_text(self, text: bytes, max_bytes: int) -> ShortRow | None:
        """Make the row of a change of which nothing is known but its JSON; None where that cannot be told at once."""
        try:
            for place, pattern in enumerate(self._by_text):
                row = pattern.row_of_text(text, max_bytes)
                if row is not None:
                    if place:
                        self._by_text.insert(0, self._by_text.pop(place))
                    return row
            for pattern in self._loose_by_text:
                row = pattern.row_of_text(text, max_bytes)
                if row is not None:
                    return row
        except _EXACT:
            pass
        return None

    def row(self, record: Mapping[str, Any], change: Change, max_bytes: int) -> ShortRow | None:
        """Make the row of a change, which nobody has checked yet; None where only the exact way can tell."""
        image, other = change.new_image, change.old_image
        if change.event_name == "REMOVE":
            image, other = other, image
        if image is None:
            return None
        kind = (change.table, change.event_name, other is None)
        names = (kind, tuple(image), None if other is None else tuple(other))
        shape = self._shapes.get(names) or self._meet(names)
        if shape.pattern is not None:
            return self._try(shape, record, change, max_bytes)
        loose = self._loose.get(kind) or self._meet_kind(kind)
        loose.times += not shape.times
        if loose.pattern is None and loose.is_due():
            self._make(loose, make_loose_pattern, record, change)
        shape.times += 1
        if shape.is_due():
            self._make(shape, make_pattern, record, change)
        return None if loose.pattern is None else self._try(loose, record, change, max_bytes)

    def _try(self, shape: _Shape, record: Mapping[str, Any], change: Change, max_bytes: int) -> ShortRow | None:
        try:
            row = shape.pattern.row(record, change, max_bytes) if shape.pattern else None
        except _EXACT:
            row = None
        if row is None:
            shape.misses += 1
            if shape.misses >= shape.patience:
                shape.pattern, shape.misses, shape.times, shape.due = None, 0, 0, 1
                shape.patience *= 2
                self._forget()
        return row

    def _meet(self, names: object) -> _Shape:
        """Remember a new shape; forgotten for it are those that come less often, and if there are none, all."""
        if len(self._shapes) >= self._max_shapes:
            for shape in self._shapes.values():
                shape.times //= 2
            self._shapes = {known: shape for known, shape in self._shapes.items() if shape.pattern or shape.times}
            self._forget(everything=len(self._shapes) >= self._max_shapes)
        shape = self._shapes[names] = _Shape(due=self._made_after, patience=self._patience)
        return shape

    def _meet_kind(self, kind: object) -> _Shape:
        """Remember a kind of change, whatever its attributes."""
        if len(self._loose) >= self._max_shapes:
            self._forget(everything=True)
        loose = self._loose[kind] = _Shape(due=self._loose_after, patience=self._patience)
        return loose

    def _make(
        self,
        shape: _Shape,
        make: Callable[[Layout, Mapping[str, Any], Change], Pattern],
        record: Mapping[str, Any],
        change: Change,
    ) -> None:
        """Make the pattern of changes such as this one, if there can be one."""
        try:
            pattern = make(self._layout, record, change)
        except (NoPatternError, ChangeError, TypeError, RecursionError):
            return
        if pattern.size + sum(known.pattern.size for known in self._shapes.values() if known.pattern) > MAX_TOGETHER:
            self._forget(everything=True)
            return
        shape.pattern = pattern
        if self._knows_all and not pattern.needs_record:
            if make is make_pattern:
                self._by_text = [pattern, *self._by_text[: MAX_TRIED - 1]]
            else:
                self._loose_by_text.append(pattern)
            self.can_see = True

    def _forget(self, *, everything: bool = False) -> None:
        """Forget the patterns that no shape has any more, or all."""
        if everything:
            self._shapes, self._loose = {}, {}
        known = {id(shape.pattern) for shape in (*self._shapes.values(), *self._loose.values())}
        self._by_text = [pattern for pattern in self._by_text if id(pattern) in known]
        self._loose_by_text = [pattern for pattern in self._loose_by_text if id(pattern) in known]
        self.can_see = bool(self._by_text or self._loose_by_text)
        re.purge()  # which would keep their expressions
