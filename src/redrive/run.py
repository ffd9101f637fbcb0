"""One run over the dead letter bucket, object by object: redriven objects are archived."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from decoder.change import Change
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Published
from redrive.current_rows import ItemSnapshot, ReadItem, RedriveError, current_rows
from redrive.failed_change import FailedChange, ObjectError, read_object

ALL_TABLES: Final = "all"
UNPUBLISHED: Final = "unpublished"  # the stream did not accept the rows in time; followed by its error, if any
UNREADABLE: Final = "unreadable_object"

Publish: TypeAlias = Callable[[Target, Sequence[Entry]], Published]
Reasons: TypeAlias = "Counter[tuple[str, str]]"  # (Pinot table or "all", reason) -> changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of a run. ``failing`` counts the changes that could not be redriven.

    ``changes`` counts those of all objects that were read, ``rows`` the rows that were sent. ``unfinished`` says that
    the time was up before the end of the bucket.
    """

    objects: int = 0
    changes: int = 0
    rows: int = 0
    failing: Reasons = field(default_factory=Counter)
    unfinished: bool = False

    @property
    def redriven(self) -> int:
        """How many changes were redriven."""
        return self.changes - self.failing.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The dead letter bucket: its keys, how to read an object, and how to archive one that is done.

    ``fetch`` returns None for an object that does not exist any more: another run was faster.
    """

    list_keys: Callable[[], Iterable[str]]
    fetch: Callable[[str], bytes | None]
    archive: Callable[[str], None]


class _OutOfTimeError(Exception):
    pass


def summarize(bucket: Bucket, on_object: Callable[[str], None] = lambda _: None) -> Summary:
    """Count the failed changes in the bucket, by table and reason, and change nothing.

    ``on_object`` is called with each object's key.
    """
    found: Reasons = Counter()
    objects = 0
    for key in bucket.list_keys():
        changes = _read(bucket, key)
        objects += bool(changes)
        found.update((each.table or ALL_TABLES, each.reason) for each in changes)
        on_object(key)
    return Summary(objects=objects, changes=found.total(), failing=found)


def redrive(
    bucket: Bucket,
    tables: Sequence[Table],
    *,
    read_item: ReadItem,
    publish: Publish,
    max_record_bytes: int,
    remaining: Callable[[], float],
    on_object: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Bring the items of all failed changes up to date, and archive each object of which all changes are redriven.

    An interrupted run needs no clean-up: what it has redriven is archived, and the next run does the rest.
    ``remaining`` returns the seconds left; an object for which they do not suffice is left to the next run. Exceptions
    of the callables are raised, except RedriveError.
    """
    objects = changes = rows = 0
    failing: Reasons = Counter()
    for key in bucket.list_keys():
        failed_changes = _read(bucket, key)
        try:
            entries, failed = _entries_of(failed_changes, tables, _cached(read_item), max_record_bytes, remaining)
        except _OutOfTimeError:
            return Summary(objects=objects, changes=changes, rows=rows, failing=failing, unfinished=True)
        for target, of_target in entries.items():
            published = publish(target, of_target)
            rows += len(of_target)
            if published.first_unpublished is not None:
                cause = max(published.errors, key=lambda code: published.errors[code], default="")
                failed = Counter({(ALL_TABLES, f"{UNPUBLISHED} {cause}".rstrip()): len(failed_changes)})
        objects += bool(failed_changes)
        changes += len(failed_changes)
        failing.update(failed)
        if failed_changes and not failed:
            bucket.archive(key)
        on_object(key)
    return Summary(objects=objects, changes=changes, rows=rows, failing=failing)


def _read(bucket: Bucket, key: str) -> Sequence[FailedChange]:
    body = bucket.fetch(key)
    if body is None:
        return ()
    try:
        return read_object(body)
    except ObjectError:
        return (FailedChange(reason=UNREADABLE, table=None, change=None),)


def _entries_of(
    changes: Sequence[FailedChange],
    tables: Sequence[Table],
    read_item: ReadItem,
    max_record_bytes: int,
    remaining: Callable[[], float],
) -> tuple[dict[Target, list[Entry]], Reasons]:
    entries: defaultdict[Target, dict[Entry, None]] = defaultdict(dict)  # in order, without duplicates
    failed: Reasons = Counter()
    for each in changes:
        if remaining() <= 0:
            raise _OutOfTimeError
        try:
            for table, row in current_rows(each, tables, read_item, max_record_bytes):
                entries[table.target][Entry(row.key, row.data, 0)] = None
        except RedriveError as error:
            reason = each.reason if each.reason == UNREADABLE else error.reason
            failed[error.table or each.table or ALL_TABLES, reason] += 1
    return {
        target: [entry._replace(position=position) for position, entry in enumerate(unique)]
        for target, unique in entries.items()
    }, failed


def _cached(read_item: ReadItem) -> ReadItem:
    """Read each item once for all changes of an object, unless a change needs a later read."""
    snapshots: dict[tuple[str | None, str], ItemSnapshot] = {}

    def read_cached(change: Change, earliest: int) -> ItemSnapshot:
        identity = (change.table, repr(sorted(change.keys.items())))
        snapshot = snapshots.get(identity)
        if snapshot is None or snapshot.read_second < earliest:
            snapshot = snapshots[identity] = read_item(change, earliest)
        return snapshot

    return read_cached
