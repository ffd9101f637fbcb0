"""All contenders do the same work: they make the same rows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from boto3.dynamodb.types import TypeDeserializer

from bench import decode
from bench.alternatives import ALTERNATIVES, columns_that_differ
from bench.shapes import SHAPES

AVAILABLE = [
    alternative for alternative in ALTERNATIVES if alternative.name != "dynamodb-json"
]  # only the benchmark's environment has it


@pytest.mark.parametrize("name", SHAPES)
def test_all_contenders_make_the_same_rows(name, monkeypatch):
    monkeypatch.setattr(decode, "ALTERNATIVES", AVAILABLE)
    decode.check(SHAPES[name], 50)


def test_an_alternative_that_makes_other_rows_is_not_measured(monkeypatch):
    def wrong(records, shape):
        for key, data in AVAILABLE[0].decode(records, shape):
            yield key, json.dumps({**json.loads(data), "rsvp_count": 1_000}).encode()

    monkeypatch.setattr(decode, "ALTERNATIVES", [replace(AVAILABLE[0], label="a wrong one", decode=wrong)])
    with pytest.raises(decode.UnequalError) as caught:
        decode.check(SHAPES["seed"], 5)
    assert str(caught.value) == "a wrong one and dynapinot differ in these columns of the shape seed: rsvp_count"


def test_an_alternative_that_leaves_rows_out_is_not_measured(monkeypatch):
    def lazy(records, shape):
        yield from AVAILABLE[0].decode(records[1:], shape)

    monkeypatch.setattr(decode, "ALTERNATIVES", [replace(AVAILABLE[0], label="a lazy one", decode=lazy)])
    with pytest.raises(decode.UnequalError) as caught:
        decode.check(SHAPES["seed"], 5)
    assert str(caught.value) == "a lazy one makes 4 rows of the shape seed, not 5"


def test_an_alternative_must_have_the_differences_that_it_declares(monkeypatch):
    claims = replace(AVAILABLE[0], label="a modest one", differs={"seed": frozenset({"rsvp_count"})})
    monkeypatch.setattr(decode, "ALTERNATIVES", [claims])
    with pytest.raises(decode.UnequalError) as caught:
        decode.check(SHAPES["seed"], 5)
    assert str(caught.value).endswith("of the shape seed: none, and should")


def test_boto3s_deserializer_needs_the_fix_for_binary_values():
    with pytest.raises(TypeError):
        TypeDeserializer().deserialize({"B": "AAH+"})


@pytest.mark.parametrize(
    ("mine", "theirs", "different"),
    [
        ({"a": 1}, {"a": 1.0}, set()),
        ({"a": 1}, {"a": 1, "b": None}, set()),
        ({"a": '{"x": 1, "y": 2}'}, {"a": '{"y":2,"x":1}'}, set()),
        ({"a": "1"}, {"a": 1}, {"a"}),
        ({"a": 1, "b": 2}, {"b": 2}, {"a"}),
        ({"a": [1, 2]}, {"a": [2, 1]}, {"a"}),
        ({"a": '{"x":1}'}, {"a": '{"x":2}'}, {"a"}),
    ],
)
def test_rows_are_compared_as_pinot_reads_them(mine, theirs, different):
    assert columns_that_differ(json.dumps(mine).encode(), json.dumps(theirs).encode()) == different
