"""The demo's Pinot table: a copy of the seed's files, and the stream that they name."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dynapinot.defaults import DEMO_TABLES
from dynapinot.errors import CommandError
from dynapinot.local.replica import UpsertTable, read_upsert_table
from dynapinot.local.services import REGION
from handlers.catalog import CONFIG, SCHEMA
from pinot.config import read_config
from pinot.errors import Findings

PINOT_TABLE: Final = "pinot_dynamo_ingestion"  # the seed's
TOPIC: Final = "stream.kinesis.topic.name"
SHARDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PinotFiles:
    """The seed's Pinot table: how it upserts, the stream it consumes, and the folder that holds its files alone."""

    upsert_table: UpsertTable
    stream: str
    region: str
    folder: Path


@contextmanager
def seed_tables(tables: Path = DEMO_TABLES, suffix: str = "") -> Iterator[PinotFiles]:
    """Copy the seed's table out of a folder of tables, where others need other items. Raises CommandError.

    A suffix gives the table, its schema and its stream names of their own: ``…_suffix``, and the stream ``…-suffix``.
    """
    source = tables / PINOT_TABLE
    if not source.is_dir():
        raise CommandError(f"The demo replicates to the Pinot table {PINOT_TABLE}, and there is no folder {source}")
    try:
        schema, config = (json.loads((source / name).read_text(encoding="utf-8")) for name in (SCHEMA, CONFIG))
        read_config(config, Findings(CONFIG))
        if suffix:
            schema["schemaName"] = config["tableName"] = f"{PINOT_TABLE}_{suffix}"
            stream_config(config)[TOPIC] += f"-{suffix}"
        upsert_table, consumed = read_upsert_table(schema, config), read_config(config, Findings(CONFIG))
    except (OSError, ValueError) as error:
        raise CommandError(f"The demo cannot use the table in {source}: {error}") from None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PINOT_TABLE
        shutil.copytree(source, copy)
        if suffix:
            for name, document in ((SCHEMA, schema), (CONFIG, config)):
                (copy / name).write_text(json.dumps(document), encoding="utf-8")
        yield PinotFiles(
            upsert_table=upsert_table,
            stream=consumed.stream,
            region=consumed.region or REGION,
            folder=Path(folder),
        )


def stream_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Find the settings of the stream in a table config that ``pinot.config.read_config`` takes."""
    maps = config.get("ingestionConfig", {}).get("streamIngestionConfig", {}).get("streamConfigMaps")
    found: dict[str, Any] = maps[0] if maps else config["tableIndexConfig"]["streamConfigs"]
    return found
