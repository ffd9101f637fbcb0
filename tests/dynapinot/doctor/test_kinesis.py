"""A Kinesis stream that Pinot reads, broken in one way after the other."""

from __future__ import annotations

import pytest

from dynapinot.doctor.kinesis import (
    is_closed,
    largest_record_bytes,
    own_source_findings,
    shard_findings,
    shard_number,
    summary_findings,
)
from files import REMOVED, with_setting

HOUR = 3_600_000
ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/items-stream"

# DescribeStreamSummary's and ListShards' answers.
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_StreamDescriptionSummary.html
GOOD = {
    "StreamName": "items-stream",
    "StreamARN": ARN,
    "StreamStatus": "ACTIVE",
    "StreamModeDetails": {"StreamMode": "PROVISIONED"},
    "RetentionPeriodHours": 168,
    "EncryptionType": "KMS",
    "KeyId": "alias/aws/kinesis",
    "OpenShardCount": 2,
    "ConsumerCount": 0,
    "MaxRecordSizeInKiB": 1024,
}
OPEN = [
    {"ShardId": "shardId-000000000000", "SequenceNumberRange": {"StartingSequenceNumber": "1"}},
    {"ShardId": "shardId-000000000001", "SequenceNumberRange": {"StartingSequenceNumber": "2"}},
]
CLOSED = {
    "ShardId": "shardId-000000000000",
    "SequenceNumberRange": {"StartingSequenceNumber": "1", "EndingSequenceNumber": "9"},
}
CHILD = {**OPEN[1], "ShardId": "shardId-000000000002", "ParentShardId": "shardId-000000000000"}


def found_in(summary, flush=6 * HOUR):
    return [(each.level, each.code) for each in summary_findings(summary, flush)]


def test_the_templates_own_stream_has_nothing_wrong():
    assert found_in(GOOD) == []
    assert list(shard_findings("items-stream", OPEN)) == []


@pytest.mark.parametrize(
    ("setting", "value", "level", "code"),
    [
        ("StreamModeDetails.StreamMode", "ON_DEMAND", "error", "stream_mode"),
        ("StreamStatus", "DELETING", "error", "stream_state"),
        ("RetentionPeriodHours", 6, "error", "stream_retention"),
        ("RetentionPeriodHours", 24, "warning", "stream_retention"),
        ("RetentionPeriodHours", 29, "warning", "stream_retention"),
        ("KeyId", "arn:aws:kms:eu-west-1:123456789012:key/1", "note", "stream_key"),
        ("ConsumerCount", 1, "note", "stream_consumers"),
    ],
)
def test_each_thing_that_is_wrong_is_one_finding(setting, value, level, code):
    assert found_in(with_setting(GOOD, setting, value)) == [(level, code)]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("RetentionPeriodHours", 30),
        ("StreamModeDetails", REMOVED),
        ("EncryptionType", "NONE"),
        ("StreamStatus", "UPDATING"),
    ],
)
def test_an_equivalent_setting_is_not_reported(setting, value):
    assert found_in(with_setting(GOOD, setting, value)) == []


def test_a_longer_flush_needs_a_longer_retention_and_an_unknown_one_is_not_judged():
    assert found_in(GOOD, 144 * HOUR) == []
    assert found_in(GOOD, 145 * HOUR) == [("warning", "stream_retention")]
    assert found_in(GOOD, 168 * HOUR) == [("error", "stream_retention")]
    assert found_in({**GOOD, "RetentionPeriodHours": 1}, None) == []


@pytest.mark.parametrize("shards", [[CLOSED, OPEN[1]], [OPEN[1], CHILD], [CLOSED, OPEN[1], CHILD]])
def test_a_stream_that_was_resharded_is_reported_once(shards):
    (finding,) = shard_findings("items-stream", shards)
    assert (finding.level, finding.code) == ("error", "stream_resharded")


def test_a_shards_number_and_whether_it_is_closed_are_read():
    assert [(shard_number(shard), is_closed(shard)) for shard in (CLOSED, OPEN[1], CHILD)] == [
        (0, True),
        (1, False),
        (2, False),
    ]


def test_the_largest_record_is_the_one_that_kinesis_reports():
    assert largest_record_bytes(GOOD) == 1_048_576
    assert largest_record_bytes({}) is None


def test_a_function_that_reads_its_own_rows_is_reported():
    (finding,) = own_source_findings(ARN, {ARN: "items"})
    assert (finding.level, finding.code) == ("error", "stream_loop")
    assert list(own_source_findings(f"{ARN}-2", {ARN: "items"})) == []
