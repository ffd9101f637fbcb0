from pathlib import Path

import pytest

from handlers.settings import SHIPPED_TABLES, HeartbeatSettings, Settings, SettingsError

BUCKET = {"DEAD_LETTER_BUCKET": "dead"}


def test_only_the_bucket_is_required():
    assert Settings.from_mapping(BUCKET) == Settings(
        dead_letter_bucket="dead",
        tables_dir=SHIPPED_TABLES,
        tables=(),
        powertools_service_name="dynapinot",
        event_parser="runtime",
        kinesis_max_request_records=500,
        kinesis_max_request_bytes=5 * 1024 * 1024,
        kinesis_max_record_bytes=1024 * 1024,
        redrive_items_per_second=50,
        replicating_function="",
    )


def test_an_empty_variable_counts_as_not_set():
    empty = dict.fromkeys(("TABLES_DIR", "TABLES", "POWERTOOLS_SERVICE_NAME", "EVENT_PARSER"), "")
    assert Settings.from_mapping({**BUCKET, **empty}) == Settings.from_mapping(BUCKET)


def test_everything_can_be_configured():
    environment = {
        **BUCKET,
        "TABLES_DIR": "/opt/tables",
        "TABLES": "orders, people",
        "POWERTOOLS_SERVICE_NAME": "my-stack",
        "EVENT_PARSER": "orjson",
        "KINESIS_MAX_REQUEST_RECORDS": "100",
        "KINESIS_MAX_REQUEST_BYTES": "10485760",
        "KINESIS_MAX_RECORD_BYTES": "10485760",
        "REDRIVE_ITEMS_PER_SECOND": "5",
        "REPLICATING_FUNCTION": "the-function",
    }
    assert Settings.from_mapping(environment) == Settings(
        dead_letter_bucket="dead",
        tables_dir=Path("/opt/tables"),
        tables=("orders", "people"),
        powertools_service_name="my-stack",
        event_parser="orjson",
        kinesis_max_request_records=100,
        kinesis_max_request_bytes=10485760,
        kinesis_max_record_bytes=10485760,
        redrive_items_per_second=5,
        replicating_function="the-function",
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), (" ", ()), (",", ()), ("a", ("a",)), (" a ,b,", ("a", "b"))],
)
def test_tables_is_a_comma_separated_list_and_empty_means_all(text, names):
    environment = {**BUCKET, "TABLES": text}
    assert Settings.from_mapping(environment).tables == names
    assert HeartbeatSettings.from_mapping({**environment, "HEARTBEAT_TABLE": "t"}).tables == names


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "DEAD_LETTER_BUCKET"),
        ({"DEAD_LETTER_BUCKET": ""}, "DEAD_LETTER_BUCKET"),
        ({**BUCKET, "KINESIS_MAX_REQUEST_RECORDS": "501"}, "KINESIS_MAX_REQUEST_RECORDS"),
        ({**BUCKET, "KINESIS_MAX_REQUEST_RECORDS": "1"}, "KINESIS_MAX_REQUEST_RECORDS"),
        ({**BUCKET, "KINESIS_MAX_REQUEST_BYTES": "5 MiB"}, "KINESIS_MAX_REQUEST_BYTES"),
        ({**BUCKET, "KINESIS_MAX_RECORD_BYTES": "-1"}, "KINESIS_MAX_RECORD_BYTES"),
        ({**BUCKET, "KINESIS_MAX_RECORD_BYTES": "10485760"}, "KINESIS_MAX_REQUEST_BYTES"),
        ({**BUCKET, "EVENT_PARSER": "simplejson"}, "^EVENT_PARSER is not one of runtime, orjson$"),
        ({**BUCKET, "EVENT_PARSER": "orjson "}, "^EVENT_PARSER is not one of runtime, orjson$"),
    ],
)
def test_an_invalid_variable_is_reported_by_its_name(environment, name):
    with pytest.raises(SettingsError, match=name):
        Settings.from_mapping(environment)
