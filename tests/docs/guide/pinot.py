"""A Pinot for the guide: the controller as the doctor's tests have it, and a broker that really looks into the rows.

The model (dynapinot.local.replica) says which rows a query sees, SQLite runs the query over them. It understands what
Pinot and SQLite write alike, and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.replica import Replica, read_upsert_table
from pinot_fake import Pinot, broker_response, result
from pinot_sql import SEGMENT, in_sqlite, prepare

_HISTORY = "SET skipUpsert=true; "
_SERVER = "Server_localhost_8098"
_TYPES = {int: "LONG", float: "DOUBLE", str: "STRING", list: "STRING_ARRAY", type(None): "STRING"}


@dataclass
class QueriedPinot(Pinot):
    """A fake whose tables consume their Kinesis streams, one segment a shard; ``consume`` brings what is there."""

    kinesis: object = None
    replicas: dict = field(default_factory=dict)
    readers: dict = field(default_factory=dict)

    def answer(self, method, path, params, body):
        if path == "/query/sql":
            return 200, self._query(body["sql"])
        made = super().answer(method, path, params, body)
        if (method, path) == ("POST", "/tableConfigs") and made[0] == 200:
            self._begin(body)
        return made

    def consume(self):
        for name, replica in self.replicas.items():
            for record in self.readers[name].read():
                replica.ingest(record.shard, record.data)

    def _begin(self, body):
        name, config = body["tableName"], body["realtime"]
        (stream,) = config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"]
        topic = stream["stream.kinesis.topic.name"]
        self.replicas[name] = Replica(read_upsert_table(body["schema"], config))
        self.readers[name] = StreamReader(self.kinesis, topic)
        shards = self.kinesis.list_shards(StreamName=topic)["Shards"]
        segments = {_segment(name, shard["ShardId"]): {_SERVER: "CONSUMING"} for shard in shards}
        self.tables[name].ideal = self.tables[name].actual = segments

    def _query(self, sql):
        with closing(sqlite3.connect(":memory:")) as database:
            prepare(database)
            for name, replica in self.replicas.items():
                shown = [{**row, SEGMENT: _segment(name, shard)} for shard, row in replica.placed()]
                _fill(database, name, replica, replica.history() if sql.startswith(_HISTORY) else shown)
            try:
                cursor = database.execute(in_sqlite(sql))
            except sqlite3.Error as error:  # Pinot's own number of a query that it cannot read
                return broker_response([{"errorCode": 150, "message": f"SQLParsingError: {error}"}])
            rows = [[_value(cell) for cell in row] for row in cursor]
            columns = [each[0] for each in cursor.description]
        types = [_TYPES[type(value)] for value in rows[0]] if rows else ["STRING"] * len(columns)
        return broker_response(result(columns, types, rows))


def _fill(database, name, replica, rows):
    """Make a table of the columns in the schema's order, and put rows into it."""
    columns = [*replica.table.columns, SEGMENT]
    quoted = ", ".join(f'"{each}"' for each in columns)
    database.execute(f'CREATE TABLE "{name}" ({quoted})')
    marks = ", ".join("?" * len(columns))
    database.executemany(
        f'INSERT INTO "{name}" VALUES ({marks})', [[_cell(row.get(each)) for each in columns] for row in rows]
    )


def _segment(table, shard):
    return f"{table}__{int(shard.removeprefix('shardId-'))}__0__20260301T0800Z"


def _cell(value):
    if isinstance(value, list):
        return json.dumps(value).encode()  # of bytes, for no other column is
    return json.dumps(value) if isinstance(value, bool) else value


def _value(cell):
    return json.loads(cell) if isinstance(cell, bytes) else cell
