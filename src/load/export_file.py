"""The items of an export's data files, for one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from decoder.errors import MalformedError
from load.export.data import check_md5, read_lines
from load.export.errors import ExportError
from load.export.items import read_items
from load.export.manifest import Export
from load.export.stream import OpenObject
from load.plan import ExportReader, Plan, Unit
from load.work import Portion
from pinot.table import Table
from snapshot.record import SnapshotRecords
from snapshot.version import snapshot_ms


class FileReader:
    """Reads data files of an export, each a unit: its checksum first, then its lines.

    All items have the time of the export, less the margin.
    """

    def __init__(
        self, open_object: OpenObject, export: Export, plan: Plan, reader: ExportReader, tables: Sequence[Table]
    ) -> None:
        self._open_object = open_object
        self._files = export.files
        self._records = SnapshotRecords(plan.table, plan.region, plan.keys)
        self._timestamp_ms = min(snapshot_ms(table, reader.second) for table in tables)

    def __call__(self, unit: Unit, limit: Callable[[], int]) -> Iterator[Portion]:
        """Give a file's items in portions. The last portion is empty: only then is the file known to be whole.

        Raises ExportError.
        """
        file = self._files[unit.number]
        etag = unit.checked_etag or check_md5(self._open_object, file)
        done = unit.cursor if isinstance(unit.cursor, int) else 0
        for batch in read_lines(self._open_object, file, etag, first_line=done):
            items = read_items(file, batch)
            start = 0
            while start < len(items):
                some = items[start : start + limit()]
                start += len(some)
                try:
                    records = self._records.records(some, self._timestamp_ms)
                except MalformedError as error:
                    first = batch.first + start - len(some) + 1
                    raise ExportError(f"{file.url}, lines {first} to {first + len(some) - 1}: {error.detail}") from None
                done = batch.first + start
                yield Portion(records, done, is_last=False, checked_etag=etag)
        yield Portion(self._records.records([], 0), done, is_last=True, checked_etag=etag)
