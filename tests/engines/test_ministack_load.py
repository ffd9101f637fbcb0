"""The state machine of loads with the deployed function, in an emulator that honours tolerated failures.

The function raises with its own error; the emulator names every error ``Runtime.HandlerError``.
"""

from __future__ import annotations

import json
import time

import pytest

from dynapinot.demo.meetups import create_meetups_table
from dynapinot.demo.pinot_table import PINOT_TABLE, SHARDS, seed_tables
from dynapinot.local.function import BUCKET
from dynapinot.local.kinesis_stream import StreamReader
from engines.ministack_engine import Ministack, zipped
from engines.pinot_engine import MissingToolError
from handlers.catalog import hashes
from load.files import LoadFiles
from load.plan import Plan, PlannedTable, ScanReader, Unit
from runtime.artefact import build
from snapshot.version import CONSISTENT_READ
from state_machine import deployed_definition

pytestmark = pytest.mark.engines

TABLE = "meetups"
ITEMS = 40
SEGMENTS = 4
ALL = sorted(str(number) for number in range(ITEMS))
BROKEN = {"meetup_id": {"no type": "1"}}  # a cursor that no unit has


@pytest.fixture(scope="module")
def ministack():
    try:
        function = build().functions["Loader"]
        server = Ministack()
    except MissingToolError as error:
        pytest.fail(str(error), pytrace=False)
    server.client("s3").create_bucket(Bucket=BUCKET)
    server.arn = server.client("lambda").create_function(
        FunctionName="load",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/load",
        Handler=function.handler,
        Code={"ZipFile": zipped(function.folder)},
        MemorySize=function.memory,
        Timeout=function.timeout,
        Environment={
            "Variables": {
                "DEAD_LETTER_BUCKET": BUCKET,
                "REPLICATING_FUNCTION": "dynapinot",
                "TABLES": PINOT_TABLE,
                "POWERTOOLS_SERVICE_NAME": "dynapinot",
            }
        },
    )["FunctionArn"]
    dynamodb = server.client("dynamodb")
    create_meetups_table(dynamodb, TABLE)
    for number in range(ITEMS):
        item = {"meetup_id": {"S": str(number)}, "mtime": {"N": "1719080907442"}, "meetup_name": {"S": "a"}}
        dynamodb.put_item(TableName=TABLE, Item=item)
    with seed_tables() as tables:
        server.tables = tables
        server.kinesis = server.client("kinesis")
        server.kinesis.create_stream(StreamName=tables.stream, ShardCount=SHARDS)
        yield server
    server.close()


def plan(ministack, load):
    files = LoadFiles(client=ministack.client("s3"), bucket=BUCKET, id=load)
    files.save(
        Plan(
            id=load,
            table=TABLE,
            region=ministack.tables.region,
            keys=("meetup_id", "mtime"),
            began=int(time.time()),
            tables={PINOT_TABLE: PlannedTable(files=hashes(ministack.tables.folder)[PINOT_TABLE], shards=SHARDS)},
            reader=ScanReader(segments=SEGMENTS, margin=CONSISTENT_READ),
            workers=2,
        )
    )
    return files


def run(ministack, load, **changes):
    """Run the state machine, with changed settings of its map; return the execution and the map run."""
    definition = deployed_definition()
    definition["States"]["Units"] |= changes
    text = json.dumps(definition)
    for state in (*definition["States"].values(), *definition["States"]["Units"]["ItemProcessor"]["States"].values()):
        if "Resource" in state:
            text = text.replace(state["Resource"], ministack.arn)
    client = ministack.client("stepfunctions")
    machine = client.create_state_machine(
        name=f"{load}-{time.monotonic_ns()}", definition=text, roleArn="arn:aws:iam::000000000000:role/load"
    )["stateMachineArn"]
    arn = client.start_execution(stateMachineArn=machine, input=json.dumps({"load": load}))["executionArn"]
    while (execution := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.1)
    [map_run] = client.list_map_runs(executionArn=arn)["mapRuns"]
    return execution, client.describe_map_run(mapRunArn=map_run["mapRunArn"])


def counts(map_run):
    return {name: map_run["itemCounts"][name] for name in ("succeeded", "failed", "total")}


def test_failed_units_are_tolerated_until_the_report_and_a_new_execution_does_them(ministack):
    files = plan(ministack, "tolerated")
    files.save(Unit(number=1, cursor=BROKEN))
    execution, map_run = run(ministack, "tolerated")
    assert (map_run["status"], counts(map_run)) == ("SUCCEEDED", {"succeeded": 3, "failed": 1, "total": 4})
    assert execution["status"] == "FAILED"
    assert "1 of 4 units of the load tolerated are not done: 1. " in execution["cause"]
    assert [unit.is_done for unit in files.units(SEGMENTS)] == [True, False, True, True]

    files.save(Unit(number=1))
    execution, map_run = run(ministack, "tolerated")
    assert (map_run["status"], counts(map_run)) == ("SUCCEEDED", {"succeeded": 1, "failed": 0, "total": 1})
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"]) == {
        "load": "tolerated",
        "units": SEGMENTS,
        "done": SEGMENTS,
        "items": ITEMS,
        "rows": ITEMS,
        "dead_letters": {},
    }
    rows = StreamReader(ministack.kinesis, ministack.tables.stream).read()
    assert sorted(json.loads(row.data)["meetup_id"] for row in rows) == ALL


def test_the_emulator_fails_a_map_that_tolerates_nothing(ministack):
    files = plan(ministack, "strict")
    files.save(Unit(number=1, cursor=BROKEN))
    execution, map_run = run(ministack, "strict", ToleratedFailurePercentage=0.0)
    assert (execution["status"], map_run["status"]) == ("FAILED", "FAILED")
    assert execution["error"] == "States.ExceedToleratedFailureThreshold"
