"""The request for an export of a table, and the wait for it.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectError

from load.export.errors import ExportError
from load.export.folder import SUMMARY, Folder

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

POLL_SECONDS: Final = 30.0  # an export of 3 items took 6 minutes, seen in a real export
FAILED_POLLS: Final = 10  # in a row, before the wait ends
_PASSING: Final = ("InternalServerError", "LimitExceededException", "ThrottlingException")


def request_export(
    client: DynamoDBClient,
    table_arn: str,
    *,
    export_time: int,
    from_time: int | None = None,
    bucket: str,
    client_token: str,
    prefix: str | None = None,
    bucket_owner: str | None = None,
    kms_key: str | None = None,
) -> str:
    """Ask for an export of a table as it was at ``export_time``, in epoch seconds; return the export's ARN.

    It is a full export, or with ``from_time``, in epoch seconds, an incremental one of what changed from then on, with
    the items as they were before. That are 15 minutes to 24 hours:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html

    The same request with the same ``client_token`` within 8 hours is the same export. ``bucket_owner`` is the ID of the
    account that owns the bucket, needed if it is another one. ``kms_key`` encrypts the objects; it must be in the
    bucket's region. Raises ExportError.
    """
    options: dict[str, Any] = {"S3Prefix": prefix, "S3BucketOwner": bucket_owner}
    times: dict[str, Any] = {"ExportType": "FULL_EXPORT", "ExportTime": datetime.fromtimestamp(export_time, UTC)}
    if from_time is not None:
        window = {
            "ExportFromTime": datetime.fromtimestamp(from_time, UTC),
            "ExportToTime": datetime.fromtimestamp(export_time, UTC),
            "ExportViewType": "NEW_AND_OLD_IMAGES",
        }
        times = {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": window}
    if kms_key is not None:
        options |= {"S3SseAlgorithm": "KMS", "S3SseKmsKeyId": kms_key}
    try:
        response = client.export_table_to_point_in_time(
            TableArn=table_arn,
            ClientToken=client_token,
            S3Bucket=bucket,
            ExportFormat="DYNAMODB_JSON",
            **times,
            **{name: value for name, value in options.items() if value is not None},
        )
    except ClientError as error:
        raise _refusal(client, error, table_arn, export_time if from_time is None else from_time) from error
    return response["ExportDescription"]["ExportArn"]


def wait_for_export(
    client: DynamoDBClient,
    export_arn: str,
    *,
    sleep: Callable[[float], None],
    remaining: Callable[[], float],
    poll_seconds: float = POLL_SECONDS,
) -> Folder | None:
    """Wait until an export is complete; return its folder, or None if ``remaining`` returns too few seconds to wait on.

    With none remaining it asks once. It also shows, for 90 days, that an older export failed or has a filter, which its
    manifests may not tell. Raises ExportError for these, and for what DynamoDB refuses. Some errors in a row that may
    pass are waited out; the export goes on meanwhile.
    """
    failures = 0
    while True:
        try:
            export = client.describe_export(ExportArn=export_arn)["ExportDescription"]
        except (ClientError, ConnectError, HTTPClientError) as error:
            failures += 1
            if failures == FAILED_POLLS or (isinstance(error, ClientError) and _code(error) not in _PASSING):
                raise ExportError(f"{export_arn}: its status is not known: {_text(error)}") from error
        else:
            failures = 0
            if export["ExportStatus"] != "IN_PROGRESS":
                return _folder(export_arn, export)
        if remaining() < poll_seconds:
            return None
        sleep(poll_seconds)


def _folder(export_arn: str, export: Any) -> Folder:  # noqa: ANN401  # the SDK's answer
    status = export["ExportStatus"]
    if status != "COMPLETED":
        code, message = export.get("FailureCode", "Unknown"), export.get("FailureMessage", "no message")
        raise ExportError(f"{export_arn} is {status}: {code}: {message}. Correct the cause and ask for a new export")
    if export.get("FilterSpecification"):
        raise ExportError(f"{export_arn} has a filter, so items or attributes are missing: ask for one without it")
    # The key of the summary from the bucket's root: opensearch-project/data-prepper, DynamoDB source, reads it so.
    manifest = export.get("ExportManifest", "")
    if not manifest.endswith(f"/{SUMMARY}"):
        raise ExportError(f"{export_arn} is complete, but DynamoDB names no {SUMMARY} of it: ask for a new export")
    return Folder(export["S3Bucket"], manifest.removesuffix(f"/{SUMMARY}"))


def _refusal(client: DynamoDBClient, error: ClientError, table_arn: str, export_time: int) -> ExportError:
    code = _code(error)
    table = table_arn.rpartition("/")[2]
    if code == "PointInTimeRecoveryUnavailableException":
        return ExportError(
            f"{table_arn}: an export needs point-in-time recovery, which is off. Switch it on, and off again after the "
            "load if nothing else needs it:\n"
            f"aws dynamodb update-continuous-backups --region {table_arn.split(':')[3]} --table-name {table} "
            "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
        )
    if code == "InvalidExportTimeException":
        return ExportError(f"{table_arn}: there is no state of {_iso(export_time)} to export. {_window(client, table)}")
    hint = {
        "ExportConflictException": "Another request had the same token and other parameters: use another token",
        "LimitExceededException": "Too many exports are in progress: wait until one is complete, and ask again",
        "TableNotFoundException": "Check the table's name, the account and the region",
        "AccessDeniedException": "The caller needs dynamodb:ExportTableToPointInTime on the table, and s3:PutObject, "
        "s3:PutObjectAcl and s3:AbortMultipartUpload on the bucket",
    }.get(code, "Correct the cause, and ask again")
    return ExportError(f"{table_arn}: {_text(error)}. {hint}")


def _window(client: DynamoDBClient, table: str) -> str:
    """Tell which times can be exported."""
    try:
        backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    except ClientError as error:
        return f"Which times there are is not known: {_text(error)}"
    recovery = backups.get("PointInTimeRecoveryDescription", {})
    earliest = recovery.get("EarliestRestorableDateTime")
    if earliest is None:
        return "Point-in-time recovery has no state yet: try again in some minutes"
    return f"Choose a time between {_iso(earliest.timestamp())} and now"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "Unknown")


def _text(error: ClientError | BotoCoreError) -> str:
    if not isinstance(error, ClientError):
        return type(error).__name__
    return f"{_code(error)}: {error.response.get('Error', {}).get('Message', 'no message').rstrip('.')}"
