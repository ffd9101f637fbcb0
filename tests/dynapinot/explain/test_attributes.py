"""Each attribute is accounted for: which columns hold something of it, and why."""

from __future__ import annotations

import json

import pytest

import files
from changes import insert, remove
from decoder.change import decode_change
from dynapinot.explain import attributes
from dynapinot.explain.attributes import explain_attributes, explain_other_columns
from pinot.metadata import METADATA
from pinot.source import REST

KEY = {"id": {"S": "a"}}
EXPRESSION = [{"columnName": "name", "transformFunction": "concat(first, last, ' ')"}]


def account_for(record, **parts):
    change = decode_change(record)
    table = files.table(**parts)
    (row,) = table.rows(change)
    lines = explain_attributes(table, change.new_image or change.old_image, row, json.loads(row.data))
    return {line.attribute: (line.type, line.columns, line.why) for line in lines if line.attribute != "id"}


def test_an_attribute_goes_to_the_column_of_its_name():
    assert account_for(insert(KEY, {"name": {"S": "x"}})) == {"name": ("S", ("name",), "column name takes it")}


@pytest.mark.parametrize(
    ("attributes", "parts", "expected"),
    [
        ({"name": {"NULL": True}}, {}, ("NULL", (), "column name takes it: NULL, so it is null")),
        ({"size": {"N": "1"}}, {}, ("N", (), "no column takes it: it is not replicated")),
        (
            {"size": {"N": "1"}},
            {"source": {"leave_out": ["size"]}},
            ("N", (), "source.toml leaves it out"),
        ),
        (
            {"kind": {"S": "item"}},
            {"source": {"when": {"kind": "item"}}},
            ("S", (), "source.toml's when looks at it"),
        ),
        (
            {"address": {"M": {"city": {"S": "Ulm"}}}},
            {"source": {"columns": {"name": "address.city"}}},
            ("M", ("name",), "column name takes address.city"),
        ),
        (
            {"address": {"M": {}}},
            {"source": {"columns": {"name": "address.city"}}},
            ("M", (), "column name takes address.city: nothing there, so it is null"),
        ),
        (
            {"size": {"N": "1"}},
            {"source": {"columns": {"name": "$rest"}}},
            ("N", ("name",), "column name holds it, with whatever no other column takes"),
        ),
        (
            {"first": {"S": "Ada"}},
            {"config": files.with_setting(files.CONFIG, "ingestionConfig.transformConfigs", EXPRESSION)},
            ("S", (), "Pinot reads it to compute name"),
        ),
        (
            {"name": {"S": "Ada"}},
            {"config": files.with_setting(files.CONFIG, "ingestionConfig.transformConfigs", EXPRESSION)},
            ("S", (), "Pinot computes the column name itself, so it is not sent"),
        ),
        (
            {"kind": {"S": "x"}},
            {
                "config": files.with_setting(
                    files.CONFIG, "ingestionConfig.filterConfig", {"filterFunction": "strcmp(kind, 'y') = 0"}
                )
            },
            ("S", (), "Pinot's filter reads it"),
        ),
    ],
)
def test_why_an_attribute_goes_where_it_goes(attributes, parts, expected):
    assert list(account_for(insert(KEY, attributes), **parts).values()) == [expected]


def test_an_empty_list_in_a_multi_value_column_is_reported_as_empty():
    schema = files.with_column("tags", "STRING", singleValueField=False)
    assert account_for(insert(KEY, {"tags": {"L": []}}), schema=schema) == {
        "tags": ("L", (), "column tags takes it: empty, so it is null")
    }


def test_a_value_that_a_delete_lacks_is_reported():
    assert account_for(remove(KEY, {"price": {"S": "cheap"}})) == {
        "price": (
            "S",
            (),
            "column price takes it, but the last value does not fit (type_mismatch), and a delete goes without it",
        )
    }


def test_an_attribute_of_several_uses_names_them_all():
    source = {"columns": {"name": "size", "price": "size"}}
    schema = files.with_column("size", "LONG")
    assert account_for(insert(KEY, {"size": {"N": "1"}}), schema=schema, source=source)["size"] == (
        "N",
        ("name", "size", "price"),
        "column name takes it; column size takes it; column price takes it",
    )


def others(record, **parts):
    return explain_other_columns(files.table(**parts), decode_change(record))


def test_the_other_columns_are_filled_by_the_change_or_by_pinot():
    config = files.with_setting(files.CONFIG, "ingestionConfig.transformConfigs", EXPRESSION)
    assert others(insert(KEY, {}), config=config) == {
        "deleted": "whether this row is a delete",
        "changed": "the change's time",
        "name": "Pinot computes it: concat(first, last, ' ')",
    }


def test_a_version_without_a_sequence_number_is_but_the_time():
    source = {"columns": {"name": "$version"}}
    assert others(insert(KEY, {}), source=source)["name"] == "the change's exact order: its time and sequence number"
    record = insert(KEY, {}, recordFormat="application/json")
    del record["dynamodb"]["SequenceNumber"]
    record["dynamodb"]["ApproximateCreationDateTime"] *= 1000
    assert others(record, source=source)["name"] == "the change's time"


def test_every_property_of_a_change_has_a_description():
    assert attributes._PROPERTIES.keys() == {*METADATA, REST}
