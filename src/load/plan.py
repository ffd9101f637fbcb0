"""What a load is to do, and how far each of its units is. Pure.

A load is cut into units of work: the segments of a parallel Scan, or the files of an export. They are done by any
number of workers, in any order. A unit's state says where to go on; to do a part of a unit twice is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

VERSION: Final = 1  # of the form of a load's files

KeyValue: TypeAlias = str | int  # of a primary key's column, as Pinot answers it


class ScanReader(Struct, frozen=True, kw_only=True, tag_field="from", tag="scan"):
    """A parallel Scan of ``segments`` segments; the number cannot change while the load runs.

    ``margin`` is one of :mod:`snapshot.version`, by ``consistent`` and by whether the table is global. ``filter`` has
    Scan's own parameters of a filter: FilterExpression, ExpressionAttributeNames, ExpressionAttributeValues.
    """

    segments: int
    margin: int
    consistent: bool = True
    filter: Mapping[str, object] = {}
    units_per_second: float | None = None  # read capacity to spend, of all workers together; None for no limit


class ExportReader(Struct, frozen=True, kw_only=True, tag_field="from", tag="export"):
    """The ``files`` data files of a full export: ``folder`` is the key of its folder in ``bucket``.

    ``second`` is its ExportTime in epoch seconds, less the margin.
    """

    bucket: str
    folder: str
    files: int
    second: int


class PlannedTable(Struct, frozen=True, kw_only=True):
    """A Pinot table that is loaded: the hash of its files, see ``handlers.catalog``, and its stream's open shards."""

    files: str
    shards: int


class Plan(Struct, frozen=True, kw_only=True):
    """What a load reads and writes: its ``plan.json``, which does not change.

    ``keys`` names the attributes of the DynamoDB table's primary key. ``began`` is the load's first second by
    DynamoDB's clock. ``tables`` has the Pinot tables by name. ``items`` and ``bytes`` are DynamoDB's own numbers, which
    may be six hours old; None where they are not known.
    """

    id: str
    table: str
    region: str
    keys: tuple[str, ...]
    began: int
    tables: Mapping[str, PlannedTable]
    reader: ScanReader | ExportReader
    workers: int
    items: int | None = None
    bytes: int | None = None
    version: int = VERSION

    @property
    def units(self) -> int:
        """How many units of work there are."""
        return self.reader.segments if isinstance(self.reader, ScanReader) else self.reader.files


class Unit(Struct, frozen=True, kw_only=True):
    """How far a unit is: its ``units/<number>.json``.

    ``cursor`` is where to go on: of a segment the primary key of the last item that is done, as an event has it; of a
    file the number of lines that are done; None for the beginning. ``checked_etag`` is the ETag of the file whose
    checksum was found right. ``read_units`` is the read capacity that was used. ``updated`` is in epoch seconds.
    """

    number: int
    cursor: Mapping[str, object] | int | None = None
    checked_etag: str | None = None
    is_done: bool = False
    items: int = 0
    rows: int = 0
    bytes: int = 0
    read_units: float = 0.0
    rejected: int = 0
    dead_letters: Mapping[str, int] = field(default_factory=dict)  # by reason
    updated: float = 0.0


class Swept(Struct, frozen=True, kw_only=True):
    """How far the sweep of a Pinot table is: its ``sweep/<table>.json``. See :mod:`load.sweep`.

    ``position`` is the last primary key, in Pinot, that is done; None for the beginning. Each candidate became a row or
    a tombstone, or was ``kept``, or is counted in ``failures``, by its reason. ``kept`` are rows without their item in
    a table that keeps what Time to Live deletes: nobody can tell whether it was that.
    """

    position: tuple[KeyValue, ...] | None = None
    is_done: bool = False
    candidates: int = 0
    rows: int = 0
    tombstones: int = 0
    kept: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)


class Control(Struct, frozen=True, kw_only=True):
    """What the operator wants of a load that runs: its ``control.json``, which workers read every few seconds.

    ``share`` is the share of each stream's capacity that all workers may use together. ``max_lag`` is the age, in
    seconds, of the live path's oldest change over which the load waits.
    """

    state: Literal["run", "pause", "stop"] = "run"
    share: float = 0.5
    max_lag: float = 60.0


class Total(Struct, kw_only=True):
    """The sum of units."""

    units: int = 0
    done: int = 0
    items: int = 0
    rows: int = 0
    bytes: int = 0
    read_units: float = 0.0
    rejected: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    updated: float = 0.0

    @classmethod
    def of(cls, units: Iterable[Unit]) -> Total:
        """Add units up."""
        total = cls()
        for unit in units:
            total.units += 1
            total.done += unit.is_done
            total.items += unit.items
            total.rows += unit.rows
            total.bytes += unit.bytes
            total.read_units += unit.read_units
            total.rejected += unit.rejected
            total.updated = max(total.updated, unit.updated)
            for reason, count in unit.dead_letters.items():
                total.dead_letters[reason] = total.dead_letters.get(reason, 0) + count
        return total
