from __future__ import annotations

import json

import pytest

from changes import insert
from decoder.change import decode_change
from decoder.errors import ChangeError
from handlers.dead_letter import DeadLetter
from redrive.lost import Lost, ObjectError, read_object

RECORD = insert({"id": {"S": "a"}}, {})
GIVEN_UP = {
    "requestContext": {"condition": "RetryAttemptsExhausted"},
    "DDBStreamBatchInfo": {"batchSize": 2},
    "payload": json.dumps({"Records": [RECORD, "junk"]}),
}


def body(document):
    return json.dumps(document).encode()


def test_a_letter_of_the_functions_own_is_one_lost_change_of_one_table():
    change = decode_change(RECORD)
    letter = DeadLetter(position=0, record=RECORD, error=ChangeError("fraction", "…"), table="items", change=change)
    assert read_object(letter.entry().data) == (Lost(reason="fraction", table="items", change=change),)


def test_a_letter_that_could_not_be_read_says_why():
    letter = DeadLetter(position=0, record="junk", error=ChangeError("malformed", "…"), table=None, change=None)
    (lost,) = read_object(letter.entry().data)
    assert (lost.reason, lost.table, lost.change, lost.error.reason) == ("malformed", None, None, "malformed")


@pytest.mark.parametrize("payload", [GIVEN_UP["payload"], json.loads(GIVEN_UP["payload"])])
def test_a_batch_that_was_given_up_is_all_its_changes_for_all_tables(payload):
    good, junk = read_object(body({**GIVEN_UP, "payload": payload}))
    assert good == Lost(reason="RetryAttemptsExhausted", table=None, change=decode_change(RECORD))
    assert (junk.reason, junk.change) == ("RetryAttemptsExhausted", None)


def test_a_batch_of_kinesis_that_was_given_up_is_read_as_well():
    document = {name: value for name, value in GIVEN_UP.items() if name != "DDBStreamBatchInfo"}
    assert len(read_object(body({**document, "KinesisBatchInfo": {"batchSize": 2}}))) == 2


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        body({"record": RECORD}),
        body({**GIVEN_UP, "payload": None}),
        body({**GIVEN_UP, "payload": "{"}),
        body({**GIVEN_UP, "payload": "{}"}),
    ],
)
def test_any_other_object_is_refused(text):
    with pytest.raises(ObjectError):
        read_object(text)
