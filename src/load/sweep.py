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

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from decoder.change import MS_PER_SECOND
from decoder.errors import ChangeError
from load.by_key import ByKey, KeyAnswerError, UntoldItemError, by_key, literal, quoted, selected
from load.plan import IncrementalReader, KeyValue, Plan, ScanReader, Swept
from pinot.table import Row, Table, Target
from publisher.entry import Entry
from publisher.order import Published, commonest_error
from redrive.current_rows import ReadItem, RedriveError
from snapshot.version import snapshot_ms

PAGE: Final = 10_000  # keys that a query asks for: an answer of about 1 MB
PORTION: Final = 500  # candidates whose rows are published together, before the position is kept
QUERY_MS: Final = 50_000  # Pinot's own limit is 10 s, a client's may be a minute

Query: TypeAlias = Callable[[str], Sequence[Sequence[Any]]]  # SQL -> rows; it raises for an answer that is incomplete
Publish: TypeAlias = Callable[[Target, Sequence[Entry]], Published]


class SweepError(Exception):
    """A table cannot be swept, or not now; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is swept: the rows of a Pinot table, after a load of its DynamoDB table. :func:`sweep_of` makes it.

    ``second`` is that of the load's first read, see ``snapshot.version.read_second``; ``before_ms`` is the least time
    of the load's rows. After the repair of a gap, ``since_ms`` is the time of the oldest row that may be wrong all the
    same, and ``before_ms`` that of the rows of the last window; after a load ``since_ms`` is None.
    """

    rows: ByKey
    second: int
    since_ms: int | None
    before_ms: int

    @property
    def table(self) -> Table:
        """The Pinot table."""
        return self.rows.table

    def query(self, position: tuple[KeyValue, ...] | None, limit: int) -> str:
        """Write the query for the next candidates, in the order of their keys: no change moves one to another page."""
        names = [quoted(each.column.name) for each in self.rows.columns]
        taken = [selected(each.column) for each in self.rows.columns]
        comparison = quoted(self.table.comparison.name)
        condition = f"{comparison} < {self._comparison(self.before_ms)}"
        if self.since_ms is not None:
            condition = f"{comparison} >= {self._comparison(self.since_ms)} AND {condition}"
        if position is not None:
            literals = [literal(value) for value in position]
            condition += f" AND {_behind(names, literals)}"
        select = f"SELECT {', '.join(taken)} FROM {quoted(self.table.name)} WHERE {condition}"  # noqa: S608  # quoted
        return f"SET timeoutMs={QUERY_MS}; {select} ORDER BY {', '.join(names)} LIMIT {limit}"

    def row(self, key: Sequence[object], read_item: ReadItem) -> Row | None:
        """Make what is to be under a primary key, see ``ByKey.row``. Raises SweepError in place of KeyAnswerError."""
        try:
            return self.rows.row(key, read_item, self.second)
        except KeyAnswerError as error:
            raise SweepError(str(error)) from None

    def _comparison(self, timestamp_ms: int) -> str:
        """Write the comparison column's value of a row of a time."""
        value: Any = self.table.comparison.take(self.rows.change({}, timestamp_ms), {}, False)  # noqa: FBT003  # no names
        return literal(value)


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
    try:
        rows = by_key(table, plan.table, plan.region, key_types, max_record_bytes)
    except UntoldItemError as error:
        raise SweepError(f"{cannot}: {error}. Load into a new Pinot table instead") from None
    second = plan.second
    return Sweep(
        rows=rows,
        second=second,
        since_ms=reader.first_second * MS_PER_SECOND if isinstance(reader, IncrementalReader) else None,
        before_ms=min(snapshot_ms(each, second) for each in tables),  # an item's rows have one time in all tables
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
            code = commonest_error(published.errors) or "the time is up"
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
