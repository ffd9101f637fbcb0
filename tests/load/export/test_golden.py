"""The bucket in tests/golden/export: a full export without a prefix, and an incremental one of the time after it."""

from __future__ import annotations

import json
from pathlib import Path

from export_bucket_fake import BucketFake
from export_writer import change_line, compressed, full_export, incremental_export, item_line, md5, spread
from load.export.data import check_md5, read_lines
from load.export.folder import Folder
from load.export.items import read_items, read_net_changes
from load.export.manifest import read_export

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "export"


def meetup(number, name, **attributes):
    return {**key(number), "meetup_name": {"S": name}, "rsvp_count": {"N": f"{number}"}, **attributes}


def key(number):
    return {"meetup_id": {"S": f"4dc2a627-940e-4e3c-ba6f-{number:012d}"}, "mtime": {"N": f"{1719080907442 + number}"}}


ITEMS = [
    meetup(1, "Meetup 1"),
    meetup(2, "Zürich “öffentlich”", group_lat={"N": "-0.00000000000000000000000000000000000001"}),
    meetup(
        3, "", tags={"SS": ["a", "b"]}, sizes={"NS": ["1", "2.5"]}, data={"B": "AAE="}, parts={"BS": ["AA==", "AQ=="]}
    ),
    meetup(4, "line\nbreak", open={"BOOL": True}, host={"NULL": True}, address={"M": {"city": {"L": [{"S": "x"}]}}}),
]
CHANGES = [
    (key(1), meetup(1, "Meetup 1, moved"), ITEMS[0]),
    (key(2), None, ITEMS[1]),
    (key(5), meetup(5, "Meetup 5"), None),
]
FULL = full_export(spread([item_line(item) for item in ITEMS], 6))
INCREMENTAL = incremental_export(spread([change_line(*change) for change in CHANGES], 4))


def golden_objects():
    return {str(path.relative_to(GOLDEN)): path.read_bytes() for path in GOLDEN.rglob("*") if path.is_file()}


def test_the_golden_export_is_byte_for_byte_what_the_writer_writes():
    """A change of the writer that is meant: write FULL.objects and INCREMENTAL.objects to the folder, look at them."""
    assert golden_objects() == {**FULL.objects, **INCREMENTAL.objects}


def test_an_empty_file_is_the_very_one_of_real_exports():
    """github.com/gurre/ddb-pitr, s3exportdata/AWSDynamoDB/01768385930622-efd1a093/manifest-files.json."""
    assert md5(compressed(b"")) == "FjvgqIxwymKf1RbbqtrZag=="
    listed = (GOLDEN / FULL.folder / "manifest-files.json").read_text()
    assert (
        '{"itemCount":0,"md5Checksum":"FjvgqIxwymKf1RbbqtrZag==","etag":"7deb4078f238dd87d6af0538152c04e9-1",' in listed
    )


def read(written, of):
    bucket = BucketFake(golden_objects())
    export = read_export(bucket.fetch, Folder("exports", written.folder))
    assert any(not file.items for file in export.files)
    return [
        read
        for file in export.files
        for batch in read_lines(bucket.open, file, check_md5(bucket.open, file))
        for read in of(file, batch)
    ]


def by_key(documents):
    return sorted(documents, key=lambda document: json.dumps(document, sort_keys=True))


def test_the_golden_full_export_has_its_items():
    read_back = [json.loads(bytes(item)) for item in read(FULL, read_items)]
    assert by_key(read_back) == by_key(ITEMS)


def test_the_golden_incremental_export_has_its_changes():
    read_back = [
        [None if image is None else json.loads(bytes(image)) for image in change]
        for change in read(INCREMENTAL, read_net_changes)
    ]
    assert by_key(read_back) == by_key(list(map(list, CHANGES)))


def test_the_golden_items_have_their_attributes_in_different_orders():
    orders = {tuple(name for name in json.loads(bytes(item)) if name in ITEMS[0]) for item in read(FULL, read_items)}
    assert len(orders) == len(ITEMS)
