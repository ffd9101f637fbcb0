"""docs/mapping.md cannot lie: each of its tables is run against the code."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from decoder.attribute import TAGS
from decoder.errors import ChangeError
from pinot.errors import Findings
from pinot.metadata import DYNAMODB_NAMES, types_for
from pinot.schema import SINGLE_VALUE_ONLY, read_schema
from pinot.values import converter

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "mapping.md").read_text()


def table(heading):
    """The cells of the table whose heading row starts so, row by row."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def matrix():
    lines = PAGE[PAGE.index("| column | S |") :].split("\n\n")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    return [(cells[0], tag, cell) for cells in rows for tag, cell in zip(head[1:], cells[1:], strict=True)]


def column(text):
    data_type, _, kind = text.partition(", ")
    spec = {"name": "c", "dataType": data_type, "singleValueField": kind != "multi-value"}
    document = {"dimensionFieldSpecs": [spec, {"name": "k", "dataType": "STRING"}], "primaryKeyColumns": ["k"]}
    return converter(read_schema(document, Findings("schema.json")).fields[0])


def outcome(text, attribute):
    try:
        return column(text)(attribute)
    except ChangeError as error:
        return error.reason


SAMPLES = {
    "S": {"S": "2024-06-22T18:48:44Z"},
    "N": {"N": "1719082124"},
    "B": {"B": "AAH+"},
    "BOOL": {"BOOL": True},
    "NULL": {"NULL": True},
    "M": {"M": {}},
    "SS": {"SS": ["2024-06-22T18:48:44Z"]},
    "NS": {"NS": ["1719082124"]},
    "BS": {"BS": ["AAH+"]},
}


def sample(text, tag):
    data_type = text.partition(",")[0]
    if data_type == "TIMESTAMP" and tag in ("N", "NS"):
        return {"N": {"N": "1719082124026"}, "NS": {"NS": ["1719082124026"]}}[tag]
    if tag != "L":
        return SAMPLES[tag]
    scalar = {"BOOLEAN": "BOOL", "BYTES": "B", "STRING": "S", "TIMESTAMP": "S"}.get(data_type, "N")
    return {"L": [SAMPLES[scalar]]}


def test_the_matrix_has_every_column_kind_and_every_type():
    kinds = {(name, tag) for name, tag, _ in matrix()}
    single = ("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BOOLEAN", "TIMESTAMP", "STRING", "JSON", "BYTES")
    multiple = [f"{name}, multi-value" for name in single if name not in SINGLE_VALUE_ONLY]
    assert kinds == {(name, tag) for name in (*single, *multiple) for tag in TAGS}


@pytest.mark.parametrize(("text", "tag", "cell"), matrix())
def test_a_type_fits_a_column_exactly_where_the_page_says_so(text, tag, cell):
    got = outcome(text, sample(text, tag))
    if cell == "absent":
        assert got is None
    elif cell == "yes":
        assert got is not None
        assert got != "type_mismatch"
    else:
        assert cell == ""
        assert got == "type_mismatch"


@pytest.mark.parametrize(("text", "attribute", "expected"), table("column | attribute value"))
def test_each_value_on_the_page_becomes_what_it_says(text, attribute, expected):
    got = outcome(text, json.loads(attribute.strip("`")))
    if expected == "absent":
        assert got is None
        return
    expected = expected.strip("`")
    if expected.replace("_", "").isalpha() and expected not in ("true", "false"):
        assert got == expected
    else:
        assert json.dumps(got) == json.dumps(json.loads(expected))


def test_dynamodbs_own_names_and_their_column_types_are_the_codes():
    page = {
        name.strip("`"): (prop.strip("`"), tuple(types.split(", ")))
        for name, prop, types in table("DynamoDB's own name")
    }
    assert page == {name: (prop, types_for(prop)) for name, prop in DYNAMODB_NAMES.items()}


def test_every_reason_in_the_code_is_on_the_page_and_no_other():
    assert {cells[0].strip("`") for cells in table("reason")} == set(reasons_in_the_code())


def reasons_in_the_code():
    yield "malformed"
    # A sweep's reason is of a row that Pinot has, and no change becomes a dead letter by it.
    files = [file for file in (ROOT / "src").rglob("*.py") if file.parent.name != "load"]
    trees = [ast.parse(file.read_text()) for file in files]
    constants = {
        node.target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
    }
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "MisfitError":
                match node.args[0]:
                    case ast.Constant(value):
                        yield value
                    case ast.Name(name):
                        yield constants[name]
                    case ast.JoinedStr():
                        yield from ("missing_key", "missing_comparison", "missing_time")
                    case other:
                        raise AssertionError(ast.dump(other))
