"""The engines before Pinot report missing tools, and behave as the tests that use them assume."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from engines import dynamodb_local, kinesalite, tools
from engines.faulty_kinesis import Faults, FaultyKinesis
from engines.pinot_engine import MissingToolError
from engines.source_kinds import ITEMS
from publisher.entry import Entry
from publisher.kinesis import Sender

pytestmark = pytest.mark.engines

JAVA = 'openjdk version "17.0.1" 2021-10-19'


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with an empty PATH and nothing downloaded; ``machine(name, says)`` puts a program on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(tools, "CACHE", tmp_path / "cache")

    def install(name, says, code=1):
        file = programs / name
        file.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
        file.chmod(0o755)

    return install


def test_without_java_the_error_says_what_to_install(machine):
    with pytest.raises(
        MissingToolError, match=r"DynamoDB Local needs Java 17 or newer: install a JDK.*; there is none"
    ):
        dynamodb_local.build()


def test_java_that_is_too_old_is_reported(machine):
    machine("java", 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(MissingToolError, match=r'needs Java 17 or newer.* says: openjdk version "11\.0\.2"'):
        dynamodb_local.build()


def test_without_maven_the_error_says_what_to_install(machine):
    machine("java", JAVA)
    with pytest.raises(MissingToolError, match="DynamoDB Local is fetched by Apache Maven: install it"):
        dynamodb_local.build()


def test_without_node_the_error_says_what_to_install(machine):
    with pytest.raises(MissingToolError, match=r"kinesalite needs Node\.js 18 or newer: install it.*; there is none"):
        kinesalite.build()


def test_node_that_is_too_old_is_reported(machine):
    machine("node", "v16.20.2")
    with pytest.raises(MissingToolError, match=r"needs Node\.js 18 or newer.* says: v16\.20\.2"):
        kinesalite.build()


def test_without_npm_the_error_says_what_to_install(machine):
    machine("node", "v20.0.0")
    with pytest.raises(MissingToolError, match="kinesalite is fetched by npm: install it"):
        kinesalite.build()


def test_a_failed_download_is_reported_with_the_tools_output_and_retried(machine):
    machine("node", "v20.0.0")
    machine("npm", "ENOTFOUND: no network")
    machine("java", JAVA)
    machine("mvn", "BUILD FAILURE: no network")
    for _ in range(2):
        with pytest.raises(MissingToolError, match="npm could not make tests/engines/kinesalite:\nENOTFOUND"):
            kinesalite.build()
        with pytest.raises(MissingToolError, match="mvn could not make tests/engines/dynamodb:\nBUILD FAILURE"):
            dynamodb_local.build()


def test_a_download_is_kept_until_the_projects_files_change(tmp_path):
    project, made = tmp_path / "project", []
    project.mkdir()
    (project / "package.json").write_text("{}")

    def make(folder):
        made.append(list(folder.iterdir()))
        (folder / "left").touch()

    def make_once():
        return tools.made_once("engine", project, make, tmp_path / "cache")

    assert make_once() == make_once() == tmp_path / "cache" / "engine"
    assert made == [[]]
    (project / "package.json").write_text("{ }")
    make_once()
    make_once()
    assert made == [[], []]  # and the old download is removed


def test_a_server_that_does_not_start_says_why():
    dying = [sys.executable, "-c", "import sys; sys.exit('the port is taken')"]
    with pytest.raises(RuntimeError, match="an engine did not start: the port is taken"):
        tools.Server("an engine", dying)


def test_a_server_ends_when_its_stdin_closes_however_much_it_writes():
    program = "import sys; print('hello'); print('port 4711'); print('x' * 10**6, flush=True); sys.stdin.read()"
    server = tools.Server("an engine", [sys.executable, "-c", program])
    assert server.endpoint == "http://127.0.0.1:4711"
    server.close()
    assert server._process.returncode == 0


# --- DynamoDB Local ---------------------------------------------------------------------------------------------


@pytest.fixture
def table(dynamodb_local):
    """A table with a stream; ``records()`` returns the stream's records."""
    account = dynamodb_local.empty()
    client, streams = account.client("dynamodb"), account.client("dynamodbstreams")
    arn = client.create_table(
        TableName="items",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]["LatestStreamArn"]

    def records():
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        return streams.get_records(ShardIterator=start["ShardIterator"])["Records"]

    return client, records


def put(client, key, **attributes):
    client.put_item(TableName="items", Item={"id": {"S": key}, **attributes})


def test_dynamodb_locals_times_are_whole_minutes_so_that_most_changes_of_an_item_tie(table):
    client, records = table
    before = datetime.now(UTC)
    for number in range(9):
        put(client, "a", n={"N": str(number)})
    times = {record["dynamodb"]["ApproximateCreationDateTime"] for record in records()}
    assert {(time.second, time.microsecond) for time in times} == {(0, 0)}
    assert min(times) <= before  # rounded down: never in the future


def test_a_write_without_effect_is_not_on_dynamodb_locals_stream(table):
    client, records = table
    put(client, "a", n={"N": "1"})
    put(client, "a", n={"N": "1.0"})
    client.update_item(TableName="items", Key={"id": {"S": "a"}}, UpdateExpression="REMOVE b")
    client.delete_item(TableName="items", Key={"id": {"S": "b"}})
    assert [record["eventName"] for record in records()] == ["INSERT"]


def test_dynamodb_locals_stream_has_transactions_completely_or_not_at_all(table):
    client, records = table

    def transact(*keys, condition="attribute_not_exists(id)"):
        puts = [{"TableName": "items", "Item": {"id": {"S": key}}, "ConditionExpression": condition} for key in keys]
        client.transact_write_items(TransactItems=[{"Put": each} for each in puts])

    transact("a", "b")
    with pytest.raises(client.exceptions.TransactionCanceledException):
        transact("c", "a")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in records()] == ["a", "b"]


def test_dynamodb_locals_sequence_numbers_increase_and_exceed_64_bits(table):
    client, records = table
    for number in range(12):
        put(client, "ab"[number % 2], n={"N": str(number)})
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records()]
    assert numbers == sorted(set(numbers))
    assert {len(number) for number in numbers} == {21}


def test_accounts_do_not_see_each_others_tables(dynamodb_local, table):
    client, _ = table
    assert client.list_tables()["TableNames"] == [ITEMS.dynamodb_table]
    assert dynamodb_local.empty().client("dynamodb").list_tables()["TableNames"] == []


# --- the proxy before kinesalite --------------------------------------------------------------------------------

ENTRIES = [Entry(str(number), b"%d" % number, number) for number in range(20)]


@pytest.fixture
def send(kinesalite, monkeypatch):
    """Sends the entries in one request through a faulty proxy; returns the outcomes and the stored records."""
    monkeypatch.setattr("time.sleep", lambda _: None)

    def send_through(name, **faults):
        client = kinesalite.client()
        client.create_stream(StreamName=name, ShardCount=1)
        client.get_waiter("stream_exists").wait(StreamName=name)
        with FaultyKinesis(kinesalite.endpoint, faults=Faults(**faults)) as faulty:
            outcomes = Sender(kinesalite.client(faulty.endpoint), name)(ENTRIES)
        start = client.get_shard_iterator(
            StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )
        records = client.get_records(ShardIterator=start["ShardIterator"])["Records"]
        client.delete_stream(StreamName=name)
        return outcomes, [(int(record["SequenceNumber"]), record["Data"]) for record in records]

    return send_through


def test_without_faults_records_are_stored_in_order_under_the_returned_numbers(send):
    outcomes, stands = send("right")
    assert stands == [(outcome, entry.data) for outcome, entry in zip(outcomes, ENTRIES, strict=True)]


def test_rejected_records_are_not_stored_and_all_others_are(send):
    outcomes, stands = send("rejecting", reject=0.5)
    accepted = [(each, entry.data) for each, entry in zip(outcomes, ENTRIES, strict=True) if isinstance(each, int)]
    assert stands == accepted
    assert 0 < len(accepted) < len(ENTRIES)
    assert {each for each in outcomes if isinstance(each, str)} == {
        "InternalFailure",
        "ProvisionedThroughputExceededException",
    }


def test_shuffled_records_are_stored_in_another_order_under_the_returned_numbers(send):
    outcomes, stands = send("shuffling", shuffle=1.0)
    assert stands == sorted((outcome, entry.data) for outcome, entry in zip(outcomes, ENTRIES, strict=True))
    assert [data for _, data in stands] != [entry.data for entry in ENTRIES]


def test_records_of_a_failed_request_are_not_stored(send):
    outcomes, stands = send("failing", fail=1.0)
    assert stands == []
    assert set(outcomes) <= {"InternalFailure", "ProvisionedThroughputExceededException", "ServiceUnavailable"}


def test_records_of_a_request_without_a_response_are_stored(send):
    outcomes, stands = send("losing", lose=1.0)
    assert outcomes == ["ConnectionClosedError"] * len(ENTRIES)
    assert [data for _, data in stands] == [entry.data for entry in ENTRIES]
