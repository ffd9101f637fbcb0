"""A delete's row goes without what Pinot's expressions read, on the typed path as on the exact one."""

from __future__ import annotations

import orjson
import pytest

from changes import insert, modify, remove
from decoder.change import decode_change
from files import CONFIG, table, with_column, with_setting
from pinot.typed.record import source_of
from pinot.typed.row import TypedRows

ENOUGH = 10**6
KEYS = {"id": {"S": "a"}}
SCHEMA = with_column("amount", "STRING", maxLength=4)
SCHEMA["dimensionFieldSpecs"] += [{"name": "city", "dataType": "STRING"}, {"name": "total", "dataType": "BIG_DECIMAL"}]
EXPRESSIONS = {"price": "CAST(amount AS DOUBLE) + total", "name": "concat(city, note)"}
TABLE = table(
    SCHEMA,
    with_setting(
        CONFIG,
        "ingestionConfig.transformConfigs",
        [{"columnName": name, "transformFunction": text} for name, text in EXPRESSIONS.items()],
    ),
    {"columns": {"city": "address.city"}, "dynamodb_table": "meetups"},
)
ITEM = {
    "amount": {"S": "1"},
    "total": {"N": "1"},
    "note": {"S": "n"},
    "address": {"M": {"city": {"S": "Ulm"}}},
}


def both(change_record, *like):
    """The rows of the exact path, and those of the typed path that learned from other records."""
    change = decode_change(change_record)
    typed = TypedRows(TABLE, source_of(change_record, change))
    for each in like:
        typed.learn(decode_change(each))
    made = typed.row(orjson.dumps(change_record), ENOUGH)
    return [(row.key, row.data) for row in TABLE.rows(change)], made and [made[:2]]


def test_a_delete_has_no_inputs_on_either_path():
    exact, typed = both(remove(KEYS, ITEM), remove(KEYS, ITEM))
    assert exact == typed == [("1:a", b'{"id":"a","deleted":true,"changed":1719082124000}')]


@pytest.mark.parametrize("change", [insert(KEYS, ITEM), modify(KEYS, ITEM, ITEM)])
def test_other_changes_have_them(change):
    exact, typed = both(change, change)
    assert exact == typed
    assert orjson.loads(exact[0][1]).keys() == {"id", "deleted", "changed", "amount", "city", "note", "total"}


@pytest.mark.parametrize(
    "odd",
    [
        *({"amount": {"S": text}} for text in ("", "long text", "\0", "ü")),
        *({"amount": {"N": "1"}}, {"amount": {"M": {}}}, {"total": {"N": "1.50"}}, {"total": {"S": "x"}}),
        *({"note": {"NULL": True}}, {"address": {"S": "Ulm"}}, {"address": {"M": {"city": {"N": "5"}}}}),
    ],
)
def test_no_input_holds_up_a_delete(odd):
    exact, typed = both(remove(KEYS, {**ITEM, **odd}), remove(KEYS, ITEM))
    assert exact == [("1:a", b'{"id":"a","deleted":true,"changed":1719082124000}')]
    assert typed in (exact, None)
