"""After a reload, bring up to date what it did not refresh: rows that are stale, and rows of items that are gone.

Every row of a load whose first read was at s0 has a time of at least V(s0), see :mod:`snapshot.version`. So what Pinot
shows with an earlier time belongs to an item that no read found, or that has another row now. Each is read consistently
and becomes its row, or a tombstone, with the time V(now).

No row with an earlier time may come after the sweep has looked, for nothing would hide it: other loads have ended, the
live path has delivered every change from before s0, and Pinot has consumed all that. Rows of the load itself may still
come: to look at what they would have refreshed costs a read and no more.

After incremental exports, most items have not been read at all, and their rows are older and right. Wrong may be rows
of items that no export names: an item that was inserted and deleted within the window is in none. If the delete was
lost, Pinot shows the row of the insert, whose time is within the window. So the sweep looks at rows with a time from
the window's begin, less the margin, to V of its end.

Pure but for the callables that it gets.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from decoder.change import MS_PER_SECOND, Change, Image
from decoder.errors import ChangeError
from decoder.number import decode_number, number_text
from load.plan import IncrementalReader, KeyValue, Plan, ScanReader, Swept
from pinot.errors import MisfitError
from pinot.table import Column, Row, Table, Target
from publisher.entry import Entry
from publisher.order import Published
from redrive.current_rows import ReadItem, RedriveError
from snapshot.version import snapshot_ms

PAGE: Final = 10_000  # keys that a query asks for: an answer of about 1 MB
PORTION: Final = 500  # candidates whose rows are published together, before the position is kept
FOREIGN_KEY: Final = "foreign_key"  # Pinot has a row that is not made of an item
QUERY_MS: Final = 50_000  # Pinot's own limit is 10 s, a client's may be a minute

Query: TypeAlias = Callable[[str], Sequence[Sequence[Any]]]  # SQL -> rows; it raises for an answer that is incomplete
Publish: TypeAlias = Callable[[Target, Sequence[Entry]], Published]


class SweepError(Exception):
    """A table cannot be swept, or not now; the message says why and what to do."""


class _Form(NamedTuple):
    """What a Pinot column of a primary key holds: the type of Pinot's answer, and how the attribute's value is made."""

    answer: type
    payload: Callable[[Any], str]


class _KeyColumn(NamedTuple):
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
class Sweep:
    """What is swept: a Pinot table, after a load of the DynamoDB table ``source``. :func:`sweep_of` makes it.

    ``keys`` names the attributes of the DynamoDB table's primary key. ``second`` is that of the load's first read, see
    ``snapshot.version.read_second``; ``before_ms`` is the least time of the load's rows. After the repair of a gap,
    ``since_ms`` is the time of the oldest row that may be wrong all the same, and ``before_ms`` that of the rows of the
    last window; after a load ``since_ms`` is None.
    """

    table: Table
    source: str
    region: str
    keys: Sequence[str]
    columns: Sequence[_KeyColumn]
    second: int
    since_ms: int | None
    before_ms: int
    max_record_bytes: int

    def query(self, position: tuple[KeyValue, ...] | None, limit: int) -> str:
        """Write the query for the next candidates, in the order of their keys: no change moves one to another page."""
        names = [_quoted(each.column.name) for each in self.columns]
        taken = [
            f"CAST({name} AS {_CASTS[data_type]})" if (data_type := _data_type(each.column)) in _CASTS else name
            for name, each in zip(names, self.columns, strict=True)
        ]
        comparison = _quoted(self.table.comparison.name)
        condition = f"{comparison} < {self._comparison(self.before_ms)}"
        if self.since_ms is not None:
            condition = f"{comparison} >= {self._comparison(self.since_ms)} AND {condition}"
        if position is not None:
            literals = [_literal(value) for value in position]
            condition += f" AND {_behind(names, literals)}"
        select = f"SELECT {', '.join(taken)} FROM {_quoted(self.table.name)} WHERE {condition}"  # noqa: S608  # quoted
        return f"SET timeoutMs={QUERY_MS}; {select} ORDER BY {', '.join(names)} LIMIT {limit}"

    def row(self, key: Sequence[object], read_item: ReadItem) -> Row | None:
        """Read the item of a primary key, and make what is to be under that key: its row, or a tombstone.

        Return None for a row that stays, as Time to Live may have deleted its item. Raises RedriveError if the item
        cannot be read, ChangeError if it cannot be a row, or if the key is not one that is made of an item's, and
        SweepError if Pinot answers with another type than it should.
        """
        image = self._image(key)
        keys = {name: image[name] for name in self.keys}
        item, second = read_item(self._change(keys, self.before_ms), self.second)
        now = self._change(keys, snapshot_ms(self.table, second))
        if item is not None and self.table.has_row_of(item):
            place = self.table.key_of(now, item)
            if place is not None and place == self.table.key_of(now, image):
                (row,) = self.table.rows(now._replace(event_name="INSERT", new_image=item), self.max_record_bytes)
                return row
        return None if self.table.keep_ttl_deletes else self.table.tombstone(now, image)

    def _comparison(self, timestamp_ms: int) -> str:
        """Write the comparison column's value of a row of a time."""
        value: Any = self.table.comparison.take(self._change({}, timestamp_ms), {}, False)  # noqa: FBT003  # no names
        return _literal(value)

    def _image(self, key: Sequence[object]) -> Image:
        """Make the attributes of which a primary key was made."""
        image = {}
        for (column, attribute, tag, form), value in zip(self.columns, key, strict=True):
            if type(value) is not form.answer:
                raise SweepError(f"Pinot answers {type(value).__name__} for {column.name}, a {_data_type(column)}")
            try:
                image[attribute] = {tag: form.payload(value)}
            except ValueError:
                detail = f"the value is no {_data_type(column)} that is made of a DynamoDB {tag}"
                raise MisfitError(FOREIGN_KEY, detail) from None
        return image

    def _change(self, keys: Image, timestamp_ms: int) -> Change:
        return Change(
            event_name="REMOVE",
            timestamp_ms=timestamp_ms,
            sequence_number=None,
            keys=keys,
            new_image=None,
            old_image=None,
            ttl_delete=False,
            event_id=None,
            table=self.source,
            region=self.region,
            size_bytes=None,
            view_type=None,
        )


def sweep_of(
    plan: Plan, table: Table, tables: Sequence[Table], key_types: Mapping[str, str], max_record_bytes: int
) -> Sweep:
    """Say what is to be swept of a Pinot table after a load by a plan, which loaded ``tables``.

    ``key_types`` has the type of each attribute of the DynamoDB table's primary key: S, N or B. Raises SweepError for a
    table whose rows do not tell their items, or when they were refreshed.
    """
    cannot = f"the table {table.name} cannot be swept"
    reader = plan.reader
    if isinstance(reader, ScanReader) and reader.filter:
        raise SweepError(
            f"{cannot}: the load has a filter, and every row that the filter left out would be read again, one by one. "
            "Load without a filter first"
        )
    if table.dynamodb_table != plan.table:
        raise SweepError(
            f"{cannot}: its source.toml does not say that all its rows are of {plan.table}, and the rows of another "
            f'DynamoDB table would be deleted. Write dynamodb_table = "{plan.table}" there, deploy it, and load again'
        )
    if table.comparison.origin not in ("$timestamp", "$version"):
        raise SweepError(
            f"{cannot}: its comparison column {table.comparison.name} is not the time of a change, and does not show "
            "what the load refreshed. Load into a new Pinot table instead"
        )
    missing = ", ".join(sorted(key_types.keys() - table.key_attributes))
    if missing:
        raise SweepError(
            f"{cannot}: its primary key lacks {missing} of the DynamoDB table's key, and a row does not tell its item. "
            "Load into a new Pinot table instead"
        )
    columns = []
    for column in table.primary_key:
        tag = key_types.get(column.attribute or "", _ANY_TAG.get(_data_type(column), ""))
        form = _FORMS.get((_data_type(column), tag))
        if column.attribute is None or form is None:
            raise SweepError(
                f"{cannot}: the value of its primary key column {column.name}, a {_data_type(column)}, does not tell "
                "what it was made of. Load into a new Pinot table instead"
            )
        columns.append(_KeyColumn(column, column.attribute, tag, form))
    second = plan.second
    return Sweep(
        table=table,
        source=plan.table,
        region=plan.region,
        keys=tuple(key_types),
        columns=columns,
        second=second,
        since_ms=reader.first_second * MS_PER_SECOND if isinstance(reader, IncrementalReader) else None,
        before_ms=min(snapshot_ms(each, second) for each in tables),  # an item's rows have one time in all tables
        max_record_bytes=max_record_bytes,
    )


def sweep(
    task: Sweep,
    state: Swept,
    *,
    query: Query,
    read_item: ReadItem,
    publish: Publish,
    save: Callable[[Swept], None],
    page: int = PAGE,
    portion: int = PORTION,
) -> Swept:
    """Sweep from a state on, until the end. The state is kept after each portion, so that another run can go on.

    To do a part twice is harmless. Raises SweepError; exceptions of the callables are raised, except RedriveError.
    """
    while not state.is_done:
        keys = list(dict.fromkeys(map(tuple, query(task.query(state.position, page)))))
        for start in range(0, len(keys), portion):
            state = _do(task, state, keys[start : start + portion], read_item, publish)
            save(state)
        if not keys:
            state = msgspec.structs.replace(state, is_done=True)
            save(state)
    return state


def _do(
    task: Sweep, state: Swept, keys: Sequence[tuple[KeyValue, ...]], read_item: ReadItem, publish: Publish
) -> Swept:
    entries: list[Entry] = []
    kept = tombstones = 0
    failures = Counter(state.failures)
    for key in keys:
        try:
            row = task.row(key, read_item)
        except RedriveError as error:
            failures[str(error)] += 1
        except ChangeError as error:
            failures[error.reason] += 1
        else:
            if row is None:
                kept += 1
            else:
                tombstones += row.is_delete
                entries.append(Entry(row.key, row.data, len(entries)))
    if entries:
        published = publish(task.table.target, entries)
        if published.first_unpublished is not None:
            code = max(published.errors, key=lambda code: published.errors[code], default="the time is up")
            raise SweepError(f"the stream {task.table.stream} did not take all rows ({code}): sweep again later")
    return Swept(
        position=keys[-1],
        candidates=state.candidates + len(keys),
        rows=state.rows + len(entries) - tombstones,
        tombstones=state.tombstones + tombstones,
        kept=state.kept + kept,
        failures=dict(failures),
    )


def _behind(names: Sequence[str], literals: Sequence[str]) -> str:
    """Write the condition of keys behind one. Its first part follows from the rest; it saves Pinot half of the time."""
    name, literal = names[0], literals[0]
    if not names[1:]:
        return f"{name} > {literal}"
    return f"{name} >= {literal} AND ({name} > {literal} OR ({_behind(names[1:], literals[1:])}))"


def _literal(value: KeyValue) -> str:
    """Write a value. BYTES and BIG_DECIMAL are text here too: Pinot would read a long number as a DOUBLE."""
    if isinstance(value, int):
        return str(value)
    return "'{}'".format(value.replace("'", "''"))


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _data_type(column: Column) -> str:
    return column.field.data_type if column.field else ""
