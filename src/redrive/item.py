"""Reading an item as it is now, with the time by DynamoDB's own clock."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError, ParamValidationError

from decoder.change import Change
from decoder.sdk import from_sdk, to_sdk
from redrive.repair import Read, Reading, RepairError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import GetItemOutputTypeDef

_A_MOMENT: Final = 0.25  # seconds
_CLOCK_MARGIN: Final = 1  # seconds
_LONGEST_WAIT: Final = 10  # seconds; a change that is younger than that will not be for long


def reader(client: DynamoDBClient, *, sleep: Callable[[float], None], pause: float = 0.0) -> Read:
    """Give the function that reads an item consistently, at most one in ``pause`` seconds.

    A read's beginning is the Date of the answer before it, less a second for what DynamoDB's own clocks may differ by:
    not by our clock, and rather too early than too late. It waits until that is not before the second asked for.
    Raises RepairError for an item of another region and for what DynamoDB refuses, by its code.
    """
    last: int | None = None

    def read(change: Change, earliest: int) -> Reading:
        nonlocal last
        if change.region not in (None, client.meta.region_name):
            raise RepairError("another_region")  # a table of the same name there is not this one
        while True:
            began = last
            sleep(pause)
            response = _get(client, change)
            last = _second(response)
            if began is not None and began >= earliest:
                item = response.get("Item")
                return Reading(image=None if item is None else from_sdk(item), began=began)
            if earliest - last > _LONGEST_WAIT:
                raise RepairError("in_the_future")
            if last < earliest:
                sleep(_A_MOMENT)

    return read


def _get(client: DynamoDBClient, change: Change) -> GetItemOutputTypeDef:
    try:
        return client.get_item(TableName=change.table or "", Key=to_sdk(change.keys), ConsistentRead=True)
    except ClientError as error:
        raise RepairError(error.response.get("Error", {}).get("Code", "Unknown")) from error
    except ParamValidationError as error:
        raise RepairError("malformed") from error


def _second(response: GetItemOutputTypeDef) -> int:
    return int(parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()) - _CLOCK_MARGIN
