"""``dynapinot load``: check, plan, estimate, ask, and load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from dynapinot.aws import refusals
from dynapinot.errors import OK, CommandError
from dynapinot.load.estimate import Estimate, as_document, duration, estimate, lines
from dynapinot.load.place import Named, Place, find_place
from dynapinot.load.planning import Choices, make_plan
from dynapinot.load.preconditions import Ready, Where, check, check_deleted_keys, dynamodb_time
from dynapinot.load.session import Session, execute
from dynapinot.load.state import files_errors, unfinished_load
from dynapinot.pinot_server import Controller
from dynapinot.prices import FILE, PriceFile, read_prices
from load.plan import Control, Plan, ScanReader

SCAN: Final = "scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A load's options. ``is_here`` loads in this process, else the stack's state machine does.

    ``asks`` returns whether the operator agrees, None if nobody can be asked. ``is_agreed`` asks nobody.
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


def run(console: Console, options: Options) -> int:
    """Load a table; return the exit code. Raises CommandError."""
    named = options.named
    if options.source != SCAN:
        # The seam for the export reader: here an export is asked for and waited for, or the folder's manifests are
        # read, and the plan gets an ExportReader.
        raise CommandError("--from: this version reads by a Scan only")
    if not (options.only_estimates or options.is_agreed or options.asks):
        raise CommandError("Nobody can be asked here: look at --estimate, then give --yes")
    place = find_place(named)
    state_machine = None if options.is_here or options.only_estimates else place.state_machine()
    prices = read_prices(options.price_file)
    ready = preconditions(named, place, table=options.table, controller=options.controller)
    plan = partial(make_plan, ready.described, ready.planned, options.choices, in_stack=not options.is_here)
    draft = plan(began=dynamodb_time(named.aws, ready.described.name))
    found = estimate(draft, ready.described, prices.prices, share=options.control.share, in_stack=not options.is_here)
    check_deleted_keys(ready, found.seconds)
    _show(console, ready, draft, found, prices, as_json=options.as_json)
    if options.only_estimates:
        return OK
    if not options.is_new:
        _refuse_unfinished(named, place, draft.table)
    _try_filter(named, draft)
    if not options.is_agreed and not (options.asks and options.asks()):
        console.print("Nothing was done")
        return OK
    began = _wait_for_live_path(console, named, draft, ready, as_json=options.as_json)
    session = Session(
        named=named,
        place=place,
        plan=plan(began=began),
        ready=ready,
        prices=prices,
        console=console,
        as_json=options.as_json,
    )
    with files_errors():
        session.files.save(session.plan)
        session.files.save(options.control)
    return execute(session, state_machine)


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


def _show(console: Console, ready: Ready, plan: Plan, found: Estimate, prices: PriceFile, *, as_json: bool) -> None:
    if as_json:
        document = {"event": "estimate", "table": plan.table, **as_document(found), "workers": plan.workers}
        document |= {"prices": prices.as_of, "region": prices.region, "assumed": list(ready.assumed)}
        console.out(msgspec.json.encode(document).decode(), highlight=False)
        return
    written = lines(found, plan, ready.described, as_of=prices.as_of, region=prices.region)
    for line in (*written, *(f"Assumed   {assumed}" for assumed in ready.assumed)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _try_filter(named: Named, plan: Plan) -> None:
    """Let DynamoDB look at the filter, by a Scan of one item. Raises CommandError."""
    if isinstance(plan.reader, ScanReader) and plan.reader.filter:
        with refusals():
            named.aws.client("dynamodb").scan(TableName=plan.table, Limit=1, **plan.reader.filter)


def _wait_for_live_path(console: Console, named: Named, plan: Plan, ready: Ready, *, as_json: bool) -> int:
    """Wait until the first read is late enough; return its time, in epoch seconds by DynamoDB's clock."""
    margin = plan.reader.margin if isinstance(plan.reader, ScanReader) else 0
    while (left := ready.since + margin - (now := dynamodb_time(named.aws, plan.table))) > 0:
        if not as_json:
            why = f"the first read has to be {margin} s after live changes began to come"
            console.print(f"Waiting {duration(left)}: {why}", soft_wrap=True, highlight=False)
        time.sleep(left)
    return now
