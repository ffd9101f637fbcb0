"""The objects of a bucket, by a client of the SDK."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as ConnectError
from urllib3.exceptions import HTTPError

from load.export.errors import BrokenConnectionError, ExportError, MissingObjectError
from load.export.folder import object_url
from load.export.stream import Body, ObjectStream, OpenObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# What the SDK raises while it connects or reads. A body's read passes urllib3's own errors on, but for two of them:
# botocore.response.StreamingBody.
_BROKEN: Final = (ConnectError, HTTPClientError, IncompleteReadError, HTTPError)
_TRY_AGAIN: Final = ("SlowDown", "RequestTimeout")


def open_bucket(client: S3Client, bucket: str, *, sleep: Callable[[float], None]) -> OpenObject:
    """Return the function that opens the objects of a bucket. It opens lazily: the first read connects.

    The streams raise MissingObjectError for an object that does not exist, and ExportError for what S3 refuses.
    """

    def open_object(key: str, etag: str | None) -> ObjectStream:
        url = object_url(bucket, key)

        def open_at(offset: int, match: str | None) -> Body:
            options: dict[str, Any] = {}
            if offset:
                options["Range"] = f"bytes={offset}-"
            if match is not None:
                options["IfMatch"] = match
            try:
                response = client.get_object(Bucket=bucket, Key=key, **options)
            except ClientError as error:
                raise _refusal(error, url) from error
            except _BROKEN as error:
                raise BrokenConnectionError(type(error).__name__) from error
            body = response["Body"]

            def read(count: int) -> bytes:
                try:
                    return body.read(count)
                except _BROKEN as error:
                    raise BrokenConnectionError(type(error).__name__) from error

            return Body(response["ETag"], offset + response["ContentLength"], read, body.close)

        return ObjectStream(open_at, url, etag=etag, sleep=sleep)

    return open_object


def _refusal(error: ClientError, url: str) -> Exception:
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _TRY_AGAIN:
        return BrokenConnectionError(code)
    if code == "NoSuchKey":
        return MissingObjectError(url)
    if status == HTTPStatus.PRECONDITION_FAILED:
        return ExportError(
            f"{url} was replaced after it was checked, so what was read of it cannot be trusted. "
            "Nothing may write to an export's folder: find out what did, and load the export anew"
        )
    if code == "AccessDenied":
        return ExportError(
            f"{url}: access denied. Reading an export needs s3:GetObject on its objects, s3:ListBucket on the bucket "
            "(without it S3 says this of missing objects too), and kms:Decrypt if a KMS key encrypts the export"
        )
    return ExportError(f"{url}: S3 refuses to return it: {code}")
