"""Lanes without threads: what is under way is done one after the other, in an order that a seed decides."""

from __future__ import annotations

from concurrent.futures import Future

from publisher.lanes import Lanes


def lanes_in_turn(random):
    """Lanes whose work is done when it is waited for, whichever of it the seed picks."""
    waiting = {}

    def start(work):
        future = Future()
        waiting[future] = work
        return future

    def wait(running):
        future = random.choice([each for each in waiting if each in running])
        try:
            future.set_result(waiting.pop(future)())
        except BaseException as error:  # noqa: BLE001  # as a thread pool does it
            future.set_exception(error)
        return [future]

    return Lanes(start=start, wait=wait)
