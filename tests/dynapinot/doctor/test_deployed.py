"""What is deployed, asked of AWS as moto plays it: whole, and broken in one place after the other."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from deployment import BUCKET, FUNCTION, NOW_MS, STREAM
from dynapinot.doctor.deployed import table_of
from dynapinot.doctor.run import Places, diagnose
from dynapinot.errors import CommandError
from files import CONFIG, SCHEMA, with_column, with_setting


@pytest.fixture
def look(folder):
    """Diagnose a table of that stream, whole by default, with the function's name."""

    def diagnose_(*, function=FUNCTION, directory=None, **places):
        where = directory or folder()
        return diagnose(where, Places(function=function, **places), now_ms=NOW_MS)

    return diagnose_


def levels_and_codes(diagnosis):
    return [(each.level, each.code) for each in diagnosis.findings]


def missed(diagnosis):
    return {each.what for each in diagnosis.missed}


def test_the_deployed_template_has_no_findings(aws, look):
    diagnosis = look()
    assert levels_and_codes(diagnosis) == []
    assert diagnosis.looked_at == [
        f"Lambda: function {FUNCTION}",
        f"Lambda: function {FUNCTION}: concurrency",
        f"Lambda: event source mappings of {FUNCTION}",
        f"Lambda: event source mappings of {aws.source}",
        f"S3: bucket {BUCKET}",
        f"CloudWatch: metrics of {FUNCTION}",
        diagnosis.looked_at[6],  # the table's folder
        "DynamoDB: table app",
        "DynamoDB: table app: Time to Live",
        "DynamoDB: table app: backups",
        f"Kinesis: stream {STREAM}",
        f"Kinesis: stream {STREAM}: shards",
    ]
    assert missed(diagnosis) == {
        "the template these tables are deployed with",
        "samples of changes or items",
        "IAM: what the function and Pinot's servers may do",
        "Pinot: the tables and their segments",
        "Pinot: what queries see",
        "Pinot: rows that servers dropped",
    }


def disable_mapping(aws):
    aws["lambda"].update_event_source_mapping(UUID=aws.mapping, Enabled=False)


def delete_mapping(aws):
    aws["lambda"].delete_event_source_mapping(UUID=aws.mapping)


def connect_twice(aws):
    aws.connect(aws.source)


def connect_a_kinesis_stream_that_pinot_reads(aws):
    arn = aws["kinesis"].describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
    aws.connect(arn)


def connect_a_stream_that_is_gone(aws):
    aws["kinesis"].create_stream(StreamName="changes", ShardCount=1)
    arn = aws["kinesis"].describe_stream_summary(StreamName="changes")["StreamDescriptionSummary"]["StreamARN"]
    aws.connect(arn)
    aws["kinesis"].delete_stream(StreamName="changes")


def make_the_table_anew(aws):
    """Which gives its stream another ARN, as enabling a stream again does on AWS; moto refuses that."""
    aws["dynamodb"].delete_table(TableName="app")
    aws.make_table("app")


def disable_the_stream(aws):
    aws["dynamodb"].update_table(TableName="app", StreamSpecification={"StreamEnabled": False})


def delete_the_table(aws):
    aws["dynamodb"].delete_table(TableName="app")


def expire_items(aws):
    on = {"Enabled": True, "AttributeName": "expires"}
    aws["dynamodb"].update_time_to_live(TableName="app", TimeToLiveSpecification=on)


def delete_the_bucket(aws):
    aws["s3"].delete_bucket(Bucket=BUCKET)


def unset_the_bucket(aws):
    aws.set_variables(TABLES="")


def throttle_the_function(aws):
    aws["lambda"].put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=0)


def delete_the_rows_stream(aws):
    aws["kinesis"].delete_stream(StreamName=STREAM)


def split_a_shard(aws):
    key = str(2**126)
    aws["kinesis"].split_shard(StreamName=STREAM, ShardToSplit="shardId-000000000000", NewStartingHashKey=key)


def go_on_demand(aws):
    arn = aws["kinesis"].describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
    aws["kinesis"].update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})


def keep_rows_for_a_day(aws):
    aws["kinesis"].decrease_stream_retention_period(StreamName=STREAM, RetentionPeriodHours=24)


def dead_letters(aws):
    aws.count("dynapinot", "DeadLetters", "service", "dynapinot", 3)


def fall_behind(aws):
    aws.count("AWS/Lambda", "IteratorAge", "FunctionName", FUNCTION, 600_000)


@pytest.mark.parametrize(
    ("break_", "expected"),
    [
        (disable_mapping, [("error", "mapping_state")]),
        (delete_mapping, [("error", "mapping_absent")]),
        (connect_twice, [("warning", "mapping_twice")]),
        (connect_a_kinesis_stream_that_pinot_reads, [("error", "stream_loop")]),
        (connect_a_stream_that_is_gone, [("error", "change_stream_absent")]),
        (make_the_table_anew, [("error", "stream_arn")]),
        (disable_the_stream, [("error", "stream_off")]),
        (delete_the_table, [("error", "table_absent")]),
        (expire_items, [("note", "ttl")]),
        (delete_the_bucket, [("error", "bucket_absent")]),
        (unset_the_bucket, [("error", "function_environment")]),
        (throttle_the_function, [("error", "function_throttled")]),
        (delete_the_rows_stream, [("error", "stream_absent")]),
        (split_a_shard, [("error", "stream_resharded")]),
        (go_on_demand, [("error", "stream_mode")]),
        (keep_rows_for_a_day, [("warning", "stream_retention")]),
        (dead_letters, [("warning", "dead_letters")]),
        (fall_behind, [("warning", "late")]),
    ],
)
def test_each_thing_that_is_broken_is_one_finding(aws, look, break_, expected):
    break_(aws)
    assert levels_and_codes(look()) == expected


def test_a_function_that_is_not_there_is_reported_and_the_streams_are_looked_at_all_the_same(aws, look):
    diagnosis = look(function="nix")
    assert levels_and_codes(diagnosis) == [("error", "function_absent")]
    assert f"Kinesis: stream {STREAM}" in diagnosis.looked_at
    assert "DynamoDB: the table that is replicated" in missed(diagnosis)


def test_a_missing_sort_key_is_one_fault_whether_dynamodb_or_samples_show_it(aws, look, folder, tmp_path):
    schema = with_setting(with_column("other", "STRING"), "primaryKeyColumns", ["other"])
    keyed = {"other": {"S": "a"}, "id": {"S": "b"}}
    event = {
        "eventName": "REMOVE",
        "eventSourceARN": aws.source,
        "dynamodb": {
            "ApproximateCreationDateTime": 1719082124,
            "SequenceNumber": "1",
            "Keys": keyed,
            "OldImage": keyed,
        },
    }
    (tmp_path / "event.json").write_text(json.dumps({"Records": [event]}))
    aws["dynamodb"].delete_table(TableName="app")
    aws["dynamodb"].create_table(
        TableName="app",
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "other")],
        BillingMode="PAY_PER_REQUEST",
    )
    found = levels_and_codes(look(directory=folder(schema=schema), events=[tmp_path / "event.json"]))
    assert found.count(("warning", "rows_shared")) == 1


def test_a_table_that_source_toml_names_is_looked_at_without_a_function(aws, look, folder):
    diagnosis = look(function=None, aws=True, directory=folder(source='dynamodb_table = "app"'))
    assert levels_and_codes(diagnosis) == []
    assert "DynamoDB: table app" in diagnosis.looked_at
    assert "Lambda: the function and its event source mapping" in missed(diagnosis)


@pytest.mark.parametrize(
    ("status", "expected"), [("ACTIVE", [("note", "microseconds")]), ("DISABLED", [("error", "destination")])]
)
def test_changes_by_kinesis_are_checked_at_the_table_that_source_toml_names(
    aws, look, folder, answer_instead, status, expected
):
    aws["kinesis"].create_stream(StreamName="changes", ShardCount=1)
    arn = aws["kinesis"].describe_stream_summary(StreamName="changes")["StreamDescriptionSummary"]["StreamARN"]
    delete_mapping(aws)
    aws.connect(arn)
    # moto does not know where a table's changes go; this is AWS' documented answer.
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeKinesisStreamingDestination.html
    destination = {
        "StreamArn": arn,
        "DestinationStatus": status,
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    }
    answer_instead(
        "DescribeKinesisStreamingDestination",
        lambda arguments: {"TableName": arguments["TableName"], "KinesisDataStreamDestinations": [destination]},
    )
    diagnosis = look(directory=folder(source='dynamodb_table = "app"'))
    assert levels_and_codes(diagnosis) == expected
    assert "Kinesis: stream changes of changes" in diagnosis.looked_at


def test_the_tables_are_those_in_the_functions_settings(aws, look, folder):
    aws.set_variables(DEAD_LETTER_BUCKET=BUCKET, TABLES="items")
    folder()
    directory = folder("broken", config=with_setting(CONFIG, "tableName", ""))
    assert levels_and_codes(look(directory=directory)) == []


def described(**outputs):
    """DescribeStacks' answer: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html"""
    stack = {
        "StackName": "stack",
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": [{"ParameterKey": "Tables", "ParameterValue": "items"}],
        "Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()],
    }
    return lambda _: {"Stacks": [stack]}


def test_the_function_and_the_tables_are_read_from_the_stack(aws, look, folder, answer_instead):
    answer_instead("DescribeStacks", described(FunctionName=FUNCTION))
    folder()
    directory = folder("broken", config=with_setting(CONFIG, "tableName", ""))
    aws.set_variables(DEAD_LETTER_BUCKET=BUCKET, TABLES="items")
    diagnosis = look(function=None, stack="stack", directory=directory)
    assert levels_and_codes(diagnosis) == []
    assert {"CloudFormation: stack stack", f"Lambda: function {FUNCTION}"} <= set(diagnosis.looked_at)


def test_a_stack_without_a_function_is_reported_and_its_parameters_still_count(aws, look, folder, answer_instead):
    answer_instead("DescribeStacks", described(Nothing="x"))
    folder()
    directory = folder("broken", config=with_setting(CONFIG, "tableName", ""))
    template = directory.parent / "template.yaml"
    template.write_text("Resources: {}")
    diagnosis = look(function=None, stack="stack", directory=directory, template=template)
    assert levels_and_codes(diagnosis) == []
    assert "Lambda: the stack's function" in missed(diagnosis)


def test_a_stack_that_is_not_there_is_refused(aws, look, answer_instead):
    def refuse(_):
        error = {"Error": {"Code": "ValidationError", "Message": "Stack with id nix does not exist"}}
        raise ClientError(error, "DescribeStacks")

    answer_instead("DescribeStacks", refuse)
    with pytest.raises(CommandError, match=r"^There is no stack nix in eu-west-1: fix --stack or --region$"):
        look(function=None, stack="nix")


def test_a_refusal_by_aws_is_reported_and_hides_nothing_else(aws, look, answer_instead):
    def refuse(_):
        error = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
        raise ClientError(error, "GetFunctionConcurrency")

    answer_instead("GetFunctionConcurrency", refuse)
    diagnosis = look()
    assert levels_and_codes(diagnosis) == []
    assert [each.why for each in diagnosis.missed if "concurrency" in each.what] == [
        "AWS refused GetFunctionConcurrency: AccessDeniedException: not authorized"
    ]


def test_the_largest_record_that_kinesis_reports_is_compared_with_the_functions(aws, look, answer_instead):
    summary = aws["kinesis"].describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]
    answer_instead(  # moto does not report it
        "DescribeStreamSummary", lambda _: {"StreamDescriptionSummary": {**summary, "MaxRecordSizeInKiB": 10_240}}
    )
    assert levels_and_codes(look()) == [("note", "record_limit")]


def test_errors_in_a_tables_files_leave_the_rest_to_be_looked_at(aws, look, folder):
    diagnosis = look(directory=folder(schema=with_setting(SCHEMA, "primaryKeyColumns", [])))
    assert ("error", "primaryKeyColumns") in levels_and_codes(diagnosis)
    assert "DynamoDB: table app" in diagnosis.looked_at
    assert any("what depends on its files" in each for each in missed(diagnosis))


@pytest.mark.parametrize(
    ("arn", "table"),
    [
        ("arn:aws:dynamodb:us-east-1:1:table/app/stream/2024-06-22T18:00:00.000", "app"),
        ("arn:aws:kinesis:us-east-1:1:stream/app", None),
    ],
)
def test_the_table_is_read_from_the_streams_arn(arn, table):
    assert table_of(arn) == table
