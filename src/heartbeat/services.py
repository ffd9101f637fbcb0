"""What the heartbeat asks of DynamoDB and Kinesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from decoder.sdk import to_sdk
from heartbeat.aim import Place, Shard
from heartbeat.beat import Arrival, Put, Read, UnreadableError
from heartbeat.marker import ATTRIBUTE, HeartbeatError, Item, KeyAttribute, Origin
from publisher.kinesis import NO_RESPONSE, transient_error

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient


def describe(client: DynamoDBClient, table: str) -> Origin:
    """Look up the table's keys. Raises HeartbeatError when there is no such table."""
    try:
        description = client.describe_table(TableName=table)["Table"]
    except client.exceptions.ResourceNotFoundException:
        raise HeartbeatError(f"HEARTBEAT_TABLE: there is no DynamoDB table {table} in this region") from None
    types = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
    schema = sorted(description["KeySchema"], key=lambda key: key["KeyType"])  # HASH before RANGE
    keys = [KeyAttribute(name=key["AttributeName"], type=types[key["AttributeName"]]) for key in schema]
    return Origin(table=table, region=client.meta.region_name, keys=keys)


def open_shards(client: KinesisClient, stream: str) -> list[Shard]:
    """List the shards that take rows. Raises HeartbeatError when there is no such stream."""
    # No paginator: botocore's names the stream beside the token, and Kinesis takes the one or the other.
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


def putter(client: DynamoDBClient, origin: Origin) -> Put:
    """Give the function that writes a marker, and over a marker only: another item of its key is the user's."""
    names = {"#key": origin.keys[0].name, "#heartbeat": ATTRIBUTE}

    def put(item: Item) -> None:
        try:
            client.put_item(
                TableName=origin.table,
                Item=to_sdk(item),
                ConditionExpression="attribute_not_exists(#key) OR attribute_exists(#heartbeat)",
                ExpressionAttributeNames=names,
            )
        except client.exceptions.ConditionalCheckFailedException:
            raise HeartbeatError(
                f"An item of the DynamoDB table {origin.table} has the key of a marker and is none, as it has no "
                f"attribute {ATTRIBUTE}. Give markers another key in HEARTBEAT_ITEM"
            ) from None

    return put


def reader(clients: Mapping[str | None, KinesisClient], since_ms: int) -> Read:
    """Give the function that reads a shard on from a time, in epoch ms by the clock of Kinesis."""
    iterators: dict[Place, str | None] = {}  # None: the shard was closed since, and is read to its end

    def read(place: Place) -> list[Arrival]:
        client = clients[place.region]
        if place not in iterators:
            iterators[place] = _whole(
                lambda: client.get_shard_iterator(
                    StreamName=place.stream,
                    ShardId=place.shard,
                    ShardIteratorType="AT_TIMESTAMP",
                    Timestamp=datetime.fromtimestamp(since_ms / 1000, UTC),
                )
            )["ShardIterator"]
        iterator = iterators[place]
        if iterator is None:
            return []
        page = _whole(lambda: client.get_records(ShardIterator=iterator))
        iterators[place] = page.get("NextShardIterator")
        return [
            Arrival(
                key=record["PartitionKey"],
                data=record["Data"],
                arrived_ms=round(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
            )
            for record in page["Records"]
        ]

    return read


def _whole(call: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        return call()
    except ClientError as error:
        code = transient_error(error)
        if code is None:
            raise
        raise UnreadableError(code) from error
    except NO_RESPONSE as error:
        raise UnreadableError(type(error).__name__) from error
