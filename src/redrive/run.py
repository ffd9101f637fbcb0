"""Going through the dead letter bucket, object by object, and moving out of the way what is made good."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from decoder.change import Image
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Published
from redrive.lost import Lost, ObjectError, read_object
from redrive.repair import Read, Reading, RepairError, repair

UNPUBLISHED: Final = "unpublished"  # the stream did not take the row in time
UNREADABLE: Final = "unreadable_object"

Publish: TypeAlias = Callable[[Target, Sequence[Entry]], Published]
Reasons: TypeAlias = "Counter[tuple[str, str]]"  # (Pinot table or "all", reason) -> changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did. ``failing`` counts what could not be made good; ``unfinished`` tells that the time was up."""

    objects: int = 0
    changes: int = 0
    rows: int = 0
    failing: Reasons = field(default_factory=Counter)
    unfinished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The dead letter bucket: what is in it by key, an object's bytes, and how one that is done is put away."""

    list_keys: Callable[[], Iterable[str]]
    fetch: Callable[[str], bytes]
    put_away: Callable[[str], None]


def survey(bucket: Bucket, seen: Callable[[str], None] = lambda _: None) -> Summary:
    """Count what the bucket holds, by table and reason, and change nothing. ``seen`` is told each object's key."""
    found: Reasons = Counter()
    objects = 0
    for key in bucket.list_keys():
        objects += 1
        found.update(_identity(lost) for lost in _read(bucket, key))
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
    ``remaining`` tells the seconds left. What ``read``, ``publish`` and the bucket raise goes through.
    """
    objects = changes = rows = 0
    failing: Reasons = Counter()
    for key in bucket.list_keys():
        if remaining() <= 0:
            return Summary(objects=objects, changes=changes, rows=rows, failing=failing, unfinished=True)
        lost = _read(bucket, key)
        entries, failed = _repair_all(lost, tables, _once(read), max_record_bytes)
        for target, of_target in entries.items():
            if publish(target, of_target).first_unpublished is not None:
                failed[target.stream, UNPUBLISHED] += len(of_target)
        objects += 1
        changes += len(lost)
        rows += sum(map(len, entries.values()))
        failing.update(failed)
        if not failed:
            bucket.put_away(key)
        seen(key)
    return Summary(objects=objects, changes=changes, rows=rows, failing=failing)


def _read(bucket: Bucket, key: str) -> Sequence[Lost]:
    try:
        return read_object(bucket.fetch(key))
    except ObjectError:
        return (Lost(reason=UNREADABLE, table=None, change=None),)


def _identity(lost: Lost) -> tuple[str, str]:
    return lost.table or "all", lost.reason


def _repair_all(
    lost: Sequence[Lost], tables: Sequence[Table], read: Read, max_record_bytes: int
) -> tuple[dict[Target, list[Entry]], Reasons]:
    entries: defaultdict[Target, dict[Entry, None]] = defaultdict(dict)  # in order, each once
    failed: Reasons = Counter()
    for each in lost:
        try:
            for table, row in repair(each, tables, read, max_record_bytes):
                entries[table.target][Entry(row.key, row.data, 0)] = None
        except RepairError as error:
            reason = each.reason if each.reason == UNREADABLE else str(error)
            failed[each.table or "all", reason] += 1
    return {
        target: [entry._replace(position=position) for position, entry in enumerate(unique)]
        for target, unique in entries.items()
    }, failed


def _once(read: Read) -> Read:
    """Read each item once for all the changes of an object, as long as the reading is young enough."""
    readings: dict[tuple[str, str], Reading] = {}

    def read_once(table: str, key: Image, earliest: int) -> Reading:
        identity = (table, repr(sorted(key.items())))
        reading = readings.get(identity)
        if reading is None or reading.began < earliest:
            reading = readings[identity] = read(table, key, earliest)
        return reading

    return read_once
