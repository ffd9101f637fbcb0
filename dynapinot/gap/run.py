"""``dynapinot gap --from … --to …``: check, ask, export, load the exports, and sweep.

The same command, given again, goes on where it ended: with the exports that were asked for, the units that are not
done, and the rows that are not swept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct
from rich.console import Console

from dynapinot.aws import refusals
from dynapinot.defaults import MAX_RECORD_BYTES
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.gap.finding import iso
from dynapinot.gap.windows import Times, windows_of
from dynapinot.load import control, exporting
from dynapinot.load.estimate import duration
from dynapinot.load.place import Named, Place, find_place
from dynapinot.load.planning import WORKERS_HERE, make_plan, workers_for
from dynapinot.load.preconditions import Ready, check_deleted_keys, dynamodb_time
from dynapinot.load.run import preconditions
from dynapinot.load.session import Session, execute, lag_of
from dynapinot.load.state import files_errors, is_reported, read_file, read_run, sorted_ids, unfinished_load
from dynapinot.load_sweep import sweep_table
from dynapinot.pinot_server import Broker, Controller
from dynapinot.prices import FILE, read_prices
from load.export.errors import ExportError
from load.export.manifest import Export
from load.export.request import request_export, wait_for_export
from load.files import PLAN, PREFIX, LoadFiles
from load.plan import Control, IncrementalReader, Plan, Window
from load.sweep import SweepError, Swept, sweep_of
from pinot.config_checks import at
from snapshot.version import EXPORT

GAP: Final = "gap.json"
_SWEPT: Final = "swept"


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for: a gap's ``gap.json``. ``exports`` are the ARNs of the windows' exports, as far as there are.

    ``begin`` and ``end`` are in epoch seconds.
    """

    table: str
    begin: int
    end: int
    exports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A repair's options. Changes from ``begin`` to before ``end`` were lost, in epoch seconds by their own times.

    ``asks`` returns whether the operator agrees, None if nobody can be asked. ``is_agreed`` asks nobody.
    """

    named: Named
    begin: int
    end: int
    broker: Broker
    is_here: bool
    table: str | None = None
    controller: Controller | None = None
    workers: int | None = None
    items_per_second: int
    control: Control = field(default_factory=Control)
    price_file: Path = FILE
    is_agreed: bool = False
    is_new: bool = False
    as_json: bool = False
    asks: Callable[[], bool] | None = None


def run(console: Console, options: Options) -> int:
    """Repair a gap; return the exit code. Raises CommandError."""
    named = options.named
    if options.begin >= options.end:
        raise CommandError("--from is not before --to")
    if not (options.is_agreed or options.asks):
        raise CommandError("Nobody can be asked here: give --yes")
    place = find_place(named)
    state_machine = None if options.is_here else place.state_machine()
    ready = preconditions(named, place, table=options.table, controller=options.controller)
    windows = windows_of(options.begin, options.end, ready.tables)
    now = dynamodb_time(named.aws, ready.described.name)
    draft = _plan(options, ready, [Window(folder="", files=0, begin=a, end=b) for a, b in windows], began=now)
    _check(options, ready, draft, now)
    files = None if options.is_new else _existing(place, draft.table, options)
    if files is None:
        _check_recovery(named, ready, windows[0].begin)
    unfinished = unfinished_load(place.client, place.bucket, draft.table)
    if unfinished and not (files and files.id == unfinished):
        command = named.command("resume", unfinished)
        raise CommandError(
            f"The load {unfinished} of {draft.table} is not done, and a sweep must be after it: {command}"
        )
    say = partial(_say, console, as_json=options.as_json)
    for line in _lines(options, ready, windows, files):
        say(line)
    if not options.is_agreed and not (options.asks and options.asks()):
        say("Nothing was done")
        return OK
    if files is None:
        files = place.files(draft.id)
        with files_errors():
            files.save_json(GAP, Asked(table=draft.table, begin=options.begin, end=options.end))
    session = Session(
        named=named,
        place=place,
        plan=_planned(options, ready, files, windows, say),
        ready=ready,
        prices=read_prices(options.price_file),
        console=console,
        as_json=options.as_json,
    )
    code = OK
    if not is_reported(files):
        code = _load(options, session, files, state_machine)
        if not is_reported(files):
            say("Give the same command again when the load is done: it goes on, and sweeps")
            return code
    return max(code, _sweep(options, session, files))


def _check(options: Options, ready: Ready, draft: Plan, now: int) -> None:
    """Refuse what cannot be repaired. Raises CommandError."""
    if options.end > now:
        raise CommandError(f"--to is in the future: give a time before {iso(now)}, from which on no change was lost")
    if ready.stream_since is not None and ready.stream_since > options.end:
        since = iso(ready.stream_since)
        raise CommandError(
            f"The table's stream began at {since}, so all changes before that are lost: give --to {since}"
        )
    kinds = {table.keep_ttl_deletes for table in ready.tables}
    if len(kinds) > 1:
        raise CommandError(
            'Some tables have ttl_deletes = "keep", others do not: repair them one after the other, with --only'
        )
    check_deleted_keys(ready, now - draft.reader.windows[0].begin)  # type: ignore[union-attr]  # it is incremental
    for name, configs in ready.configs.items():
        for where, config in configs:
            if at(config, "upsertConfig.metadataTTL"):
                raise CommandError(
                    f"{where}: with upsertConfig.metadataTTL, Pinot forgets the keys of {name} that are as old as the "
                    "gap's rows, and would take these for new ones. Leave it out, or load into a new table"
                )
    types = {attribute.name: attribute.tag for attribute in ready.described.key}
    try:
        for table in ready.tables:
            sweep_of(draft, table, ready.tables, types, MAX_RECORD_BYTES)
    except SweepError as error:
        raise CommandError(f"A gap is repaired only with a sweep, but {error}") from None


def _check_recovery(named: Named, ready: Ready, first: int) -> None:
    """Make sure that DynamoDB can export what changed since a time. Raises CommandError with what can be done else."""
    name = ready.described.name
    client = named.aws.client("dynamodb")
    with refusals():
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {})
    earliest = recovery.get("EarliestRestorableDateTime")
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED" and earliest and earliest.timestamp() <= first:
        return
    reach = f"reaches back to {iso(math.ceil(earliest.timestamp()))}" if earliest else "is off"
    where = f"--stack {named.stack}" if named.stack else f"--bucket {named.bucket}"
    raise CommandError(
        f"Point-in-time recovery of {name} {reach}, and the gap's first export begins at {iso(first)}: DynamoDB does "
        "not know what changed. Load the whole table and sweep: "
        f"dynapinot load {where} --table {name} --sweep --broker …"
    )


def _existing(place: Place, table: str, options: Options) -> LoadFiles | None:
    """Find the newest repair of the same gap. Raises CommandError if it is done."""
    for name in reversed(sorted_ids(place.client, place.bucket)):
        files = place.files(name)
        asked = read_file(files, GAP, Asked)
        if asked is None or (asked.table, asked.begin, asked.end) != (table, options.begin, options.end):
            continue
        if is_reported(files):
            with files_errors():
                plan = files.plan()
            if all(_swept(files, each).is_done for each in plan.tables):
                raise CommandError(f"This gap was repaired by {name}: give --new to do it again")
        return files
    return None


def _plan(options: Options, ready: Ready, windows: Sequence[Window], *, began: int, bucket: str = "") -> Plan:
    return make_plan(
        ready.described,
        ready.planned,
        IncrementalReader(bucket=bucket, windows=tuple(windows), margin=EXPORT),
        began=began,
        workers=options.workers or (WORKERS_HERE if options.is_here else workers_for(ready.planned)),
    )


def _planned(
    options: Options, ready: Ready, files: LoadFiles, windows: Sequence[Times], say: Callable[[str], None]
) -> Plan:
    """Return the plan of a gap: the one that is there, or one of exports that are complete. Raises CommandError."""
    kept = read_file(files, PLAN, Plan)
    if kept:
        return kept
    exports = _exports(options, ready, files, windows, say)
    made = [
        Window(folder=export.folder.key, files=len(export.files), begin=begin, end=end)
        for export, (begin, end) in zip(exports, windows, strict=True)
    ]
    began = dynamodb_time(options.named.aws, ready.described.name)
    plan = _plan(options, ready, made, began=began, bucket=files.bucket)
    plan = msgspec.structs.replace(plan, id=files.id, items=sum(export.items for export in exports), bytes=None)
    with files_errors():
        files.save(plan)
        files.save(options.control)
    return plan


def _exports(
    options: Options, ready: Ready, files: LoadFiles, windows: Sequence[Times], say: Callable[[str], None]
) -> Sequence[Export]:
    """Ask for the exports of all windows that were not asked for, and wait until all are complete."""
    client, arn = options.named.aws.client("dynamodb"), ready.described.arn
    asked = read_file(files, GAP, Asked) or Asked(table=ready.described.name, begin=options.begin, end=options.end)
    while (left := windows[-1].end - dynamodb_time(options.named.aws, ready.described.name)) > 0:
        say(f"Waiting {duration(left)}: the last export ends {EXPORT} s after --to")
        time.sleep(left)
    try:
        for number, (begin, end) in enumerate(windows):
            if number < len(asked.exports):
                continue
            requested = request_export(
                client,
                arn,
                export_time=end,
                from_time=begin,
                bucket=files.bucket,
                client_token=f"{files.id}-{number}",
                prefix=f"{PREFIX}{files.id}",
            )
            asked = msgspec.structs.replace(asked, exports=(*asked.exports, requested))
            with files_errors():
                files.save_json(GAP, asked)
        say(f"Waiting for {len(windows)} incremental exports. They go on whatever happens here")
        folders = [
            wait_for_export(client, each, sleep=time.sleep, remaining=lambda: math.inf)
            for each in asked.exports[: len(windows)]  # more are of other windows
        ]
    except (ExportError, ClientError, BotoCoreError) as error:
        raise CommandError(str(error)) from None
    s3 = options.named.aws.client("s3")
    exports = [exporting.read(s3, folder, sleep=time.sleep) for folder in folders if folder]
    for export, window in zip(exports, windows, strict=True):
        seen = (export.kind, export.table_arn, export.from_time, export.time, export.has_old_images)
        if seen != ("INCREMENTAL", arn, *window, True):
            raise CommandError(f"{export.folder.url} is not the export that was asked for: begin anew with --new")
    return exports


def _load(options: Options, session: Session, files: LoadFiles, state_machine: str | None) -> int:
    """Load the exports, or go on with that."""
    if read_run(files) is None:
        return execute(session, state_machine)
    return control.resume(
        session.console,
        options.named,
        files.id,
        is_here=options.is_here,
        share=options.control.share,
        as_json=options.as_json,
        price_file=options.price_file,
    )


def _sweep(options: Options, session: Session, files: LoadFiles) -> int:
    settings = session.ready.there.settings if session.ready.there else None
    code = OK
    for table in session.ready.tables:
        state = _swept(files, table.name)

        def save(reached: Swept, name: str = table.name) -> None:
            with files_errors():
                files.save_json(_swept_name(name), reached)

        if not state.is_done:
            _say(session.console, f"Sweeping {table.name}", as_json=options.as_json)
            with options.named.aws.for_all():
                state = sweep_table(
                    options.broker,
                    session.plan,
                    table,
                    session.ready.tables,
                    loaded=time.time(),
                    lag=lag_of(session),
                    items_per_second=options.items_per_second,
                    max_record_bytes=settings.kinesis_max_record_bytes if settings else MAX_RECORD_BYTES,
                    state=state,
                    save=save,
                )
        if options.as_json:
            document = {"event": "swept", "load": files.id, "table": table.name, **msgspec.to_builtins(state)}
            session.console.out(msgspec.json.encode(document).decode(), highlight=False)
        for line in _swept_lines(table.name, state):
            _say(session.console, line, as_json=options.as_json)
        if state.failures:
            code = FOUND
    return code


def _swept_lines(name: str, done: Swept) -> Iterator[str]:
    yield (
        f"Swept {name}: {done.candidates:,} rows of the gap's time were looked at, {done.rows:,} brought up to date, "
        f"{done.tombstones:,} deleted"
    )
    if done.kept:
        yield f"{done.kept:,} rows have no item and stay: Time to Live may have deleted it, which the table keeps"
    if done.failures:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(done.failures.items()))
        yield f"{sum(done.failures.values()):,} rows could not be brought up to date: {reasons}"


def _lines(options: Options, ready: Ready, windows: Sequence[Times], files: LoadFiles | None) -> Iterator[str]:
    if files:
        yield f"Going on with {files.id}"
    names = ", ".join(table.name for table in ready.tables)
    yield f"Table     {ready.described.name}, to {names}"
    yield f"Gap       {iso(options.begin)} to {iso(options.end)}, {duration(options.end - options.begin)}"
    yield (
        f"Exports   {len(windows)}, from {iso(windows[0].begin)} to {iso(windows[-1].end)}, with the margins; each is "
        "billed for what was written in its time, at least 10 MB"
    )
    yield "Sweep     each row of that time is looked up in DynamoDB: one read each"
    if any(table.keep_ttl_deletes for table in ready.tables):
        yield (
            "Stays     rows of items that were deleted: the tables keep what Time to Live deletes, and no export tells "
            "whether it was that"
        )
    for each in ready.assumed:
        yield f"Assumed   {each}"


def _swept(files: LoadFiles, table: str) -> Swept:
    return read_file(files, _swept_name(table), Swept) or Swept()


def _swept_name(table: str) -> str:
    return f"{_SWEPT}/{table}.json"


def _say(console: Console, text: str, *, as_json: bool) -> None:
    if not as_json:
        console.print(text, soft_wrap=True, markup=False, highlight=False)
