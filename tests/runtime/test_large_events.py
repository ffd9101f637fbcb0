"""The largest events of Lambda: every row arrives, and the process fits into the smallest function."""

from __future__ import annotations

import json
import time

import pytest

from dynapinot.defaults import DEMO_TABLES
from dynapinot.demo.pinot_table import PINOT_TABLE, SHARDS
from dynapinot.local.kinesis_stream import StreamReader
from files import CONFIG, STREAM, with_column, with_setting
from handlers.catalog import load_tables
from handlers.planner import plan
from limits.events import EVENTS, PAYLOAD_BYTES, compact
from print_counts import print_counts
from publisher.order import MAX_RECORD_BYTES
from runtime.meetups import meetup

pytestmark = pytest.mark.engines

DONE = {"batchItemFailures": []}
SMALLEST_FUNCTION_MIB = 256  # docs/limits.md, which reserves an eighth of it for the runtime
CITY = "Zürich, 東京, " * 20


def six_megabytes():
    """As many changes of meetups as fit. Every tenth change has the same item as the one ten before."""
    records, size, number = [], len('{"Records":[]}'), 0
    while size <= PAYLOAD_BYTES:
        number += 1
        item = number - 10 if number % 10 == 0 and number > 10 else number
        records.append(meetup(item, number, group_city={"S": CITY}, rsvp_count={"N": str(number)}))
        size += len(compact(records[-1])) + 1
    return records[:-1]


def test_every_change_of_the_largest_event_is_published_and_memory_does_not_grow_with_events(
    start, variables, services, files, capsys
):
    function = start("Replicator", variables)
    assert function.invoke({"Records": []}) == DONE
    started = function.usage()
    records = six_megabytes()
    event = compact({"Records": records}).encode()
    assert PAYLOAD_BYTES - 2_000 < len(event) <= PAYLOAD_BYTES
    before = time.monotonic()
    assert function.invoke(event) == DONE
    seconds = time.monotonic() - before
    first = function.usage()

    tables, _ = load_tables(DEMO_TABLES, [PINOT_TABLE])
    [entries] = plan(json.loads(event)["Records"], tables, max_record_bytes=MAX_RECORD_BYTES).rows.values()
    rows = [(record.key, record.data) for record in StreamReader(services.kinesis, files.stream).read()]
    assert sorted(rows) == sorted((entry.key, entry.data) for entry in entries)
    assert len(rows) == len(records)

    # The allocator takes a few large events to settle: memory that is freed is not always in one piece.
    peaks = []
    for _ in range(2):
        for _ in range(4):
            assert function.invoke(event) == DONE
        peaks.append(function.usage().peak)
    settled, last = peaks
    print_counts(
        capsys,
        "6 MB",
        {
            "changes": len(records),
            "seconds": round(seconds, 1),
            "peak MiB at the start": round(started.peak),
            "peak MiB after the first": round(first.peak),
            "peak MiB after 5": round(settled),
            "peak MiB after 9": round(last),
        },
    )
    assert max(first.peak, settled, last) < SMALLEST_FUNCTION_MIB / 2
    assert last < settled + 2 * PAYLOAD_BYTES / 2**20, "four events were not kept"


@pytest.fixture
def numbers(services, files, variables, tmp_path):
    """The variables for a table whose rows have the whole item."""
    region = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0.region"
    folder = tmp_path / "tables" / "items"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text(json.dumps(with_column("rest", "JSON")))
    (folder / "table.json").write_text(json.dumps(with_setting(CONFIG, region, files.region)))
    (folder / "source.toml").write_text('[columns]\nrest = "$rest"\n')
    services.kinesis.create_stream(StreamName=STREAM["stream.kinesis.topic.name"], ShardCount=SHARDS)
    return {**variables, "TABLES_DIR": str(folder.parent), "TABLES": folder.name}


@pytest.mark.parametrize("dead_letters", [0, 1])
def test_the_memory_of_the_largest_events_is_released_before_the_next(dead_letters, start, numbers, capsys):
    event = EVENTS["6 MB of the shortest numbers"]()
    for record in event["Records"][:dead_letters]:
        record["dynamodb"]["NewImage"]["price"] = {"S": "x"}
    function = start("Replicator", numbers)
    peaks = []
    for _ in range(2):
        assert function.invoke(compact(event).encode()) == DONE
        peaks.append(function.usage().peak)
    print_counts(
        capsys, f"6 MB of numbers, dead letters {dead_letters}", {"peaks MiB": [round(peak) for peak in peaks]}
    )
    assert max(peaks) < SMALLEST_FUNCTION_MIB
