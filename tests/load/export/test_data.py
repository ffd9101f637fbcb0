from __future__ import annotations

import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_bucket_fake import BucketFake
from export_writer import compressed, item_line, md5
from load.export.data import check_md5, read_lines
from load.export.errors import ExportError
from load.export.manifest import DataFile
from load.export.stream import ATTEMPTS

LINES = [item_line({"id": {"N": f"{number}"}, "text": {"S": "x" * (number % 50)}}) for number in range(20_000)]


def file_of(data, items):
    return DataFile(bucket="exports", key="a.json.gz", items=items, md5=md5(data))


def joined(lines):
    return b"".join(line + b"\n" for line in lines)


def read(data, items, *, check_breaks=(), breaks=(), **options):
    """Check and read a file; return its lines, each with its number."""
    bucket = BucketFake({"a.json.gz": data}, breaks=check_breaks)
    file = file_of(data, items)
    etag = check_md5(bucket.open, file)
    assert etag == bucket.etag("a.json.gz")
    bucket.breaks = list(breaks)
    batches = list(read_lines(bucket.open, file, etag, **options))
    numbered = [(batch.first + offset, line) for batch in batches for offset, line in enumerate(batch.lines)]
    assert all(batch.lines for batch in batches)
    assert bucket.open_bodies == 0
    return numbered


@pytest.mark.parametrize(
    "lines", [[], LINES[:1], LINES, [b"", b"a", b""], [b"y" * 900_000, b"z", b"w" * 500_000]], ids=range(5)
)
def test_a_files_lines_are_read_in_order(lines):
    assert read(compressed(joined(lines)), len(lines)) == list(enumerate(lines))


def test_an_object_without_a_byte_has_no_lines():
    assert read(b"", 0) == []


def test_the_last_line_needs_no_newline():
    assert read(gzip.compress(b"a\nb"), 2) == [(0, b"a"), (1, b"b")]


def test_a_file_may_have_several_members_that_divide_a_line():
    assert read(gzip.compress(b"a\nb") + compressed(b"") + gzip.compress(b"c\nd\n"), 3) == [
        (0, b"a"),
        (1, b"bc"),
        (2, b"d"),
    ]


@pytest.mark.parametrize("first", [0, 1, 9_999, 19_999, 20_000])
def test_reading_goes_on_at_a_line(first):
    assert read(compressed(joined(LINES)), len(LINES), first_line=first) == list(enumerate(LINES))[first:]


def test_reading_goes_on_by_the_etag_that_an_earlier_run_checked():
    bucket = BucketFake({"a.json.gz": compressed(joined(LINES))})
    file = file_of(bucket.objects["a.json.gz"], len(LINES))
    (batch,) = read_lines(bucket.open, file, bucket.etag("a.json.gz"), first_line=19_999)
    assert batch == (19_999, LINES[19_999:])
    assert bucket.requests == [("a.json.gz", 0, bucket.etag("a.json.gz"))]


SMALL = LINES[:200]
SMALL_DATA = compressed(joined(SMALL[:90])) + compressed(joined(SMALL[90:]))
BREAKS = st.lists(st.integers(1, len(SMALL_DATA) // 8), max_size=20) | st.lists(
    st.integers(0, 3), max_size=ATTEMPTS - 1
)


@given(BREAKS, BREAKS, st.integers(0, len(SMALL)))
def test_connections_that_break_anywhere_change_nothing(check_breaks, breaks, first):
    numbered = read(SMALL_DATA, len(SMALL), check_breaks=check_breaks, breaks=breaks, first_line=first)
    assert numbered == list(enumerate(SMALL))[first:]


def refused(data, items, **options):
    with pytest.raises(ExportError) as error:
        read(data, items, **options)
    return str(error.value)


def test_bytes_that_are_not_the_manifests_are_refused_before_any_line():
    bucket = BucketFake({"a.json.gz": compressed(b"b\n")})
    file = file_of(compressed(b"a\n"), 1)
    with pytest.raises(ExportError) as error:
        check_md5(bucket.open, file)
    assert str(error.value) == (
        f"s3://exports/a.json.gz: the MD5 of its bytes is {md5(compressed(b'b' + bytes([10])))}, the manifest says "
        f"{file.md5}. The file was changed: restore it, or ask for a new export"
    )
    assert bucket.open_bodies == 0


def test_an_object_that_was_replaced_after_the_check_is_refused():
    bucket = BucketFake({"a.json.gz": SMALL_DATA})
    file = file_of(SMALL_DATA, len(SMALL))
    etag = check_md5(bucket.open, file)
    bucket.objects["a.json.gz"] = compressed(joined(SMALL))
    with pytest.raises(ExportError, match=r"s3://exports/a\.json\.gz was replaced"):
        next(read_lines(bucket.open, file, etag))


def test_an_object_that_is_replaced_while_it_is_read_is_refused():
    data = gzip.compress(joined(LINES), compresslevel=0)
    bucket = BucketFake({"a.json.gz": data})
    etag = bucket.etag("a.json.gz")
    bucket.breaks = [len(data) // 2]
    batches = read_lines(bucket.open, file_of(data, len(LINES)), etag)
    next(batches)
    bucket.objects["a.json.gz"] = data[::-1]
    with pytest.raises(ExportError, match=r"s3://exports/a\.json\.gz was replaced"):
        list(batches)
    assert bucket.open_bodies == 0


@given(st.integers(1, len(SMALL_DATA) - 1))
def test_a_cut_file_is_refused_wherever_it_is_cut(size):
    message = refused(SMALL_DATA[:size], len(SMALL))
    assert message.startswith("s3://exports/a.json.gz ")
    assert message.endswith(". Ask for a new export")


@pytest.mark.parametrize(
    "data",
    [b"no gzip", SMALL_DATA + b"no gzip", SMALL_DATA[:-8] + bytes(8), SMALL_DATA[:40] + b"\xff" * 40 + SMALL_DATA[80:]],
    ids=["text", "text behind", "wrong checksum", "wrong bytes"],
)
def test_what_is_no_gzip_is_refused(data):
    assert refused(data, len(SMALL)).startswith("s3://exports/a.json.gz is no complete gzip file: ")


@pytest.mark.parametrize(("items", "found"), [(199, "more than 199"), (0, "more than 0"), (201, "200")])
def test_another_count_of_lines_than_the_manifests_is_refused(items, found):
    assert refused(SMALL_DATA, items) == (
        f"s3://exports/a.json.gz has {found} lines, the manifest says {items}. Ask for a new export"
    )


def test_lines_are_counted_before_the_line_from_which_reading_goes_on():
    assert "has 200 lines, the manifest says 201" in refused(SMALL_DATA, 201, first_line=200)


def test_a_line_longer_than_any_item_is_refused():
    message = refused(compressed(b"a\n" + b"b" * 1_000_000), 2, max_line=999_999)
    assert message == "s3://exports/a.json.gz has a line of more than 999999 bytes, and no item has that many"
    assert len(read(compressed(b"b" * 999_999), 1, max_line=999_999)) == 1


def test_memory_is_bounded_by_the_longest_line_not_by_the_file():
    data = gzip.compress(b"x" * 400_000 + b"\n" + joined(LINES) * 8, compresslevel=1)
    bucket = BucketFake({"a.json.gz": data})
    file = file_of(data, 160_001)
    tracemalloc.start()
    try:
        etag = check_md5(bucket.open, file)
        assert sum(len(batch.lines) for batch in read_lines(bucket.open, file, etag)) == file.items
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000 + len(data)  # the fake holds a copy of the object; the lines are 10 MB
