"""An export to S3 as a load's source: asked for and waited for, or one that is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dynapinot.errors import CommandError
from dynapinot.init.table_description import TableDescription
from load.export.errors import ExportError
from load.export.folder import Folder, parse_folder
from load.export.manifest import Export, read_export
from load.export.request import request_export, wait_for_export
from load.export.s3 import open_bucket
from load.export.stream import fetcher
from load.files import PREFIX
from load.plan import ExportReader
from snapshot.version import EXPORT

REQUESTED: Final = "export"
_STREAM_SECONDS: Final = 24 * 3_600  # what a stream keeps


def request(
    client: Any,  # noqa: ANN401  # a boto3 client
    table: TableDescription,
    *,
    second: int,
    bucket: str,
    load: str,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
) -> Folder:
    """Ask for an export of a table as of a second, and wait until it is complete. Raises CommandError."""
    prefix = f"{PREFIX}{load}"
    try:
        export = request_export(client, table.arn, export_time=second, bucket=bucket, client_token=load, prefix=prefix)
        folder = Folder(bucket, f"{prefix}/AWSDynamoDB/{export.rpartition('/')[2]}")
        say(f"Waiting for the export {export}. It goes on whatever happens here; then load it with --from {folder.url}")
        complete = wait_for_export(client, export, sleep=sleep, remaining=lambda: math.inf)
    except (ExportError, ClientError, BotoCoreError) as error:
        raise CommandError(str(error)) from None
    return complete or folder


def folder_of(url: str) -> Folder:
    """Read the URL of an export that is there. Raises CommandError."""
    try:
        return parse_folder(url)
    except ExportError as error:
        raise CommandError(str(error)) from None


def read(client: Any, folder: Folder, *, sleep: Callable[[float], None]) -> Export:  # noqa: ANN401
    """Read and check the manifests of an export. Raises CommandError."""
    try:
        return read_export(fetcher(open_bucket(client, folder.bucket, sleep=sleep)), folder)
    except (ExportError, BotoCoreError, ClientError) as error:
        raise CommandError(str(error)) from None


def reader_of(export: Export, table: TableDescription, *, since: int) -> ExportReader:
    """Return the reader of an export. Raises CommandError for one that cannot be loaded.

    ``since`` is the first second from which on the live path carries every change.
    """
    url = export.folder.url
    if export.kind != "FULL":
        raise CommandError(f"{url} has the changes of some hours, and a load needs a full export")
    if export.table_arn != table.arn:
        raise CommandError(f"{url} is of {export.table_arn}, and not of {table.arn}: fix --from or --table")
    if export.time - EXPORT < since:
        raise CommandError(
            f"{url} is {since + EXPORT - export.time} s too old: not all changes after it were replicated, or not by "
            "the function as it is deployed. Ask for another by --from export"
        )
    return ExportReader(
        bucket=export.folder.bucket, folder=export.folder.key, files=len(export.files), second=export.time - EXPORT
    )


def assumed(export: Export, *, now: int) -> list[str]:
    """Say what cannot be known of an export that is older than what the stream has."""
    if now - export.time < _STREAM_SECONDS - EXPORT:
        return []
    return ["The function has replicated every change since the export: it is older than what the stream still has"]
