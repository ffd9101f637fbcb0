"""Data files of an export as units: every item once, at the export's time, and done only when the file is whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_bucket_fake import BucketFake
from export_writer import change_line, full_export, incremental_export, item_line
from files import table
from load.export.errors import ExportError
from load.export.folder import Folder
from load.export.manifest import read_export
from load.export_file import FileReader, full_sources, incremental_sources
from load.plan import ExportReader, IncrementalReader, Plan, PlannedTable, Unit, Window

SECOND = 1_768_385_650


def world(*counts, breaks=()):
    number = iter(range(sum(counts)))
    files = [[item_line({"id": {"S": f"a{next(number)}"}, "price": {"N": "1"}}) for _ in range(n)] for n in counts]
    written = full_export(files)
    bucket = BucketFake(written.objects, breaks=breaks)
    export = read_export(bucket.fetch, Folder("exports", written.folder))
    reader = ExportReader(bucket="exports", folder=written.folder, files=len(counts), second=SECOND)
    return bucket, export, FileReader(bucket.open, full_sources(export, plan_of(reader), reader, [table()]))


def plan_of(reader):
    return Plan(
        id="l",
        table="meetups",
        region="eu-north-1",
        keys=("id",),
        began=SECOND,
        tables={"items": PlannedTable(files="x", shards=1)},
        reader=reader,
        workers=1,
    )


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
    read._sources = [replace(read._sources[0], file=replace(export.files[0], md5="x"))]
    with pytest.raises(ExportError, match="MD5"):
        next(read(Unit(number=0), lambda: 10))


def test_a_file_with_too_few_lines_is_never_done():
    _, export, read = world(3)
    read._sources = [replace(read._sources[0], file=replace(export.files[0], items=4))]
    portions = read(Unit(number=0), lambda: 10)
    assert len(next(portions).records) == 3
    with pytest.raises(ExportError, match="3 lines, the manifest says 4"):
        next(portions)


def test_an_item_without_its_key_is_named_by_its_file_and_line():
    written = full_export([[item_line({"id": {"S": "a"}}), item_line({"name": {"S": "secret"}})]])
    bucket = BucketFake(written.objects)
    export = read_export(bucket.fetch, Folder("exports", written.folder))
    _, _, read = world(2)
    read._sources = [replace(read._sources[0], file=export.files[0])]
    read._open_object = bucket.open
    with pytest.raises(ExportError, match=r"data/.*\.json\.gz, lines 1 to 2: .* primary key") as raised:
        list(read(Unit(number=0), lambda: 10))
    assert "secret" not in str(raised.value)


ENDS = (SECOND + 900, SECOND + 1_200)  # of two windows of 15 minutes


def gap(tables):
    """Two windows: of the first, two files; each has an item that is new, one that is gone, and one that is neither."""
    written, objects = [], {}
    for number, end in enumerate(ENDS):
        lines = [
            change_line({"id": {"S": f"new{number}"}}, {"id": {"S": f"new{number}"}}),
            change_line({"id": {"S": f"gone{number}"}}, None, {"id": {"S": f"gone{number}"}}),
            change_line({"id": {"S": "neither"}}),
        ]
        files = [lines[:1], lines[1:]] if number == 0 else [lines]
        written.append(incremental_export(files, from_ms=(end - 900) * 1000, to_ms=end * 1000))
        objects |= written[-1].objects
    bucket = BucketFake(objects)
    windows = [
        Window(folder=each.folder, files=2 - number, begin=end - 900, end=end)
        for number, (each, end) in enumerate(zip(written, ENDS, strict=True))
    ]
    reader = IncrementalReader(bucket="exports", windows=tuple(windows), margin=300)
    exports = [read_export(bucket.fetch, Folder("exports", each.folder)) for each in written]
    plan = plan_of(reader)
    return plan, FileReader(bucket.open, incremental_sources(exports, plan, reader, tables))


def test_the_files_of_all_windows_are_units_with_the_times_of_their_windows_ends():
    plan, read = gap([table()])
    portions = [list(read(Unit(number=n), lambda: 2)) for n in range(plan.units)]
    assert [ids(each) for each in portions] == [["new0"], ["gone0"], ["new1", "gone1"]]
    assert [each[-1].cursor for each in portions] == [1, 2, 3]
    times = [r["dynamodb"]["ApproximateCreationDateTime"] for each in portions for p in each for r in p.records]
    assert times == [(end - 300) * 1000 - 1 for end in (ENDS[0], ENDS[0], ENDS[1], ENDS[1])]


def test_a_gap_goes_on_behind_a_line_that_has_no_record():
    _, read = gap([table()])
    portions = list(read(Unit(number=1, cursor=1), lambda: 5))
    assert [len(each.records) for each in portions] == [0, 0]
    assert [each.cursor for each in portions] == [2, 2]


def test_the_second_of_a_gap_is_its_last_windows_end():
    plan, _ = gap([table()])
    assert (plan.second, plan.reader.first_second) == (ENDS[1] - 300, SECOND - 300)


def test_tables_that_keep_what_time_to_live_deletes_are_not_repaired_together_with_others():
    keeps = table(source={"ttl_deletes": "keep"})
    _, read = gap([keeps])
    (portion, _) = read(Unit(number=2), lambda: 5)
    assert [record["eventName"] for record in portion.records] == ["INSERT", "REMOVE"]
    with pytest.raises(ExportError, match="some keep what Time to Live deletes, others do not"):
        gap([keeps, table()])
