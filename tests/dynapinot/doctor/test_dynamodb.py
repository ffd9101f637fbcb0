"""A DynamoDB table, broken in one way after the other."""

from __future__ import annotations

import pytest

from dynapinot.doctor.dynamodb import backup_findings, destination_findings, table_findings, ttl_findings
from files import CONFIG, REMOVED, SCHEMA, table, with_column, with_setting

STREAM_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/app/stream/2024-06-22T18:00:00.000"
KINESIS_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/app-changes"

# DescribeTable's answer: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
GOOD = {
    "TableName": "app",
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    "LatestStreamArn": STREAM_ARN,
}
WITH_SORT_KEY = {
    **GOOD,
    "KeySchema": [*GOOD["KeySchema"], {"AttributeName": "at", "KeyType": "RANGE"}],
    "AttributeDefinitions": [*GOOD["AttributeDefinitions"], {"AttributeName": "at", "AttributeType": "N"}],
}


def found_in(description, *tables, source_arn=STREAM_ARN):
    found = list(table_findings(description, tables or (table(),), source_arn=source_arn))
    assert all(each.problem and each.remedy for each in found)
    return [(each.level, each.code) for each in found]


def test_a_table_that_is_as_it_should_be_has_nothing_wrong():
    assert found_in(GOOD) == []
    assert found_in(GOOD, source_arn=None) == []
    keyed = table(with_setting(with_column("at", "LONG"), "primaryKeyColumns", ["id", "at"]))
    assert found_in(WITH_SORT_KEY, keyed) == []


@pytest.mark.parametrize(
    ("setting", "value", "level", "code"),
    [
        ("TableStatus", "ARCHIVED", "error", "table_state"),
        ("StreamSpecification", REMOVED, "error", "stream_off"),
        ("StreamSpecification.StreamEnabled", False, "error", "stream_off"),
        ("StreamSpecification.StreamViewType", "KEYS_ONLY", "error", "view_type"),
        ("StreamSpecification.StreamViewType", "OLD_IMAGE", "error", "view_type"),
        ("StreamSpecification.StreamViewType", "NEW_IMAGE", "note", "old_images"),
        ("LatestStreamArn", STREAM_ARN.replace("2024", "2025"), "error", "stream_arn"),
        ("AttributeDefinitions.0.AttributeType", "B", "error", "dead_letter.type_mismatch"),
    ],
)
def test_each_thing_that_is_wrong_is_one_finding(setting, value, level, code):
    assert found_in(with_setting(GOOD, setting, value)) == [(level, code)]


def test_a_sort_key_that_the_primary_key_leaves_out_is_reported():
    assert found_in(WITH_SORT_KEY, table(with_column("at", "LONG"))) == [("warning", "rows_shared")]


def test_a_key_of_numbers_fits_any_column_that_takes_numbers():
    for data_type in ("LONG", "TIMESTAMP", "STRING", "BIG_DECIMAL"):
        keyed = table(with_setting(with_column("at", data_type), "primaryKeyColumns", ["id", "at"]))
        assert found_in(WITH_SORT_KEY, keyed) == []
    keyed = table(with_setting(with_column("at", "BYTES"), "primaryKeyColumns", ["id", "at"]))
    assert found_in(WITH_SORT_KEY, keyed) == [("error", "dead_letter.type_mismatch")]


def test_old_images_are_needed_if_only_they_show_which_row_to_delete():
    description = with_setting(GOOD, "StreamSpecification.StreamViewType", "NEW_IMAGE")
    by_name = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))
    filtered = table(source={"when": {"name": "x"}})
    assert found_in(description, by_name) == [("error", "old_images")]
    assert found_in(description, filtered) == [("error", "old_images")]


def test_a_table_that_nobody_replicates_is_reported():
    assert [each.code for each in table_findings(GOOD, (), source_arn=STREAM_ARN)] == ["no_table"]


def test_a_stream_of_its_own_does_not_matter_where_the_changes_go_by_kinesis():
    assert found_in(with_setting(GOOD, "StreamSpecification", REMOVED), source_arn=KINESIS_ARN) == []


def ttl(status, keep=False, **description):
    tables = [table(source={"ttl_deletes": "keep" if keep else "delete"})]
    found = ttl_findings(
        "app", {"TimeToLiveStatus": status, "AttributeName": "expires"}, {**GOOD, **description}, tables
    )
    return [(each.level, each.code) for each in found]


def test_the_effect_of_deletes_by_time_to_live_is_a_note():
    assert ttl("DISABLED") == []
    assert ttl("ENABLED") == [("note", "ttl")]
    assert ttl("ENABLED", keep=True) == [("note", "ttl")]


def test_a_time_to_live_delete_of_a_global_table_looks_like_a_plain_delete_in_other_regions():
    replicas = [{"RegionName": "eu-west-1"}]
    assert ttl("ENABLED", keep=True, Replicas=replicas) == [("warning", "ttl_replicas")]
    assert ttl("ENABLED", Replicas=replicas) == [("note", "ttl")]


@pytest.mark.parametrize(
    ("status", "expected"), [("ENABLED", []), ("DISABLED", ["recovery_off"]), (None, ["recovery_off"])]
)
def test_without_point_in_time_recovery_a_gap_cannot_be_found(status, expected):
    backups = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}} if status else {}
    assert [each.code for each in backup_findings("app", backups)] == expected


def destination(tables=None, **settings):
    there = {"StreamArn": KINESIS_ARN, "DestinationStatus": "ACTIVE", **settings}
    found = destination_findings("app", [there], KINESIS_ARN, tables or [table()])
    return [(each.level, each.code) for each in found]


def test_changes_sent_elsewhere_than_the_function_reads_are_reported():
    assert destination() == []
    assert destination(DestinationStatus="DISABLED") == [("error", "destination")]
    assert destination(StreamArn=f"{KINESIS_ARN}-2") == [("error", "destination")]


def test_a_destination_of_microseconds_is_a_note():
    assert destination(ApproximateCreationDateTimePrecision="MICROSECOND") == [("note", "microseconds")]
    assert destination(ApproximateCreationDateTimePrecision="MILLISECOND") == []


def test_changes_by_kinesis_have_no_exact_version():
    config = with_setting(CONFIG, "upsertConfig.comparisonColumns", ["version"])
    source = {"columns": {"version": "$version", "changed": "$timestamp"}}
    assert destination([table(with_column("version", "STRING"), config, source)]) == [("warning", "no_version")]
