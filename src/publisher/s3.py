"""The only module that calls PutObject: it stores dead letters in their bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from publisher.entry import Entry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PARALLEL_PUTS: Final = 16

Put: TypeAlias = Callable[[Entry], str | None]  # stores one object; returns the error code if that failed


def putter(client: S3Client, bucket: str) -> Put:
    """Return the function that stores one object under the entry's key, and overwrites an object that has the key."""

    def put(entry: Entry) -> str | None:
        try:
            client.put_object(Bucket=bucket, Key=entry.key, Body=entry.data, ContentType="application/json")
        except ClientError as error:
            return error.response.get("Error", {}).get("Code", "Unknown")
        except BotoCoreError as error:
            return type(error).__name__
        return None

    return put


def store(entries: Sequence[Entry], put: Put, *, remaining: Callable[[], float]) -> tuple[int | None, str | None]:
    """Store objects, several at a time; return the first position that is not stored and why, or a pair of None.

    After a failure, or when the time in seconds is up, no further objects are stored: the batch is retried from there.
    A request may take several seconds, so none begins late, the first neither.
    """
    with ThreadPoolExecutor(max_workers=PARALLEL_PUTS) as pool:
        for start in range(0, len(entries), PARALLEL_PUTS):
            if remaining() <= 0:
                return entries[start].position, "OutOfTime"
            window = entries[start : start + PARALLEL_PUTS]
            for entry, error in zip(window, pool.map(put, window), strict=True):
                if error:
                    return entry.position, error
    return None, None
