"""kinesalite: Kinesis with shards that really split and merge, in a process of this machine."""

from __future__ import annotations

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
HEAP_MB: Final = 256

# No scripts: what they would build is a database on disk, which is an optional dependency and not wanted.
_INSTALL: Final = ("ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")


def build() -> tuple[list[str], dict[str, str]]:
    """Fetch it, unless it is there; give the command that starts it and its variables. Raises MissingToolError."""
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
        """End it; everything it holds goes with it."""
        self._server.close()

    def client(self, endpoint: str | None = None) -> Any:
        """Connect ``kinesis``, by way of another endpoint if one is given."""
        return boto3.client(
            "kinesis",
            endpoint_url=endpoint or self.endpoint,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}, parameter_validation=False),
        )
