"""Helpers of the tests of the proposal: proposing and loading, random tables, expected rows."""

from __future__ import annotations

import json
import tempfile
from base64 import b64encode
from dataclasses import replace
from decimal import Context, Decimal
from pathlib import Path

from hypothesis import strategies as st

import strategies
from decoder.sdk import to_sdk
from dynapinot.init.columns import KeyAttribute, propose_columns
from dynapinot.init.files import Naming, file_texts
from dynapinot.init.profile import Profile
from dynapinot.init.table_description import TableDescription
from handlers.catalog import load_tables

NAMING = Naming(dynamodb_table="app", pinot_table="app", stream="app-stream", region="eu-west-1")
ORIGIN = "Proposed by a test."


def table_description(**changes):
    """Describe an empty table on demand, but for what is given."""
    made = TableDescription(
        name="app",
        region="eu-west-1",
        status="ACTIVE",
        key=(),
        items=0,
        bytes=0,
        view_type="NEW_AND_OLD_IMAGES",
        ttl_attribute=None,
        ttl_unknown=None,
        read_units=0,
        write_units=0,
        key_arn=None,
        replicas=(),
    )
    return replace(made, **changes)


def key_of(*attributes):
    """Return a table's key from names and types: the partition key's, then the sort key's."""
    kinds = ("partition key", "sort key")
    return tuple(
        KeyAttribute(name=name, kind=kind, tag=tag) for (name, tag), kind in zip(attributes, kinds, strict=False)
    )


ID = key_of(("id", "S"))


def profile_of(*items, **bounds):
    """Return the profile of items in an event's form."""
    profile = Profile(**bounds)
    for item in items:
        profile.add(to_sdk(item))
    return profile


def columns_of(*items, key=ID, **options):
    """Return the proposed columns for items."""
    return propose_columns(profile_of(*items), key, **options)


def choices_of(*items, **options):
    """Return the label of each proposed column's type."""
    return {column.name: column.choice.label for column in columns_of(*items, **options).columns}


def load(columns, naming=NAMING, **options):
    """Load the proposed files as the function does. They must have no findings."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / naming.pinot_table
        place.mkdir()
        for name, text in file_texts(naming, columns, origin=ORIGIN, **options).items():
            (place / name).write_text(text, encoding="utf-8")
        (table,), findings = load_tables(Path(folder))
    assert findings == ()
    return table


# Names that may conflict: with Pinot, DynamoDB, source.toml, SQL, paths, or another name of different case.
ODD_NAMES = (
    *("is_deleted", "changed_at", "rest", "Is_Deleted", "is_deleted_2", "name", "Name", "NAME", "name_2"),
    *("eventName", "ApproximateCreationDateTime", "SizeBytes", "tableName", "$deleted", "$rest", "$", "$x y"),
    *("when", "columns", "leave_out", "ttl_deletes", "dynamodb_table", "when?", "columns.", "Leave out"),
    *("__key", "tags__KEYS", "tags__VALUES", "a__KEYS__KEYS", "order", "date", "select", "1st", "a.b", "a[0]", '["a"]'),
    *("a b", "a\tb", 'a"b', "a\\b", "a\\", "\n", "\x7f", "\x85", "größe", "日本", "😀", "-", "_", "a" * 300, "a" * 301),
    *("aws:rep:deleting", "address.city", "address_city", "address"),
)
names = st.sampled_from(ODD_NAMES) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)

whole = st.integers(-(2**63), 2**63 - 1).map(Decimal)
prices = st.integers(0, 10**6).map(lambda cents: Decimal(cents).scaleb(-2))


class Long(str):
    """A long text with a short representation in the output of Hypothesis."""

    __slots__ = ()

    def __repr__(self):
        return f"Long({self[0]!r} * {len(self)})"


class Many(list):
    """A long list with a short representation."""

    def __repr__(self):
        return f"Many({len(self)})"


long_texts = st.sampled_from([511, 512, 513, 5_000, 409_600]).map(lambda length: Long("é" * length))
times = st.sampled_from(["2024-06-22T18:48:44.026Z", '{"a": [1, 2]}', "[]", "a\0b"])
# The values of one attribute: of one kind as in tidy tables, or sometimes of another as in others.
kinds = st.sampled_from(
    [
        whole,
        prices,
        whole | prices,
        strategies.numbers(),
        strategies.texts,
        strategies.texts | times | long_texts,
        st.booleans(),
        st.binary(max_size=9),
        st.booleans() | prices | strategies.texts,
        st.lists(strategies.texts, max_size=4),
        st.lists(strategies.texts, min_size=1, max_size=4) | st.frozensets(strategies.texts, min_size=1, max_size=4),
        st.lists(whole, min_size=1, max_size=4) | st.frozensets(prices, min_size=1, max_size=4),
        st.lists(st.booleans(), min_size=1, max_size=4),
        st.lists(st.booleans() | st.none(), min_size=1, max_size=4),
        st.lists(st.binary(max_size=4), min_size=1, max_size=4) | st.frozensets(st.binary(), min_size=1, max_size=4),
        st.sampled_from([250, 251, 1_001]).map(lambda length: Many(map(Decimal, range(length)))),
        st.dictionaries(names, strategies.values, max_size=4),
        st.fixed_dictionaries({"city": strategies.texts, "geo": st.fixed_dictionaries({"lat": prices})}),
        st.fixed_dictionaries(
            {}, optional={"city": strategies.texts | whole, "$x": st.none(), "tags": st.lists(whole)}
        ),
        strategies.values,
    ]
)
key_values = {
    "S": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
    | st.sampled_from(["a\0b", "é" * 512, '{"a": 1}', "[]", '"']),
    "N": whole | strategies.numbers(),
    "B": st.binary(min_size=1, max_size=9),
}


@st.composite
def dynamodb_tables(draw):
    """A key and items that have it: each attribute mostly has one kind, sometimes another, or is absent."""
    attributes = draw(st.lists(names, min_size=1, max_size=9, unique=True))
    key_names = attributes[: draw(st.integers(1, min(2, len(attributes))))]
    key = key_of(*((name, draw(st.sampled_from("SNB"))) for name in key_names))
    by_name = {name: draw(kinds) for name in attributes[len(key) :]}
    other = draw(st.none() | strategies.values.map(st.just))
    items = []
    for _ in range(draw(st.integers(0, 6))):
        item = {attribute.name: draw(key_values[attribute.tag]) for attribute in key}
        for name, kind in by_name.items():
            if draw(st.integers(0, 5)):
                item[name] = draw(other if other is not None and not draw(st.integers(0, 7)) else kind)
        items.append(item)
    return key, items


def natural(value):
    """Return a value in the form of a JSON document: exact numbers, base64 of binary, sets as sorted lists."""
    match value:
        case bytes():
            return b64encode(value).decode()
        case frozenset():
            return [natural(member) for member in sorted(value)]
        case list():
            return [natural(item) for item in value]
        case dict():
            return {name: natural(item) for name, item in value.items()}
    return value


def exactly(text):
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def is_document(text):
    try:
        return isinstance(exactly(text), dict | list)
    except ValueError:
        return False


def text_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value.normalize(Context(prec=38)), "f") if value else "0"


def scalar_of(value, data_type):
    """Return a row's value in a column that is not JSON, by the documentation."""
    match data_type:
        case "BOOLEAN":
            return value
        case "LONG":
            return int(value)
        case "DOUBLE":
            assert Decimal(repr(float(value))) == value, "no digit is lost"
            return float(value)
        case "BIG_DECIMAL":
            return text_of(value)
        case "STRING":
            return value if isinstance(value, str) else text_of(value)
        case "BYTES":
            return value.hex()
    raise AssertionError(data_type)


def encoded(item):
    return {name: strategies.encode(value) for name, value in item.items()}
