from __future__ import annotations

import json

import pytest

from export_writer import change_line, item_line
from load.export.data import Batch
from load.export.errors import ExportError
from load.export.items import read_items, read_net_changes
from load.export.manifest import DataFile

FILE = DataFile(bucket="exports", key="AWSDynamoDB/data/a.json.gz", items=9, md5="")
KEYS = {"id": {"S": "1"}}
OLD = {**KEYS, "name": {"S": "Zoë"}, "data": {"B": "AAE="}}
NEW = {**KEYS, "numbers": {"NS": ["1", "2"]}, "none": {"NULL": True}, "map": {"M": {"a": {"L": []}}}}


def parsed(raw):
    return None if raw is None else json.loads(bytes(raw))


def test_a_full_exports_lines_are_items_in_any_order_of_attributes():
    lines = [item_line(OLD), item_line(NEW), b' { "Item" : {"id":{"S":"1"}} } ']
    assert [parsed(item) for item in read_items(FILE, Batch(0, lines))] == [OLD, NEW, KEYS]


def test_lines_that_are_items_only_together_are_refused():
    with pytest.raises(ExportError, match="line 1"):
        read_items(FILE, Batch(0, [b'{"Item":{"id":{"S":"1"}', b'"n":{"S":"2"}}}']))


@pytest.mark.parametrize(
    ("line", "images"),
    [
        (change_line(KEYS, new=NEW), (KEYS, NEW, None)),
        (change_line(KEYS, new=NEW, old=OLD), (KEYS, NEW, OLD)),
        (change_line(KEYS, old=OLD), (KEYS, None, OLD)),
        (change_line(KEYS), (KEYS, None, None)),  # a delete in a NEW_IMAGE view
    ],
)
def test_an_incremental_exports_lines_are_net_changes_without_the_time_of_the_write(line, images):
    fields = json.loads(line)
    backwards = json.dumps(dict(reversed(fields.items()))).encode()
    for each in (line, backwards):
        (change,) = read_net_changes(FILE, Batch(0, [each]))
        assert change._fields == ("keys", "new_image", "old_image")
        assert tuple(map(parsed, change)) == images


NO_ITEM = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"Item":[]}',
    b'{"Item":null}',
    b'{"Item":{}}x',
    b'{"Item":{},"Keys":{}}',
    b'{"Item":{"a":{"S":"\xff"}}}',
    b'{"Item":' + b'{"a":' * 100_000,
    b"$ion_1_0 {Item:{id:'1'}}",
    change_line(KEYS, new=NEW),
]
METADATA = b'{"Metadata":{"WriteTimestampMicros":{"N":"1768386096366933"}},'
NO_CHANGE = [
    b"",
    b'{"Keys":{}}',
    b'{"Metadata":{"WriteTimestampMicros":1768386096366933},"Keys":{}}',
    METADATA + b'"NewImage":{}}',
    METADATA + b'"Keys":1}',
    METADATA + b'"Keys":{},"NewImage":"x"}',
    METADATA + b'"Keys":{},"OldImage":[]}',
    METADATA + b'"Keys":{},"OldImage":null}',
    METADATA + b'"Keys":{},"Image":{}}',
    METADATA + b'"Keys":{"a":{"S":"\xff"}}}',
    item_line(NEW),
]


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [(read_items, item_line(NEW), line) for line in NO_ITEM]
    + [(read_net_changes, change_line(KEYS), line) for line in NO_CHANGE],
    ids=range(len(NO_ITEM) + len(NO_CHANGE)),
)
def test_a_line_that_is_no_such_line_is_refused_by_its_number_without_its_contents(read, good, bad):
    with pytest.raises(ExportError) as error:
        list(read(FILE, Batch(40, [good, bad])))
    message = str(error.value)
    assert message.startswith("s3://exports/AWSDynamoDB/data/a.json.gz, line 42, is no line of such an export (")
    assert message.endswith("). Check that the export is DynamoDB's own, and report this if it is")
