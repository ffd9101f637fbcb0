"""What must be true before a load: whole, and broken in one place after the other; each refusal has its remedy."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from deployment import FUNCTION, STREAM
from dynapinot.aws import Aws
from dynapinot.errors import CommandError
from dynapinot.load.deployed_files import UnknownFilesError
from dynapinot.load.preconditions import Where, check, check_deleted_keys, deleted_keys_findings
from dynapinot.pinot_server import Controller
from files import CONFIG, SCHEMA, with_setting
from pinot_fake import Pinot, Table, running

AWS = Aws()
PROPERTIES = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
FACTORY = "org.apache.pinot.plugin.stream.kinesis.KinesisConsumerFactory"
WHOLE = with_setting(
    with_setting(CONFIG, (*PROPERTIES, "stream.kinesis.consumer.factory.class.name"), FACTORY), "tenants", {}
)
DAY_MS = 86_400_000


@pytest.fixture
def write(tmp_path):
    """Write the files of a table into a folder of tables; give that."""

    def write_(config=WHOLE, source=""):
        folder = tmp_path / "tables" / "items"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "schema.json").write_text(json.dumps(SCHEMA))
        (folder / "table.json").write_text(json.dumps(config))
        (folder / "source.toml").write_text(source)
        return folder.parent

    return write_


@pytest.fixture
def look(aws, write):
    """Check, with a function that was deployed from the same files, unless it is given other code."""

    def check_(*, tables=None, code=None, function=FUNCTION, **where):
        folder = tables or write()
        packed = packed_tables(folder)
        return check(AWS, Where(tables=folder, function=function, **where), fetch=code or (lambda _: packed))

    return check_


def packed_tables(folder, prefix="tables"):
    with io.BytesIO() as code:
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("handlers/stream.py", "")
            for file in folder.rglob("*.*"):
                archive.writestr(f"{prefix}/{file.relative_to(folder)}", file.read_text())
        return code.getvalue()


def refusal(look, **options):
    with pytest.raises(CommandError) as refused:
        look(**options)
    return str(refused.value)


def test_what_the_template_deploys_is_ready(aws, look):
    ready = look()
    assert (ready.described.name, [table.name for table in ready.tables]) == ("app", ["items"])
    assert ready.planned["items"].shards == 2
    assert ready.assumed == []
    label = datetime.fromisoformat(ready.described.stream_label).replace(tzinfo=UTC).timestamp()
    assert 0 <= ready.stream_since - label < 1
    assert ready.since >= ready.stream_since


def test_changes_count_from_the_last_deployment_on(aws, look, answer_instead):
    modified = "2031-05-01T10:00:00.500+0000"
    real = aws["lambda"].get_function_configuration(FunctionName=FUNCTION)
    answer_instead("GetFunctionConfiguration", lambda _: {**real, "LastModified": modified})
    assert look().since == datetime(2031, 5, 1, 10, 0, 1, tzinfo=UTC).timestamp()


def disable_stream(aws):
    aws["dynamodb"].update_table(TableName="app", StreamSpecification={"StreamEnabled": False})


def show_keys_only(aws):
    aws["dynamodb"].delete_table(TableName="app")
    aws["dynamodb"].create_table(
        TableName="app",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )


def make_table_anew(aws):
    aws["dynamodb"].delete_table(TableName="app")
    aws.make_table("app")


def delete_table(aws):
    aws["dynamodb"].delete_table(TableName="app")


def disable_mapping(aws):
    aws["lambda"].update_event_source_mapping(UUID=aws.mapping, Enabled=False)


def delete_mapping(aws):
    aws["lambda"].delete_event_source_mapping(UUID=aws.mapping)


def read_the_latest_only(aws):
    delete_mapping(aws)
    aws.connect(aws.source, StartingPosition="LATEST")


def filter_changes(aws):
    delete_mapping(aws)
    aws.connect(aws.source, FilterCriteria={"Filters": [{"Pattern": "{}"}]})


def read_another_table(aws):
    delete_mapping(aws)
    aws.make_table("other")
    aws.connect(aws["dynamodb"].describe_table(TableName="other")["Table"]["LatestStreamArn"])


def delete_function(aws):
    aws["lambda"].delete_function(FunctionName=FUNCTION)


def delete_stream(aws):
    aws["kinesis"].delete_stream(StreamName=STREAM)


def make_stream_on_demand(aws):
    arn = aws["kinesis"].describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
    aws["kinesis"].update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})


@pytest.mark.parametrize(
    ("fault", "problem", "remedy"),
    [
        (disable_stream, "table app: stream: it is not enabled", "Enable it with the view type NEW_AND_OLD_IMAGES"),
        (show_keys_only, "its view type is KEYS_ONLY", "Set the view type to NEW_AND_OLD_IMAGES"),
        (make_table_anew, "the event source mapping reads another", "Deploy with TableStreamArn=arn:"),
        (delete_table, "there is no such table", "Fix its name or the region"),
        (disable_mapping, "it is Disabled, so no change is replicated", "aws lambda update-event-source-mapping"),
        (delete_mapping, "no stream is connected to it", "Deploy with TableStreamArn"),
        (read_the_latest_only, "LATEST can miss changes", "Write TRIM_HORIZON"),
        (filter_changes, "Lambda drops changes before the function sees them", "Remove it"),
        (
            read_another_table,
            "table app: no event source mapping of the function replicator reads its changes",
            "Deploy the function with the table's stream",
        ),
        (delete_function, "function replicator: there is none in eu-west-1", "Fix its name or the region"),
        (delete_stream, "stream items-stream: there is none", "Create it"),
        (make_stream_on_demand, "its mode is ON_DEMAND", "Make a PROVISIONED stream"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_fault_is_refused_with_its_remedy(aws, look, fault, problem, remedy):
    fault(aws)
    message = refusal(look, table="app")
    assert message.startswith("nothing was read, because of:\n  ")
    (line,) = (each for each in message.splitlines() if problem in each)
    assert remedy in line


def test_a_mapping_that_is_not_yet_enabled_is_refused(aws, look, answer_instead):
    real = aws["lambda"].list_event_source_mappings(FunctionName=FUNCTION)["EventSourceMappings"]
    creating = [{**each, "State": "Creating"} for each in real]
    answer_instead("ListEventSourceMappings", lambda _: {"EventSourceMappings": creating})
    assert "State: it is Creating. Look again." in refusal(look)


def test_what_may_not_be_seen_is_refused(aws, look, answer_instead):
    def deny(_):
        from botocore.exceptions import ClientError  # noqa: PLC0415

        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListEventSourceMappings")

    answer_instead("ListEventSourceMappings", deny)
    message = refusal(look, table="app")
    assert f"Lambda: event source mappings of {FUNCTION}: it cannot be looked at: AWS refused" in message


def test_an_update_of_attributes_alone_is_refused(look, write):
    config = with_setting(WHOLE, "upsertConfig.mode", "PARTIAL")
    assert "table.json: upsertConfig.mode: it is PARTIAL" in refusal(look, tables=write(config))


@pytest.mark.parametrize(
    ("table", "message"),
    [("other", "table other: there is no such table"), (None, "Give the DynamoDB --table: app, orders")],
)
def test_a_table_that_is_not_the_functions_is_refused(look, write, table, message):
    assert message in refusal(look, tables=write(source='dynamodb_table = "orders"'), table=table)


def test_other_files_than_the_deployed_are_refused(look, write):
    folder = write()
    packed = packed_tables(folder)
    write(with_setting(WHOLE, "segmentsConfig.replication", "3"))
    message = refusal(look, tables=folder, code=lambda _: packed)
    assert "table items: its files: they are not those of the deployed function replicator" in message
    assert "Deploy the function from these files" in message


def test_a_table_that_the_function_lacks_is_refused(look, write, tmp_path):
    other = tmp_path / "else" / "others"
    other.mkdir(parents=True)
    (other / "schema.json").write_text(json.dumps(with_setting(SCHEMA, "schemaName", "others")))
    (other / "table.json").write_text(json.dumps(with_setting(WHOLE, "tableName", "others")))
    packed = packed_tables(other.parent)
    assert "it is not among those of the deployed function" in refusal(look, code=lambda _: packed)


def cannot_be_downloaded(_):
    raise UnknownFilesError("its code cannot be downloaded (ConnectTimeout)")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (cannot_be_downloaded, "its code cannot be downloaded (ConnectTimeout)"),
        (lambda _: b"", "its code has no folder /var/task/tables"),
        (lambda _: packed_of({"tables/items/schema.json": "{"}), "its tables cannot be read: "),
        (lambda _: packed_of({"handlers.py": ""}), "its code has no folder /var/task/tables"),
    ],
)
def test_files_that_cannot_be_compared_are_assumed_to_be_the_same(look, code, why):
    (assumed,) = look(code=code).assumed
    assert assumed.startswith(f"The function {FUNCTION} has the same tables' files: {why}")


def packed_of(files):
    with io.BytesIO() as code:
        with zipfile.ZipFile(code, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return code.getvalue()


def test_the_functions_own_folder_of_tables_is_compared(aws, look, write):
    aws.set_variables(DEAD_LETTER_BUCKET="letters", TABLES_DIR="/var/task/ours")
    packed = packed_tables(write(), prefix="ours")
    assert look(code=lambda _: packed).assumed == []


def test_without_a_function_the_live_path_is_assumed(aws, look):
    delete_function(aws)
    ready = look(function=None, table="app")
    assert ready.there is None
    assert ready.assumed == [
        "Something replicates every change since the stream was enabled: no function was looked at"
    ]


def test_changes_that_come_by_kinesis_count_from_now_on(aws, look, answer_instead):
    delete_mapping(aws)
    aws["kinesis"].create_stream(StreamName="changes", ShardCount=1)
    arn = aws["kinesis"].describe_stream_summary(StreamName="changes")["StreamDescriptionSummary"]["StreamARN"]
    active = {"KinesisDataStreamDestinations": [{"StreamArn": arn, "DestinationStatus": "ACTIVE"}]}
    answer_instead("DescribeKinesisStreamingDestination", lambda _: active)
    aws.connect(arn)
    before = datetime.now(UTC).timestamp()
    ready = look(table="app")
    assert ready.stream_since is None
    assert before - 1 < ready.since - 1 <= before + 60
    assert ready.assumed == ["The stream has carried all changes only since now: nothing tells when it began to"]


def test_pinot_must_have_the_table(look):
    with running(Pinot()) as pinot:
        controller = Controller(pinot.url)
        assert "table items: Pinot has no such table. Make it: dynapinot add-table" in refusal(
            look, controller=controller
        )


def test_pinots_own_config_counts(look, write):
    folder = write()
    partial = with_setting(WHOLE, "upsertConfig.mode", "PARTIAL")
    segments = {f"items__{number}__0__20260101T0000Z": {"server": "CONSUMING"} for number in range(2)}
    with running(Pinot(tables={"items": Table(SCHEMA, partial, ideal=segments, actual=segments)})) as pinot:
        message = refusal(look, tables=folder, controller=Controller(pinot.url))
        assert "Pinot's table items: upsertConfig.mode: it is PARTIAL" in message
        pinot.tables["items"].config = WHOLE
        assert [where for where, _ in look(tables=folder, controller=Controller(pinot.url)).configs["items"]] == [
            f"{folder}/items/table.json",
            "Pinot's table items",
        ]


def forgetting(ttl, *, consistent=None, seconds=60.0):
    config = with_setting(WHOLE, "upsertConfig.deletedKeysTTL", ttl)
    if consistent is not None:
        config = with_setting(config, "upsertConfig.enableDeletedKeysCompactionConsistency", consistent)
    return [each.code for each in deleted_keys_findings("table.json", config, seconds=seconds, unit_ms=1.0)]


@pytest.mark.parametrize(
    ("ttl", "consistent", "seconds", "codes"),
    [
        (0, None, 1e9, []),
        ("no number", None, 1e9, []),
        (DAY_MS, True, 60, []),
        (DAY_MS, "true", 43_200, []),
        (DAY_MS, True, 43_201, ["load_forgets"]),
        (DAY_MS - 1, True, 60, ["load_forgets"]),
        (DAY_MS, False, 60, ["load_compaction"]),
        (1, None, 60, ["load_forgets", "load_compaction"]),
    ],
)
def test_deletes_must_be_remembered_until_the_load_is_consumed(ttl, consistent, seconds, codes):
    assert forgetting(ttl, consistent=consistent, seconds=seconds) == codes


def test_forgotten_deletes_are_refused_by_the_value_to_write(look, write):
    config = with_setting(WHOLE, "upsertConfig.deletedKeysTTL", DAY_MS)
    config = with_setting(config, "upsertConfig.enableDeletedKeysCompactionConsistency", True)
    ready = look(tables=write(config))
    check_deleted_keys(ready, 60)
    with pytest.raises(CommandError, match=f"Write {4 * DAY_MS} or more"):
        check_deleted_keys(ready, 2 * 86_400)
