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
from dynapinot.errors import OK, CommandError
from dynapinot.gap.finding import iso
from dynapinot.gap.windows import Times, windows_of
from dynapinot.load import control, exporting
from dynapinot.load.estimate import duration
from dynapinot.load.place import Named, Place, find_place
from dynapinot.load.planning import WORKERS_HERE, make_plan, workers_for
from dynapinot.load.preconditions import Ready, check_deleted_keys, dynamodb_time
from dynapinot.load.run import preconditions
from dynapinot.load.session import Session, execute
from dynapinot.load.state import files_errors, ids_of, is_reported, read_file, read_run
from dynapinot.load.sweep import Sweeping, check_sweep, sweep_load
from dynapinot.pinot_server import Controller
from dynapinot.prices import FILE, read_prices
from load.export.errors import ExportError
from load.export.manifest import Export
from load.export.request import request_export, wait_for_export
from load.files import PLAN, PREFIX, LoadFiles
from load.plan import Control, IncrementalReader, Plan, Window
from pinot.config_checks import at
from snapshot.version import EXPORT

GAP: Final = "gap.json"


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for: a gap's ``gap.json``. ``exports`` are the ARNs of the windows' exports, as far as there are.

    ``begin`` and ``end`` are in epoch seconds.
    """

    table: str
    begin: int
    end: int
    exports: tuple[str, ...] = ()


_decode_asked: Final = msgspec.json.Decoder(Asked).decode
_decode_plan: Final = msgspec.json.Decoder(Plan).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A repair's options. Changes from ``begin`` to before ``end`` were lost, in epoch seconds by their own times.

    ``asks`` returns whether the operator agrees, None if nobody can be asked. ``is_agreed`` asks nobody.
    """

    named: Named
    begin: int
    end: int
    sweeping: Sweeping
    is_here: bool
    table: str | None = None
    controller: Controller | None = None
    workers: int | None = None
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
    files = None if options.is_new else _existing(place, ready.described.name, options)
    draft = _plan(options, ready, [Window(folder="", files=0, begin=a, end=b) for a, b in windows], began=now)
    if files:
        draft = msgspec.structs.replace(draft, id=files.id)
    _check(options, place, ready, draft, now)
    if files is None:
        _check_recovery(named, ready, windows[0].begin)
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
    code = OK if is_reported(files) else _load(options, session, files, state_machine)
    return max(code, sweep_load(session, options.sweeping))


def _check(options: Options, place: Place, ready: Ready, draft: Plan, now: int) -> None:
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
    check_sweep(options.named, place, draft, ready, options.sweeping)


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
    for name in reversed(ids_of(place.client, place.bucket)):
        files = place.files(name)
        asked = read_file(files, GAP, _decode_asked)
        if asked is None or (asked.table, asked.begin, asked.end) != (table, options.begin, options.end):
            continue
        if is_reported(files):
            with files_errors():
                is_swept = all(files.swept(each).is_done for each in files.plan().tables)
            if is_swept:
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
    kept = read_file(files, PLAN, _decode_plan)
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
    asked = read_file(files, GAP, _decode_asked) or Asked(
        table=ready.described.name, begin=options.begin, end=options.end
    )
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


def _say(console: Console, text: str, *, as_json: bool) -> None:
    if not as_json:
        console.print(text, soft_wrap=True, markup=False, highlight=False)
