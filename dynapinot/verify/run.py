"""``dynapinot verify --sample``: compare a sample of each table, repair it if asked to, and say what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from rich.console import Console

from dynapinot.aws import Aws, check_answers, refusals
from dynapinot.consumed import rows_after
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.folders import read_tables
from dynapinot.init.table_description import TableDescription, describe
from dynapinot.load.planning import make_plan, margin_of, read_rate
from dynapinot.load.preconditions import dynamodb_time
from dynapinot.pinot_server import Broker
from dynapinot.publishing import publisher_of
from dynapinot.verify import report
from dynapinot.verify.columns import Columns
from dynapinot.verify.judge import Reading
from dynapinot.verify.repair import Repaired, preview, repair
from dynapinot.verify.report import Verified
from dynapinot.verify.sample import Sample, Scan, scan_size
from handlers import clients
from load.by_key import ByKey, UntoldItemError, by_key
from load.pace import Budget
from load.plan import ScanReader
from load.scan import SegmentReader, page_reader
from pinot.table import Table
from publisher.order import Limits
from redrive.item import item_reader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CATCH_UP_SECONDS: Final = 600.0  # for Pinot to consume what was published


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to verify: about ``sample`` keys in each direction. ``table`` names the DynamoDB table, None as files do.

    ``wait_seconds`` is how long a difference must stay. ``read_units`` is per second, None for what is best.
    ``is_repair`` repairs, ``is_dry_run`` says what a repair would do. ``asks`` returns whether the operator agrees,
    None if nobody can be asked; ``is_agreed`` asks nobody.
    """

    aws: Aws
    broker: Broker
    tables: Path
    only: Sequence[str]
    table: str | None
    sample: int
    wait_seconds: float
    items_per_second: int
    read_units: float | None
    max_record_bytes: int
    is_repair: bool = False
    is_dry_run: bool = False
    is_agreed: bool = False
    as_json: bool = False
    asks: Callable[[str], bool] | None = None


def run(console: Console, options: Options) -> int:
    """Verify; return the exit code: 0 if nothing differs, else 1. Raises CommandError."""
    if options.is_dry_run and not options.is_repair:
        raise CommandError("--dry-run is of a repair: give --repair too")
    if options.is_repair and not (options.is_dry_run or options.is_agreed or options.asks):
        raise CommandError("Nobody can be asked here: look at --dry-run, then give --yes")
    done = []
    with options.aws.for_all(), refusals():
        check_answers(clients.session().get_component("event_emitter"))
        for source, table in _sources(options):
            verified = _verify(options, source, table)
            done.append(verified)
            if not options.as_json:
                report.show(console, verified)
    if options.as_json:
        console.out(report.as_json(done), highlight=False)
    return FOUND if any(each.sample.differences for each in done) else OK


def _sources(options: Options) -> Sequence[tuple[str, Table]]:
    """Pair each Pinot table with its DynamoDB table. Raises CommandError."""
    tables, _ = read_tables(options.tables, options.only)
    pairs = []
    for table in tables:
        source = table.dynamodb_table or options.table
        if source is None:
            raise CommandError(f"The files of {table.name} name no DynamoDB table: give it by --table")
        if options.table in (None, source):
            pairs.append((source, table))
    if not pairs:
        raise CommandError(f"No table in {options.tables} replicates the DynamoDB table {options.table}")
    return pairs


def _verify(options: Options, source: str, table: Table) -> Verified:
    client = clients.dynamodb()
    described = describe(client, source)
    types = {attribute.name: attribute.tag for attribute in described.key}
    try:
        told: ByKey | str = by_key(table, source, described.region, types, options.max_record_bytes)
    except UntoldItemError as error:
        told = str(error)
    sample = Sample(
        reading=Reading(
            columns=Columns(table), source=source, region=described.region, max_record_bytes=options.max_record_bytes
        ),
        ask=lambda sql, published: rows_after(options.broker, table.name, sql, published, CATCH_UP_SECONDS),
        read_item=item_reader(client, sleep=time.sleep, clock=time.monotonic, pause=1 / options.items_per_second),
        key_names=tuple(types),
        random=Random(),  # a sample, not a secret
    )
    rows = sample.count()
    segments, probability = scan_size(described.items, rows)
    read = _segment_reader(options, client, described, table, segments)
    sample.compare_items(options.sample, Scan(read, segments, probability))
    if isinstance(told, ByKey):
        sample.compare_rows(options.sample, rows, told)
    sample.settle(options.wait_seconds)
    found = dict(sample.differences)
    repaired = _repair(options, sample, told) if options.is_repair and found else None
    return Verified(
        sample=sample,
        segments=segments,
        found=found,
        untold=None if isinstance(told, ByKey) else told,
        repaired=repaired,
        is_dry_run=options.is_dry_run,
    )


def _segment_reader(
    options: Options, client: DynamoDBClient, described: TableDescription, table: Table, segments: int
) -> SegmentReader:
    reader = ScanReader(
        segments=segments,
        margin=margin_of(described, consistent=True),
        units_per_second=read_rate(described, options.read_units),
    )
    plan = make_plan(described, {}, reader, began=dynamodb_time(options.aws, described.name), workers=1)
    return SegmentReader(
        page_reader(client, described.name, reader),
        plan,
        reader,
        [table],
        budget=Budget(read_rate(described, options.read_units), clock=time.monotonic, sleep=time.sleep),
        sleep=time.sleep,
        remaining=lambda: inf,
    )


def _repair(options: Options, sample: Sample, told: ByKey | str) -> Repaired | None:
    """Repair a sample's differences, or count what that would do; None if nothing can be or is to be done."""
    planned = preview(sample)
    if isinstance(told, str) or not (planned.rows or planned.tombstones):
        return None
    if options.is_dry_run:
        return planned
    table = told.table
    question = f"Publish {report.published(planned)} to the stream {table.stream}?"
    if not options.is_agreed and not (options.asks and options.asks(question)):
        return None
    return repair(sample, told, publisher_of([table], Limits()), options.wait_seconds)
