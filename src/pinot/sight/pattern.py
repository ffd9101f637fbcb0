"""One pattern: a regular expression for the JSON of changes that are alike, and what makes a row of what it caught."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from decoder.attribute import decode
from decoder.change import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS, Change, Image, is_plain
from pinot.key import encode_key
from pinot.table import Kind, ShortRow, Take

NOTHING: Final[Image] = {}
ABSENT: Final = b".0"  # for a group that caught nothing: what orjson ends a whole DOUBLE with


class Inset(NamedTuple):
    """A column that is taken the exact way: ``before`` and ``after`` its JSON, and nothing where it has none."""

    take: Take
    is_needed: bool
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """Where what a change says of itself stands among the groups; None where it says nothing."""

    sequence_number: int | None
    event_id: int | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What makes the rows of one shape.

    ``time`` is the place of the group that, times ``to_ms``, is the change's time in ms. A row's parts are the groups,
    ABSENT for those that caught nothing, and then the ``insets``; ``fill`` makes the row's data of them, and ``key``
    gets the primary key's. ``example`` is the change that it was made of: what no group catches is the same in
    its like.

    Where it ``needs_record``, some is told by the parsed record alone: in the JSON to be matched a null stands for each
    attribute of ``hidden``, and for the image that has no part in the row if that ``is_other_hidden``. ``checked``
    names those attributes that nothing takes. ``size`` counts the attributes of its images.
    """

    match: Callable[[bytes], re.Match[bytes] | None]
    time: int
    to_ms: int
    caught: Caught
    insets: Sequence[Inset]
    fill: Callable[[Sequence[Any]], bytes | None]
    key: Callable[[Sequence[Any]], tuple[bytes, ...]]
    kind: Kind
    example: Change
    image: str
    other: str
    hidden: Mapping[str, None]
    is_other_hidden: bool
    checked: Sequence[str]
    needs_record: bool
    size: int

    def row_of_text(self, text: bytes, max_bytes: int, image: Image = NOTHING) -> ShortRow | None:
        """Make the row of a change by its JSON; None where the exact way is to tell. Raises ChangeError, too, there."""
        match = self.match(text)
        if match is None:
            return None
        parts: tuple[Any, ...] = match.groups(ABSENT)
        timestamp_ms = int(parts[self.time]) * self.to_ms
        if not MIN_TIMESTAMP_MS <= timestamp_ms < MAX_TIMESTAMP_MS:
            return None
        if self.insets:
            change = self._change(parts, timestamp_ms)
            is_delete, more = change.event_name == "REMOVE", []
            for inset in self.insets:
                value = inset.take(change, image, is_delete)
                if value is not None:
                    more.append(inset.before + orjson.dumps(value) + inset.after)
                elif inset.is_needed:
                    return None
                else:
                    more.append(b"")
            parts = (*parts, *more)
        data = self.fill(parts)
        if data is None:
            return None
        key = encode_key([part.decode() for part in self.key(parts)])
        # A character of the key has four bytes at the most, and what is near the limit is not for here.
        return (key, data, timestamp_ms, self.kind) if len(data) + 4 * len(key) <= max_bytes else None

    def row(self, record: Mapping[str, Any], change: Change, max_bytes: int) -> ShortRow | None:
        """Make the row of a change of this shape by its parsed record.

        Raises ChangeError or TypeError where the exact way is to tell.
        """
        if not self.needs_record:
            return self.row_of_text(orjson.dumps(record), max_bytes)
        inner = record["dynamodb"]
        image = inner[self.image]
        shown = {**inner, self.image: {**image, **self.hidden}}
        if self.is_other_hidden:
            if not is_plain(inner[self.other], change.keys):
                return None  # what is wrong with an image that has no part in the row is told all the same
            shown[self.other] = None
        row = self.row_of_text(orjson.dumps({**record, "dynamodb": shown}), max_bytes, image)
        if row is not None:
            for name in self.checked:
                decode(image[name])
        return row

    def _change(self, parts: Sequence[bytes], timestamp_ms: int) -> Change:
        """Make the change that insets are told of; they look for no image in it."""
        caught, example = self.caught, self.example
        return Change(
            example.event_name,
            timestamp_ms,
            None if caught.sequence_number is None else parts[caught.sequence_number].decode(),
            NOTHING,
            None,
            None,
            example.ttl_delete,
            None if caught.event_id is None else parts[caught.event_id].decode(),
            example.table,
            example.region,
            None if caught.size_bytes is None else int(parts[caught.size_bytes]),
            example.view_type,
        )
