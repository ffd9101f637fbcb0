"""``dynapinot load status``, ``pause``, ``resume``, ``stop``, ``pace`` and ``sweep``: for a load that is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console

from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.init.table_description import describe
from dynapinot.load import machine
from dynapinot.load.estimate import spent
from dynapinot.load.place import Named, find_load
from dynapinot.load.preconditions import Ready
from dynapinot.load.progress import Glance, document, line
from dynapinot.load.run import preconditions
from dynapinot.load.session import Session, execute
from dynapinot.load.state import Run, Units, files_errors, is_reported, read_run
from dynapinot.load.sweep import Sweeping, sweep_load
from dynapinot.prices import FILE, read_prices
from handlers.loading import PlanError, planned_tables
from load.plan import Plan, ScanReader


def status(console: Console, named: Named, load: str | None, *, as_json: bool, price_file: Path = FILE) -> int:
    """Show how far a load is; return the exit code: 0 if it runs or is done, 1 if something needs a look.

    That is a dead letter, or a load that is not done and that nobody works on. Raises CommandError.
    """
    _, files, plan = find_load(named, load)
    total, found = Units(files, plan).look(), read_run(files)
    with files_errors():
        control = files.control()
    is_done, works = total.done == total.units, found is not None and machine.is_working(named.aws, found)
    state = "done" if is_done else control.state if works else "ended"
    on_demand = describe(named.aws.client("dynamodb", plan.region), plan.table).on_demand
    seconds = total.updated - plan.began
    glance = Glance(
        total=total,
        dollars=spent(total, read_prices(price_file).prices, on_demand=on_demand),
        rows_per_second=total.rows / seconds if seconds > 0 else 0.0,
        seconds_left=None,
        lag=None,
        state=control.state if works else "run",
    )
    items = None if isinstance(plan.reader, ScanReader) and plan.reader.filter else plan.items
    if as_json:
        shown = {**document(glance, items), "state": state, "share": control.share, "load": plan.id}
        console.out(
            json.dumps({**shown, "table": plan.table, "place": found.place if found else None}), highlight=False
        )
    else:
        place = _where(found) if found else "nobody has worked on it yet"
        text = f"{plan.id} of {plan.table}: {state}, share {control.share:g} ({place})"
        for each in (text, line(glance, items)):
            console.print(each, soft_wrap=True, markup=False, highlight=False)
        if state == "ended":
            console.print(f"Go on with: {named.command('resume', plan.id)}", soft_wrap=True, highlight=False)
    return FOUND if total.dead_letters or state == "ended" else OK


def change(
    console: Console,
    named: Named,
    load: str | None,
    *,
    state: Literal["run", "pause", "stop"] | None = None,
    share: float | None = None,
) -> int:
    """Say what is wanted of a load: its state, or its share of the streams; return the exit code.

    Workers look for it every few seconds. Raises CommandError.
    """
    _, files, plan = find_load(named, load)
    with files_errors():
        control = files.control()
        wanted = msgspec.structs.replace(control, state=state or control.state, share=share or control.share)
        files.save(wanted)
    found = read_run(files)
    if found is None or not machine.is_working(named.aws, found):
        done = "done" if is_reported(files) else f"not running; {named.command('resume', plan.id)} goes on with it"
        console.print(f"Noted. The load {plan.id} is {done}", soft_wrap=True, highlight=False)
        return OK
    console.print(
        f"The load {plan.id}: {wanted.state}, share {wanted.share:g}, within seconds", soft_wrap=True, highlight=False
    )
    return OK


def resume(
    console: Console,
    named: Named,
    load: str | None,
    *,
    is_here: bool | None,
    share: float | None,
    as_json: bool,
    price_file: Path = FILE,
) -> int:
    """Go on with a load; return the exit code. One that is worked on is only told so. Raises CommandError.

    ``is_here`` says whether in this process or in the stack, None where it was before.
    """
    place, files, plan = find_load(named, load)
    if is_reported(files):
        raise CommandError(f"The load {plan.id} is done: there is nothing to go on with")
    found = read_run(files)
    if found and machine.is_working(named.aws, found):
        return change(console, named, plan.id, state="run", share=share)
    if is_here is None:
        is_here = found is None or found.place == "here"
    state_machine = None if is_here else place.state_machine()
    ready = preconditions(named, place, table=plan.table)
    _check_unchanged(plan, ready)
    with files_errors():
        control = files.control()
        files.save(msgspec.structs.replace(control, state="run", share=share or control.share))
    session = Session(
        named=named,
        place=place,
        plan=plan,
        ready=ready,
        prices=read_prices(price_file),
        console=console,
        as_json=as_json,
        starts=found.starts if found else 0,
    )
    return execute(session, state_machine)


def sweep(console: Console, named: Named, load: str | None, sweeping: Sweeping, *, as_json: bool) -> int:
    """Sweep after a load that has ended; return the exit code. Raises CommandError."""
    place, _, plan = find_load(named, load)
    ready = preconditions(named, place, table=plan.table)
    _check_unchanged(plan, ready)
    session = Session(
        named=named, place=place, plan=plan, ready=ready, prices=read_prices(), console=console, as_json=as_json
    )
    return sweep_load(session, sweeping)


def _where(found: Run) -> str:
    return found.execution or f"process {found.pid} on {found.host}"


def _check_unchanged(plan: Plan, ready: Ready) -> None:
    """Refuse to go on where the stream, its shards or the files are others. Raises CommandError."""
    new = "begin a new load with --new"
    first = plan.began - plan.reader.margin if isinstance(plan.reader, ScanReader) else plan.reader.second
    if ready.stream_since is not None and ready.stream_since > first:
        raise CommandError(f"The stream of {plan.table} was enabled after the load {plan.id} began: {new}")
    try:
        planned_tables(plan, ready.tables, {name: each.files for name, each in ready.planned.items()})
    except PlanError as error:
        raise CommandError(str(error)) from None
    for name, planned in plan.tables.items():
        if ready.planned[name].shards != planned.shards:
            raise CommandError(
                f"The stream of {name} has {ready.planned[name].shards} shards, and had {planned.shards} when the load "
                f"{plan.id} began: {new}"
            )
