"""Expressions that Pinot 1.5.1 fails to compute for some text, and others: tests/engines runs them on its own code."""

from __future__ import annotations

FAILING = [
    "fromDateTime(x, 'yyyy-MM-dd HH:mm:ss')",
    "CAST(x AS LONG)",
    "CAST(x AS TIMESTAMP)",
    "fromEpochSeconds(x)",
    "plus(x, 1)",
    "x + 1",
    "1 - x",
    "x = 5",
    "NOT (x = 5)",
    "CASE WHEN x > 5 THEN 'a' ELSE 'b' END",
    "jsonPathString(x, '$.a')",
    "json_path_array(x, '$.a')",
    "stGeomFromText(x)",
    "year(x)",
    "CAST(splitPart(x, '#', 1) AS LONG)",
]
HARMLESS = [
    "splitPart(x, '#', 1)",
    "strcmp(x, 'a') = 0",
    "CASE WHEN strcmp(x, 'a') = 0 THEN 1 ELSE 0 END",
    "x LIKE 'a%'",
    "x IS NOT NULL",
    "concat(id, x, '-')",
    "lower(trim(x))",
    "coalesce(x, 'a')",
    "CAST(x AS BOOLEAN)",
    "CAST(x AS STRING)",
    "jsonPathString(x, '$.a', 'd')",
    "JSONPATHLONG(x, '$.a', 0)",
    "json_format(x)",
    "sha256(toUtf8(x))",
    "regexpReplace(x, '-', '+')",
    "now()",
]
