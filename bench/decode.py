"""Decoding alone: a batch's records in, the bytes of its rows out.

``decode`` begins with records that are parsed, ``text`` with the event's bytes, as a function does that parses itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from bench.measure import Effort, Heading, Race, Way, cpu_block, race
from bench.product import decode, decoder, parser, read_tables, runtime
from bench.rivals import FIRST, FLOOR, LOOP, OURS, RIVALS, Rival, columns_that_differ
from bench.shapes import SHAPES, Record, Shape
from pinot.table import Table

SUITE: Final = "decode"
TEXT: Final = "text"

Loads: TypeAlias = Callable[[bytes], Any]

_LOADERS: Final[Mapping[str, Loads]] = {FIRST: json.loads, "orjson": orjson.loads, LOOP: orjson.loads}


class UnequalError(Exception):
    """A contender does not make the rows that the others make, so that comparing its cost would mislead."""


def names() -> list[str]:
    """List the races."""
    return [f"{suite}/{shape}" for suite in (SUITE, TEXT) for shape in SHAPES]


def races(effort: Effort, wanted: Collection[str]) -> Iterator[Race]:
    """Measure each shape that is wanted. Raises UnequalError."""
    for shape in SHAPES.values():
        here = [suite for suite in (SUITE, TEXT) if f"{suite}/{shape.name}" in wanted]
        if here:
            check(shape, min(shape.batch, effort.batch))
        if SUITE in here:
            yield from _race(f"{SUITE}/{shape.name}", shape, effort)
        if TEXT in here:
            yield from _text_race(f"{TEXT}/{shape.name}", shape, effort)


def tables_of(shape: Shape) -> Sequence[Table]:
    """Read a shape's table as the function reads it."""
    with tempfile.TemporaryDirectory() as folder:
        return read_tables(shape.write(Path(folder)))


def check(shape: Shape, count: int) -> None:
    """Check that all make the same rows of a shape's first changes.

    A rival may differ in the columns that it says it gets otherwise, and must. Raises UnequalError.
    """
    records = shape.records(count)
    ours = decode(records, tables_of(shape))
    for rival in RIVALS:
        theirs = list(rival.decode(records, shape))
        if len(theirs) != len(ours):
            raise UnequalError(f"{rival.label} makes {len(theirs)} rows of the shape {shape.name}, not {len(ours)}")
        different = {
            column
            for entry, (_, data) in zip(ours, theirs, strict=True)
            for column in columns_that_differ(entry.data, data)
        }
        if different != rival.differs.get(shape.name, frozenset()):
            detail = f"{rival.label} and dynapinot differ in these columns of the shape {shape.name}"
            raise UnequalError(f"{detail}: {', '.join(sorted(different)) or 'none, and should'}")


def _use_up(rival: Rival, records: Sequence[Record], shape: Shape) -> None:
    """Make a rival's rows and keep none: orjson's buffers are larger than rows, and keeping them would cost extra."""
    for _ in rival.decode(records, shape):
        pass


def _load_and_use_up(loads: Loads, rival: Rival, event: bytes, shape: Shape) -> None:
    _use_up(rival, loads(event)["Records"], shape)


def _dump(rows: Sequence[object]) -> None:
    for row in rows:
        orjson.dumps(row)


def _race(name: str, shape: Shape, effort: Effort) -> Iterator[Race]:
    records, tables = shape.records(min(shape.batch, effort.batch)), tables_of(shape)
    ready = [orjson.loads(entry.data) for entry in decode(records, tables)]
    block = partial(cpu_block, units=len(records), seconds=effort.seconds)
    ways = {
        rival.name: Way(label=rival.label, note=rival.why, block=block(partial(_use_up, rival, records, shape)))
        for rival in RIVALS
    }
    ours = decoder(tables)
    ways[OURS] = Way(label="dynapinot", block=block(lambda: ours(records)))
    ways[FLOOR] = Way(label="orjson.dumps of a ready row", note="the floor", block=block(partial(_dump, ready)))
    heading = Heading(name, f"decode, normalize, serialize: {shape.what}", "us CPU a record")
    return race(ways, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)


def _text_race(name: str, shape: Shape, effort: Effort) -> Iterator[Race]:
    count = min(shape.batch, effort.batch)
    event, tables = shape.event(count), tables_of(shape)
    parse = parser(runtime())
    block = partial(cpu_block, units=count, seconds=effort.seconds)
    ways = {
        rival.name: Way(
            label=f"{loader.__module__}.loads, {rival.label}",
            note=rival.why,
            block=block(partial(_load_and_use_up, loader, rival, event, shape)),
        )
        for rival in RIVALS
        if (loader := _LOADERS.get(rival.name))
    }
    ours = decoder(tables)
    ways[OURS] = Way(label="dynapinot", note="EVENT_PARSER=orjson", block=block(lambda: ours(parse(event)["Records"])))
    heading = Heading(name, f"the same from the event's bytes, parsing too: {shape.what}", "us CPU a record")
    return race(ways, {"cpu": heading}, baseline=FIRST, rounds=effort.rounds)
