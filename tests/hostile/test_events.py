"""No event blocks the shard: each record gives correct rows or a dead letter, or a rule ignores it."""

from __future__ import annotations

import json
import os
from collections import Counter
from copy import deepcopy
from itertools import chain
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from changes import insert
from handlers.planner import Planner
from handlers.relay import relay
from hostile.gate import EVERY_TYPE, GROUPS, KEEPING, MAX_RECORD_BYTES, SHIPPED, WIDE, check, check_text
from hostile.mutation import MULTIPLE, SAMPLES, mutate, text_with_duplicate_keys
from kinesis_fake import Clock, FakeKinesis
from print_counts import print_counts
from publisher.order import publish
from publisher.s3 import store
from strategies import encode, values

EVENTS = int(os.environ.get("HOSTILE_EVENTS", "12000"))
FIRST_SEED = int(os.environ.get("HOSTILE_SEED", "1"))
CHUNK = 1_500
ENOUGH = 1_000  # mutated events after which each outcome must have occurred
OUTCOMES = (
    *(
        "rows",
        "ignored",
        "dead letter: malformed",
        "dead letter: type_mismatch",
        "dead letter: too_long",
        "dead letter: fraction",
    ),
    *("dead letter: nul_character", "dead letter: out_of_range"),
)


def check_all(record, counts):
    for group in GROUPS:
        check(record, group, counts)


@pytest.mark.parametrize("start", range(FIRST_SEED, FIRST_SEED + EVENTS, CHUNK))
def test_a_mutated_event_gives_correct_rows_or_dead_letters(start, capsys):
    counts = Counter()
    seeds = range(start, min(start + CHUNK, FIRST_SEED + EVENTS))
    for seed in seeds:
        try:
            check_all(mutate(seed), counts)
        except BaseException as error:
            alone = f"HOSTILE_SEED={seed} HOSTILE_EVENTS=1 .venv/bin/pytest tests/hostile/test_events.py -k mutated"
            raise AssertionError(f"{type(error).__name__}: {error}\nseed {seed}; to run it alone:\n{alone}") from error
    print_counts(capsys, f"mutated events {seeds.start} to {seeds.stop - 1}", counts)
    if len(seeds) >= ENOUGH:
        assert [outcome for outcome in OUTCOMES if not counts[outcome]] == []


def test_every_unchanged_sample_gives_rows_of_all_its_tables():
    counts = Counter()
    for sample in SAMPLES:
        check_all(sample, counts)
    assert counts["rows"] > 5 * len(SAMPLES) * 0.8


@pytest.mark.parametrize("start", range(0, 3000, 1000))
def test_duplicate_keys_in_an_event_are_read_as_the_runtime_reads_them(start):
    """The last of two wins, as in ``json.loads``, and the result is a record like any other."""
    counts = Counter()
    for seed in range(start, start + 1000):
        random = Random(seed)
        text = text_with_duplicate_keys(random, random.choice(SAMPLES))
        check_all(json.loads(text), counts)
        if text.startswith('{"eventID":'):
            for each in chain(*GROUPS):
                check_text(text.encode(), [each], Counter())
    assert counts["rows"] > 100
    assert counts["dead letter: malformed"] > 100


@pytest.mark.parametrize("seed", range(40))
def test_mutated_events_block_no_other_change(seed):
    """A batch of fifty of them goes through the relay, with valid changes among them."""
    records = [mutate(100_000 + 50 * seed + number) for number in range(50)]
    good = deepcopy(SAMPLES[1])
    records[10:10] = [good]
    records.append(good)
    streams, dead_letters = {}, {}
    clock = Clock(60.0)

    def publish_to(target, entries):
        stream = streams.setdefault(target.stream, FakeKinesis(Random(seed), reject=0.1, shuffle=0.5))
        return publish(entries, stream.send, remaining=clock.remaining, sleep=clock.sleep, jitter=lambda: 0.5)

    report = relay(
        {"Records": records},
        Planner([table for table, _ in GROUPS[0]], max_record_bytes=MAX_RECORD_BYTES),
        publish=publish_to,
        store=lambda entries: store(
            entries, lambda entry: dead_letters.update({entry.key: entry.data}), remaining=clock.remaining
        ),
    )
    assert report.response() == {"batchItemFailures": []}
    table, _ = SHIPPED
    positions = {entry.position for shard in streams[table.stream].shards for entry in shard}
    assert {10, len(records) - 1} <= positions
    assert dead_letters


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    attributes=st.dictionaries(
        st.sampled_from(
            [
                "mtime",
                "rsvp_count",
                "group_id",
                "a_text",
                "a_map",
                "a_list",
                "a_number_set",
                "group_lon",
                "more",
                "INTs",
            ]
        )
        | st.text(max_size=9),
        values.map(encode) | st.sampled_from([*MULTIPLE.values()]),
        max_size=6,
    )
)
def test_any_item_gives_correct_rows_or_dead_letters(attributes):
    check_all(insert({"meetup_id": {"S": "a"}}, {"mtime": {"N": "1719082124026"}, **attributes}), Counter())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["dynamodb", "Keys", "NewImage", "OldImage", "S", "N", "M", "L", "eventName"])
            | st.text(st.characters(), max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=json_values, path=st.lists(st.sampled_from(["dynamodb", "NewImage", "a_map", "M"]), max_size=4))
def test_any_json_in_any_place_gives_correct_rows_or_dead_letters(record, path):
    whole = deepcopy(SAMPLES[0])
    here = whole
    for step in path[:-1]:
        here = here.setdefault(step, {})
        if not isinstance(here, dict):
            return
    if path:
        here[path[-1]] = record
    check_all(whole if path else record, Counter())


SHAPES = {"list": ("[", "]"), "object": ('{"a":', "}"), "L": ('{"L":[', "]}"), "M": ('{"M":{"a":', "}}")}
PLACES = ('"NewImage": {', '"Keys": {', '"dynamodb": {', '"meetup_id": {', "{")


@pytest.mark.parametrize("depth", [10, 31, 32, 33, 100, 499, 990, 1100, 2400, 4900, 9900, 50_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_extremely_nested_json_that_the_runtime_can_parse_is_a_dead_letter(shape, depth):
    opening, closing = SHAPES[shape]
    nested = opening * depth + "1" + closing * depth
    sample = json.dumps(SAMPLES[0])
    for place in PLACES:
        assert place in sample
        text = sample.replace(place, f'{place}"nested": {nested}, ', 1)
        try:
            record = json.loads(text)
        except RecursionError:
            continue  # the runtime's own parser refuses it, before the function's code
        check_all(record, Counter())


@pytest.mark.parametrize(
    "attribute",
    [
        {"S": "\x01" * 400_000},
        {"S": "\U0001f600" * 100_000},
        {"S": '"' * 400_000},
        {"S": "[" * 400_000},
        {"S": '{"a":' * 80_000},
        {"S": "9" * 400_000},
        {"S": "[" + "9" * 399_998 + "]"},
        {"N": "9" * 400_000},
        {"N": "1e" + "9" * 400_000},
        {"N": "0." + "0" * 400_000},
        {"B": "A" * 400_000},
        {"B": "=" * 400_000},
        {"L": [{"NULL": True}] * 100_000},
        {"L": [{"L": []}] * 100_000},
        {"M": {str(number): {"N": "1"} for number in range(60_000)}},
        {"M": {"x" * 300_000: {"N": "1"}}},
        {"NS": [str(number) for number in range(60_000)]},
        {"SS": [f"{number:06d}" for number in range(60_000)]},
    ],
    ids=lambda attribute: next(iter(attribute)) + " " + str(attribute)[6:18].strip(),
)
def test_an_extremely_large_value_is_a_row_or_a_dead_letter_in_every_column(attribute):
    for name in ("a_text", "a_number", "a_map", "STRINGs", "x"):
        record = deepcopy(SAMPLES[-1])
        record["dynamodb"]["NewImage"][name] = attribute
        check_all(record, Counter())


@pytest.mark.parametrize("bad", ["\ud800", "a\ud83d", "\udc00\ud800"])
def test_half_a_surrogate_pair_anywhere_is_a_dead_letter_or_not_in_the_row(bad):
    sample = SAMPLES[-1]
    for number, path in enumerate(_strings(sample, ())):
        record = deepcopy(sample)
        here = record
        for step in path[:-1]:
            here = here[step]
        if number % 2:
            here[path[-1]] = bad
        elif isinstance(here, dict):
            here[bad] = here.pop(path[-1])
        check_all(record, Counter())


def _strings(value, path):
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in pairs:
        if isinstance(item, str):
            yield (*path, step)
        yield from _strings(item, (*path, step))


@pytest.mark.parametrize(
    "time", [1e308, -1e308, float("inf"), float("-inf"), float("nan"), 10**400, -(10**400), 5e-324, True, "1", [], {}]
)
def test_an_invalid_time_is_a_dead_letter(time):
    counts = Counter()
    record = deepcopy(SAMPLES[0])
    record["dynamodb"]["ApproximateCreationDateTime"] = time
    check_all(record, counts)
    assert counts == {"dead letter: malformed": len(GROUPS)}


def test_the_tables_of_this_suite_have_every_kind_of_column():
    types = {data_type for _, upsert in GROUPS[0] for data_type in upsert.columns.values()}
    assert types == {
        *("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN", "TIMESTAMP", "STRING", "JSON", "BYTES"),
    }
    assert [table.name for table, _ in GROUPS[0]] == ["pinot_dynamo_ingestion", "every_type", "wide", "keeping"]
    assert tuple(GROUPS[0]) == (SHIPPED, EVERY_TYPE, WIDE, KEEPING)
