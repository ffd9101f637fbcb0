"""ministack: an emulator whose Step Functions honour tolerated failures, and run functions in processes of their own.

It has its own environment, as its packages are not the project's. It ignores MaxConcurrencyPath.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, Final

import boto3

from engines.pinot_engine import ROOT, MissingToolError
from engines.tools import Server

PYTHON: Final = ROOT / ".venv-ministack" / "bin" / "python"
SERVE: Final = Path(__file__).with_name("ministack") / "serve.py"
REGION: Final = "us-east-1"
SHORTER: Final = 0.01  # waits and pauses between retries, of what the state machine says


class Ministack:
    """The running emulator."""

    def __init__(self) -> None:
        if not PYTHON.exists():
            raise MissingToolError("There is no .venv-ministack: run `make test`, which makes it")
        self._server = Server("ministack", [str(PYTHON), str(SERVE)], {"SFN_WAIT_SCALE": str(SHORTER)})

    def close(self) -> None:
        """Stop it and discard its data."""
        self._server.close()

    def client(self, service: str) -> Any:
        """Connect a service."""
        return boto3.client(
            service,
            endpoint_url=self._server.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def zipped(folder: Path) -> bytes:
    """Return a function's folder as Lambda gets it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return buffer.getvalue()
