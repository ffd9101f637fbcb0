"""Pinot's own code takes what is proposed, and shows every item that was seen."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings

from changes import insert
from decoder.change import decode_change
from dynapinot.init.columns import propose_columns
from dynapinot.init.files import file_texts
from engines.pinot_engine import Engine, MissingToolError, build
from proposals import (
    NAMING,
    ORIGIN,
    dynamodb_tables,
    encoded,
    exactly,
    is_document,
    load,
    natural,
    profile_of,
    scalar_of,
)

pytestmark = pytest.mark.engines

INDEXED = {"indexed": 1}


@pytest.fixture(scope="module")
def pinot():
    try:
        engine = Engine(build())
    except MissingToolError as error:
        pytest.fail(str(error), pytrace=False)
    yield engine
    engine.close()


def has_nul_key(key, item):
    return any(isinstance(item[each.name], str) and "\0" in item[each.name] for each in key)


def read_as(value, data_type):
    """What Pinot shows of a single value."""
    match data_type:
        case "BIG_DECIMAL":
            return Decimal(scalar_of(value, data_type))
        case "BYTES":
            return value
    return scalar_of(value, data_type)


def check_shown(column, value, shown):
    choice = column.choice
    if value is None:
        assert shown is None
    elif choice.data_type == "JSON":
        expected = exactly(value) if isinstance(value, str) and is_document(value) else natural(value)
        assert exactly(shown) == expected
    elif choice.multi_value:
        members = sorted(value) if isinstance(value, frozenset) else value
        assert shown == [read_as(member, choice.data_type) for member in members]
    else:
        assert shown == read_as(value, choice.data_type)


def test_pinot_takes_the_files_and_shows_every_item(pinot):
    @settings(max_examples=40)
    @given(table=dynamodb_tables())
    def walk(table):
        key, items = table
        columns = propose_columns(profile_of(*map(encoded, items)), key, paths=True)
        texts = file_texts(NAMING, columns, origin=ORIGIN)
        schema, config = json.loads(texts["schema.json"]), json.loads(texts["table.json"])
        pinot.validate(schema, config)
        function, by_key, rows = load(columns), {}, []
        for item in items:
            if not has_nul_key(key, item):
                image = encoded(item)
                keys = {attribute.name: image[attribute.name] for attribute in key}
                (row,) = function.rows(decode_change(insert(keys, image)))
                by_key[row.key] = item
                rows.append(row.data)
        with pinot.table(schema, config) as consumer:
            assert consumer.ingest(rows) == [INDEXED] * len(rows)
            if rows:
                consumer.commit()
            key_columns = columns.of("key")
            shown = {tuple(row[column.name] for column in key_columns): row for row in consumer.live()}
        assert len(shown) == len(by_key)
        for item in by_key.values():
            row = shown[tuple(read_as(item[column.steps[0]], column.choice.data_type) for column in key_columns)]
            for column in columns.of("attribute"):
                check_shown(column, item.get(column.steps[0]), row[column.name])

    walk()
