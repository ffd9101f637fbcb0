"""``dynapinot init``: propose a table's files by what its items hold, show why, and write them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dynapinot.aws import Aws, refusals
from dynapinot.defaults import SAMPLE_ITEMS
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.init.capacity import Shards, peak_write_units, shards_for, write_rate
from dynapinot.init.columns import propose_columns
from dynapinot.init.files import Naming, file_texts
from dynapinot.init.folder import refuse_to_overwrite, write_files
from dynapinot.init.names import MAX_TABLE_NAME, is_stream_name, is_table_name, table_name
from dynapinot.init.next_steps import neighbours, next_steps, notes_on
from dynapinot.init.profile import Item, Profile
from dynapinot.init.proposal import Proposal, as_document
from dynapinot.init.report import empty_warning, method_of, report, show_files, show_written
from dynapinot.init.scan import Reading, read_items, reading_of
from dynapinot.init.table_description import TableDescription, describe
from dynapinot.wording import counted
from handlers.catalog import CONFIG, SCHEMA, SOURCE, load_tables, table_folders
from load.pace import Budget
from pinot.errors import TableError
from pinot.table import Table

FILES: Final = (SCHEMA, CONFIG, SOURCE)

_THROTTLED: Final = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command's options.

    ``sample`` is how many items to read, None for all. ``read_capacity`` is in read units a second, None for a part of
    what the table has. ``name`` and ``stream`` are made of the DynamoDB table's name where they are None.
    """

    table: str
    tables: Path
    name: str | None = None
    stream: str | None = None
    sample: int | None = SAMPLE_ITEMS
    read_capacity: float | None = None
    writes_per_second: float | None = None
    leave_out: tuple[str, ...] = ()
    paths: bool = False
    replication: int = 1
    force: bool = False
    dry_run: bool = False
    as_json: bool = False


def run(console: Console, aws: Aws, options: Options, *, progress: Console | None = None) -> int:
    """Propose, show and write; return the exit code: FOUND if types conflict or the table is empty.

    ``progress`` is where the progress bar goes, if that is a terminal. Raises CommandError.
    """
    client = aws.client("dynamodb")
    described = describe(client, options.table)
    naming = _naming(described, options)
    folder = options.tables / naming.pinot_table
    _check(described, options, folder)
    neighbouring = _neighbours(options.tables, naming)
    reading = reading_of(described, sample=options.sample, units_per_second=options.read_capacity)
    shown = progress or Console(stderr=True)
    with refusals(), _throttling(), _counted(shown, described, reading) as count:
        scan = partial(client.scan, TableName=options.table)
        profile = Profile()
        profile_items(read_items(scan, reading, _pace(reading)), profile, count)
    proposal = _propose(
        described,
        naming,
        profile,
        reading,
        options,
        folder=folder,
        shards=_shards(aws, described, profile, options),
        neighbouring=neighbouring,
        endpoint_url=aws.endpoint_url,
    )
    if not options.dry_run:
        write_files(folder, proposal.files)
    _show(console, proposal, options)
    return OK if proposal.is_clear else FOUND


def profile_items(pages: Iterable[Sequence[Item]], profile: Profile, count: Callable[[int], None]) -> None:
    """Count what items have; ``count`` gets how many after each page."""
    for page in pages:
        for item in page:
            profile.add(item)
        count(profile.items)


def _naming(described: TableDescription, options: Options) -> Naming:
    pinot_table = options.name or table_name(described.name)
    if not is_table_name(pinot_table):
        raise CommandError(
            f"--name {pinot_table}: give at most {MAX_TABLE_NAME} letters, digits and underscores, a letter first, and"
            " neither _REALTIME nor _OFFLINE at the end"
        )
    stream = options.stream or f"{pinot_table}-stream"
    if not is_stream_name(stream):
        raise CommandError(f"--stream {stream}: Kinesis takes 1 to 128 letters, digits, underscores, dots and hyphens")
    return Naming(dynamodb_table=described.name, pinot_table=pinot_table, stream=stream, region=described.region)


def _check(described: TableDescription, options: Options, folder: Path) -> None:
    """Refuse before the table is read what would be refused after it."""
    for attribute in described.key:
        if attribute.name in options.leave_out:
            raise CommandError(f"--leave-out {attribute.name}: it is the table's {attribute.kind}, and rows need it")
    if not (options.force or options.dry_run):
        refuse_to_overwrite(folder, dict.fromkeys(FILES, ""))


def _neighbours(tables: Path, naming: Naming) -> tuple[str, ...]:
    """Name the tables in the same folder that would take this table's changes too.

    Raises CommandError if one of them is this Pinot table in another folder, or reads the same stream: it would ingest
    this table's rows.
    """
    taking = []
    for other in _others(tables, naming.pinot_table):
        if other.name == naming.pinot_table:
            raise CommandError(f"Another folder in {tables} has the table {other.name} already: give another --name")
        if other.stream == naming.stream and other.region in (naming.region, None):
            raise CommandError(
                f"The table {other.name} reads the stream {naming.stream} already: give another --stream"
            )
        if other.replicates(naming.dynamodb_table):
            taking.append(other.name)
    return tuple(taking)


def _others(tables: Path, pinot_table: str) -> Iterator[Table]:
    for folder in table_folders(tables):
        if folder.name == pinot_table or not (folder / CONFIG).is_file():
            continue
        try:
            (found,), _ = load_tables(tables, (folder.name,))
        except TableError:
            continue  # this command does not fix it; doctor and explain report it
        yield found


@contextmanager
def _throttling() -> Iterator[None]:
    """Raise CommandError where DynamoDB goes on refusing a scan because it reads too fast."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _THROTTLED:
            raise
        raise CommandError("DynamoDB throttles the scan: give a lower --read-capacity, or a smaller --sample") from None


def _pace(reading: Reading) -> Budget:
    return Budget(reading.units_per_second, clock=time.monotonic, sleep=time.sleep)


@contextmanager
def _counted(console: Console, described: TableDescription, reading: Reading) -> Iterator[Callable[[int], None]]:
    """Show a progress bar, if there is a terminal, for the length of the block."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    total = described.items if reading.sample is None else min(reading.sample, described.items or reading.sample)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Reading {described.name}", total=total or None)
        yield lambda items: bar.update(task, completed=items)


def _shards(aws: Aws, described: TableDescription, profile: Profile, options: Options) -> Shards:
    peak: float | None = None
    not_asked: str | None = "CloudWatch was not asked, because of --endpoint-url"
    if options.writes_per_second is None and aws.endpoint_url is None:
        peak, not_asked = peak_write_units(aws.client("cloudwatch"), described.name, datetime.now(UTC))
    row_bytes = profile.row_bytes // profile.items if profile.items else 0
    rate = write_rate(
        given=options.writes_per_second,
        peak_units=peak,
        not_asked=not_asked,
        provisioned=described.write_units,
        item_bytes=described.item_bytes,
    )
    return shards_for(rate, row_bytes)


def _propose(
    described: TableDescription,
    naming: Naming,
    profile: Profile,
    reading: Reading,
    options: Options,
    *,
    folder: Path,
    shards: Shards,
    neighbouring: tuple[str, ...],
    endpoint_url: str | None,
) -> Proposal:
    columns = propose_columns(profile, described.key, leave_out=options.leave_out, paths=options.paths)
    origin = f"Proposed by dynapinot init, by {counted(profile.items, 'item')}. Change what you know better."
    whole = reading.sample is None or profile.items < reading.sample
    warnings = [] if profile.items else [empty_warning(naming.dynamodb_table)]
    beside = neighbours(neighbouring, naming.pinot_table)
    return Proposal(
        described=described,
        naming=naming,
        profile=profile,
        method=method_of(profile.items, whole=whole, segments=reading.segments),
        columns=columns,
        shards=shards,
        files=file_texts(
            naming,
            columns,
            replication=options.replication,
            ttl_attribute=described.ttl_attribute,
            origin=origin,
        ),
        folder=folder,
        notes=(
            *notes_on(described, whole=whole, largest_row=profile.largest_row, shards=shards),
            *([beside] if beside else []),
        ),
        warnings=tuple(warnings),
        steps=next_steps(
            described,
            naming,
            shards,
            tables=_short(options.tables),
            is_alone=not any(each.name != naming.pinot_table for each in table_folders(options.tables)),
            endpoint_url=endpoint_url,
        ),
    )


def _short(folder: Path) -> str:
    """Write a folder as it is typed from here."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _show(console: Console, proposal: Proposal, options: Options) -> None:
    if options.as_json:
        document: dict[str, Any] = as_document(proposal, written=not options.dry_run)
        console.out(json.dumps(document, ensure_ascii=False, indent=2), highlight=False)
        return
    report(console, proposal, paths=options.paths)
    if options.dry_run:
        show_files(console, proposal)
    else:
        show_written(console, proposal.folder, proposal.files)
