"""Which columns a table gets, what they are called, and what gets none."""

from __future__ import annotations

from dynapinot.init.columns import LeftOut, propose_columns, record_keys
from pinot.source import SETTINGS
from proposals import ID, choices_of, columns_of, key_of, load, profile_of


def mapped_of(columns):
    """What source.toml says of columns: by column, the path or the property."""
    return {column.name: column.prop or column.steps for column in columns.columns if column.mapped}


def test_columns_are_the_key_then_the_attributes_by_name_then_properties_of_the_change():
    item = {"sk": {"N": "7"}, "b": {"S": "x"}, "pk": {"S": "k"}, "a": {"BOOL": True}}
    columns = columns_of(item, key=key_of(("pk", "S"), ("sk", "N")))
    assert {column.name: column.choice.label for column in columns.columns} == {
        "pk": "STRING(2048)",
        "sk": "LONG",
        "a": "BOOLEAN",
        "b": "STRING(512)",
        "is_deleted": "BOOLEAN",
        "changed_at": "LONG",
    }
    assert list(choices_of(item, key=key_of(("pk", "S"), ("sk", "N")))) == [
        *("pk", "sk", "a", "b", "is_deleted", "changed_at"),
    ]
    assert mapped_of(columns) == {"is_deleted": "$deleted", "changed_at": "$timestamp"}
    table = load(columns)
    assert [column.name for column in table.primary_key] == ["pk", "sk"]


def test_an_empty_table_gets_its_key():
    assert choices_of(key=key_of(("pk", "B"), ("sk", "N"))) == {
        "pk": "BYTES",
        "sk": "BIG_DECIMAL",
        "is_deleted": "BOOLEAN",
        "changed_at": "LONG",
    }


def test_names_that_pinot_does_not_take_are_mapped_and_the_reason_is_reported():
    item = {
        "id": {"S": "k"},
        "created-at": {"S": "x"},
        "created_at": {"S": "x"},
        "Name": {"S": "x"},
        "name": {"S": "x"},
        "$x": {"S": "x"},
        "order": {"S": "x"},
        "eventName": {"S": "x"},
        "n" * 200: {"S": "x"},
    }
    columns = columns_of(item)
    assert mapped_of(columns) == {
        "is_deleted": "$deleted",
        "changed_at": "$timestamp",
        "created_at_2": ("created-at",),
        "name_2": ("name",),
        "x": ("$x",),
        "eventName": ("eventName",),
        "n" * 128: ("n" * 200,),
    }
    assert {column.name: column.notes for column in columns.columns if column.notes} == {
        "created_at_2": ("Pinot's SQL needs names of letters, digits and underscores",),
        "name_2": ("Pinot does not distinguish upper from lower case, and another column has the name",),
        "x": ("Pinot's SQL needs names of letters, digits and underscores",),
        "order": ("a word of SQL, so write it in double quotes in queries",),
        "eventName": ("a column of this name would be filled with a property of the change, so source.toml maps it",),
        "n" * 128: ("longer than 128 characters, and Pinot makes files of that name",),
    }


def test_the_key_keeps_its_name_before_others_do():
    assert mapped_of(columns_of({"ID": {"S": "k"}, "id": {"S": "x"}}, key=key_of(("ID", "S")))) == {
        "is_deleted": "$deleted",
        "changed_at": "$timestamp",
        "id_2": ("id",),
    }


def test_an_attribute_keeps_its_name_before_one_that_needs_another_gets_it():
    columns = columns_of({"id": {"S": "k"}, "a b": {"S": "x"}, "a_b": {"S": "x"}, "A_b": {"S": "x"}})
    assert [(column.name, column.steps[0]) for column in columns.of("attribute")] == [
        ("A_b", "A_b"),
        ("a_b_2", "a b"),
        ("a_b_3", "a_b"),
    ]


def test_the_columns_of_the_change_give_way_to_attributes():
    columns = columns_of({"id": {"S": "k"}, "is_deleted": {"BOOL": True}, "Changed_At": {"S": "x"}})
    assert mapped_of(columns) == {"is_deleted_2": "$deleted", "changed_at_2": "$timestamp"}


def test_no_mapped_column_is_called_like_a_setting_of_source_toml():
    item = {"id": {"S": "k"}, "when": {"S": "x"}, **{f"{setting}?": {"S": "x"} for setting in SETTINGS}}
    assert [column.name for column in columns_of(item).of("attribute")] == [
        "columns_2",
        "dynamodb_table_2",
        "leave_out_2",
        "ttl_deletes_2",
        "when",
        "when_2",
    ]


def test_attributes_left_out_are_reported_and_so_are_those_that_no_item_has():
    item = {"id": {"S": "k"}, "secret": {"S": "x"}, "aws:rep:deleting": {"BOOL": False}}
    columns = columns_of(item, leave_out=("secret", "typo", "secret"))
    assert columns.left_out == (
        LeftOut(attribute="secret", why="as you said"),
        LeftOut(attribute="typo", why="as you said, though no item that was read has it"),
        LeftOut(attribute="aws:rep:deleting", why="DynamoDB's own, of a global table of version 2017.11.29"),
    )
    assert list(columns.of("attribute")) == []
    assert load(columns).taken >= {"secret", "typo", "aws:rep:deleting"}


def test_of_too_many_attributes_the_frequent_ones_get_columns_and_the_rest_one_together():
    items = [
        {"id": {"S": f"{n}"}, "often": {"S": "x"}, f"rare-{n}": {"S": "x"}, "half": {"S": "x"}} for n in range(200)
    ]
    columns = columns_of(*items, max_columns=100)
    assert [column.name for column in columns.of("attribute")] == ["half", "often"]
    (rest,) = columns.of("rest")
    assert (rest.name, rest.choice.label, rest.choice.why) == (
        "rest",
        "JSON",
        "a JSON object of 200 less frequent attributes",
    )
    assert columns.rest == tuple(sorted(f"rare-{n}" for n in range(200)))


def test_attributes_that_were_not_counted_separately_have_a_place_too():
    items = [{"id": {"S": f"{n}"}, f"rare-{n}": {"S": "x"}} for n in range(3)]
    columns = propose_columns(profile_of(*items, max_names=2), ID)
    (rest,) = columns.of("rest")
    assert [column.steps for column in columns.of("attribute")] == [("rare-0",)]
    assert (columns.rest, columns.others) == ((), 2)
    assert rest.choice.why == "a JSON object of attributes of names too many or too long to be counted, 2 times"
    assert load(columns).takes_rest


def test_so_many_attributes_that_can_have_columns_all_get_them():
    items = [{"id": {"S": f"{n}"}, f"rare-{n}": {"S": "x"}} for n in range(200)]
    columns = columns_of(*items, max_columns=200)
    assert (len(columns.of("attribute")), columns.of("rest"), columns.rest) == (200, (), ())


RECORD = {"M": {"city": {"S": "x"}, "geo": {"M": {"lat": {"N": "1.5"}}}, "tags": {"L": []}, "zip code": {"S": "1"}}}


def test_paths_into_stable_maps_get_columns_beside_the_map():
    columns = columns_of({"id": {"S": "k"}, "address": RECORD}, {"id": {"S": "l"}}, paths=True)
    assert {column.name: (column.steps, column.choice.label) for column in columns.columns if column.steps} == {
        "id": (("id",), "STRING(2048)"),
        "address": (("address",), "JSON"),
        "address_city": (("address", "city"), "STRING(512)"),
        "address_geo_lat": (("address", "geo", "lat"), "DOUBLE"),
        "address_zip_code": (("address", "zip code"), "STRING(512)"),
    }


def test_paths_are_counted_where_nobody_asked_for_them():
    assert record_keys(columns_of({"id": {"S": "k"}, "address": RECORD})) == {"address": 3}


def test_only_maps_that_are_maps_throughout_and_have_few_keys_get_paths():
    items = [
        {
            "id": {"S": f"{n}"},
            "sometimes_text": {"M": {"a": {"S": "x"}}} if n else {"S": "x"},
            "sometimes_null": {"M": {"a": {"S": "x"}}} if n else {"NULL": True},
            "dictionary": {"M": {f"k{n}": {"S": "x"}}},
            "rarely": {"M": {"a": {"S": "x"}, **({"b": {"S": "x"}} if n == 3 else {})}},
        }
        for n in range(25)
    ]
    columns = columns_of(*items, paths=True)
    assert [column.name for column in columns.of("path")] == ["rarely_a", "sometimes_null_a"]


def test_paths_do_not_make_more_columns_than_a_table_may_have():
    many = {"M": {f"k{n:02}": {"S": "x"} for n in range(20)}}
    columns = columns_of({"id": {"S": "k"}, "a": many, "b": many}, paths=True, max_columns=10)
    assert [column.name for column in columns.of("path")] == [f"a_k{n:02}" for n in range(7)]
