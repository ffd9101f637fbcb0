"""Why the shards of a stream that Pinot reads must never change, shown with real shards and Pinot's own code.

A partition of Pinot is a shard. After a split or a merge, a key's rows go to another partition. Its row in the old one
stays, because no later row reaches it. ``dynapinot doctor`` finds such a stream, and the stack's alarm the call.
"""

from __future__ import annotations

import pytest
import yaml

from dynapinot.aws import Aws
from dynapinot.doctor import kinesis as doctor_stream
from dynapinot.doctor import tables as doctor_tables
from dynapinot.doctor.finding import Diagnosis
from engines.dynamodb_local import REGION
from engines.pinot_engine import ROOT
from engines.replication import Replication
from engines.source_kinds import ITEMS
from heartbeat.probe import hash_key
from pinot.key import partition_key

pytestmark = pytest.mark.engines

TABLE = ITEMS.dynamodb_table
HALF = 2**127
KEYS = ("a", "b", "c", "d", "e")


@pytest.fixture
def replicated(engines, monkeypatch, tmp_path):
    """Makes a table whose stream has the given number of shards."""
    made = []

    def make(shards):
        made.append(Replication(engines, ITEMS, 0, monkeypatch=monkeypatch, folder=tmp_path, shards=shards))
        return made[-1]

    yield make
    for each in made:
        each.close()


def put(replication, name):
    """Give every item a new name, and replicate that to Pinot."""
    for key in KEYS:
        replication.dynamodb.put_item(TableName=TABLE, Item={"id": {"S": key}, "name": {"S": name}})
    replication.run()


def delete(replication):
    """Delete every item, and replicate that to Pinot."""
    for key in KEYS:
        replication.dynamodb.delete_item(TableName=TABLE, Key={"id": {"S": key}})
    replication.run()


def shown(replication):
    """Return the rows that queries show: the partition, the key and the name of each."""
    (fed,) = replication.fed
    return sorted((partition, row["id"], row["name"]) for partition, row in fed.consumer.placed())


def half_of(key):
    """Return the half of all hash keys that has a key's rows, 0 or 1."""
    return int(hash_key(partition_key([key])) >= HALF)


def reshard(replication, operation, **how):
    """Change the stream's shards; return the API calls for it."""
    client, stream = replication.kinesis, replication.fed[0].stream
    calls = []
    client.meta.events.register("before-call.kinesis", lambda model, **_: calls.append(model.name))
    getattr(client, operation)(StreamName=stream, **how)
    asked = tuple(calls)
    client.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    return asked


def shard(number):
    return f"shardId-{number:012d}"


def found_by_doctor(engines, tables):
    """Return the findings of ``dynapinot doctor`` for the stream."""
    diagnosis = Diagnosis()
    (folder,) = doctor_tables.look(diagnosis, tables)
    doctor_stream.look(diagnosis, Aws(region=REGION, endpoint_url=engines.kinesis.endpoint), folder)
    assert diagnosis.missed == []
    return {finding.code: finding for finding in diagnosis.parts[doctor_stream.PART]}


def calls_that_raise_the_alarm():
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader=yaml.BaseLoader)  # tags as their plain values
    return set(template["Resources"]["ShardCountChanges"]["Properties"]["EventPattern"]["detail"]["eventName"])


def test_after_a_split_every_old_row_stays_beside_the_new_one_and_deletes_do_not_reach_it(
    engines, replicated, tmp_path
):
    replication = replicated(shards=1)
    put(replication, "before")
    old = [(0, key, "before") for key in KEYS]
    assert shown(replication) == old
    assert "stream_resharded" not in found_by_doctor(engines, tmp_path)

    calls = reshard(replication, "split_shard", ShardToSplit=shard(0), NewStartingHashKey=str(HALF))
    put(replication, "after")
    assert shown(replication) == sorted(old + [(1 + half_of(key), key, "after") for key in KEYS])
    assert {half_of(key) for key in KEYS} == {0, 1}
    delete(replication)
    assert replication.items() == []
    assert shown(replication) == old

    finding = found_by_doctor(engines, tmp_path)["stream_resharded"]
    assert finding.level == "error"
    assert calls == ("SplitShard",)
    assert set(calls) <= calls_that_raise_the_alarm()


def test_after_a_merge_every_old_row_stays_too(engines, replicated, tmp_path):
    replication = replicated(shards=2)
    put(replication, "before")
    old = sorted((half_of(key), key, "before") for key in KEYS)
    assert shown(replication) == old
    assert "stream_resharded" not in found_by_doctor(engines, tmp_path)

    calls = reshard(replication, "merge_shards", ShardToMerge=shard(0), AdjacentShardToMerge=shard(1))
    put(replication, "after")
    assert shown(replication) == old + [(2, key, "after") for key in KEYS]
    delete(replication)
    assert shown(replication) == old

    assert found_by_doctor(engines, tmp_path)["stream_resharded"].level == "error"
    assert calls == ("MergeShards",)
    assert set(calls) <= calls_that_raise_the_alarm()


def test_a_partition_is_a_shard_so_without_resharding_every_key_has_one_row(replicated):
    replication = replicated(shards=3)
    put(replication, "before")
    put(replication, "after")
    assert [(key, name) for _, key, name in sorted(shown(replication), key=lambda row: row[1])] == [
        (key, "after") for key in KEYS
    ]
    assert len({partition for partition, _, _ in shown(replication)}) > 1
    delete(replication)
    assert shown(replication) == []
