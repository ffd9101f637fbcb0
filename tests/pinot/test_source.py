"""Mistakes in ``source.toml``: each is told at the start by its file and its key or line, and with what to do.

What a source.toml means is in test_filter.py and test_table.py; here is what is wrong with one, word for word.
"""

from __future__ import annotations

import json
import tomllib

import pytest

from changes import insert
from decoder.change import decode_change
from files import CONFIG, SCHEMA, read, table, with_setting
from handlers.catalog import load_tables
from pinot.errors import Findings, TableError
from pinot.source import read_source

PROPERTIES = (
    "$deleted, $ttl_delete, $timestamp, $version, $sequence_number, $event_name, $event_id, $table, $region, "
    "$view_type, $size_bytes, $rest"
)
OPERANDS = """Write equals = "a", begins_with = "a", in = ["a", "b"] or exists = true."""
NAME = 'it is not the name of a table. Write dynamodb_table = "…", the name and not the ARN.'
PATHS = """Write it as "address.city", "lines[0].sku" or '["a b"]'."""
CONDITION = 'it is not a condition. Write {} = {{ attribute = "value" }}.'
CONDITIONS = 'it is not a list of conditions. Write {} = [{{ attribute = "value" }}, …].'

# A table with a column of each kind that can be mapped wrongly, and one that Pinot computes from a field.
MORE = [
    {"name": "tags", "dataType": "STRING", "singleValueField": False},
    {"name": "shout", "dataType": "STRING"},
    {"name": "seen", "dataType": "INT"},
]
FULL_SCHEMA = with_setting(SCHEMA, "dimensionFieldSpecs", [*SCHEMA["dimensionFieldSpecs"], *MORE])
TRANSFORMS = [{"columnName": "shout", "transformFunction": "upper(raw)"}]
FULL_CONFIG = with_setting(CONFIG, "ingestionConfig.transformConfigs", TRANSFORMS)


@pytest.fixture
def told(tmp_path):
    """Give what loading a folder of one table says about its source.toml, a line for each mistake."""
    folder = tmp_path / "items"
    folder.mkdir()
    (folder / "schema.json").write_text(json.dumps(FULL_SCHEMA))
    (folder / "table.json").write_text(json.dumps(FULL_CONFIG))

    def load(text):
        (folder / "source.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(TableError) as caught:
            load_tables(tmp_path)
        return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]

    return load


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # The file.
        ("dynamodb_table = app", "the file: it is not TOML: Invalid value (at line 1, column 18). Fix it there."),
        (
            '# once is enough\nttl_deletes = "keep"\nttl_deletes = "delete"\n',
            "the file: it is not TOML: Cannot overwrite a value (at line 3, column 23). Fix it there.",
        ),
        (
            '[columns]\nname = "title',
            "the file: it is not TOML: Unterminated string (at end of document). Fix it there.",
        ),
        (
            b"\xff",
            (
                "the file: it cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte. "
                "Make it a readable file in UTF-8."
            ),
        ),
        # The settings.
        (
            'dynamo_table = "app"',
            "dynamo_table: this setting is unknown. Use dynamodb_table, when, ttl_deletes, leave_out, columns.",
        ),
        ("dynamodb_table = 5", f"dynamodb_table: {NAME}"),
        ('dynamodb_table = ""', f"dynamodb_table: {NAME}"),
        ('dynamodb_table = "arn:aws:dynamodb:us-east-1:123456789012:table/app"', f"dynamodb_table: {NAME}"),
        ('ttl_deletes = "drop"', "ttl_deletes: the policy is unknown. Use delete or keep."),
        ("ttl_deletes = false", "ttl_deletes: the policy is unknown. Use delete or keep."),
        (
            'leave_out = "secret"',
            'leave_out: it is not a list of attribute names. Write leave_out = ["attribute", …].',
        ),
        ("leave_out = [5]", 'leave_out: it is not a list of attribute names. Write leave_out = ["attribute", …].'),
        ('leave_out = [""]', 'leave_out: it is not a list of attribute names. Write leave_out = ["attribute", …].'),
        (
            'leave_out = ["name"]',
            (
                "leave_out: the attribute name is taken by a column or an expression. "
                "Take the name off the list, or map the column otherwise."
            ),
        ),
        (
            'leave_out = ["address"]\n[columns]\nname = "address.city"',
            (
                "leave_out: the attribute address is taken by a column or an expression. "
                "Take the name off the list, or map the column otherwise."
            ),
        ),
        (
            'leave_out = ["raw"]',
            (
                "leave_out: the attribute raw is taken by a column or an expression. "
                "Take the name off the list, or map the column otherwise."
            ),
        ),
        # Columns.
        ("columns = []", 'columns: it is not a table. Write [columns] and below it lines of column = "path".'),
        (
            '[columns]\nname = "title"\ndynamodb_table = "app"',
            "columns.dynamodb_table: this is no column. Write dynamodb_table above the line [columns].",
        ),
        (
            '[columns]\nname = "title"\nwhen = { kind = "user" }',
            "columns.when: this is no column. Write when above the line [columns].",
        ),
        ("[columns]\nname = 5", 'columns.name: it is not text. Write name = "path.into.the.item".'),
        ('[columns]\nname = ""', 'columns.name: it is not text. Write name = "path.into.the.item".'),
        ("[columns]\nname = {}", 'columns.name: it is not text. Write name = "path.into.the.item".'),
        (
            '[columns]\nname.first = "a"',
            (
                "columns.name.first: TOML takes a dot outside of quotes for a table in a table. "
                'Quote a column\'s name that has a dot: "name.first" = "path.into.the.item".'
            ),
        ),
        ('[columns]\nname = "a..b"', f"columns.name: the path cannot be read. {PATHS}"),
        ('[columns]\nname = "a b"', f"columns.name: the path cannot be read. {PATHS}"),
        ('[columns]\nname = "lines[-1].sku"', f"columns.name: the path cannot be read. {PATHS}"),
        ('[columns]\nname = "[0].sku"', f"columns.name: the path cannot be read. {PATHS}"),
        ('[columns]\nname = "$now"', f"columns.name: $now is unknown. Use one of {PROPERTIES}."),
        (
            '[columns]\ntitle = "name"',
            "columns.title: the schema has no such column. Add it to the schema, or remove the line.",
        ),
        (
            '[columns]\nshout = "name"',
            "columns.shout: Pinot computes this column. Remove the line, or Pinot's expression.",
        ),
        (
            '[columns]\nid = "$event_id"',
            (
                "columns.id: a primary key of $event_id would make each change a row of its own. "
                "Take the column out of primaryKeyColumns, or map an attribute."
            ),
        ),
        (
            '[columns]\nid = "$rest"',
            (
                "columns.id: a primary key of $rest would make each change a row of its own. "
                "Take the column out of primaryKeyColumns, or map an attribute."
            ),
        ),
        (
            '[columns]\ndeleted = "archived"',
            'columns.deleted: it is the delete column. Write deleted = "$deleted", or remove the line.',
        ),
        (
            '[columns]\ndeleted = "$ttl_delete"',
            'columns.deleted: it is the delete column. Write deleted = "$deleted", or remove the line.',
        ),
        (
            '[columns]\nprice = "$event_name"',
            (
                "columns.price: a column of type DOUBLE, as it is declared, cannot hold $event_name. "
                "Make it a single-value STRING in the schema."
            ),
        ),
        (
            '[columns]\nname = "$timestamp"',
            (
                "columns.name: a column of type STRING, as it is declared, cannot hold $timestamp. "
                "Make it a single-value TIMESTAMP or LONG or INT in the schema."
            ),
        ),
        (
            '[columns]\nseen = "$timestamp"',
            (
                "columns.seen: a column of type INT, as it is declared, cannot hold $timestamp. "
                "Make it a single-value TIMESTAMP or LONG or INT in the schema."
            ),
        ),
        (
            '[columns]\nname = "$size_bytes"',
            (
                "columns.name: a column of type STRING, as it is declared, cannot hold $size_bytes. "
                "Make it a single-value LONG or INT in the schema."
            ),
        ),
        (
            '[columns]\ntags = "$ttl_delete"',
            (
                "columns.tags: a column of type STRING, as it is declared, cannot hold $ttl_delete. "
                "Make it a single-value BOOLEAN or STRING or INT or LONG or FLOAT or DOUBLE in the schema."
            ),
        ),
        (
            '[columns]\nprice = "$rest"',
            (
                "columns.price: a column of type DOUBLE, as it is declared, cannot hold $rest. "
                "Make it a single-value JSON or STRING in the schema."
            ),
        ),
        (
            '[columns]\ntags = "$rest"',
            (
                "columns.tags: a column of type STRING, as it is declared, cannot hold $rest. "
                "Make it a single-value JSON or STRING in the schema."
            ),
        ),
        # The filter.
        ('when = "PK"', f"when: {CONDITION.format('when')}"),
        ("[when]", f"when: {CONDITION.format('when')}"),
        ('when = { "address..city" = "Ulm" }', f"when.address..city: the path cannot be read. {PATHS}"),
        ("when = { kind = {} }", "when.kind: it says nothing. Use equals, begins_with, in, exists."),
        ("when = { kind = 1979-05-27 }", f"when.kind: its operand is of the wrong type. {OPERANDS}"),
        ("when = { kind = [] }", "when.kind: it is a list. Write kind = { in = [ … ] }."),
        ("when = { kind = ['a', 'b'] }", "when.kind: it is a list. Write kind = { in = [ … ] }."),
        ("when = { kind = nan }", f"when.kind: its operand is of the wrong type. {OPERANDS}"),
        ("when = { kind = 1e400 }", f"when.kind: its operand is of the wrong type. {OPERANDS}"),
        (
            "when = { kind = { exists = false, begins_with = 'a' } }",
            "when.kind: what does not exist has no value either: this never holds. Keep one of the two.",
        ),
        (
            "[when]\nkind = 'a'\nttl_deletes = 'keep'",
            (
                "when.ttl_deletes: this is no condition. Write ttl_deletes above the line [when]; "
                """an attribute of this name is '["ttl_deletes"]'."""
            ),
        ),
        (
            "when = { begins_with = 'USER#' }",
            (
                "when.begins_with: the attribute is missing. Write when = { attribute = { begins_with = … } }; "
                """an attribute of this name is '["begins_with"]'."""
            ),
        ),
        (
            "when = { '$event_name' = 'INSERT' }",
            (
                "when.$event_name: a property of the change says nothing about the item. "
                """Name an attribute or a path; an attribute of this name is '["$event_name"]'."""
            ),
        ),
        (
            "when = { or = [{ kind = 'a' }] }",
            """when.or: there is no such word. Use any; an attribute of this name is '["or"]'.""",
        ),
        (
            "when = { kind = { equals = ['a'] } }",
            f"when.kind.equals: its operand is of the wrong type. {OPERANDS}",
        ),
        (
            "when = { kind = { begins_with = 5 } }",
            f"when.kind.begins_with: its operand is of the wrong type. {OPERANDS}",
        ),
        ("when = { kind = { in = 'a' } }", f"when.kind.in: its operand is of the wrong type. {OPERANDS}"),
        ("when = { kind = { in = [] } }", f"when.kind.in: its operand is of the wrong type. {OPERANDS}"),
        ("when = { kind = { in = ['a', []] } }", f"when.kind.in: its operand is of the wrong type. {OPERANDS}"),
        ("when = { kind = { exists = 1 } }", f"when.kind.exists: its operand is of the wrong type. {OPERANDS}"),
        (
            "when = { kind = { starts_with = 'a' } }",
            (
                "when.kind.starts_with: this operator is unknown. "
                'Use equals, begins_with, in, exists; a path is one key, in quotes: "kind.starts_with" = ….'
            ),
        ),
        (
            "[when]\naddress.city = 'Ulm'",
            (
                "when.address.city: this operator is unknown. "
                'Use equals, begins_with, in, exists; a path is one key, in quotes: "address.city" = ….'
            ),
        ),
        ("when = { all = { kind = 'a' } }", f"when.all: {CONDITIONS.format('when.all')}"),
        ("when = { any = [] }", f"when.any: {CONDITIONS.format('when.any')}"),
        ("when = { any = [{ kind = 'a' }, 'b'] }", f"when.any[1]: {CONDITION.format('when.any[1]')}"),
        ("when = { not = [{ kind = 'a' }] }", f"when.not: {CONDITION.format('when.not')}"),
        ("when = { not = {} }", f"when.not: {CONDITION.format('when.not')}"),
        (
            "when = { all = [{ kind = 'a' }, { not = { any = [{ kind = { in = 5 } }] } }] }",
            f"when.all[1].not.any[0].kind.in: its operand is of the wrong type. {OPERANDS}",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_do(told, text, message):
    assert told(text) == [f"items/source.toml: {message}"]


def test_an_attribute_of_any_name_can_be_looked_at():
    document = tomllib.loads("""when = { '["$x"]' = 1, '["or"]' = 1, '["exists"]' = 1, '["columns"]' = 1 }""")
    source = read_source(document, Findings("source.toml"))
    assert source.when_attributes == {"$x", "or", "exists", "columns"}


def test_what_a_filter_looks_at_may_stay_behind():
    made = table(source={"when": {"kind": "u"}, "leave_out": ["kind"], "columns": {"name": "$rest"}})
    (row,) = made.rows(decode_change(insert({"id": {"S": "a"}}, {"kind": {"S": "u"}, "x": {"N": "1"}})))
    assert json.loads(json.loads(row.data)["name"]) == {"x": 1}
    assert list(made.rows(decode_change(insert({"id": {"S": "a"}}, {"kind": {"S": "v"}})))) == []


def test_a_path_among_the_attributes_to_leave_out_is_warned_of():
    _, (warning,) = read(source={"leave_out": ["address.zip", "plain", "a.b"], "columns": {"name": "address"}})
    assert str(warning) == (
        "source.toml: leave_out: attributes stay behind as a whole, and address.zip reads as a path into one. "
        "Leave out address, or keep the line if an attribute really has this name."
    )


def test_where_a_rest_column_takes_all_a_path_to_leave_out_is_warned_of_too():
    assert [each.where for each in read(source={"leave_out": ["a.b"], "columns": {"name": "$rest"}})[1]] == [
        "leave_out"
    ]


def test_a_primary_key_out_of_a_path_is_warned_of():
    table, warnings = read(source={"columns": {"id": "address.id"}})
    assert table.name == "items"
    problem = "a path is never DynamoDB's key, so an item's row can move, and its delete takes an old image"
    remedy = "Make the primary key of the table's own key"
    assert [str(each) for each in warnings] == [f"source.toml: columns.id: {problem}. {remedy}."]


def test_all_mistakes_of_a_kind_are_told_at_once(told):
    text = """
        dynamo_table = "app"
        ttl_deletes = "drop"
        when = { kind = { like = "a" }, any = [] }
        [columns]
        name = "a..b"
        price = "$now"
    """
    assert [line.split(": ")[1] for line in told(text)] == [
        "dynamo_table",
        "ttl_deletes",
        "when.kind.like",
        "when.any",
        "columns.name",
        "columns.price",
    ]


def test_what_fits_no_column_is_told_once_the_file_can_be_read(told):
    text = 'leave_out = ["name", "price"]\n[columns]\nid = "$version"\ntitle = "name"\ndeleted = "gone"'
    assert [line.split(": ")[1] for line in told(text)] == [
        "leave_out",
        "leave_out",
        "columns.id",
        "columns.title",
        "columns.deleted",
    ]
