"""kinesalite: a local Kinesis whose shards really split and merge, in its own process."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

from engines.pinot_engine import ROOT
from engines.tools import Server, made_once, node, npm, run

NAME: Final = "kinesalite"
PROJECT: Final = ROOT / "tests" / "engines" / "kinesalite"
REGION: Final = "us-east-1"
HEAP_MB: Final = int(os.environ.get("ENGINES_HEAP_MB", "256"))

# No scripts: they would build a database on disk, an optional dependency that is not needed.
_INSTALL: Final = ("ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")


def build() -> tuple[list[str], dict[str, str]]:
    """Download it if necessary; return the command that starts it and its variables. Raises MissingToolError."""
    program, installer = node(NAME), npm(NAME)

    def make(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROJECT / name, folder)
        run([installer, *_INSTALL], PROJECT, folder)

    folder = made_once("kinesalite", PROJECT, make)
    command = [program, f"--max-old-space-size={HEAP_MB}", str(PROJECT / "serve.js")]
    return command, {"NODE_PATH": str(folder / "node_modules"), "AWS_REGION": REGION}


class Kinesalite:
    """The running emulator."""

    def __init__(self) -> None:
        self._server = Server(NAME, *build())
        self.endpoint = self._server.endpoint

    def close(self) -> None:
        """Stop it and discard its data."""
        self._server.close()

    def client(self, endpoint: str | None = None) -> Any:
        """Connect ``kinesis``, through another endpoint if one is given."""
        return boto3.client(
            "kinesis",
            endpoint_url=endpoint or self.endpoint,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}, parameter_validation=False),
        )
