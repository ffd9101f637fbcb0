"""The heartbeat's calls of DynamoDB and Kinesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from decoder.sdk import to_sdk
from heartbeat.item import ATTRIBUTE, HeartbeatError, Item, KeyAttribute, SourceTable
from heartbeat.probe import Shard, ShardLocation
from heartbeat.run import PutItem, ReadShard, ShardRecord, UnreadableError
from publisher.kinesis import NO_RESPONSE, transient_error

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient


def describe_table(client: DynamoDBClient, table: str) -> SourceTable:
    """Look up the table's keys. Raises HeartbeatError when there is no such table."""
    try:
        description = client.describe_table(TableName=table)["Table"]
    except client.exceptions.ResourceNotFoundException:
        raise HeartbeatError(f"HEARTBEAT_TABLE: there is no DynamoDB table {table} in this region") from None
    types = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
    schema = sorted(description["KeySchema"], key=lambda key: key["KeyType"])  # HASH before RANGE
    keys = [KeyAttribute(name=key["AttributeName"], type=types[key["AttributeName"]]) for key in schema]
    return SourceTable(table=table, region=client.meta.region_name, keys=keys)


def open_shards(client: KinesisClient, stream: str) -> list[Shard]:
    """List the shards that are open for writing. Raises HeartbeatError when there is no such stream."""
    # Not botocore's paginator: it sends the stream's name with the token, and Kinesis accepts only one of the two.
    # https://github.com/boto/botocore/issues/2009
    try:
        pages = [client.list_shards(StreamName=stream)]
        while token := pages[-1].get("NextToken"):
            pages.append(client.list_shards(NextToken=token))
    except client.exceptions.ResourceNotFoundException:
        raise HeartbeatError(f"There is no Kinesis stream {stream} in the region {client.meta.region_name}") from None
    return [
        Shard(
            id=shard["ShardId"],
            first=int(shard["HashKeyRange"]["StartingHashKey"]),
            last=int(shard["HashKeyRange"]["EndingHashKey"]),
        )
        for page in pages
        for shard in page["Shards"]
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    ]


def item_writer(client: DynamoDBClient, source: SourceTable) -> PutItem:
    """Return the function that writes a heartbeat item. It never overwrites another item with the same key."""
    names = {"#key": source.keys[0].name, "#heartbeat": ATTRIBUTE}

    def put(item: Item) -> None:
        try:
            client.put_item(
                TableName=source.table,
                Item=to_sdk(item),
                ConditionExpression="attribute_not_exists(#key) OR attribute_exists(#heartbeat)",
                ExpressionAttributeNames=names,
            )
        except client.exceptions.ConditionalCheckFailedException:
            raise HeartbeatError(
                f"An item of the DynamoDB table {source.table} has the key of a heartbeat item and is none, "
                f"as it has no attribute {ATTRIBUTE}. Give heartbeat items another key in HEARTBEAT_ITEM"
            ) from None

    return put


def shard_reader(clients: Mapping[str | None, KinesisClient], since_ms: int) -> ReadShard:
    """Return the function that reads a shard from a time on, in epoch ms by Kinesis' clock."""
    iterators: dict[ShardLocation, str | None] = {}  # None: the shard was closed meanwhile, and is read to its end

    def read(location: ShardLocation) -> list[ShardRecord]:
        client = clients[location.region]
        if location not in iterators:
            iterators[location] = _call(
                lambda: client.get_shard_iterator(
                    StreamName=location.stream,
                    ShardId=location.shard,
                    ShardIteratorType="AT_TIMESTAMP",
                    Timestamp=datetime.fromtimestamp(since_ms / 1000, UTC),
                )
            )["ShardIterator"]
        iterator = iterators[location]
        if iterator is None:
            return []
        page = _call(lambda: client.get_records(ShardIterator=iterator))
        iterators[location] = page.get("NextShardIterator")
        return [
            ShardRecord(
                key=record["PartitionKey"],
                data=record["Data"],
                arrived_ms=round(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
            )
            for record in page["Records"]
        ]

    return read


def _call(call: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return call()
    except ClientError as error:
        code = transient_error(error)
        if code is None:
            raise
        raise UnreadableError(code) from error
    except NO_RESPONSE as error:
        raise UnreadableError(type(error).__name__) from error
