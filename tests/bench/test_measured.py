"""The model's inputs are the measured values, and an invocation's cost is linear in its changes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from bench import batches
from bench.decode import tables_of
from bench.measure import Contender, Race
from bench.measured import Line, by_batch, fit, item_bytes, measured_assumptions, works
from bench.model import Setting, invocation_seconds
from bench.product import decode, publish_to
from bench.result import Result, read
from bench.shapes import SEED, SHAPES
from bench.sizing import grids
from bench.throughput import SHARDS, Stream
from dynapinot.errors import CommandError
from running_bench import ROOT

ROUNDS = 7


def race(name, first, ours):
    samples = {"first": first, "dynapinot": ours, "marshaller": ours}
    return Race(
        name=name,
        what="",
        unit="us",
        baseline="first",
        contenders={each: Contender(label=each, samples=(cost,) * ROUNDS) for each, cost in samples.items()},
    )


def result(*, without="none", quick=False):
    races = [
        *(race(f"batch/{size}", 9.0, 1_500.0 + 50.0 * size) for size in batches.SIZES),
        *(race(f"invocation/{name}", 40.0, 50.0 + 1_500.0 / min(shape.batch, 1_000)) for name, shape in SHAPES.items()),
        *(race(f"throughput/{shards}", 400.0, 400.0 / min(shards, 8)) for shards in SHARDS),
    ]
    return Result(
        made="2026-11-26T08:00:00+00:00",
        commit="abc1234",
        changed=False,
        quick=quick,
        machine={},
        load=0.5,
        versions={},
        package=None,
        races=[each for each in races if each.name != without],
    )


@pytest.mark.parametrize("at_none", [0.0, 1_500.0])
def test_points_on_a_line_give_that_line(at_none):
    points = {changes: at_none + 50.0 * changes for changes in (1, 10, 100, 1_000)}
    assert fit(points) == Line(at_none=pytest.approx(at_none, abs=1e-6), each=pytest.approx(50))


def test_the_line_minimizes_the_error_in_per_cent_so_that_small_batches_count_as_much_as_large_ones():
    points = {1: 1_550.0, 10: 2_000.0, 100: 6_500.0, 1_000: 60_000.0}  # the last one lies 16 % above the others' line
    line = fit(points)
    errors = [abs(line.at(changes) / us - 1) for changes, us in points.items()]
    assert max(errors) < 0.1
    assert line.at_none == pytest.approx(1_500, rel=0.05)


def test_the_cost_of_a_shapes_change_is_the_rest_of_its_whole_invocation():
    found = works(result())
    assert list(found) == list(SHAPES)
    for name, work in found.items():
        assert (name, work.us_per_invocation) == (work.shape, pytest.approx(1_500))
        assert work.us_per_change == pytest.approx(50)


def test_sizes_are_measured_on_the_shapes_rows_events_and_items():
    found = works(result())
    (row,) = {entry.size for entry in decode(SEED.records(1), tables_of(SEED))}
    assert found["seed"].row_bytes == pytest.approx(row, rel=0.1)
    assert found["seed"].event_bytes == pytest.approx(len(SEED.event(1)), rel=0.1)
    assert {name: work.put_units for name, work in found.items()} == dict.fromkeys(SHAPES, 1.0)
    assert found["seed"].write_units == 1
    assert found["nested"].write_units > found["wide"].write_units > 1
    assert all(work.row_bytes < work.event_bytes and work.stream_bytes < work.event_bytes for work in found.values())


def test_concurrent_requests_are_the_speedup_over_sequential_publishing():
    assert measured_assumptions(result()).concurrent_requests == {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 8.0}


def test_publishing_slower_than_sequentially_still_counts_as_one_request():
    others = result(without="throughput/1")
    slow = replace(others, races=[*others.races, race("throughput/1", 400.0, 440.0)])
    assert measured_assumptions(slow).concurrent_requests[1] == 1


@pytest.mark.parametrize("missing", ["batch/100", "invocation/wide", "throughput/16"])
def test_a_result_without_a_race_that_the_model_needs_is_refused(missing):
    lacking = result(without=missing)
    with pytest.raises(CommandError, match=f"has no race {missing}: the model needs a whole one"):
        list(grids(lacking))


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ({"id": {"S": "Köln"}}, 2 + 5),
        ({"n": {"N": "1719082124"}}, 1 + 5 + 1),
        ({"n": {"N": "-12.5"}}, 1 + 2 + 1),
        ({"n": {"N": "100"}}, 1 + 1 + 1),
        ({"b": {"B": "AAH+"}}, 1 + 3),
        ({"t": {"BOOL": True}, "z": {"NULL": True}}, 4),
        ({"l": {"L": [{"S": "ab"}, {"S": "c"}]}}, 1 + 3 + 2 + 3),
        ({"m": {"M": {"key": {"S": "ab"}}}}, 1 + 3 + 1 + 3 + 2),
        ({"s": {"SS": ["ab", "c"]}, "t": {"NS": ["12"]}}, 1 + 3 + 1 + 2),
    ],
)
def test_an_item_is_as_large_as_dynamodb_counts_it(image, size):
    assert item_bytes(image) == size


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="DynamoDB has no type X"):
        item_bytes({"a": {"X": 1}})


# These tests use the committed result of docs/performance.md, so that they do not depend on the machine that runs them.
BOUNDS = (0.6, 1.6)
COMMITTED = read(ROOT / "docs" / "performance" / "result.json")


def test_the_measured_cpu_of_an_invocation_is_linear_in_its_changes():
    points = by_batch(COMMITTED)
    line = fit({size: points[size] for size in (1, 1_000)})
    assert line.at_none > 0, "an invocation costs something by itself"
    for size in (10, 100):
        assert BOUNDS[0] < points[size] / line.at(size) < BOUNDS[1], (points, line)


def test_the_model_reproduces_the_measured_invocations():
    work, assumptions = works(COMMITTED)["seed"], measured_assumptions(COMMITTED, request_seconds=0.0)
    whole = Setting(memory_megabytes=1_769)
    for size, us in by_batch(COMMITTED).items():
        modelled = invocation_seconds(size, work, whole, assumptions) * 1e6
        assert BOUNDS[0] < us / modelled < BOUNDS[1], (size, json.dumps(by_batch(COMMITTED)))


def test_the_work_of_planning_and_publishing_is_proportional_to_the_changes():
    """It counts calls, not time. Work that grows with the square of the changes would be far outside these bounds."""
    tables = tables_of(SEED)

    def calls(count):
        records = SEED.records(count)
        made = 0

        def count_call(*_):
            nonlocal made
            made += 1

        sys.setprofile(count_call)
        try:
            publish_to(Stream(shards=4, latency=0.0, sleep=lambda _: None), decode(records, tables))
        finally:
            sys.setprofile(None)
        return made

    calls(100)
    points = {count: calls(count) for count in (500, 1_000, 2_000, 4_000)}
    for count, made in points.items():
        assert made / count == pytest.approx(points[500] / 500, rel=0.2), points
