from __future__ import annotations

from email.utils import formatdate
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from changes import insert
from decoder.change import decode_change
from redrive.current_rows import ItemSnapshot, RedriveError
from redrive.item import item_reader
from snapshot.version import GLOBAL_TABLE_READ

CHANGE = decode_change(insert({"id": {"B": "aGk="}}, {}))


class FakeDynamoDB:
    """GetItem that responds at these seconds, one for each call."""

    def __init__(self, *seconds, item=None, replicas=()):
        self.seconds = list(seconds)
        self.item = item
        self.replicas = replicas
        self.described = []
        self.now = 0.0
        self.slept = []
        self.requests = []
        self.takes = 0.0

        self.meta = SimpleNamespace(region_name="us-east-1")

    def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def describe_table(self, TableName):  # noqa: N803  # as the API names it
        self.described.append(TableName)
        if isinstance(self.replicas, Exception):
            raise self.replicas
        return {"Table": {"Replicas": self.replicas} if self.replicas else {}}

    def get_item(self, **request):
        self.requests.append(request)
        self.now += self.takes
        if isinstance(self.seconds[0], Exception):
            raise self.seconds.pop(0)
        answer = {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(self.seconds.pop(0), usegmt=True)}}}
        return answer | ({} if self.item is None else {"Item": self.item})


def read(dynamodb, *earliest):
    function = item_reader(dynamodb, sleep=dynamodb.sleep, clock=lambda: dynamodb.now, pause=0.02)
    return [function(CHANGE, second) for second in earliest]


def test_a_snapshot_is_a_consistent_read_in_the_form_of_an_event():
    dynamodb = FakeDynamoDB(100, 101, item={"id": {"B": b"hi"}, "l": {"L": [{"BS": [b"x"]}, {"M": {"n": {"N": "1"}}}]}})
    assert read(dynamodb, 50) == [
        ItemSnapshot({"id": {"B": "aGk="}, "l": {"L": [{"BS": ["eA=="]}, {"M": {"n": {"N": "1"}}}]}}, 99)
    ]
    assert dynamodb.requests == [{"TableName": "meetups", "Key": {"id": {"B": b"hi"}}, "ConsistentRead": True}] * 2


def test_a_read_is_dated_one_second_before_the_previous_response():
    assert read(FakeDynamoDB(100, 105, 107), 50, 50) == [ItemSnapshot(None, 99), ItemSnapshot(None, 104)]


def test_a_read_waits_for_the_earliest_second_in_which_it_may_begin():
    dynamodb = FakeDynamoDB(100, 100, 101, 102)
    assert read(dynamodb, 100) == [ItemSnapshot(None, 100)]
    assert dynamodb.slept == [0.25, 0.25, 0.02]


REPLICAS = [{"RegionName": "eu-west-1"}]
REFUSED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeTable")


@pytest.mark.parametrize("replicas", [REPLICAS, REFUSED, EndpointConnectionError(endpoint_url="http://127.0.0.1")])
def test_a_read_of_a_table_that_is_global_or_may_be_has_a_larger_margin(replicas):
    dynamodb = FakeDynamoDB(100, 105, 106, replicas=replicas)
    assert GLOBAL_TABLE_READ == 60
    assert read(dynamodb, 30, 30) == [ItemSnapshot(None, 40), ItemSnapshot(None, 45)]
    assert dynamodb.described == ["meetups"]


def test_a_read_of_a_global_table_waits_for_its_margin_without_asking_meanwhile():
    dynamodb = FakeDynamoDB(100, 159, 160, 161, replicas=REPLICAS)
    assert read(dynamodb, 100) == [ItemSnapshot(None, 100)]
    assert dynamodb.slept == [59, 0.25, 0.02]


def test_reads_keep_to_the_configured_rate():
    dynamodb = FakeDynamoDB(*range(100, 111))
    read(dynamodb, *[0] * 10)
    assert dynamodb.slept == [0.02] * 10


@pytest.mark.parametrize(("takes", "slept"), [(0.015, [0.005] * 10), (0.05, [])])
def test_the_time_of_a_read_is_a_part_of_its_pause(takes, slept):
    dynamodb = FakeDynamoDB(*range(100, 111))
    dynamodb.takes = takes
    read(dynamodb, *[0] * 10)
    assert dynamodb.slept == slept


def test_an_item_of_another_region_is_not_read():
    with pytest.raises(RedriveError, match="another_region"):
        item_reader(FakeDynamoDB(), sleep=print, clock=float)(CHANGE._replace(region="eu-west-1"), 0)


def test_a_time_far_in_the_future_is_not_waited_for():
    with pytest.raises(RedriveError, match="in_the_future"):
        read(FakeDynamoDB(100), 110)
    assert read(FakeDynamoDB(100, 109, 110, 111), 109) == [ItemSnapshot(None, 109)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetItem"), "ResourceNotFoundException"),
        (ClientError({}, "GetItem"), "Unknown"),
        (ParamValidationError(report="x"), "malformed"),
    ],
)
def test_a_request_that_dynamodb_refuses_is_reported_by_its_code(error, reason):
    with pytest.raises(RedriveError, match=reason):
        read(FakeDynamoDB(error), 0)


def test_a_connection_error_is_raised():
    with pytest.raises(EndpointConnectionError):
        read(FakeDynamoDB(EndpointConnectionError(endpoint_url="http://127.0.0.1")), 0)
