"""The heartbeat's entry point and composition root: a function on a schedule, beside the one that replicates.

If that function is not invoked at all, nothing fails and it emits no metrics. This one detects that.
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
from handlers.telemetry import NAMESPACE, log_missing_heartbeats, measure_heartbeat
from heartbeat.aws import describe_table, item_writer, open_shards, shard_reader
from heartbeat.item import HeartbeatError, check_templates
from heartbeat.probe import CLOCK_TOLERANCE_MS, make_probes
from heartbeat.run import run_probes

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
        "that is replicated, or fix dynamodb_table in source.toml"
    )
_dynamodb: Final = clients.dynamodb()
_kinesis: Final = {region: clients.kinesis_for_reading(region) for region in {table.region for table in _tables}}


def handler(_event: object, context: Any) -> dict[str, int]:  # noqa: ANN401  # the runtime's own
    """Write a heartbeat item for each open shard, wait for its row, and measure its lag; return the number of shards
    and of missing rows.

    Raises HeartbeatError for a configuration that cannot work, and the SDK's errors for requests that DynamoDB or
    Kinesis refuses. A missing row raises nothing; the metric reports it.
    """
    remaining = time_for_work(context)
    source = describe_table(_dynamodb, _settings.heartbeat_table)
    check_templates(_settings.heartbeat_item, source)
    shards = [(table, open_shards(_kinesis[table.region], table.stream)) for table in _tables]
    start_ms = _now_ms()
    results = run_probes(
        make_probes(shards, _settings.heartbeat_item, source, now_ms=start_ms),
        put=item_writer(_dynamodb, source),
        read=shard_reader(_kinesis, start_ms - CLOCK_TOLERANCE_MS),
        now_ms=_now_ms,
        sleep=time.sleep,
        remaining=remaining,
    )
    measure_heartbeat(metrics, results)
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    log_missing_heartbeats(logger, results)
    return {"shards": len(results), "missing": sum(result.lag_ms is None for result in results)}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
