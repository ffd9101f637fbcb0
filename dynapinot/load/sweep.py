"""``dynapinot load --sweep``: after a load, bring up to date what Pinot still shows from before it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from dynapinot.aws import refusals
from dynapinot.consumed import CLOCK_SECONDS, POLL_SECONDS, rows_after
from dynapinot.errors import FAILED, FOUND, OK, CommandError
from dynapinot.load import machine
from dynapinot.load.place import Named, Place
from dynapinot.load.preconditions import Ready
from dynapinot.load.progress import Display, sweep_document
from dynapinot.load.session import Session, note_unknown
from dynapinot.load.state import Units, files_errors, ids_of, is_reported, read_run
from dynapinot.pinot_server import Broker
from dynapinot.publishing import publisher_of
from handlers import clients
from handlers.deadline import seconds_from_now
from load.by_key import FOREIGN_KEY
from load.files import FilesError, LoadFiles
from load.plan import Plan, Swept
from load.sweep import Sweep, SweepError, sweep, sweep_of
from publisher.order import Limits
from redrive.item import item_reader

WAIT_SECONDS: Final = 600.0  # for Pinot to consume what the load wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeping:
    """How to sweep: where Pinot's rows are asked for, and how many items are read in a second at most."""

    broker: Broker
    items_per_second: int


def check_sweep(named: Named, place: Place, plan: Plan, ready: Ready, sweeping: Sweeping) -> Sequence[Sweep]:
    """Check that the tables of a load can be swept after it; return what is to be done. Raises CommandError."""
    types = {attribute.name: attribute.tag for attribute in ready.described.key}
    tables = [table for table in ready.tables if table.name in plan.tables]
    try:
        tasks = [sweep_of(plan, table, tables, types, ready.max_record_bytes) for table in tables]
    except SweepError as error:
        raise CommandError(str(error)) from None
    sweeping.broker.check_health()
    _refuse_other_loads(named, place, plan)
    return tasks


def sweep_load(session: Session, sweeping: Sweeping) -> int:
    """Sweep all Pinot tables of a load that is done; return the exit code: 1 if rows stay that may be wrong, else 0.

    A sweep that was interrupted goes on, one that came to its end begins anew. Raises CommandError.
    """
    plan, files = session.plan, session.files
    total, again = Units(files, plan).look(), _command(session, sweeping)
    if total.done < total.units:
        raise CommandError(f"The load {plan.id} is not done, and so not swept. When it is: {again}")
    tasks = check_sweep(session.named, session.place, plan, session.ready, sweeping)
    with files_errors():
        states = {task.table.name: files.swept(task.table.name) for task in tasks}
    if all(state.is_done for state in states.values()):
        states = dict.fromkeys(states, Swept())
    lag = session.lag()
    with session.display(has_end=False) as display, session.named.aws.for_all():
        note_unknown(lag, display)
        for task in tasks:
            name = task.table.name
            display.say(f"Sweeping {name}, when Pinot has consumed all rows of the load")
            try:
                states[name] = sweep_table(
                    task,
                    sweeping,
                    plan=plan,
                    loaded=total.updated,
                    lag=lag,
                    limits=session.ready.limits,
                    state=states[name],
                    save=partial(_save, files, display, name),
                )
            except (CommandError, FilesError) as error:
                raise CommandError(f"the sweep stopped: {error}. Go on with: {again}") from None
            except KeyboardInterrupt:
                display.event("interrupted", sweep=again)
                display.say(f"The sweep is interrupted; what was sent is noted. Go on with: {again}")
                return FAILED
            display.event("swept", **sweep_document(name, states[name]))
            for line in summary(name, states[name], again=again, is_gap=task.since_ms is not None):
                display.say(line)
    return FOUND if any(state.kept or state.failures for state in states.values()) else OK


def summary(table: str, swept: Swept, *, again: str, is_gap: bool = False) -> Sequence[str]:
    """Write what a sweep did, and what to do about what is left. ``again`` is the command that sweeps again.

    ``is_gap`` is whether the sweep was limited to the time of a gap.
    """
    found = "of the gap's time" if is_gap else "older than the load"
    counts = (
        f"{swept.candidates:,} rows were {found}; {swept.rows:,} are up to date now, {swept.tombstones:,} are deleted"
    )
    lines = [f"Swept {table}: {counts}"]
    if swept.kept:
        lines.append(
            f'{swept.kept:,} rows without an item stay: by ttl_deletes = "keep" they are right if Time to Live deleted '
            "the item. To delete one that is wrong, write its item and delete it again"
        )
    if swept.failures:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(swept.failures.items()))
        lines.append(f"{sum(swept.failures.values()):,} rows stay as they were: {reasons}")
    if FOREIGN_KEY in swept.failures:
        lines.append(f"{FOREIGN_KEY}: no item has such a key, something else wrote the row. Find out what")
    if swept.failures.keys() - {FOREIGN_KEY}:
        lines.append(f"Their items cannot be read, or cannot be rows. Fix the cause, deploy, and sweep again: {again}")
    return lines


def _save(files: LoadFiles, display: Display, table: str, state: Swept) -> None:
    files.save_swept(table, state)
    display.show_sweep(table, state)


def _command(session: Session, sweeping: Sweeping) -> str:
    command = session.named.command("sweep", session.plan.id)
    return f"{command} --broker {shlex.quote(sweeping.broker.url)}"


def _refuse_other_loads(named: Named, place: Place, plan: Plan) -> None:
    """Refuse to sweep while a row of another load may come that is older than what is swept. Raises CommandError."""
    for name in ids_of(place.client, place.bucket):
        files = place.files(name)
        try:
            other = files.plan()
            is_stopped = files.control().state == "stop"
        except FilesError:
            continue  # of another version, or without a plan: not a load that could go on
        if name == plan.id or other.table != plan.table or is_reported(files):
            continue
        run = read_run(files)
        if not is_stopped or (run and machine.is_working(named.aws, run)):
            resume, stop = (named.command(word, name) for word in ("resume", "stop"))
            raise CommandError(
                f"The load {name} of {plan.table} is not done, and its rows may be older than what a sweep has seen. "
                f"Go on with it, {resume}, or end it, {stop}. Then sweep"
            )


def sweep_table(
    task: Sweep,
    sweeping: Sweeping,
    *,
    plan: Plan,
    loaded: float,
    lag: Callable[[], float | None],
    limits: Limits,
    state: Swept,
    save: Callable[[Swept], None],
    wait_seconds: float = WAIT_SECONDS,
) -> Swept:
    """Sweep a Pinot table after the load of a plan is complete, and after all others are; return the counts.

    ``loaded`` is when the load's last row was published, in epoch seconds; ``lag`` returns the age in seconds of the
    live path's oldest change, None where it is not known. The sweep waits until the live path has delivered what is
    older than the load, and then until Pinot has consumed that. ``save`` gets each state from which a later call may go
    on, by ``state``. Raises CommandError.
    """
    with refusals():
        try:
            began = _wait_for_live(plan, lag, wait_seconds)
            return sweep(
                task,
                state,
                query=lambda sql: rows_after(sweeping.broker, task.table.name, sql, max(loaded, began), wait_seconds),
                read_item=item_reader(
                    clients.dynamodb(), sleep=time.sleep, clock=time.monotonic, pause=1 / sweeping.items_per_second
                ),
                publish=publisher_of([task.table], limits),
                save=save,
            )
        except SweepError as error:
            raise CommandError(str(error)) from None


def _wait_for_live(plan: Plan, lag: Callable[[], float | None], wait_seconds: float) -> float:
    """Wait until the live path has delivered what is older than the load; return when that was, in epoch seconds."""
    remaining = seconds_from_now(wait_seconds)
    while True:
        now, age = time.time(), lag()
        if age is None or now - age > plan.began + CLOCK_SECONDS:
            return now
        if remaining() <= 0:
            raise CommandError(
                f"the function has changes of {plan.table} left that are older than the load, the oldest of {age:.0f} "
                "s ago, and a sweep before them could miss rows: wait until it has caught up, and sweep again"
            )
        time.sleep(POLL_SECONDS)
