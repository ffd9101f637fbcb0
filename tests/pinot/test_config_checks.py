"""Expressions that compare with a text: what Pinot 1.5.1's own evaluator did with each was run."""

from __future__ import annotations

import pytest

from pinot.config_checks import compares_text


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
