"""Answers the sweep's queries from the rows that Pinot shows, by SQLite: there they mean the same."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

_OPTION = re.compile(r"^SET \w+=\w+; ")


def answer(table, shown, sql):
    """Answer a query of a table: an UpsertTable, and the rows that it shows."""
    names = [*table.primary_key, table.comparison]
    quoted = ", ".join(f'"{name}"' for name in names)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f'CREATE TABLE "{table.name}" ({quoted})')
        rows = [[row[name] for name in names] for row in shown]
        database.executemany(f'INSERT INTO "{table.name}" VALUES ({", ".join("?" * len(names))})', rows)
        return [list(row) for row in database.execute(_OPTION.sub("", sql))]
