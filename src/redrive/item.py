"""Reading an item as it is now, with the time by DynamoDB's own clock."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from decoder.change import Image
from decoder.sdk import from_sdk, to_sdk
from redrive.repair import Read, Reading

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import GetItemOutputTypeDef

_A_MOMENT: Final = 0.25  # seconds
_CLOCK_MARGIN: Final = 1  # seconds


def reader(client: DynamoDBClient, *, sleep: Callable[[float], None], pause: float = 0.0) -> Read:
    """Give the function that reads an item consistently, at most one in ``pause`` seconds.

    A read's beginning is the Date of the answer before it, less a second for what DynamoDB's own clocks may differ by:
    not by our clock, and rather too early than too late. It waits until that is not before the second asked for.
    """
    last: int | None = None

    def read(table: str, key: Image, earliest: int) -> Reading:
        nonlocal last
        while True:
            began = last
            sleep(pause)
            response = client.get_item(TableName=table, Key=to_sdk(key), ConsistentRead=True)
            last = _second(response)
            if began is not None and began >= earliest:
                item = response.get("Item")
                return Reading(image=None if item is None else from_sdk(item), began=began)
            if last < earliest:
                sleep(_A_MOMENT)

    return read


def _second(response: GetItemOutputTypeDef) -> int:
    return int(parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()) - _CLOCK_MARGIN
