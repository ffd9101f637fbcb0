"""Changes become rows."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changes import SECOND, TTL_IDENTITY, insert, modify, remove
from decoder.change import decode_change
from decoder.errors import ChangeError, MalformedError
from files import CONFIG, SCHEMA, table, with_column, with_setting
from pinot.errors import MisfitError
from strategies import encode, texts, values

MS = SECOND * 1000
KEYS = {"id": {"S": "a"}}


def rows(record, **files):
    made = list(table(**files).rows(decode_change(record)))
    return [(row.key, json.loads(row.data)) for row in made]


def refused(record, **files):
    with pytest.raises(ChangeError) as caught:
        list(table(**files).rows(decode_change(record)))
    return caught.value.reason, caught.value.path, caught.value.column


def test_an_insert_becomes_a_row_in_the_order_of_the_schema():
    (row,) = table().rows(decode_change(insert(KEYS, {"price": {"N": "1.5"}, "name": {"S": "x"}})))
    assert row.key == "1:a"
    assert row.data == b'{"id":"a","name":"x","deleted":false,"price":1.5,"changed":1719082124000}'
    assert row.left_out == ()
    assert not row.is_delete
    assert row.size == len(row.data) + len(row.key)


def test_absent_and_null_attributes_are_left_out():
    assert rows(insert(KEYS, {"name": {"NULL": True}})) == [("1:a", {"id": "a", "deleted": False, "changed": MS})]


def test_the_row_of_a_modify_comes_from_the_new_image_alone():
    record = modify(KEYS, {"name": {"S": "new"}}, {"name": {"S": "old"}, "price": {"N": "1"}})
    assert rows(record) == [("1:a", {"id": "a", "name": "new", "deleted": False, "changed": MS})]


def test_the_row_of_a_remove_has_the_last_values_the_delete_flag_and_the_time():
    assert rows(remove(KEYS, {"name": {"S": "last"}})) == [
        ("1:a", {"id": "a", "name": "last", "deleted": True, "changed": MS})
    ]


def test_the_row_of_a_remove_without_an_old_image_has_the_keys():
    assert rows(remove(KEYS)) == [("1:a", {"id": "a", "deleted": True, "changed": MS})]


def test_a_repeated_change_gives_the_same_bytes():
    record = insert(KEYS, {"name": {"S": "x"}, "price": {"N": "0.1"}})
    shuffled = json.loads(json.dumps(record))
    image = shuffled["dynamodb"]["NewImage"]
    shuffled["dynamodb"]["NewImage"] = dict(reversed(image.items()))
    assert list(table().rows(decode_change(record))) == list(table().rows(decode_change(shuffled)))


def test_a_delete_is_sent_without_a_last_value_that_does_not_fit():
    (row,) = table().rows(decode_change(remove(KEYS, {"price": {"S": "cheap"}, "name": {"S": "x"}})))
    assert json.loads(row.data) == {"id": "a", "name": "x", "deleted": True, "changed": MS}
    assert row.left_out == (("price", "type_mismatch"),)


def test_an_insert_with_a_value_that_does_not_fit_is_refused_with_path_and_column():
    assert refused(insert(KEYS, {"price": {"S": "cheap"}})) == ("type_mismatch", "price", "price")


@pytest.mark.parametrize("change", [insert, remove])
def test_a_malformed_attribute_is_refused_even_if_no_column_takes_it(change):
    assert refused(change(KEYS, {"junk": {"M": {"a": {"L": [{"N": "x"}]}}}})) == ("malformed", "junk.a[0]", None)
    assert refused(change(KEYS, {"name": None})) == ("malformed", "name", None)


@pytest.mark.parametrize("images", [(None, None), (None, {"name": {"S": "old"}})])
def test_a_change_without_the_new_image_is_refused(images):
    assert refused(modify(KEYS, *images)) == ("no_image", "dynamodb.NewImage", None)


@pytest.mark.parametrize("key", [None, {"NULL": True}])
def test_a_change_without_the_primary_key_is_refused(key):
    schema = with_setting(SCHEMA, "primaryKeyColumns", ["id", "name"])
    new = {} if key is None else {"name": key}
    assert refused(insert(KEYS, new), schema=schema) == ("missing_key", "name", "name")
    assert refused(remove(KEYS, new), schema=schema) == ("missing_key", "name", "name")


def test_ttl_deletes_are_deletes_unless_the_table_keeps_them():
    by_ttl, by_user = remove(KEYS, userIdentity=TTL_IDENTITY), remove(KEYS)
    keep = {"ttl_deletes": "keep"}
    assert rows(by_ttl) == rows(by_user) == rows(by_user, source=keep)
    assert rows(by_ttl, source=keep) == []


# A primary key with attributes outside the DynamoDB key can change. Its old row then needs a tombstone.

MOVABLE = with_setting(SCHEMA, "primaryKeyColumns", ["name"])


def test_a_changed_primary_key_leaves_a_tombstone_behind():
    record = modify(KEYS, {"name": {"S": "new"}, "price": {"N": "2"}}, {"name": {"S": "old"}, "price": {"N": "1"}})
    assert rows(record, schema=MOVABLE) == [
        ("3:old", {"id": "a", "name": "old", "deleted": True, "price": 1.0, "changed": MS}),
        ("3:new", {"id": "a", "name": "new", "deleted": False, "price": 2.0, "changed": MS}),
    ]


def test_an_unchanged_primary_key_leaves_no_tombstone():
    record = modify(KEYS, {"name": {"S": "same"}, "price": {"N": "2"}}, {"name": {"S": "same"}})
    assert [key for key, _ in rows(record, schema=MOVABLE)] == ["4:same"]


def test_a_time_beyond_the_range_of_an_int_column_is_refused():
    spec = {"name": "changed", "dataType": "INT", "format": "EPOCH|SECONDS"}
    files = {"schema": with_setting(SCHEMA, "dateTimeFieldSpecs", [spec])}
    assert refused(insert(KEYS, {}, second=2**31), **files) == ("out_of_range", "", "changed")


@pytest.mark.parametrize(
    ("new", "reason"),
    [({"name": {"S": "new"}, "price": {"S": "cheap"}}, "type_mismatch"), ({}, "missing_key"), (None, "no_image")],
)
def test_a_tombstone_is_sent_even_if_the_new_row_is_refused(new, reason):
    made = table(schema=MOVABLE).rows(decode_change(modify(KEYS, new, {"name": {"S": "old"}})))
    if reason != "no_image":
        assert next(made).key == "3:old"
    with pytest.raises(ChangeError) as caught:
        next(made)
    assert caught.value.reason == reason


def test_an_unchanged_primary_key_leaves_no_tombstone_if_the_new_row_is_refused():
    record = modify(KEYS, {"name": {"S": "same"}, "price": {"S": "cheap"}}, {"name": {"S": "same"}})
    assert refused(record, schema=MOVABLE) == ("type_mismatch", "price", "price")


@pytest.mark.parametrize("old", [{}, {"name": {"NULL": True}}, {"name": {"L": []}}])
def test_an_old_image_that_never_was_a_row_leaves_no_tombstone(old):
    assert [key for key, _ in rows(modify(KEYS, {"name": {"S": "new"}}, old), schema=MOVABLE)] == ["3:new"]


def test_a_change_that_may_have_changed_the_primary_key_is_refused_without_its_old_image():
    assert refused(modify(KEYS, {"name": {"S": "new"}}), schema=MOVABLE) == ("no_image", "dynamodb.OldImage", None)


# The comparison column and the time column


def test_dynamodbs_own_names_are_filled_without_a_mapping():
    schema = SCHEMA
    for name, data_type in {
        "ApproximateCreationDateTime": "TIMESTAMP",
        "SequenceNumber": "STRING",
        "SizeBytes": "INT",
        "StreamViewType": "STRING",
        "awsRegion": "STRING",
        "eventID": "STRING",
        "eventName": "STRING",
        "tableName": "STRING",
    }.items():
        schema = with_setting(
            schema, "dimensionFieldSpecs", [*schema["dimensionFieldSpecs"], {"name": name, "dataType": data_type}]
        )
    ((_, row),) = rows(insert(KEYS, {"eventName": {"S": "the item's own"}}, sequence=5), schema=schema)
    assert row == {
        "id": "a",
        "deleted": False,
        "ApproximateCreationDateTime": MS,
        "SequenceNumber": "000000000000000000005",
        "SizeBytes": 100,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "awsRegion": "us-east-1",
        "eventID": "00000000000000000000000000000005",
        "eventName": "INSERT",
        "tableName": "meetups",
        "changed": MS,
    }


@pytest.mark.parametrize(
    ("data_type", "time_format", "value"),
    [
        ("LONG", "1:MILLISECONDS:EPOCH", MS),
        ("LONG", "EPOCH", MS),
        ("LONG", "1:SECONDS:EPOCH", SECOND),
        ("LONG", "EPOCH|MICROSECONDS", MS * 1000),
        ("LONG", "1:NANOSECONDS:EPOCH", MS * 1_000_000),
        ("INT", "EPOCH|SECONDS", SECOND),
        ("INT", "EPOCH|MINUTES|5", SECOND // 300),
        ("INT", "1:DAYS:EPOCH", SECOND // 86400),
        ("TIMESTAMP", "TIMESTAMP", MS),
        ("TIMESTAMP", "1:MILLISECONDS:TIMESTAMP", MS),
    ],
)
def test_a_changes_time_is_in_the_columns_own_unit(data_type, time_format, value):
    spec = {"name": "changed", "dataType": data_type, "format": time_format}
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs", [spec])
    source = {"columns": {"changed": "$timestamp"}}
    assert rows(insert(KEYS, {}), schema=schema, source=source)[0][1]["changed"] == value


def test_an_attribute_with_the_comparison_columns_name_is_ambiguous_without_a_mapping():
    record = insert(KEYS, {"changed": {"N": "5"}})
    assert refused(record) == ("ambiguous_column", "changed", "changed")
    assert rows(record, source={"columns": {"changed": "$timestamp"}})[0][1]["changed"] == MS
    assert rows(record, source={"columns": {"changed": "changed"}})[0][1]["changed"] == 5


OWN_ORDER = {"columns": {"changed": "changed"}}


@pytest.mark.parametrize("change", [insert, remove])
def test_a_change_without_the_comparison_value_is_refused(change):
    assert refused(change(KEYS, {}), source=OWN_ORDER) == ("missing_comparison", "changed", "changed")
    assert refused(change(KEYS, {"changed": {"S": "x"}}), source=OWN_ORDER) == ("type_mismatch", "changed", "changed")


BORN = {
    "schema": with_column("born", "TIMESTAMP", format="TIMESTAMP"),
    "config": with_setting(CONFIG, "segmentsConfig.timeColumnName", "born"),
}


def test_a_change_without_the_time_columns_value_is_refused():
    assert refused(insert(KEYS, {}), **BORN) == ("missing_time", "born", "born")


@pytest.mark.parametrize("old", [None, {}, {"born": {"S": "long ago"}}])
def test_a_delete_without_a_time_gets_the_time_of_the_change(old):
    assert rows(remove(KEYS, old), **BORN)[0][1]["born"] == MS


def test_a_delete_with_a_time_keeps_it():
    assert rows(remove(KEYS, {"born": {"N": "1719080907442"}}), **BORN)[0][1]["born"] == 1719080907442


def test_versions_order_changes_exactly():
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.name", "at")
    schema["dimensionFieldSpecs"].append({"name": "version", "dataType": "STRING"})
    config = with_setting(CONFIG, "segmentsConfig.timeColumnName", "at")
    config = with_setting(config, "upsertConfig.comparisonColumns", ["version"])
    source = {"columns": {"version": "$version", "at": "$timestamp"}}
    ((_, row),) = rows(insert(KEYS, {}, sequence=7), schema=schema, config=config, source=source)
    assert row["version"] == f"{MS}-{'7':0>40}"


# Computed columns and their inputs


def computing(*transforms, **more):
    return with_setting(
        CONFIG,
        "ingestionConfig",
        {
            **CONFIG["ingestionConfig"],
            **more,
            "transformConfigs": [{"columnName": name, "transformFunction": text} for name, text in transforms],
        },
    )


def test_a_column_that_pinot_computes_is_never_sent():
    record = insert(KEYS, {"name": {"S": "in the way"}, "price": {"N": "1"}})
    expected = [("1:a", {"id": "a", "deleted": False, "price": 1.0, "changed": MS})]
    assert rows(record, config=computing(("name", "upper(id)"))) == expected
    legacy = with_setting(SCHEMA, "dimensionFieldSpecs.1.transformFunction", "upper(id)")
    assert rows(record, schema=legacy) == expected


def test_fields_that_only_pinots_expressions_read_are_sent_as_plain_json():
    config = computing(
        ("name", "jsonPathString(address, '$.city')"), filterConfig={"filterFunction": "strcmp(\"kind of\", 'x') = 0"}
    )
    address = {"M": {"city": {"S": "Ulm"}, "zip": {"N": "12345678901234567890"}, "raw": {"B": "AAH+"}}}
    record = insert(KEYS, {"address": address, "kind of": {"S": "y"}, "unread": {"S": "z"}})
    ((_, row),) = rows(record, config=config)
    assert row == {
        "id": "a",
        "deleted": False,
        "changed": MS,
        "address": {"city": "Ulm", "zip": 12345678901234567890, "raw": "AAH+"},
        "kind of": "y",
    }


def test_dynamodbs_own_names_in_pinots_expressions_refer_to_the_change():
    config = computing(("deleted", "strcmp(eventName, 'REMOVE') = 0"), ("price", "ApproximateCreationDateTime / 1000"))
    record = remove(KEYS, {"eventName": {"S": "the item's own"}})
    ((_, row),) = rows(record, config=config)
    assert row == {"id": "a", "changed": MS, "ApproximateCreationDateTime": MS, "eventName": "REMOVE"}


def test_a_delete_goes_without_what_pinots_expressions_read_of_the_item():
    schema = with_column("amount", "STRING", singleValueField=True)
    schema["dimensionFieldSpecs"].append({"name": "rest", "dataType": "STRING"})
    transforms = (("price", "CAST(amount AS DOUBLE)"), ("name", "concat(id, jsonPathString(rest, '$.a'), note)"))
    files = {"schema": schema, "source": {"columns": {"rest": "$rest"}}, "config": computing(*transforms)}
    item = {"amount": {"S": ""}, "note": {"X": "not even read"}, "more": {"S": "z"}}
    assert rows(remove(KEYS, item), **files) == [("1:a", {"id": "a", "deleted": True, "changed": MS})]
    ((_, row),) = rows(insert(KEYS, {**item, "note": {"S": "n"}}), **files)
    assert row.keys() == {"id", "amount", "rest", "deleted", "changed", "note"}


def test_a_delete_has_what_its_time_its_order_and_its_flag_and_the_filter_are_computed_from():
    schema = with_column("t", "LONG", format="EPOCH|MILLISECONDS", granularity="1:MILLISECONDS")
    transforms = (
        *(("t", "CAST(wall AS LONG)"), ("changed", "plus(name, 0)"), ("name", "splitPart(moment, '#', 1)")),
        *(("deleted", "strcmp(state, 'gone') = 0"), ("price", "CAST(amount AS DOUBLE)")),
    )
    config = computing(*transforms, filterConfig={"filterFunction": "strcmp(kind, 'x') = 0"})
    config = with_setting(config, "segmentsConfig.timeColumnName", "t")
    item = {name: {"S": "1#2"} for name in ("wall", "moment", "state", "kind", "amount")}
    ((_, row),) = rows(remove(KEYS, item), schema=schema, config=config)
    assert row.keys() == {"id", "kind", "moment", "state", "wall"}


@pytest.mark.parametrize("left", [{"city": {"S": "b"}}, {"city": {"S": "a"}, "gone": {"S": "y"}}])
def test_so_does_the_tombstone_of_an_item_that_moved_or_left(left):
    schema = with_setting(with_column("city", "STRING"), "primaryKeyColumns", ["id", "city"])
    files = {
        "schema": schema,
        "config": computing(("price", "CAST(amount AS DOUBLE)")),
        "source": {"when": {"gone": {"exists": False}}},
    }
    old = {"city": {"S": "a"}, "amount": {"S": ""}, "name": {"S": "n"}}
    tombstone = ("1:a1:a", {"id": "a", "name": "n", "deleted": True, "city": "a", "changed": MS})
    assert rows(modify(KEYS, {**left, "amount": {"S": ""}}, old), **files)[0][1] == tombstone[1]


@pytest.mark.parametrize("name", ["PK", "Pk", "p_k", "p-k"])
@pytest.mark.parametrize("change", [insert, remove])
def test_a_missing_key_names_the_attribute_that_is_spelled_otherwise(name, change):
    schema = with_setting(with_column("pk", "STRING"), "primaryKeyColumns", ["pk"])
    with pytest.raises(MisfitError) as caught:
        list(table(schema=schema).rows(decode_change(change({name: {"S": "a"}}, {"sk": {"S": "b"}}))))
    assert (caught.value.reason, caught.value.path) == ("missing_key", "pk")
    assert caught.value.detail.endswith(f"; the item has {name}: write pk = '{name}' in source.toml, below [columns]")


def test_the_words_of_a_groovy_script_are_no_fields():
    config = computing(("name", "Groovy({x = first; return x.trim()}, first, second)"))
    item = {name: {"S": name} for name in ("x", "first", "second", "trim", "return")}
    ((_, row),) = rows(insert(KEYS, item), config=config)
    assert row == {"id": "a", "deleted": False, "changed": MS, "first": "first", "second": "second"}


def test_a_name_too_long_for_pinots_parser_is_refused_in_a_field_that_expressions_read():
    config = computing(("name", "jsonPathString(address, '$.city')"))
    record = insert(KEYS, {"address": {"M": {"x" * 60_000: {"S": "y"}}}})
    assert refused(record, config=config) == ("too_long", "address", "address")


# Rounding must never make one row of two items.


@pytest.mark.parametrize(
    ("data_type", "attribute", "outcome"),
    [
        ("DOUBLE", {"N": "1.5"}, 1.5),
        ("DOUBLE", {"N": "0.1"}, 0.1),
        ("DOUBLE", {"N": "12345678901234567890"}, "inexact_key"),
        ("TIMESTAMP", {"N": "1719082124026"}, MS + 26),
        ("TIMESTAMP", {"S": "2024-06-22T18:48:44.026Z"}, "type_mismatch"),
        ("BIG_DECIMAL", {"N": "12345678901234567890.5"}, "12345678901234567890.5"),
    ],
)
def test_a_primary_key_has_the_exact_value_or_is_refused(data_type, attribute, outcome):
    schema = with_setting(SCHEMA, "dimensionFieldSpecs.0.dataType", data_type)
    record = insert({"id": attribute}, {})
    if outcome in ("inexact_key", "type_mismatch"):
        assert refused(record, schema=schema)[0] == outcome
    else:
        assert rows(record, schema=schema)[0][1]["id"] == outcome


def test_key_attributes_that_the_primary_key_omits_are_reported():
    keys = {"id": {"S": "a"}, "sk": {"S": "b"}}
    assert table().not_in_key(keys) == ("sk",)
    assert table().not_in_key(KEYS) == ()
    assert table(schema=MOVABLE).not_in_key(keys) == ()


# source.toml: columns from other attributes, paths and names


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "T"),
        ("address.city", "Ulm"),
        ('["address"].city', "Ulm"),
        ("lines[1].sku", "s1"),
        ('["odd name"]["a.b"]', "odd"),
        ("address.nix", None),
        ("nix.city", None),
        ("lines[9].sku", None),
        ("gone.city", None),
    ],
)
def test_a_column_takes_its_value_from_a_path(path, value):
    item = {
        "title": "T",
        "address": {"city": "Ulm"},
        "lines": [{"sku": "s0"}, {"sku": "s1"}],
        "odd name": {"a.b": "odd"},
        "gone": None,
    }
    record = insert(KEYS, {name: encode(each) for name, each in item.items()})
    assert rows(record, source={"columns": {"name": path}})[0][1].get("name") == value


@pytest.mark.parametrize(
    ("path", "reason", "where"),
    [
        ("name.city", "type_mismatch", "name"),
        ("lines.sku", "type_mismatch", "lines"),
        ("address[0]", "type_mismatch", "address"),
        ("lines[0].sku", "type_mismatch", "lines[0].sku"),
    ],
)
def test_a_path_through_a_value_of_the_wrong_type_is_refused(path, reason, where):
    item = {"name": "x", "address": {"city": "Ulm"}, "lines": [{"sku": [1]}]}
    record = insert(
        KEYS, {"name": {"S": "x"}, "address": encode(item["address"]), "lines": {"L": [{"M": {"sku": {"L": []}}}]}}
    )
    assert refused(record, source={"columns": {"name": path}}) == (reason, where, "name")


def test_rest_has_every_attribute_that_no_other_column_takes_whole():
    source = {"columns": {"rest": "$rest", "name": "address.city"}}
    schema = with_column("rest", "JSON")
    item = {"price": Decimal("1.5"), "address": {"city": "Ulm"}, "b": Decimal(2), "a": frozenset({"y", "x"})}
    record = insert(KEYS, {name: encode(each) for name, each in item.items()})
    ((_, row),) = rows(record, schema=schema, source=source)
    assert row["rest"] == '{"a":["x","y"],"address":{"city":"Ulm"},"b":2}'
    assert "rest" not in rows(insert(KEYS, {}), schema=schema, source=source)[0][1]


def test_a_malformed_attribute_in_a_rest_column_is_refused():
    source, schema = {"columns": {"rest": "$rest"}}, with_column("rest", "JSON")
    assert refused(insert(KEYS, {"x": {"Q": 1}}), schema=schema, source=source) == ("malformed", "x", None)


def test_a_delete_flag_fits_the_columns_type():
    for data_type, values_ in (("STRING", ("false", "true")), ("INT", (0, 1)), ("BOOLEAN", (False, True))):
        schema = with_setting(SCHEMA, "dimensionFieldSpecs.2.dataType", data_type)
        got = [rows(record, schema=schema)[0][1]["deleted"] for record in (insert(KEYS, {}), remove(KEYS))]
        assert got == list(values_)


@given(st.dictionaries(texts, values, max_size=5), st.booleans())
def test_any_item_becomes_rows_or_is_refused(item, deleted):
    new = {name: encode(value) for name, value in item.items() if name != "id"}
    record = remove(KEYS, new) if deleted else insert(KEYS, new)
    try:
        ((key, row),) = rows(record)
    except (MisfitError, MalformedError):
        assert "changed" in item or not deleted
        return
    assert (key, row["id"], row["deleted"], row["changed"]) == ("1:a", "a", deleted, MS)


# The stream's limit


def test_a_row_over_the_streams_limit_is_refused():
    record = decode_change(insert(KEYS, {"name": {"S": "x" * 100}}))
    (row,) = table().rows(record)
    assert list(table().rows(record, row.size)) == [row]
    with pytest.raises(MisfitError) as caught:
        list(table().rows(record, row.size - 1))
    assert caught.value.reason == "row_too_large"


def test_a_delete_over_the_streams_limit_is_sent_without_its_last_values():
    schema = with_column("rest", "JSON", singleValueField=True)
    schema["dimensionFieldSpecs"].append({"name": "eventName", "dataType": "STRING"})
    files = {"schema": schema, "source": {"columns": {"rest": "$rest"}}, "config": computing(("price", "length(note)"))}
    record = decode_change(remove(KEYS, {"name": {"S": "x" * 100}, "note": {"S": "y"}, "more": {"S": "z"}}))
    (row,) = table(**files).rows(record, 150)
    assert json.loads(row.data) == {"id": "a", "deleted": True, "changed": MS, "eventName": "REMOVE"}
    assert row.left_out == tuple((name, "row_too_large") for name in ("name", "rest"))
    with pytest.raises(MisfitError):
        list(table(**files).rows(record, 50))


def unmapped(record, **files):
    return [row.unmapped for row in table(**files).rows(decode_change(record))]


NEW = {"name": {"S": "x"}, "colour": {"S": "red"}, "size": {"N": "1"}}


def test_unmapped_attributes_are_reported():
    assert unmapped(insert(KEYS, NEW)) == [("colour", "size")]
    assert unmapped(remove(KEYS, NEW)) == [("colour", "size")]


@pytest.mark.parametrize(
    "source",
    [
        {"leave_out": ["colour", "size"]},
        {"when": {"colour": "red", "size": 1}},
        {"columns": {"name": "colour.hex", "price": "size"}},
    ],
)
def test_attributes_that_columns_or_filters_use_or_that_are_ignored_are_not_unmapped(source):
    record = insert(KEYS, {**NEW, "colour": {"M": {"hex": {"S": "f00"}}}} if "columns" in source else NEW)
    assert set(unmapped(record, source=source)[0]) <= {"name"}


def test_a_rest_column_takes_all_other_attributes_except_ignored_ones():
    source = {"columns": {"name": "$rest"}, "leave_out": ["colour"]}
    (row,) = table(source=source).rows(decode_change(insert(KEYS, NEW)))
    assert json.loads(json.loads(row.data)["name"]) == {"name": "x", "size": 1}
    assert row.unmapped == ()


def test_an_ignored_attribute_is_not_decoded():
    assert rows(insert(KEYS, {"colour": {"X": 1}}), source={"leave_out": ["colour"]})
    assert refused(insert(KEYS, {"colour": {"X": 1}}))[1] == "colour"


def test_an_attribute_with_the_name_of_a_computed_column_is_not_unmapped():
    config = with_setting(
        CONFIG, "ingestionConfig.transformConfigs", [{"columnName": "name", "transformFunction": "concat(a, b)"}]
    )
    assert unmapped(insert(KEYS, {"name": {"S": "x"}, "a": {"S": "y"}, "c": {"S": "z"}}), config=config) == [("c",)]


def test_a_delete_without_the_primary_key_is_refused_for_its_missing_old_image():
    assert refused(remove({"pk": {"S": "a"}}))[:2] == ("no_image", "dynamodb.OldImage")
