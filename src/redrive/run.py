"""Going through the dead letter bucket, object by object, and moving out of the way what is made good."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from decoder.change import Change
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Published
from redrive.lost import Lost, ObjectError, read_object
from redrive.repair import Read, Reading, RepairError, repair

ALL_TABLES: Final = "all"
UNPUBLISHED: Final = "unpublished"  # the stream did not take the rows in time; its error, if there is one, follows
UNREADABLE: Final = "unreadable_object"

Publish: TypeAlias = Callable[[Target, Sequence[Entry]], Published]
Reasons: TypeAlias = "Counter[tuple[str, str]]"  # (Pinot table or "all", reason) -> changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did. ``failing`` counts changes that could not be made good; ``unfinished`` tells of time that was up.

    ``changes`` counts those of all objects that were looked at, ``rows`` those that were sent.
    """

    objects: int = 0
    changes: int = 0
    rows: int = 0
    failing: Reasons = field(default_factory=Counter)
    unfinished: bool = False

    @property
    def good(self) -> int:
        """How many changes were made good."""
        return self.changes - self.failing.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The dead letter bucket: what is in it by key, an object's bytes, and how one that is done is put away.

    ``fetch`` gives None for an object that is gone: another run was faster.
    """

    list_keys: Callable[[], Iterable[str]]
    fetch: Callable[[str], bytes | None]
    put_away: Callable[[str], None]


class _OutOfTimeError(Exception):
    pass


def survey(bucket: Bucket, seen: Callable[[str], None] = lambda _: None) -> Summary:
    """Count what the bucket holds, by table and reason, and change nothing. ``seen`` is told each object's key."""
    found: Reasons = Counter()
    objects = 0
    for key in bucket.list_keys():
        lost = _read(bucket, key)
        objects += bool(lost)
        found.update((each.table or ALL_TABLES, each.reason) for each in lost)
        seen(key)
    return Summary(objects=objects, changes=found.total(), failing=found)


def redrive(
    bucket: Bucket,
    tables: Sequence[Table],
    *,
    read: Read,
    publish: Publish,
    max_record_bytes: int,
    remaining: Callable[[], float],
    seen: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Bring the items of all lost changes up to date, and put away the objects of which everything is.

    What was done in an earlier run is not in the bucket's keys any more, so a run that was cut short just goes on.
    ``remaining`` tells the seconds left; an object that they do not suffice for is left for the next run. What the
    callables raise goes through, but for RepairError.
    """
    objects = changes = rows = 0
    failing: Reasons = Counter()
    for key in bucket.list_keys():
        lost = _read(bucket, key)
        try:
            entries, failed = _repair_all(lost, tables, _once(read), max_record_bytes, remaining)
        except _OutOfTimeError:
            return Summary(objects=objects, changes=changes, rows=rows, failing=failing, unfinished=True)
        for target, of_target in entries.items():
            published = publish(target, of_target)
            rows += len(of_target)
            if published.first_unpublished is not None:
                cause = max(published.errors, key=lambda code: published.errors[code], default="")
                failed = Counter({(ALL_TABLES, f"{UNPUBLISHED} {cause}".rstrip()): len(lost)})
        objects += bool(lost)
        changes += len(lost)
        failing.update(failed)
        if lost and not failed:
            bucket.put_away(key)
        seen(key)
    return Summary(objects=objects, changes=changes, rows=rows, failing=failing)


def _read(bucket: Bucket, key: str) -> Sequence[Lost]:
    body = bucket.fetch(key)
    if body is None:
        return ()
    try:
        return read_object(body)
    except ObjectError:
        return (Lost(reason=UNREADABLE, table=None, change=None),)


def _repair_all(
    lost: Sequence[Lost],
    tables: Sequence[Table],
    read: Read,
    max_record_bytes: int,
    remaining: Callable[[], float],
) -> tuple[dict[Target, list[Entry]], Reasons]:
    entries: defaultdict[Target, dict[Entry, None]] = defaultdict(dict)  # in order, each once
    failed: Reasons = Counter()
    for each in lost:
        if remaining() <= 0:
            raise _OutOfTimeError
        try:
            for table, row in repair(each, tables, read, max_record_bytes):
                entries[table.target][Entry(row.key, row.data, 0)] = None
        except RepairError as error:
            reason = each.reason if each.reason == UNREADABLE else error.reason
            failed[error.table or each.table or ALL_TABLES, reason] += 1
    return {
        target: [entry._replace(position=position) for position, entry in enumerate(unique)]
        for target, unique in entries.items()
    }, failed


def _once(read: Read) -> Read:
    """Read each item once for all the changes of an object, as long as the reading is young enough."""
    readings: dict[tuple[str | None, str], Reading] = {}

    def read_once(change: Change, earliest: int) -> Reading:
        identity = (change.table, repr(sorted(change.keys.items())))
        reading = readings.get(identity)
        if reading is None or reading.began < earliest:
            reading = readings[identity] = read(change, earliest)
        return reading

    return read_once
