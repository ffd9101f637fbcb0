"""DynamoDB Local, AWS's own emulator of DynamoDB and its streams, in a process of this machine."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

from engines.pinot_engine import ROOT
from engines.tools import Server, java, made_once, maven, run

NAME: Final = "DynamoDB Local"
PROJECT: Final = ROOT / "tests" / "engines" / "dynamodb"
REGION: Final = "us-east-1"
HEAP_MB: Final = int(os.environ.get("ENGINES_HEAP_MB", "256"))


def build() -> list[str]:
    """Download it if necessary; return the command that starts it. Raises MissingToolError."""
    program, mvn = java(NAME), maven(NAME)

    def make(folder: Path) -> None:
        run(
            [mvn, "--quiet", "--batch-mode", f"-Dfolder={folder}", "--file", str(PROJECT / "pom.xml"), "compile"],
            PROJECT,
        )

    folder = made_once("dynamodb-local", PROJECT, make)
    return [
        program,
        f"-Xmx{HEAP_MB}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # the JIT compiler is warm after a hundred writes, not after thousands
        f"-Dsqlite4java.library.path={folder / 'native'}",
        "-cp",
        os.pathsep.join((str(folder / "classes"), str(folder / "jars" / "*"))),
        "dynapinot.source.Serve",
    ]


class DynamoDBLocal:
    """The running emulator. Each access key and region has its own tables."""

    def __init__(self) -> None:
        self._server = Server(NAME, build())
        self._accounts = count(1)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return self._server.endpoint

    def close(self) -> None:
        """Stop it and discard its data."""
        self._server.close()

    def empty(self) -> Account:
        """Return a new account without tables."""
        return Account(self._server.endpoint, f"account{next(self._accounts)}")


class Account:
    """An account whose tables no other account sees."""

    def __init__(self, endpoint: str, access_key: str) -> None:
        self.endpoint = endpoint
        self.access_key = access_key

    def client(self, service: str) -> Any:
        """Connect ``dynamodb`` or ``dynamodbstreams``."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key="secret",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
