"""Embedded services for a function in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynapinot.local.services import embedded_services
from files import CONFIG, SCHEMA
from limits.events import compact

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
REGION = "eu-west-1"


@pytest.fixture(scope="module")
def measure(tmp_path_factory):
    """Handle an event in a fresh process, with the function's own clients against embedded services."""
    folder = tmp_path_factory.mktemp("limits")
    tables = folder / "tables" / "items"
    tables.mkdir(parents=True)
    columns = [{"name": "name", "dataType": "STRING", "maxLengthExceedStrategy": "NO_ACTION"}]
    columns += [each for each in SCHEMA["dimensionFieldSpecs"] if each["name"] != "name"]
    columns += [{"name": "data", "dataType": "BYTES"}, {"name": "rest", "dataType": "JSON"}]
    (tables / "schema.json").write_text(json.dumps({**SCHEMA, "dimensionFieldSpecs": columns}))
    (tables / "table.json").write_text(json.dumps(CONFIG))
    (tables / "source.toml").write_text('[columns]\nrest = "$rest"\n')
    with embedded_services(REGION) as services:
        services.kinesis.create_stream(StreamName="items-stream", ShardCount=2)
        services.s3.create_bucket(Bucket="dead")

        def run(event, **variables):
            file = folder / "event.json"
            file.write_text(compact(event))
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV"))},
                **services.environment,
                "DEAD_LETTER_BUCKET": "dead",
                "TABLES_DIR": str(folder / "tables"),
                "PYTHONPATH": str(ROOT / "src"),
                **variables,
            }
            done = subprocess.run(
                [sys.executable, "-X", "frozen_modules=on", str(HERE / "peak.py"), str(file)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-2000:]
            return {"bytes": file.stat().st_size, **json.loads(done.stderr.splitlines()[-1])}

        yield run
