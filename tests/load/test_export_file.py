"""Data files of an export as units: every item once, at the export's time, and done only when the file is whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_bucket_fake import BucketFake
from export_writer import full_export, item_line
from files import table
from load.export.errors import ExportError
from load.export.folder import Folder
from load.export.manifest import read_export
from load.export_file import FileReader
from load.plan import ExportReader, Plan, PlannedTable, Unit

SECOND = 1_768_385_650


def world(*counts, breaks=()):
    number = iter(range(sum(counts)))
    files = [[item_line({"id": {"S": f"a{next(number)}"}, "price": {"N": "1"}}) for _ in range(n)] for n in counts]
    written = full_export(files)
    bucket = BucketFake(written.objects, breaks=breaks)
    export = read_export(bucket.fetch, Folder("exports", written.folder))
    reader = ExportReader(bucket="exports", folder=written.folder, files=len(counts), second=SECOND)
    plan = Plan(
        id="l",
        table="meetups",
        region="eu-north-1",
        keys=("id",),
        began=SECOND,
        tables={"items": PlannedTable(files="x", shards=1)},
        reader=reader,
        workers=1,
    )
    return bucket, export, FileReader(bucket.open, export, plan, reader, [table()])


def ids(portions):
    return [each["dynamodb"]["Keys"]["id"]["S"] for portion in portions for each in portion.records]


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_every_item_of_every_file_comes_once_at_the_exports_time(limit):
    _, _, read = world(5, 0, 7)
    portions = [list(read(Unit(number=n), lambda: limit)) for n in range(3)]
    assert ids(portion for each in portions for portion in each) == [f"a{n}" for n in range(12)]
    assert [each[-1].is_last for each in portions] == [True] * 3
    assert [sum(p.is_last for p in each) for each in portions] == [1, 1, 1]
    assert max(len(p.records) for each in portions for p in each) == min(limit, 7)
    times = {r["dynamodb"]["ApproximateCreationDateTime"] for each in portions for p in each for r in p.records}
    assert times == {SECOND * 1000 - 1}


@given(st.integers(0, 20), st.integers(1, 8))
def test_it_goes_on_at_any_line_and_checks_the_sum_once(lines, limit):
    bucket, _, read = world(20)
    first = next(read(Unit(number=0), lambda: 1))
    bucket.requests.clear()
    unit = Unit(number=0, cursor=lines, checked_etag=first.checked_etag)
    portions = list(read(unit, lambda: limit))
    assert ids(portions) == [f"a{n}" for n in range(lines, 20)]
    assert portions[-1].cursor == 20
    assert {p.checked_etag for p in portions} == {first.checked_etag}
    assert [match for _, _, match in bucket.requests] == [first.checked_etag]


def test_nothing_of_a_file_with_a_wrong_sum_is_trusted():
    _, export, read = world(3)
    read._files = [replace(export.files[0], md5="x")]
    with pytest.raises(ExportError, match="MD5"):
        next(read(Unit(number=0), lambda: 10))


def test_a_file_with_too_few_lines_is_never_done():
    _, export, read = world(3)
    read._files = [replace(export.files[0], items=4)]
    portions = read(Unit(number=0), lambda: 10)
    assert len(next(portions).records) == 3
    with pytest.raises(ExportError, match="3 lines, the manifest says 4"):
        next(portions)


def test_an_item_without_its_key_is_named_by_its_file_and_line():
    written = full_export([[item_line({"id": {"S": "a"}}), item_line({"name": {"S": "secret"}})]])
    bucket = BucketFake(written.objects)
    export = read_export(bucket.fetch, Folder("exports", written.folder))
    _, _, read = world(2)
    read._files, read._open_object = export.files, bucket.open
    with pytest.raises(ExportError, match=r"data/.*\.json\.gz, lines 1 to 2: .* primary key") as raised:
        list(read(Unit(number=0), lambda: 10))
    assert "secret" not in str(raised.value)
