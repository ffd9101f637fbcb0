"""Decoding alone: a batch's records in, the bytes of its rows out.

``decode`` begins with parsed records, ``text`` with the event's bytes, as in a function that parses events itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from bench.alternatives import ALTERNATIVES, FIRST, FLOOR, LOOP, OURS, Alternative, columns_that_differ
from bench.measure import Candidate, Effort, Heading, Race, cpu_block, race
from bench.product import decode, decoder, parser, read_tables, runtime
from bench.shapes import SHAPES, Record, Shape
from pinot.table import Table

SUITE: Final = "decode"
TEXT: Final = "text"

Loads: TypeAlias = Callable[[bytes], Any]

_LOADERS: Final[Mapping[str, Loads]] = {FIRST: json.loads, "orjson": orjson.loads, LOOP: orjson.loads}


class UnequalError(Exception):
    """A contender makes other rows than the others, so that comparing its cost would mislead."""


def names() -> list[str]:
    """List the races."""
    return [f"{suite}/{shape}" for suite in (SUITE, TEXT) for shape in SHAPES]


def races(effort: Effort, selected: Collection[str]) -> Iterator[Race]:
    """Measure each selected shape. Raises UnequalError."""
    for shape in SHAPES.values():
        here = [suite for suite in (SUITE, TEXT) if f"{suite}/{shape.name}" in selected]
        if here:
            check(shape, min(shape.batch, effort.batch))
        if SUITE in here:
            yield from _race(f"{SUITE}/{shape.name}", shape, effort)
        if TEXT in here:
            yield from _text_race(f"{TEXT}/{shape.name}", shape, effort)


def tables_of(shape: Shape) -> Sequence[Table]:
    """Read a shape's table as the function does."""
    with tempfile.TemporaryDirectory() as folder:
        return read_tables(shape.write(Path(folder)))


def check(shape: Shape, count: int) -> None:
    """Check that all contenders make the same rows of a shape's first changes.

    An alternative must differ in exactly the columns that it declares. Raises UnequalError.
    """
    records = shape.records(count)
    ours = decode(records, tables_of(shape))
    for alternative in ALTERNATIVES:
        theirs = list(alternative.decode(records, shape))
        if len(theirs) != len(ours):
            raise UnequalError(
                f"{alternative.label} makes {len(theirs)} rows of the shape {shape.name}, not {len(ours)}"
            )
        different = {
            column
            for entry, (_, data) in zip(ours, theirs, strict=True)
            for column in columns_that_differ(entry.data, data)
        }
        if different != alternative.differs.get(shape.name, frozenset()):
            detail = f"{alternative.label} and dynapinot differ in these columns of the shape {shape.name}"
            raise UnequalError(f"{detail}: {', '.join(sorted(different)) or 'none, and should'}")


def _consume(alternative: Alternative, records: Sequence[Record], shape: Shape) -> None:
    """Make an alternative's rows and keep none: orjson's buffers are larger than rows, and keeping them costs extra."""
    for _ in alternative.decode(records, shape):
        pass


def _load_and_consume(loads: Loads, alternative: Alternative, event: bytes, shape: Shape) -> None:
    _consume(alternative, loads(event)["Records"], shape)


def _serialize(rows: Sequence[object]) -> None:
    for row in rows:
        orjson.dumps(row)


def _race(name: str, shape: Shape, effort: Effort) -> Iterator[Race]:
    records, tables = shape.records(min(shape.batch, effort.batch)), tables_of(shape)
    finished = [orjson.loads(entry.data) for entry in decode(records, tables)]
    block = partial(cpu_block, units=len(records), seconds=effort.seconds)
    candidates = {
        alternative.name: Candidate(
            label=alternative.label, note=alternative.why, block=block(partial(_consume, alternative, records, shape))
        )
        for alternative in ALTERNATIVES
    }
    ours = decoder(tables)
    candidates[OURS] = Candidate(label="dynapinot", block=block(lambda: ours(records)))
    candidates[FLOOR] = Candidate(
        label="orjson.dumps of a ready row", note="the floor", block=block(partial(_serialize, finished))
    )
    heading = Heading(name, f"decode, normalize, serialize: {shape.what}", "us CPU a record")
    return race(candidates, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)


def _text_race(name: str, shape: Shape, effort: Effort) -> Iterator[Race]:
    count = min(shape.batch, effort.batch)
    event, tables = shape.event(count), tables_of(shape)
    parse = parser(runtime())
    block = partial(cpu_block, units=count, seconds=effort.seconds)
    candidates = {
        alternative.name: Candidate(
            label=f"{loader.__module__}.loads, {alternative.label}",
            note=alternative.why,
            block=block(partial(_load_and_consume, loader, alternative, event, shape)),
        )
        for alternative in ALTERNATIVES
        if (loader := _LOADERS.get(alternative.name))
    }
    ours = decoder(tables)
    candidates[OURS] = Candidate(
        label="dynapinot", note="EVENT_PARSER=orjson", block=block(lambda: ours(parse(event)["Records"]))
    )
    heading = Heading(name, f"the same from the event's bytes, parsing too: {shape.what}", "us CPU a record")
    return race(candidates, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)
