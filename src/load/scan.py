"""The items of a segment of a parallel Scan, page by page, each page with its time by DynamoDB's own clock.

Each page is a snapshot of its own: "if the ConsistentRead parameter is set to true in the scan request, then all of
the write operations that completed before the Scan request began are contained in the response".
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import orjson
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from msgspec import UNSET, Raw, Struct, UnsetType

from decoder.sdk import to_sdk
from load.pace import Budget
from load.plan import Plan, ScanReader, Unit
from load.work import Portion
from pinot.table import Table
from snapshot.record import SnapshotRecords
from snapshot.version import read_second, snapshot_ms

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RESPONSE_EVENT: Final = "before-parse.dynamodb.Scan"
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
THROTTLED: Final = frozenset(
    {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "LimitExceededException"}
)
THROTTLED_PAUSE: Final = 1.0  # seconds


class _Capacity(Struct):
    CapacityUnits: float = 0.0


class _Page(Struct):
    Items: list[Raw]
    LastEvaluatedKey: Raw | UnsetType = UNSET
    ConsumedCapacity: _Capacity | None = None


_decode_page: Final = msgspec.json.Decoder(_Page).decode


class Page(Struct):
    """A page: its items' JSON, the JSON of the key to go on after, its cost, and the response's time in epoch s."""

    items: Sequence[Raw]
    last_key: Raw | None
    read_units: float
    date: float


# Reads the page of a segment that begins after a key, as an event has it; None for the segment's beginning.
ScanPage: TypeAlias = Callable[[int, "Mapping[str, object] | None"], Page]


def page_reader(client: DynamoDBClient, table: str, reader: ScanReader) -> ScanPage:
    """Return the function that reads a page. It raises botocore's errors.

    The SDK would make Python objects of every value, of which JSON is made again for the rows; so its parser gets no
    body, and the page is split into the JSON of its items.
    """
    client.meta.events.register(_RESPONSE_EVENT, _split_page, unique_id=_RESPONSE_EVENT)

    def read(segment: int, after: Mapping[str, object] | None) -> Page:
        start = {} if after is None else {"ExclusiveStartKey": to_sdk(after)}
        response: Any = client.scan(
            TableName=table,
            Segment=segment,
            TotalSegments=reader.segments,
            ConsistentRead=reader.consistent,
            ReturnConsumedCapacity="TOTAL",
            **start,
            **reader.filter,
        )
        return Page(
            items=response["Items"],
            last_key=response["LastEvaluatedKey"],
            read_units=response["ConsumedCapacity"]["CapacityUnits"],
            date=parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp(),
        )

    return read


def _split_page(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Give the members of a response with the JSON of items and keys; leave errors to the SDK."""
    if response_dict["status_code"] != HTTPStatus.OK:
        return
    try:
        page = _decode_page(response_dict["body"])
    except msgspec.DecodeError as error:
        raise ResponseParserError("the response to Scan is not a page of items") from error
    response_dict["body"] = b"{}"
    customized_response_dict |= {
        "Items": page.Items,
        "LastEvaluatedKey": None if page.LastEvaluatedKey is UNSET else page.LastEvaluatedKey,
        "ConsumedCapacity": {"CapacityUnits": page.ConsumedCapacity.CapacityUnits if page.ConsumedCapacity else 0.0},
    }


class SegmentReader:
    """Reads segments for one worker, at the pace of a budget of read capacity, None for no limit.

    A page's T is the time of the response before it; of the first page it is the beginning of the load, which is
    earlier still.
    """

    def __init__(
        self,
        scan: ScanPage,
        plan: Plan,
        reader: ScanReader,
        tables: Sequence[Table],
        *,
        budget: Budget | None,
        sleep: Callable[[float], None],
        remaining: Callable[[], float],
    ) -> None:
        self._scan = scan
        self._margin = reader.margin
        self._tables = tables
        self._records = SnapshotRecords(plan.table, plan.region, plan.keys)
        self._budget = budget
        self._sleep = sleep
        self._remaining = remaining
        self._before = float(plan.began)

    def __call__(self, unit: Unit, limit: Callable[[], int]) -> Iterator[Portion]:
        """Give a unit's items in portions. It ends early only when the time is up. Raises botocore's errors."""
        after: Any = unit.cursor
        while True:
            page = self._page(unit.number, after)
            if page is None:
                return
            second = read_second(self._before, self._margin)
            self._before = page.date
            timestamp_ms = min(snapshot_ms(table, second) for table in self._tables)
            read_units, start = page.read_units, 0
            while True:
                items = page.items[start : start + limit()]
                start += len(items)
                is_page_done = start >= len(page.items)
                if not is_page_done:
                    after = orjson.loads(self._records.key_of(items[-1]))
                else:
                    after = None if page.last_key is None else orjson.loads(bytes(page.last_key))
                yield Portion(
                    records=self._records.records(items, timestamp_ms),
                    cursor=after,
                    is_last=is_page_done and after is None,
                    read_units=read_units,
                )
                if is_page_done:
                    break
                read_units = 0.0
            if after is None:
                return

    def _page(self, segment: int, after: Mapping[str, object] | None) -> Page | None:
        """Read a page, again and again while the table throttles; None when the time is up."""
        while True:
            if self._budget:
                self._budget.wait()
            try:
                page = self._scan(segment, after)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in THROTTLED:
                    raise
                if self._remaining() <= 0:
                    return None
                if self._budget:
                    self._budget.per_second /= 2
                self._sleep(THROTTLED_PAUSE)
            else:
                if self._budget:
                    self._budget.spend(page.read_units)
                return page
