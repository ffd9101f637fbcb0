"""Whatever an item's writer makes larger, the work grows with it in proportion, and never with its square.

Each kind of value is made of four sizes, each twice as large as the one before. The work is counted, not timed: see
``work.py``. Sorting is allowed.
"""

from __future__ import annotations

import base64
import io
import json
from contextlib import redirect_stdout
from itertools import pairwise
from random import Random
from types import SimpleNamespace

import pytest
from aws_lambda_powertools.metrics import Metrics

from changes import insert, modify, remove
from decoder.attribute import decode
from decoder.errors import ChangeError
from decoder.records import RawRecords
from files import CONFIG, SCHEMA, table, with_setting
from handlers.planner import Account, Planner
from handlers.relay import relay
from handlers.telemetry import NAMESPACE, log_report, measure
from kinesis_fake import FakeKinesis
from limits.work import NUMBERS, SCALAR_CLASSES, counting, work_of
from pinot.typed import row
from publisher.order import publish

pytestmark = pytest.mark.no_cover  # coverage's own trace function is replaced while work is counted

MAX_BYTES = 10 * 1024 * 1024
# Twice the size is twice the work, and what sorting adds to that. Four times would be a square.
MOST = 2.5
NOISE = 150  # lines that happen to be run with one size and not with another

MERSENNE = 2**61 - 1  # the modulus of Python's hashes of numbers: its multiples all have the same hash


def _tables():
    single = ("LONG", "DOUBLE", "BIG_DECIMAL", "BYTES", "JSON", "STRING")
    columns = [{"name": f"one_{each}", "dataType": each} for each in single]
    columns += [
        {"name": f"many_{each}", "dataType": each, "singleValueField": False}
        for each in ("LONG", "DOUBLE", "STRING", "TIMESTAMP")
    ]
    columns.append({"name": "time", "dataType": "TIMESTAMP"})
    columns.append({"name": "inside", "dataType": "STRING"})
    unlimited = [
        {**each, "maxLength": 10**7} if each["dataType"] in ("STRING", "BYTES", "JSON") else each for each in columns
    ]
    schema = {**SCHEMA, "dimensionFieldSpecs": [*SCHEMA["dimensionFieldSpecs"], *unlimited]}
    yield table(schema, CONFIG, {"columns": {"inside": "one_JSON.k1[0]"}})
    rest = {**SCHEMA, "dimensionFieldSpecs": [*SCHEMA["dimensionFieldSpecs"], {"name": "rest", "dataType": "JSON"}]}
    source = {"columns": {"rest": "$rest"}, "when": {"any": [{"many_LONG": {"exists": False}}, {"one_STRING": "x"}]}}
    yield table(rest, with_setting(CONFIG, "tableName", "rest"), source)


TABLES = tuple(_tables())


# What a writer can make larger: the smallest of the four sizes, and the attributes of an item of a size.


def numbers(count):
    return [str(number) for number in range(1, count + 1)]


def colliding(count):
    return [str(number * MERSENNE) for number in range(1, count + 1)]


def texts(count):
    return [f"t{number:07d}" for number in range(count)]


def binaries(count):
    return [base64.b64encode(number.to_bytes(4, "big")).decode() for number in range(count)]


def nested(levels, attribute, wrap):
    for _ in range(levels):
        attribute = wrap(attribute)
    return attribute


def every(tag, payload, *columns):
    """The same value in the columns named, in the columns of other types, and in an attribute without a column."""
    return {name: {tag: payload} for name in (*columns, "one_JSON", "unmapped")}


NUMBER_COLUMNS = ("one_LONG", "one_DOUBLE", "one_BIG_DECIMAL")


EXACT_COLUMNS = ("one_BIG_DECIMAL", "one_STRING", "one_DOUBLE")


def every_number(text, columns=NUMBER_COLUMNS):
    """A number's text, each in an item of its own: the first that is none would hide the others."""
    return [{name: {"N": text}} for name in (*columns, "one_JSON", "unmapped")]


def every_list(attributes):
    return [{name: {"L": attributes}} for name in MANY]


def every_set(tag, members):
    return [{name: {tag: members}} for name in MANY]


MANY = (
    *(f"many_{each}" for each in ("LONG", "DOUBLE", "STRING", "TIMESTAMP")),
    *("one_JSON", "unmapped"),
)
LONG_TEXT = 2_000
KINDS = {
    # Names and their number.
    "attributes without a column": (70, lambda n: {f"x{i}": {"S": "v"} for i in range(n)}),
    "the name of an attribute": (6_000, lambda n: {"x" * n: {"S": "v"}}),
    "the name of an attribute, to be escaped": (6_000, lambda n: {'"' * n: {"S": "v"}}),
    "a name inside a document": (6_000, lambda n: every("M", {"k" * n: {"N": "1"}})),
    "a name on the path to a mistake": (6_000, lambda n: every("M", {'"' * n: {"N": "x"}})),
    # Texts.
    "plain text": (LONG_TEXT, lambda n: every("S", "x" * n, "one_STRING")),
    "text to be escaped": (LONG_TEXT // 4, lambda n: every("S", '"\\\n\x01' * n, "one_STRING")),
    "quotation marks": (LONG_TEXT, lambda n: every("S", '"' * n, "one_STRING")),
    "backslashes": (LONG_TEXT, lambda n: every("S", "\\" * n, "one_STRING")),
    "spaces": (LONG_TEXT, lambda n: every("S", " " * n, "one_STRING", "time")),
    "characters beyond the BMP": (LONG_TEXT // 4, lambda n: every("S", "\U0001f600" * n, "one_STRING")),
    "text with NUL at its end": (LONG_TEXT, lambda n: every("S", "x" * n + "\0", "one_STRING")),
    "a time with many digits": (LONG_TEXT, lambda n: {"time": {"S": f"2024-06-22T10:00:00.{'1' * n}Z"}}),
    "a time that never ends": (LONG_TEXT, lambda n: {"time": {"S": "2024-06-22T10:00:00" * n}}),
    # Texts that are JSON documents, and nearly.
    "a document's text of numbers": (50, lambda n: every("S", json.dumps(list(range(n))))),
    "a document's text of names": (50, lambda n: every("S", json.dumps({f"k{i}": i for i in range(n)}))),
    "a document's text of one name": (50, lambda n: every("S", "{" + ",".join(['"k":1'] * n) + "}")),
    "a document's text of escapes": (50, lambda n: every("S", json.dumps(['\\"' * n, '"' * n]))),
    "a document's text of spaces": (500, lambda n: every("S", f'{{"a"{" " * n}:{" " * n}[{" " * n}1]}}')),
    "a document's text of brackets": (50, lambda n: every("S", "[" * n + "]" * n)),
    "a document's text of a long number": (500, lambda n: every("S", f"[{'1' * n}]")),
    "a document's text of a long exponent": (100, lambda n: every("S", f"[1E{'0' * n}1]")),
    "a document's text that is cut off": (500, lambda n: every("S", '{"a":"' + '\\"' * n)),
    # Numbers, and text in their place.
    "the digits of a number": (4, lambda n: every_number("1" * n, EXACT_COLUMNS)),
    "the digits of a fraction": (2, lambda n: every_number(f"0.{'1' * n}", EXACT_COLUMNS)),
    "digits without end": (LONG_TEXT, lambda n: every_number("1" * n)),
    "zeros before a number": (LONG_TEXT, lambda n: every_number("0" * n + "1")),
    "zeros behind a number": (LONG_TEXT, lambda n: every_number("1" + "0" * n)),
    "zeros behind a fraction": (LONG_TEXT, lambda n: every_number("0." + "0" * n)),
    "digits that are no number": (LONG_TEXT, lambda n: every_number("1" * n + "x")),
    "a fraction that is no number": (LONG_TEXT, lambda n: every_number("0." + "10" * n + "x")),
    "an exponent's digits": (LONG_TEXT, lambda n: every_number(f"1E{'0' * n}1")),
    "an exponent without end": (LONG_TEXT, lambda n: every_number(f"1E-{'1' * n}")),
    "signs": (LONG_TEXT, lambda n: every_number("-" * n + "1")),
    "spaces for a number": (LONG_TEXT, lambda n: every_number(" " * n)),
    # Binary.
    "binary": (LONG_TEXT, lambda n: every("B", base64.b64encode(bytes(n)).decode(), "one_BYTES")),
    "text that is no base64": (LONG_TEXT, lambda n: every("B", "=" * n, "one_BYTES")),
    # Depth and width.
    "the depth of maps": (4, lambda n: every("M", nested(n, {"N": "1"}, lambda inner: {"M": {"k1": inner}})["M"])),
    "the depth of lists": (4, lambda n: every("L", nested(n, {"N": "1"}, lambda inner: {"L": [inner]})["L"])),
    "the depth of a mistake": (
        4,
        lambda n: every("M", nested(n, {"N": "x"}, lambda inner: {"M": {"k" * 200: inner}})["M"]),
    ),
    "the width of a map": (30, lambda n: every("M", {f"k{i}": {"N": str(i)} for i in range(n)})),
    "the width of a map of maps": (20, lambda n: every("M", {f"k{i}": {"M": {"a": {"L": []}}} for i in range(n)})),
    "a list of numbers": (12, lambda n: every_list([{"N": each} for each in numbers(n)])),
    "a list of numbers with exponents": (12, lambda n: every_list([{"N": f"{each}E0"} for each in numbers(n)])),
    "a list of texts": (12, lambda n: every_list([{"S": each} for each in texts(n)])),
    "a list of texts outside of ASCII": (12, lambda n: every_list([{"S": f"é{each}"} for each in texts(n)])),
    "a list of binaries": (12, lambda n: every_list([{"B": each} for each in binaries(n)])),
    "a list whose last member does not fit": (12, lambda n: every_list([*[{"N": "1"}] * n, {"BOOL": True}])),
    "a list whose last member is no value": (12, lambda n: every_list([*[{"N": "1"}] * n, {"Q": 1}])),
    "a list of nulls": (12, lambda n: every_list([{"NULL": True}] * n)),
    # Sets.
    "a set of texts": (12, lambda n: every_set("SS", texts(n))),
    "a set of texts outside of ASCII": (12, lambda n: every_set("SS", [f"é{each}" for each in texts(n)])),
    "a set of numbers": (12, lambda n: every_set("NS", numbers(n))),
    "a set of numbers backwards": (12, lambda n: every_set("NS", numbers(n)[::-1])),
    "a set of numbers of one hash": (12, lambda n: every_set("NS", colliding(n))),
    "a set of binaries": (12, lambda n: every_set("BS", binaries(n))),
    "a set with a member twice": (12, lambda n: every_set("NS", [*numbers(n), "1.0"])),
    "a set whose last member is no number": (12, lambda n: every_set("NS", [*numbers(n), "x"])),
}


def images(made):
    return made if isinstance(made, list) else [made]


def raw_records(records):
    event = json.dumps({"Records": records}, separators=(",", ":")).encode()
    return RawRecords.of(event, json.loads)


def run(planner, records):
    account = Account(records=raw_records(records))
    rows = list(planner.rows(account))
    return rows, [dead_letter.entry() for dead_letter in account.dead_letters]


def rows_of(made, planner):
    """Return a call that makes the rows of items, by a planner that has learned from them before."""
    keys = {"id": {"S": "a"}}
    records = [modify(keys, image, image) for image in images(made)]
    run(planner, records)
    return lambda: run(planner, records)


def values_of(made):
    """Return a call that decodes every value of items."""

    def call():
        for image in images(made):
            for attribute in image.values():
                try:
                    decode(attribute)
                except ChangeError as error:
                    str(error)

    return call


def check_growth(smallest, call_of, classes):
    works = []
    for factor in (1, 2, 4, 8):
        call = call_of(smallest * factor)
        with counting(classes):
            works.append(work_of(call))
    _, second, third = (after - before for before, after in pairwise(works))
    assert third <= max(second, 0) * MOST + NOISE, works


@pytest.mark.parametrize("path", ["exact", "typed"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_work_of_a_row_grows_with_its_item(kind, path):
    smallest, make = KINDS[kind]
    planner = Planner(TABLES, max_record_bytes=MAX_BYTES, is_typed=path == "typed")
    check_growth(smallest, lambda size: rows_of(make(size), planner), NUMBERS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_work_of_a_value_grows_with_it(kind):
    smallest, make = KINDS[kind]
    check_growth(smallest, lambda size: values_of(make(size)), SCALAR_CLASSES)


# Batches, from the event to the log and the metrics.


def key(number):
    return {"id": {"S": f"item-{number:06d}"}}


BATCHES = {
    "changes": (15, lambda n: [insert(key(i), {"name": {"S": "x"}}) for i in range(n)]),
    "changes of one item": (15, lambda n: [insert(key(0), {"name": {"S": f"{i}"}}) for i in range(n)]),
    "changes of a long key": (256, lambda n: [insert({"id": {"S": "k" * n}}, {"name": {"S": "x"}})] * 20),
    "dead letters": (40, lambda n: [insert(key(i), {"price": {"S": "x"}}) for i in range(n)]),
    "records that are no changes": (15, lambda n: [{"x": i} for i in range(n)]),
    "deletes without a last value": (15, lambda n: [remove(key(i), {"price": {"S": "x"}}) for i in range(n)]),
    "a delete of a wide item": (20, lambda n: [remove(key(0), each) for each in every_set("NS", colliding(n))]),
    "attributes that are new in each change": (
        20,
        lambda n: [insert(key(i), {f"x{i}": {"S": "x"}}) for i in range(n)],
    ),
}


def relayed(records):
    """Return a call that handles an event as the function does. The stream, the bucket and the logger take anything.

    What the logger's library does with a line would hide what the function does for one.
    """
    planner = Planner(TABLES, max_record_bytes=MAX_BYTES)
    stream = FakeKinesis(Random(1))
    logger = SimpleNamespace(**dict.fromkeys(("info", "warning", "error"), lambda *_, **__: None))
    metrics = Metrics(namespace=NAMESPACE, service="test")

    def call():
        report = relay(
            {"Records": raw_records(records)},
            planner,
            publish=lambda _, entries: publish(
                list(entries), stream.send, remaining=lambda: 60.0, sleep=lambda _: None, jitter=lambda: 0.5
            ),
            store=lambda _: (None, None),
        )
        with redirect_stdout(io.StringIO()):
            measure(metrics, report, now_ms=0)
            metrics.flush_metrics()
        log_report(logger, report, set())

    return call


@pytest.mark.parametrize("kind", BATCHES)
def test_the_work_of_a_batch_grows_with_it(kind, monkeypatch):
    monkeypatch.setattr(row, "MAX_UNMAPPED", 8)
    smallest, make = BATCHES[kind]
    check_growth(smallest, lambda size: relayed(make(size)), NUMBERS)
