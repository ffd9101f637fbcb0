from __future__ import annotations

import math

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from export_writer import EXPORT_MS, TABLE_ARN, DynamoDBFake, change_line
from load.export.data import check_md5, read_lines
from load.export.errors import ExportError
from load.export.folder import Folder
from load.export.items import read_items
from load.export.manifest import read_export
from load.export.request import FAILED_POLLS, request_export, wait_for_export
from load.export.s3 import open_bucket
from load.export.stream import fetcher

ITEMS = [{"id": {"S": f"{number}"}, "data": {"B": "AAE="}} for number in range(10)]
SECOND = EXPORT_MS // 1000
PERMISSIONS = (
    "The caller needs dynamodb:ExportTableToPointInTime on the table, and s3:PutObject, s3:PutObjectAcl and "
    "s3:AbortMultipartUpload on the bucket"
)
KMS_KEY = "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="exports")
        yield client


def fake(s3, **options):
    return DynamoDBFake(lambda: ITEMS, s3, **options)


def request(dynamodb, **options):
    defaults = {"export_time": SECOND, "bucket": "exports", "client_token": "load-1"}
    return request_export(dynamodb, TABLE_ARN, **{**defaults, **options})


def wait(dynamodb, arn, *, remaining=lambda: math.inf, sleep=lambda _: None):
    return wait_for_export(dynamodb, arn, sleep=sleep, remaining=remaining)


def test_an_export_that_was_asked_for_is_waited_for_and_read(s3):
    dynamodb, pauses = fake(s3, polls=3), []
    arn = request(dynamodb, prefix="a", kms_key=KMS_KEY, bucket_owner="123456789012")
    folder = wait(dynamodb, arn, sleep=pauses.append)
    assert pauses == [30.0] * 3
    assert folder == Folder("exports", f"a/AWSDynamoDB/{arn.rpartition('/')[2]}")
    bucket = open_bucket(s3, "exports", sleep=pauses.append)
    export = read_export(fetcher(bucket), folder)
    assert (export.export_arn, export.table_arn, export.time, export.items) == (arn, TABLE_ARN, SECOND, len(ITEMS))
    read = [
        bytes(item)
        for file in export.files
        for batch in read_lines(bucket, file, check_md5(bucket, file))
        for item in read_items(file, batch)
    ]
    assert len(set(read)) == len(ITEMS)


def test_the_request_names_what_dynamodb_would_choose_itself_and_leaves_out_what_is_not_given(s3):
    dynamodb = fake(s3)
    request(dynamodb)
    ((operation, parameters),) = dynamodb.requests
    assert operation == "ExportTableToPointInTime"
    assert parameters.pop("ExportTime").timestamp() == SECOND
    assert parameters == {
        "TableArn": TABLE_ARN,
        "ClientToken": "load-1",
        "S3Bucket": "exports",
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": "FULL_EXPORT",
    }


def test_an_incremental_export_has_what_changed_in_its_window(s3):
    lines = [change_line({"id": {"S": "a"}}, old={"id": {"S": "a"}})]
    dynamodb = fake(s3, read_changes=lambda begin, end: lines * (begin == SECOND - 3600 and end == SECOND))
    arn = request(dynamodb, from_time=SECOND - 3600)
    _, parameters = dynamodb.requests[0]
    assert parameters["ExportType"] == "INCREMENTAL_EXPORT"
    assert "ExportTime" not in parameters
    window = parameters["IncrementalExportSpecification"]
    assert (window["ExportFromTime"].timestamp(), window["ExportToTime"].timestamp()) == (SECOND - 3600, SECOND)
    folder = wait(dynamodb, arn)
    export = read_export(fetcher(open_bucket(s3, "exports", sleep=lambda _: None)), folder)
    assert (export.kind, export.from_time, export.time, export.items) == ("INCREMENTAL", SECOND - 3600, SECOND, 1)
    assert export.has_old_images


@pytest.mark.parametrize("seconds", [899, 86_401])
def test_a_window_that_cannot_be_exported_is_refused_with_the_times_that_can(s3, seconds):
    with pytest.raises(ExportError, match=r"there is no state of .* to export. Choose a time between"):
        request(fake(s3), from_time=SECOND - seconds)


def test_the_same_request_is_the_same_export_and_another_one_needs_another_token(s3):
    dynamodb = fake(s3)
    assert request(dynamodb) == request(dynamodb)
    with pytest.raises(ExportError) as error:
        request(dynamodb, export_time=SECOND - 1)
    assert str(error.value) == (
        f"{TABLE_ARN}: ExportConflictException: ExportConflictException of the fake. "
        "Another request had the same token and other parameters: use another token"
    )
    assert request(dynamodb, export_time=SECOND - 1, client_token="load-2") != request(dynamodb)


def test_without_point_in_time_recovery_the_command_that_switches_it_on_is_named(s3):
    with pytest.raises(ExportError) as error:
        request(fake(s3, recovery=False))
    assert str(error.value) == (
        f"{TABLE_ARN}: an export needs point-in-time recovery, which is off. Switch it on, and off again after the "
        "load if nothing else needs it:\n"
        "aws dynamodb update-continuous-backups --region eu-north-1 --table-name meetups "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )


def test_a_time_without_a_state_is_refused_with_the_times_that_have_one(s3):
    dynamodb = fake(s3)
    dynamodb.refusal = "InvalidExportTimeException"
    with pytest.raises(ExportError) as error:
        request(dynamodb)
    assert str(error.value) == (
        f"{TABLE_ARN}: there is no state of 2026-01-14T10:18:50Z to export. "
        "Choose a time between 2026-01-13T10:18:50Z and now"
    )
    dynamodb.recovery = False
    with pytest.raises(ExportError, match="Point-in-time recovery has no state yet: try again in some minutes"):
        request(dynamodb)


def test_a_time_without_a_state_is_refused_even_if_nothing_more_may_be_read(s3):
    class Denying(DynamoDBFake):
        def describe_continuous_backups(self, **parameters):
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeContinuousBackups")

    dynamodb = Denying(lambda: ITEMS, s3)
    dynamodb.refusal = "InvalidExportTimeException"
    with pytest.raises(ExportError, match="Which times there are is not known: AccessDeniedException: no message"):
        request(dynamodb)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("LimitExceededException", "Too many exports are in progress: wait until one is complete, and ask again"),
        ("TableNotFoundException", "Check the table's name, the account and the region"),
        ("AccessDeniedException", PERMISSIONS),
        ("InternalServerError", "Correct the cause, and ask again"),
    ],
)
def test_what_dynamodb_refuses_is_told_with_what_to_do(s3, code, hint):
    dynamodb = fake(s3)
    dynamodb.refusal = code
    with pytest.raises(ExportError) as error:
        request(dynamodb)
    assert str(error.value) == f"{TABLE_ARN}: {code}: {code} of the fake. {hint}"


def test_an_export_that_fails_is_told_with_its_code_and_message(s3):
    dynamodb = fake(s3, failure=("S3NoSuchBucket", "The specified bucket does not exist"))
    arn = request(dynamodb)
    with pytest.raises(ExportError) as error:
        wait(dynamodb, arn)
    assert str(error.value) == (
        f"{arn} is FAILED: S3NoSuchBucket: The specified bucket does not exist. "
        "Correct the cause and ask for a new export"
    )


def test_waiting_ends_when_the_time_is_up_and_is_taken_up_again(s3):
    dynamodb, left = fake(s3, polls=2), iter((31.0, 29.0))
    arn = request(dynamodb)
    assert wait(dynamodb, arn, remaining=lambda: next(left)) is None
    assert wait(dynamodb, arn, remaining=lambda: 0.0).export_id == arn.rpartition("/")[2]


def test_an_export_that_is_not_known_is_refused(s3):
    with pytest.raises(ExportError) as error:
        wait(fake(s3), f"{TABLE_ARN}/export/01768385930622-efd1a093")
    assert str(error.value) == (
        f"{TABLE_ARN}/export/01768385930622-efd1a093: its status is not known: "
        "ExportNotFoundException: ExportNotFoundException of the fake"
    )


UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb.eu-north-1.amazonaws.com")
BUSY = ClientError({"Error": {"Code": "InternalServerError", "Message": "Busy."}}, "DescribeExport")


class Failing(DynamoDBFake):
    """A fake whose polls fail first: by these errors, None for none."""

    errors = ()

    def describe_export(self, **parameters):
        error, *self.errors = self.errors or (None,)
        if error is not None:
            raise error
        return super().describe_export(**parameters)


def test_errors_that_pass_are_waited_out(s3):
    dynamodb, pauses = Failing(lambda: ITEMS, s3), []
    arn = request(dynamodb)
    dynamodb.errors = [UNREACHABLE, BUSY] * 4 + [None] + [UNREACHABLE] * (FAILED_POLLS - 1)
    assert wait(dynamodb, arn, sleep=pauses.append) is not None
    assert len(pauses) == 8 + 1 + FAILED_POLLS - 1
    dynamodb.errors = [BUSY]
    assert wait(dynamodb, arn, remaining=lambda: 0.0) is None


@pytest.mark.parametrize(
    ("error", "text"), [(UNREACHABLE, "EndpointConnectionError"), (BUSY, "InternalServerError: Busy")]
)
def test_errors_that_do_not_pass_end_the_wait(s3, error, text):
    dynamodb, pauses = Failing(lambda: ITEMS, s3), []
    arn = request(dynamodb)
    dynamodb.errors = [error] * FAILED_POLLS
    with pytest.raises(ExportError) as raised:
        wait(dynamodb, arn, sleep=pauses.append)
    assert str(raised.value) == f"{arn}: its status is not known: {text}"
    assert len(pauses) == FAILED_POLLS - 1


class Complete:
    """A client whose export is complete and has these fields."""

    def __init__(self, **fields):
        self._fields = fields

    def describe_export(self, **_):
        return {"ExportDescription": {"ExportStatus": "COMPLETED", "S3Bucket": "exports", **self._fields}}


def test_a_filtered_export_is_refused():
    filtered = Complete(ExportManifest="a/manifest-summary.json", FilterSpecification={"FilterExpression": "a = :b"})
    with pytest.raises(ExportError) as error:
        wait(filtered, "arn")
    assert str(error.value) == "arn has a filter, so items or attributes are missing: ask for one without it"


@pytest.mark.parametrize("fields", [{}, {"ExportManifest": "a/manifest-files.json"}])
def test_a_complete_export_without_a_summary_is_refused(fields):
    with pytest.raises(ExportError) as error:
        wait(Complete(**fields), "arn")
    assert str(error.value) == (
        "arn is complete, but DynamoDB names no manifest-summary.json of it: ask for a new export"
    )
