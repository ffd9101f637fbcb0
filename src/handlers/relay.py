"""From an event to a batch response. Pure, but for the callables it is handed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from decoder.change import Change
from decoder.errors import ChangeError
from decoder.record import decode_record, sequence_number_of
from handlers.letter import Letter
from pinot.errors import NO_TABLE, MisfitError
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Published

Publish: TypeAlias = Callable[[Target, Sequence[Entry]], Published]
Store: TypeAlias = Callable[[Sequence[Entry]], "tuple[int | None, str | None]"]  # see publisher.s3.store


class EventError(ValueError):
    """The event is not one that an event source mapping of a stream sends."""


class UnreportableError(RuntimeError):
    """A change must come again, but has no sequence number to say so by; failing makes the whole batch come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a batch comes to: for each stream its rows in order, and the changes that can never become rows.

    ``changes`` holds what could be decoded, by position. ``left_out`` counts, by column and reason, old values that a
    delete's row had to go without; ``ignored`` the changes that every table's own rules leave out. ``shared`` names,
    for each table, the attributes of the DynamoDB key that its primary key leaves out: items that differ only there
    share a row. ``unmapped`` names, for each table, the attributes of items that nothing in its files uses.
    """

    records: Sequence[object]
    changes: Mapping[int, Change]
    rows: Mapping[Target, Sequence[Entry]]
    letters: Sequence[Letter]
    left_out: Mapping[tuple[str, str, str], int]
    shared: Mapping[str, Sequence[str]]
    unmapped: Mapping[str, frozenset[str]]
    ignored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a batch. ``first_unpublished`` is the position it stopped at, None when it is done."""

    plan: Plan
    first_unpublished: int | None
    published: Mapping[Target, Published]
    store_error: str | None

    @property
    def rows(self) -> int:
        """How many rows stand on their streams for good."""
        end = len(self.plan.records) if self.first_unpublished is None else self.first_unpublished
        return sum(entry.position < end for entries in self.plan.rows.values() for entry in entries)

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
        number = sequence_number_of(self.plan.records[self.first_unpublished])
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
    changes: dict[int, Change] = {}
    rows: defaultdict[Target, list[Entry]] = defaultdict(list)
    letters: list[Letter] = []
    left_out: Counter[tuple[str, str, str]] = Counter()
    shared: dict[str, Sequence[str]] = {}
    unmapped: defaultdict[str, set[str]] = defaultdict(set)
    ignored = 0
    for position, record in enumerate(records):
        change = None
        try:
            change = decode_record(record)
            targets = _tables_for(change, tables)
        except ChangeError as error:
            letters.append(_letter(position, record, error, None, change))
            continue
        changes[position] = change
        is_ignored = True
        for table in targets:
            entries = rows[table.target]
            before = len(entries)
            try:
                for row in table.rows(change, max_record_bytes):
                    entries.append(Entry(row.key, row.data, position))
                    left_out.update((table.name, column, reason) for column, reason in row.left_out)
                    if row.unmapped:
                        unmapped[table.name].update(row.unmapped)
                is_ignored = is_ignored and len(entries) == before
            except ChangeError as error:
                is_ignored = False
                letters.append(_letter(position, record, error, table.name, change))
            if table.name not in shared:
                shared[table.name] = table.not_in_key(change.keys)
        ignored += is_ignored
    return Plan(
        records=records,
        changes=changes,
        rows={target: entries for target, entries in rows.items() if entries},
        letters=letters,
        left_out=left_out,
        shared=shared,
        unmapped={table: frozenset(names) for table, names in unmapped.items()},
        ignored=ignored,
    )


def _letter(position: int, record: object, error: ChangeError, table: str | None, change: Change | None) -> Letter:
    # Without the traceback, whose frames would hold the whole batch until the garbage collector finds the circle.
    return Letter(position=position, record=record, error=error.with_traceback(None), table=table, change=change)


def relay(event: object, tables: Sequence[Table], *, publish: Publish, store: Store, max_record_bytes: int) -> Report:
    """Bring a batch to its streams, and what can never be a row to the dead letters.

    Streams are published to side by side. Raises EventError; what ``publish`` and ``store`` raise goes through.
    """
    batch = plan(records_of(event), tables, max_record_bytes=max_record_bytes)
    not_stored, store_error = store([letter.entry() for letter in batch.letters]) if batch.letters else (None, None)
    published = _publish_all(batch.rows, publish)
    stops = [not_stored, *(each.first_unpublished for each in published.values())]
    return Report(
        plan=batch,
        first_unpublished=min((stop for stop in stops if stop is not None), default=None),
        published=published,
        store_error=store_error,
    )


def _publish_all(rows: Mapping[Target, Sequence[Entry]], publish: Publish) -> Mapping[Target, Published]:
    if len(rows) < 2:  # noqa: PLR2004  # the usual single stream needs no thread
        return {target: publish(target, entries) for target, entries in rows.items()}
    with ThreadPoolExecutor(max_workers=len(rows)) as pool:
        running = {target: pool.submit(publish, target, entries) for target, entries in rows.items()}
    # Only now: what one raises must not keep the others from beginning.
    return {target: each.result() for target, each in running.items()}


def _tables_for(change: Change, tables: Sequence[Table]) -> list[Table]:
    targets = [table for table in tables if table.replicates(change.table)]
    if not targets:
        detail = f"no folder of tables replicates the DynamoDB table {change.table}"
        # Kinesis' form of a change, which has no sequence number, names its table itself.
        raise MisfitError(NO_TABLE, detail).inside("eventSourceARN" if change.sequence_number else "tableName")
    return targets
