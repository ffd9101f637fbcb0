"""Feeds change records to the shards that Pinot consumes, as the function and Kinesis would."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal

from files import CONFIG
from handlers.planner import plan
from heartbeat.probe import hash_key
from pinot.compile import Files, read_table

MAX_RECORD_BYTES = 1_048_576

# tests/files.py has only what the adapter reads; Pinot refuses a table config without tenants.
COMPLETE = {**CONFIG, "tenants": {}, "metadata": {}}

INDEXED = {"indexed": 1}


def shard_of(key, shards):
    """Return the shard of a partition key: shards share the hash keys evenly."""
    return hash_key(key) * shards >> 128


def rows_of(table, *records):
    """Return the rows of change records, in order, with their partition keys. None may be a dead letter."""
    batch = plan(records, [table], max_record_bytes=MAX_RECORD_BYTES)
    assert [str(dead_letter.error) for dead_letter in batch.dead_letters] == []
    return batch.rows.get(table.target, [])


def consume(consumer, entries):
    """Let each shard's partition consume its rows. Pinot must index every row unchanged."""
    for shard in range(consumer.partitions):
        mine = [entry.data for entry in entries if shard_of(entry.key, consumer.partitions) == shard]
        assert consumer.ingest(mine, shard) == [INDEXED] * len(mine)


def read_folder(folder):
    """Return a table's schema and config as Pinot gets them, and the adapter's table."""
    schema, config = (json.loads((folder / name).read_text()) for name in ("schema.json", "table.json"))
    source = folder / "source.toml"
    mapping = tomllib.loads(source.read_text(), parse_float=Decimal) if source.exists() else {}
    return schema, config, read_table(schema, config, mapping, Files())[0]
