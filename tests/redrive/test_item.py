from __future__ import annotations

from email.utils import formatdate
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from changes import insert
from decoder.change import decode_change
from redrive.item import reader
from redrive.repair import Reading, RepairError

CHANGE = decode_change(insert({"id": {"B": "aGk="}}, {}))


class Clockwork:
    """GetItem as it answers at these seconds, one a call."""

    def __init__(self, *seconds, item=None):
        self.seconds = list(seconds)
        self.item = item
        self.slept = []
        self.asked = []

        self.meta = SimpleNamespace(region_name="us-east-1")

    def get_item(self, **request):
        self.asked.append(request)
        if isinstance(self.seconds[0], Exception):
            raise self.seconds.pop(0)
        answer = {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(self.seconds.pop(0), usegmt=True)}}}
        return answer | ({} if self.item is None else {"Item": self.item})


def read(clockwork, *earliest):
    function = reader(clockwork, sleep=clockwork.slept.append, pause=0.02)
    return [function(CHANGE, second) for second in earliest]


def test_a_reading_is_consistent_and_in_the_form_of_an_event():
    clockwork = Clockwork(100, 101, item={"id": {"B": b"hi"}, "l": {"L": [{"BS": [b"x"]}, {"M": {"n": {"N": "1"}}}]}})
    assert read(clockwork, 50) == [
        Reading({"id": {"B": "aGk="}, "l": {"L": [{"BS": ["eA=="]}, {"M": {"n": {"N": "1"}}}]}}, 99)
    ]
    assert clockwork.asked == [{"TableName": "meetups", "Key": {"id": {"B": b"hi"}}, "ConsistentRead": True}] * 2


def test_a_reading_began_before_the_answer_before_it_less_a_second():
    assert read(Clockwork(100, 105, 107), 50, 50) == [Reading(None, 99), Reading(None, 104)]


def test_a_reading_waits_for_the_second_it_may_begin_in():
    clockwork = Clockwork(100, 100, 101, 102)
    assert read(clockwork, 100) == [Reading(None, 100)]
    assert clockwork.slept == [0.02, 0.25, 0.02, 0.25, 0.02, 0.02]


def test_readings_keep_to_their_rate():
    clockwork = Clockwork(*range(100, 111))
    read(clockwork, *[0] * 10)
    assert clockwork.slept == [0.02] * 11


def test_an_item_of_another_region_is_not_looked_for_here():
    with pytest.raises(RepairError, match="another_region"):
        reader(Clockwork(), sleep=print)(CHANGE._replace(region="eu-west-1"), 0)


def test_a_time_that_is_far_ahead_is_not_waited_for():
    with pytest.raises(RepairError, match="in_the_future"):
        read(Clockwork(100), 1000)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetItem"), "ResourceNotFoundException"),
        (ClientError({}, "GetItem"), "Unknown"),
        (ParamValidationError(report="x"), "malformed"),
    ],
)
def test_what_dynamodb_refuses_is_told_by_its_code(error, reason):
    with pytest.raises(RepairError, match=reason):
        read(Clockwork(error), 0)


def test_no_connection_goes_through():
    with pytest.raises(EndpointConnectionError):
        read(Clockwork(EndpointConnectionError(endpoint_url="http://127.0.0.1")), 0)
