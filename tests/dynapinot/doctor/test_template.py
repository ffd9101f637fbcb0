"""The template and samconfig.toml against the tables' files: the project's own, broken in one way after the other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dynapinot.defaults import DEMO_TABLES
from dynapinot.doctor import tables, template
from dynapinot.doctor.finding import Diagnosis
from dynapinot.doctor.template import Deployment, overrides, read_samconfig
from dynapinot.errors import CommandError
from files import CONFIG, REMOVED, SCHEMA, with_column, with_setting

ROOT = Path(__file__).parents[3]
OWN = ROOT / "template.yaml"
EXAMPLE = ROOT / "examples" / "single-table" / "tables"
STREAM_ARN = "arn:aws:kinesis:{}:123456789012:stream/{}"


def found_in(file, folder=DEMO_TABLES, region="us-east-1", **parameters):
    diagnosis = Diagnosis()
    folders = tables.look(Diagnosis(), folder)
    template.look(diagnosis, file, folders, Deployment(parameters=parameters, region=region))
    assert all(each.problem and each.remedy for each in diagnosis.findings)
    return [(each.level, each.code, each.about) for each in diagnosis.findings]


@pytest.fixture
def broken(tmp_path):
    """The project's own template with one thing replaced, by a regular expression."""

    def write(pattern, replacement):
        text, count = re.subn(pattern, replacement, OWN.read_text(), count=1, flags=re.DOTALL)
        assert count == 1, f"nothing in the template matches {pattern}"
        (tmp_path / "template.yaml").write_text(text)
        return tmp_path / "template.yaml"

    return write


def test_the_projects_own_template_fits_the_shipped_table():
    assert found_in(OWN) == []
    assert found_in(OWN, region=None) == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "expected"),
    [
        ("StreamMode: PROVISIONED", "StreamMode: ON_DEMAND", [("error", "stream_mode", "pinot-ingestion-stream")]),
        (r"\[ReportBatchItemFailures\]", "[]", [("error", "mapping_response", "")]),
        ("BisectBatchOnFunctionError: true", "BisectBatchOnFunctionError: false", [("warning", "mapping_bisect", "")]),
        ("StartingPosition: TRIM_HORIZON", "StartingPosition: LATEST", [("warning", "mapping_position", "")]),
        (r"DestinationConfig:\s+OnFailure:", "Nothing:\n        OnFailure:", [("error", "mapping_destination", "")]),
        (r"Metrics: \[EventCount\]", "Metrics: []", [("note", "mapping_metrics", "")]),
        ("StreamViewType: NEW_AND_OLD_IMAGES", "StreamViewType: KEYS_ONLY", [("error", "view_type", "DemoTable")]),
        ("StreamViewType: NEW_AND_OLD_IMAGES", "StreamViewType: NEW_IMAGE", [("note", "old_images", "DemoTable")]),
    ],
)
def test_each_thing_that_is_wrong_in_a_template_is_one_finding(broken, pattern, replacement, expected):
    assert found_in(broken(pattern, replacement)) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"MaxRetryAttempts": "3"}, [("warning", "mapping_attempts", "")]),
        ({"MaxRecordAgeSeconds": "60"}, [("warning", "mapping_age", "")]),
        ({"KinesisRetentionHours": "24"}, [("warning", "stream_retention", "pinot-ingestion-stream")]),
        ({"KinesisStreamName": "other"}, [("error", "stream_unmatched", "pinot_dynamo_ingestion")]),
        (
            {"KinesisStreamArn": STREAM_ARN.format("us-east-1", "other")},
            [("error", "stream_unmatched", "pinot_dynamo_ingestion")],
        ),
        (
            {"KinesisStreamArn": STREAM_ARN.format("eu-west-1", "pinot-ingestion-stream")},
            [("error", "stream_unmatched", "pinot_dynamo_ingestion")],
        ),
        ({"KinesisStreamArn": STREAM_ARN.format("us-east-1", "pinot-ingestion-stream")}, []),
        ({"TableStreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"}, []),
    ],
)
def test_parameters_are_judged_as_well(parameters, expected):
    assert found_in(OWN, **parameters) == expected


def test_a_stack_in_another_region_than_the_table_is_reported():
    assert found_in(OWN, region="eu-west-1") == [("error", "stream_unmatched", "pinot_dynamo_ingestion")]


def test_a_table_without_a_region_is_in_the_stacks_own(folder, whole_config):
    place = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0"
    directory = folder(config=with_setting(whole_config, f"{place}.region", REMOVED))
    assert found_in(OWN, directory, region="eu-west-1", KinesisStreamName="items-stream") == []


def test_several_tables_need_each_others_streams():
    names = ("app-order-lines", "app-orders", "app-users")
    assert [code for _, code, _ in found_in(OWN, EXAMPLE)] == ["stream_unmatched"] * 3
    others = ",".join(STREAM_ARN.format("us-east-1", name) for name in names[1:])
    assert found_in(OWN, EXAMPLE, KinesisStreamName=names[0], OtherKinesisStreamArns=others) == []


def test_another_folder_that_takes_the_tables_changes_is_left_out_by_its_name(folder, tmp_path):
    directory = folder()
    shutil.copytree(DEMO_TABLES, directory, dirs_exist_ok=True)
    diagnosis = Diagnosis()
    deployment = Deployment(parameters={"KinesisStreamName": "items-stream"}, region="eu-west-1")
    template.look(diagnosis, OWN, tables.look(Diagnosis(), directory), deployment)
    (unmatched,) = [each for each in diagnosis.findings if each.code == "stream_unmatched"]
    assert unmatched.about == "pinot_dynamo_ingestion"
    assert "deploy with Tables=items, or write" in unmatched.remedy
    assert "its DynamoDB table as dynamodb_table in its source.toml" in unmatched.remedy


def test_a_stream_that_no_table_uses_is_reported(folder):
    every = "arn:aws:kinesis:*:*:stream/*"
    assert found_in(OWN, folder(), region="eu-west-1", OtherKinesisStreamArns=every) == [
        ("warning", "stream_unused", "pinot-ingestion-stream")
    ]


def test_the_demo_tables_key_is_compared_with_a_primary_key_made_of_it(folder):
    schema = with_setting(with_column("meetup_id", "STRING"), "primaryKeyColumns", ["meetup_id"])
    found = found_in(OWN, folder(schema=schema), region="eu-west-1", KinesisStreamName="items-stream")
    assert found == [("warning", "rows_shared", "items")]


def test_sams_own_events_are_mappings_too(tmp_path):
    (tmp_path / "template.yaml").write_text("""
Resources:
  Replicator:
    Type: AWS::Serverless::Function
    Properties:
      Handler: handlers.stream.handler
      Timeout: 60
      Events:
        Changes:
          Type: DynamoDB
          Properties: {StartingPosition: LATEST, MaximumRetryAttempts: 2, MaximumRecordAgeInSeconds: 72000}
        Timer: {Type: Schedule}
""")
    assert [code for _, code, _ in found_in(tmp_path / "template.yaml")] == [
        "mapping_response",
        "mapping_bisect",
        "mapping_destination",
        "mapping_attempts",
        "mapping_position",
        "mapping_metrics",
    ]


def test_a_template_with_unknown_streams_is_not_judged_by_them(tmp_path):
    (tmp_path / "template.yaml").write_text("""
Parameters: {Arn: {Type: String}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement: [{Effect: Allow, Action: ["kinesis:PutRecords"], Resource: [!Ref Arn]}]
""")
    assert found_in(tmp_path / "template.yaml") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {}),
        ("KinesisStreamName=a Tables=x,y", {"KinesisStreamName": "a", "Tables": "x,y"}),
        ('RedriveSchedule="rate(1 hour)"', {"RedriveSchedule": "rate(1 hour)"}),
        (["A=1", "B=x=y"], {"A": "1", "B": "x=y"}),
        ("ParameterKey=A,ParameterValue=1 ParameterKey=B,ParameterValue=2", {"A": "1", "B": "2"}),
    ],
)
def test_parameter_overrides_are_read_as_sam_does(value, expected):
    assert overrides(value) == expected


def test_quotes_that_do_not_match_are_refused():
    with pytest.raises(CommandError, match="the quotes in parameter_overrides do not match"):
        overrides('A="1')


def test_the_region_and_the_overrides_are_read_from_samconfig(tmp_path):
    file = tmp_path / "samconfig.toml"
    assert read_samconfig(file) == Deployment()
    file.write_text("""
[default.global.parameters]
region = "eu-west-1"
[default.deploy.parameters]
parameter_overrides = ["KinesisStreamName=items"]
""")
    assert read_samconfig(file) == Deployment(parameters={"KinesisStreamName": "items"}, region="eu-west-1")
    file.write_text('[default.deploy.parameters]\nregion = "eu-west-2"')
    assert read_samconfig(file) == Deployment(region="eu-west-2")
    file.write_text("region =")
    with pytest.raises(CommandError, match=r"samconfig\.toml: it cannot be read as TOML"):
        read_samconfig(file)


def test_a_table_with_errors_is_not_compared(folder):
    directory = folder(schema=with_setting(SCHEMA, "primaryKeyColumns", []), config=CONFIG)
    assert found_in(OWN, directory) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"KinesisStreamNme": "x"}, "the template has no such parameter. Did you mean KinesisStreamName?"),
        ({"KinesisShardCount": "x"}, "it is no number"),
        ({"KinesisShardCount": "0"}, "it is not between 1 and 500"),
        ({"LogRetentionDays": "2"}, "it is not one of those that may be"),
        (
            {"TableStreamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t"},
            "it has not the form that it must have",
        ),
        ({"OtherKinesisStreamArns": f"{STREAM_ARN.format('us-east-1', 'a')},b"}, "it has not the form"),
    ],
)
def test_parameters_that_cloudformation_would_refuse_are_reported(given, problem):
    (finding,) = template._parameter_findings(template.read_template(OWN)["Parameters"], given, "template.yaml")
    assert (finding.level, finding.where) == ("error", f"template.yaml: parameter {next(iter(given))}")
    assert f"{finding.problem}. {finding.remedy}".startswith(problem)


def test_parameters_that_may_be_given_are_fine():
    given = {"KinesisShardCount": "4", "KinesisStreamName": "x", "TableStreamArn": "", "LogRetentionDays": "30"}
    assert list(template._parameter_findings(template.read_template(OWN)["Parameters"], given, "f")) == []


def test_a_parameter_without_a_value_is_refused():
    with pytest.raises(CommandError, match="The parameter foo has no value: write foo=…"):
        template.overrides(["foo"])
