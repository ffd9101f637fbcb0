from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from load.files import FilesError, LoadFiles, load_ids
from load.plan import Control, ExportReader, Plan, PlannedTable, ScanReader, Swept, Unit

READERS = [
    ScanReader(segments=7, margin=300, consistent=False, filter={"FilterExpression": "a = :b"}, units_per_second=5.0),
    ExportReader(bucket="exports", folder="p/AWSDynamoDB/1-a", files=7, second=1_700_000_000),
]


@pytest.fixture
def files(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", "us-east-1")
        client.create_bucket(Bucket="dead")
        yield LoadFiles(client=client, bucket="dead", id="20261128-items")


def plan(reader, **changes):
    made = {
        "id": "20261128-items",
        "table": "items",
        "region": "us-east-1",
        "keys": ("id",),
        "began": 1_700_000_000,
        "tables": {"items": PlannedTable(files="abc", shards=2)},
        "reader": reader,
        "workers": 3,
        "items": 10,
        **changes,
    }
    return Plan(**made)


@pytest.mark.parametrize("reader", READERS)
def test_a_plan_is_read_as_it_was_written(files, reader):
    files.save(plan(reader))
    assert files.plan() == plan(reader)
    assert files.plan().units == 7


def test_units_and_control_have_a_beginning(files):
    assert files.units(2) == [Unit(number=0), Unit(number=1)]
    assert files.control() == Control()
    unit = Unit(number=1, cursor={"id": {"S": "a"}}, items=5, dead_letters={"no_table": 1})
    files.save(unit)
    files.save(Control(state="pause", share=0.1))
    assert files.units(2) == [Unit(number=0), unit]
    assert files.control() == Control(state="pause", share=0.1)


def test_a_sweep_has_a_beginning_for_each_table(files):
    assert files.swept("items") == Swept()
    swept = Swept(position=("a", 2**63), candidates=3, rows=1, tombstones=1, failures={"too_large": 1})
    files.save_swept("items", swept)
    assert files.swept("items") == swept
    assert files.swept("others") == Swept()


def test_a_load_that_is_not_there_is_said(files):
    with pytest.raises(FilesError, match=r"there is no load 20261128-items: s3://dead/loads/20261128-items/plan\.json"):
        files.plan()


def test_a_plan_of_another_version_is_refused(files):
    files.save(plan(READERS[0], version=2))
    with pytest.raises(FilesError, match="another version of dynapinot"):
        files.plan()


def test_what_is_no_file_of_a_load_is_named(files):
    files.client.put_object(Bucket="dead", Key="loads/20261128-items/units/3.json", Body=b'{"number":"x"}')
    with pytest.raises(FilesError, match=r"units/3\.json is not a file of a load: .*number"):
        files.unit(3)


def test_what_cannot_be_read_or_written_is_named_with_the_reason(files, monkeypatch):
    nowhere = LoadFiles(client=files.client, bucket="nowhere", id="l")
    with pytest.raises(FilesError, match=r"s3://nowhere/loads/l/control\.json cannot be read: NoSuchBucket"):
        nowhere.control()
    with pytest.raises(FilesError, match=r"s3://nowhere/loads/l/units/0\.json cannot be written: NoSuchBucket"):
        nowhere.save(Unit(number=0))

    def refuse(**_):
        raise EndpointConnectionError(endpoint_url="http://x")

    monkeypatch.setattr(files.client, "get_object", refuse)
    with pytest.raises(FilesError, match="cannot be read: EndpointConnectionError"):
        files.unit(0)


def test_the_loads_of_a_bucket_are_listed(files):
    assert list(load_ids(files.client, "dead")) == []
    files.save(plan(READERS[0]))
    LoadFiles(client=files.client, bucket="dead", id="20251128-items").save(Control())
    assert list(load_ids(files.client, "dead")) == ["20251128-items", "20261128-items"]
