"""A random sample of a table, compared in both directions: items with Pinot's rows, and Pinot's rows with items.

Which items: the segments of a parallel Scan cut the table by the hash of the partition key. Random segments are read
to their end, and of their items each is kept with the same probability, so each item of the table has the same chance.
Items of one partition key are in one segment, and come together; so a segment with rows is one draw, whatever it has.
Which rows: those whose primary key, with a random text, has a hash in one of many equal buckets. Each row has the same
chance, and is a draw.

A difference counts only if it stays: see :meth:`Sample.settle`.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from decoder.change import Change, Image
from decoder.errors import ChangeError
from decoder.record import decode_record
from dynapinot.consumed import CLOCK_SECONDS
from dynapinot.errors import CommandError
from dynapinot.pinot_server import BEHIND_SECONDS
from dynapinot.verify.columns import Columns, Key, Made, Shown
from dynapinot.verify.judge import Finding, Place, Reading, judge
from load.by_key import ByKey, KeyAnswerError
from load.plan import Unit
from load.scan import THROTTLED, THROTTLED_PAUSE
from load.work import Read
from redrive.current_rows import ItemSnapshot, ReadItem, RedriveError

ITEMS_PER_SEGMENT: Final = 2  # that are kept, on average
MOST_SEGMENTS: Final = 1_000_000  # of a parallel Scan: API_Scan.html, TotalSegments
MOST_PAGES: Final = 20  # of a segment: it may have an item collection of any size
MOST_READ_UNITS: Final = 1_000_000  # of all pages
WHOLE_PAGE: Final = 1_000_000  # items, of which a page of 1 MB has fewer
KEYS_PER_QUERY: Final = 100
ROWS_PER_QUERY: Final = 5_000
LOOKS: Final = (0.1, 0.4, 1.0)  # at what differs, in parts of the time to wait
ROUNDS: Final = 3  # of looks, for what changes meanwhile
MOST_SUSPECTS: Final = 1_000  # after which nothing more is drawn: each is read several times
MOST_THROTTLED: Final = 60  # pauses for one item

_MANY: Final = 10
_MOST_COPIES: Final = 100  # of a key that is live in several partitions

# Asks Pinot until it has consumed all that was published before a time in epoch seconds.
Ask: TypeAlias = Callable[[str, float], Sequence[Sequence[Any]]]


class Scan(NamedTuple):
    """How random items are read: a reader of units, their number, and the probability with which an item is kept."""

    read: Read
    segments: int
    probability: float


def scan_size(items: int, rows: int) -> tuple[int, float]:
    """Return the number of segments for a table of about so many items and rows, and the probability to keep an item.

    Numbers that are wrong change what the sample costs, and not each item's chance.
    """
    # Of a table with few items that are rows, a segment of two items would hardly ever have one.
    expected = max(items, rows) if rows >= items // _MANY else max(rows, items // _MANY**2)
    segments = max(1, min(MOST_SEGMENTS, expected // ITEMS_PER_SEGMENT))
    return segments, min(1.0, ITEMS_PER_SEGMENT * MOST_SEGMENTS / max(rows, 1))


@dataclass(kw_only=True)
class Side:
    """What was compared in one direction: each primary key, with the number of its draw.

    ``read`` is how many segments, or rows, were looked at; ``is_all`` says that nothing was left out.
    """

    keys: dict[Key, int] = field(default_factory=dict)
    read: int = 0
    is_all: bool = True

    def draws(self, without: AbstractSet[Key] = frozenset()) -> int:
        """Count the draws that had a primary key other than these."""
        return len({draw for key, draw in self.keys.items() if key not in without})


@dataclass
class Suspect:
    """A primary key that differs so far: ``answered`` is the key as Pinot answers it, ``keys`` the item's.

    ``keys`` is None if the key is not made of an item's. ``state`` is what was seen on both sides, ``since`` when it
    was seen first, by the monotonic clock; ``first_order`` is what the item's row compared by at first.
    """

    answered: Sequence[Any]
    keys: Image | None
    finding: Finding
    state: object
    since: float
    first_order: Any


class _Found(NamedTuple):
    """An item of a draw that has a place in Pinot: its key, and what is to be there."""

    draw: int
    keys: Image
    place: Place
    made: Made


@dataclass(kw_only=True)
class Sample:
    """The comparison of one Pinot table with its DynamoDB table, of whose key ``key_names`` are the attributes.

    ``suspects`` are what differs so far, ``differences`` what does after :meth:`settle`. ``late`` counts keys that
    differed at first and then were equal, ``kept`` rows without an item that Time to Live may have deleted, where
    those are kept. ``is_stopped`` says that so much differed that nothing more was drawn. ``clock`` is monotonic.
    Every method raises CommandError, and botocore's errors.
    """

    reading: Reading
    ask: Ask
    read_item: ReadItem
    key_names: Sequence[str]
    random: Random
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    source: Side = field(default_factory=Side)
    replica: Side = field(default_factory=Side)
    suspects: dict[Key, Suspect] = field(default_factory=dict)
    differences: dict[Key, Suspect] = field(default_factory=dict)
    in_flight: set[Key] = field(default_factory=set)
    late: int = 0
    kept: int = 0
    not_rows: int = 0
    read_units: float = 0.0
    dead_letters: Counter[str] = field(default_factory=Counter)
    is_stopped: bool = False

    @property
    def columns(self) -> Columns:
        """The columns that are compared."""
        return self.reading.columns

    @property
    def shares_rows(self) -> bool:
        """Whether several items may have one primary key in Pinot."""
        return not self.columns.table.is_key_of_one_item(dict.fromkeys(self.key_names))

    def count(self) -> int:
        """Count Pinot's rows."""
        return int(self.ask(self.columns.query_count(), self._long_ago())[0][0])

    def compare_items(self, wanted: int, scan: Scan) -> None:
        """Compare random items with what Pinot shows, until so many segments had rows."""
        found: list[_Found] = []
        draws = 0
        for number in self.random.sample(range(scan.segments), scan.segments):
            if draws >= wanted or self.read_units >= MOST_READ_UNITS or self.is_stopped:
                self.source.is_all = False
                break
            self.source.read += 1
            has_rows = False
            for change in self._items(scan, number):
                each = self._find(number, change)
                if each:
                    has_rows |= each.place.reason is None
                    found.append(each)
                if len(found) >= KEYS_PER_QUERY:
                    self._compare_found(found)
                    found = []
                if self.is_stopped:
                    self.source.is_all = False
                    break
            draws += has_rows
        self._compare_found(found)

    def _items(self, scan: Scan, number: int) -> Iterator[Change]:
        """Give the items of a segment that are kept, as changes."""
        is_last = False
        for portion in islice(scan.read(Unit(number=number), lambda: WHOLE_PAGE), MOST_PAGES):
            self.read_units += portion.read_units
            is_last = portion.is_last
            for record in portion.records:
                if self.random.random() < scan.probability:
                    yield decode_record(record)
                else:
                    self.source.is_all = False
        self.source.is_all &= is_last

    def _find(self, draw: int, change: Change) -> _Found | None:
        place = self.reading.place_of(change)
        if place is None:
            self.not_rows += 1
            return None
        if place.reason is not None:
            self.dead_letters[place.reason] += 1
        return place.made and _Found(draw, change.keys, place, place.made)

    def _compare_found(self, found: Sequence[_Found]) -> None:
        shown = self._shown([each.made.answered for each in found], self._long_ago())
        for draw, keys, place, made in found:
            if place.reason is None:
                self.source.keys[made.key] = draw
            self._note(made.key, made.answered, keys, place, shown.get(made.key, ()))

    def compare_rows(self, wanted: int, rows: int, by_key: ByKey) -> None:
        """Compare random rows of Pinot, of so many in all, with what their items are."""
        buckets = max(1, rows // min(wanted, ROWS_PER_QUERY))
        asked = min(buckets, math.ceil(wanted / ROWS_PER_QUERY))
        self.replica.is_all = asked == buckets
        salt = f"{self.random.getrandbits(64):x}"  # which makes the first buckets random ones
        for bucket in range(asked):
            limit = 10 * ROWS_PER_QUERY
            answer = self.ask(self.columns.query_bucket(salt, bucket, buckets, limit), self._long_ago())
            shown = self._by_key(answer, limit)
            for key in self.random.sample(list(shown), len(shown)):
                if self.is_stopped:
                    self.replica.is_all = False
                    return
                self.replica.read += 1
                self.replica.keys[key] = self.replica.read
                self._compare_row(by_key, key, shown[key])

    def _compare_row(self, by_key: ByKey, key: Key, shown: Sequence[Shown]) -> None:
        try:
            image = by_key.image(shown[0].answered)
        except ChangeError as error:
            finding = Finding("ghost", detail=f"no item has such a key: {error.reason}")
            self._suspect(key, Suspect(shown[0].answered, None, finding, None, self.clock(), None))
            return
        except KeyAnswerError as error:
            raise CommandError(f"{error}: compare its schema with the folder's, dynapinot doctor does") from None
        if key in self.suspects:
            return
        keys = {name: image[name] for name in self.key_names}
        self._note(key, shown[0].answered, keys, self._place(keys), shown)

    def _note(
        self, key: Key, answered: Sequence[Any], keys: Image, place: Place | None, shown: Sequence[Shown]
    ) -> None:
        """Note a key if its two sides differ."""
        order = place.made.order if place and place.made and not place.reason else None
        finding = judge(self.columns, key, place, shown, order, shares_rows=self.shares_rows)
        if finding:
            self._suspect(key, Suspect(answered, keys, finding, _state(place, shown), self.clock(), order))

    def _suspect(self, key: Key, suspect: Suspect) -> None:
        self.suspects[key] = suspect
        self.is_stopped |= len(self.suspects) >= MOST_SUSPECTS

    def settle(self, wait_seconds: float) -> None:
        """Look at what differs again and again, for so long, and tell what stays.

        A key is equal if it was once. It differs if its item, and Pinot's row, were as they are for the whole time,
        while Pinot consumed what came. If they changed, the time begins anew; what changes all the time is in flight.
        """
        for _ in range(ROUNDS):
            began = self.clock()
            for part in LOOKS:
                if not self.suspects:
                    return
                self.sleep(max(0.0, began + part * wait_seconds - self.clock()))
                self._look_again()
            settled = {key: each for key, each in self.suspects.items() if each.since <= began}
            for key, suspect in settled.items():
                del self.suspects[key]
                if suspect.finding.kind == "ghost" and suspect.keys and self.columns.table.keep_ttl_deletes:
                    self.kept += 1
                else:
                    self.differences[key] = suspect
        self.in_flight |= self.suspects.keys()
        self.suspects = {}

    def _look_again(self) -> None:
        now = self.clock()
        places = {key: self._place(each.keys) if each.keys else None for key, each in self.suspects.items()}
        shown = self._shown([each.answered for each in self.suspects.values()], time.time())
        for key, suspect in list(self.suspects.items()):
            found, place = shown.get(key, ()), places[key]
            if suspect.keys is None:
                finding = suspect.finding if found else None
            else:
                finding = judge(self.columns, key, place, found, suspect.first_order, shares_rows=self.shares_rows)
            if finding is None:
                del self.suspects[key]
                self.late += 1
                continue
            state = _state(place, found) if suspect.keys else None
            if state != suspect.state:
                suspect.state, suspect.since = state, now
            suspect.finding = finding

    def _place(self, keys: Image) -> Place | None:
        """Read an item, and say what it becomes."""
        item = self.read(self.reading.gone(keys), 0)
        return self.reading.place(keys, item.image, item.read_second)

    def read(self, change: Change, earliest: int) -> ItemSnapshot:
        """Read a change's item, again and again while the table throttles."""
        for _ in range(MOST_THROTTLED):
            try:
                return self.read_item(change, earliest)
            except RedriveError as error:
                if str(error) not in THROTTLED:
                    raise CommandError(f"an item of {self.reading.source} cannot be read: {error}") from None
                self.sleep(THROTTLED_PAUSE)
        raise CommandError(f"the table {self.reading.source} throttles: verify with fewer --items-per-second")

    def _shown(self, keys: Sequence[Sequence[Any]], published: float) -> Mapping[Key, Sequence[Shown]]:
        """Ask Pinot for the rows of some primary keys."""
        found: dict[Key, Sequence[Shown]] = {}
        for start in range(0, len(keys), KEYS_PER_QUERY):
            part = keys[start : start + KEYS_PER_QUERY]
            limit = _MOST_COPIES * len(part)
            found |= self._by_key(self.ask(self.columns.query_keys(part, limit), published), limit)
        return found

    def _by_key(self, answer: Sequence[Sequence[Any]], limit: int) -> Mapping[Key, Sequence[Shown]]:
        if len(answer) >= limit:
            raise CommandError(f"Pinot shows more than {limit} rows where fewer were expected: verify again")
        found: dict[Key, list[Shown]] = {}
        for each in map(self.columns.shown, answer):
            found.setdefault(each.key, []).append(each)
        return found

    def _long_ago(self) -> float:
        """Return the time up to which Pinot must have consumed at least: a restarted server lacks rows at first."""
        return time.time() - BEHIND_SECONDS - CLOCK_SECONDS


def _state(place: Place | None, shown: Sequence[Shown]) -> object:
    """Return what is seen of both sides, without what is only of the reading."""
    needed = place and (place.reason, place.made and (place.made.key, place.made.values))
    return needed, [(each.order, each.values, each.partition) for each in shown]
