from __future__ import annotations

import json

import pytest

from export_bucket_fake import BucketFake
from export_writer import EXPORT_MS, TABLE_ARN, TABLE_ID, dumps, full_export, incremental_export, item_line, md5
from load.export.errors import ExportError
from load.export.folder import Folder
from load.export.manifest import DataFile, Export, read_export

LINES = [item_line({"id": {"S": f"{number}"}}) for number in range(3)]
FILES = [LINES[:2], [], LINES[2:], []]
KMS_KEY = "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def read(written, objects=None):
    bucket = BucketFake(written.objects if objects is None else objects)
    return read_export(bucket.fetch, Folder("exports", written.folder))


def expected(written, counts, **fields):
    files = (
        DataFile(bucket="exports", key=key, items=items, md5=md5(written.objects[key]))
        for key, items in zip(written.data_files, counts, strict=True)
    )
    return Export(
        table_arn=TABLE_ARN,
        table_id=TABLE_ID,
        export_arn=written.arn,
        items=sum(counts),
        folder=Folder("exports", written.folder),
        files=tuple(files),
        **fields,
    )


@pytest.mark.parametrize("options", [{}, {"prefix": "a/b"}, {"kms_key": KMS_KEY}, {"bucket": "another"}])
def test_a_full_export_is_what_its_manifests_say_whatever_bucket_it_was_copied_from(options):
    written = full_export(FILES, **options)
    assert read(written) == expected(
        written, (2, 0, 1, 0), kind="FULL", from_time=None, time=1768385930, has_old_images=False, billed_bytes=0
    )


@pytest.mark.parametrize(("view", "has_old_images"), [("NEW_AND_OLD_IMAGES", True), ("NEW_IMAGE", False)])
def test_an_incremental_exports_files_are_those_of_its_manifest_in_the_shared_folder(view, has_old_images):
    written = incremental_export(FILES, view=view, prefix="p")
    other = incremental_export([LINES], from_ms=EXPORT_MS + 900_000, to_ms=EXPORT_MS + 1_800_000, prefix="p")
    export = read(written, {**other.objects, **written.objects})
    assert export == expected(
        written,
        (2, 0, 1, 0),
        kind="INCREMENTAL",
        from_time=1768385930,
        time=1768385930 + 900,
        has_old_images=has_old_images,
        billed_bytes=10_000_000,
    )
    assert {file.url.rpartition("/")[0] for file in export.files} == {"s3://exports/p/AWSDynamoDB/data"}


def test_a_time_in_the_middle_of_a_second_is_rounded_down_before_1970_too():
    assert read(full_export(FILES, export_ms=-1)).time == -1


def changed(written, name, change):
    """Change a manifest, and its MD5 with it."""
    data = change(written.objects[f"{written.folder}/{name}.json"])
    manifest = {f"{written.folder}/{name}.json": data, f"{written.folder}/{name}.md5": md5(data).encode()}
    return {**written.objects, **manifest}


def summary_with(written, **fields):
    return changed(written, "manifest-summary", lambda data: dumps({**json.loads(data), **fields}))


def summary_without(written, field):
    return changed(
        written,
        "manifest-summary",
        lambda data: dumps({name: value for name, value in json.loads(data).items() if name != field}),
    )


def refusal(written, objects):
    with pytest.raises(ExportError) as error:
        read(written, objects)
    return str(error.value)


FULL = full_export(FILES)
INCREMENTAL = incremental_export(FILES)
URL = f"s3://exports/{FULL.folder}"


def test_an_export_that_is_not_complete_is_refused():
    started = {f"{FULL.folder}/_started": b"", **dict.fromkeys(FULL.data_files, b"x")}
    assert refusal(FULL, started) == (
        f"{URL}: the export has begun but is not complete: it is in progress, or has failed. "
        f"`aws dynamodb list-exports` shows the status of {FULL.folder.rpartition('/')[2]}"
    )


def test_a_folder_without_an_export_is_refused():
    assert refusal(FULL, {}) == f"{URL} holds no export: it has neither manifest-summary.json nor _started"


@pytest.mark.parametrize("name", ["manifest-summary", "manifest-files"])
def test_a_manifest_that_is_not_what_its_md5_says_is_refused(name):
    key = f"{FULL.folder}/{name}"
    data = FULL.objects[f"{key}.json"] + b" "
    assert refusal(FULL, {**FULL.objects, f"{key}.json": data}) == (
        f"s3://exports/{key}.json: its MD5 is {md5(data)}, and {FULL.objects[f'{key}.md5'].decode()} in the .md5 file "
        "beside it. One of them was changed: restore it, or ask for a new export"
    )


@pytest.mark.parametrize("name", ["manifest-summary", "manifest-files"])
@pytest.mark.parametrize("made_up", [b"", b"\xff", b"28wsUe8cuLOHoBhSQNQ2zw=="])
def test_a_wrong_md5_file_is_refused(name, made_up):
    message = refusal(FULL, {**FULL.objects, f"{FULL.folder}/{name}.md5": made_up})
    assert f"{URL}/{name}.json: its MD5 is " in message


def test_a_newline_after_the_md5_is_no_difference():
    key = f"{FULL.folder}/manifest-files.md5"
    assert read(FULL, {**FULL.objects, key: FULL.objects[key] + b"\n"}) == read(FULL)


def test_missing_files_beside_the_summary_are_named():
    for name in ("manifest-files.json", "manifest-files.md5"):
        objects = {key: data for key, data in FULL.objects.items() if not key.endswith(name)}
        assert refusal(FULL, objects).startswith(f"{URL}/{name} does not exist. ")


def test_the_summary_is_checked_first_and_no_data_file_is_opened():
    objects = {key: data for key, data in FULL.objects.items() if not key.endswith(".gz")}
    assert read(FULL, objects) == read(FULL)
    both = {**objects, f"{FULL.folder}/manifest-summary.md5": b"x", f"{FULL.folder}/manifest-files.md5": b"x"}
    assert refusal(FULL, both).startswith(f"{URL}/manifest-summary.json: its MD5 is ")


def test_ion_is_refused_in_clear_words():
    assert refusal(FULL, summary_with(FULL, outputFormat="ION")) == (
        f"{URL}/manifest-summary.json: the export's format is ION, and only DYNAMODB_JSON can be read. "
        "Ask for an export in DYNAMODB_JSON, the default of ExportTableToPointInTime"
    )


def test_an_unknown_version_is_refused():
    assert refusal(FULL, summary_with(FULL, version="2027-01-01")) == (
        f"{URL}/manifest-summary.json: the summary's version is 2027-01-01; known are 2020-06-30, 2023-08-01. "
        "Update dynapinot"
    )


@pytest.mark.parametrize(
    ("written", "fields"),
    [(FULL, {"exportType": "INCREMENTAL_EXPORT"}), (INCREMENTAL, {"exportType": "FULL_EXPORT"})],
)
def test_a_kind_that_contradicts_the_version_is_refused(written, fields):
    assert f"cannot be a {fields['exportType']}" in refusal(written, summary_with(written, **fields))


@pytest.mark.parametrize(
    ("written", "objects"),
    [
        (FULL, summary_without(FULL, "exportTime")),
        (FULL, summary_with(FULL, exportFromTime="2026-01-14T10:20:00.000Z")),
        (INCREMENTAL, summary_without(INCREMENTAL, "exportFromTime")),
        (INCREMENTAL, summary_without(INCREMENTAL, "exportToTime")),
    ],
)
def test_times_that_do_not_belong_to_the_kind_are_refused(written, objects):
    assert refusal(written, objects) == (
        f"s3://exports/{written.folder}/manifest-summary.json: the times of the export are missing. "
        "Ask for a new export"
    )


@pytest.mark.parametrize(
    "objects",
    [
        changed(FULL, "manifest-summary", lambda _: b""),
        changed(FULL, "manifest-summary", lambda _: b"\xff"),
        changed(FULL, "manifest-summary", lambda _: b"[]"),
        changed(FULL, "manifest-summary", lambda _: b"[" * 100_000),
        summary_without(FULL, "tableArn"),
        summary_with(FULL, itemCount="3"),
        summary_with(FULL, itemCount=-3),
        summary_with(FULL, exportTime="2026-01-14T10:18:50"),
        summary_with(FULL, filterSpecification={"filterExpression": "a = :b"}),
    ],
    ids=range(9),
)
def test_a_summary_with_fields_that_are_missing_wrong_or_unknown_is_refused(objects):
    message = refusal(FULL, objects)
    assert message.startswith(f"{URL}/manifest-summary.json is not the summary of an export as it is known: ")
    assert message.endswith("ask for an export of the whole table. Else update dynapinot")


def test_an_export_at_other_keys_than_it_was_written_to_is_refused():
    moved = {key.replace("AWSDynamoDB", "moved/AWSDynamoDB"): data for key, data in FULL.objects.items()}
    with pytest.raises(ExportError) as error:
        read_export(BucketFake(moved).fetch, Folder("exports", f"moved/{FULL.folder}"))
    assert str(error.value) == (
        f"s3://exports/moved/{FULL.folder}: the export's files were at {FULL.folder}/manifest-files.json when it was "
        "written. Copy the export to the keys that it had, in any bucket"
    )


def test_counts_that_do_not_add_up_are_refused():
    assert refusal(FULL, summary_with(FULL, itemCount=4)) == (
        f"{URL}/manifest-files.json: the files have 3 items, the summary says 4. Ask for a new export"
    )
    shorter = changed(FULL, "manifest-files", lambda data: data.split(b"\n", 1)[1])
    assert "the files have 1 items, the summary says 3" in refusal(FULL, shorter)


def test_a_file_that_is_named_twice_is_refused():
    twice = changed(FULL, "manifest-files", lambda data: data + data.split(b"\n")[1] + b"\n")
    assert refusal(FULL, twice) == (
        f"{URL}/manifest-files.json names the file {FULL.data_files[1]} 2 times. Ask for a new export"
    )


@pytest.mark.parametrize(
    "line",
    [b"{", b"\xff", b'{"itemCount":0}', b'{"itemCount":-1,"md5Checksum":"","dataFileS3Key":"a"}', b"[" * 100_000],
)
def test_a_list_of_files_that_is_none_is_refused(line):
    message = refusal(FULL, changed(FULL, "manifest-files", lambda data: data + line))
    assert message.startswith(f"{URL}/manifest-files.json is not a list of files, one JSON object a line: ")
