from __future__ import annotations

from email.utils import formatdate

from redrive.item import reader
from redrive.repair import Reading


class Clockwork:
    """GetItem as it answers at these seconds, one a call."""

    def __init__(self, *seconds, item=None):
        self.seconds = list(seconds)
        self.item = item
        self.slept = []
        self.asked = []

    def get_item(self, **request):
        self.asked.append(request)
        answer = {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(self.seconds.pop(0), usegmt=True)}}}
        return answer | ({} if self.item is None else {"Item": self.item})


def read(clockwork, *earliest):
    function = reader(clockwork, sleep=clockwork.slept.append, pause=0.02)
    return [function("meetups", {"id": {"B": "aGk="}}, second) for second in earliest]


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
