"""The load's steps, one by one and as the state machine calls them: moto's engine runs statemachines/load.asl.json.

moto does not honour tolerated failures: to it the map succeeds whatever its units do.
"""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import SimpleNamespace

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

import function
from dynapinot.demo.meetups import create_meetups_table
from dynapinot.demo.pinot_table import PINOT_TABLE, SHARDS, seed_tables
from dynapinot.local.function import BUCKET, Context
from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.services import records_in_turn
from handlers.catalog import hashes
from handlers.lag import LagReader
from handlers.loading import PlanError
from handlers.settings import SettingsError
from load.files import FilesError, LoadFiles
from load.plan import Control, Plan, PlannedTable, ScanReader, Total, Unit
from snapshot.version import CONSISTENT_READ
from state_machine import definition

NAME = "handlers.load"
LOAD = "20260102T030405Z-ab12"
TABLE = "meetups"
REPLICATOR = "the-replicator"
ITEMS = 60
SEGMENTS = 4
PORTION = 5


class World(SimpleNamespace):
    def plan(self, load=LOAD, **changes):
        """Begin a load as the command does: write its plan. Return its files."""
        plan = Plan(
            id=load,
            table=TABLE,
            region=self.tables.region,
            keys=("meetup_id", "mtime"),
            began=int(time.time()),
            tables={
                name: PlannedTable(files=hashed, shards=SHARDS) for name, hashed in hashes(self.tables.folder).items()
            },
            reader=ScanReader(segments=SEGMENTS, margin=CONSISTENT_READ),
            workers=2,
        )
        files = LoadFiles(client=self.s3, bucket=BUCKET, id=load)
        files.save(msgspec.structs.replace(plan, **changes))
        return files

    def put(self, number, **attributes):
        item = {"meetup_id": {"S": f"{number}"}, "mtime": {"N": "1719080907442"}, "meetup_name": {"S": "a"}}
        self.dynamodb.put_item(TableName=TABLE, Item={**item, **attributes})

    def new_rows(self):
        """The keys of the rows since the last call, as often as they came."""
        return sorted(json.loads(row.data)["meetup_id"] for row in self.reader.read())

    def report(self, load=LOAD):
        body = self.s3.get_object(Bucket=BUCKET, Key=f"loads/{load}/report.json")["Body"].read()
        return msgspec.json.decode(body, type=Total)

    def lag(self, seconds):
        self.cloudwatch.put_metric_data(
            Namespace="AWS/Lambda",
            MetricData=[
                {
                    "MetricName": "IteratorAge",
                    "Dimensions": [{"Name": "FunctionName", "Value": REPLICATOR}],
                    "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
                    "Value": seconds * 1000,
                }
            ],
        )


ALL = sorted(str(number) for number in range(ITEMS))


@pytest.fixture
def world(monkeypatch):
    """A table with items, the shipped Pinot table with its stream, and the bucket; the function is not started yet."""
    monkeypatch.setattr("load.work.PORTION", PORTION)
    with seed_tables() as tables, records_in_turn():
        function.set_environment(
            monkeypatch,
            tables.folder,
            DEAD_LETTER_BUCKET=BUCKET,
            REPLICATING_FUNCTION=REPLICATOR,
            POWERTOOLS_SERVICE_NAME="dynapinot",
        )
        with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            clients = {
                name: boto3.client(name) for name in ("dynamodb", "kinesis", "s3", "cloudwatch", "stepfunctions")
            }
            create_meetups_table(clients["dynamodb"], TABLE)
            clients["kinesis"].create_stream(StreamName=tables.stream, ShardCount=SHARDS)
            clients["s3"].create_bucket(Bucket=BUCKET)
            world = World(tables=tables, **clients, reader=StreamReader(clients["kinesis"], tables.stream))
            for number in range(ITEMS):
                world.put(number)
            yield world
    function.forget(NAME)


def step(handler, name, load=LOAD, seconds=60, **more):
    event = {"step": name, "load": load, **more}
    return json.loads(json.dumps(handler(event, Context(deadline=time.monotonic() + seconds))))


def measured(capsys):
    """The metrics that were emitted, in turn: (rows, failures, progress)."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = ("LoadedRows", "LoadFailures", "LoadProgress")
    return [tuple(int(*line[name]) for name in names) for line in lines if "LoadProgress" in line]


# Each step


def test_the_plan_lists_the_units_that_are_not_done(world):
    files = world.plan()
    files.save(Unit(number=1, is_done=True))
    handler = function.load(NAME).handler
    key = f"loads/{LOAD}/units.json"
    assert step(handler, "plan") == {"load": LOAD, "units": 3, "workers": 2, "bucket": BUCKET, "key": key}
    listed = json.loads(world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert listed == [{"unit": 0}, {"unit": 2}, {"unit": 3}]


def test_a_unit_is_worked_on_to_its_end_and_counted(world, capsys):
    files = world.plan(reader=ScanReader(segments=1, margin=CONSISTENT_READ))
    world.put(0, rsvp_count={"S": "many"})
    handler = function.load(NAME).handler
    assert step(handler, "work", unit=0, wait=0) == {
        "load": LOAD,
        "unit": 0,
        "is_done": True,
        "reason": None,
        "wait": 0,
    }
    assert world.new_rows() == sorted(set(ALL) - {"0"})
    unit = files.unit(0)
    assert (unit.items, unit.rows, unit.dead_letters) == (ITEMS, ITEMS - 1, {"type_mismatch": 1})
    [dead_letter] = world.s3.list_objects_v2(Bucket=BUCKET, Prefix="dead-letters/")["Contents"]
    assert dead_letter["Key"].startswith(f"dead-letters/{TABLE}/{PINOT_TABLE}/")
    assert measured(capsys) == [(ITEMS - 1, 1, 1)]
    assert step(handler, "work", unit=0, wait=0)["is_done"], "a step that is repeated does nothing"
    assert world.new_rows() == []
    assert measured(capsys) == [(0, 0, 1)]


def test_a_unit_goes_on_at_once_when_the_time_of_an_invocation_is_up(world, capsys):
    world.plan()
    handler = function.load(NAME).handler
    assert step(handler, "work", unit=0, wait=0, seconds=0) == {
        "load": LOAD,
        "unit": 0,
        "is_done": False,
        "reason": "time",
        "wait": 0,
    }
    assert measured(capsys) == [(0, 0, 0)]


@pytest.mark.parametrize(("state", "progress"), [("pause", 1), ("stop", 1)])
def test_a_unit_waits_longer_and_longer_while_the_operator_wants_it_to(world, capsys, state, progress):
    world.plan().save(Control(state=state))
    handler = function.load(NAME).handler
    waits = [0]
    for _ in range(6):
        result = step(handler, "work", unit=0, wait=waits[-1])
        assert (result["is_done"], result["reason"]) == (False, state)
        waits.append(result["wait"])
    assert waits == [0, 30, 60, 120, 240, 300, 300]
    assert measured(capsys) == [(0, 0, progress)] * 6
    assert world.new_rows() == []


def test_a_unit_waits_while_the_live_path_lags_and_that_is_no_progress(world, capsys):
    world.plan().save(Control(max_lag=60))
    world.lag(20)
    world.lag(61)
    handler = function.load(NAME).handler
    result = step(handler, "work", unit=0, wait=0)
    assert (result["is_done"], result["reason"], result["wait"]) == (False, "live", 30)
    assert measured(capsys) == [(0, 0, 0)]


def test_a_unit_waits_for_a_stream_that_rejects_and_can_be_paused_meanwhile(world, monkeypatch, capsys):
    world.plan()
    module = function.load(NAME)
    monkeypatch.setattr(module, "PORTION_SECONDS", 0.2)
    rejected = {"ErrorCode": "ProvisionedThroughputExceededException"}
    sender = next(iter(module._streams.senders.values()))
    before = time.monotonic()
    client = sender._client
    monkeypatch.setattr(
        client,
        "put_records",
        lambda Records, **_: {"FailedRecordCount": len(Records), "Records": [rejected] * len(Records)},  # noqa: N803
    )
    result = step(module.handler, "work", unit=0, wait=0)
    assert time.monotonic() - before < 10
    assert (result["is_done"], result["reason"], result["wait"]) == (False, rejected["ErrorCode"], 30)
    assert measured(capsys) == [(0, 0, 0)]


def test_the_report_is_the_sum_of_all_units(world):
    world.plan()
    handler = function.load(NAME).handler
    for number in range(SEGMENTS):
        step(handler, "work", unit=number, wait=0)
    assert step(handler, "report") == {
        "load": LOAD,
        "units": SEGMENTS,
        "done": SEGMENTS,
        "items": ITEMS,
        "rows": ITEMS,
        "dead_letters": {},
    }
    report = world.report()
    assert (report.units, report.done, report.items, report.rows) == (SEGMENTS, SEGMENTS, ITEMS, ITEMS)


def test_a_load_that_ends_too_early_fails_and_names_its_units_unless_somebody_stopped_it(world, monkeypatch):
    files = world.plan()
    files.save(Unit(number=2, is_done=True))
    module = function.load(NAME)
    with pytest.raises(module.LoadError, match=r"3 of 4 units of the load \S+ are not done: 0, 1, 3\. .*same id"):
        step(module.handler, "report")
    monkeypatch.setattr(module, "NAMED", 2)
    with pytest.raises(module.LoadError, match=r"are not done: 0, 1, …\."):
        step(module.handler, "report")
    assert (world.report().units, world.report().done) == (4, 1)
    files.save(Control(state="stop"))
    assert step(module.handler, "report")["done"] == 1


@pytest.mark.parametrize("name", ["plan", "work"])
@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"another": PlannedTable(files="x", shards=1)}, "is of the table another, which is not here"),
        ({PINOT_TABLE: PlannedTable(files="x", shards=1)}, "are not those that the load .* began with"),
    ],
)
def test_a_function_with_other_tables_refuses_the_plan(world, name, tables, message):
    world.plan(tables=tables)
    handler = function.load(NAME).handler
    with pytest.raises(PlanError, match=message):
        step(handler, name, unit=0, wait=0)
    assert world.new_rows() == []


def test_a_load_that_does_not_exist_is_named(world):
    module = function.load(NAME)
    with pytest.raises(FilesError, match=f"there is no load {LOAD}"):
        step(module.handler, "plan")
    with pytest.raises(module.RequestError, match=f"unit 0 of the load {LOAD}: there is no load"):
        step(module.handler, "work", unit=0, wait=0)
    with pytest.raises(module.RequestError, match=f"there is no load {LOAD}"):
        step(module.handler, "report")


def test_an_unknown_step_is_refused(world):
    with pytest.raises(ValueError, match="there is no step sweep: a load has the steps plan, work and report"):
        step(function.load(NAME).handler, "sweep")


def test_what_a_service_refuses_can_be_tried_again(world):
    world.plan()
    world.dynamodb.delete_table(TableName=TABLE)
    module = function.load(NAME)
    with pytest.raises(module.RequestError, match=r"unit 0 of the load .*ResourceNotFoundException"):
        step(module.handler, "work", unit=0, wait=0)


def test_the_function_does_not_start_without_the_name_of_the_one_it_waits_for(world, monkeypatch):
    monkeypatch.delenv("REPLICATING_FUNCTION")
    with pytest.raises(SettingsError, match="REPLICATING_FUNCTION is not set"):
        function.load(NAME)


class Killed(BaseException):
    """The worker's process ends here: nothing after it runs."""


class Killer:
    """Ends the worker at one of its requests to services, if ``at`` is set to a number of them."""

    def __init__(self, module):
        self.requests = []
        self.at = None
        self._lag = module._lag
        streams = [sender._client for sender in module._streams.senders.values()]
        for client in (module._s3, module._dynamodb, module._lag._client, *streams):
            client.meta.events.register("before-call", self._count)

    def arm(self, number):
        self.requests, self.at = [], number
        self._lag._read_at = None  # as in a new process

    def _count(self, model, **_):
        self.requests.append(model.name)
        if len(self.requests) == self.at:
            raise Killed


def test_a_worker_that_is_killed_at_any_request_goes_on_from_its_last_state_and_misses_nothing(world, monkeypatch):
    portion = 20
    monkeypatch.setattr("load.work.PORTION", portion)
    monkeypatch.setattr("load.work.SAVE_SECONDS", 0)  # a state after each portion
    module = function.load(NAME)
    killer = Killer(module)
    reader = ScanReader(segments=1, margin=CONSISTENT_READ)
    world.plan(load="whole", reader=reader)
    step(module.handler, "work", load="whole", unit=0, wait=0)
    assert world.new_rows() == ALL
    requests = len(killer.requests)
    assert set(killer.requests) == {"Scan", "PutRecords", "PutObject", "GetObject", "GetMetricData"}
    assert requests > 2 * ITEMS / portion
    for number in range(1, requests + 1):
        load = f"killed-{number}"
        files = world.plan(load=load, reader=reader)
        killer.arm(number)
        with pytest.raises(Killed):
            step(module.handler, "work", load=load, unit=0, wait=0)
        assert files.unit(0).items % portion == 0
        killer.arm(None)
        assert step(module.handler, "work", load=load, unit=0, wait=0)["is_done"]
        rows = world.new_rows()
        assert sorted(set(rows)) == ALL
        assert len(rows) <= ITEMS + portion, "no more than the last portion is done twice"
        assert files.unit(0).items == ITEMS


# The lag


class FakeCloudWatch:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def get_metric_data(self, **request):
        self.asked.append(request)
        return {"MetricDataResults": [{"Values": self.answers.pop(0)}]}


def test_the_lag_is_the_most_of_the_last_minutes_and_read_every_30_seconds():
    client, clock = FakeCloudWatch([1000.0, 61_000.0], []), [0.0]
    lag = LagReader(client, REPLICATOR, clock=lambda: clock[0], wall_clock=lambda: 1_000_000.0)
    assert [lag(), lag()] == [61.0, 61.0]
    clock[0] = 29.9
    assert lag() == 61.0
    assert len(client.asked) == 1
    clock[0] = 30.0
    assert [lag(), lag()] == [None, None]
    [query] = client.asked[1]["MetricDataQueries"]
    assert query["MetricStat"] == {
        "Metric": {
            "Namespace": "AWS/Lambda",
            "MetricName": "IteratorAge",
            "Dimensions": [{"Name": "FunctionName", "Value": REPLICATOR}],
        },
        "Period": 60,
        "Stat": "Maximum",
    }
    assert [client.asked[1][name].timestamp() for name in ("StartTime", "EndTime")] == [999_700.0, 1_000_000.0]


def test_a_lag_that_cannot_be_read_is_an_error_as_the_load_could_hold_the_live_path_up(world, monkeypatch):
    world.plan()
    module = function.load(NAME)
    denied = ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")

    def refuse(**_):
        raise denied

    monkeypatch.setattr(module._lag._client, "get_metric_data", refuse)
    with pytest.raises(module.RequestError, match="AccessDenied"):
        step(module.handler, "work", unit=0, wait=0)


# The state machine


class Machine:
    """The state machine in moto's engine, with the handler as its function. ``before`` is called with each event."""

    def __init__(self, world, module, monkeypatch, before=lambda _: None):
        self.events = []
        self._client = world.stepfunctions
        self._before = before
        self._module = module
        self._lock = Lock()  # Powertools has one set of metrics a process
        monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", self._invoke)
        self._arn = self._client.create_state_machine(
            name="load", definition=json.dumps(definition()), roleArn="arn:aws:iam::123456789012:role/r"
        )["stateMachineArn"]

    def _invoke(self, parameters, **_):
        event = json.loads(parameters["Payload"])
        with self._lock:
            self.events.append(event)
            try:
                self._before(event)
                result = self._module.handler(event, Context())
            except Killed as killed:
                return {"FunctionError": "Unhandled", "Payload": {"errorType": str(killed)}}
            except Exception as error:  # noqa: BLE001  # as the runtime does
                payload = {"errorType": type(error).__name__, "errorMessage": str(error)}
                return {"FunctionError": "Unhandled", "Payload": payload}
        return {"StatusCode": 200, "Payload": json.loads(json.dumps(result))}

    def run(self, load=LOAD):
        arn = self._client.start_execution(
            stateMachineArn=self._arn, name=str(uuid.uuid4()), input=json.dumps({"load": load})
        )["executionArn"]
        while (execution := self._client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.02)
        return execution

    def map_run(self, execution):
        [run] = self._client.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
        return self._client.describe_map_run(mapRunArn=run["mapRunArn"])

    def steps(self):
        return [(event["step"], event.get("unit")) for event in self.events]


@pytest.fixture
def machine(world, monkeypatch):
    """Starts the function and makes its state machine, with waits of a second."""

    def make(before=lambda _: None):
        module = function.load(NAME)
        for name in ("SHORTEST_WAIT", "LONGEST_WAIT"):
            monkeypatch.setattr(module, name, 1)
        return Machine(world, module, monkeypatch, before)

    return make


def test_the_state_machine_loads_all_units_and_reports(world, machine):
    world.plan()
    machine = machine()
    execution = machine.run()
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"]) == {
        "load": LOAD,
        "units": SEGMENTS,
        "done": SEGMENTS,
        "items": ITEMS,
        "rows": ITEMS,
        "dead_letters": {},
    }
    assert machine.steps()[0] == ("plan", None)
    assert sorted(machine.steps()[1:-1]) == [("work", number) for number in range(SEGMENTS)]
    assert machine.steps()[-1] == ("report", None)
    assert world.new_rows() == ALL
    assert machine.map_run(execution)["maxConcurrency"] == 2, "the plan's workers"


def test_a_load_of_which_nothing_is_left_only_reports(world, machine):
    files = world.plan()
    for number in range(SEGMENTS):
        files.save(Unit(number=number, is_done=True))
    machine = machine()
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.steps() == [("plan", None), ("report", None)]


def test_a_paused_load_waits_and_goes_on_when_it_may(world, machine):
    files = world.plan(reader=ScanReader(segments=1, margin=CONSISTENT_READ))
    files.save(Control(state="pause"))

    def before(event):
        if event["step"] == "work" and event["wait"]:  # the second invocation
            files.save(Control(state="run"))

    machine = machine(before)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.steps() == [("plan", None), ("work", 0), ("work", 0), ("report", None)]
    assert [event["wait"] for event in machine.events[1:3]] == [0, 1]
    assert world.new_rows() == ALL


def test_a_stopped_load_ends_well_and_goes_on_with_its_next_execution(world, machine):
    files = world.plan()

    def before(event):
        if event == {"step": "work", "load": LOAD, "unit": 2, "wait": 0}:
            files.save(Control(state="stop"))

    stopped = machine(before)
    execution = stopped.run()
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"])["done"] < SEGMENTS
    files.save(Control(state="run"))
    stopped._before = lambda _: None
    assert json.loads(stopped.run()["output"])["done"] == SEGMENTS
    assert world.new_rows() == ALL


@pytest.mark.parametrize("name", ["Runtime.ExitError", "Sandbox.Timedout", "Lambda.TooManyRequestsException"])
def test_a_call_that_died_or_did_not_start_is_repeated(world, machine, name):
    files = world.plan(reader=ScanReader(segments=1, margin=CONSISTENT_READ))
    died = []

    def before(event):
        if event["step"] == "work" and not died:
            died.append(event)
            raise Killed(name)

    machine = machine(before)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.steps() == [("plan", None), ("work", 0), ("work", 0), ("report", None)]
    assert files.unit(0).is_done
    assert world.new_rows() == ALL


def test_a_call_that_a_service_did_not_answer_is_repeated(world, machine):
    world.plan(reader=ScanReader(segments=1, margin=CONSISTENT_READ))
    machine = machine()
    refused = []

    def refuse(**_):
        if not refused:
            refused.append(ConnectionClosedError(endpoint_url="https://dynamodb"))
            raise refused[0]

    machine._module._dynamodb.meta.events.register("before-call.dynamodb.Scan", refuse)
    assert machine.run()["status"] == "SUCCEEDED"
    assert refused
    assert machine.steps() == [("plan", None), ("work", 0), ("work", 0), ("report", None)]
    assert world.new_rows() == ALL


def test_a_unit_that_fails_stops_no_other_and_the_load_fails_in_the_end_and_can_go_on(world, machine):
    world.plan()

    def before(event):
        if event.get("unit") == 1:
            raise PlanError("it cannot be done")

    machine = machine(before)
    execution = machine.run()
    assert (execution["status"], execution["error"]) == ("FAILED", "LoadError")
    assert "1 of 4 units" in execution["cause"]
    assert machine.steps().count(("work", 1)) == 1, "what cannot be repaired is not tried again"
    assert machine.map_run(execution)["itemCounts"]["failed"] == 1
    assert world.report().done == SEGMENTS - 1

    machine._before, machine.events = (lambda _: None), []
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.steps() == [("plan", None), ("work", 1), ("report", None)]
    assert world.new_rows() == ALL


def test_a_plan_of_other_tables_fails_the_execution_at_once(world, machine):
    world.plan(tables={"another": PlannedTable(files="x", shards=1)})
    machine = machine()
    execution = machine.run()
    assert (execution["status"], execution["error"]) == ("FAILED", "PlanError")
    assert machine.steps() == [("plan", None)]
