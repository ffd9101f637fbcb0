"""The load's entry point and composition root: the steps of the state machine statemachines/load.asl.json.

A step is an invocation with ``{"step": …, "load": <id>}``. All state is in the load's files, see ``load.files``; so
each step can be repeated at any time, and a new execution goes on where another one stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics
from botocore.exceptions import BotoCoreError, ClientError

from handlers import clients
from handlers.catalog import hashes, load_tables
from handlers.deadline import seconds_from_now, time_for_work
from handlers.lag import LagReader
from handlers.loading import Surroundings, planned_tables, worker_of
from handlers.relay import Publish
from handlers.settings import Settings, SettingsError
from handlers.telemetry import NAMESPACE, log_load_step, measure_load
from load.files import PREFIX, REPORT, FilesError, LoadFiles
from load.plan import Total
from load.work import work
from pinot.table import Target
from publisher.entry import Entry
from publisher.order import Published
from publisher.s3 import putter, store

UNITS: Final = "units.json"

# Shares of the function's remaining time. What is left is for the last page, the last rows and the unit's state.
TIME_FOR_READING: Final = 0.8
TIME_FOR_ROWS: Final = 0.9
PORTION_SECONDS: Final = 30.0  # for the rows of one portion, so that a pause does not wait for a stream that rejects

# Between two invocations for a unit that has to wait. A wait that follows another one is twice as long. An execution
# has at most 25,000 events, and a wait takes 9 of them: at 5 minutes, a load can be paused for 9 days.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
SHORTEST_WAIT: Final = 30
LONGEST_WAIT: Final = 300

NAMED: Final = 20  # units in an error's message

_settings: Final = Settings.from_mapping(os.environ)
logger: Final = Logger(service=_settings.powertools_service_name)
metrics: Final = Metrics(namespace=NAMESPACE, service=_settings.powertools_service_name)

if not _settings.replicating_function:
    raise SettingsError("REPLICATING_FUNCTION is not set: name the function that replicates the table's changes")
_tables, _ = load_tables(_settings.tables_dir, _settings.tables)
_hashes: Final = hashes(_settings.tables_dir, _settings.tables)
_streams: Final = clients.streams(_tables, _settings.limits)
_dynamodb: Final = clients.dynamodb()
_s3: Final = clients.s3()
_put: Final = putter(_s3, _settings.dead_letter_bucket)
_lag: Final = LagReader(
    clients.cloudwatch(), _settings.replicating_function, clock=time.monotonic, wall_clock=time.time
)


class RequestError(Exception):
    """Another service refused a request or did not answer. The state machine tries the step again, a few times."""


class LoadError(Exception):
    """A load ended before its end; the message says what is left and what to do."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401  # the runtime's own
    """Do a step of a load and return its result, which is the input of the state that follows.

    - ``plan`` checks the plan and lists the units to do: ``{"load", "units", "workers", "bucket", "key"}``.
    - ``work``, with ``unit`` and ``wait``, the seconds before it, does a unit for as long as there is time:
      ``{"load", "unit", "is_done", "reason", "wait"}``, see ``load.work.Result``.
    - ``report`` adds the units up: ``{"load", "units", "done", "items", "rows", "dead_letters"}``.

    Raises PlanError for a plan that is not of this function's tables, FilesError for a load that does not exist,
    RequestError for what can be tried again, LoadError if units are not done and nobody stopped the load.
    """
    files = LoadFiles(client=_s3, bucket=_settings.dead_letter_bucket, id=event["load"])
    match event["step"]:
        case "plan":
            result = _plan(files)
        case "work":
            result = _work(files, event["unit"], event["wait"], context)
        case "report":
            result = _report(files)
        case step:
            raise ValueError(f"there is no step {step}: a load has the steps plan, work and report")
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    log_load_step(logger, event["step"], result)
    return result


def _plan(files: LoadFiles) -> dict[str, Any]:
    plan = files.plan()
    planned_tables(plan, _tables, _hashes)
    units = [{"unit": unit.number} for unit in files.units(plan.units) if not unit.is_done]
    files.save_json(UNITS, units)
    return {
        "load": plan.id,
        "units": len(units),
        "workers": plan.workers,
        "bucket": files.bucket,
        "key": f"{PREFIX}{plan.id}/{UNITS}",
    }


def _work(files: LoadFiles, number: int, waited: int, context: Any) -> dict[str, Any]:  # noqa: ANN401  # as above
    remaining = time_for_work(context, TIME_FOR_READING)
    for_rows = time_for_work(context, TIME_FOR_ROWS)
    try:
        plan = files.plan()
        unit = files.unit(number)
        worker = worker_of(
            plan,
            files,
            planned_tables(plan, _tables, _hashes),
            Surroundings(
                dynamodb=_dynamodb,
                publish=_publisher(for_rows),
                store=lambda entries: store(entries, _put, remaining=for_rows),
                lag=_lag,
                remaining=remaining,
                clock=time.monotonic,
                wall_clock=time.time,
                s3=_s3,
                sleep=time.sleep,
                max_record_bytes=_settings.kinesis_max_record_bytes,
            ),
        )
        done, reason = work(unit, worker)
    except (BotoCoreError, ClientError, FilesError) as error:
        raise RequestError(f"unit {number} of the load {files.id}: {error}") from error
    measure_load(
        metrics,
        rows=done.rows - unit.rows,
        failures=sum(done.dead_letters.values()) - sum(unit.dead_letters.values()),
        # A unit that waits because the operator wants it to is well.
        is_progress=done != unit or done.is_done or reason in ("pause", "stop"),
    )
    wait = 0 if reason in (None, "time") else min(max(SHORTEST_WAIT, 2 * waited), LONGEST_WAIT)
    return {"load": plan.id, "unit": number, "is_done": done.is_done, "reason": reason, "wait": wait}


def _publisher(remaining: Callable[[], float]) -> Publish:
    def publish(target: Target, entries: Iterable[Entry]) -> Published:
        return _streams.publish_within(seconds_from_now(min(PORTION_SECONDS, remaining())))(target, entries)

    return publish


def _report(files: LoadFiles) -> dict[str, Any]:
    try:
        units = files.units(files.plan().units)
        total = Total.of(units)
        files.save_json(REPORT, total)
        state = files.control().state
    except FilesError as error:
        raise RequestError(str(error)) from error
    undone = [str(unit.number) for unit in units if not unit.is_done]
    if undone and state != "stop":
        named = ", ".join(undone[:NAMED]) + (", …" if len(undone) > NAMED else "")
        raise LoadError(
            f"{len(undone)} of {total.units} units of the load {files.id} are not done: {named}. The failed executions "
            "of the map run say why. Start the load again with the same id; it goes on where it is"
        )
    return {
        "load": files.id,
        "units": total.units,
        "done": total.done,
        "items": total.items,
        "rows": total.rows,
        "dead_letters": total.dead_letters,
    }
