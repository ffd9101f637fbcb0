"""A function with an invalid variable or file does not start, and its error names the variable or file."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from dynapinot.defaults import DEMO_TABLES, MEETUPS_TABLE
from runtime.emulator import FunctionError

pytestmark = pytest.mark.engines

MISSING = object()
EMPTY = {"Records": []}
DONE = {"batchItemFailures": []}


def refusal(function):
    """Return the error of the invocation. The log must have the same, besides the runtime's own warning."""
    with pytest.raises(FunctionError) as caught:
        function.invoke(EMPTY)
    warning, error = map(json.loads, function.log())
    assert warning["message"].startswith("LAMBDA_WARNING: Unhandled exception.")
    raised = (caught.value.kind, caught.value.message)
    assert (error["level"], error["errorType"], error["errorMessage"]) == ("ERROR", *raised)
    return raised


@pytest.mark.parametrize(
    ("name", "variable", "value", "kind", "message"),
    [
        (
            "Replicator",
            "DEAD_LETTER_BUCKET",
            MISSING,
            "SettingsError",
            "DEAD_LETTER_BUCKET is not set: name the S3 bucket for dead letters",
        ),
        (
            "Replicator",
            "KINESIS_MAX_RECORD_BYTES",
            "1 MiB",
            "SettingsError",
            "KINESIS_MAX_RECORD_BYTES is not a whole number from 1 to 10485760",
        ),
        ("Replicator", "EVENT_PARSER", "simdjson", "SettingsError", "EVENT_PARSER is not one of runtime, orjson"),
        (
            "Replicator",
            "TABLES_DIR",
            "/nowhere",
            "TableError",
            "/nowhere: the folder of tables: it does not exist. Create it, or set TABLES_DIR to the right one.",
        ),
        (
            "Redrive",
            "REDRIVE_ITEMS_PER_SECOND",
            "0",
            "SettingsError",
            "REDRIVE_ITEMS_PER_SECOND is not a whole number from 1 to 10000",
        ),
        (
            "Heartbeat",
            "HEARTBEAT_TABLE",
            MISSING,
            "SettingsError",
            "HEARTBEAT_TABLE is not set: name the DynamoDB table for the heartbeat items",
        ),
    ],
)
def test_an_invalid_variable_is_named(name, variable, value, kind, message, start, variables):
    right = {**variables, "HEARTBEAT_TABLE": MEETUPS_TABLE}
    wrong = {key: given for key, given in {**right, variable: value}.items() if given is not MISSING}
    assert refusal(start(name, wrong)) == (kind, message)


def test_an_unknown_table_is_reported_with_the_known_ones(artefact, start, variables):
    folder = artefact.functions["Replicator"].folder / "tables"
    there = ", ".join(sorted(each.name for each in folder.iterdir()))
    assert refusal(start("Replicator", {**variables, "TABLES": "meetups"})) == (
        "TableError",
        f"{folder}: TABLES: there is no folder meetups. Name some of {there}, or none for all.",
    )


def test_an_invalid_file_is_reported_with_line_and_column_and_the_function_runs_once_it_is_fixed(
    start, variables, tmp_path
):
    tables = tmp_path / "tables"
    shutil.copytree(DEMO_TABLES, tables)
    file = tables / variables["TABLES"] / "table.json"
    right = file.read_text()
    file.write_text(right.replace(":", "", 1))
    function = start("Replicator", {**variables, "TABLES_DIR": str(tables)})
    kind, message = refusal(function)
    assert kind == "TableError"
    assert re.fullmatch(
        re.escape(str(file)) + r": line 2, column \d+: it is not JSON: Expecting ':' delimiter. Fix it there.", message
    )
    file.write_text(right)
    assert function.invoke(EMPTY) == DONE
    assert function.invoke(EMPTY) == DONE
    assert len(function.init_seconds) == 2 + 1  # the emulator repeats a failed init, without success
