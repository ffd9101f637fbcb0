"""A fake Pinot that reads the stream of its table configs, at their endpoint, and shows it some polls late.

The model (dynapinot.local.replica) decides which rows a query sees, and SQLite runs the query on them. This module adds
Pinot's own parts: TIMESTAMP as text (DataSchema.ColumnDataType.format), the computed location, $docId, and error 190
until the table is assigned.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import boto3

from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.replica import Replica, read_upsert_table
from pinot_fake import Pinot, broker_response, result

SET = re.compile(r"\s*SET (\w+)\s*=\s*(\w+);")
STREAM = {"stream.kinesis.topic.name", "region", "endpoint", "accessKey", "secretKey"}


@dataclass
class ReadingPinot(Pinot):
    """``late`` is how many queries see nothing new before one does, ``ingest`` whether a row is ingested at all.

    ``computes`` is whether the transforms work.
    """

    late: int = 1
    ingest: object = lambda _row: True
    computes: bool = True
    replicas: dict = field(default_factory=dict)
    readers: dict = field(default_factory=dict)
    queries: list = field(default_factory=list)
    _waited: int = 0

    def answer(self, method, path, params, body):
        if path == "/query/sql":
            return 200, self._query(body["sql"])
        made = super().answer(method, path, params, body)
        if (method, path) == ("POST", "/tableConfigs") and made[0] == 200:
            self._begin(body)
        return made

    def _begin(self, body):
        name, config = body["tableName"], body["realtime"]
        (stream,) = config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"]
        assert stream.keys() >= STREAM
        client = boto3.client(
            "kinesis",
            region_name=stream["region"],
            endpoint_url=stream["endpoint"],
            aws_access_key_id=stream["accessKey"],
            aws_secret_access_key=stream["secretKey"],
        )
        self.replicas[name] = Replica(read_upsert_table(body["schema"], config))
        self.readers[name] = StreamReader(client, stream["stream.kinesis.topic.name"])
        states = {f"{name}__{number}__0__20260301T0800Z": {"Server_s_8098": "CONSUMING"} for number in range(2)}
        self.tables[name].actual = states

    def _query(self, sql):
        self.queries.append(sql)
        name = next((each for each in self.replicas if re.search(rf"FROM {each}\b", sql)), None)
        if name not in self.tables or len(self.queries) <= self.late:
            return broker_response(None)
        self._waited = (self._waited + 1) % (self.late + 1)
        if not self._waited or not self.late:
            for record in self.readers[name].read():
                if self.ingest(record):
                    self.replicas[name].ingest(record.shard, record.data)
        options = dict(SET.findall(sql))
        assert options.get("enableNullHandling") == "true" or "WHERE" not in sql
        return self._select(name, SET.sub("", sql), skip_upsert=options.get("skipUpsert") == "true")

    def _select(self, name, sql, *, skip_upsert):
        replica = self.replicas[name]
        columns = replica.table.columns
        with closing(sqlite3.connect(":memory:")) as database:
            database.create_function("ST_AsText", 1, lambda place: bytes.fromhex(place).decode())
            database.execute(f'CREATE TABLE "{name}" ({", ".join(columns)})')
            for row in replica.history() if skip_upsert else replica.live():
                values = [self._location(row) if each == "location" else row.get(each) for each in columns]
                database.execute(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(columns))})', values)
            if "LIMIT" not in sql:
                sql += " LIMIT 10"  # in Pinot's form
            cursor = database.execute(sql.replace("$docId", "rowid"))
            names = [each[0] for each in cursor.description]
            rows = [
                [_shown(columns.get(each), value) for each, value in zip(names, row, strict=True)] for row in cursor
            ]
        return broker_response(result(names, [columns.get(each, "LONG") for each in names], rows))

    def _location(self, row):
        if not self.computes or "group_lon" not in row:  # a delete's row has no inputs, and Pinot gives null then
            return None
        return f"POINT ({row['group_lon']} {row['group_lat']})".encode().hex()


def _shown(kind, value):
    if kind == "TIMESTAMP" and value is not None:
        return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return bool(value) if kind == "BOOLEAN" and value is not None else value
