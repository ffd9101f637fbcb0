"""The measured shapes of items, each with its Pinot table.

A shape's n-th change is the same in every run and every process. The columns that the change itself fills have the
seed's names in the tables of all shapes: ``eventName``, ``is_delete`` and ``ApproximateCreationDateTime``.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias
from uuid import UUID

from dynapinot.defaults import DEMO_TABLES
from handlers.catalog import CONFIG, SCHEMA, SOURCE

Record: TypeAlias = dict[str, Any]  # of a Lambda event
Image: TypeAlias = dict[str, Any]  # attribute name -> attribute value
Item: TypeAlias = dict[str, Any]  # attribute name -> Python value, as a decoder made it
Dumps: TypeAlias = Callable[[object], str]
Finish: TypeAlias = Callable[[Item, Dumps], Item]

SEED_TABLE: Final = "pinot_dynamo_ingestion"
BATCH: Final = 1_000
LARGE_BATCH: Final = 500  # of items so large that 1,000 changes do not fit an event's 6 MB

_SECOND: Final = 1_719_082_124  # of the seed's sample record
_WORDS: Final = (
    *("amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "harbor"),
    *("indigo", "juniper", "Köln", "lagoon", "meadow", "nimbus", "Øresund"),
)


def _as_is(item: Item, _: Dumps) -> Item:
    return item


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of change, and the Pinot table it is for.

    ``change`` makes the n-th record. ``batch`` is the size of the measured batch, unless the effort limits it. ``key``
    names the attributes to partition the stream by. ``finish`` makes the row of a decoded item, as somebody who knows
    the table would by hand: it takes values out of maps and writes JSON columns as text.
    """

    name: str
    what: str
    schema: Mapping[str, Any]
    config: Mapping[str, Any]
    change: Callable[[int], Record]
    key: tuple[str, ...]
    source: str = ""
    batch: int = BATCH
    finish: Finish = field(default=_as_is)

    @property
    def stream(self) -> str:
        """The Kinesis stream that the table consumes."""
        (stream,) = self.config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"]
        return str(stream["stream.kinesis.topic.name"])

    def records(self, count: int) -> list[Record]:
        """Make the first changes."""
        return [self.change(number) for number in range(count)]

    def event(self, count: int) -> bytes:
        """Return a Lambda event of the first changes, in Lambda's format, without blanks."""
        return json.dumps({"Records": self.records(count)}, separators=(",", ":")).encode()

    def write(self, folder: Path) -> Path:
        """Write the table's files below a folder in the function's layout; return the folder."""
        here = folder / self.name
        here.mkdir(parents=True, exist_ok=True)
        (here / SCHEMA).write_text(json.dumps(self.schema), encoding="utf-8")
        (here / CONFIG).write_text(json.dumps(self.config), encoding="utf-8")
        if self.source:
            (here / SOURCE).write_text(self.source, encoding="utf-8")
        return folder


# A change record, around its images.


def _record(
    number: int, name: str, keys: Sequence[str], *, new: Image | None = None, old: Image | None = None
) -> Record:
    image = new or old or {}
    inner: dict[str, Any] = {
        "ApproximateCreationDateTime": _SECOND + number // 100,
        "Keys": {key: image[key] for key in keys},
        "SequenceNumber": f"{100000000000000000000 + number * 7}",
        "SizeBytes": 200,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if new is not None:
        inner["NewImage"] = new
    if old is not None:
        inner["OldImage"] = old
    return {
        "eventID": f"{number:032x}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": inner,
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/bench/stream/2024-06-22T18:00:00.000",
    }


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _text(random: Random, words: int) -> str:
    return " ".join(random.choice(_WORDS) for _ in range(words))


def _decimal(random: Random, whole: int, places: int) -> str:
    """Return a number without a trailing zero, so that all contenders write the same text."""
    digits = f"{random.randrange(10 ** (places - 1)):0{places - 1}d}{random.randrange(1, 10)}"
    return f"{random.randrange(-whole, whole)}.{digits}"


# The tables: what all of them have, besides their own columns.

_CHANGE_FIELDS: Final = (
    {"name": "eventName", "dataType": "STRING"},
    {"name": "is_delete", "dataType": "BOOLEAN"},
)
_TIME_FIELD: Final = {
    "name": "ApproximateCreationDateTime",
    "dataType": "TIMESTAMP",
    "format": "TIMESTAMP",
    "granularity": "1:MILLISECONDS",
}


def _schema(name: str, fields: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "schemaName": name,
        "enableColumnBasedNullHandling": True,
        "primaryKeyColumns": ["id"],
        "dimensionFieldSpecs": [
            {"name": "id", "dataType": "STRING"},
            *_CHANGE_FIELDS,
            *(each for each in fields if "format" not in each),
        ],
        "dateTimeFieldSpecs": [_TIME_FIELD, *(each for each in fields if "format" in each)],
    }


def _config(name: str) -> Mapping[str, Any]:
    time = _TIME_FIELD["name"]
    stream = {
        "streamType": "kinesis",
        "stream.kinesis.topic.name": f"{name}-stream",
        "region": "us-east-1",
        "stream.kinesis.decoder.class.name": "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
    }
    return {
        "tableName": name,
        "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": time},
        "tableIndexConfig": {},
        "routing": {"instanceSelectorType": "strictReplicaGroup"},
        "ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [stream]}},
        "upsertConfig": {
            "mode": "FULL",
            "deleteRecordColumn": "is_delete",
            "comparisonColumns": [time],
            "consistencyMode": "SYNC",
        },
    }


# The seed's meetups

_MEETUP_KEY: Final = ("meetup_id", "mtime")


def _meetup(random: Random, meetup_id: str, mtime: int) -> Image:
    return {
        "meetup_id": {"S": meetup_id},
        "mtime": {"N": str(mtime)},
        "meetup_name": {"S": f"Meetup {random.randrange(1, 11)}"},
        "venue_name": {"S": f"Venue {random.randrange(1, 6)}"},
        "group_id": {"N": str(random.randrange(1_000, 10_000))},
        "group_name": {"S": f"Group {random.randrange(1, 11)}"},
        "group_city": {"S": random.choice(("Berlin", "London", "New York", "Paris", "San Francisco"))},
        "group_country": {"S": random.choice(("France", "Germany", "UK", "USA"))},
        "group_lat": {"N": _decimal(random, 90, 6)},
        "group_lon": {"N": _decimal(random, 180, 6)},
        "rsvp_count": {"N": str(random.randrange(1, 101))},
    }


def _meetup_change(number: int, name: str, *, item: int) -> Record:
    random = Random(f"meetup {item}")
    key = _uuid(random), _SECOND * 1_000 - random.randrange(10**9)
    old, new = (_meetup(Random(f"meetup change {number + each}"), *key) for each in (0, 1))
    return _record(number, name, _MEETUP_KEY, old=old, new=None if name == "REMOVE" else new)


def _seed_files() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    folder = DEMO_TABLES / SEED_TABLE
    schema, config = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (SCHEMA, CONFIG))
    return schema, config


_SEED_SCHEMA, _SEED_CONFIG = _seed_files()


def _finish_delete(item: Item, _: Dumps) -> Item:
    """Leave out the inputs of Pinot's expressions, which a delete's row does not have."""
    return {name: value for name, value in item.items() if name not in ("group_lat", "group_lon")}


SEED: Final = Shape(
    name="seed",
    what="the seed's record: 11 attributes, an update with both images",
    schema=_SEED_SCHEMA,
    config=_SEED_CONFIG,
    change=lambda number: _meetup_change(number, "MODIFY", item=number),
    key=_MEETUP_KEY,
)
HOT: Final = Shape(
    name="hot",
    what="a hot key: every change is of the same item of the seed's",
    schema=_SEED_SCHEMA,
    config=_SEED_CONFIG,
    change=lambda number: _meetup_change(number, "MODIFY", item=0),
    key=_MEETUP_KEY,
)
DELETES: Final = Shape(
    name="deletes",
    what="deletes of the seed's items, with the old image",
    schema=_SEED_SCHEMA,
    config=_SEED_CONFIG,
    change=lambda number: _meetup_change(number, "REMOVE", item=number),
    key=_MEETUP_KEY,
    finish=_finish_delete,
)


# A wide item: how many attributes of each kind, the DynamoDB value, and the column that takes it.

_Make: TypeAlias = Callable[[Random], Mapping[str, Any]]


def _binary(random: Random) -> Mapping[str, Any]:
    return {"B": b64encode(random.randbytes(24)).decode()}


def _map(random: Random) -> Mapping[str, Any]:
    return {
        "M": {
            "label": {"S": _text(random, 2)},
            "weight": {"N": _decimal(random, 100, 3)},
            "active": {"BOOL": random.random() < 0.5},  # noqa: PLR2004  # one half
            "none": {"NULL": True},
        }
    }


def _number_set(random: Random) -> Mapping[str, Any]:
    return {"NS": [str(number) for number in random.sample(range(10_000), 4)]}


_WIDE: Final[Sequence[tuple[int, str, _Make, Mapping[str, Any]]]] = (
    (24, "text", lambda random: {"S": _text(random, 3)}, {"dataType": "STRING"}),
    (12, "count", lambda random: {"N": str(random.randrange(10**6))}, {"dataType": "INT"}),
    (8, "large", lambda random: {"N": str(random.randrange(10**15))}, {"dataType": "LONG"}),
    (12, "amount", lambda random: {"N": _decimal(random, 10_000, 2)}, {"dataType": "DOUBLE"}),
    (8, "flag", lambda random: {"BOOL": random.random() < 0.5}, {"dataType": "BOOLEAN"}),  # noqa: PLR2004
    (
        4,
        "moment",
        lambda random: {"N": str(_SECOND * 1_000 - random.randrange(10**9))},
        {"dataType": "TIMESTAMP", "format": "TIMESTAMP", "granularity": "1:MILLISECONDS"},
    ),
    (3, "tags", lambda random: {"SS": random.sample(_WORDS, 4)}, {"dataType": "STRING", "singleValueField": False}),
    (2, "numbers", _number_set, {"dataType": "LONG", "singleValueField": False}),
    (
        2,
        "steps",
        lambda random: {"L": [{"N": str(random.randrange(100))} for _ in range(4)]},
        {"dataType": "INT", "singleValueField": False},
    ),
    (2, "detail", _map, {"dataType": "JSON"}),
    (2, "digest", _binary, {"dataType": "BYTES"}),
)
WIDE_ATTRIBUTES: Final = 80  # the key among them


def _wide_names(kind: str, count: int) -> list[str]:
    return [f"{kind}_{index}" for index in range(count)]


def _wide_image(random: Random, item_id: str) -> Image:
    image: Image = {"id": {"S": item_id}}
    for count, kind, make, _ in _WIDE:
        image.update((name, make(random)) for name in _wide_names(kind, count))
    return image


def _wide_change(number: int) -> Record:
    item_id = _uuid(Random(f"wide {number}"))
    old, new = (_wide_image(Random(f"wide change {number + each}"), item_id) for each in (0, 1))
    return _record(number, "MODIFY", ("id",), new=new, old=old)


def _finish_wide(item: Item, dumps: Dumps) -> Item:
    for name in _wide_names("detail", 2):
        item[name] = dumps(item[name])
    for name in _wide_names("digest", 2):
        value = item[name]
        item[name] = (value if isinstance(value, bytes) else b64decode(value)).hex()
    return item


WIDE: Final = Shape(
    name="wide",
    what="a wide item: 80 attributes of all types",
    schema=_schema(
        "wide", [{"name": name, **spec} for count, kind, _, spec in _WIDE for name in _wide_names(kind, count)]
    ),
    config=_config("wide"),
    change=_wide_change,
    key=("id",),
    batch=LARGE_BATCH,
    finish=_finish_wide,
)


# A nested item: 4 KB of maps and lists, in JSON columns and picked apart by paths.

_LINES: Final = 17


def _line(random: Random) -> Image:
    return {
        "M": {
            "sku": {"S": f"SKU-{random.randrange(10**6):06d}"},
            "name": {"S": _text(random, 4)},
            "quantity": {"N": str(random.randrange(1, 10))},
            "price": {"N": _decimal(random, 1_000, 2)},
            "options": {"L": [{"S": random.choice(_WORDS)} for _ in range(3)]},
            "gift": {"BOOL": random.random() < 0.5},  # noqa: PLR2004
        }
    }


def _nested_image(random: Random, item_id: str) -> Image:
    return {
        "id": {"S": item_id},
        "customer": {
            "M": {
                "name": {"S": _text(random, 2)},
                "email": {"S": f"{random.choice(_WORDS)}@example.org"},
                "address": {
                    "M": {
                        "street": {"S": _text(random, 2)},
                        "city": {"S": random.choice(_WORDS)},
                        "position": {"M": {axis: {"N": _decimal(random, 90, 6)} for axis in ("lat", "lon")}},
                    }
                },
            }
        },
        "lines": {"L": [_line(random) for _ in range(_LINES)]},
        "totals": {"M": {part: {"N": _decimal(random, 10_000, 2)} for part in ("net", "tax", "gross")}},
        "history": {
            "L": [
                {"M": {"state": {"S": state}, "at": {"N": str(_SECOND - random.randrange(10**6))}}}
                for state in ("draft", "placed", "paid", "packed")
            ]
        },
        "status": {"S": random.choice(("placed", "paid", "packed"))},
    }


def _nested_change(number: int) -> Record:
    item_id = _uuid(Random(f"nested {number}"))
    old, new = (_nested_image(Random(f"nested change {number + each}"), item_id) for each in (0, 1))
    return _record(number, "MODIFY", ("id",), new=new, old=old)


_NESTED_JSON: Final = ("customer", "lines", "totals", "history")


def _finish_nested(item: Item, dumps: Dumps) -> Item:
    item["city"] = item["customer"]["address"]["city"]
    item["gross"] = item["totals"]["gross"]
    item["first_sku"] = item["lines"][0]["sku"]
    item["first_price"] = item["lines"][0]["price"]
    for name in _NESTED_JSON:
        item[name] = dumps(item[name])
    return item


NESTED: Final = Shape(
    name="nested",
    what="a nested item: 4 KB of maps and lists, as JSON columns and by paths",
    schema=_schema(
        "nested",
        [
            *({"name": name, "dataType": "JSON"} for name in _NESTED_JSON),
            {"name": "status", "dataType": "STRING"},
            {"name": "city", "dataType": "STRING"},
            {"name": "first_sku", "dataType": "STRING"},
            {"name": "first_price", "dataType": "DOUBLE"},
            {"name": "gross", "dataType": "DOUBLE"},
        ],
    ),
    config=_config("nested"),
    source=(
        '[columns]\ncity = "customer.address.city"\ngross = "totals.gross"\n'
        'first_sku = "lines[0].sku"\nfirst_price = "lines[0].price"\n'
    ),
    change=_nested_change,
    key=("id",),
    batch=LARGE_BATCH,
    finish=_finish_nested,
)


# A sparse item: a table of 60 columns for items of any kind, each with a few attributes.

SPARSE_COLUMNS: Final = 60
SPARSE_PRESENT: Final = 6  # the key among them


def _sparse_image(random: Random, item_id: str, present: Sequence[int]) -> Image:
    image: Image = {"id": {"S": item_id}}
    for column in present:
        image[f"field_{column:02d}"] = {"S": _text(random, 2)} if column % 2 else {"N": str(random.randrange(10**6))}
    return image


def _sparse_change(number: int) -> Record:
    random = Random(f"sparse {number}")
    item_id, present = _uuid(random), random.sample(range(1, SPARSE_COLUMNS), SPARSE_PRESENT - 1)
    old, new = (_sparse_image(Random(f"sparse change {number + each}"), item_id, present) for each in (0, 1))
    return _record(number, "MODIFY", ("id",), new=new, old=old)


SPARSE: Final = Shape(
    name="sparse",
    what="a sparse item: 6 attributes for a table of 60 columns",
    schema=_schema(
        "sparse",
        [
            {"name": f"field_{column:02d}", "dataType": "STRING" if column % 2 else "LONG"}
            for column in range(1, SPARSE_COLUMNS)
        ],
    ),
    config=_config("sparse"),
    change=_sparse_change,
    key=("id",),
)

SHAPES: Final[Mapping[str, Shape]] = {shape.name: shape for shape in (SEED, WIDE, NESTED, SPARSE, HOT, DELETES)}
