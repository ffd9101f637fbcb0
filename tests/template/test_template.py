"""What template.yaml deploys, and that the tools which judge it agree. None of it needs an AWS account."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from publisher.order import MAX_RECORD_BYTES, MAX_REQUEST_BYTES

pytestmark = pytest.mark.template

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SHIPPED = ROOT / "src" / "tables" / "pinot_dynamo_ingestion"

MAX_ARTEFACT_BYTES = 5_000_000  # unpacked; it was 4.3 MB (1.3 MB zipped) with Powertools 3.37 and orjson 3.13

TABLE_STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
KINESIS_STREAM = "arn:aws:kinesis:eu-central-1:123456789012:stream/orders-rows"
TABLE_KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
KINESIS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/22222222-2222-2222-2222-222222222222"

NEW, TABLE, BOTH = "all new", "existing table", "existing table and stream, both with keys"
CASES = {
    NEW: {},
    TABLE: {"TableStreamArn": TABLE_STREAM},
    BOTH: {
        "TableStreamArn": TABLE_STREAM,
        "TableKeyArn": TABLE_KEY,
        "KinesisStreamArn": KINESIS_STREAM,
        "KinesisKeyArn": KINESIS_KEY,
    },
}
every_case = pytest.mark.parametrize("case", CASES)

# Resources of an identity policy that are everything, by the statement's Sid, each with its reason. There are none.
EVERYTHING: dict[str, str] = {}

# No account, no telemetry, and a proxy that is not there: what runs with this needs no network.
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
    """Run a command of the project in its folder; give what it prints. Its failure is the test's, with its output."""
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


@pytest.fixture(scope="module")
def translated():
    """The template as CloudFormation gets it from SAM, by case."""
    script = HERE / "translate.py"
    return json.loads(run(tool(".venv-sam", "python"), script, stdin=json.dumps(CASES)).stdout)


@pytest.fixture
def stack(case, translated):
    return deployed(translated[case], CASES[case])


@pytest.fixture(scope="module")
def table():
    return json.loads((SHIPPED / "table.json").read_text())


NOTHING = object()


def deployed(template, given):
    """Decide the conditions and put the parameters in; give the resources' properties and the outputs' values."""
    parameters = {name: given.get(name, declared.get("Default")) for name, declared in template["Parameters"].items()}
    conditions = {name: decide(condition, parameters, {}) for name, condition in template["Conditions"].items()}
    return {
        section: {
            name: decide(each[content], parameters, conditions)
            for name, each in template[section].items()
            if conditions.get(each.get("Condition"), True)
        }
        for section, content in (("Resources", "Properties"), ("Outputs", "Value"))
    }


def decide(node, parameters, conditions):
    """Evaluate what can be; what only AWS knows, an attribute of a resource say, stays the intrinsic function it is."""

    def value(part):
        return decide(part, parameters, conditions)

    match node:
        case {"Ref": "AWS::NoValue"}:
            return NOTHING
        case {"Ref": name} if name in parameters:
            return parameters[name]
        case {"Fn::If": [condition, yes, no]}:
            return value(yes if conditions[condition] else no)
        case {"Fn::Equals": [left, right]}:
            return value(left) == value(right)
        case {"Fn::Not": [condition]}:
            return not value(condition)
        case {"Fn::Select": [index, items]}:
            return value(items)[index]
        case {"Fn::Split": [separator, text]}:
            return value(text).split(separator)
        case dict():
            return {name: of for name, each in node.items() if (of := value(each)) is not NOTHING}
        case list():
            return [of for each in node if (of := value(each)) is not NOTHING]
    return node


def attribute(resource, name):
    return {"Fn::GetAtt": [resource, name]}


# What the tools say


def test_sam_finds_the_template_valid_without_a_network():
    assert "is a valid SAM Template" in run(tool(".venv-sam", "sam"), "validate", "--lint").stdout


def test_cfn_lint_has_not_even_a_hint_about_the_translated_template(translated, tmp_path):
    files = [tmp_path / f"{number}.json" for number, _ in enumerate(translated)]
    for file, template in zip(files, translated.values(), strict=True):
        file.write_text(json.dumps(template))
    lint = run(
        tool(".venv-sam", "cfn-lint"), "--include-checks", "I", "--non-zero-exit-code", "informational", "--", *files
    )
    assert lint.stdout == ""


def test_checkov_finds_nothing_but_what_is_suppressed_with_a_reason(translated, tmp_path):
    template = translated[NEW]  # it still holds all conditions with both their sides
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
        if resource["Type"] != "AWS::Lambda::EventSourceMapping"  # SAM copies the function's metadata to it
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
    }
    assert all(len(reason) > 20 for _, _, reason in suppressed)


def test_build_makes_a_small_artefact_of_the_code_and_its_locked_dependencies_for_arm64(tmp_path):
    tool(".venv-sam", "sam")
    build = run("make", "build", f"BUILD_OPTIONS=--debug --build-dir {tmp_path}", env={})
    # sam would fetch those by version alone, past the hashes of src/requirements.txt
    assert "Downloading missing wheels: set()" in build.stderr

    artefact = tmp_path / "Replicator"
    files = [path for path in artefact.rglob("*") if path.is_file()]
    metadata = ("*.dist-info", "*.data")
    assert {path.name for path in artefact.iterdir() if not any(map(path.match, metadata))} == {
        *(path.name for path in (ROOT / "src").iterdir() if path.name not in {"__pycache__", ".mypy_cache"}),
        *("aws_lambda_powertools", "jmespath", "orjson", "typing_extensions.py"),
    }
    assert (artefact / "handlers" / "stream.py").is_file()
    assert (artefact / "tables" / "pinot_dynamo_ingestion" / "schema.json").is_file()
    assert (artefact / "tables" / "pinot_dynamo_ingestion" / "table.json").is_file()
    assert [path.name for path in files if path.suffix == ".so"] == ["orjson.cpython-313-aarch64-linux-gnu.so"]
    assert [path for path in files if path.name.startswith("test_") or path.suffix == ".pyc"] == []
    assert sum(path.stat().st_size for path in files) < MAX_ARTEFACT_BYTES


# What is deployed


@every_case
def test_event_source_reads_from_the_beginning_and_gives_up_nothing_before_twenty_hours(case, stack):
    assert stack["Resources"]["ReplicatorChanges"] == {
        "FunctionName": {"Ref": "Replicator"},
        "EventSourceArn": attribute("DemoTable", "StreamArn") if case == NEW else TABLE_STREAM,
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 1000,
        "MaximumBatchingWindowInSeconds": 1,
        "ParallelizationFactor": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 10_000,
        "MaximumRecordAgeInSeconds": 72_000,
        "DestinationConfig": {"OnFailure": {"Destination": attribute("DeadLetterBucket", "Arn")}},
    }


@every_case
def test_function_is_this_code_on_arm64_and_knows_its_bucket(case, stack):
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
                "DEAD_LETTER_BUCKET": {"Ref": "DeadLetterBucket"},
                "KINESIS_MAX_RECORD_BYTES": 1_048_576,
            }
        },
        "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}],
    }


@every_case
def test_function_may_do_what_it_does_and_no_more(case, stack):
    in_this_account = {"StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}}
    statements = [
        {
            "Sid": "ReadChanges",
            "Effect": "Allow",
            "Action": [
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ],
            "Resource": attribute("DemoTable", "StreamArn") if case == NEW else TABLE_STREAM,
        },
        {
            "Sid": "PublishRows",
            "Effect": "Allow",
            "Action": "kinesis:PutRecords",
            "Resource": KINESIS_STREAM if case == BOTH else attribute("KinesisStream", "Arn"),
        },
        {
            "Sid": "StoreDeadLetters",
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": {"Fn::Sub": "${DeadLetterBucket.Arn}/*"},
            "Condition": in_this_account,
        },
        {
            "Sid": "FindDeadLetterBucket",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": attribute("DeadLetterBucket", "Arn"),
            "Condition": in_this_account,
        },
        {
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": attribute("ReplicatorLogs", "Arn"),
        },
    ]
    if case == BOTH:
        statements += [
            {"Sid": "DecryptChanges", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": TABLE_KEY},
            {"Sid": "EncryptRows", "Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": KINESIS_KEY},
        ]
    assert stack["Resources"]["ReplicatorRole"] == {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        },
        "Policies": [{"PolicyName": "replicate", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}],
    }
    assert {each["Sid"] for each in statements if each["Resource"] == "*" or "*" in each["Action"]} == set(EVERYTHING)


@every_case
def test_that_role_is_the_only_one(case, translated):
    types = [resource["Type"] for resource in translated[case]["Resources"].values()]
    assert [each for each in types if each.startswith("AWS::IAM::")] == ["AWS::IAM::Role"]


@every_case
def test_new_stream_is_encrypted_and_keeps_its_shards_and_an_existing_one_is_left_alone(case, stack):
    made = {
        "Name": "pinot-ingestion-stream",
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "ShardCount": 2,
        "RetentionPeriodHours": 168,
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
    }
    assert stack["Resources"].get("KinesisStream") == (None if case == BOTH else made)


def test_new_stream_can_be_encrypted_by_a_key_of_ones_own(translated):
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
def test_demo_table_is_made_only_without_a_table_of_ones_own(case, stack):
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
    assert stack["Resources"].get("DemoTable") == (made if case == NEW else None)


@every_case
def test_logs_do_not_stay_for_ever(case, stack):
    assert stack["Resources"]["ReplicatorLogs"] == {
        "LogGroupName": {"Fn::Sub": "/aws/lambda/${AWS::StackName}"},
        "RetentionInDays": 30,
    }


@every_case
def test_dead_letters_are_private_encrypted_and_expire(case, stack):
    bucket = stack["Resources"]["DeadLetterBucket"]
    assert bucket == {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
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


def test_what_cannot_be_made_again_outlives_the_stack(translated):
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
        "ReplicatorLogs": ("Delete", "Delete"),
    }


@every_case
def test_outputs_are_what_a_pinot_user_needs_next(case, stack):
    add_table = (
        "pinot-admin.sh AddTable -schemaFile src/tables/pinot_dynamo_ingestion/schema.json "
        "-tableConfigFile src/tables/pinot_dynamo_ingestion/table.json -exec"
    )
    assert stack["Outputs"] == {
        "KinesisStreamName": "orders-rows" if case == BOTH else {"Ref": "KinesisStream"},
        "Region": "eu-central-1" if case == BOTH else {"Ref": "AWS::Region"},
        "AddTableCommand": add_table,
        "DeadLetterBucketName": {"Ref": "DeadLetterBucket"},
        "FunctionName": {"Ref": "Replicator"},
        **({"DemoTableName": {"Ref": "DemoTable"}} if case == NEW else {}),
    }


# What fits together


def test_new_stream_is_the_one_that_the_shipped_table_config_consumes(translated, table):
    [config] = table["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"]
    samconfig = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert (
        translated[NEW]["Parameters"]["KinesisStreamName"]["Default"],
        samconfig["default"]["global"]["parameters"]["region"],
    ) == (config["stream.kinesis.topic.name"], config["region"])


def test_demo_table_has_the_shipped_schemas_primary_key(translated):
    schema = json.loads((SHIPPED / "schema.json").read_text())
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


def test_add_table_command_names_files_that_are_there(translated):
    words = deployed(translated[NEW], {})["Outputs"]["AddTableCommand"].split()
    assert [word for word in words if word.startswith("src/") and not (ROOT / word).is_file()] == []


def test_largest_record_can_be_set_to_what_the_function_takes(translated):
    limit = translated[NEW]["Parameters"]["KinesisMaxRecordBytes"]
    assert (limit["Default"], limit["MaxValue"]) == (MAX_RECORD_BYTES, MAX_REQUEST_BYTES)


def test_sam_local_invoke_gives_the_function_its_variables_and_an_emulators_address():
    script = HERE / "local_environment.py"
    emulator = {"DEAD_LETTER_BUCKET": "letters", "AWS_ENDPOINT_URL": "http://host.docker.internal:5000"}
    given = json.dumps([{}, {"Parameters": emulator}])
    environments = json.loads(run(tool(".venv-sam", "python"), script, stdin=given).stdout)
    names = ("DEAD_LETTER_BUCKET", "KINESIS_MAX_RECORD_BYTES", "AWS_ENDPOINT_URL")
    assert [{name: environment[name] for name in names} for environment in environments] == [
        # An empty address is to the SDK as if it were not there.
        {"DEAD_LETTER_BUCKET": "DeadLetterBucket", "KINESIS_MAX_RECORD_BYTES": "1048576", "AWS_ENDPOINT_URL": ""},
        {**emulator, "KINESIS_MAX_RECORD_BYTES": "1048576"},
    ]
