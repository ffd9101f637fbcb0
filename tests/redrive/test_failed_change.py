from __future__ import annotations

import json

import pytest

from changes import insert
from decoder.change import decode_change
from decoder.errors import ChangeError
from handlers.dead_letter import DeadLetter
from redrive.failed_change import FailedChange, ObjectError, read_object

RECORD = insert({"id": {"S": "a"}}, {})
DISCARDED_BATCH = {
    "requestContext": {"condition": "RetryAttemptsExhausted"},
    "DDBStreamBatchInfo": {"batchSize": 2},
    "payload": json.dumps({"Records": [RECORD, "junk"]}),
}


def body(document):
    return json.dumps(document).encode()


def test_a_dead_letter_is_one_failed_change_of_one_table():
    change = decode_change(RECORD)
    dead_letter = DeadLetter(
        position=0, record=RECORD, error=ChangeError("fraction", "…"), table="items", change=change
    )
    assert read_object(dead_letter.entry().data) == (FailedChange(reason="fraction", table="items", change=change),)


def test_a_dead_letter_that_cannot_be_decoded_says_why():
    dead_letter = DeadLetter(position=0, record="junk", error=ChangeError("malformed", "…"), table=None, change=None)
    (failed,) = read_object(dead_letter.entry().data)
    assert (failed.reason, failed.table, failed.change, failed.error.reason) == ("malformed", None, None, "malformed")


@pytest.mark.parametrize("payload", [DISCARDED_BATCH["payload"], json.loads(DISCARDED_BATCH["payload"])])
def test_a_discarded_batch_is_all_its_changes_for_all_tables(payload):
    good, junk = read_object(body({**DISCARDED_BATCH, "payload": payload}))
    assert good == FailedChange(reason="RetryAttemptsExhausted", table=None, change=decode_change(RECORD))
    assert (junk.reason, junk.change) == ("RetryAttemptsExhausted", None)


def test_a_discarded_batch_of_kinesis_is_read_too():
    document = {name: value for name, value in DISCARDED_BATCH.items() if name != "DDBStreamBatchInfo"}
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
        body({**DISCARDED_BATCH, "payload": None}),
        body({**DISCARDED_BATCH, "payload": "{"}),
        body({**DISCARDED_BATCH, "payload": "{}"}),
    ],
)
def test_any_other_object_is_refused(text):
    with pytest.raises(ObjectError):
        read_object(text)
