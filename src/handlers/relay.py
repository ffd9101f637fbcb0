"""From an event to a batch response. Pure, but for the callables it is handed."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

from decoder.change import Change, check_images
from decoder.errors import ChangeError
from decoder.record import open_record, sequence_number_of
from handlers.letter import Letter
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

    ``row_counts`` has, by position, how many rows each became; ``letters`` the changes that can never become rows.
    ``left_out`` counts, by column and reason, old values that a delete's row had to go without; ``ignored`` the changes
    that every table's own rules leave out. ``shared`` names, for each table, the attributes of the DynamoDB key that
    its primary key leaves out: items that differ only there share a row. ``unmapped`` names, for each table, the
    attributes of items that nothing in its files uses.
    """

    records: Sequence[object]
    row_counts: array[int] = field(default_factory=lambda: array("I"))
    letters: list[Letter] = field(default_factory=list)
    left_out: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    shared: dict[str, Sequence[str]] = field(default_factory=dict)
    unmapped: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    ignored: int = 0


@dataclass(slots=True, kw_only=True)
class Plan(Account):
    """What a batch comes to, all of it: the changes that could be decoded, by position, and each stream's rows."""

    changes: dict[int, Change] = field(default_factory=dict)
    rows: defaultdict[Target, list[Entry]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a batch. ``first_unpublished`` is the position it stopped at, None when it is done; ``times_ms``
    has the time of each change, by position, 0 where none could be read.
    """

    account: Account
    times_ms: Sequence[int]
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


def records_of(event: object) -> Sequence[object]:
    """Take the records out of a Lambda event. Raises EventError."""
    records: Any = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise EventError('the event has no list "Records": connect the function to a stream')
    return records


def plan(records: Sequence[object], tables: Sequence[Table], *, max_record_bytes: int) -> Plan:
    """Decode a batch and make its rows: everything that can be known before anything is sent."""
    batch = Plan(records=records)
    for target, entry in _rows(batch, tables, max_record_bytes, batch.changes.__setitem__):
        batch.rows[target].append(entry)
    return batch


def _rows(
    account: Account, tables: Sequence[Table], max_record_bytes: int, note: Callable[[int, Change], None]
) -> Iterator[tuple[Target, Entry]]:
    """Make the rows of an account's records, one after the other, each with the stream it is for.

    ``note`` is told the place of each change that could be decoded, and the change.
    """
    routes: dict[str | None, Sequence[tuple[Table, Target]]] = {}  # of each DynamoDB table
    for position, record in enumerate(account.records):
        letters, count = len(account.letters), 0
        change = None
        try:
            opened = open_record(record)
            mine = routes.get(opened.table)
            if mine is None:
                change = check_images(opened)
                mine = routes[opened.table] = _routes_of(account, change, tables)
            shorts = [table.short_row(opened, max_record_bytes) for table, _ in mine]
            change = check_images(opened) if None in shorts else opened
            for (table, target), short in zip(mine, shorts, strict=True):
                if short is not None:
                    key, data, unmapped = short
                    if unmapped:
                        account.unmapped[table.name].update(unmapped)
                    count += 1
                    yield target, Entry(key, data, position)
                else:
                    for entry in _exact_rows(account, position, table, change, max_record_bytes):
                        count += 1
                        yield target, entry
        except ChangeError as error:
            account.letters.append(_letter(position, record, error, None, change))
        else:
            note(position, change)
            account.ignored += not count and len(account.letters) == letters
        account.row_counts.append(count)


def _exact_rows(
    account: Account, position: int, table: Table, change: Change, max_record_bytes: int
) -> Iterator[Entry]:
    """Make a change's rows of one table by the exact rules, or note why there can be none."""
    try:
        for row in table.rows(change, max_record_bytes):
            account.left_out.update((table.name, column, reason) for column, reason in row.left_out)
            if row.unmapped:
                account.unmapped[table.name].update(row.unmapped)
            yield Entry(row.key, row.data, position)
    except ChangeError as error:
        account.letters.append(_letter(position, account.records[position], error, table.name, change))


def _letter(position: int, record: object, error: ChangeError, table: str | None, change: Change | None) -> Letter:
    # Without the traceback, whose frames would hold the whole batch until the garbage collector finds the circle.
    return Letter(position=position, record=record, error=error.with_traceback(None), table=table, change=change)


def relay(event: object, tables: Sequence[Table], *, publish: Publish, store: Store, max_record_bytes: int) -> Report:
    """Bring a batch to its streams, and what can never be a row to the dead letters.

    Where there is one stream, its rows are made while others are under way. Several are published to side by side once
    all rows are made, since one that is behind is not to hold up another. Raises EventError; what ``publish`` and
    ``store`` raise goes through.
    """
    account = Account(records=records_of(event))
    times_ms = array("q", bytes(8 * len(account.records)))
    rows = _rows(
        account, tables, max_record_bytes, lambda position, change: times_ms.__setitem__(position, change.timestamp_ms)
    )
    published = _publish_all(_by_stream(rows, {table.target for table in tables}), publish)
    # Letters last: what the rows are made of is not all known before.
    not_stored, store_error = store([letter.entry() for letter in account.letters]) if account.letters else (None, None)
    stops = [not_stored, *(each.first_unpublished for each in published.values())]
    return Report(
        account=account,
        times_ms=times_ms,
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


def _routes_of(account: Account, change: Change, tables: Sequence[Table]) -> Sequence[tuple[Table, Target]]:
    """Find the tables of a change's DynamoDB table, and where their rows go."""
    routes = [(table, table.target) for table in tables if table.replicates(change.table)]
    if not routes:
        detail = f"no folder of tables replicates the DynamoDB table {change.table}"
        # Kinesis' form of a change, which has no sequence number, names its table itself.
        raise MisfitError(NO_TABLE, detail).inside("eventSourceARN" if change.sequence_number else "tableName")
    for table, _ in routes:
        account.shared.setdefault(table.name, table.not_in_key(change.keys))
    return routes
