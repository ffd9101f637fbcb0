"""The shard count of the Kinesis stream, from the write rate, the size of the rows, and headroom."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

# What a shard takes: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_RECORDS: Final = 1_000  # a second
SHARD_BYTES: Final = 1_048_576  # a second
HEADROOM: Final = 4  # a Pinot table's shard count never changes, and minutes have busier seconds
MIN_SHARDS: Final = 2
MAX_SHARDS: Final = 500  # KinesisShardCount of template.yaml

UNIT_BYTES: Final = 1_024  # of an item that a write unit writes
LOOK_BACK: Final = timedelta(days=14)  # CloudWatch keeps minutes for 15 days
_PERIOD_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRate:
    """The number of items written in a busy second, and its source; ``guessed`` if it is not known."""

    per_second: float
    source: str
    guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """The shard count, for a rate of rows and bytes; ``count`` may be more than the template makes."""

    count: int
    rate: WriteRate
    row_bytes: int
    bytes_per_second: float


def shards_for(rate: WriteRate, row_bytes: int) -> Shards:
    """Work out the shard count: HEADROOM times the rows and the bytes."""
    bytes_per_second = rate.per_second * row_bytes
    by_records = math.ceil(rate.per_second * HEADROOM / SHARD_RECORDS)
    by_bytes = math.ceil(bytes_per_second * HEADROOM / SHARD_BYTES)
    count = max(MIN_SHARDS, by_records, by_bytes)
    return Shards(count=count, rate=rate, row_bytes=row_bytes, bytes_per_second=bytes_per_second)


def write_rate(
    *, given: float | None, peak_units: float | None, not_asked: str | None, provisioned: int, item_bytes: int
) -> WriteRate:
    """Choose the best that is known of how often the table is written: given, measured, provisioned, or a guess.

    ``peak_units`` are write units a second, of which an item takes one for each KB; ``not_asked`` says why there are
    none. ``item_bytes`` is an item's size, on average.
    """
    if given is not None:
        return WriteRate(per_second=given, source="as you said")
    units_per_item = max(1, math.ceil(item_bytes / UNIT_BYTES))
    each = "" if units_per_item == 1 else f", {units_per_item} for an item of {item_bytes:,} bytes"
    if peak_units:
        source = f"{peak_units:,.1f} write units in the busiest minute of {LOOK_BACK.days} days, by CloudWatch{each}"
        return WriteRate(per_second=peak_units / units_per_item, source=source)
    why = not_asked or f"CloudWatch knows of no writes in {LOOK_BACK.days} days"
    if provisioned:
        source = f"{provisioned:,} write units are provisioned{each}; {why}"
        return WriteRate(per_second=provisioned / units_per_item, source=source)
    return WriteRate(per_second=0, source=f"{why}; say it by --writes-per-second", guessed=True)


def peak_write_units(client: Any, table: str, now: datetime) -> tuple[float | None, str | None]:  # noqa: ANN401
    """Ask CloudWatch for the write units a second in the busiest minute; or say why there is no answer.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    """
    dimensions = [{"Name": "TableName", "Value": table}]
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": "ConsumedWriteCapacityUnits", "Dimensions": dimensions}
    query = {"Id": "writes", "MetricStat": {"Metric": metric, "Period": _PERIOD_SECONDS, "Stat": "Sum"}}
    try:
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query], StartTime=now - LOOK_BACK, EndTime=now
        )
        peak = max(_values(pages), default=0.0)
    except ClientError as error:
        return None, f"CloudWatch refused the request ({error.response['Error']['Code']})"
    except BotoCoreError:
        return None, "CloudWatch did not answer"
    return peak / _PERIOD_SECONDS or None, None


def _values(pages: Iterable[Any]) -> Iterable[float]:
    for page in pages:
        for result in page["MetricDataResults"]:
            yield from result["Values"]
