"""From an event to a batch response. Pure except for the callables it gets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

from decoder.record import sequence_number_of
from decoder.records import ParsedRecords, Records
from handlers.planner import Account, Planner
from pinot.table import Target
from publisher.entry import Entry
from publisher.order import Published

Publish: TypeAlias = Callable[[Target, Iterable[Entry]], Published]
Store: TypeAlias = Callable[[Sequence[Entry]], "tuple[int | None, str | None]"]  # see publisher.s3.store


class EventError(ValueError):
    """The event is not one that an event source mapping of a stream sends."""


class UnreportableError(RuntimeError):
    """A change must be retried but has no sequence number to report. Failing makes the whole batch be retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of a batch. ``first_unpublished`` is the position at which it stopped, None if all of it is done."""

    account: Account
    first_unpublished: int | None
    published: Mapping[Target, Published]
    store_error: str | None

    @property
    def rows(self) -> int:
        """How many rows are on their streams and will not be sent again."""
        return sum(self.account.row_counts[: self.first_unpublished])

    @property
    def resent(self) -> int:
        """How many rows had to be sent again."""
        return sum(published.resent for published in self.published.values())

    def response(self) -> dict[str, list[dict[str, str]]]:
        """Write the batch response: at most one failure, the earliest unpublished change.

        The event source mapping takes the lowest sequence number as its checkpoint and retries everything from there.
        https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
        Raises UnreportableError if that change has no sequence number.
        """
        if self.first_unpublished is None:
            return {"batchItemFailures": []}
        number = sequence_number_of(self.account.records[self.first_unpublished])
        if number is None:
            raise UnreportableError(
                f"record {self.first_unpublished} of the batch must be retried and has no SequenceNumber"
            )
        return {"batchItemFailures": [{"itemIdentifier": number}]}


def records_of(event: object) -> Records:
    """Return the records of a Lambda event. Raises EventError."""
    records: Any = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list):
        return ParsedRecords(records)
    if not isinstance(records, Records):
        raise EventError('the event has no list "Records": connect the function to a stream')
    return records


def relay(event: object, planner: Planner, *, publish: Publish, store: Store) -> Report:
    """Publish a batch's rows to their streams, and store changes that can never become rows as dead letters.

    With one stream, rows are made while earlier ones are sent. Several streams are published to concurrently, once all
    rows are made: a slow stream must not delay another. Raises EventError; errors of ``publish`` and ``store``
    propagate.
    """
    account = Account(records=records_of(event))
    targets = {table.target for table in planner.tables}
    published = _publish_all(_by_stream(planner.rows(account), targets), publish)
    # Dead letters come last: they are all known only when all rows are made.
    entries = [dead_letter.entry() for dead_letter in account.dead_letters]
    not_stored, store_error = store(entries) if entries else (None, None)
    stops = [not_stored, *(each.first_unpublished for each in published.values())]
    return Report(
        account=account,
        first_unpublished=min((stop for stop in stops if stop is not None), default=None),
        published=published,
        store_error=store_error,
    )


def _by_stream(rows: Iterator[tuple[Target, Entry]], targets: Collection[Target]) -> Mapping[Target, Iterable[Entry]]:
    """Group rows by their stream. With a single stream, rows are made only when they are taken."""
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
    # Results are read only now: an error on one stream must not keep the others from starting.
    return {target: each.result() for target, each in running.items()}
