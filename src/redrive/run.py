"""One run over the dead letter bucket, object by object: redriven objects are archived."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from decoder.change import Change
from pinot.table import Row, Table, Target
from publisher.entry import Entry
from publisher.order import Published, commonest_error
from redrive.current_rows import ItemSnapshot, ReadItem, RedriveError, current_rows
from redrive.failed_change import FailedChange, ObjectError, read_object
from redrive.progress import Progress

ALL_TABLES: Final = "all"
UNPUBLISHED: Final = "unpublished"  # the stream did not accept the rows in time; followed by its error, if any
UNREADABLE: Final = "unreadable_object"  # followed by S3's error, if S3 refused to return it
NOT_ARCHIVED: Final = "not_archived"  # the rows are sent, and will be sent again; followed by S3's error
NOT_KEPT: Final = "progress_not_kept"  # followed by S3's error
PORTION: Final = 500  # changes of an object whose rows are made and published together, before progress is kept

Publish: TypeAlias = Callable[[Target, Sequence[Entry]], Published]
Reasons: TypeAlias = "Counter[tuple[str, str]]"  # (Pinot table or "all", reason) -> changes

# Takes the key of an object, a failed change in it, None for all of it, and its Pinot tables and reasons.
OnFailure: TypeAlias = Callable[[str, FailedChange | None, Sequence[tuple[str, str]]], None]


class BucketError(Exception):
    """S3 refused a request for one object; the message is its code."""


@dataclass(slots=True, kw_only=True)
class Summary:
    """The result of a run. ``failed`` counts the changes that could not be redriven.

    ``failing`` counts them by table and reason: a change that fails for several tables stands under each of them.
    ``changes`` counts the changes that were tried, ``rows`` the rows that were sent. ``unfinished`` says that the time
    was up before the end of the bucket.
    """

    objects: int = 0
    changes: int = 0
    rows: int = 0
    failed: int = 0
    failing: Reasons = field(default_factory=Counter)
    unfinished: bool = False

    @property
    def redriven(self) -> int:
        """How many changes were redriven."""
        return self.changes - self.failed

    def fail(self, failures: Iterable[tuple[str, str]], changes: int = 1) -> None:
        """Count changes that could not be redriven, once, and under each of their reasons."""
        self.failed += changes
        for each in failures:
            self.failing[each] += changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The dead letter bucket: its keys, how to read an object, and how to archive one that is done.

    ``fetch`` returns None for an object that does not exist any more: another run was faster, and ``archive`` does
    nothing. An object's progress is kept under the object's key, too. All but ``list_keys`` raise BucketError.
    """

    list_keys: Callable[[], Iterable[str]]
    fetch: Callable[[str], bytes | None]
    archive: Callable[[str], None]
    fetch_progress: Callable[[str], bytes | None]
    save_progress: Callable[[str, bytes], None]
    delete_progress: Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class _Object:
    """An object of the bucket: its failed changes, and which of them are done."""

    key: str
    changes: Sequence[FailedChange]
    progress: Progress
    has_progress: bool


def summarize(
    bucket: Bucket, on_object: Callable[[str], None] = lambda _: None, on_failure: OnFailure = lambda *_: None
) -> Summary:
    """Count the failed changes in the bucket, by table and reason, and change nothing.

    ``on_object`` is called with each object's key, ``on_failure`` with each failed change.
    """
    found = Summary()
    for key in bucket.list_keys():
        opened = _open(bucket, key, found, on_failure)
        if opened:
            left = [opened.changes[position] for position in opened.progress.left()]
            found.objects += 1
            found.changes += len(left)
            for each in left:
                failures = [(each.table or ALL_TABLES, each.reason)]
                found.fail(failures)
                on_failure(key, each, failures)
        on_object(key)
    return found


def redrive(
    bucket: Bucket,
    tables: Sequence[Table],
    *,
    read_item: ReadItem,
    publish: Publish,
    max_record_bytes: int,
    remaining: Callable[[], float],
    on_object: Callable[[str], None] = lambda _: None,
    on_failure: OnFailure = lambda *_: None,
    portion: int = PORTION,
) -> Summary:
    """Bring the items of all failed changes up to date, and archive each object of which all changes are redriven.

    An interrupted run needs no clean-up: what it has redriven is archived, or known from the object's progress, and the
    next run does the rest. ``remaining`` returns the seconds left for reading items. Exceptions of the callables are
    raised, except RedriveError and BucketError. ``on_failure`` is called with each change that still fails.
    """
    run = _Run(bucket, tables, publish, max_record_bytes, remaining, portion, on_failure)
    for key in bucket.list_keys():
        opened = _open(bucket, key, run.result, on_failure)
        if opened and not run.redrive(opened, _cached(read_item)):
            run.result.unfinished = True
            break
        on_object(key)
    return run.result


def _open(bucket: Bucket, key: str, result: Summary, on_failure: OnFailure) -> _Object | None:
    """Read an object; return None if it does not exist any more, is empty, or cannot be read, which is counted."""
    try:
        body = bucket.fetch(key)
        changes = () if body is None else _read(body)
        stored = bucket.fetch_progress(key) if len(changes) > 1 else None
    except BucketError as error:
        result.objects += 1
        result.changes += 1
        failures = [(ALL_TABLES, f"{UNREADABLE} {error}")]
        result.fail(failures)
        on_failure(key, None, failures)
        return None
    if body is None or not changes:
        return None
    progress = Progress(body, len(changes), stored)
    return _Object(key=key, changes=changes, progress=progress, has_progress=stored is not None)


def _read(body: bytes) -> Sequence[FailedChange]:
    try:
        return read_object(body)
    except ObjectError:
        return (FailedChange(reason=UNREADABLE, table=None, change=None),)


@dataclass(slots=True)
class _Portion:
    """Some changes of an object, by position: those that were tried, why some failed, and who needs which row."""

    tried: list[int] = field(default_factory=list)
    failures: defaultdict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    rows: defaultdict[Target, dict[tuple[str, bytes], set[int]]] = field(default_factory=lambda: defaultdict(dict))

    def need(self, position: int, target: Target, row: Row) -> None:
        """Note that a change needs a row: the last of several equal ones, as another may stand between them."""
        rows = self.rows[target]
        rows[row.key, row.data] = {*rows.pop((row.key, row.data), ()), position}


@dataclass(slots=True)
class _Run:
    """The state of one call of :func:`redrive`."""

    bucket: Bucket
    tables: Sequence[Table]
    publish: Publish
    max_record_bytes: int
    remaining: Callable[[], float]
    size: int  # of a portion
    on_failure: OnFailure
    result: Summary = field(default_factory=Summary)

    def redrive(self, opened: _Object, read_item: ReadItem) -> bool:
        """Redrive what is left of an object; return whether the time was enough."""
        positions = list(opened.progress.left())
        for start in range(0, len(positions), self.size):
            wanted = positions[start : start + self.size]
            portion = self._make(opened, wanted, read_item)
            if portion.tried:
                self.result.objects += start == 0
                self._publish(portion)
                self._count(opened, portion)
            if len(portion.tried) < len(wanted):
                return False
        return True

    def _make(self, opened: _Object, positions: Iterable[int], read_item: ReadItem) -> _Portion:
        """Make the rows of an object's changes, until the time is up."""
        portion = _Portion()
        for position in positions:
            if self.remaining() <= 0:
                break
            portion.tried.append(position)
            each = opened.changes[position]
            try:
                for table, row in current_rows(each, self.tables, read_item, self.max_record_bytes):
                    portion.need(position, table.target, row)
            except RedriveError as error:
                for table_name, reason in error.failures:
                    why = UNREADABLE if each.reason == UNREADABLE else reason
                    portion.failures[position].append((table_name or each.table or ALL_TABLES, why))
        return portion

    def _publish(self, portion: _Portion) -> None:
        for target, rows in portion.rows.items():
            entries = [Entry(key, data, place) for place, (key, data) in enumerate(rows)]
            published = self.publish(target, entries)
            self.result.rows += len(entries)
            if published.first_unpublished is None:
                continue
            cause = commonest_error(published.errors) or ""
            failure = (ALL_TABLES, f"{UNPUBLISHED} {cause}".rstrip())
            for position in set().union(*list(rows.values())[published.first_unpublished :]):
                if failure not in portion.failures[position]:
                    portion.failures[position].append(failure)

    def _count(self, opened: _Object, portion: _Portion) -> None:
        """Count a portion. Archive the object if that was all of it, else keep its progress."""
        self.result.changes += len(portion.tried)
        for position in portion.tried:
            opened.progress.note(position, is_done=position not in portion.failures)
            if position in portion.failures:
                self.result.fail(portion.failures[position])
                self.on_failure(opened.key, opened.changes[position], portion.failures[position])
        done = len(portion.tried) - len(portion.failures)
        try:
            if opened.progress.is_complete:
                self.bucket.archive(opened.key)
                if opened.has_progress:
                    self.bucket.delete_progress(opened.key)
            elif len(opened.changes) > 1:
                self.bucket.save_progress(opened.key, opened.progress.stored())
                opened.has_progress = True
        except BucketError as error:
            what = NOT_ARCHIVED if opened.progress.is_complete else NOT_KEPT
            failures = [(ALL_TABLES, f"{what} {error}")]
            self.result.fail(failures, done)
            self.on_failure(opened.key, None, failures)


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
