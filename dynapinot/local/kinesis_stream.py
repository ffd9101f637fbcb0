"""A Kinesis stream read to its end, shard by shard, as a consumer of each shard sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import ShardTypeDef


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecord:
    """One record of a shard."""

    shard: str
    key: str
    data: bytes


def all_shards(client: KinesisClient, stream: str) -> list[ShardTypeDef]:
    """List a stream's shards, closed ones too, as ListShards gives them.

    Without a paginator: botocore's names the stream beside the token, and Kinesis takes only one of them.
    https://github.com/boto/botocore/issues/2009
    """
    pages = [client.list_shards(StreamName=stream)]
    while token := pages[-1].get("NextToken"):
        pages.append(client.list_shards(NextToken=token))  # all at once: a token is good for 300 s
    return [shard for page in pages for shard in page["Shards"]]


class StreamReader:
    """Reads everything on a stream, and at each further reading what has come since."""

    def __init__(self, client: KinesisClient, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._iterators: dict[str, str | None] = {}  # None: the shard is closed and read to its end

    def read(self) -> list[StreamRecord]:
        """Read on to the end of every shard; the records of a shard are in its order."""
        return [record for shard in self._shards() for record in self._read_shard(shard)]

    def _shards(self) -> list[str]:
        return [shard["ShardId"] for shard in all_shards(self._client, self._stream)]

    def _read_shard(self, shard: str) -> Iterator[StreamRecord]:
        if shard not in self._iterators:
            self._iterators[shard] = self._client.get_shard_iterator(
                StreamName=self._stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        while iterator := self._iterators[shard]:
            page = self._client.get_records(ShardIterator=iterator)
            self._iterators[shard] = page.get("NextShardIterator")
            for record in page["Records"]:
                yield StreamRecord(shard=shard, key=record["PartitionKey"], data=record["Data"])
            if not page["Records"] and not page.get("MillisBehindLatest"):
                break
