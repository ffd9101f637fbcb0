"""The dead letter bucket in S3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from redrive.run import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The function's dead letters, and the batches that the event source mapping discards:
# aws/lambda/<mapping>/<shard>/<date>/.
PREFIXES: Final = ("dead-letters/", "aws/lambda/")
ARCHIVE: Final = "redriven/"


def open_bucket(client: S3Client, name: str, prefixes: Sequence[str] = PREFIXES) -> Bucket:
    """Connect a dead letter bucket. Redriven objects are moved below ``redriven/``, under their old key."""

    def list_keys() -> Iterator[str]:
        for prefix in prefixes:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
            keys = (each["Key"] for page in pages for each in page.get("Contents", ()))
            yield from (key for key in keys if not key.startswith(ARCHIVE))

    def fetch(key: str) -> bytes | None:
        try:
            return client.get_object(Bucket=name, Key=key)["Body"].read()
        except client.exceptions.NoSuchKey:
            return None

    def archive(key: str) -> None:
        client.copy_object(Bucket=name, Key=f"{ARCHIVE}{key}", CopySource={"Bucket": name, "Key": key})
        client.delete_object(Bucket=name, Key=key)

    return Bucket(list_keys=list_keys, fetch=fetch, archive=archive)
