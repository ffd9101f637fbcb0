"""A load in this process: worker threads that take one unit after the other."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from botocore.exceptions import ClientError

from load.files import FilesError
from load.plan import Total, Unit
from load.work import Worker, work
from publisher.kinesis import NO_RESPONSE, transient_error

TICK_SECONDS: Final = 0.5  # between two glances
WAIT_SECONDS: Final = 5.0  # while it is paused, or live changes lag
RETRY_SECONDS: Final = (1.0, 60.0)  # first and longest
PATIENCE_SECONDS: Final = 600.0  # without any progress of a unit

_WAITS: Final = ("pause", "live")

# Called about twice a second with the sum of the units, and with what a unit waits for: "run" if none does.
Tick: TypeAlias = Callable[[Total, str], None]


class NoProgressError(Exception):
    """A unit made no progress for too long; the message says why."""


class Pool:
    """The workers of a load, and the units as they are now. ``stop`` ends them, after what they are sending."""

    def __init__(self, units: Iterable[Unit], stop: threading.Event, *, clock: Callable[[], float]) -> None:
        self.units = {unit.number: unit for unit in units}
        self._stop = stop
        self._clock = clock
        self._waiting: dict[int, str] = {}
        self._queue: SimpleQueue[int] = SimpleQueue()
        for unit in self.units.values():
            if not unit.is_done:
                self._queue.put(unit.number)

    @property
    def total(self) -> Total:
        """The sum of all units."""
        return Total.of(self.units.values())

    def run(self, workers: Sequence[Worker], tick: Tick) -> bool:
        """Work until all units are done or it is stopped; return whether it was by Ctrl-C or SIGTERM.

        Raises what a worker raised, once all of them have ended, and NoProgressError.
        """
        is_interrupted = False
        with ThreadPoolExecutor(len(workers), thread_name_prefix="load") as threads, _signals():
            running = {threads.submit(self._work_off, self._watched(worker)) for worker in workers}
            left = set(running)
            try:
                while left:
                    done, left = wait(left, timeout=TICK_SECONDS, return_when=FIRST_EXCEPTION)
                    if any(each.exception() for each in done):
                        self._stop.set()
                    tick(self.total, next(iter(dict(self._waiting).values()), "run"))
            except KeyboardInterrupt:
                is_interrupted = True
            finally:
                self._stop.set()
        for each in running:
            each.result()
        return is_interrupted

    def _watched(self, worker: Worker) -> Worker:
        def see(unit: Unit) -> None:
            self.units[unit.number] = unit

        return replace(worker, seen=see)

    def _work_off(self, worker: Worker) -> None:
        while not self._stop.is_set():
            try:
                number = self._queue.get_nowait()
            except Empty:
                return
            self._finish(worker, number)

    def _finish(self, worker: Worker, number: int) -> None:
        """Work on a unit until it is done, whatever interrupts it, or until all work ends."""
        begun, before, retry = self._clock(), self.units[number], RETRY_SECONDS[0]
        while not self._stop.is_set():
            reason = self._attempt(worker, number)
            if reason is None:
                return
            if reason == "stop":  # by the operator
                self._stop.set()
                return
            self._waiting[number] = reason
            if reason in _WAITS:
                self._stop.wait(WAIT_SECONDS)
                begun = self._clock()
                continue
            if self.units[number] != before:
                begun, before, retry = self._clock(), self.units[number], RETRY_SECONDS[0]
            if self._clock() - begun >= PATIENCE_SECONDS:
                raise NoProgressError(f"unit {number} made no progress for {PATIENCE_SECONDS / 60:.0f} min: {reason}")
            self._stop.wait(retry)
            retry = min(RETRY_SECONDS[1], retry * 2)

    def _attempt(self, worker: Worker, number: int) -> str | None:
        """Work on a unit; return why it did not come to its end, None if it did."""
        try:
            reason = work(self.units[number], worker).reason
        except FilesError as error:
            return str(error)
        except NO_RESPONSE as error:
            return type(error).__name__
        except ClientError as error:
            code = transient_error(error)
            if code is None:
                raise
            return code
        if reason not in _WAITS:
            self._waiting.pop(number, None)
        return reason


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, where signals can be had."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
