"""What comes next: commands that fit the table, and what matters about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynapinot.init.capacity import Shards, WriteRate
from dynapinot.init.files import Naming
from dynapinot.init.next_steps import neighbours, next_steps, notes_on
from dynapinot.init.table_description import TableDescription, read_description
from proposals import key_of, table_description

NAMING = Naming(dynamodb_table="my-app", pinot_table="my_app", stream="my_app-stream", region="eu-west-1")
KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/1abc"
SHARDS = Shards(count=4, rate=WriteRate(per_second=900, source="a test"), row_bytes=100, bytes_per_second=90_000)
TABLE = table_description(name="my-app", key=key_of(("id", "S")), items=10, bytes=1_000)


def steps_of(described=TABLE, naming=NAMING, shards=SHARDS, *, tables="src/tables", is_alone=True):
    steps = next_steps(described, naming, shards, tables=tables, is_alone=is_alone)
    return {step.title.partition(";")[0].partition(",")[0]: step for step in steps}


def test_a_table_whose_stream_is_right_needs_no_other():
    assert list(steps_of()) == [
        "See what items become",
        "Deploy the function and its Kinesis stream",
        "Or make the stream yourself before",
        "Make the Pinot table",
        "Check the whole path",
    ]


def test_every_command_that_calls_aws_has_the_endpoint_of_the_table():
    described = replace(TABLE, view_type="KEYS_ONLY")
    arguments = {"tables": "src/tables", "is_alone": True}
    without = next_steps(described, NAMING, SHARDS, **arguments)
    steps = next_steps(described, NAMING, SHARDS, **arguments, endpoint_url="http://localhost:8000/?a b")
    for step, plain in zip(steps, without, strict=True):
        for command, other in zip(step.commands, plain.commands, strict=True):
            calls = command.count("aws ") + ("dynapinot doctor" in command)
            assert command.count(" --region eu-west-1 --endpoint-url 'http://localhost:8000/?a b'") == calls
            assert command.replace(" --endpoint-url 'http://localhost:8000/?a b'", "") == other


def test_a_table_without_a_stream_gets_one():
    step = steps_of(replace(TABLE, view_type=None))["Switch the table's stream on"]
    assert step.commands == (
        (
            "aws dynamodb update-table --table-name my-app --region eu-west-1 --stream-specification"
            " StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
        ),
    )


@pytest.mark.parametrize(
    ("view_type", "lacks"),
    [
        ("NEW_IMAGE", "a delete has no last values then"),
        ("OLD_IMAGE", "a row is made of the new image, so nothing could be replicated"),
        ("KEYS_ONLY", "a row is made of the new image, so nothing could be replicated"),
    ],
)
def test_a_stream_of_another_view_type_is_switched_off_and_on(view_type, lacks):
    steps = steps_of(replace(TABLE, view_type=view_type))
    step = steps["Give the table's stream the view type NEW_AND_OLD_IMAGES"]
    assert step.title.endswith(f"; it is {view_type}, and {lacks}")
    assert [command.rpartition(" ")[2] for command in step.commands] == [
        "StreamEnabled=false",
        "eu-west-1",
        "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES",
    ]


def test_the_stack_replicates_this_table_alone_and_makes_the_stream():
    step = steps_of(tables="/my/tables")["Deploy the function and its Kinesis stream"]
    assert step.commands == (
        "make build TABLES=/my/tables",
        (
            ".venv-sam/bin/sam deploy --stack-name dynapinot-my-app --region eu-west-1 --parameter-overrides \\\n"
            "  Tables=my_app \\\n"
            "  TableStreamArn=$(aws dynamodb describe-table --table-name my-app --region eu-west-1"
            " --query Table.LatestStreamArn --output text) \\\n"
            "  KinesisStreamName=my_app-stream \\\n"
            "  KinesisShardCount=4"
        ),
    )
    assert step.note == ""


def test_an_encrypted_table_and_many_shards_change_how_it_is_deployed():
    steps = steps_of(replace(TABLE, key_arn=KEY_ARN), replace(NAMING, region="us-east-1"), replace(SHARDS, count=501))
    step = steps["Deploy the function and its Kinesis stream"]
    assert step.commands[0] == "make build"
    assert "--region us-east-1 --parameter-overrides" not in step.commands[1]  # samconfig.toml has that one
    assert step.commands[1].endswith(f"KinesisShardCount=501 \\\n  TableKeyArn={KEY_ARN}")
    assert "500 shards at most" in step.note


@pytest.mark.parametrize(
    ("is_alone", "which"), [(True, "--tables src/tables"), (False, "--tables src/tables --only my_app")]
)
def test_beside_other_folders_the_commands_name_the_proposal(is_alone, which):
    steps = steps_of(is_alone=is_alone)
    assert (
        steps["See what items become"].commands[1] == f"dynapinot explain items.json {which} --table my-app --verbose"
    )
    (command,) = steps["Check the whole path"].commands
    assert command.startswith(f"dynapinot doctor {which} --region eu-west-1 --stack dynapinot-my-app ")


def test_a_stream_of_ones_own_is_provisioned_and_keeps_a_week():
    assert steps_of()["Or make the stream yourself before"].commands == (
        (
            "aws kinesis create-stream --stream-name my_app-stream --region eu-west-1 --shard-count 4"
            " --stream-mode-details StreamMode=PROVISIONED"
        ),
        "aws kinesis wait stream-exists --stream-name my_app-stream --region eu-west-1",
        (
            "aws kinesis increase-stream-retention-period --stream-name my_app-stream --region eu-west-1"
            " --retention-period-hours 168"
        ),
    )


ON_DEMAND = "The table's capacity is on demand: its writes may grow beyond what was seen, its shards may not."


@pytest.mark.parametrize(
    ("table", "note"),
    [
        ({}, ON_DEMAND),
        ({"write_units": 50}, "50 write units a second are provisioned."),
        ({"status": "UPDATING"}, "The table is UPDATING, not ACTIVE."),
        (
            {"ttl_attribute": "expires"},
            'Time to Live is on: what it deletes is deleted in Pinot, unless source.toml says ttl_deletes = "keep".',
        ),
        (
            {"ttl_unknown": "AccessDeniedException"},
            "DynamoDB did not report whether Time to Live is on (AccessDeniedException).",
        ),
        (
            {"replicas": ("us-east-1", "us-west-2")},
            (
                "It is a global table, with us-east-1, us-west-2: writes there are changes here and need shards too,"
                " and what Time to Live deletes there is no TTL delete here but any delete."
            ),
        ),
        (
            {"key_arn": KEY_ARN},
            "It is encrypted with a KMS key: if that is your own, the function must be let use it (TableKeyArn).",
        ),
    ],
)
def test_important_properties_of_a_table_are_reported(table, note):
    assert note in list(notes_on(replace(TABLE, **table), whole=True, largest_row=100, shards=SHARDS))


def test_differences_that_do_not_matter_are_not_reported():
    assert list(notes_on(TABLE, whole=True, largest_row=100, shards=SHARDS)) == [ON_DEMAND]


def test_large_rows_samples_and_guesses_are_reported():
    guessed = replace(SHARDS, rate=WriteRate(per_second=0, source="a test", guessed=True))
    assert list(notes_on(TABLE, whole=False, largest_row=600_000, shards=guessed)) == [
        ON_DEMAND,
        (
            "The largest row that was seen is about 600,000 bytes; one over 1,048,576 is a dead letter, unless its"
            " stream is configured for more (docs/limits.md)."
        ),
        "A sample misses what is rare: --all reads every item, and dynapinot drift shows later what was missed.",
        "How often the table is written is not known, so the shard count is the least: never change it later.",
    ]


def test_tables_that_would_take_the_changes_too_are_reported():
    assert neighbours([], "my_app") is None
    assert neighbours(["demo"], "my_app") == (
        "In the same folder, demo would take this table's changes too: deploy with Tables=my_app, or write"
        " dynamodb_table in the source.toml of each."
    )


def test_a_description_is_read_as_the_sdk_gives_it():
    description = {
        "TableName": "my-app",
        "TableStatus": "ACTIVE",
        "AttributeDefinitions": [
            {"AttributeName": "gsi", "AttributeType": "B"},
            {"AttributeName": "SK", "AttributeType": "N"},
            {"AttributeName": "PK", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "SK", "KeyType": "RANGE"}, {"AttributeName": "PK", "KeyType": "HASH"}],
        "ItemCount": 10,
        "TableSizeBytes": 1_005,
        "ProvisionedThroughput": {"ReadCapacityUnits": 20, "WriteCapacityUnits": 5},
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY_ARN},
        "Replicas": [{"RegionName": "us-east-1"}, {"RegionName": "eu-west-1"}],
    }
    described = read_description(description, region="eu-west-1", ttl_attribute="expires")
    assert described == TableDescription(
        name="my-app",
        region="eu-west-1",
        status="ACTIVE",
        key=key_of(("PK", "S"), ("SK", "N")),
        items=10,
        bytes=1_005,
        view_type="KEYS_ONLY",
        ttl_attribute="expires",
        ttl_unknown=None,
        read_units=20,
        write_units=5,
        key_arn=KEY_ARN,
        replicas=("us-east-1",),
    )
    assert (described.item_bytes, described.on_demand) == (100, False)
    off = {**description, "StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}}
    assert read_description(off, region="eu-west-1").view_type is None
