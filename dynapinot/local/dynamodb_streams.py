"""A DynamoDB stream read as Lambda reads it: shard after shard, each record in the form of a Lambda event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from decoder.sdk import from_sdk
from dynapinot.local.event_source import EventSource, Read
from dynapinot.local.failure import Record, sequence_number

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

MAX_RECORDS: Final = 1000  # of GetRecords
_IMAGES: Final = ("Keys", "NewImage", "OldImage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard; ``parent`` comes before it, ``closed`` says that no record will follow."""

    id: str
    parent: str | None
    closed: bool


Connect: TypeAlias = Callable[[Shard, Read], EventSource]


def event_record(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """Turn what the SDK gives for a record into the record of a Lambda event.

    The SDK gives B as bytes, the time as a datetime and the identity's names in capitals; the event has base64 text,
    whole epoch seconds ("rounded down to the closest second", API_streams_StreamRecord.html, which emulators do not
    do) and lower case. https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
    """
    inner = dict(record["dynamodb"])
    inner["ApproximateCreationDateTime"] = int(inner["ApproximateCreationDateTime"].timestamp())
    for name in _IMAGES:
        if name in inner:
            inner[name] = from_sdk(inner[name])
    made = {**record, "dynamodb": inner, "eventSourceARN": stream_arn}
    if identity := record.get("userIdentity"):
        made["userIdentity"] = {"principalId": identity["PrincipalId"], "type": identity["Type"]}
    return made


def list_shards(client: DynamoDBStreamsClient, stream_arn: str) -> list[Shard]:
    """List a stream's shards, each behind its parent."""
    shards: list[Shard] = []
    page: dict[str, str] = {}
    while True:
        description = client.describe_stream(StreamArn=stream_arn, **page)["StreamDescription"]  # type: ignore[arg-type]  # ExclusiveStartShardId alone
        shards += [
            Shard(
                id=shard["ShardId"],
                parent=shard.get("ParentShardId"),
                closed="EndingSequenceNumber" in shard.get("SequenceNumberRange", {}),
            )
            for shard in description["Shards"]
        ]
        if "LastEvaluatedShardId" not in description:
            return parents_first(shards)
        page = {"ExclusiveStartShardId": description["LastEvaluatedShardId"]}


def parents_first(shards: Iterable[Shard]) -> list[Shard]:
    """Put each shard behind its parent; a parent that is gone, for its 24 hours are over, does not count."""
    known = {shard.id: shard for shard in shards}
    ordered: dict[str, Shard] = {}

    def place(shard: Shard) -> None:
        if shard.parent in known and shard.parent not in ordered:
            place(known[shard.parent])
        ordered[shard.id] = shard

    for shard in known.values():
        place(shard)
    return list(ordered.values())


class ShardReader:
    """Reads one shard from its oldest record, or from behind any other: the ``read`` of an EventSource."""

    def __init__(self, client: DynamoDBStreamsClient, stream_arn: str, shard: Shard) -> None:
        self.closed = shard.closed
        self._client = client
        self._stream_arn = stream_arn
        self._shard_id = shard.id
        self._iterator: str | None = None
        self._after: str | None = None
        self._opened = False

    def __call__(self, after: str | None, limit: int) -> Sequence[Record]:
        """Read the next records. An open shard may have none yet; a closed one has none only at its end."""
        if not self._opened or after != self._after:
            self._open(after)
        while self._iterator:
            page = self._client.get_records(ShardIterator=self._iterator, Limit=min(limit, MAX_RECORDS))
            self._iterator = page.get("NextShardIterator")
            if page["Records"]:
                records = [event_record(record, self._stream_arn) for record in page["Records"]]
                self._after = sequence_number(records[-1])
                return records
            if not self.closed:
                break
        return ()

    def _open(self, after: str | None) -> None:
        where: dict[str, str] = (
            {"ShardIteratorType": "TRIM_HORIZON"}
            if after is None
            else {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        )
        response = self._client.get_shard_iterator(
            StreamArn=self._stream_arn,
            ShardId=self._shard_id,
            **where,  # type: ignore[arg-type]  # a literal's type is lost in the dict
        )
        self._iterator = response["ShardIterator"]
        self._after = after
        self._opened = True


class Poller:
    """Polls a whole stream: an event source mapping for each shard, a child's only when its parent's is done."""

    def __init__(self, client: DynamoDBStreamsClient, stream_arn: str, connect: Connect) -> None:
        self._client = client
        self._stream_arn = stream_arn
        self._connect = connect
        self._sources: dict[str, tuple[ShardReader, EventSource]] = {}

    def drain(self) -> None:
        """Bring everything that is on the stream to the function."""
        for shard in list_shards(self._client, self._stream_arn):
            if shard.id not in self._sources:
                reader = ShardReader(self._client, self._stream_arn, shard)
                self._sources[shard.id] = (reader, self._connect(shard, reader))
            reader, source = self._sources[shard.id]
            reader.closed = shard.closed
            source.drain()
