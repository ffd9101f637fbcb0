"""Which of Pinot's expressions fail: what Pinot 1.5.1's own evaluator did with each was run."""

from __future__ import annotations

import pytest

from expressions import FAILING, HARMLESS
from pinot.expression import compares_text, fails_on_some_text, names_read_by


@pytest.mark.parametrize(
    "expression",
    [
        "eventName = 'REMOVE'",
        "eventName != 'REMOVE'",
        "eventName <> 'REMOVE'",
        "eventName > 'REMOVE'",
        "eventName >= 'REMOVE'",
        "'REMOVE' = eventName",
        "equals(eventName, 'REMOVE')",
        "CASE WHEN eventName = 'REMOVE' THEN 1 ELSE 0 END",
        "eventName = 'REMOVE' OR n = 5",
        "n = 5 AND eventName = 'REMOVE'",
        "lower(eventName) = 'remove'",
        "eventName BETWEEN 'A' AND 'Z'",
        "not(eventName = 'REMOVE')",
        "eventName = 'REMOVE''s'",
    ],
)
def test_what_throws_in_pinot_for_every_row_is_found(expression):
    assert compares_text(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "strcmp(eventName, 'REMOVE') = 0",
        "strcmp(eventName, 'REMOVE') != 0",
        "CASE WHEN strcmp(eventName,'REMOVE') = 0 THEN 1 ELSE 0 END",
        "eventName LIKE 'REM%'",
        "n = 5",
        "n = '5'",
        "s = '7'",
        "b = true",
        'eventName = "REMOVE"',
        "Groovy({eventName == 'REMOVE'}, eventName)",
        "toSphericalGeography(stPoint(group_lon,group_lat))",
        "concat(a, ' = ')",
        "",
    ],
)
def test_what_works_in_pinot_is_left_alone(expression):
    assert not compares_text(expression)


@pytest.mark.parametrize("expression", [*FAILING, "Groovy({x.toLong()}, x)", '"odd name" * 2'])
def test_what_fails_on_some_text_is_found(expression):
    assert fails_on_some_text(expression)


@pytest.mark.parametrize("expression", [*HARMLESS, ""])
def test_what_takes_any_text_is_left_alone(expression):
    assert not fails_on_some_text(expression)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("concat(a, b.c, 'd', \"e f\", 1e5)", {"a", "b.c", "e f"}),
        ("CASE WHEN a > 5 THEN b ELSE NULL END", {"a", "b"}),
        ("Groovy({x = a; return x.trim()}, a, b)", {"a", "b"}),
        ("CAST(a AS LONG) + CAST(b as string)", {"a", "b"}),
        ("now()", set()),
    ],
)
def test_the_names_of_fields_are_read_out_of_an_expression(expression, names):
    assert names_read_by(expression) == names
