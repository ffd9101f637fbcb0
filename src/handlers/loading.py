"""A load's worker, put together: for the function, and for a command that loads from its own process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from decoder.records import Records
from handlers.planner import Planner
from handlers.relay import Publish, Store, relay
from load.export.folder import Folder
from load.export.manifest import read_export
from load.export.s3 import open_bucket
from load.export.stream import fetcher
from load.export_file import FileReader
from load.files import LoadFiles
from load.pace import Budget, Size, StreamPace
from load.plan import ExportReader, Plan
from load.scan import SegmentReader, page_reader
from load.work import Read, Send, Sent, Worker
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Published

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


class PlanError(Exception):
    """A load cannot go on by its plan; the message says why and what to do."""


@dataclass(slots=True)
class _Counted:
    """What is sent to each stream."""

    publish: Publish
    sizes: dict[Target, Size] = field(default_factory=dict)

    def __call__(self, target: Target, entries: Iterable[Entry]) -> Published:
        rows = tuple(entries)
        self.sizes[target] = Size(len(rows), sum(len(row.data) + len(row.key) for row in rows))
        return self.publish(target, rows)


def sender(planner: Planner, *, publish: Publish, store: Store) -> Send:
    """Return the function that sends the rows of records, and stores those that cannot be rows as dead letters.

    It does what the function that replicates changes does with a batch.
    """

    def send(records: Records) -> Sent:
        counted = _Counted(publish)
        report = relay({"Records": records}, planner, publish=counted, store=store)
        errors: Counter[str] = Counter()
        for published in report.published.values():
            errors.update(published.errors)
        if report.store_error:
            errors[report.store_error] += 1
        return Sent(
            rows=report.rows,
            sizes=counted.sizes,
            dead_letters=Counter(each.error.reason for each in report.account.dead_letters),
            errors=errors,
            is_complete=report.first_unpublished is None,
        )

    return send


def planned_tables(plan: Plan, tables: Iterable[Table], hashes: Mapping[str, str]) -> tuple[Table, ...]:
    """Return the tables that a plan names. Raises PlanError if their files are not those of the plan."""
    by_name = {table.name: table for table in tables}
    for name, planned in plan.tables.items():
        if name not in by_name:
            raise PlanError(
                f"the load {plan.id} is of the table {name}, which is not here: use the folders of its plan"
            )
        if hashes.get(name) != planned.files:
            raise PlanError(
                f"the files of the table {name} are not those that the load {plan.id} began with: "
                "deploy them, and begin a new load"
            )
    return tuple(by_name[name] for name in plan.tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a worker gets from outside: AWS, the time, and how to publish and store within the time that is left.

    ``clock`` is monotonic, ``wall_clock`` is in epoch seconds; ``remaining`` returns the seconds left for reading.
    ``lag`` returns the age in seconds of the live path's oldest change, None where it is not known.
    """

    dynamodb: DynamoDBClient
    s3: S3Client
    publish: Publish
    store: Store
    lag: Callable[[], float | None]
    remaining: Callable[[], float]
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    sleep: Callable[[float], None]
    max_record_bytes: int


def worker_of(plan: Plan, files: LoadFiles, tables: Sequence[Table], around: Surroundings) -> Worker:
    """Put a worker together. It may work on one unit after the other, but only on one at a time.

    Raises FilesError, and ExportError for an export that cannot be read.
    """
    control = files.control()
    planner = Planner(tables, max_record_bytes=around.max_record_bytes)
    return Worker(
        read=_reader(plan, tables, around),
        send=sender(planner, publish=around.publish, store=around.store),
        pace=StreamPace(
            shards_of(plan, tables), workers=plan.workers, share=control.share, clock=around.clock, sleep=around.sleep
        ),
        save=files.save,
        control=files.control,
        lag=around.lag,
        remaining=around.remaining,
        clock=around.clock,
        wall_clock=around.wall_clock,
    )


def _reader(plan: Plan, tables: Sequence[Table], around: Surroundings) -> Read:
    reader = plan.reader
    if isinstance(reader, ExportReader):
        open_object = open_bucket(around.s3, reader.bucket, sleep=around.sleep)
        export = read_export(fetcher(open_object), Folder(reader.bucket, reader.folder))
        return FileReader(open_object, export, plan, reader, tables)
    rate = reader.units_per_second
    return SegmentReader(
        page_reader(around.dynamodb, plan.table, reader),
        plan,
        reader,
        tables,
        budget=Budget(rate / plan.workers, clock=around.clock, sleep=around.sleep) if rate else None,
        sleep=around.sleep,
        remaining=around.remaining,
    )


def shards_of(plan: Plan, tables: Iterable[Table]) -> dict[Target, int]:
    """Return the number of shards of each stream of a plan."""
    return {table.target: plan.tables[table.name].shards for table in tables}
