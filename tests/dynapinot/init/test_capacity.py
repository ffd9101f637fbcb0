"""How many shards: by the busiest minute, or the next best that is known, and with headroom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from dynapinot.init.capacity import (
    HEADROOM,
    SHARD_BYTES,
    SHARD_RECORDS,
    WriteRate,
    peak_write_units,
    shards_for,
    write_rate,
)

NOW = datetime(2024, 6, 22, tzinfo=UTC)


class FakeCloudWatch:
    """CloudWatch's metrics of tables in pages; it keeps the requests, and refuses them if it is set to."""

    def __init__(self, *pages, error=None):
        self.pages = pages
        self.error = error
        self.asked = []

    def get_paginator(self, operation):
        assert operation == "get_metric_data"
        return self

    def paginate(self, **asked):
        self.asked.append(asked)
        for values in self.pages:
            yield {"MetricDataResults": [{"Values": list(values)}]}
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("per_second", "row_bytes", "count"),
    [
        (0, 0, 2),
        (500, 1_000, 2),
        (501, 100, 3),
        (10_000, 100, 40),
        (100, 100_000, 39),  # ten million bytes a second, and four times as much fits
        (0.5, 1_000_000, 2),
    ],
)
def test_shards_take_four_times_the_rows_and_the_bytes(per_second, row_bytes, count):
    rate = WriteRate(per_second=per_second, source="a test")
    assert shards_for(rate, row_bytes).count == count


@given(st.floats(0, 1e5), st.integers(0, 2**20))
def test_the_shards_take_what_is_written(per_second, row_bytes):
    count = shards_for(WriteRate(per_second=per_second, source="a test"), row_bytes).count
    assert count * SHARD_RECORDS >= per_second * HEADROOM
    assert count * SHARD_BYTES >= per_second * row_bytes * HEADROOM


@pytest.mark.parametrize(
    ("known", "rate"),
    [
        ({"given": 7.5, "peak_units": 100.0}, WriteRate(per_second=7.5, source="as you said")),
        (
            {"peak_units": 100.0, "provisioned": 5},
            WriteRate(per_second=100.0, source="100.0 write units in the busiest minute of 14 days, by CloudWatch"),
        ),
        (
            {"peak_units": 100.0, "item_bytes": 3_000},
            WriteRate(
                per_second=100 / 3,
                source=(
                    "100.0 write units in the busiest minute of 14 days, by CloudWatch, 3 for an item of 3,000 bytes"
                ),
            ),
        ),
        (
            {"provisioned": 50},
            WriteRate(per_second=50, source="50 write units are provisioned; CloudWatch knows of no writes in 14 days"),
        ),
        (
            {"provisioned": 50, "not_asked": "CloudWatch refused the request (AccessDenied)"},
            WriteRate(
                per_second=50, source="50 write units are provisioned; CloudWatch refused the request (AccessDenied)"
            ),
        ),
        (
            {},
            WriteRate(
                per_second=0,
                source="CloudWatch knows of no writes in 14 days; say it by --writes-per-second",
                guessed=True,
            ),
        ),
    ],
)
def test_a_given_rate_is_used_before_a_measured_one_and_that_before_a_provisioned_one(known, rate):
    nothing = {"given": None, "peak_units": None, "not_asked": None, "provisioned": 0, "item_bytes": 0}
    assert write_rate(**{**nothing, **known}) == rate


def test_the_busiest_minute_of_fourteen_days_is_asked_for_and_found():
    cloudwatch = FakeCloudWatch([60.0, 6_000.0], [120.0])
    assert peak_write_units(cloudwatch, "app", NOW) == (100.0, None)
    (asked,) = cloudwatch.asked
    assert (asked["StartTime"], asked["EndTime"]) == (NOW - timedelta(days=14), NOW)
    assert asked["MetricDataQueries"] == [
        {
            "Id": "writes",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/DynamoDB",
                    "MetricName": "ConsumedWriteCapacityUnits",
                    "Dimensions": [{"Name": "TableName", "Value": "app"}],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
    ]


@pytest.mark.parametrize(
    ("cloudwatch", "answer"),
    [
        (FakeCloudWatch([]), (None, None)),
        (FakeCloudWatch([0.0]), (None, None)),
        (
            FakeCloudWatch([60.0], error=ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")),
            (None, "CloudWatch refused the request (AccessDenied)"),
        ),
        (FakeCloudWatch(error=EndpointConnectionError(endpoint_url="x")), (None, "CloudWatch did not answer")),
    ],
)
def test_no_answer_is_no_error_but_a_reason(cloudwatch, answer):
    assert peak_write_units(cloudwatch, "app", NOW) == answer
