"""The canary's entry point and composition root: a function to run on a schedule, beside the one that replicates.

Where that one is not invoked at all, its own metrics are silent and nothing fails; this one sees it.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from handlers import clients
from handlers.catalog import load_tables
from handlers.deadline import time_for_work
from handlers.settings import HeartbeatSettings
from handlers.telemetry import NAMESPACE, log_missing, measure_heartbeat
from heartbeat.aim import CLOCK_TOLERANCE_MS, take_aim
from heartbeat.beat import beat
from heartbeat.marker import HeartbeatError, check_templates
from heartbeat.services import describe, open_shards, putter, reader

_settings: Final = HeartbeatSettings.from_mapping(os.environ)
logger: Final = Logger(service=_settings.powertools_service_name)
metrics: Final = Metrics(namespace=NAMESPACE, service=_settings.powertools_service_name)

_tables: Final = tuple(
    table
    for table in load_tables(_settings.tables_dir, _settings.tables)[0]
    if table.replicates(_settings.heartbeat_table)
)
if not _tables:
    raise HeartbeatError(
        f"HEARTBEAT_TABLE: no folder of tables replicates the DynamoDB table {_settings.heartbeat_table}. Name one "
        "that is replicated, or mend dynamodb_table in source.toml"
    )
_dynamodb: Final = clients.dynamodb()
_kinesis: Final = {region: clients.kinesis_for_reading(region) for region in {table.region for table in _tables}}


def handler(_event: object, context: Any) -> dict[str, int]:  # noqa: ANN401  # the runtime's own
    """Write a marker for each open shard, wait for its row, and measure; answer with the number of shards and of
    markers that are missing.

    Raises HeartbeatError for what has to be set otherwise, and what DynamoDB and Kinesis refuse; nothing for a marker
    that is missing, which is what the metric is for.
    """
    remaining = time_for_work(context)
    origin = describe(_dynamodb, _settings.heartbeat_table)
    check_templates(_settings.heartbeat_item, origin)
    shards = [(table, open_shards(_kinesis[table.region], table.stream)) for table in _tables]
    start_ms = _now_ms()
    outcomes = beat(
        take_aim(shards, _settings.heartbeat_item, origin, now_ms=start_ms),
        put=putter(_dynamodb, origin),
        read=reader(_kinesis, start_ms - CLOCK_TOLERANCE_MS),
        now_ms=_now_ms,
        sleep=time.sleep,
        remaining=remaining,
    )
    measure_heartbeat(metrics, outcomes)
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    log_missing(logger, outcomes)
    return {"shards": len(outcomes), "missing": sum(outcome.lag_ms is None for outcome in outcomes)}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
