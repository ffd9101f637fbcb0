"""The whole path with the deployed functions: from the table, through poller and emulator, to the rows of Pinot."""

from __future__ import annotations

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from rich.console import Console

from dynapinot.defaults import MEETUPS, MEETUPS_TABLE
from dynapinot.demo import embedded
from dynapinot.demo.pinot_table import PINOT_TABLE, SHARDS
from dynapinot.local.function import BUCKET
from runtime.meetups import UNICODE

pytestmark = pytest.mark.engines

NOTHING_DONE = {"objects": 0, "changes": 0, "rows": 0, "unfinished": False, "failing": []}
KEY = {"meetup_id": {"S": "4dc2a627"}, "mtime": {"N": "1719080907442"}}


def test_the_demo_works_with_the_deployed_artefact(start):
    said = io.StringIO()
    invocations = []

    def load_handler(_):
        # The function has its own tables in the artefact; the demo's copy of them is not needed.
        sdk = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        function = start("Replicator", {**sdk, "DEAD_LETTER_BUCKET": BUCKET, "TABLES": PINOT_TABLE})

        def handler(event, _):
            invocations.append(event)
            return function.invoke(event)

        return handler

    code = embedded.run(Console(file=said, width=200), load_handler)
    assert code == 0, said.getvalue()
    names = [record["eventName"] for event in invocations for record in event["Records"]]
    assert len(names) == 2 + MEETUPS + 2  # while it is loaded, then the walk's
    assert names[-1] == "REMOVE"


def test_every_character_arrives_unchanged(start, variables, path):
    function = start("Replicator", variables)
    path.create_table()
    path.put(meetup_id=UNICODE, meetup_name=UNICODE, group_city="", rsvp_count=Decimal(45))
    path.poller(function).drain()
    assert path.differences() == []
    assert path.live()[UNICODE]["meetup_name"] == UNICODE
    assert path.given_up == []


def test_redriving_a_dead_letter_publishes_its_item_once_that_is_fixed(start, variables, services, path):
    replicator = start("Replicator", variables)
    path.create_table()
    path.put(meetup_id=KEY["meetup_id"]["S"], rsvp_count="many", meetup_name="before")
    path.poller(replicator).drain()
    assert path.live() == {}

    [dead_letter] = services.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    stored = json.loads(services.s3.get_object(Bucket=BUCKET, Key=dead_letter["Key"])["Body"].read())
    assert (stored["reason"], stored["path"], stored["record"]["dynamodb"]["Keys"]) == (
        "type_mismatch",
        "rsvp_count",
        KEY,
    )

    path.put(meetup_id=KEY["meetup_id"]["S"], rsvp_count=Decimal(7), meetup_name="fixed")
    redrive = start("Redrive", {**variables, "REDRIVE_ITEMS_PER_SECOND": "50"})
    done = NOTHING_DONE | {"objects": 1, "changes": 1, "rows": 1}
    assert redrive.invoke({"source": "aws.events"}) == done
    assert path.differences() == []
    assert redrive.invoke({"source": "aws.events"}) == NOTHING_DONE


def test_a_heartbeat_finds_the_rows_of_its_items_on_every_shard(start, variables, path):
    replicator = start("Replicator", variables)
    path.create_table()
    heartbeat = start("Heartbeat", {**variables, "HEARTBEAT_TABLE": MEETUPS_TABLE, "HEARTBEAT_ITEM": "{}"}, timeout=40)
    poller = path.poller(replicator)
    with ThreadPoolExecutor() as pool:
        beat = pool.submit(heartbeat.invoke, {"source": "aws.events"})
        while not beat.done():
            poller.drain()
        assert beat.result() == {"shards": SHARDS, "missing": 0}
    poller.drain()
    assert len(path.live()) == SHARDS
