"""Answers the queries of a sweep and of a verification from the rows that Pinot shows, by SQLite: there they mean the
same."""

from __future__ import annotations

import re
import sqlite3
import zlib
from contextlib import closing

_OPTIONS = re.compile(r"^(SET \w+=\w+; )*")
_FUNCTIONS = {
    ("MOD", 2): lambda number, by: float(number % by),  # as Pinot's, a DOUBLE
    ("murmurHash2UTF8", 1): lambda text: zlib.crc32(text.encode()) - 2**31,
    ("CONCAT", 3): lambda first, second, between: f"{first}{between}{second}",
}
SEGMENT = "$segmentName"


def prepare(database):
    """Give a database of SQLite the functions of Pinot's that the queries use."""
    for (name, arguments), function in _FUNCTIONS.items():
        database.create_function(name, arguments, function, deterministic=True)


def in_sqlite(sql):
    """Write a query as SQLite reads it: without its options, which come first, and with SQLite's name of text."""
    return _OPTIONS.sub("", sql).replace("AS STRING)", "AS TEXT)")


def answer(table, shown, sql):
    """Answer a query of a table: an UpsertTable, and the rows that it shows, which may have their segment's name."""
    names = [*table.columns, SEGMENT]
    quoted = ", ".join(f'"{name}"' for name in names)
    with closing(sqlite3.connect(":memory:")) as database:
        prepare(database)
        database.execute(f'CREATE TABLE "{table.name}" ({quoted})')
        rows = [[row.get(name) for name in names] for row in shown]
        database.executemany(f'INSERT INTO "{table.name}" VALUES ({", ".join("?" * len(names))})', rows)
        return [list(row) for row in database.execute(in_sqlite(sql))]
