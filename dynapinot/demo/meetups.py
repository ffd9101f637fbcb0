"""The seed's three scripts: publish meetups, update one, delete one; in DynamoDB, here or at AWS.

Endpoint, credentials and region come from the SDK's own variables (AWS_ENDPOINT_URL, AWS_PROFILE, …).
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import boto3
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from dynapinot.aws import check_answers, refusals
from dynapinot.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_dynamodb.type_defs import StreamSpecificationTypeDef

_CITIES: Final = ("Berlin", "London", "New York", "Paris", "San Francisco")
_COUNTRIES: Final = ("France", "Germany", "UK", "USA")

Say: TypeAlias = Callable[[str], None]


class MeetupsError(CommandError):
    """The command cannot do its work. The message is one line that says why and what to do."""


_STREAM: Final[StreamSpecificationTypeDef] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def create_meetups_table(client: DynamoDBClient, name: str, *, has_stream: bool = True) -> str:
    """Make the seed's DynamoDB table; return the ARN of the stream that a replica needs, empty if it has none."""
    description = client.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "meetup_id", "AttributeType": "S"},
            {"AttributeName": "mtime", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "meetup_id", "KeyType": "HASH"},
            {"AttributeName": "mtime", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=_STREAM if has_stream else {"StreamEnabled": False},
    )["TableDescription"]
    return description.get("LatestStreamArn", "")


def enable_stream(client: DynamoDBClient, name: str) -> str:
    """Switch on the stream of a table that has none; return its ARN."""
    description = client.update_table(TableName=name, StreamSpecification=_STREAM)["TableDescription"]
    return description["LatestStreamArn"]


@contextmanager
def meetups_table(name: str) -> Iterator[Table]:
    """Connect to the table of meetups. Raises MeetupsError, also for what AWS refuses inside of the block."""
    with refusals():
        session = boto3.Session()
        check_answers(session.events)
        table = session.resource("dynamodb").Table(name)
        try:
            with closing(table.meta.client):
                yield table
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            meta = table.meta.client.meta
            raise MeetupsError(
                f"There is no table {name} in {meta.region_name} at {meta.endpoint_url}: make it, or name another with"
                " --table"
            ) from None


def publish(table: Table, count: int, say: Say) -> list[dict[str, Any]]:
    """Put meetups made up at random, saying so after each; return their keys."""
    keys = []
    for _ in range(count):
        item = _meetup()
        table.put_item(Item=item)
        keys.append({"meetup_id": item["meetup_id"], "mtime": item["mtime"]})
        say(f"Publish item with meetup_id: {item['meetup_id']} and mtime = {item['mtime']}")
    say("DynamoDB insertion completed.")
    return keys


def update(table: Table, meetup_id: str, mtime: int, say: Say) -> None:
    """Move a meetup to another venue. Raises MeetupsError when there is no such meetup."""
    values: dict[str, Any] = {
        "venue_name": f"Updated Venue {random.randint(1, 5)}",
        "rsvp_count": _rsvp_count(),
        **_place(),
    }
    with _existing(meetup_id, mtime):
        response = table.update_item(
            Key={"meetup_id": meetup_id, "mtime": mtime},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            ConditionExpression=Attr("meetup_id").exists(),
            ReturnValues="UPDATED_NEW",
        )
    say(f"Updated item in DynamoDB with meetup_id: {meetup_id} and mtime: {mtime}")
    say(f"UpdatedAttributes: {response['Attributes']}")


def delete(table: Table, meetup_id: str, mtime: int, say: Say) -> None:
    """Delete a meetup. Raises MeetupsError when there is no such meetup."""
    with _existing(meetup_id, mtime):
        table.delete_item(Key={"meetup_id": meetup_id, "mtime": mtime}, ConditionExpression=Attr("meetup_id").exists())
    say(f"Deleted item with meetup_id: {meetup_id} and mtime: {mtime}")


@contextmanager
def _existing(meetup_id: str, mtime: int) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        raise MeetupsError(f"There is no item with meetup_id: {meetup_id} and mtime: {mtime}") from None


def _meetup() -> dict[str, Any]:
    return {
        "meetup_id": str(uuid.uuid4()),
        "mtime": time.time_ns() // 1_000_000,
        "meetup_name": f"Meetup {random.randint(1, 10)}",
        "venue_name": f"Venue {random.randint(1, 5)}",
        "group_id": random.randint(1_000, 9_999),
        "group_name": f"Group {random.randint(1, 10)}",
        "group_city": random.choice(_CITIES),
        "group_country": random.choice(_COUNTRIES),
        "rsvp_count": _rsvp_count(),
        **_place(),
    }


def _place() -> dict[str, Decimal]:
    return {"group_lat": _degrees(90), "group_lon": _degrees(180)}


def _degrees(highest: int) -> Decimal:
    return Decimal(random.randint(-highest * 1_000_000, highest * 1_000_000)).scaleb(-6)


def _rsvp_count() -> int:
    return random.randint(1, 100)
