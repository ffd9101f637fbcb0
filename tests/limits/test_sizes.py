"""The largest row, request and batch: at the limit it is sent, and one byte over it is a dead letter."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from random import Random

import pytest

from changes import insert
from decoder.attribute import MAX_DEPTH
from decoder.number import MAX_SIGNIFICANT_DIGITS
from files import SCHEMA, table
from handlers.planner import Planner, plan
from handlers.relay import relay
from handlers.settings import Settings
from kinesis_fake import Clock, FakeKinesis
from limits.events import BATCH_SIZE, ITEM_BYTES, PAYLOAD_BYTES, binary, control, document, key, text
from pinot.key import MAX_KEY_BYTES
from pinot.values import MAX_DOCUMENT_NAME, MAX_MULTI_VALUES
from publisher.order import MAX_RECORD_BYTES, MAX_REQUEST_BYTES, MAX_REQUEST_RECORDS, Limits, publish

PAGE = (Path(__file__).parent.parent.parent / "docs" / "limits.md").read_text()
MIB = 1024 * 1024
TEN_MIB = {"KINESIS_MAX_RECORD_BYTES": str(10 * MIB), "KINESIS_MAX_REQUEST_BYTES": str(10 * MIB)}
ITEMS = table(
    {
        **SCHEMA,
        "dimensionFieldSpecs": [
            *(each for each in SCHEMA["dimensionFieldSpecs"] if each["name"] != "name"),
            {"name": "name", "dataType": "STRING", "maxLengthExceedStrategy": "NO_ACTION"},
            {"name": "data", "dataType": "BYTES"},
            {"name": "document", "dataType": "JSON"},
        ],
    }
)


def settings(**environment):
    return Settings.from_mapping({"DEAD_LETTER_BUCKET": "dead", **environment})


def planned(*records, environment=None):
    return plan(records, [ITEMS], max_record_bytes=settings(**environment or {}).kinesis_max_record_bytes)


def entries_of(made):
    return [entry for entries in made.rows.values() for entry in entries]


def reasons(made):
    return [dead_letter.error.reason for dead_letter in made.dead_letters]


def of_size(size):
    """A change whose row and key have this many bytes."""
    (short,) = entries_of(planned(insert(key(1), text(1), sequence=1)))
    return insert(key(1), text(size - short.size + 1), sequence=1)


@pytest.mark.parametrize(
    ("limit", "environment"), [(MIB, {}), (10 * MIB, TEN_MIB), (5_000, {"KINESIS_MAX_RECORD_BYTES": "5000"})]
)
def test_a_record_of_exactly_the_limit_is_sent_and_one_byte_more_is_a_dead_letter(limit, environment):
    largest = planned(of_size(limit), environment=environment)
    (entry,) = entries_of(largest)
    assert (entry.size, len(entry.data) + len(entry.key.encode()), largest.dead_letters) == (limit, limit, [])
    over = planned(of_size(limit + 1), environment=environment)
    assert (entries_of(over), reasons(over)) == ([], ["row_too_large"])


@pytest.mark.parametrize(("limit", "environment"), [(MIB, {}), (10 * MIB, TEN_MIB)])
def test_the_largest_records_are_published_within_the_requests_limit(limit, environment):
    read = settings(**environment)
    stream = FakeKinesis(Random(1))
    clock = Clock(60.0)
    entries = entries_of(planned(*[of_size(limit)] * 7, environment=environment))
    published = publish(
        entries,
        stream.send,
        remaining=clock.remaining,
        sleep=clock.sleep,
        jitter=lambda: 0.5,
        limits=Limits(records=read.kinesis_max_request_records, bytes=read.kinesis_max_request_bytes),
    )
    assert published.first_unpublished is None
    assert sum(map(len, stream.requests)) == 7
    assert max(sum(entry.size for entry in each) for each in stream.requests) <= read.kinesis_max_request_bytes


def rows_of_largest_items():
    """The table of the page: content, column type -> the attributes of a 400 KB item."""
    size = ITEM_BYTES - 200
    quotes = '"' * size
    emoji = "\U0001f600" * (size // 4)
    return {
        ("plain text", "STRING"): text(size),
        ("binary", "BYTES"): binary(size),
        ("binary", "JSON"): {"document": {"B": base64.b64encode(bytes(size)).decode()}},
        ("emoji", "STRING"): {"name": {"S": emoji}},
        ("quotation marks", "STRING"): {"name": {"S": quotes}},
        ("quotation marks", "JSON"): {"document": {"S": quotes}},
        ("control characters", "STRING"): control(size),
        ("control characters", "JSON"): {"document": {"S": "\x01" * size}},
    }


@pytest.mark.parametrize("case", rows_of_largest_items(), ids=" as ".join)
def test_an_item_of_400_kb_is_a_row_of_the_size_on_the_page(case):
    change = insert(key(1), rows_of_largest_items()[case])
    wide = planned(change, environment=TEN_MIB)
    (entry,) = entries_of(wide)
    documented = {
        (what, column): int(kb)
        for what, column, kb in re.findall(r"^\| (.+) \| ([A-Z]+) \| (\d+) KB \|$", PAGE, re.MULTILINE)
    }
    assert documented.keys() == rows_of_largest_items().keys()
    assert entry.size / 1024 == pytest.approx(documented[case], rel=0.02)
    usual = planned(change)
    assert reasons(usual) == ([] if entry.size <= MIB else ["row_too_large"])
    assert len(entries_of(usual)) == (entry.size <= MIB)


@pytest.mark.parametrize(("levels", "fits"), [(30, True), (MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_a_wide_map_is_a_row_down_to_the_deepest_allowed_level(levels, fits):
    made = planned(insert(key(1), document(levels, 300)))
    assert reasons(made) == ([] if fits else ["malformed"])
    assert len(entries_of(made)) == fits


def test_a_batch_of_ten_thousand_changes_is_sent_in_requests_of_five_hundred():
    stream = FakeKinesis(Random(1), shuffle=0.5, reject=0.01)
    clock = Clock(1e9)
    report = relay(
        {"Records": [insert(key(number % 3_000), text(10)) for number in range(BATCH_SIZE)]},
        Planner([ITEMS], max_record_bytes=MIB),
        publish=lambda _, entries: publish(
            entries, stream.send, remaining=clock.remaining, sleep=clock.sleep, jitter=lambda: 0.5
        ),
        store=lambda _: (None, None),
    )
    assert report.response() == {"batchItemFailures": []}
    assert report.rows == BATCH_SIZE
    assert max(map(len, stream.requests)) == MAX_REQUEST_RECORDS
    assert len(stream.last_of_each_key()) == 3_000


def test_the_page_has_the_limits_in_the_code():
    highest = {"record": "KINESIS_MAX_RECORD_BYTES", "request": "KINESIS_MAX_REQUEST_BYTES"}
    for environment in highest.values():
        with pytest.raises(ValueError, match="10485760"):
            settings(**{environment: str(10 * MIB + 1)})
    limits = [
        f"{MAX_RECORD_BYTES} bytes, `{highest['record']}` up to {10 * MIB}",
        f"{MAX_KEY_BYTES} bytes",
        f"| an item | {ITEM_BYTES} bytes",
        f"| nested levels of a value | {MAX_DEPTH},",
        f"| digits of a number | {MAX_SIGNIFICANT_DIGITS},",
        f"| values of a multi-value column | {MAX_MULTI_VALUES} |",
        f"| a name inside a JSON column | {MAX_DOCUMENT_NAME} characters |",
        f"| rows of a PutRecords request | {MAX_REQUEST_RECORDS},",
        f"| bytes of a PutRecords request | {MAX_REQUEST_BYTES}, `{highest['request']}` up to {10 * MIB} |",
        f"| changes of a batch | {BATCH_SIZE},",
        f"| bytes of a batch | {PAYLOAD_BYTES} |",
    ]
    assert [each for each in limits if each not in PAGE] == []


def test_the_default_limits_are_kinesis_own():
    read = settings()
    assert (read.kinesis_max_record_bytes, read.kinesis_max_request_bytes, read.kinesis_max_request_records) == (
        MAX_RECORD_BYTES,
        MAX_REQUEST_BYTES,
        MAX_REQUEST_RECORDS,
    )
    assert json.dumps(MAX_RECORD_BYTES) == "1048576"
