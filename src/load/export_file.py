"""The items of exports' data files, for one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from decoder.errors import MalformedError
from decoder.records import RawRecords
from load.export.data import Batch, check_md5, read_lines
from load.export.errors import ExportError
from load.export.items import read_items, read_net_changes
from load.export.manifest import DataFile, Export
from load.export.stream import OpenObject
from load.plan import ExportReader, IncrementalReader, Plan, Unit
from load.work import Portion
from pinot.table import Table
from snapshot.record import NetChangeRecords, SnapshotRecords
from snapshot.version import read_second, snapshot_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data file: how to read its lines, and how to make records of some of what they hold.

    ``records`` raises MalformedError.
    """

    file: DataFile
    read: Callable[[DataFile, Batch], Iterable[Any]]
    records: Callable[[Sequence[Any]], RawRecords]


class FileReader:
    """Reads data files of exports, each a unit: its checksum first, then its lines."""

    def __init__(self, open_object: OpenObject, sources: Sequence[Source]) -> None:
        self._open_object = open_object
        self._sources = sources

    def __call__(self, unit: Unit, limit: Callable[[], int]) -> Iterator[Portion]:
        """Give a file's items in portions. The last portion is empty: only then is the file known to be whole.

        Raises ExportError.
        """
        source = self._sources[unit.number]
        file = source.file
        etag = unit.checked_etag or check_md5(self._open_object, file)
        done = unit.cursor if isinstance(unit.cursor, int) else 0
        for batch in read_lines(self._open_object, file, etag, first_line=done):
            items = list(source.read(file, batch))
            start = 0
            while start < len(items):
                some = items[start : start + limit()]
                start += len(some)
                try:
                    records = source.records(some)
                except MalformedError as error:
                    first = batch.first + start - len(some) + 1
                    raise ExportError(f"{file.url}, lines {first} to {first + len(some) - 1}: {error.detail}") from None
                done = batch.first + start
                yield Portion(records, done, is_last=False, checked_etag=etag)
        yield Portion(source.records([]), done, is_last=True, checked_etag=etag)


def full_sources(export: Export, plan: Plan, reader: ExportReader, tables: Sequence[Table]) -> Sequence[Source]:
    """Return a full export's data files. All items have the time of the export, less the margin."""
    records = SnapshotRecords(plan.table, plan.region, plan.keys).records
    make = partial(records, timestamp_ms=_timestamp_ms(tables, reader.second))
    return [Source(file=file, read=read_items, records=make) for file in export.files]


def incremental_sources(
    exports: Sequence[Export], plan: Plan, reader: IncrementalReader, tables: Sequence[Table]
) -> Sequence[Source]:
    """Return the data files of a gap's windows. All items of a window have the time of its end, less the margin.

    Raises ExportError if the tables differ in whether they keep what Time to Live deletes: a record is for all of them.
    """
    keeps = {table.keep_ttl_deletes for table in tables}
    if len(keeps) > 1:
        raise ExportError("of the tables, some keep what Time to Live deletes, others do not: repair them one by one")
    records = NetChangeRecords(plan.table, plan.region, keeps_ttl_deletes=keeps == {True}).records
    sources = []
    for export, window in zip(exports, reader.windows, strict=True):
        make = partial(records, timestamp_ms=_timestamp_ms(tables, read_second(window.end, reader.margin)))
        sources += [Source(file=file, read=read_net_changes, records=make) for file in export.files]
    return sources


def _timestamp_ms(tables: Sequence[Table], second: int) -> int:
    return min(snapshot_ms(table, second) for table in tables)
