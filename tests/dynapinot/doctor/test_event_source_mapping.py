"""An event source mapping, of Lambda's API and of a template, broken in one way after the other."""

from __future__ import annotations

import pytest

from dynapinot.doctor.event_source_mapping import Place, setting_findings, shared_source_findings, state_findings
from dynapinot.doctor.finding import UNKNOWN
from files import REMOVED, with_setting

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:replicator"
SOURCE = "arn:aws:dynamodb:us-east-1:123456789012:table/app/stream/2024-06-22T18:00:00.000"

# GetEventSourceMapping's answer for the mapping that template.yaml makes.
# https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
GOOD = {
    "UUID": "14e0db71-5d35-4eb5-b481-8945cf9d10c2",
    "StartingPosition": "TRIM_HORIZON",
    "BatchSize": 1000,
    "MaximumBatchingWindowInSeconds": 1,
    "ParallelizationFactor": 1,
    "EventSourceArn": SOURCE,
    "FunctionArn": FUNCTION,
    "LastProcessingResult": "OK",
    "State": "Enabled",
    "StateTransitionReason": "User action",
    "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::letters"}},
    "MaximumRecordAgeInSeconds": 72000,
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 10000,
    "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "MetricsConfig": {"Metrics": ["EventCount"]},
}
PLACE = Place("mapping")


def found_in(mapping, *, timeout_s=60, bucket="letters"):
    findings = [*state_findings(mapping, PLACE), *setting_findings(mapping, PLACE, timeout_s=timeout_s, bucket=bucket)]
    assert all(each.problem and each.remedy for each in findings)
    return [(each.level, each.code) for each in findings]


def test_the_templates_own_mapping_has_nothing_wrong():
    assert found_in(GOOD) == []


@pytest.mark.parametrize(
    ("setting", "value", "level", "code"),
    [
        ("State", "Disabled", "error", "mapping_state"),
        ("State", "Disabling", "error", "mapping_state"),
        ("State", "Enabling", "note", "mapping_state"),
        ("LastProcessingResult", "PROBLEM: Function call failed", "error", "mapping_result"),
        ("StartingPosition", "LATEST", "warning", "mapping_position"),
        ("FunctionResponseTypes", [], "error", "mapping_response"),
        ("FunctionResponseTypes", REMOVED, "error", "mapping_response"),
        ("BisectBatchOnFunctionError", False, "warning", "mapping_bisect"),
        ("BisectBatchOnFunctionError", REMOVED, "warning", "mapping_bisect"),
        ("DestinationConfig", {}, "error", "mapping_destination"),
        ("DestinationConfig", {"OnFailure": {}}, "error", "mapping_destination"),
        ("DestinationConfig.OnFailure.Destination", "arn:aws:sqs:us-east-1:1:q", "warning", "mapping_destination"),
        ("DestinationConfig.OnFailure.Destination", "arn:aws:s3:::others", "warning", "mapping_destination"),
        ("MaximumRecordAgeInSeconds", -1, "warning", "mapping_age"),
        ("MaximumRecordAgeInSeconds", REMOVED, "warning", "mapping_age"),
        ("MaximumRecordAgeInSeconds", 604800, "warning", "mapping_age"),
        ("MaximumRecordAgeInSeconds", 60, "warning", "mapping_age"),
        ("MaximumRetryAttempts", 3, "warning", "mapping_attempts"),
        ("MaximumRetryAttempts", 1599, "warning", "mapping_attempts"),
        ("FilterCriteria", {"Filters": [{"Pattern": "{}"}]}, "warning", "mapping_filter"),
        ("TumblingWindowInSeconds", 30, "warning", "mapping_window"),
        ("MetricsConfig", REMOVED, "note", "mapping_metrics"),
        ("MetricsConfig", {"Metrics": []}, "note", "mapping_metrics"),
    ],
)
def test_each_setting_that_is_wrong_is_one_finding(setting, value, level, code):
    assert found_in(with_setting(GOOD, setting, value)) == [(level, code)]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("LastProcessingResult", "No records processed"),
        ("LastProcessingResult", REMOVED),
        ("MaximumRetryAttempts", -1),
        ("MaximumRetryAttempts", REMOVED),
        ("MaximumRetryAttempts", 1600),
        ("MaximumRecordAgeInSeconds", 82800),
        ("MaximumRecordAgeInSeconds", 3600),
        ("BatchSize", 10000),
        ("FilterCriteria", {"Filters": []}),
    ],
)
def test_an_equivalent_setting_is_not_reported(setting, value):
    assert found_in(with_setting(GOOD, setting, value)) == []


def test_numbers_may_be_text_in_a_template_and_unknown_settings_are_not_judged():
    texts = {**GOOD, "MaximumRetryAttempts": "3", "BisectBatchOnFunctionError": "true"}
    assert found_in(texts) == [("warning", "mapping_attempts")]
    names = ("FunctionResponseTypes", "BisectBatchOnFunctionError", "DestinationConfig", "MaximumRetryAttempts")
    unknown = dict.fromkeys((*names, "MaximumRecordAgeInSeconds", "MetricsConfig", "FilterCriteria"), UNKNOWN)
    assert found_in({**GOOD, **unknown}) == []
    assert found_in(GOOD, bucket=None) == []
    assert found_in(with_setting(GOOD, "DestinationConfig.OnFailure.Destination", UNKNOWN)) == []


def test_the_reason_of_a_state_is_reported_unless_a_user_changed_it():
    (finding,) = state_findings({**GOOD, "State": "Disabled", "StateTransitionReason": "no permission"}, PLACE)
    (usual,) = state_findings({**GOOD, "State": "Disabled"}, PLACE)
    assert finding.problem == "it is Disabled (no permission), so no change is replicated"
    assert usual.problem == "it is Disabled, so no change is replicated"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], []),
        ([{"UUID": "2", "FunctionArn": f"{FUNCTION}:live", "State": "Enabled"}], [("warning", "mapping_twice")]),
        ([{"UUID": "2", "FunctionArn": FUNCTION, "State": "Disabled"}], []),
        ([{"UUID": "2", "FunctionArn": f"{FUNCTION}-2", "State": "Enabled"}], [("note", "mapping_others")]),
    ],
)
def test_who_else_reads_the_source_is_reported(others, expected):
    findings = shared_source_findings(FUNCTION, SOURCE, [GOOD, *others])
    assert [(each.level, each.code) for each in findings] == expected
