"""From an event to a batch response. Pure, but for the callables it is handed."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from decoder.change import Change, check_images, open_change
from decoder.errors import ChangeError
from decoder.record import change_record, decode_record, sequence_number_of
from decoder.records import ParsedRecords, Records
from handlers.dead_letter import DeadLetter
from pinot.errors import NO_TABLE, MisfitError
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Published

Publish: TypeAlias = Callable[[Target, Iterable[Entry]], Published]
Store: TypeAlias = Callable[[Sequence[Entry]], "tuple[int | None, str | None]"]  # see publisher.s3.store


class EventError(ValueError):
    """The event is not one that an event source mapping of a stream sends."""


class UnreportableError(RuntimeError):
    """A change must come again, but has no sequence number to say so by; failing makes the whole batch come again."""


@dataclass(slots=True, kw_only=True)
class Account:
    """What there is to say of a batch's changes so far, beside their rows.

    ``times_ms`` has, by position, when each was made, 0 where that could not be read, and ``row_counts`` how many rows
    it became; ``letters`` are the changes that can never become rows. ``left_out`` counts, by column and reason, old
    values that a delete's row had to go without; ``ignored`` the changes that every table's own rules leave out.
    ``shared`` names, for each table, the attributes of the DynamoDB key that its primary key leaves out: items that
    differ only there share a row. ``unmapped`` names, for each table, the attributes of items that nothing in its files
    uses.
    """

    records: Records
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    row_counts: array[int] = field(default_factory=lambda: array("I"))
    letters: list[DeadLetter] = field(default_factory=list)
    left_out: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    shared: dict[str, Sequence[str]] = field(default_factory=dict)
    unmapped: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    ignored: int = 0


@dataclass(kw_only=True)
class Plan(Account):
    """What a batch comes to, all of it, each stream's rows too."""

    rows: defaultdict[Target, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def changes(self) -> Mapping[int, Change]:
        """The changes that could be decoded, by position."""
        times = enumerate(self.times_ms)
        return {position: decode_record(self.records[position]) for position, time_ms in times if time_ms}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a batch. ``first_unpublished`` is the position it stopped at, None when it is done."""

    account: Account
    first_unpublished: int | None
    published: Mapping[Target, Published]
    store_error: str | None

    @property
    def rows(self) -> int:
        """How many rows stand on their streams for good."""
        return sum(self.account.row_counts[: self.first_unpublished])

    @property
    def resent(self) -> int:
        """How many rows had to be sent again."""
        return sum(published.resent for published in self.published.values())

    def response(self) -> dict[str, list[dict[str, str]]]:
        """Write the batch response: at most one failure, the earliest unpublished change.

        The event source mapping takes the lowest sequence number as its checkpoint and sends everything from there
        again. https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
        Raises UnreportableError when that change has no sequence number.
        """
        if self.first_unpublished is None:
            return {"batchItemFailures": []}
        number = sequence_number_of(self.account.records[self.first_unpublished])
        if number is None:
            raise UnreportableError(
                f"record {self.first_unpublished} of the batch must come again and has no SequenceNumber"
            )
        return {"batchItemFailures": [{"itemIdentifier": number}]}


def records_of(event: object) -> Records:
    """Take the records out of a Lambda event. Raises EventError."""
    records: Any = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list):
        return ParsedRecords(records)
    if not isinstance(records, Records):
        raise EventError('the event has no list "Records": connect the function to a stream')
    return records


def plan(records: Sequence[object], tables: Sequence[Table], *, max_record_bytes: int) -> Plan:
    """Decode a batch and make its rows: everything that can be known before anything is sent."""
    batch = Plan(records=records if isinstance(records, Records) else ParsedRecords(records))
    for target, entry in _Planner(batch, tables, max_record_bytes).rows():
        batch.rows[target].append(entry)
    return batch


class _Routes(NamedTuple):
    """The tables that changes of a DynamoDB table go to, each with the stream of its rows."""

    dynamodb_table: str | None
    tables: Sequence[tuple[Table, Target]]


class _Planner:
    """Makes the rows of an account's records, one after the other, each with the stream it is for."""

    def __init__(self, account: Account, tables: Sequence[Table], max_record_bytes: int) -> None:
        self._account = account
        self._tables = tables
        self._max_bytes = max_record_bytes
        self._routes: dict[str | None, _Routes] = {}  # by DynamoDB table

    def rows(self) -> Iterator[tuple[Target, Entry]]:
        """Make all rows."""
        mine: _Routes | None = None  # where the change before went: a stream has the changes of one table
        position = 0
        while position < self._account.records.size:
            rows = self._at_sight(position, mine) if mine else None
            if rows is None:
                mine = yield from self._of_record(position)
            else:
                yield from rows
            position += 1

    def _at_sight(self, position: int, mine: _Routes) -> Sequence[tuple[Target, Entry]] | None:
        """Make the rows of a record that may not be parsed yet; None where its text alone does not tell them all."""
        for table, _ in mine.tables:
            if not table.short_way.can_see:
                return None
        account = self._account
        text, time_ms = account.records.text(position), 0
        rows = []
        for table, target in mine.tables:
            row = table.short_way.row_of_text(text, self._max_bytes)
            if row is None:
                return None
            key, data, time_ms, kind = row
            if kind.table != mine.dynamodb_table:
                return None
            if kind.unmapped:
                account.unmapped[table.name].update(kind.unmapped)
            rows.append((target, Entry(key, data, position)))
        account.times_ms.append(time_ms)
        account.row_counts.append(len(rows))
        return rows

    def _of_record(self, position: int) -> Generator[tuple[Target, Entry], None, _Routes | None]:
        """Parse a record and make its rows; return where they go, if that could be told."""
        account = self._account
        record = account.records[position]
        letters, count, time_ms = len(account.letters), 0, 0
        change = mine = None
        try:
            inner = change_record(record)
            opened = open_change(inner)
            mine = self._routes.get(opened.table)
            if mine is None:
                change = check_images(opened)
                mine = self._routes[opened.table] = _routes_of(account, change, self._tables)
            shorts = [table.short_row(inner, opened, self._max_bytes) for table, _ in mine.tables]
            change = check_images(opened) if None in shorts else opened
            time_ms = change.timestamp_ms
            for (table, target), short in zip(mine.tables, shorts, strict=True):
                if short is not None:
                    key, data, _, kind = short
                    if kind.unmapped:
                        account.unmapped[table.name].update(kind.unmapped)
                    count += 1
                    yield target, Entry(key, data, position)
                    continue
                try:
                    for row in table.rows(change, self._max_bytes):
                        account.left_out.update((table.name, column, reason) for column, reason in row.left_out)
                        if row.unmapped:
                            account.unmapped[table.name].update(row.unmapped)
                        count += 1
                        yield target, Entry(row.key, row.data, position)
                except ChangeError as error:
                    account.letters.append(_letter(position, record, error, table.name, change))
            account.ignored += not count and len(account.letters) == letters
        except ChangeError as error:
            account.letters.append(_letter(position, record, error, None, change))
        account.times_ms.append(time_ms)
        account.row_counts.append(count)
        return mine


def _letter(position: int, record: object, error: ChangeError, table: str | None, change: Change | None) -> DeadLetter:
    # Without the traceback, whose frames would hold the whole batch until the garbage collector finds the circle.
    return DeadLetter(position=position, record=record, error=error.with_traceback(None), table=table, change=change)


def relay(event: object, tables: Sequence[Table], *, publish: Publish, store: Store, max_record_bytes: int) -> Report:
    """Bring a batch to its streams, and what can never be a row to the dead letters.

    Where there is one stream, its rows are made while others are under way. Several are published to side by side once
    all rows are made, since one that is behind is not to hold up another. Raises EventError; what ``publish`` and
    ``store`` raise goes through.
    """
    account = Account(records=records_of(event))
    rows = _Planner(account, tables, max_record_bytes).rows()
    published = _publish_all(_by_stream(rows, {table.target for table in tables}), publish)
    # Letters last: what the rows are made of is not all known before.
    not_stored, store_error = store([letter.entry() for letter in account.letters]) if account.letters else (None, None)
    stops = [not_stored, *(each.first_unpublished for each in published.values())]
    return Report(
        account=account,
        first_unpublished=min((stop for stop in stops if stop is not None), default=None),
        published=published,
        store_error=store_error,
    )


def _by_stream(rows: Iterator[tuple[Target, Entry]], targets: Collection[Target]) -> Mapping[Target, Iterable[Entry]]:
    """Sort rows by their stream; those of an only one stay to be made until they are taken."""
    if len(targets) > 1:
        by_target: defaultdict[Target, list[Entry]] = defaultdict(list)
        for target, entry in rows:
            by_target[target].append(entry)
        return by_target
    first = next(rows, None)
    return {first[0]: chain((first[1],), (entry for _, entry in rows))} if first else {}


def _publish_all(rows: Mapping[Target, Iterable[Entry]], publish: Publish) -> Mapping[Target, Published]:
    if len(rows) < 2:  # noqa: PLR2004  # the usual single stream needs no thread
        return {target: publish(target, entries) for target, entries in rows.items()}
    with ThreadPoolExecutor(max_workers=len(rows)) as pool:
        running = {target: pool.submit(publish, target, entries) for target, entries in rows.items()}
    # Only now: what one raises must not keep the others from beginning.
    return {target: each.result() for target, each in running.items()}


def _routes_of(account: Account, change: Change, tables: Sequence[Table]) -> _Routes:
    """Find the tables of a change's DynamoDB table, and where their rows go."""
    routes = [(table, table.target) for table in tables if table.replicates(change.table)]
    if not routes:
        detail = f"no folder of tables replicates the DynamoDB table {change.table}"
        # Kinesis' form of a change, which has no sequence number, names its table itself.
        raise MisfitError(NO_TABLE, detail).inside("eventSourceARN" if change.sequence_number else "tableName")
    for table, _ in routes:
        account.shared.setdefault(table.name, table.not_in_key(change.keys))
    return _Routes(change.table, routes)
