"""What the model takes from a result is what was measured; and an invocation's cost is a line indeed."""

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
def test_the_line_through_points_that_lie_on_one_is_that_one(at_none):
    points = {changes: at_none + 50.0 * changes for changes in (1, 10, 100, 1_000)}
    assert fit(points) == Line(at_none=pytest.approx(at_none, abs=1e-6), each=pytest.approx(50))


def test_the_line_errs_in_per_cent_so_that_the_small_batches_count_as_much_as_the_large_one():
    points = {1: 1_550.0, 10: 2_000.0, 100: 6_500.0, 1_000: 60_000.0}  # the last one lies 16 % above the others' line
    line = fit(points)
    errors = [abs(line.at(changes) / us - 1) for changes, us in points.items()]
    assert max(errors) < 0.1
    assert line.at_none == pytest.approx(1_500, rel=0.05)


def test_a_shapes_change_takes_what_is_left_of_its_whole_invocation():
    found = works(result())
    assert list(found) == list(SHAPES)
    for name, work in found.items():
        assert (name, work.us_per_invocation) == (work.shape, pytest.approx(1_500))
        assert work.us_per_change == pytest.approx(50)


def test_sizes_are_those_of_the_shapes_rows_events_and_items():
    found = works(result())
    (row,) = {entry.size for entry in decode(SEED.records(1), tables_of(SEED))}
    assert found["seed"].row_bytes == pytest.approx(row, rel=0.1)
    assert found["seed"].event_bytes == pytest.approx(len(SEED.event(1)), rel=0.1)
    assert {name: work.put_units for name, work in found.items()} == dict.fromkeys(SHAPES, 1.0)
    assert found["seed"].write_units == 1
    assert found["nested"].write_units > found["wide"].write_units > 1
    assert all(work.row_bytes < work.event_bytes and work.stream_bytes < work.event_bytes for work in found.values())


def test_as_many_requests_are_under_way_as_the_time_is_shorter_than_one_after_the_other():
    assert measured_assumptions(result()).concurrent_requests == {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0, 16: 8.0}


def test_what_is_slower_than_one_request_after_the_other_still_has_one_under_way():
    others = result(without="throughput/1")
    slow = replace(others, races=[*others.races, race("throughput/1", 400.0, 440.0)])
    assert measured_assumptions(slow).concurrent_requests[1] == 1


@pytest.mark.parametrize("missing", ["batch/100", "invocation/wide", "throughput/16"])
def test_a_result_without_a_race_that_the_model_needs_is_told_so(missing):
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


def test_an_unknown_type_has_no_size():
    with pytest.raises(ValueError, match="DynamoDB has no type X"):
        item_bytes({"a": {"X": 1}})


# Is it a line? By the whole result that docs/performance.md is made of, so that nothing here hangs on how busy the
# machine is that runs this.
BOUNDS = (0.6, 1.6)
COMMITTED = read(ROOT / "docs" / "performance" / "result.json")


def test_a_whole_invocation_took_cpu_by_its_changes_as_the_model_has_it():
    points = by_batch(COMMITTED)
    line = fit({size: points[size] for size in (1, 1_000)})
    assert line.at_none > 0, "an invocation costs something by itself"
    for size in (10, 100):
        assert BOUNDS[0] < points[size] / line.at(size) < BOUNDS[1], (points, line)


def test_what_the_model_makes_of_the_result_is_what_was_measured():
    work, here = works(COMMITTED)["seed"], measured_assumptions(COMMITTED, request_seconds=0.0)
    whole = Setting(memory_megabytes=1_769)
    for size, us in by_batch(COMMITTED).items():
        modelled = invocation_seconds(size, work, whole, here) * 1e6
        assert BOUNDS[0] < us / modelled < BOUNDS[1], (size, json.dumps(by_batch(COMMITTED)))


def test_planning_and_publishing_a_batch_is_work_by_its_changes():
    """Counted in calls, not in time: work that goes with the square of the changes is far out of these bounds."""
    tables = tables_of(SEED)

    def calls(count):
        records = SEED.records(count)
        made = 0

        def note(*_):
            nonlocal made
            made += 1

        sys.setprofile(note)
        try:
            publish_to(Stream(shards=4, latency=0.0, sleep=lambda _: None), decode(records, tables))
        finally:
            sys.setprofile(None)
        return made

    calls(100)
    points = {count: calls(count) for count in (500, 1_000, 2_000, 4_000)}
    for count, made in points.items():
        assert made / count == pytest.approx(points[500] / 500, rel=0.2), points
