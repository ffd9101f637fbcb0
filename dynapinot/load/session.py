"""A load that may begin or go on: the work in this process, or the state machine's, until its report."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from decoder.errors import MalformedError
from dynapinot.errors import FAILED, OK, CommandError
from dynapinot.load import machine
from dynapinot.load.estimate import spent
from dynapinot.load.here import NoProgressError, Pool
from dynapinot.load.lag import Lag
from dynapinot.load.place import Named, Place
from dynapinot.load.planning import WORKERS_HERE
from dynapinot.load.preconditions import Ready
from dynapinot.load.progress import Display, Meter
from dynapinot.load.report import as_document, exit_code, report_of, summary
from dynapinot.load.state import RUN, SEEN_SECONDS, Units, files_errors, is_reported, own_run
from dynapinot.prices import PriceFile
from dynapinot.wording import counted
from handlers import clients
from handlers.deadline import seconds_from_now
from handlers.lag import LagReader
from handlers.loading import PlanError, Surroundings, planned_tables, worker_of
from load.export.errors import ExportError
from load.files import REPORT, FilesError, LoadFiles
from load.plan import Plan, Total
from load.work import Worker
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Published, UnavailableError
from publisher.s3 import putter, store

SECONDS_FOR_ROWS: Final = 60.0  # of one portion, before the stream's error counts
MAX_WORKERS_HERE: Final = 2 * WORKERS_HERE  # of a plan that was made for a stack

# What a worker raises that a person can do something about.
_KNOWN: Final = (
    *(PlanError, FilesError, NoProgressError, UnavailableError, MalformedError, ExportError, ClientError),
    BotoCoreError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A load whose preconditions are met. ``starts`` counts how often a state machine was started for it."""

    named: Named
    place: Place
    plan: Plan
    ready: Ready
    prices: PriceFile
    console: Console
    as_json: bool
    starts: int = 0

    @property
    def files(self) -> LoadFiles:
        """The load's files."""
        return self.place.files(self.plan.id)

    @property
    def resume(self) -> str:
        """The command that goes on with it."""
        return self.named.command("resume", self.plan.id)

    def dollars(self, total: Total) -> float:
        """Return what it has cost."""
        return spent(total, self.prices.prices, on_demand=self.ready.described.on_demand)

    def display(self, *, has_end: bool = True) -> Display:
        """Make what shows its progress."""
        meter = Meter(self.plan, clock=time.monotonic, dollars=self.dollars)
        return Display(self.console, self.plan, meter, as_json=self.as_json, clock=time.monotonic, has_end=has_end)

    def lag(self) -> Callable[[], float | None]:
        """Return the function that tells the live path's lag in seconds, None where it is not known."""
        if self.place.function is None:
            return lambda: None
        client = self.named.aws.client("cloudwatch")
        read = LagReader(client, self.place.function, clock=time.monotonic, wall_clock=time.time)
        return Lag(read, clock=time.monotonic)


def execute(session: Session, state_machine: str | None) -> int:
    """Load by a state machine, or in this process; return the exit code. Raises CommandError."""
    if state_machine is not None:
        return _in_stack(session, state_machine)
    with session.named.aws.for_all():
        return _here(session)


def _in_stack(session: Session, state_machine: str) -> int:
    client = session.named.aws.client("stepfunctions")
    started = machine.start(client, state_machine, session.plan.id, starts=session.starts)
    with files_errors():
        session.files.save_json(RUN, started)
    units, lag = Units(session.files, session.plan), session.lag()
    with session.display() as display:
        display.event("started", execution=started.execution)
        display.say(f"The load {session.plan.id} runs in {started.execution}")
        try:
            total = machine.watch(
                client,
                started.execution,
                look=units.look,
                show=lambda total: display.show(total, lag=lag()),
                sleep=time.sleep,
            )
        except CommandError as error:
            raise CommandError(f"{error}. Go on with: {session.resume}") from None
    if total is None:
        status, stop = (session.named.command(name, session.plan.id) for name in ("status", "stop"))
        display.event("unwatched", status=status, stop=stop)
        display.say(f"The load goes on in the stack. Look at it by: {status}. End it by: {stop}")
        return OK
    return _end(session, display, total, "stopped")


def _here(session: Session) -> int:
    stop, lag = threading.Event(), session.lag()
    with files_errors():
        session.files.save_json(RUN, own_run(time.time()))
        pool = Pool(session.files.units(session.plan.units), stop, clock=time.monotonic)
    seen = time.monotonic()
    with session.display() as display:
        display.event("started", units=session.plan.units)
        display.say(f"The load {session.plan.id} has {counted(session.plan.units, 'unit')}")
        note_unknown(lag, display)

        def tick(total: Total, state: str) -> None:
            nonlocal seen
            display.show(total, state=state, lag=lag())
            if time.monotonic() - seen >= SEEN_SECONDS:
                seen = time.monotonic()
                _leave_sign(session, display, has_ended=False)

        try:
            is_interrupted = pool.run(list(_workers(session, stop, lag)), tick)
        except _KNOWN as error:
            raise CommandError(f"the load stopped: {error}. Go on with: {session.resume}") from None
        finally:
            _leave_sign(session, display, has_ended=True)
        display.show(pool.total, lag=lag())
    return _end(session, display, pool.total, "interrupted" if is_interrupted else "stopped")


def note_unknown(lag: Callable[[], float | None], display: Display) -> None:
    """Say why the live path's lag cannot be known, where something is wrong."""
    if isinstance(lag, Lag) and lag() is None and lag.problem:
        display.say(f"It cannot wait for live changes that lag, because their age is not known: {lag.problem}")


def _end(session: Session, display: Display, total: Total, why: str) -> int:
    """Report, or say how to go on with what is not done; return the exit code."""
    if total.done < total.units:
        display.event(why, resume=session.resume)
        display.say(f"The load is {why}; what was sent is noted. Go on with: {session.resume}")
        return FAILED
    report = report_of(session.plan, total, now=time.time(), dollars=session.dollars)
    if not is_reported(session.files):
        with files_errors():
            session.files.save_json(REPORT, report)
    display.event("done", **as_document(report))
    for line in summary(report, redrive=session.named.redrive(session.place.bucket)):
        display.say(line)
    return exit_code(total)


def _leave_sign(session: Session, display: Display, *, has_ended: bool) -> None:
    """Leave a sign of life. Where that fails the load goes on: only who looks for it misses it."""
    try:
        session.files.save_json(RUN, own_run(time.time(), has_ended=has_ended))
    except FilesError as error:
        display.event("error", message=str(error))
        display.say(str(error))


def _workers(session: Session, stop: threading.Event, lag: Callable[[], float | None]) -> Iterable[Worker]:
    """Make this process' workers. They share the streams' clients; each has its own for reading."""
    count = min(session.plan.workers, MAX_WORKERS_HERE)
    plan = msgspec.structs.replace(session.plan, workers=count)
    hashes = {name: planned.files for name, planned in session.ready.planned.items()}
    tables: Sequence[Table] = planned_tables(plan, session.ready.tables, hashes)
    streams = clients.streams(tables, session.ready.limits)
    s3 = clients.s3()
    put = putter(s3, session.place.bucket)

    def publish(target: Target, entries: Iterable[Entry]) -> Published:
        left = seconds_from_now(SECONDS_FOR_ROWS)
        return streams.publish_within(lambda: 0.0 if stop.is_set() else left())(target, entries)

    def sleep(seconds: float) -> None:
        stop.wait(seconds)

    for _ in range(count):
        around = Surroundings(
            dynamodb=clients.dynamodb(),
            s3=s3,
            publish=publish,
            store=partial(store, put=put, remaining=lambda: math.inf),
            lag=lag,
            remaining=lambda: 0.0 if stop.is_set() else math.inf,
            clock=time.monotonic,
            wall_clock=time.time,
            sleep=sleep,
            max_record_bytes=session.ready.max_record_bytes,
        )
        yield worker_of(plan, LoadFiles(client=s3, bucket=session.place.bucket, id=plan.id), tables, around)
