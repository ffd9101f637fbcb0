from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_bucket_fake import BucketFake
from load.export.errors import ExportError, MissingObjectError
from load.export.stream import ATTEMPTS, Body, ObjectStream, fetcher

DATA = bytes(range(256)) * 8


def test_an_object_is_read_by_one_request():
    bucket = BucketFake({"a": DATA, "empty": b""})
    assert [fetcher(bucket.open)(key) for key in ("a", "empty")] == [DATA, b""]
    assert bucket.requests == [("a", 0, None), ("empty", 0, None)]
    assert bucket.open_bodies == 0


@given(st.lists(st.integers(0, len(DATA)), max_size=ATTEMPTS - 1))
def test_it_goes_on_from_the_byte_at_which_the_connection_broke_and_asks_for_the_same_object(breaks):
    bucket = BucketFake({"a": DATA}, breaks=breaks)
    assert fetcher(bucket.open)("a") == DATA
    position, expected = 0, [("a", 0, None)]
    for count in breaks:
        position += count
        if position >= len(DATA):
            break
        expected.append(("a", position, bucket.etag("a")))
    assert bucket.requests == expected
    assert bucket.open_bodies == 0


def test_it_gives_up_after_some_attempts_without_a_byte():
    bucket = BucketFake({"a": DATA}, breaks=[7] + [0] * (ATTEMPTS - 1))
    with pytest.raises(ExportError) as error:
        fetcher(bucket.open)("a")
    assert str(error.value) == (
        "s3://exports/a: the connection broke 6 times at byte 7, last by Broken. "
        "Check the network and the bucket's region, and start again"
    )
    assert bucket.pauses == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert bucket.open_bodies == 0


def test_each_byte_gives_it_all_attempts_again():
    breaks = ([0] * (ATTEMPTS - 2) + [1]) * 3
    assert fetcher(BucketFake({"a": DATA}, breaks=breaks).open)("a") == DATA


def test_an_answer_that_ends_early_is_a_broken_connection():
    parts, requests = iter((b"ab", b"", b"cd")), []

    def open_at(offset, etag):
        requests.append((offset, etag))
        return Body("x", 4, lambda _: next(parts), lambda: None)

    with closing(ObjectStream(open_at, "s3://exports/a", sleep=lambda _: None)) as stream:
        assert stream.readall() == b"abcd"
    assert requests == [(0, None), (2, "x")]


def test_an_object_that_was_replaced_meanwhile_is_refused():
    bucket = BucketFake({"a": DATA}, breaks=[100])
    with closing(bucket.open("a", None)) as stream:
        assert stream.read(100) == DATA[:100]
        bucket.objects["a"] = DATA[::-1]
        with pytest.raises(ExportError, match="s3://exports/a was replaced"):
            stream.read(100)


def test_a_store_that_returns_the_whole_object_when_a_part_is_asked_for_is_refused():
    parts = iter((b"a", b""))

    def open_at(offset, etag):
        return Body("x", offset + 4, lambda _: next(parts), lambda: None)

    with pytest.raises(ExportError) as error, closing(ObjectStream(open_at, "s3://exports/a", sleep=print)) as stream:
        stream.readall()
    assert str(error.value) == "s3://exports/a: S3 did not return the part of the object that was asked for"


def test_a_missing_object_is_no_broken_connection():
    bucket = BucketFake({})
    with pytest.raises(MissingObjectError, match="s3://exports/a does not exist"):
        fetcher(bucket.open)("a")
    assert bucket.requests == [("a", 0, None)]


def test_a_stream_that_was_never_read_made_no_request():
    bucket = BucketFake({"a": DATA})
    bucket.open("a", None).close()
    assert bucket.requests == []
