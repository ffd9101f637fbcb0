"""Answers the sweep's queries from the model of Pinot, by SQLite: its SQL says the same as Pinot's."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

_OPTION = re.compile(r"^SET \w+=\w+; ")


def answer(replica, sql):
    """The rows of a query. Pinot answers a BIG_DECIMAL and BYTES as text."""
    table = replica.table
    names = [*table.primary_key, table.comparison]
    quoted = ", ".join(f'"{name}"' for name in names)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f'CREATE TABLE "{table.name}" ({quoted})')
        rows = [[row[name] for name in names] for row in replica.live()]
        database.executemany(f'INSERT INTO "{table.name}" VALUES ({", ".join("?" * len(names))})', rows)
        return [list(row) for row in database.execute(_OPTION.sub("", sql))]
