"""Kinds of DynamoDB tables: their keys and items, and the Pinot row of each item, by ``docs/mapping.md``.

Written independently of ``src``: a row here starts from DynamoDB's item, not from a change record.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from engines.feed import COMPLETE
from engines.pinot_engine import ROOT
from engines.roundtrip import parse_document, truth
from files import with_column

STREAM = "stream.kinesis.topic.name"


@dataclass(frozen=True, kw_only=True)
class LastChange:
    """An item's newest change, by the DynamoDB stream."""

    name: str
    time_ms: int
    number: str

    @property
    def version(self):
        return f"{self.time_ms:013d}-{self.number.zfill(40)}"


@dataclass(frozen=True, kw_only=True)
class PinotTable:
    """A Pinot table's files, and its expected rows.

    ``special`` returns the values of the columns that are not simply the attribute of their name, None for an item that
    has no row. The values are DynamoDB's. ``computed`` returns those that Pinot computes, as Pinot has them.
    """

    schema: dict[str, Any]
    config: dict[str, Any]
    source: str | None
    special: Callable[[dict[str, Any], LastChange], dict[str, Any] | None]
    computed: Callable[[dict[str, Any]], dict[str, Any]] = lambda _: {}

    @property
    def name(self):
        return self.config["tableName"]

    @property
    def stream(self):
        return self.config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"][0][STREAM]

    def row(self, item, change):
        """Return the row that Pinot must show for an item, with every column; None if it must show none."""
        special = self.special(item, change)
        if special is None:
            return None
        computed = self.computed(item)
        return {
            spec["name"]: computed[spec["name"]]
            if spec["name"] in computed
            else truth(spec, special.get(spec["name"], item.get(spec["name"])))
            for spec in self._specs()
        }

    def read(self, row):
        """Return a row as Pinot shows it, with its JSON parsed, to compare with :meth:`row`."""
        documents = [spec["name"] for spec in self._specs() if spec["dataType"] == "JSON"]
        return row | {name: parse_document(row[name]) for name in documents if row[name] is not None}

    def write(self, folder, stream):
        """Write the files, for a stream of another name."""
        folder.mkdir()
        config = json.loads(json.dumps(self.config))
        config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"][0][STREAM] = stream
        (folder / "schema.json").write_text(json.dumps(self.schema))
        (folder / "table.json").write_text(json.dumps(config))
        if self.source is not None:
            (folder / "source.toml").write_text(self.source)

    def _specs(self):
        return [spec for kind, specs in self.schema.items() if kind.endswith("FieldSpecs") for spec in specs]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A DynamoDB table and the Pinot tables it is replicated to; see :class:`engines.source_history.Writer`."""

    name: str
    dynamodb_table: str
    key_types: dict[str, str]  # the partition key first
    keys: tuple[dict[str, Any], ...]
    attributes: Callable[[dict[str, Any]], dict[str, Callable[[Any], dict[str, Any]]]]
    counters: tuple[str, ...]
    tables: tuple[PinotTable, ...]

    def __str__(self):
        return self.name


def python_value(attribute):
    """Convert an attribute value of the SDK to a Python value: a set to frozenset, a number to Decimal."""
    ((tag, value),) = attribute.items()
    match tag:
        case "N":
            return Decimal(value)
        case "NULL":
            return None
        case "L":
            return [python_value(member) for member in value]
        case "M":
            return python_item(value)
        case "SS" | "BS":
            return frozenset(value)
        case "NS":
            return frozenset(map(Decimal, value))
    return value


def python_item(item):
    return {name: python_value(attribute) for name, attribute in item.items()}


# --- attribute values -------------------------------------------------------------------------------------------


def text(random):
    alphabet = 'abc ÄßЖ漢"\\/\n\t\u2028😀0'
    return {"S": "".join(random.choices(alphabet, k=random.randrange(12)))}


def one_of(*values):
    return lambda random: random.choice(values)


def whole(first, last):
    return lambda random: {"N": str(random.randint(first, last))}


def decimal(random):
    return {"N": str(Decimal(random.randint(-(10**9), 10**9)).scaleb(-random.randrange(8)))}


def coordinate(greatest):
    return lambda random: {"N": f"{random.uniform(-greatest, greatest):.6f}"}


def long_number(random):
    """A number of 38 digits, anywhere in DynamoDB's range."""
    digits = random.randint(10**37, 10**38 - 1) * random.choice((1, -1))
    return {"N": str(Decimal(digits).scaleb(random.choice((0, -10, -38, 88, -167))))}


def binary(random):
    return {"B": random.randbytes(random.randrange(9))}


def boolean(random):
    return {"BOOL": random.random() < 0.5}


def several(tag, make):
    def values(random):
        members = {next(iter(make(random).values())) for _ in range(random.randint(1, 5))}
        return {tag: sorted(members)}

    return values


def numbers(random):
    return {"NS": sorted({str(random.randint(-99, 99)) for _ in range(random.randint(1, 5))})}


def document(random, depth=3):
    """Any value, also with lists and maps."""
    makers = [text, decimal, long_number, binary, boolean, one_of({"NULL": True}), numbers, several("BS", binary)]
    if depth:
        makers += [partial(listed, depth=depth - 1), partial(mapped, depth=depth - 1)] * 3
    return random.choice(makers)(random)


def listed(random, depth=2):
    return {"L": [document(random, depth) for _ in range(random.randrange(4))]}


def mapped(random, depth=2):
    names = random.sample(["city", "a", "ä.b", "x y", "0"], random.randrange(4))
    return {"M": {name: document(random, depth) for name in names}}


NULL = one_of({"NULL": True})


def or_null(make):
    return lambda random: make(random) if random.random() < 0.9 else {"NULL": True}


# --- the seed's table, as it is shipped -------------------------------------------------------------------------


def _folder(path):
    schema, config = (json.loads((ROOT / path / name).read_text()) for name in ("schema.json", "table.json"))
    source = ROOT / path / "source.toml"
    return schema, config, source.read_text() if source.exists() else None


def _shipped(item, change):
    return {
        "eventName": change.name,
        "ApproximateCreationDateTime": Decimal(change.time_ms),
        "is_delete": False,
    }


def _location(item):
    """Return the location as Pinot stores it, a point on a sphere; null if a coordinate is missing."""
    longitude, latitude = item.get("group_lon"), item.get("group_lat")
    if longitude is None or latitude is None:
        return {"location": None}
    return {"location": struct.pack(">Bdd", 0x80, float(longitude), float(latitude))}


_MEETUP_KEYS = tuple(
    {"meetup_id": {"S": name}, "mtime": {"N": str(1719080907442 + place)}}
    for name in ("4dc2a627", "Zürich/1", "c" * 60)
    for place in range(3)
)
_SCHEMA, _CONFIG, _SOURCE = _folder("examples/meetups/tables/pinot_dynamo_ingestion")
SHIPPED = Kind(
    name="shipped",
    dynamodb_table="pinot-ingestion-demo",
    key_types={"meetup_id": "S", "mtime": "N"},
    keys=_MEETUP_KEYS,
    attributes=lambda _: {
        "meetup_name": text,
        "venue_name": or_null(text),
        "group_id": whole(-(2**63), 2**63 - 1),
        "group_name": text,
        "group_city": text,
        "group_country": one_of({"S": "UK"}, {"S": ""}),
        "group_lat": coordinate(80),
        "group_lon": coordinate(170),
        "rsvp_count": whole(0, 10_000),
        "nobody_wants_this": document,
    },
    counters=("rsvp_count",),
    tables=(PinotTable(schema=_SCHEMA, config=_CONFIG, source=_SOURCE, special=_shipped, computed=_location),),
)

# --- a partition key and nothing else ---------------------------------------------------------------------------

ITEMS = Kind(
    name="items",
    dynamodb_table="items",
    key_types={"id": "S"},
    keys=tuple({"id": {"S": name}} for name in ("a", "b", "c", "a:b", "1", "é", "a b", "x" * 300)),
    attributes=lambda _: {"name": text, "price": decimal, "notes": document},
    counters=("price",),
    tables=(
        PinotTable(
            schema=with_column("notes", "JSON"),
            config=COMPLETE,
            source=None,
            special=lambda _, change: {"changed": Decimal(change.time_ms), "deleted": False},
        ),
    ),
)

# --- every type of DynamoDB -------------------------------------------------------------------------------------


def _every_type_schema(schema):
    """Pinot drops every row of a table with multi-value BYTES, so a set of binaries goes into a JSON column."""
    changed = json.loads(json.dumps(schema))
    for spec in changed["dimensionFieldSpecs"]:
        if spec["dataType"] == "BYTES" and not spec.get("singleValueField", True):
            spec["dataType"] = "JSON"
            del spec["singleValueField"]
    return changed


_EVERY_TYPE = {
    "a_text": or_null(text),
    "an_empty_text": one_of({"S": ""}),
    "a_38_digit_number": long_number,
    "a_large_number": one_of({"N": "9.9999999999999999999999999999999999999E+125"}, {"N": "-1E+125"}),
    "a_small_number": one_of({"N": "1E-130"}, {"N": "-1E-130"}, {"N": "0"}),
    "a_binary": or_null(binary),
    "an_empty_binary": one_of({"B": b""}),
    "a_boolean": boolean,
    "a_null": NULL,
    "a_list": listed,
    "a_map": lambda random: {
        "M": {
            **mapped(random)["M"],
            "city": text(random),
            "coordinates": {"M": {"lat": decimal(random)} if random.random() < 0.8 else {}},
        }
    },
    "a_text_set": several("SS", text),
    "a_number_set": numbers,
    "a_binary_set": several("BS", binary),
    "a_deep_value": lambda random: _deep(document(random), 12),
    "group_id": whole(-(2**63), 2**63 - 1),
    "group_lat": decimal,
    "group_lon": long_number,
    "rsvp_count": whole(0, 10_000),
    "a_number": decimal,
    "not_in_the_schema": document,
    "neither.is this": document,
}


def _deep(value, levels):
    for level in range(levels):
        value = {"L": [value]} if level % 2 else {"M": {"deeper": value}}
    return value


def _every_type(item, change):
    place = item.get("a_map") or {}
    rest = {name: value for name, value in item.items() if name in ("not_in_the_schema", "neither.is this")}
    return {
        "city": place.get("city"),
        "latitude": place.get("coordinates", {}).get("lat"),
        "rest": rest or None,
        "version": change.version,
        "changed_s": Decimal(change.time_ms // 1000),
        "by_ttl": False,
        "is_delete": False,
    }


_SCHEMA, _CONFIG, _SOURCE = _folder("tests/tables/every_type/every_type")
EVERY_TYPE = Kind(
    name="every_type",
    dynamodb_table="pinot-ingestion-demo",
    key_types={"meetup_id": "S", "mtime": "N"},
    keys=_MEETUP_KEYS,
    attributes=lambda _: _EVERY_TYPE,
    counters=("rsvp_count", "a_number"),
    tables=(PinotTable(schema=_every_type_schema(_SCHEMA), config=_CONFIG, source=_SOURCE, special=_every_type),),
)

# --- the single-table example -----------------------------------------------------------------------------------

_TIMES = one_of({"S": "2026-03-02T10:07:12Z"}, {"S": "2026-03-06T15:10:00.5+01:00"}, {"N": "1772446032123"})
_PLACE = {
    "M": {"street": {"S": "4 Place Vendôme"}, "city": {"S": "Paris"}, "zip": {"S": "75001"}, "country": {"S": "FR"}}
}
_USER = {
    "type": one_of({"S": "User"}),
    "email": text,
    "name": text,
    "phone": or_null(text),
    "address": or_null(one_of(_PLACE, {"M": {"city": {"S": "Oslo"}}}, {"M": {}})),
    "tags": several("SS", text),
    "preferences": mapped,
    "password_hash": binary,
    "loyalty_points": whole(0, 1000),
    "created_at": _TIMES,
    "GSI1PK": text,
}
_ORDER = {
    "type": one_of({"S": "Order"}),
    "status": one_of(*({"S": name} for name in ("DRAFT", "PLACED", "PAID", "DELIVERED", "CANCELLED"))),
    "currency": one_of({"S": "GBP"}, {"S": "EUR"}),
    "total": decimal,
    "placed_at": _TIMES,
    "delivered_at": or_null(_TIMES),
    "ship_to": one_of(_PLACE),
    "payments": lambda random: {
        "L": [{"M": {"method": one_of({"S": "card"}, {"S": "cash"})(random)}} for _ in range(random.randrange(3))]
    },
    "archived": lambda random: {"BOOL": random.random() < 0.2},
    "cart": listed,
}
_LINE = {
    "type": one_of({"S": "OrderLine"}),
    "sku": text,
    "title": text,
    "quantity": whole(1, 9),
    "unit_price": decimal,
}
_SESSION = {"type": one_of({"S": "Session"}), "agent": text}
_ROWS_OF_ORDERS = ("PLACED", "PAID", "DELIVERED")


def _shop_attributes(key):
    partition, sort = key["PK"]["S"], key["SK"]["S"]
    if partition.startswith("SESSION#"):
        return _SESSION
    if partition.startswith("ORDER#"):
        return _LINE
    return _USER if sort == "PROFILE" else _ORDER


def _key_columns(item):
    return {"pk": item["PK"], "sk": item["SK"], "deleted": False}


def _users(item, change):
    if not (item["PK"].startswith("USER#") and item["SK"] == "PROFILE"):
        return None
    place = item.get("address") or {}
    other = {name: item[name] for name in ("address", "preferences") if name in item}
    return {
        **_key_columns(item),
        "city": place.get("city"),
        "country": place.get("country"),
        "last_event": change.name,
        "lapsed": False,
        "other": other or None,
        "changed_at": Decimal(change.time_ms),
    }


def _orders(item, change):
    if not (item["PK"].startswith("USER#") and item["SK"].startswith("ORDER#")):
        return None
    status = item.get("status")
    if not (status in _ROWS_OF_ORDERS or (status == "CANCELLED" and "placed_at" in item)):
        return None
    if item.get("archived"):
        return None
    place, payments = item.get("ship_to", {}), item.get("payments")
    return {
        **_key_columns(item),
        "city": place.get("city"),
        "country": place.get("country"),
        "paid_by": payments[0]["method"] if payments else None,
        "version": change.version,
        "changed_at": Decimal(change.time_ms),
    }


def _order_lines(item, change):
    if not (item["PK"].startswith("ORDER#") and item["SK"].startswith("LINE#")):
        return None
    return {**_key_columns(item), "changed_at": Decimal(change.time_ms)}


def _part(item, name):
    return item[name].split("#")[1]


def _shop_table(name, special, computed):
    schema, config, source = _folder(f"examples/single-table/tables/{name}")
    return PinotTable(schema=schema, config=config, source=source, special=special, computed=computed)


SHOP = Kind(
    name="shop",
    dynamodb_table="app",
    key_types={"PK": "S", "SK": "S"},
    keys=tuple(
        {"PK": {"S": partition}, "SK": {"S": sort}}
        for partition, sort in (
            ("USER#1815", "ORDER#01"),
            ("USER#1815", "PROFILE"),
            ("USER#1815", "ORDER#02"),
            ("USER#1912", "PROFILE"),
            ("USER#1912", "ORDER#03"),
            ("ORDER#01", "LINE#001"),
            ("ORDER#01", "LINE#002"),
            ("ORDER#02", "LINE#010"),
            ("SESSION#f", "SESSION"),
        )
    ),
    attributes=_shop_attributes,
    counters=("loyalty_points", "quantity"),
    tables=(
        _shop_table("users", _users, lambda item: {"user_id": _part(item, "PK")}),
        _shop_table("orders", _orders, lambda item: {"user_id": _part(item, "PK"), "order_id": _part(item, "SK")}),
        _shop_table(
            "order_lines",
            _order_lines,
            lambda item: {"order_id": _part(item, "PK"), "line_number": int(_part(item, "SK"))},
        ),
    ),
)

KINDS = (SHIPPED, ITEMS, EVERY_TYPE, SHOP)
