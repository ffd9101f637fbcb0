"""Workers without threads: chunks are published one after the other, in an order that a seed decides."""

from __future__ import annotations

from concurrent.futures import Future

from publisher.concurrency import Workers


def fake_workers(random):
    """Workers that publish a chunk when they are waited for. The seed picks which."""
    waiting = {}

    def start(work):
        future = Future()
        waiting[future] = work
        return future

    def wait(running):
        future = random.choice([each for each in waiting if each in running])
        try:
            future.set_result(waiting.pop(future)())
        except BaseException as error:  # noqa: BLE001  # as a thread pool does
            future.set_exception(error)
        return [future]

    return Workers(start=start, wait=wait)
