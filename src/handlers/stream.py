"""The function's entry point and composition root: creates and connects clients and tables, once, at start."""

from __future__ import annotations

import gc

gc.disable()  # imported modules stay; looking for garbage in them costs a twentieth of the start

import os
import time
from functools import cache
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from handlers import clients
from handlers.catalog import load_tables
from handlers.deadline import TIME_FOR_ROWS, time_for_work
from handlers.parser import set_parser
from handlers.planner import Planner
from handlers.relay import relay
from handlers.settings import Settings
from handlers.telemetry import NAMESPACE, log_parser, log_report, log_tables, measure
from publisher.s3 import Put, putter, store

gc.enable()

_settings: Final = Settings.from_mapping(os.environ)
logger: Final = Logger(service=_settings.powertools_service_name)
metrics: Final = Metrics(namespace=NAMESPACE, service=_settings.powertools_service_name)

_tables, _warnings = load_tables(_settings.tables_dir, _settings.tables)
_streams: Final = clients.streams(_tables, _settings.limits)
_planner: Final = Planner(_tables, max_record_bytes=_settings.kinesis_max_record_bytes)
_already_logged: Final[set[tuple[str, ...]]] = set()
log_tables(logger, [table.name for table in _tables], _warnings)
log_parser(logger, set_parser(_settings.event_parser), wanted=_settings.event_parser)

gc.freeze()  # later collections ignore them too


@cache
def _put() -> Put:
    """Connect the bucket for the first dead letter: S3's client would make every cold start longer."""
    return putter(clients.s3(), _settings.dead_letter_bucket)


def handler(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:  # noqa: ANN401  # the runtime's own
    """Relay a batch of changes to Kinesis; return the earliest change that must be retried, if any.

    Raises EventError for an event that has no records, UnreportableError for a change that must be retried and has no
    sequence number. The event source mapping then retries the whole batch.
    """
    remaining = time_for_work(context)
    report = relay(
        event,
        _planner,
        publish=_streams.publish_within(time_for_work(context, TIME_FOR_ROWS)),
        store=lambda entries: store(entries, _put(), remaining=remaining),
    )
    measure(metrics, report, now_ms=time.time_ns() // 1_000_000)
    metrics.flush_metrics()
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    log_report(logger, report, _already_logged)
    return report.response()
