"""A consistent read of an item, with its time by DynamoDB's own clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from decoder.change import Change
from decoder.sdk import from_sdk, to_sdk
from redrive.current_rows import ItemSnapshot, ReadItem, RedriveError
from snapshot.version import CONSISTENT_READ, GLOBAL_TABLE_READ, read_second

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import GetItemOutputTypeDef

_POLL_PAUSE: Final = 0.25  # seconds
_MAX_WAIT: Final = 10  # seconds; a change with a time so far ahead of DynamoDB's is an error, not just recent


def item_reader(
    client: DynamoDBClient,
    *,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    pause: float = 0.0,
) -> ReadItem:
    """Return the function that reads an item consistently, at most one each ``pause`` seconds, by ``clock``.

    The second in which a read began is taken from the Date of the response before it, minus the table's margin, as
    DynamoDB's own clocks may differ. That does not depend on the local clock, and is too early rather than too late.
    The function waits until it is not before the second asked for. Raises RedriveError for an item of another region,
    and with DynamoDB's code for a read that it refuses. Each table is described once.
    """
    last: float | None = None
    next_read = -math.inf
    margin_of = cache(partial(_margin, client))

    def read(change: Change, earliest: int) -> ItemSnapshot:
        nonlocal last, next_read
        if change.region not in (None, client.meta.region_name):
            raise RedriveError("another_region")  # a table of the same name there is not this one
        margin = margin_of(change.table or "")
        while True:
            began = None if last is None else read_second(last, margin)
            now = clock()
            if now < next_read:
                sleep(next_read - now)
            next_read = max(now, next_read) + pause  # from the beginning of this read: what it takes is a part of it
            response = _get(client, change)
            last = _time(response)
            if began is not None and began >= earliest:
                item = response.get("Item")
                return ItemSnapshot(image=None if item is None else from_sdk(item), read_second=began)
            if earliest - last >= _MAX_WAIT:
                raise RedriveError("in_the_future")
            missing = earliest - read_second(last, margin)
            if missing > 0:
                sleep(max(_POLL_PAUSE, missing - 1))  # a second less, as the Date has no fraction

    return read


def _get(client: DynamoDBClient, change: Change) -> GetItemOutputTypeDef:
    try:
        return client.get_item(TableName=change.table or "", Key=to_sdk(change.keys), ConsistentRead=True)
    except ClientError as error:
        raise RedriveError(error.response.get("Error", {}).get("Code", "Unknown")) from error
    except ParamValidationError as error:
        raise RedriveError("malformed") from error


def _margin(client: DynamoDBClient, table: str) -> int:
    """Return the margin of a read, in seconds: the larger one, which is always right, where DynamoDB does not tell."""
    try:
        described = client.describe_table(TableName=table)["Table"]
    except (BotoCoreError, ClientError):
        return GLOBAL_TABLE_READ
    return GLOBAL_TABLE_READ if described.get("Replicas") else CONSISTENT_READ


def _time(response: GetItemOutputTypeDef) -> float:
    return parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
