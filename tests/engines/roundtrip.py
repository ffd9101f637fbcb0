"""The value that Pinot must show for a value in DynamoDB, by ``docs/mapping.md``, and a comparison with the real one.

Written independently of ``src/pinot/values.py``: it starts from the Python value, not from its encoding.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from changes import insert
from decoder.errors import ChangeError
from decoder.record import decode_record
from engines.feed import COMPLETE, INDEXED
from engines.pinot_engine import EngineError
from files import SCHEMA, table, with_column
from strategies import encode

SINGLE = ("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN", "TIMESTAMP", "STRING", "JSON", "BYTES")
MULTIPLE = ("INT", "LONG", "FLOAT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "STRING")  # BYTES: see test_pinot_values.py
FLOAT_MAX = Decimal("3.4028235E38")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _date_time(name, data_type, text):
    return {"name": name, "dataType": data_type, "format": text, "granularity": "1:MILLISECONDS"}


DIMENSIONS = (
    *({"name": f"one_{name}", "dataType": name} for name in SINGLE),
    *({"name": f"several_{name}", "dataType": name, "singleValueField": False} for name in MULTIPLE),
    {"name": "short", "dataType": "STRING", "maxLength": 5},
    {"name": "short_or_error", "dataType": "STRING", "maxLength": 5, "maxLengthExceedStrategy": "ERROR"},
    {
        "name": "short_or_default",
        "dataType": "STRING",
        "maxLength": 5,
        "maxLengthExceedStrategy": "SUBSTITUTE_DEFAULT_VALUE",
    },
    {"name": "unlimited", "dataType": "STRING", "maxLength": 5, "maxLengthExceedStrategy": "NO_ACTION"},
    {"name": "several_short", "dataType": "STRING", "maxLength": 5, "singleValueField": False},
    {"name": "short_json", "dataType": "JSON", "maxLength": 20, "maxLengthExceedStrategy": "TRIM_LENGTH"},
    {"name": "short_bytes", "dataType": "BYTES", "maxLength": 4, "maxLengthExceedStrategy": "TRIM_LENGTH"},
)
METRICS = tuple(
    {"name": f"metric_{name}", "dataType": name} for name in ("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BYTES")
)
DATE_TIMES = (
    _date_time("a_time", "TIMESTAMP", "TIMESTAMP"),
    _date_time("an_old_time", "TIMESTAMP", "1:MILLISECONDS:TIMESTAMP"),
    _date_time("seconds", "LONG", "EPOCH|SECONDS"),
    _date_time("milliseconds", "LONG", "1:MILLISECONDS:EPOCH"),
    _date_time("days", "INT", "EPOCH|DAYS"),
    _date_time("a_date", "STRING", "SIMPLE_DATE_FORMAT|yyyy-MM-dd"),
    _date_time("a_text_time", "STRING", "TIMESTAMP"),
)
COLUMNS = {spec["name"]: spec for spec in (*DIMENSIONS, *METRICS, *DATE_TIMES)}
EVERY_COLUMN = SCHEMA | {
    "dimensionFieldSpecs": [*SCHEMA["dimensionFieldSpecs"], *DIMENSIONS],
    "metricFieldSpecs": [*SCHEMA["metricFieldSpecs"], *METRICS],
    "dateTimeFieldSpecs": [*SCHEMA["dateTimeFieldSpecs"], *DATE_TIMES],
}
TABLE = table(EVERY_COLUMN, COMPLETE)


def schema_with(spec):
    """The small valid schema with one more column."""
    return with_column(spec["name"], spec["dataType"], **{key: spec[key] for key in spec.keys() - {"name", "dataType"}})


def truth(spec, value):
    """Return what Pinot must show in a column for a value, None for null."""
    if value is None:
        return None
    if not spec.get("singleValueField", True):
        members = sorted(value) if isinstance(value, frozenset) else value
        return [_TRUTH[spec["dataType"]](member) for member in members] or None
    return _TRUTH[spec["dataType"]](value)


def parse_document(text):
    """Parse JSON so that two texts are equal only with the same content: every digit, every entry of an object."""
    return json.loads(
        text, parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_as_object
    )


def nearest_float(number):
    """Return the nearest 32-bit number, of two the even one. If there is none, return a value that equals nothing."""
    size = number.copy_abs()  # abs() would round it
    if size > FLOAT_MAX:
        return float("nan")
    near = struct.unpack("<I", struct.pack("<f", float(size)))[0]  # off by at most one: it was rounded twice
    floats = {bits: struct.unpack("<f", struct.pack("<I", bits))[0] for bits in (max(near - 1, 0), near, near + 1)}
    finite = [bits for bits, each in floats.items() if each < float("inf")]
    best = min(finite, key=lambda bits: (abs(Fraction(floats[bits]) - Fraction(size)), bits & 1))
    return floats[best] if number >= 0 else -floats[best]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The row of one value in one column. Its key is its position among the rows sent with it."""

    spec: dict[str, Any]
    value: Any
    data: bytes

    def __str__(self):
        return f"{self.spec['name']} {self.value!r:.200}"


def sent_rows(values, of=TABLE):
    """Put each value into each column, one row each, and leave out those that become dead letters."""
    sent = []
    for value in values:
        attribute = encode(value)
        for spec in COLUMNS.values():
            change = decode_record(insert({"id": {"S": str(len(sent))}}, {spec["name"]: attribute}, sequence=1))
            try:
                sent += [Sent(spec=spec, value=value, data=row.data) for row in of.rows(change)]
            except ChangeError:
                continue
    return sent


def differences(pinot, values, of=TABLE):
    """Put each value into each column, and list outcomes that are neither a dead letter nor the same value.

    It checks the rows of the consuming segment, and again once that is committed.
    """
    sent = sent_rows(values, of)
    with pinot.table(EVERY_COLUMN, COMPLETE) as consumer:
        outcomes = zip(sent, consumer.ingest(each.data for each in sent), strict=True)
        found = [f"{each}: {outcome}" for each, outcome in outcomes if outcome != INDEXED]
        found += _wrong("consuming", sent, consumer.live())
        try:
            consumer.commit()
        except EngineError as error:
            return [*found, f"not committed: {error}"]
        return [*found, *_wrong("committed", sent, consumer.live())]


def _wrong(phase, sent, live):
    shown = {int(row["id"]): row for row in live}
    for number, each in enumerate(sent):
        row, name = shown.get(number), each.spec["name"]
        if row is None:
            yield f"{each}: no {phase} row"
            continue
        if each.spec["dataType"] == "JSON" and row[name] is not None:
            row[name] = parse_document(row[name])
        expected = dict.fromkeys(row) | {"id": row["id"], "deleted": False, "changed": row["changed"]}
        expected[name] = truth(each.spec, each.value)
        if row[name] == each.value and each.spec["dataType"] == "JSON":
            expected[name] = each.value  # text as a JSON string: JSON that Pinot's parser refuses is not a document
        if row != expected or type(row[name]) is not type(expected[name]):
            yield f"{each}: {phase} as {row[name]!r:.200}"


def _text_of_number(number):
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _milliseconds(value):
    if isinstance(value, Decimal):
        return int(value)
    return (datetime.fromisoformat(value.upper()) - EPOCH) // timedelta(milliseconds=1)


def _document(value):
    if isinstance(value, str):
        try:
            parsed = parse_document(value)
        except (ValueError, RecursionError):
            return value
        return parsed if isinstance(parsed, list | tuple) else value
    if isinstance(value, dict):
        return _as_object((name, _plain(item)) for name, item in value.items())
    return _plain(value)


def _plain(value):
    match value:
        case bytes():
            return b64encode(value).decode()
        case list():
            return [_plain(item) for item in value]
        case frozenset():
            return [_plain(item) for item in sorted(value)]
        case dict():
            return _as_object((name, _plain(item)) for name, item in value.items())
    return value


def _as_object(entries):
    return ("object", sorted(entries, key=lambda entry: entry[0]))


def _refuse(constant):
    raise ValueError(constant)


_TRUTH = {
    "INT": int,
    "LONG": int,
    "FLOAT": nearest_float,
    "DOUBLE": float,
    "BIG_DECIMAL": lambda value: value,
    "BOOLEAN": lambda value: value,
    "TIMESTAMP": _milliseconds,
    "STRING": lambda value: (
        value
        if isinstance(value, str)
        else _text_of_number(value)
        if isinstance(value, Decimal)
        else str(value).lower()
    ),
    "JSON": _document,
    "BYTES": lambda value: value,
}
