"""The dead letter bucket in S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from publisher.entry import Entry
from publisher.s3 import putter
from redrive.run import Bucket, BucketError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The function's dead letters, and the batches that the event source mapping discards:
# aws/lambda/<mapping>/<shard>/<date>/.
PREFIXES: Final = ("dead-letters/", "aws/lambda/")
ARCHIVE: Final = "redriven/"
PROGRESS: Final = "progress/"

_MISSING: Final = ("NoSuchKey", "404")  # what GetObject and CopyObject say of an object that does not exist
_T = TypeVar("_T")


def open_bucket(client: S3Client, name: str, prefixes: Sequence[str] = PREFIXES) -> Bucket:
    """Connect a dead letter bucket. Redriven objects are moved below ``redriven/``, under their old key.

    What is done of an object that is not redriven as a whole yet is kept below ``progress/``, under the same key.
    """
    put = putter(client, name)

    def list_keys() -> Iterator[str]:
        for prefix in prefixes:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
            keys = (each["Key"] for page in pages for each in page.get("Contents", ()))
            yield from (key for key in keys if not key.startswith((ARCHIVE, PROGRESS)))

    def fetch(key: str) -> bytes | None:
        def read() -> bytes:
            return client.get_object(Bucket=name, Key=key)["Body"].read()

        return _unless_missing(read)

    def archive(key: str) -> None:
        copied = _unless_missing(
            lambda: client.copy_object(Bucket=name, Key=f"{ARCHIVE}{key}", CopySource={"Bucket": name, "Key": key})
        )
        if copied:  # else another run has archived it, and what has its key by now is a new dead letter
            _unless_missing(lambda: client.delete_object(Bucket=name, Key=key))

    def save_progress(key: str, data: bytes) -> None:
        error = put(Entry(f"{PROGRESS}{key}", data, 0))
        if error:
            raise BucketError(error)

    def delete_progress(key: str) -> None:
        _unless_missing(lambda: client.delete_object(Bucket=name, Key=f"{PROGRESS}{key}"))

    return Bucket(
        list_keys=list_keys,
        fetch=fetch,
        archive=archive,
        fetch_progress=lambda key: fetch(f"{PROGRESS}{key}"),
        save_progress=save_progress,
        delete_progress=delete_progress,
    )


def _unless_missing(request: Callable[[], _T]) -> _T | None:
    """Make a request; return None for an object that does not exist (any more). Raises BucketError."""
    try:
        return request()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "Unknown")
        if code in _MISSING:
            return None
        raise BucketError(code) from error
    except BotoCoreError as error:
        raise BucketError(type(error).__name__) from error
