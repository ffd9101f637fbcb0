"""Segments of a table in moto: every item once, as DynamoDB writes it, with a time before its page was read."""

from __future__ import annotations

import json
from email.utils import formatdate
from types import SimpleNamespace

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from msgspec import Raw

from files import SCHEMA, table, with_setting
from load.pace import Budget
from load.plan import Plan, PlannedTable, ScanReader, Unit
from load.scan import Page, SegmentReader, page_reader

BEGAN = 1_700_000_000


def plan(segments=1, **reader):
    return Plan(
        id="l",
        table="items",
        region="us-east-1",
        keys=("id", "n"),
        began=BEGAN,
        tables={"items": PlannedTable(files="x", shards=1)},
        reader=ScanReader(segments=segments, margin=1, **reader),
        workers=1,
    )


@pytest.fixture
def dynamodb(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("dynamodb", "us-east-1")
        client.create_table(
            TableName="items",
            KeySchema=[
                {"AttributeName": "id", "KeyType": "HASH"},
                {"AttributeName": "n", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "n", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


def put(client, count, size=10):
    items = [
        {"id": {"S": str(n % 7)}, "n": {"N": str(n)}, "text": {"S": "é" * size}, "set": {"BS": [b"\x00", b"\x01"]}}
        for n in range(count)
    ]
    for item in items:
        client.put_item(TableName="items", Item=item)
    return items


def reading(scan, made, *tables, limit=200, unit=None, remaining=lambda: 1.0, **options):
    read = SegmentReader(
        scan,
        made,
        made.reader,
        tables or [table()],
        budget=options.get("budget"),
        sleep=options.get("sleep"),
        remaining=remaining,
    )
    return read(unit or Unit(number=0), lambda: limit)


def numbers(portions):
    return sorted(int(record["dynamodb"]["Keys"]["n"]["N"]) for each in portions for record in each.records)


def test_every_item_of_every_segment_comes_once_as_an_event_has_it(dynamodb):
    put(dynamodb, 300)
    made = plan(segments=4)
    scan = page_reader(dynamodb, "items", made.reader)
    portions = [p for n in range(4) for p in reading(scan, made, unit=Unit(number=n), limit=17)]
    assert numbers(portions) == list(range(300))
    assert [p.is_last for p in portions].count(True) == 4
    assert all(p.is_last == (p.cursor is None) for p in portions)
    assert max(len(p.records) for p in portions) == 17
    record = portions[0].records[0]
    assert record["dynamodb"]["NewImage"]["set"] == {"BS": ["AA==", "AQ=="]}
    assert record["dynamodb"]["Keys"].keys() == {"id", "n"}
    assert record["tableName"] == "items"


def test_it_goes_on_after_any_item(dynamodb):
    put(dynamodb, 60)
    scan = page_reader(dynamodb, "items", plan().reader)
    first = []
    for portion in reading(scan, plan(), limit=7):
        first.append(portion)
        rest = [] if portion.is_last else reading(scan, plan(), unit=Unit(number=0, cursor=portion.cursor), limit=7)
        assert numbers([*first, *rest]) == list(range(60))


def test_pages_of_large_items_follow_each_other(dynamodb):
    put(dynamodb, 30, size=40_000)
    scan = page_reader(dynamodb, "items", plan().reader)
    portions = list(reading(scan, plan()))
    assert len(portions) > 2
    assert numbers(portions) == list(range(30))
    assert sum(p.read_units for p in portions) > 0


def test_a_filter_is_scans_own(dynamodb):
    put(dynamodb, 50)
    made = plan(filter={"FilterExpression": "n < :most", "ExpressionAttributeValues": {":most": {"N": "10"}}})
    assert numbers(reading(page_reader(dynamodb, "items", made.reader), made)) == list(range(10))


def test_errors_are_the_sdks_own(dynamodb):
    scan = page_reader(dynamodb, "nowhere", plan().reader)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        list(reading(scan, plan()))


def test_a_request_is_consistent_unless_it_is_said_and_installing_twice_does_no_harm():
    asked = []

    def scan(**request):
        asked.append(request)
        return {"Body": b'{"Items":[],"Count":0}', "ResponseMetadata": {"HTTPHeaders": {"date": formatdate(5)}}}

    client = SimpleNamespace(scan=scan, meta=SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None)))
    page = page_reader(client, "items", ScanReader(segments=3, margin=1))(2, None)
    assert page == Page(items=[], last_key=None, read_units=0.0, date=5.0)
    page_reader(client, "items", ScanReader(segments=3, margin=300, consistent=False))(1, {"id": {"B": "AA=="}})
    assert [each["ConsistentRead"] for each in asked] == [True, False]
    assert asked[1] == {
        "TableName": "items",
        "Segment": 1,
        "TotalSegments": 3,
        "ConsistentRead": False,
        "ReturnConsumedCapacity": "TOTAL",
        "ExclusiveStartKey": {"id": {"B": b"\x00"}},
    }


def pages(*answers):
    """A table of pages: (numbers of items, date), or an error's code."""
    left, asked = list(answers), []

    def scan(segment, after):
        asked.append((segment, after))
        answer = left.pop(0)
        if isinstance(answer, str):
            raise ClientError({"Error": {"Code": answer}}, "Scan")
        found, date = answer
        items = [Raw(orjson.dumps({"id": {"B": "AA=="}, "n": {"N": str(n)}})) for n in found]
        last = orjson.dumps({"id": {"B": "AA=="}, "n": {"N": str(max(found, default=0))}}) if left else None
        return Page(items=items, last_key=last and Raw(last), read_units=2.0, date=date)

    scan.asked = asked
    return scan


def times(portions):
    return [[record["dynamodb"]["ApproximateCreationDateTime"] for record in each.records] for each in portions]


def test_a_page_has_the_time_of_the_answer_before_it():
    scan = pages(([1, 2], BEGAN + 10.0), ([3], BEGAN + 20.0), ([4], BEGAN + 30.0))
    assert times(reading(scan, plan())) == [
        [(BEGAN - 1) * 1000 - 1] * 2,
        [(BEGAN + 9) * 1000 - 1],
        [(BEGAN + 19) * 1000 - 1],
    ]


def test_with_several_tables_the_earliest_time_holds():
    minutes = table(with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", "EPOCH|MINUTES"))
    assert times(reading(pages(([1], BEGAN)), plan(), table(), minutes)) == [[(BEGAN - 1) // 60 * 60_000 - 1]]


def test_an_empty_page_is_a_portion_without_records():
    portions = list(reading(pages(([], 1.0), ([5], 1.0)), plan()))
    assert [(len(p.records), p.is_last) for p in portions] == [(0, False), (1, True)]


def test_it_reads_at_the_pace_of_its_budget_and_slower_when_the_table_throttles():
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    budget = Budget(2.0, clock=lambda: now[0], sleep=sleep)
    scan = pages(([1], 1.0), ([2], 1.0), "ProvisionedThroughputExceededException", ([3], 1.0), ([4], 1.0))
    assert numbers(reading(scan, plan(), budget=budget, sleep=sleep)) == [1, 2, 3, 4]
    assert now == [1.0 + 1.0 + 1.0 + 2.0]
    now = [0.0]
    assert numbers(reading(pages("ThrottlingException", ([1], 1.0)), plan(), sleep=sleep)) == [1]
    assert now == [1.0]


def test_a_table_that_throttles_to_the_end_of_the_time_ends_the_reading():
    assert list(reading(pages("ThrottlingException"), plan(), remaining=lambda: 0.0)) == []


def test_a_key_is_whole_whatever_the_order_of_its_attributes(dynamodb):
    put(dynamodb, 3)
    (portion,) = reading(page_reader(dynamodb, "items", plan().reader), plan())
    keys = {json.dumps(each["dynamodb"]["Keys"]) for each in portion.records}
    assert len(keys) == 3
    assert all(text.startswith('{"id"') for text in keys)
