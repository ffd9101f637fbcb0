"""The function's configuration, broken in one way after the other."""

from __future__ import annotations

import pytest

from dynapinot.doctor.function import (
    concurrency_findings,
    function_findings,
    hidden_environment,
    record_limit_findings,
    settings_of,
)
from files import REMOVED, with_setting

# GetFunctionConfiguration's answer: https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
GOOD = {
    "FunctionName": "replicator",
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:replicator",
    "Handler": "handlers.stream.handler",
    "Timeout": 60,
    "MemorySize": 512,
    "State": "Active",
    "LastUpdateStatus": "Successful",
    "Environment": {"Variables": {"DEAD_LETTER_BUCKET": "letters", "KINESIS_MAX_RECORD_BYTES": "1048576"}},
}
VARIABLES = "Environment.Variables"


def found_in(configuration):
    return [(each.level, each.code) for each in function_findings(configuration)]


def test_the_templates_own_function_has_nothing_wrong():
    assert found_in(GOOD) == []


@pytest.mark.parametrize(
    ("setting", "value", "level", "code"),
    [
        ("Handler", "app.handler", "error", "function_handler"),
        ("State", "Failed", "error", "function_state"),
        ("State", "Pending", "error", "function_state"),
        ("LastUpdateStatus", "Failed", "error", "function_update"),
        ("Timeout", 44, "warning", "function_timeout"),
        ("MemorySize", 128, "warning", "function_memory"),
        (f"{VARIABLES}.DEAD_LETTER_BUCKET", REMOVED, "error", "function_environment"),
        ("Environment", REMOVED, "error", "function_environment"),
        (f"{VARIABLES}.KINESIS_MAX_RECORD_BYTES", "1 MiB", "error", "function_environment"),
        (f"{VARIABLES}.KINESIS_MAX_RECORD_BYTES", "10485760", "error", "function_environment"),
    ],
)
def test_each_thing_that_is_wrong_is_one_finding(setting, value, level, code):
    assert found_in(with_setting(GOOD, setting, value)) == [(level, code)]


def test_a_variable_that_is_wrong_is_named_with_what_to_do():
    (finding,) = function_findings(with_setting(GOOD, f"{VARIABLES}.DEAD_LETTER_BUCKET", REMOVED))
    assert finding.where == "function replicator: DEAD_LETTER_BUCKET"
    assert finding.problem == "it is not set: name the S3 bucket for dead letters"


def test_an_idle_function_is_well():
    assert found_in({**GOOD, "State": "Inactive"}) == []


@pytest.mark.parametrize(
    ("concurrency", "expected"),
    [
        ({}, []),
        ({"ReservedConcurrentExecutions": 0}, [("error", "function_throttled")]),
        ({"ReservedConcurrentExecutions": 2}, [("note", "function_throttled")]),
    ],
)
def test_a_function_that_may_not_run_is_reported(concurrency, expected):
    assert [(each.level, each.code) for each in concurrency_findings("replicator", concurrency)] == expected


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(1_048_576, []), (524_288, [("error", "record_limit")]), (10_485_760, [("note", "record_limit")])],
)
def test_the_largest_row_is_what_the_stream_takes(largest, expected):
    found = record_limit_findings(settings_of(GOOD), "items-stream", largest)
    assert [(each.level, each.code) for each in found] == expected


def test_a_function_that_could_not_start_has_no_settings():
    assert settings_of({**GOOD, "Environment": {}}) is None
    assert settings_of(GOOD).dead_letter_bucket == "letters"


def test_variables_that_cannot_be_seen_are_not_judged():
    """As AWS answers who may not decrypt them: API_EnvironmentResponse.html."""
    failure = {"ErrorCode": "AccessDeniedException", "Message": "not authorized"}
    hidden = {**GOOD, "Environment": {"Error": failure}}
    assert found_in(hidden) == []
    assert settings_of(hidden) is None
    assert hidden_environment(hidden) == "AccessDeniedException: not authorized"
    assert hidden_environment(GOOD) is None
