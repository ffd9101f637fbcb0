"""When changes were lost, by what was counted meanwhile. Pure.

A stream keeps a change for so long, 24 hours in DynamoDB. Lost is what Lambda had not read by then, or had given up and
could not store. Times are epoch seconds. A gap is rather too long than too short: that costs reads, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple

from dynapinot.load.estimate import duration
from dynapinot.wording import counted

ENABLED: Final = "Enabled"
SILENCE: Final = 3  # periods; CloudWatch may lack one


class GivenUp(NamedTuple):
    """A batch that Lambda gave up: its object's key, and when its first and last change arrived on the stream.

    ``is_there`` is whether the object is in the bucket, or was redriven.
    """

    key: str
    first: int
    last: int
    is_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was seen, up to ``now``. ``kept`` is how many seconds the stream of changes keeps a change.

    Periods have ``period`` seconds, and are named by their beginnings. ``ages`` has, for each period in which the
    function was invoked, the age of the oldest change that it got, in seconds. ``polls`` are the periods in which
    Lambda asked the stream, ``undelivered`` those in which it could not store a batch that it had given up. None is for
    what could not be asked.

    ``mapping`` is the event source mapping's state and when it was modified, None where it is not known. ``newest``
    has, by Pinot table and partition, the time of the newest change that Pinot shows. ``unseen`` says what could not
    be looked at, and why.
    """

    now: int
    period: int
    kept: int
    ages: Mapping[int, float] | None = None
    polls: Sequence[int] | None = None
    undelivered: Sequence[int] = ()
    given_up: Sequence[GivenUp] = ()
    mapping: tuple[str, int] | None = None
    newest: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    unseen: Sequence[str] = ()


class Gap(NamedTuple):
    """Changes from ``begin`` to before ``end`` may be lost, and why; ``end`` is None while it goes on."""

    begin: int
    end: int | None
    why: str


class Found(NamedTuple):
    """The gaps, in the order of their times; and what else was seen, or could not be. ``is_known`` is whether it could.

    Without gaps, and if it is known, nothing is missing.
    """

    gaps: Sequence[Gap]
    notes: Sequence[str]
    is_known: bool


def find(evidence: Evidence) -> Found:
    """Propose gaps. Those that overlap are one, for all of their reasons."""
    gaps: list[Gap] = []
    signs = _signs(evidence)
    found = [*_silences(evidence, signs), *_expired(evidence), *_undelivered(evidence), *_missing_objects(evidence)]
    if not signs:
        found += _by_pinot(evidence)
    for gap in sorted(found, key=lambda gap: gap.begin):
        before = gaps[-1] if gaps else None
        if before and (before.end is None or gap.begin <= before.end):
            end = None if before.end is None or gap.end is None else max(before.end, gap.end)
            gaps[-1] = Gap(before.begin, end, f"{before.why}; {gap.why}")
        else:
            gaps.append(gap)
    return Found(gaps, list(_notes(evidence, signs)), is_known=bool(signs))


def iso(second: int) -> str:
    """Write a time as the command takes it."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signs(evidence: Evidence) -> Sequence[int]:
    """List the periods in which Lambda was alive: it asked for changes, or had some."""
    return sorted({*(evidence.ages or ()), *(evidence.polls or ())})


def _silences(evidence: Evidence, signs: Sequence[int]) -> Iterator[Gap]:
    """Find the times without a sign after which the stream had forgotten changes."""
    is_off = evidence.mapping is not None and evidence.mapping[0] != ENABLED
    pairs = [*pairwise(signs), *([(signs[-1], None)] if signs and is_off else [])]
    for last, next_ in pairs:
        if next_ is not None and next_ - last <= SILENCE * evidence.period:
            continue
        # Everything older was read: the oldest change that Lambda had then was of this time.
        read = last - int((evidence.ages or {}).get(last, 0))
        until = (evidence.now if next_ is None else next_ + evidence.period) - evidence.kept
        if until <= read:
            continue
        if next_ is None:
            yield Gap(read, None, f"Lambda has not read the stream since {iso(last)}, and its mapping is off")
        else:
            silence = duration(next_ - last)
            yield Gap(read, until, f"Lambda did not read the stream for {silence} from {iso(last)} on (CloudWatch)")


def _expired(evidence: Evidence) -> Iterator[Gap]:
    """Find the times at which changes were as old as the stream keeps them when they were read."""
    ages = evidence.ages or {}
    old = [at for at, age in ages.items() if age >= evidence.kept - evidence.period]
    for first, last in _runs(old, evidence.period):
        why = f"from {iso(first)} on changes were read when the stream was about to forget them (IteratorAge)"
        yield Gap(first - int(ages[first]), last + 2 * evidence.period - evidence.kept, why)


def _undelivered(evidence: Evidence) -> Iterator[Gap]:
    ages = evidence.ages or {}
    for first, last in _runs(evidence.undelivered, evidence.period):
        why = f"from {iso(first)} on Lambda gave up changes and could not store them (DestinationDeliveryFailures)"
        begin = first - int(ages.get(first, evidence.kept))
        yield Gap(begin, min(last + evidence.period, evidence.now), why)


def _runs(times: Iterable[int], period: int) -> Iterator[tuple[int, int]]:
    """Give the first and the last of periods that follow each other."""
    first = last = None
    for at in sorted(times):
        if first is None or last is None:
            first = at
        elif at - last > period:
            yield first, last
            first = at
        last = at
    if first is not None and last is not None:
        yield first, last


def _missing_objects(evidence: Evidence) -> Iterator[Gap]:
    for each in evidence.given_up:
        if not each.is_there:
            yield Gap(each.first, each.last + 1, f"the object {each.key} is neither in the bucket nor was it redriven")


def _by_pinot(evidence: Evidence) -> Iterator[Gap]:
    """Find a gap by what Pinot shows and by when the mapping was modified, where nothing else is known."""
    newest = [time for partitions in evidence.newest.values() for time in partitions.values()]
    if not newest or evidence.mapping is None:
        return
    (state, modified), begin = evidence.mapping, min(newest)
    why = f"Pinot's newest change of a partition is of {iso(begin)}, and the mapping "
    if state != ENABLED and evidence.now - evidence.kept > begin:
        yield Gap(begin, None, f"{why} is off")
    elif modified - evidence.kept > begin:
        yield Gap(begin, modified - evidence.kept, f"{why} was modified at {iso(modified)}")


def _notes(evidence: Evidence, signs: Sequence[int]) -> Iterator[str]:
    yield from evidence.unseen
    there = [each for each in evidence.given_up if each.is_there]
    if there:
        first, last = min(each.first for each in there), max(each.last for each in there)
        objects = counted(len(there), "object")
        yield (
            f"{objects} of changes that Lambda gave up, from {iso(first)} to {iso(last)}: they are not lost, dynapinot "
            "redrive replicates what is in the bucket"
        )
    for table, partitions in evidence.newest.items():
        times = ", ".join(f"{partition}: {iso(time)}" for partition, time in sorted(partitions.items()))
        yield f"Pinot's newest change in {table}, by partition: {times or 'none'}"
    if evidence.mapping and evidence.mapping[0] != ENABLED:
        yield f"The event source mapping is {evidence.mapping[0]} since {iso(evidence.mapping[1])}: enable it first"
    if not signs:
        yield "CloudWatch has no sign of the function or its mapping, so nobody can tell when changes were read"
    elif evidence.polls is None:
        yield "Without PolledEventCount, a table without changes looks like a mapping that was off"
