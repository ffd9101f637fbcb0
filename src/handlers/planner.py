"""From a batch's records to rows and dead letters: everything that can be known before anything is sent. Pure."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Raw

from decoder.change import Change, decode_change
from decoder.errors import ChangeError
from decoder.record import change_record, decode_record
from decoder.records import ParsedRecords, Records
from handlers.dead_letter import DeadLetter
from pinot.errors import NO_TABLE, MisfitError
from pinot.table import Table, Target
from pinot.typed.record import Source, source_of
from pinot.typed.row import Made, TypedRows
from publisher.entry import Entry

CHECKED_EVERY: Final = 1_024  # changes of which one takes both paths
MAX_ROUTES: Final = 64  # sources of changes that are remembered; a function has one, or a few
MAX_TRIED: Final = 4  # sources that a record's JSON is tried with, the one of the change before first

_Rows: TypeAlias = "list[tuple[Target, Entry]]"


@dataclass(slots=True, kw_only=True)
class Account:
    """What is known of a batch's changes so far, beside their rows.

    ``times_ms`` has the time of each change by position, 0 for one that cannot be read; ``row_counts`` how many rows it
    became. ``dead_letters`` are the changes that can never become rows. ``left_out`` counts, by table, column and
    reason, old values that a delete's row does without. ``ignored`` counts changes that every table's rules leave out.
    ``shared`` names, for each table, the attributes of the DynamoDB key that its primary key leaves out: items that
    differ only there share a row. ``unmapped`` names, for each table, the attributes that its files do not use.
    ``differences`` lists, by position, changes of which the typed path made other rows than the exact path.
    """

    records: Records
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    row_counts: array[int] = field(default_factory=lambda: array("I"))
    dead_letters: list[DeadLetter] = field(default_factory=list)
    left_out: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    shared: dict[str, Sequence[str]] = field(default_factory=dict)
    unmapped: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    ignored: int = 0
    differences: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class Plan(Account):
    """What a batch comes to, all of it, each stream's rows too."""

    rows: defaultdict[Target, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def changes(self) -> Mapping[int, Change]:
        """The changes that could be decoded, by position."""
        times = enumerate(self.times_ms)
        return {position: decode_record(self.records[position]) for position, time_ms in times if time_ms}


class _Route(NamedTuple):
    """One Pinot table that the changes of a source go to."""

    table: Table
    target: Target
    typed: TypedRows


class Planner:
    """Makes rows of changes, for some tables. It is kept from batch to batch, since the typed path learns.

    Every change can take the exact path, which holds the rules; :mod:`pinot.typed` makes the rows of most changes in a
    fraction of the time. One change in CHECKED_EVERY takes both paths, and the exact path's rows are sent.
    """

    def __init__(self, tables: Iterable[Table], *, max_record_bytes: int, is_typed: bool = True) -> None:
        self.tables = tuple(tables)
        self._max_bytes = max_record_bytes
        self._is_typed = is_typed
        self._routes: dict[Source, Sequence[_Route]] = {}
        self._recent: list[Sequence[_Route]] = []  # where the latest changes went, by source, the last one first
        self._typed_changes = 0

    def rows(self, account: Account) -> Iterator[tuple[Target, Entry]]:
        """Make the rows of a batch's records, in their order, each with the stream that it is for."""
        for position in range(len(account.records)):
            rows = self._typed(account, position)
            yield from self._exact(account, position) if rows is None else rows

    def _typed(self, account: Account, position: int) -> _Rows | None:
        """Make the rows of a record by its JSON; None where the exact path has to decide."""
        if not self._recent:  # nothing is known yet, or the exact path is wanted: no JSON is needed
            return None
        text = account.records.text(position)
        made = None
        for place, routes in enumerate(self._recent):
            made = self._made(text, routes)
            if made is not None:
                if place:
                    self._recent.insert(0, self._recent.pop(place))
                break
        if made is None:
            return None
        rows = [(route.target, Entry(row[0], row[1], position)) for route, row in made if row[0] is not None]
        self._typed_changes += 1
        if self._typed_changes % CHECKED_EVERY == 0:
            exact = self._exact(account, position)
            if exact != rows:
                account.differences.append(position)
            return exact
        for route, row in made:
            if row[3]:
                account.unmapped[route.table.name].update(row[3])
        account.times_ms.append(made[0][1][2])
        account.row_counts.append(len(rows))
        account.ignored += not rows
        return rows

    def _made(self, text: bytes | Raw, routes: Sequence[_Route]) -> list[tuple[_Route, Made]] | None:
        """Make the rows of a change of one source, for all of its tables."""
        made = []
        for route in routes:
            row = route.typed.row(text, self._max_bytes)
            if row is None:
                return None
            made.append((route, row))
        return made

    def _exact(self, account: Account, position: int) -> _Rows:
        """Parse a record and make its rows by every rule."""
        record = account.records[position]
        rows: _Rows = []
        dead_letters, time_ms = len(account.dead_letters), 0
        change = None
        try:
            inner = change_record(record)
            change = decode_change(inner)
            routes = self._routes_of(inner, change)
            time_ms = change.timestamp_ms
            for table, target, typed in routes:
                account.shared.setdefault(table.name, table.not_in_key(change.keys))
                try:
                    for row in table.rows(change, self._max_bytes):
                        account.left_out.update((table.name, column, reason) for column, reason in row.left_out)
                        if row.unmapped:
                            account.unmapped[table.name].update(row.unmapped)
                        rows.append((target, Entry(row.key, row.data, position)))
                except ChangeError as error:
                    account.dead_letters.append(_dead_letter(position, record, error, table.name, change))
                if self._is_typed:
                    typed.learn(change)
            account.ignored += not rows and len(account.dead_letters) == dead_letters
        except ChangeError as error:
            account.dead_letters.append(_dead_letter(position, record, error, None, change))
        account.times_ms.append(time_ms)
        account.row_counts.append(len(rows))
        return rows

    def _routes_of(self, record: Any, change: Change) -> Sequence[_Route]:  # noqa: ANN401  # a change record
        """Find the tables that a change goes to. Raises MisfitError when there is none."""
        source = source_of(record, change)
        routes = self._routes.get(source)
        if routes is None:
            tables = [table for table in self.tables if table.replicates(change.table)]
            if not tables:
                raise MisfitError(NO_TABLE, _why_no_table(source)).inside(
                    "tableName" if source.is_kinesis_form else "eventSourceARN"
                )
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
                self._recent.clear()
            routes = self._routes[source] = [_Route(each, each.target, TypedRows(each, source)) for each in tables]
        if self._is_typed and not (self._recent and self._recent[0] is routes):
            self._recent = [routes, *(each for each in self._recent if each is not routes)][:MAX_TRIED]
        return routes


def plan(records: Sequence[object], tables: Sequence[Table], *, max_record_bytes: int) -> Plan:
    """Make the rows of a batch by the exact path alone, all of them."""
    batch = Plan(records=records if isinstance(records, Records) else ParsedRecords(records))
    for target, entry in Planner(tables, max_record_bytes=max_record_bytes, is_typed=False).rows(batch):
        batch.rows[target].append(entry)
    return batch


def _why_no_table(source: Source) -> str:
    if source.table is not None:
        return f"no folder of tables replicates the DynamoDB table {source.table}"
    if source.arn is not None:
        return f"{source.arn} is not the ARN of a DynamoDB table's stream"
    return "the record names no DynamoDB table"


def _dead_letter(
    position: int, record: object, error: ChangeError, table: str | None, change: Change | None
) -> DeadLetter:
    # Without the traceback: its frames would keep the whole batch until the garbage collector finds the cycle.
    return DeadLetter(position=position, record=record, error=error.with_traceback(None), table=table, change=change)
