"""template.yaml deploys the expected resources, and the tools that check it agree. No test needs an AWS account."""

from __future__ import annotations

import ast
import copy
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from aws_lambda_powertools.metrics import Metrics

from changes import SECOND, insert
from files import table as a_table
from handlers.parser import PARSERS
from handlers.planner import Planner
from handlers.relay import relay
from handlers.telemetry import NAMESPACE, measure, measure_heartbeat, measure_load, measure_redrive
from kinesis_fake import publish_everything
from load.files import PREFIX as LOADS
from publisher.order import MAX_RECORD_BYTES, MAX_REQUEST_BYTES
from redrive.bucket import ARCHIVE, PREFIXES, PROGRESS
from redrive.run import Summary
from state_machine import FILE as STATE_MACHINE
from state_machine import deployed_definition

pytestmark = pytest.mark.template

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
DEMO = ROOT / "examples" / "meetups" / "tables" / "pinot_dynamo_ingestion"

MAX_ARTEFACT_BYTES = 5_400_000  # unpacked; it was 5.1 MB with Powertools 3.37, orjson 3.13 and msgspec 0.22

TABLE_STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
CHANGES = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders-changes"
TABLE_ARN = TABLE_STREAM.partition("/stream/")[0]
KINESIS_STREAM = "arn:aws:kinesis:eu-central-1:123456789012:stream/orders-rows"
TABLE_KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
KINESIS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/22222222-2222-2222-2222-222222222222"

CHANGES_KEY = "arn:aws:kms:eu-west-1:123456789012:key/44444444-4444-4444-4444-444444444444"
OTHER_STREAMS = [f"arn:aws:kinesis:eu-west-1:123456789012:stream/{name}" for name in ("people-rows", "lines.of_orders")]
OTHER_KEYS = [f"arn:aws:kms:eu-west-1:123456789012:key/{digit * 8}-5555-5555-5555-555555555555" for digit in "56"]
STACK_KEY = "arn:aws:kms:eu-west-1:123456789012:key/33333333-3333-3333-3333-333333333333"
EXPORT_BUCKET = "exports-of-orders"
EXPORT_KEY = "arn:aws:kms:eu-west-1:123456789012:key/77777777-7777-7777-7777-777777777777"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:on-call"
_, PARTITION, _, REGION, ACCOUNT, _ = TABLE_STREAM.split(":", 5)  # the stack's

NEW, TABLE, BOTH = "all new", "existing table", "existing table and stream in another region, both with keys"
KINESIS, KINESIS_ALL_ON = "changes from Kinesis", "changes from Kinesis, several streams, all keys, all options on"
NEW_ALL_ON, BOTH_ALL_ON = "all new, all options on", "existing table and stream, all keys, all options on"
OPTIONS = {"RedriveSchedule": "rate(1 hour)", "HeartbeatSchedule": "rate(5 minutes)", "Load": "enabled"}
CASES = {
    NEW: {},
    TABLE: {"TableStreamArn": TABLE_STREAM},
    BOTH: {
        "TableStreamArn": TABLE_STREAM,
        "TableKeyArn": TABLE_KEY,
        "KinesisStreamArn": KINESIS_STREAM,
        "KinesisKeyArn": KINESIS_KEY,
    },
    NEW_ALL_ON: {**OPTIONS, "AlarmEmail": "on-call@example.com", "StackKeyArn": STACK_KEY},
    BOTH_ALL_ON: {
        **OPTIONS,
        "TableStreamArn": TABLE_STREAM,
        "TableKeyArn": TABLE_KEY,
        "KinesisStreamArn": KINESIS_STREAM.replace("eu-central-1", REGION),
        "KinesisKeyArn": KINESIS_KEY,
        "StackKeyArn": STACK_KEY,
        "AlarmTopicArn": TOPIC,
        "LoadExportBucketName": EXPORT_BUCKET,
        "LoadExportKeyArn": EXPORT_KEY,
    },
    KINESIS: {"TableStreamArn": CHANGES},
    KINESIS_ALL_ON: {
        **OPTIONS,
        "TableStreamArn": CHANGES,
        "TableArn": TABLE_ARN,
        "TableKeyArn": TABLE_KEY,
        "ChangeStreamKeyArn": CHANGES_KEY,
        "Tables": "orders,people,lines",
        "KinesisKeyArn": KINESIS_KEY,
        "OtherKinesisStreamArns": ",".join(OTHER_STREAMS),
        "OtherKinesisKeyArns": ",".join(OTHER_KEYS),
        "StackKeyArn": STACK_KEY,
        "AlarmTopicArn": TOPIC,
    },
}
every_case = pytest.mark.parametrize("case", CASES)

with_options = pytest.mark.parametrize("case", [NEW_ALL_ON, BOTH_ALL_ON, KINESIS_ALL_ON])

# Statements about all resources, by resource and Sid, each with its reason. All others name their resources.
EVERYTHING = {
    ("DeadLetterBucketPolicy", "OnlyTls"): "It denies: to everybody, whatever they do, unless they do it over TLS.",
}
WIDE = {
    **EVERYTHING,
    ("LoaderRole", "ReadIteratorAge"): "CloudWatch knows no permission to read a single metric.",
    ("LoadStateMachineRole", "FollowUnits"): "The executions of this state machine, whose names are made as it runs.",
}

IN_THIS_ACCOUNT = {"StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}}

# No account, no telemetry, and a proxy that does not exist: commands with this environment need no network.
OFFLINE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "SAM_CLI_TELEMETRY": "0",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "",
}


def run(*command, stdin=None, env=OFFLINE):
    """Run a command in the project's folder and return its output. If it fails, the test fails with its output."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "COVERAGE_", "MAKE", "PYTEST_")) and name.upper() not in env
    }
    result = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=inherited | env,
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def tool(environment, name):
    path = ROOT / environment / "bin" / name
    assert path.exists(), f"{environment} has no {name}: run `make test`, which makes the environments of the tools"
    return path


def translate(cases, addition=""):
    """Return the template as SAM gives it to CloudFormation, by case, with an addition in YAML."""
    given = json.dumps({case: [parameters, addition] for case, parameters in cases.items()})
    return json.loads(run(tool(".venv-sam", "python"), HERE / "translate.py", stdin=given).stdout)


@pytest.fixture(scope="module")
def translated():
    return translate(CASES)


@pytest.fixture(scope="module")
def with_second_table():
    """The translated template with the addition in docs/operations.md for a second DynamoDB table."""
    return translate({NEW: CASES[NEW]}, yaml_below("Several DynamoDB tables"))[NEW]


def yaml_below(heading):
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    [block] = re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return block


@pytest.fixture
def stack(case, translated):
    return deployed(translated[case], CASES[case])


@pytest.fixture(scope="module")
def table():
    return json.loads((DEMO / "table.json").read_text())


NOTHING = object()


def parameters_of(template, given):
    """Return the values of the parameters' references: given values or defaults, lists as lists."""
    values = {name: given.get(name, declared.get("Default")) for name, declared in template["Parameters"].items()}
    return {
        name: value.split(",") if template["Parameters"][name]["Type"] == "CommaDelimitedList" else value
        for name, value in values.items()
    }


class Conditions(dict):
    """A template's conditions, each decided on access: they may refer to one another in any order."""

    def __init__(self, template, parameters):
        super().__init__()
        self.template = template
        pseudo = {"AWS::Region": REGION, "AWS::Partition": PARTITION, "AWS::AccountId": ACCOUNT}
        self.known = {**parameters, **pseudo}

    def __missing__(self, name):
        self[name] = decide(self.template["Conditions"][name], self.known, self)
        return self[name]


def deployed(template, given):
    """Decide the conditions and insert the parameters; return the resources' properties and the outputs' values."""
    parameters = parameters_of(template, given)
    conditions = Conditions(template, parameters)
    return {
        section: {
            name: decide(each.get(content, {}), parameters, conditions)
            for name, each in template[section].items()
            if "Condition" not in each or conditions[each["Condition"]]
        }
        for section, content in (("Resources", "Properties"), ("Outputs", "Value"))
    }


def decide(node, parameters, conditions):
    """Evaluate intrinsic functions, except those that only AWS can evaluate, such as a resource's attribute."""

    def value(part):
        return decide(part, parameters, conditions)

    match node:
        case {"Ref": "AWS::NoValue"}:
            return NOTHING
        case {"Ref": name} if name in parameters:
            return parameters[name]
        case {"Fn::If": [condition, yes, no]}:
            return value(yes if conditions[condition] else no)
        case {"Condition": str(name), **others} if not others:
            return conditions[name]
        case {"Fn::Sub": str(text)} if set(VARIABLE.findall(text)) <= parameters.keys():
            return VARIABLE.sub(lambda match: str(parameters[match[1]]), text)
        case dict() if node.keys() <= FUNCTIONS.keys() and len(node) == 1:
            [(name, arguments)] = node.items()
            return FUNCTIONS[name](*value(arguments))
        case dict():
            return {name: of for name, each in node.items() if (of := value(each)) is not NOTHING}
        case list():
            return [of for each in node if (of := value(each)) is not NOTHING]
    return node


def split(separator, text):
    """Split text. Of a join with parts that only AWS knows, split the known parts."""
    if isinstance(text, str):
        return text.split(separator)
    [(_, (joint, parts))] = text.items()
    assert joint == separator
    return [each for part in parts for each in (part.split(separator) if isinstance(part, str) else [part])]


def join(separator, parts):
    """Join text. A join with parts that only AWS knows is unchanged."""
    if all(isinstance(part, str) for part in parts):
        return separator.join(parts)
    return {"Fn::Join": [separator, parts]}


FUNCTIONS = {
    "Fn::And": lambda *conditions: all(conditions),
    "Fn::Contains": lambda values, value: value in values,
    "Fn::Equals": lambda left, right: left == right,
    "Fn::Join": join,
    "Fn::Not": lambda condition: not condition,
    "Fn::Or": lambda *conditions: any(conditions),
    "Fn::Select": lambda index, items: items[index],
    "Fn::Split": split,
}
VARIABLE = re.compile(r"\$\{([^}]+)\}")


def attribute(resource, name):
    return {"Fn::GetAtt": [resource, name]}


def table_stream(case):
    return CASES[case].get("TableStreamArn") or attribute("DemoTable", "StreamArn")


def reads_kinesis(case):
    return table_stream(case) == CHANGES


def table_arn(case):
    return TABLE_ARN if "TableStreamArn" in CASES[case] else attribute("DemoTable", "Arn")


def others(case, sid, actions):
    """Return a statement for the other streams, if the case has any."""
    return [allow(sid, actions, OTHER_STREAMS)] if "OtherKinesisStreamArns" in CASES[case] else []


def kinesis_stream(case):
    return CASES[case].get("KinesisStreamArn") or attribute("KinesisStream", "Arn")


def kinesis_stream_name(case):
    given = CASES[case].get("KinesisStreamArn")
    return given.split("/")[1] if given else {"Ref": "KinesisStream"}


def allow(sid, actions, resource, **more):
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource, **more}


def allow_keys(case, *statements):
    """Return a statement for each key that the case has, from (parameter, Sid, actions)."""
    found = [(sid, actions, CASES[case].get(key)) for key, sid, actions in statements]
    return [allow(sid, actions, OTHER_KEYS if "," in arn else arn) for sid, actions, arn in found if arn is not None]


def role(policy, *statements, service="lambda", **more):
    trusted = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{**trusted, **more}]},
        "Policies": [
            {"PolicyName": policy, "PolicyDocument": {"Version": "2012-10-17", "Statement": [*statements]}},
        ],
    }


# The tools' findings


def test_sam_validates_the_template_without_a_network():
    assert "is a valid SAM Template" in run(tool(".venv-sam", "sam"), "validate", "--lint").stdout


def test_cfn_lint_reports_nothing_about_the_translated_template(translated, with_second_table, tmp_path):
    templates = [*translated.values(), with_second_table]
    files = [tmp_path / f"{number}.json" for number, _ in enumerate(templates)]
    for file, template in zip(files, templates, strict=True):
        file.write_text(json.dumps(template))
    lint = run(
        tool(".venv-sam", "cfn-lint"), "--include-checks", "I", "--non-zero-exit-code", "informational", "--", *files
    )
    assert lint.stdout == ""


def test_checkov_reports_only_findings_that_are_suppressed_with_a_reason(translated, tmp_path):
    template = copy.deepcopy(translated[NEW])  # it still has both sides of all conditions
    template["Parameters"]["Load"]["Default"] = "enabled"  # checkov decides this condition, by the default
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template))
    report = json.loads(
        run(
            tool(".venv-checkov", "checkov"),
            *("--file", file, "--framework", "cloudformation", "--skip-download", "--output", "json"),
        ).stdout
    )
    assert report["summary"]["failed"] == 0
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0
    suppressed = {
        (each["check_id"], each["resource"].split(".")[1], each["check_result"]["suppress_comment"])
        for each in report["results"]["skipped_checks"]
    }
    assert suppressed == {
        (skip["id"], name, skip["comment"])
        for name, resource in template["Resources"].items()
        if resource["Type"] not in MADE_BY_SAM  # it copies the function's metadata to them
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    }
    assert all(len(reason) > 20 for _, _, reason in suppressed)


MADE_BY_SAM = {"AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission", "AWS::Events::Rule"}


def test_the_build_is_a_small_artefact_of_the_code_and_its_locked_dependencies_for_arm64(tmp_path):
    tool(".venv-sam", "sam")
    build = run("make", "build", f"TABLES={DEMO.parent}", f"BUILD_DIR={tmp_path}", "BUILD_OPTIONS=--debug", env={})
    # sam would download those by version alone, without the hashes of src/requirements.txt
    assert "Downloading missing wheels: set()" in build.stderr

    artefact = tmp_path / "Replicator"
    files = [path for path in artefact.rglob("*") if path.is_file()]
    metadata = ("*.dist-info", "*.data")
    assert {path.name for path in artefact.iterdir() if not any(map(path.match, metadata))} == {
        *(path.name for path in (ROOT / "src").iterdir() if path.name not in {"__pycache__", ".mypy_cache"}),
        *("aws_lambda_powertools", "jmespath", "msgspec", "orjson", "typing_extensions.py"),
    }
    assert (artefact / "handlers" / "stream.py").is_file()
    for function in ("Replicator", "Redrive", "Heartbeat"):
        tables = tmp_path / function / "tables"
        assert sorted(str(path.relative_to(tables)) for path in tables.rglob("*")) == [
            "pinot_dynamo_ingestion",
            "pinot_dynamo_ingestion/schema.json",
            "pinot_dynamo_ingestion/table.json",
        ]
    assert sorted(path.name for path in files if path.suffix == ".so") == [
        "_core.cpython-313-aarch64-linux-gnu.so",
        "orjson.cpython-313-aarch64-linux-gnu.so",
    ]
    assert [path for path in files if path.name.startswith("test_") or path.suffix == ".pyc"] == []
    assert sum(path.stat().st_size for path in files) < MAX_ARTEFACT_BYTES


def test_a_build_without_a_table_is_refused_with_the_remedy_and_before_anything_is_built(tmp_path):
    (tmp_path / "README.md").touch()
    command = ["make", "build", f"TABLES={tmp_path}", f"BUILD_DIR={tmp_path / 'built'}"]
    build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert build.returncode == 2
    assert build.stderr.startswith(f"There is no table in {tmp_path}, and the function replicates nothing else. Run ")
    assert "make build TABLES=examples/meetups/tables" in build.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["README.md"]


# The deployed resources


@every_case
def test_the_event_source_reads_from_the_beginning_and_retries_for_twenty_hours(case, stack):
    assert stack["Resources"]["ReplicatorChanges"] == {
        "FunctionName": {"Ref": "Replicator"},
        "EventSourceArn": table_stream(case),
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 1000,
        "MaximumBatchingWindowInSeconds": 1,
        "ParallelizationFactor": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 10_000,
        "MaximumRecordAgeInSeconds": 72_000,
        "DestinationConfig": {"OnFailure": {"Destination": attribute("DeadLetterBucket", "Arn")}},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }


def test_a_second_dynamodb_table_is_read_like_the_first(translated, with_second_table):
    first, both = translated[NEW]["Resources"], with_second_table["Resources"]
    assert {name: both[name] for name in first} == first
    assert both.keys() - first.keys() == {"PeopleChanges", "ReadPeopleChanges"}
    resources = deployed(with_second_table, {})["Resources"]
    stream = resources["PeopleChanges"]["EventSourceArn"]
    assert resources["PeopleChanges"] == {**resources["ReplicatorChanges"], "EventSourceArn": stream}
    reading = resources["ReadPeopleChanges"]
    assert reading["RoleName"] == {"Ref": "ReplicatorRole"}
    [statement] = reading["PolicyDocument"]["Statement"]
    assert statement == {"Effect": "Allow", "Action": READ_DYNAMODB, "Resource": stream}
    assert with_second_table["Resources"]["PeopleChanges"]["DependsOn"] == "ReadPeopleChanges"


@every_case
def test_the_function_is_this_code_on_arm64_and_has_its_bucket(case, stack):
    assert stack["Resources"]["Replicator"] == {
        "Description": "Makes Apache Pinot rows of a DynamoDB table's changes and puts them on a Kinesis stream",
        "Code": {"S3Bucket": "bucket", "S3Key": "key"},
        "Handler": "handlers.stream.handler",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "MemorySize": 512,
        "Timeout": 60,
        "Role": attribute("ReplicatorRole", "Arn"),
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": "ReplicatorLogs"}},
        "Environment": {
            "Variables": {
                **in_every_function(case),
                "DEAD_LETTER_BUCKET": {"Ref": "DeadLetterBucket"},
                "EVENT_PARSER": "orjson",
                "KINESIS_MAX_RECORD_BYTES": 1_048_576,
            }
        },
        "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}],
    }


def in_every_function(case):
    return {"POWERTOOLS_SERVICE_NAME": {"Ref": "AWS::StackName"}, "TABLES": CASES[case].get("Tables", "")}


@every_case
def test_nothing_runs_on_a_schedule_by_default(case, stack):
    scheduled = {name for name in stack["Resources"] if name.startswith(("Redrive", "Heartbeat"))}
    expected = {
        *("Redrive", "RedriveErrors", "RedriveEventInvokeConfig", "RedriveLogs", "RedriveRole"),
        *("RedriveTimer", "RedriveTimerPermission"),
        *("Heartbeat", "HeartbeatEventInvokeConfig", "HeartbeatLogs", "HeartbeatRole"),
        *("HeartbeatTimer", "HeartbeatTimerPermission", "HeartbeatsMissing"),
    }
    assert scheduled == (expected if "RedriveSchedule" in CASES[case] else set())


@with_options
def test_the_redrive_runs_as_scheduled_and_never_concurrently(case, stack):
    resources = stack["Resources"]
    assert resources["Redrive"] == {
        "Description": "Brings dead letters back to the Kinesis stream",
        "Code": {"S3Bucket": "bucket", "S3Key": "key"},
        "Handler": "handlers.redrive.handler",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "MemorySize": 512,
        "Timeout": 900,
        "ReservedConcurrentExecutions": 1,
        "Role": attribute("RedriveRole", "Arn"),
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": "RedriveLogs"}},
        "Environment": {
            "Variables": {
                **in_every_function(case),
                "DEAD_LETTER_BUCKET": {"Ref": "DeadLetterBucket"},
                "KINESIS_MAX_RECORD_BYTES": 1_048_576,
                "REDRIVE_ITEMS_PER_SECOND": 50,
            }
        },
        "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}],
    }
    assert resources["RedriveTimer"] == {
        "Description": "Starts the redrive of dead letters",
        "ScheduleExpression": "rate(1 hour)",
        "Targets": [{"Arn": attribute("Redrive", "Arn"), "Id": "RedriveTimerLambdaTarget"}],
    }
    assert resources["RedriveEventInvokeConfig"] == {
        "FunctionName": {"Ref": "Redrive"},
        "Qualifier": "$LATEST",
        "MaximumEventAgeInSeconds": 60,
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {},
    }


@with_options
def test_the_heartbeat_runs_as_scheduled_and_has_its_table(case, stack):
    resources = stack["Resources"]
    assert resources["Heartbeat"] == {
        "Description": "Writes marker items and measures how long their rows take to the Kinesis stream",
        "Code": {"S3Bucket": "bucket", "S3Key": "key"},
        "Handler": "handlers.heartbeat.handler",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "MemorySize": 256,
        "Timeout": 60,
        "Role": attribute("HeartbeatRole", "Arn"),
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": "HeartbeatLogs"}},
        "Environment": {
            "Variables": {
                **in_every_function(case),
                "HEARTBEAT_TABLE": {"Ref": "DemoTable"} if case == NEW_ALL_ON else "orders",
                "HEARTBEAT_ITEM": "{}",
            }
        },
        "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}],
    }
    assert resources["HeartbeatTimer"] == {
        "Description": "Starts a heartbeat",
        "ScheduleExpression": "rate(5 minutes)",
        "Targets": [{"Arn": attribute("Heartbeat", "Arn"), "Id": "HeartbeatTimerLambdaTarget"}],
    }


@with_options
def test_only_its_schedule_may_invoke_a_scheduled_function(case, stack):
    assert {
        name: (each["FunctionName"], each["Action"], each["Principal"], each["SourceArn"])
        for name, each in stack["Resources"].items()
        if name.endswith("Permission")
    } == {
        f"{name}TimerPermission": (
            {"Ref": name},
            "lambda:InvokeFunction",
            "events.amazonaws.com",
            attribute(f"{name}Timer", "Arn"),
        )
        for name in ("Redrive", "Heartbeat")
    }


@every_case
def test_nothing_can_be_loaded_by_default(case, stack):
    loading = {name for name in stack["Resources"] if name.startswith("Load")}
    expected = {
        *("Loader", "LoaderLogs", "LoaderRole", "LoadStateMachine", "LoadStateMachineRole"),
        *("LoadFailed", "LoadWithoutProgress"),
    }
    assert loading == (expected if "Load" in CASES[case] else set())


@with_options
def test_the_loader_is_this_code_and_the_steps_of_a_state_machine(case, stack):
    resources = stack["Resources"]
    assert resources["Loader"] == {
        "Description": "Loads the items that a DynamoDB table has already onto the Kinesis stream",
        "Code": {"S3Bucket": "bucket", "S3Key": "key"},
        "Handler": "handlers.load.handler",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "MemorySize": 512,
        "Timeout": 590,
        "Role": attribute("LoaderRole", "Arn"),
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": "LoaderLogs"}},
        "Environment": {
            "Variables": {
                **in_every_function(case),
                "DEAD_LETTER_BUCKET": {"Ref": "DeadLetterBucket"},
                "KINESIS_MAX_RECORD_BYTES": 1_048_576,
                "REPLICATING_FUNCTION": {"Ref": "Replicator"},
            }
        },
        "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}],
    }
    assert resources["LoadStateMachine"] == {
        "StateMachineName": {"Fn::Sub": "${AWS::StackName}-load"},
        "StateMachineType": "STANDARD",
        "RoleArn": attribute("LoadStateMachineRole", "Arn"),
        "DefinitionS3Location": {"Bucket": "bucket", "Key": "key"},
        "DefinitionSubstitutions": {"LoaderArn": attribute("Loader", "Arn"), "Partition": {"Ref": "AWS::Partition"}},
        "Tags": [{"Key": "stateMachine:createdBy", "Value": "SAM"}],
    }


def test_the_definition_has_exactly_the_substitutions_of_the_template(translated):
    properties = translated[NEW]["Resources"]["LoadStateMachine"]["Properties"]
    assert set(VARIABLE.findall(STATE_MACHINE.read_text())) == properties["DefinitionSubstitutions"].keys()
    [path] = re.findall(r"^ +DefinitionUri: (\S+)$", (ROOT / "template.yaml").read_text(), re.MULTILINE)
    assert ROOT / path == STATE_MACHINE


def test_a_step_times_out_after_its_function_and_ends_within_a_period_of_the_alarm(translated):
    """So that a unit that is worked on is seen to be, in each period."""
    resources = deployed(translated[NEW_ALL_ON], CASES[NEW_ALL_ON])["Resources"]
    timeout = resources["Loader"]["Timeout"]
    units = deployed_definition()["States"]["Units"]
    assert {step["TimeoutSeconds"] for step in tasks(deployed_definition())} == {660}
    assert timeout < 600 == resources["LoadWithoutProgress"]["Metrics"][1]["MetricStat"]["Period"]
    assert units["ResultPath"] is None, "the results of many units do not fit into a state"


def tasks(definition):
    states = [*definition["States"].values(), *definition["States"]["Units"]["ItemProcessor"]["States"].values()]
    return [state for state in states if state["Type"] == "Task"]


def test_cfn_lint_reports_nothing_about_the_state_machine(tmp_path):
    """It does not look into the file of a template that SAM translates: so the definition is part of one here."""
    properties = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/load", "Definition": deployed_definition()}
    template = {"Resources": {"Load": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}

    def lint(name):
        file = tmp_path / name
        file.write_text(json.dumps(template))
        command = [tool(".venv-sam", "cfn-lint"), "--include-checks", "I", "--", file]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    sound = lint("sound.json")
    assert (sound.returncode, sound.stdout) == (0, "")
    properties["Definition"]["States"]["Units"]["MaxConcurencyPath"] = "$.workers"
    assert "E3601" in lint("misspelt.json").stdout


READ_DYNAMODB = [f"dynamodb:{call}" for call in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")]
READ_KINESIS = [  # https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
    f"kinesis:{call}"
    for call in ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
]


@every_case
def test_the_function_has_only_the_permissions_it_needs(case, stack):
    assert stack["Resources"]["ReplicatorRole"] == role(
        "replicate",
        allow("ReadChanges", READ_KINESIS if reads_kinesis(case) else READ_DYNAMODB, table_stream(case)),
        allow("PublishRows", "kinesis:PutRecords", kinesis_stream(case)),
        *others(case, "PublishOtherRows", "kinesis:PutRecords"),
        allow("StoreDeadLetters", "s3:PutObject", {"Fn::Sub": "${DeadLetterBucket.Arn}/*"}, Condition=IN_THIS_ACCOUNT),
        allow("FindDeadLetterBucket", "s3:ListBucket", attribute("DeadLetterBucket", "Arn"), Condition=IN_THIS_ACCOUNT),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], attribute("ReplicatorLogs", "Arn")),
        *allow_keys(
            case,
            ("ChangeStreamKeyArn" if reads_kinesis(case) else "TableKeyArn", "DecryptChanges", "kms:Decrypt"),
            ("KinesisKeyArn", "EncryptRows", "kms:GenerateDataKey"),
            ("OtherKinesisKeyArns", "EncryptOtherRows", "kms:GenerateDataKey"),
            ("StackKeyArn", "EncryptDeadLetters", "kms:GenerateDataKey"),
        ),
    )


@with_options
def test_the_redrive_may_move_dead_letters_read_items_and_publish_rows(case, stack):
    assert stack["Resources"]["RedriveRole"] == role(
        "redrive",
        allow(
            "ListDeadLetters",
            "s3:ListBucket",
            attribute("DeadLetterBucket", "Arn"),
            Condition={**IN_THIS_ACCOUNT, "StringLikeIfExists": {"s3:prefix": [f"{prefix}*" for prefix in PREFIXES]}},
        ),
        allow(
            "TakeDeadLetters",
            ["s3:DeleteObject", "s3:GetObject"],
            [{"Fn::Sub": f"${{DeadLetterBucket.Arn}}/{prefix}*"} for prefix in PREFIXES],
            Condition=IN_THIS_ACCOUNT,
        ),
        allow(
            "KeepProgress",
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            {"Fn::Sub": f"${{DeadLetterBucket.Arn}}/{PROGRESS}*"},
            Condition=IN_THIS_ACCOUNT,
        ),
        allow(
            "PutDeadLettersAway",
            "s3:PutObject",
            {"Fn::Sub": f"${{DeadLetterBucket.Arn}}/{ARCHIVE}*"},
            Condition=IN_THIS_ACCOUNT,
        ),
        allow("ReadItems", ["dynamodb:DescribeTable", "dynamodb:GetItem"], table_arn(case)),
        allow("PublishRows", "kinesis:PutRecords", kinesis_stream(case)),
        *others(case, "PublishOtherRows", "kinesis:PutRecords"),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], attribute("RedriveLogs", "Arn")),
        *allow_keys(
            case,
            ("TableKeyArn", "DecryptItems", "kms:Decrypt"),
            ("KinesisKeyArn", "EncryptRows", "kms:GenerateDataKey"),
            ("OtherKinesisKeyArns", "EncryptOtherRows", "kms:GenerateDataKey"),
            ("StackKeyArn", "ReadAndWriteDeadLetters", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ),
    )


@with_options
def test_the_heartbeat_may_write_its_items_and_read_the_stream(case, stack):
    find = ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    assert stack["Resources"]["HeartbeatRole"] == role(
        "heartbeat",
        allow("WriteMarkers", ["dynamodb:DescribeTable", "dynamodb:PutItem"], table_arn(case)),
        allow("FindTheirRows", find, kinesis_stream(case)),
        *others(case, "FindTheirOtherRows", find),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], attribute("HeartbeatLogs", "Arn")),
        *allow_keys(
            case,
            ("TableKeyArn", "WriteMarkersByKey", "kms:Decrypt"),
            ("KinesisKeyArn", "DecryptTheirRows", "kms:Decrypt"),
            ("OtherKinesisKeyArns", "DecryptTheirOtherRows", "kms:Decrypt"),
        ),
    )


@with_options
def test_the_loader_may_scan_publish_and_keep_its_files_and_delete_nothing(case, stack):
    bucket = "${DeadLetterBucket.Arn}"
    prefix = {"StringLikeIfExists": {"s3:prefix": f"{LOADS}*"}}
    export = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${LoadExportBucketName}/*"}
    reads_export = "LoadExportBucketName" in CASES[case]
    assert stack["Resources"]["LoaderRole"] == role(
        "load",
        allow(
            *("FindLoads", "s3:ListBucket", attribute("DeadLetterBucket", "Arn")),
            Condition={**IN_THIS_ACCOUNT, **prefix},
        ),
        allow(
            *("KeepLoads", ["s3:GetObject", "s3:PutObject"], {"Fn::Sub": f"{bucket}/{LOADS}*"}),
            Condition=IN_THIS_ACCOUNT,
        ),
        allow("StoreDeadLetters", "s3:PutObject", {"Fn::Sub": f"{bucket}/dead-letters/*"}, Condition=IN_THIS_ACCOUNT),
        allow("ReadItems", "dynamodb:Scan", table_arn(case)),
        *([allow("ReadExport", "s3:GetObject", export, Condition=IN_THIS_ACCOUNT)] if reads_export else []),
        allow("PublishRows", "kinesis:PutRecords", kinesis_stream(case)),
        *others(case, "PublishOtherRows", "kinesis:PutRecords"),
        allow("ReadIteratorAge", "cloudwatch:GetMetricData", "*"),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], attribute("LoaderLogs", "Arn")),
        *allow_keys(
            case,
            ("TableKeyArn", "DecryptItems", "kms:Decrypt"),
            ("LoadExportKeyArn", "DecryptExport", "kms:Decrypt"),
            ("KinesisKeyArn", "EncryptRows", "kms:GenerateDataKey"),
            ("OtherKinesisKeyArns", "EncryptOtherRows", "kms:GenerateDataKey"),
            ("StackKeyArn", "ReadAndWriteLoads", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ),
    )


@with_options
def test_the_state_machine_may_invoke_its_function_read_the_units_and_run_itself(case, stack):
    arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
    assert stack["Resources"]["LoadStateMachineRole"] == role(
        "run",
        allow("DoSteps", "lambda:InvokeFunction", attribute("Loader", "Arn")),
        allow(
            *("ReadUnits", "s3:GetObject", {"Fn::Sub": f"${{DeadLetterBucket.Arn}}/{LOADS}*/units.json"}),
            Condition=IN_THIS_ACCOUNT,
        ),
        allow("StartUnits", "states:StartExecution", {"Fn::Sub": f"{arn}:stateMachine:${{AWS::StackName}}-load"}),
        allow(
            "FollowUnits",
            ["states:DescribeExecution", "states:StopExecution"],
            [{"Fn::Sub": f"{arn}:execution:${{AWS::StackName}}-load{rest}"} for rest in (":*", "/*")],
        ),
        *allow_keys(case, ("StackKeyArn", "DecryptUnits", "kms:Decrypt")),
        service="states",
        Condition={"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    )


@every_case
def test_there_are_no_other_roles_or_policies(case, stack, translated):
    resources = translated[case]["Resources"]
    iam = {name for name in stack["Resources"] if resources[name]["Type"].startswith("AWS::IAM::")}
    options = {"RedriveRole", "HeartbeatRole", "LoaderRole", "LoadStateMachineRole"}
    assert iam == {"ReplicatorRole"} | (options if "RedriveSchedule" in CASES[case] else set())
    assert {resources[name]["Type"] for name in iam} == {"AWS::IAM::Role"}
    roles = {
        name: each.get("Role") or each["RoleArn"]
        for name, each in stack["Resources"].items()
        if each.keys() & {"Role", "RoleArn"}
    }
    assert roles == {name.removesuffix("Role"): attribute(name, "Arn") for name in iam}


@every_case
def test_a_statement_about_all_resources_has_a_reason(case, stack):
    wide = {
        (name, statement.get("Sid"))
        for name, resource in stack["Resources"].items()
        for document in policies(resource)
        for statement in document["Statement"]
        if any(is_everything(statement.get(part)) for part in ("Action", "Resource", "Principal"))
    }
    expected = WIDE if "Load" in CASES[case] else EVERYTHING
    assert wide == set(expected)
    assert all(len(reason) > 20 for reason in WIDE.values())


def policies(resource):
    """Yield the policies of a resource, or the resource itself. The role's test checks who may assume it."""
    yield from (policy["PolicyDocument"] for policy in resource.get("Policies", ()))
    match resource.get("PolicyDocument"):
        case {"Fn::Sub": str(text)}:
            yield json.loads(text)
        case dict(document):
            yield document


def is_everything(value):
    """Return whether there is a "*" anywhere but in a path below a named resource."""
    match value:
        case str():
            return "*" in re.sub(r"^(\$\{\w+\.Arn\}|arn:\$\{AWS::Partition\}:s3:::\$\{\w+\})/.*", "", value)
        case list():
            return any(is_everything(each) for each in value)
        case {"AWS": principal} | {"Service": principal}:
            return is_everything(principal)
        case {"Fn::Sub": str(text)}:
            return is_everything(text)
    return False


@every_case
def test_a_new_stream_is_encrypted_and_provisioned_and_an_existing_one_is_unchanged(case, stack):
    key = CASES[case].get("KinesisKeyArn", "alias/aws/kinesis")
    made = {
        "Name": "pinot-ingestion-stream",
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "ShardCount": 2,
        "RetentionPeriodHours": 168,
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": key},
    }
    assert stack["Resources"].get("KinesisStream") == (None if "KinesisStreamArn" in CASES[case] else made)


def test_a_new_stream_can_be_encrypted_with_an_existing_key(translated):
    given = {"KinesisKeyArn": KINESIS_KEY}
    resources = deployed(translated[NEW], given)["Resources"]
    assert resources["KinesisStream"]["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": KINESIS_KEY}
    [policy] = resources["ReplicatorRole"]["Policies"]
    assert policy["PolicyDocument"]["Statement"][-1] == {
        "Sid": "EncryptRows",
        "Effect": "Allow",
        "Action": "kms:GenerateDataKey",
        "Resource": KINESIS_KEY,
    }


@every_case
def test_the_demo_table_is_created_only_without_an_existing_table(case, stack):
    made = {
        "AttributeDefinitions": [
            {"AttributeName": "meetup_id", "AttributeType": "S"},
            {"AttributeName": "mtime", "AttributeType": "N"},
        ],
        "KeySchema": [
            {"AttributeName": "meetup_id", "KeyType": "HASH"},
            {"AttributeName": "mtime", "KeyType": "RANGE"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
    }
    assert stack["Resources"].get("DemoTable") == (None if "TableStreamArn" in CASES[case] else made)


@every_case
def test_logs_expire_and_are_encrypted_with_the_stacks_key(case, stack, translated):
    groups = {
        name: properties
        for name, properties in stack["Resources"].items()
        if translated[case]["Resources"][name]["Type"] == "AWS::Logs::LogGroup"
    }
    names = {"ReplicatorLogs": "/aws/lambda/${AWS::StackName}"}
    if case != BOTH:  # whose stream is in another region
        names["ShardCountChangeLogs"] = "/aws/events/${AWS::StackName}-shard-count-changes"
    if "RedriveSchedule" in CASES[case]:
        names["RedriveLogs"] = "/aws/lambda/${AWS::StackName}-redrive"
        names["HeartbeatLogs"] = "/aws/lambda/${AWS::StackName}-heartbeat"
        names["LoaderLogs"] = "/aws/lambda/${AWS::StackName}-load"
    key = {"KmsKeyId": STACK_KEY} if "StackKeyArn" in CASES[case] else {}
    assert groups == {
        name: {"LogGroupName": {"Fn::Sub": group}, "RetentionInDays": 30, **key} for name, group in names.items()
    }


@every_case
def test_dead_letters_are_private_encrypted_and_expire(case, stack):
    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": STACK_KEY}
    encryption = (
        {"ServerSideEncryptionByDefault": by_key, "BucketKeyEnabled": True}
        if "StackKeyArn" in CASES[case]
        else {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    )
    bucket = stack["Resources"]["DeadLetterBucket"]
    assert bucket == {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "expire",
                    "Status": "Enabled",
                    "ExpirationInDays": 90,
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                }
            ]
        },
    }
    assert stack["Resources"]["DeadLetterBucketPolicy"] == {
        "Bucket": {"Ref": "DeadLetterBucket"},
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "OnlyTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [attribute("DeadLetterBucket", "Arn"), {"Fn::Sub": "${DeadLetterBucket.Arn}/*"}],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        },
    }


def test_resources_that_cannot_be_recreated_are_retained(translated):
    policies = {
        name: (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for name, resource in translated[NEW]["Resources"].items()
        if "DeletionPolicy" in resource
    }
    assert policies == {
        "DeadLetterBucket": ("RetainExceptOnCreate", "Retain"),
        "DeadLetterBucketPolicy": ("RetainExceptOnCreate", "Retain"),
        "KinesisStream": ("RetainExceptOnCreate", "Retain"),
        "DemoTable": ("Delete", "Delete"),
        "HeartbeatLogs": ("Delete", "Delete"),
        "LoaderLogs": ("Delete", "Delete"),
        "RedriveLogs": ("Delete", "Delete"),
        "ReplicatorLogs": ("Delete", "Delete"),
        "ShardCountChangeLogs": ("Delete", "Delete"),
    }


@every_case
def test_the_outputs_are_what_a_pinot_user_needs_next(case, stack):
    folder = DEMO.relative_to(ROOT)
    add_table = f"pinot-admin.sh AddTable -schemaFile {folder}/schema.json -tableConfigFile {folder}/table.json -exec"
    of_the_demo = {"AddTableCommand": add_table, "DemoTableName": {"Ref": "DemoTable"}}
    assert stack["Outputs"] == {
        "KinesisStreamName": kinesis_stream_name(case),
        "Region": {BOTH: "eu-central-1", BOTH_ALL_ON: "eu-west-1"}.get(case, {"Ref": "AWS::Region"}),
        "DeadLetterBucketName": {"Ref": "DeadLetterBucket"},
        "FunctionName": {"Ref": "Replicator"},
        "DashboardName": {"Ref": "Dashboard"},
        **(of_the_demo if "TableStreamArn" not in CASES[case] else {}),
        **({"LoadStateMachineArn": {"Ref": "LoadStateMachine"}} if "Load" in CASES[case] else {}),
        **({"AlarmTopicArn": {"Ref": "AlarmTopic"}} if "AlarmEmail" in CASES[case] else {}),
    }


# Alarms, their topic, and the dashboard

ALARMS = {  # the watched metric: (namespace, metric, dimension, its value, statistic)
    "IteratorAgeOver5Minutes": ("AWS/Lambda", "IteratorAge", "FunctionName", "Replicator", "Maximum"),
    "IteratorAgeOver6Hours": ("AWS/Lambda", "IteratorAge", "FunctionName", "Replicator", "Maximum"),
    "IteratorAgeOver18Hours": ("AWS/Lambda", "IteratorAge", "FunctionName", "Replicator", "Maximum"),
    "NotPolling": ("AWS/Lambda", "PolledEventCount", "EventSourceMappingUUID", "ReplicatorChanges", "SampleCount"),
    "Errors": ("AWS/Lambda", "Errors", "FunctionName", "Replicator", "Sum"),
    "Throttles": ("AWS/Lambda", "Throttles", "FunctionName", "Replicator", "Sum"),
    "DeadLetters": ("dynapinot", "DeadLetters", "service", "AWS::StackName", "Sum"),
    "RowDifferences": ("dynapinot", "RowDifferences", "service", "AWS::StackName", "Sum"),
    "BatchesGivenUp": (
        *("AWS/Lambda", "OnFailureDestinationDeliveredEventCount"),
        *("EventSourceMappingUUID", "ReplicatorChanges", "Sum"),
    ),
    "OnFailureDeliveryFailures": ("AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", "Replicator", "Sum"),
    "KinesisWriteThrottling": ("AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName", "stream", "Sum"),
    "ShardCountChange": ("AWS/Events", "TriggeredRules", "RuleName", "ShardCountChanges", "Sum"),
    "HeartbeatsMissing": ("dynapinot", "HeartbeatsMissing", "service", "AWS::StackName", "Maximum"),
    "RedriveErrors": ("AWS/Lambda", "Errors", "FunctionName", "Redrive", "Sum"),
    "LoadFailed": ("AWS/States", "ExecutionsFailed", "StateMachineArn", "LoadStateMachine", "Sum"),
}
COMPUTED = "LoadWithoutProgress"  # of several metrics, so that it has a test of its own
# the condition: (comparison, threshold, seconds, periods, the treatment of missing data)
AT_ONCE = ("GreaterThanThreshold", 0, 300, 1, "notBreaching")
FOR_15_MINUTES = ("GreaterThanThreshold", 0, 300, 3, "notBreaching")
SOUNDS = {
    **dict.fromkeys(ALARMS, AT_ONCE),
    "IteratorAgeOver5Minutes": ("GreaterThanThreshold", 5 * 60_000, 300, 1, "ignore"),
    "IteratorAgeOver6Hours": ("GreaterThanThreshold", 6 * 3_600_000, 300, 1, "ignore"),
    "IteratorAgeOver18Hours": ("GreaterThanThreshold", 18 * 3_600_000, 300, 1, "ignore"),
    "NotPolling": ("LessThanThreshold", 1, 300, 3, "breaching"),
    "Throttles": FOR_15_MINUTES,
    "KinesisWriteThrottling": FOR_15_MINUTES,
    "HeartbeatsMissing": ("GreaterThanThreshold", 0, 900, 1, "breaching"),
}
ALL_CLEAR = {  # alarms for a state, which ends, rather than for an event
    *("IteratorAgeOver5Minutes", "IteratorAgeOver6Hours", "IteratorAgeOver18Hours", "NotPolling", "Throttles"),
    *("KinesisWriteThrottling", "HeartbeatsMissing", COMPUTED),
}


def alarms(case, translated):
    template = translated[case]
    resources = deployed(template, CASES[case])["Resources"]
    return {
        name: properties
        for name, properties in resources.items()
        if template["Resources"][name]["Type"] == "AWS::CloudWatch::Alarm"
    }


def alarms_of(case):
    names = set(ALARMS)
    if "RedriveSchedule" not in CASES[case]:
        names -= {"HeartbeatsMissing", "RedriveErrors", "LoadFailed"}
    if case == BOTH:  # whose stream is in another region, where alarms do not see it
        names -= {"KinesisWriteThrottling", "ShardCountChange"}
    return names


def plain(value):
    return value["Ref"] if isinstance(value, dict) else value


@every_case
def test_alarms_watch_the_right_metrics_and_treat_missing_data_correctly(case, translated):
    found = alarms(case, translated)
    found.pop(COMPUTED, None)
    watched = {**ALARMS, "KinesisWriteThrottling": list(ALARMS["KinesisWriteThrottling"])}
    watched["KinesisWriteThrottling"][3] = plain(kinesis_stream_name(case))
    assert {
        name: (
            *(each["Namespace"], each["MetricName"], each["Dimensions"][0]["Name"]),
            *(plain(each["Dimensions"][0]["Value"]), each["Statistic"]),
        )
        for name, each in found.items()
        if len(each["Dimensions"]) == 1
    } == {name: tuple(watched[name]) for name in alarms_of(case)}
    parts = ("ComparisonOperator", "Threshold", "Period", "EvaluationPeriods", "TreatMissingData")
    assert {name: tuple(each[part] for part in parts) for name, each in found.items()} == {
        name: SOUNDS[name] for name in alarms_of(case)
    }


@with_options
def test_a_load_without_progress_for_30_minutes_raises_an_alarm(case, translated):
    alarm = alarms(case, translated)[COMPUTED]
    computed, *read = alarm["Metrics"]
    assert {each["Id"]: (each["MetricStat"], each["ReturnData"]) for each in read} == {
        identity: (
            {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [{"Name": dimension, "Value": {"Ref": value}}],
                },
                "Period": 600,
                "Stat": "Sum",
            },
            False,
        )
        for identity, namespace, name, dimension, value in [
            ("calls", "AWS/Lambda", "Invocations", "FunctionName", "Loader"),
            ("refused", "AWS/Lambda", "Throttles", "FunctionName", "Loader"),
            ("progress", "dynapinot", "LoadProgress", "service", "AWS::StackName"),
        ]
    }
    parts = ("ComparisonOperator", "Threshold", "EvaluationPeriods", "TreatMissingData")
    assert [alarm[part] for part in parts] == ["GreaterThanThreshold", 0, 3, "notBreaching"]
    assert computed["ReturnData"]
    [summands] = re.fullmatch(r"SUM\(\[(.+)\]\)", computed["Expression"]).groups()

    def sounds(**values):
        return sum(eval(each, values) for each in summands.split(", ")) > alarm["Threshold"]

    assert sounds(calls=1, refused=0, progress=0)
    assert sounds(calls=0, refused=1, progress=0)
    assert sounds(calls=10_000, refused=10_000, progress=0)
    assert not sounds(calls=10_000, refused=10_000, progress=1)


@every_case
def test_alarms_notify_the_topic_if_there_is_one(case, translated):
    topics = {NEW_ALL_ON: [{"Ref": "AlarmTopic"}], BOTH_ALL_ON: [TOPIC], KINESIS_ALL_ON: [TOPIC]}.get(case, [])
    found = alarms(case, translated)
    names = alarms_of(case) | ({COMPUTED} if "Load" in CASES[case] else set())
    assert {name: each["AlarmActions"] for name, each in found.items()} == dict.fromkeys(names, topics)
    assert {name: each["OKActions"] for name, each in found.items() if "OKActions" in each} == dict.fromkeys(
        names & ALL_CLEAR, topics
    )


def test_each_alarm_is_named_after_its_runbook_and_links_to_it(translated):
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page[page.index("\n## Runbooks of the alarms\n") :].split("\n## ")[1]
    headings = [heading.lower().replace(" ", "-") for heading in re.findall(r"^### (.+)$", section, re.MULTILINE)]
    found = alarms(NEW_ALL_ON, translated)
    assert sorted(each["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for each in found.values()) == sorted(
        headings
    )
    assert {name: each["AlarmDescription"].split()[-1] for name, each in found.items()} == {
        name: each["AlarmName"]["Fn::Sub"].replace("${AWS::StackName}-", "docs/operations.md#")
        for name, each in found.items()
    }


def test_metrics_of_the_event_source_are_enabled_if_they_are_watched(translated):
    switched_on = {  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
        *("PolledEventCount", "FilteredOutEventCount", "InvokedEventCount", "FailedInvokeEventCount"),
        *("DroppedEventCount", "OnFailureDestinationDeliveredEventCount"),
    }
    resources = deployed(translated[NEW], {})["Resources"]
    watched = {metric for _, metric, dimension, _, _ in ALARMS.values() if dimension == "EventSourceMappingUUID"}
    watched |= {name for _, name, dimensions in shown(resources) if ("EventSourceMappingUUID", ...) in dimensions}
    assert watched <= switched_on
    assert resources["ReplicatorChanges"]["MetricsConfig"] == {"Metrics": ["EventCount"]}


@every_case
def test_a_topic_is_created_for_an_address_and_only_for_this_accounts_alarms(case, stack):
    key = {"KmsMasterKeyId": STACK_KEY}
    subscription = {"Protocol": "email", "Endpoint": "on-call@example.com"}
    made = case == NEW_ALL_ON
    assert stack["Resources"].get("AlarmTopic") == ({**key, "Subscription": [subscription]} if made else None)
    source = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"
    statement = allow(
        "AlarmsOfThisAccount",
        "sns:Publish",
        {"Ref": "AlarmTopic"},
        Principal={"Service": "cloudwatch.amazonaws.com"},
        Condition={
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Fn::Sub": source}},
        },
    )
    policy = {
        "Topics": [{"Ref": "AlarmTopic"}],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }
    assert stack["Resources"].get("AlarmTopicPolicy") == (policy if made else None)


@every_case
def test_calls_that_change_the_shards_raise_an_alarm_by_either_name_of_each_stream(case, stack):
    account = f"arn:aws:kinesis:{REGION}:{ACCOUNT}"  # a separator between the names
    several = "OtherKinesisStreamArns" in CASES[case]
    names, arns = ([account, "people-rows", account, "lines.of_orders"], OTHER_STREAMS) if several else ([], [])
    rule = {
        "Description": "Calls that change the shards of a stream that Pinot reads",
        "EventPattern": {
            "source": ["aws.kinesis"],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventSource": ["kinesis.amazonaws.com"],
                "eventName": ["MergeShards", "SplitShard", "UpdateShardCount", "UpdateStreamMode"],
                "errorCode": [{"exists": False}],
                "requestParameters": {
                    "$or": [
                        {"streamName": [kinesis_stream_name(case), *names]},
                        {"streamARN": [kinesis_stream(case), *arns]},
                    ]
                },
            },
        },
        "Targets": [
            {
                "Id": "log",
                "Arn": {
                    "Fn::Sub": (
                        "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${ShardCountChangeLogs}"
                    )
                },
            }
        ],
    }
    assert stack["Resources"].get("ShardCountChanges") == (None if case == BOTH else rule)


def test_other_streams_in_the_region_are_watched_if_the_first_is_elsewhere(translated):
    resources = deployed(translated[BOTH], {**CASES[BOTH], "OtherKinesisStreamArns": OTHER_STREAMS[0]})["Resources"]
    calls = resources["ShardCountChanges"]["EventPattern"]["detail"]["requestParameters"]["$or"]
    assert [OTHER_STREAMS[0] in name.get("streamARN", []) for name in calls] == [False, True]
    assert {"ShardCountChange", "ShardCountChangeLogs", "ShardCountChangeLogPolicy"} <= resources.keys()
    assert "KinesisWriteThrottling" not in resources


def shown(resources):
    """Return the dashboard's metrics: (namespace, metric, dimensions), with ... for a dimension with any value."""
    text, variables = resources["Dashboard"]["DashboardBody"]["Fn::Sub"]
    named = {"AWS::Region", "AWS::StackName", "Replicator", "ReplicatorChanges", *variables}
    assert set(VARIABLE.findall(text)) <= named
    return {
        metric
        for widget in json.loads(VARIABLE.sub(r"\1", text))["widgets"]
        for entry in widget["properties"]["metrics"]
        for metric in [searched(entry[0]["expression"]) if isinstance(entry[0], dict) else listed(entry)]
    }


def listed(entry):
    namespace, name, *pairs = [part for part in entry if not isinstance(part, dict)]
    own = namespace == "dynapinot"  # the dimensions of other metrics are this stack's resources
    dimensions = zip(pairs[::2], pairs[1::2], strict=True)
    return namespace, name, frozenset((each, value if own else ...) for each, value in dimensions)


def searched(expression):
    schema, name, filters = re.fullmatch(
        r"""SEARCH\('\{([^}]+)\} MetricName="(\w+)"(.*)', '\w+', \d+\)""", expression
    ).groups()
    namespace, *dimensions = schema.split(",")
    values = dict(re.findall(r' (\w+)="([^"]+)"', filters))
    return namespace, name, frozenset((each, values.get(each, ...)) for each in dimensions)


@pytest.fixture
def emitted(capsys):
    """Run the code and return its metrics: (namespace, metric, dimensions), with ... for the value of reason."""

    report = relay(
        {"Records": [insert({"id": {"S": "a"}}, {"name": {"S": "x"}}), {}]},
        Planner([a_table()], max_record_bytes=MAX_RECORD_BYTES),
        publish=publish_everything,
        store=lambda letters: (None, None),
    )
    metrics = Metrics(namespace=NAMESPACE, service="AWS::StackName")
    measure(metrics, report, now_ms=SECOND * 1000)
    metrics.flush_metrics()
    measure_redrive(metrics, Summary())
    measure_load(metrics, rows=1, failures=1, is_progress=True)
    measure_heartbeat(metrics, [SimpleNamespace(lag_ms=1), SimpleNamespace(lag_ms=None)])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {
        (
            directive["Namespace"],
            metric["Name"],
            frozenset((name, ... if name == "reason" else line[name]) for name in dimensions),
        )
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


@every_case
def test_the_dashboard_shows_exactly_the_metrics_that_the_code_emits(case, stack, emitted):
    assert {metric for metric in shown(stack["Resources"]) if metric[0] == "dynapinot"} == emitted


def test_alarms_and_dashboard_use_only_metrics_that_a_handler_emits(translated, emitted):
    in_the_code = {
        keyword.value.value
        for file in (ROOT / "src" / "handlers").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in EMITTERS
        for keyword in node.keywords
        if keyword.arg == "name"
    }
    assert in_the_code == {name for _, name, _ in emitted}
    watched = {
        (namespace, name, frozenset([(dimension, value)]))
        for namespace, name, dimension, value, _ in ALARMS.values()
        if namespace == "dynapinot"
    } | {("dynapinot", "LoadProgress", frozenset([("service", "AWS::StackName")]))}
    assert watched <= emitted


EMITTERS = ("add_metric", "single_metric")


# Rules, and their messages


def refused_by(template, given):
    """Return the descriptions of the rules that the given parameters break."""
    given = parameters_of(template, given)
    parameters = {name: value if isinstance(value, list) else str(value) for name, value in given.items()}
    return [
        assertion["AssertDescription"]
        for rule in template["Rules"].values()
        if decide(rule.get("RuleCondition", True), parameters, {})
        for assertion in rule["Assertions"]
        if not decide(assertion["Assert"], parameters, {})
    ]


@every_case
def test_valid_parameters_break_no_rule(case, translated):
    assert refused_by(translated[case], CASES[case]) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"KinesisStreamArn": CHANGES},
            "The table's changes (TableStreamArn) and the rows for Pinot (KinesisStreamArn) go to two streams.",
        ),
        (
            {"OtherKinesisStreamArns": f"{OTHER_STREAMS[0]},{CHANGES}"},
            "The table's changes (TableStreamArn) and rows for Pinot (OtherKinesisStreamArns) share no stream.",
        ),
        (
            {"AlarmEmail": "on-call@example.com", "AlarmTopicArn": TOPIC},
            "Subscribe AlarmEmail to the topic AlarmTopicArn; the stack makes a topic or takes one.",
        ),
        (
            {"KinesisMaxRecordBytes": "2097152"},
            "A new stream takes records of 1 MiB; KinesisMaxRecordBytes is for an existing one.",
        ),
    ],
)
def test_a_rule_refuses_contradictory_parameters(translated, given, said):
    assert refused_by(translated[KINESIS], {**CASES[KINESIS], **given}) == [said]


def test_rules_use_only_the_functions_that_are_allowed_in_rules(translated):
    """cfn-lint allows more of them than AWS does:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-rules.html
    """
    used = {
        name
        for node in walk(translated[NEW]["Rules"])
        if isinstance(node, dict)
        for name in node
        if name == "Ref" or name.startswith("Fn::")
    }
    assert used == {"Fn::Contains", "Fn::Equals", "Fn::Not", "Fn::Or", "Ref"}


def walk(node):
    yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(each)


@pytest.mark.parametrize(
    ("arn", "taken"),
    [
        ("", True),
        (TABLE_STREAM, True),
        (CHANGES, True),
        (TABLE_STREAM.replace("arn:aws:", "arn:aws-us-gov:"), True),
        (TABLE_ARN, False),
        (f"{CHANGES}/consumer/it:1540591608", False),
        (KINESIS_KEY, False),
        (f"{CHANGES},{CHANGES}", False),
    ],
)
def test_only_arns_of_the_two_kinds_of_streams_are_valid_sources(translated, arn, taken):
    pattern = translated[NEW]["Parameters"]["TableStreamArn"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, arn)) == taken


@pytest.mark.parametrize(
    ("names", "taken"),
    [("", True), ("a", True), ("a,b-2", True), ("a, b", True), ("a,", False), ("a/b", False), ("a b", False)],
)
def test_tables_are_named_by_their_folders(translated, names, taken):
    assert bool(re.fullmatch(translated[NEW]["Parameters"]["Tables"]["AllowedPattern"], names)) == taken


# The template agrees with the shipped files


def test_the_new_stream_is_the_one_that_the_shipped_table_config_consumes(translated, table):
    [config] = table["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"]
    samconfig = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert (
        translated[NEW]["Parameters"]["KinesisStreamName"]["Default"],
        samconfig["default"]["global"]["parameters"]["region"],
    ) == (config["stream.kinesis.topic.name"], config["region"])


def test_the_demo_table_has_the_shipped_schemas_primary_key(translated):
    schema = json.loads((DEMO / "schema.json").read_text())
    types = {
        column["name"]: column["dataType"]
        for specs in ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs")
        for column in schema[specs]
    }
    properties = deployed(translated[NEW], {})["Resources"]["DemoTable"]
    assert [each["AttributeName"] for each in properties["KeySchema"]] == schema["primaryKeyColumns"]
    assert {each["AttributeName"]: each["AttributeType"] for each in properties["AttributeDefinitions"]} == {
        name: {"STRING": "S", "TIMESTAMP": "N"}[types[name]] for name in schema["primaryKeyColumns"]
    }


def test_the_add_table_command_names_existing_files(translated):
    words = deployed(translated[NEW], {})["Outputs"]["AddTableCommand"].split()
    assert [word for word in words if word.startswith("src/") and not (ROOT / word).is_file()] == []


def test_the_template_allows_exactly_the_functions_parsers(translated):
    assert sorted(translated[NEW]["Parameters"]["EventParser"]["AllowedValues"]) == sorted(PARSERS)


def test_the_largest_record_can_be_set_up_to_the_functions_maximum(translated):
    limit = translated[NEW]["Parameters"]["KinesisMaxRecordBytes"]
    assert (limit["Default"], limit["MaxValue"]) == (MAX_RECORD_BYTES, MAX_REQUEST_BYTES)


def test_sam_local_invoke_gives_the_function_its_variables_and_an_emulators_address():
    script = HERE / "local_environment.py"
    emulator = {"DEAD_LETTER_BUCKET": "letters", "AWS_ENDPOINT_URL": "http://host.docker.internal:5000"}
    given = json.dumps([{}, {"Parameters": emulator}])
    environments = json.loads(run(tool(".venv-sam", "python"), script, stdin=given).stdout)
    names = ("DEAD_LETTER_BUCKET", "KINESIS_MAX_RECORD_BYTES", "AWS_ENDPOINT_URL")
    assert [{name: environment[name] for name in names} for environment in environments] == [
        # The SDK ignores an empty address.
        {"DEAD_LETTER_BUCKET": "DeadLetterBucket", "KINESIS_MAX_RECORD_BYTES": "1048576", "AWS_ENDPOINT_URL": ""},
        {**emulator, "KINESIS_MAX_RECORD_BYTES": "1048576"},
    ]


def test_sam_local_invoke_takes_the_replicating_function_by_default(translated):
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    name = config["default"]["local_invoke"]["parameters"]["function_logical_id"]
    assert translated[NEW]["Resources"][name]["Properties"]["Handler"] == "handlers.stream.handler"
