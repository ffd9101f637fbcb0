"""What a verification says: for people, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from dynapinot.samples import key_text
from dynapinot.verify.columns import Key
from dynapinot.verify.judge import KINDS
from dynapinot.verify.repair import Repaired, why_not
from dynapinot.verify.sample import MOST_SUSPECTS, Sample, Side, Suspect
from dynapinot.wording import counted, say

MOST_SHOWN: Final = 20  # differences, of each table

_CONFIDENT: Final = 3  # the rule of three


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A table that was verified: ``found`` is what differed before a repair, of which ``sample`` has what is left.

    ``segments`` is how many the table was cut into. ``untold`` is why no row tells its item, None if it does.
    ``repaired`` is None if nothing was, or with ``is_dry_run`` would be, published.
    """

    sample: Sample
    segments: int
    found: Mapping[Key, Suspect]
    untold: str | None
    repaired: Repaired | None
    is_dry_run: bool


def bound(compared: int) -> float | None:
    """Return the share of which fewer differ, with 95 % confidence, if nothing does in a random sample of a size.

    It is the rule of three: (1 - p)^n = 0.05 has about p = 3 / n. None for a sample that says nothing.
    """
    return _CONFIDENT / compared if compared > _CONFIDENT else None


def published(repaired: Repaired) -> str:
    """Say what a repair publishes."""
    return f"{counted(repaired.rows, 'row')} and {counted(repaired.tombstones, 'tombstone')}"


def show(console: Console, verified: Verified) -> None:
    """Write what was found, for people."""
    for line in _lines(verified):
        say(console, Text(line))
    if verified.found:
        console.print(_grid(verified))


def as_json(done: Sequence[Verified]) -> str:
    """Write what was found as a JSON document."""
    return json.dumps({"tables": [_document(each) for each in done]})


def _lines(verified: Verified) -> Iterator[str]:
    sample = verified.sample
    table = sample.columns.table
    yield f"{table.name}, of the DynamoDB table {sample.reading.source}"
    items, drawn = counted(len(sample.source.keys), "item"), counted(sample.source.draws(), "segment")
    yield f"  {items} of {drawn} with rows compared with Pinot: {_verdict(verified, sample.source)}"
    if verified.untold:
        yield f"  No row was compared with its item: {verified.untold}. Rows of deleted items are not seen"
    else:
        rows = counted(len(sample.replica.keys), "row")
        yield f"  {rows} compared with DynamoDB: {_verdict(verified, sample.replica)}"
    for count, noun, text in (
        (sample.late, "key", "differed at first and became equal"),
        (len(sample.in_flight), "key", "changed all the time, in flight: not compared"),
        (sample.not_rows, "item", "left out by the table's rules"),
        (sample.kept, "row", "without an item, kept: Time to Live may have deleted it"),
    ):
        if count:
            yield f"  {counted(count, noun)} {text}"
    for reason, count in sample.dead_letters.most_common():
        yield f"  {counted(count, 'item')} cannot be a row: {reason}"
    if sample.is_stopped:
        yield f"  Nothing more was drawn after {MOST_SUSPECTS:,} keys that differed at first"
    if verified.repaired:
        yield f"  {_repair_line(verified.repaired, is_dry_run=verified.is_dry_run)}"


def _verdict(verified: Verified, side: Side) -> str:
    differing = len(verified.found.keys() & side.keys.keys())
    if differing:
        return f"{differing:,} differ"
    if side.is_all:
        return "none differ" if verified.sample.in_flight else "all are equal, and there are no others"
    share = bound(_decided(verified, side))
    if share is None:
        return "none differ, and they are too few to tell more"
    return f"none differ. With 95 % confidence fewer than {share * 100:.2g} % of all do"


def _decided(verified: Verified, side: Side) -> int:
    return side.draws(verified.sample.in_flight)


def _repair_line(repaired: Repaired, *, is_dry_run: bool) -> str:
    if is_dry_run:
        return f"A repair would publish {published(repaired)}"
    return f"Published {published(repaired)}; {counted(repaired.equal, 'key')} equal now"


def _grid(verified: Verified) -> Grid:
    grid = Grid(title="Differences", title_justify="left")
    for column in ("kind", "key", "what", "remedy"):
        grid.add_column(column, overflow="fold")
    for key, suspect in list(verified.found.items())[:MOST_SHOWN]:
        finding = suspect.finding
        what = [f"{name} {how}" for name, how in finding.columns.items()]
        what += [finding.detail] if finding.detail else []
        what = what or [KINDS[finding.kind]]
        grid.add_row(*map(Text, (finding.kind, _key_text(suspect), "; ".join(what), _remedy(verified, key, suspect))))
    more = len(verified.found) - MOST_SHOWN
    if more > 0:
        grid.caption = f"and {more:,} more, see --json"
    return grid


def _key_text(suspect: Suspect) -> str:
    return key_text(suspect.keys) if suspect.keys else " / ".join(map(str, suspect.answered))


def _remedy(verified: Verified, key: Key, suspect: Suspect) -> str:
    cannot = why_not(suspect, verified.sample.columns.table)
    if cannot:
        return cannot
    if verified.repaired is None or verified.is_dry_run:
        return verified.untold or "--repair"
    if key in verified.sample.in_flight:
        return "published, and it changes all the time: verify again"
    return "not repaired: see dynapinot doctor" if key in verified.sample.differences else "repaired"


def _document(verified: Verified) -> dict[str, Any]:
    sample = verified.sample
    sides = (("items", sample.source), ("rows", sample.replica))
    return {
        "table": sample.columns.table.name,
        "dynamodb_table": sample.reading.source,
        **{name: _side(verified, side) for name, side in sides},
        "segments": verified.segments,
        "segments_read": sample.source.read,
        "read_units": sample.read_units,
        "rows_not_compared": verified.untold,
        "is_stopped": sample.is_stopped,
        "became_equal": sample.late,
        "in_flight": len(sample.in_flight),
        "not_rows": sample.not_rows,
        "kept": sample.kept,
        "dead_letters": dict(sample.dead_letters),
        "kinds": Counter(each.finding.kind for each in verified.found.values()),
        "differences": [_difference(verified, *each) for each in verified.found.items()],
        "published": verified.repaired and verified.repaired._asdict(),
        "left": len(sample.differences),
    }


def _side(verified: Verified, side: Side) -> dict[str, Any]:
    differing = len(verified.found.keys() & side.keys.keys())
    draws = _decided(verified, side)
    return {
        "compared": len(side.keys.keys() - verified.sample.in_flight),
        "draws": draws,
        "different": differing,
        "is_all": side.is_all,
        "bound": None if differing else 0.0 if side.is_all else bound(draws),
    }


def _difference(verified: Verified, key: Key, suspect: Suspect) -> dict[str, Any]:
    finding = suspect.finding
    return {
        "kind": finding.kind,
        "key": _key_text(suspect),
        "columns": dict(finding.columns),
        "detail": finding.detail,
        "remedy": _remedy(verified, key, suspect),
    }
