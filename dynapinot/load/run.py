"""``dynapinot load``: check, plan, estimate, ask, and load."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from dynapinot.aws import Aws, refusals
from dynapinot.errors import OK, CommandError
from dynapinot.load import exporting
from dynapinot.load.estimate import Estimate, as_document, duration, estimate, lines
from dynapinot.load.place import Named, Place, find_place
from dynapinot.load.planning import WORKERS_HERE, Choices, make_plan, scan_reader, workers_for
from dynapinot.load.preconditions import Ready, Where, check, check_deleted_keys, dynamodb_time
from dynapinot.load.session import Session, execute
from dynapinot.load.state import files_errors, unfinished_load
from dynapinot.load.sweep import Sweeping, check_sweep, sweep_load
from dynapinot.pinot_server import Controller
from dynapinot.prices import FILE, PriceFile, read_prices
from load.export.folder import Folder
from load.plan import Control, ExportReader, Plan, ScanReader
from snapshot.version import EXPORT

SCAN: Final = "scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A load's options. ``is_here`` loads in this process, else the stack's state machine does.

    ``asks`` returns whether the operator agrees, None if nobody can be asked. ``is_agreed`` asks nobody. ``sweeping``
    is how to sweep afterwards, None not to.
    """

    named: Named
    is_here: bool
    table: str | None = None
    controller: Controller | None = None
    source: str = SCAN
    choices: Choices = field(default_factory=Choices)
    control: Control = field(default_factory=Control)
    only_estimates: bool = False
    price_file: Path = FILE
    is_agreed: bool = False
    is_new: bool = False
    as_json: bool = False
    asks: Callable[[], bool] | None = None
    sweeping: Sweeping | None = None


def run(console: Console, options: Options) -> int:
    """Load a table; return the exit code. Raises CommandError."""
    named = options.named
    if not (options.only_estimates or options.is_agreed or options.asks):
        raise CommandError("Nobody can be asked here: look at --estimate, then give --yes")
    existing = None if options.source in (SCAN, exporting.REQUESTED) else exporting.folder_of(options.source)
    if options.choices.where and options.source != SCAN:
        raise CommandError("--where is for a Scan: an export has all items")
    place = find_place(named)
    state_machine = None if options.is_here or options.only_estimates else place.state_machine()
    prices = read_prices(options.price_file)
    ready = preconditions(named, place, table=options.table, controller=options.controller)
    draft, more = _draft(options, place, ready, existing)
    found = estimate(
        draft,
        ready.described,
        prices.prices,
        share=options.control.share,
        in_stack=not options.is_here,
        exports=options.source == exporting.REQUESTED,
    )
    check_deleted_keys(ready, found.seconds)
    if options.sweeping:
        check_sweep(named, place, draft, ready, options.sweeping)
    _show(console, ready, draft, found, prices, as_json=options.as_json, assumed=[*ready.assumed, *more])
    if options.only_estimates:
        return OK
    if not options.is_new:
        _refuse_unfinished(named, place, draft.table)
    _try_filter(named, draft)
    if not options.is_agreed and not (options.asks and options.asks()):
        console.print("Nothing was done")
        return OK
    session = Session(
        named=named,
        place=place,
        plan=_plan(console, options, place, ready, draft),
        ready=ready,
        prices=prices,
        console=console,
        as_json=options.as_json,
    )
    with files_errors():
        session.files.save(session.plan)
        session.files.save(options.control)
    code = execute(session, state_machine)
    return max(code, sweep_load(session, options.sweeping)) if options.sweeping else code


def _draft(options: Options, place: Place, ready: Ready, existing: Folder | None) -> tuple[Plan, Sequence[str]]:
    """Plan a load as of now; and what is assumed of an export that is there. Raises CommandError."""
    workers = options.choices.workers or (WORKERS_HERE if options.is_here else workers_for(ready.planned))
    now, described = dynamodb_time(options.named.aws, ready.described.name), ready.described
    plan = partial(make_plan, described, ready.planned, began=now, workers=workers)
    if existing:
        export = exporting.read(options.named.aws.client("s3"), existing, sleep=time.sleep)
        reader = exporting.reader_of(export, described, since=ready.since)
        return msgspec.structs.replace(plan(reader), items=export.items), exporting.assumed(export, now=now)
    if options.source == exporting.REQUESTED:
        return plan(ExportReader(bucket=place.bucket, folder="", files=0, second=0)), ()
    return plan(scan_reader(described, options.choices, workers=workers)), ()


def _plan(console: Console, options: Options, place: Place, ready: Ready, draft: Plan) -> Plan:
    """Make the plan to keep: its times are as late as the live path needs them, and an export is complete."""
    aws, described = options.named.aws, ready.described
    say = partial(_say, console, as_json=options.as_json)
    requests = options.source == exporting.REQUESTED
    margin = draft.reader.margin if isinstance(draft.reader, ScanReader) else EXPORT if requests else 0
    began = _wait_for_live_path(aws, draft.table, ready.since + margin, margin, say)
    plan = make_plan(described, ready.planned, draft.reader, began=began, workers=draft.workers)
    if not requests:
        return msgspec.structs.replace(plan, items=draft.items)
    folder = exporting.request(
        aws.client("dynamodb"),
        described,
        second=began,
        bucket=place.bucket,
        load=plan.id,
        say=say,
        sleep=time.sleep,
    )
    export = exporting.read(aws.client("s3"), folder, sleep=time.sleep)
    reader = exporting.reader_of(export, described, since=ready.since)
    return msgspec.structs.replace(plan, reader=reader, items=export.items)


def preconditions(named: Named, place: Place, *, table: str | None, controller: Controller | None = None) -> Ready:
    """Check everything that a load depends on. Raises CommandError."""
    if place.function is None and not named.trusts_live_path:
        raise CommandError("Give --stack, or the --function that replicates the table's changes, or --trust-live-path")
    ready = check(
        named.aws,
        Where(tables=named.tables, only=named.only, table=table, function=place.function, controller=controller),
    )
    settings = ready.there.settings if ready.there else None
    if settings and settings.dead_letter_bucket != place.bucket:
        raise CommandError(
            f"The bucket {place.bucket} is not the function's own, {settings.dead_letter_bucket}, which a redrive looks"
            " into: fix --bucket"
        )
    return ready


def _refuse_unfinished(named: Named, place: Place, table: str) -> None:
    unfinished = unfinished_load(place.client, place.bucket, table)
    if unfinished:
        command = named.command("resume", unfinished)
        raise CommandError(f"The load {unfinished} of {table} is not done: go on with {command}, or give --new")


def _show(
    console: Console, ready: Ready, plan: Plan, found: Estimate, prices: PriceFile, *, as_json: bool, assumed: list[str]
) -> None:
    if as_json:
        document = {"event": "estimate", "table": plan.table, **as_document(found), "workers": plan.workers}
        document |= {"prices": prices.as_of, "region": prices.region, "assumed": assumed}
        console.out(msgspec.json.encode(document).decode(), highlight=False)
        return
    written = lines(found, plan, ready.described, as_of=prices.as_of, region=prices.region)
    for line in (*written, *(f"Assumed   {each}" for each in assumed)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _try_filter(named: Named, plan: Plan) -> None:
    """Let DynamoDB look at the filter, by a Scan of one item. Raises CommandError."""
    if isinstance(plan.reader, ScanReader) and plan.reader.filter:
        with refusals():
            named.aws.client("dynamodb").scan(TableName=plan.table, Limit=1, **plan.reader.filter)


def _wait_for_live_path(aws: Aws, table: str, until: int, margin: int, say: Callable[[str], None]) -> int:
    """Wait until the first read is late enough; return its time, in epoch seconds by DynamoDB's clock."""
    while (left := until - (now := dynamodb_time(aws, table))) > 0:
        say(f"Waiting {duration(left)}: the first read has to be {margin} s after live changes began to come")
        time.sleep(left)
    return now


def _say(console: Console, text: str, *, as_json: bool) -> None:
    if not as_json:
        console.print(text, soft_wrap=True, markup=False, highlight=False)
