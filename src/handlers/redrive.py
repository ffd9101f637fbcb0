"""The redrive's entry point and composition root, for a schedule. The command line does the same by hand."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics

from handlers import clients
from handlers.catalog import load_tables
from handlers.deadline import time_for_work
from handlers.settings import Settings
from handlers.telemetry import NAMESPACE, log_redrive, measure_redrive
from redrive.bucket import open_bucket
from redrive.item import item_reader
from redrive.run import Bucket, redrive

TIME_FOR_ROWS: Final = 0.85  # of the function's remaining time; items are read in less, so that their rows have time

_settings: Final = Settings.from_mapping(os.environ)
logger: Final = Logger(service=_settings.powertools_service_name)
metrics: Final = Metrics(namespace=NAMESPACE, service=_settings.powertools_service_name)

_tables, _ = load_tables(_settings.tables_dir, _settings.tables)
_streams: Final = clients.streams(_tables, _settings.limits)
_bucket: Final = open_bucket(clients.s3(), _settings.dead_letter_bucket)
_dynamodb: Final = clients.dynamodb()


def _bucket_in_random_order() -> Bucket:
    """Take the objects in another order each time, so that objects which always fail do not starve the others."""
    keys = list(_bucket.list_keys())
    random.shuffle(keys)
    return replace(_bucket, list_keys=lambda: keys)


def handler(_: object, context: Any) -> dict[str, Any]:  # noqa: ANN401  # the runtime's own
    """Redrive the failed changes in the dead letter bucket while there is time; return what was done."""
    remaining = time_for_work(context)
    # Made for each run, as it keeps whether a table is global, which may change.
    read_item = item_reader(
        _dynamodb, sleep=time.sleep, clock=time.monotonic, pause=1 / _settings.redrive_items_per_second
    )
    summary = redrive(
        _bucket_in_random_order(),
        _tables,
        read_item=read_item,
        publish=_streams.publish_within(time_for_work(context, TIME_FOR_ROWS)),
        max_record_bytes=_settings.kinesis_max_record_bytes,
        remaining=remaining,
    )
    measure_redrive(metrics, summary)
    failing = [{"table": table, "reason": reason, "changes": n} for (table, reason), n in summary.failing.most_common()]
    result = {
        "objects": summary.objects,
        "changes": summary.changes,
        "rows": summary.rows,
        "unfinished": summary.unfinished,
        "failing": failing,
    }
    logger.append_keys(request_id=getattr(context, "aws_request_id", None))
    log_redrive(logger, result)
    return result
