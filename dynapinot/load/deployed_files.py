"""The tables' files that the deployed function has: a load and live changes must make rows by the same ones."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import requests

from dynapinot.doctor.function import environment_of
from handlers.catalog import hashes
from pinot.errors import TableError

Fetch: TypeAlias = Callable[[str], bytes]

_CODE: Final = PurePosixPath("/var/task")  # where Lambda unpacks a function's code
_TABLES: Final = "tables"  # handlers.settings.SHIPPED_TABLES, from there
_SECONDS: Final = 60


class UnknownFilesError(Exception):
    """The function's files cannot be seen; the message says why."""


def fetch_code(url: str) -> bytes:
    """Download a function's code. Raises UnknownFilesError."""
    try:
        response = requests.get(url, timeout=_SECONDS)
        response.raise_for_status()
    except requests.RequestException as error:
        raise UnknownFilesError(f"its code cannot be downloaded ({type(error).__name__})") from None
    return response.content


def deployed_hashes(function: Mapping[str, Any], fetch: Fetch = fetch_code) -> Mapping[str, str]:
    """Return the hash of each table's files, by the Pinot table's name, of GetFunction's answer.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
    Raises UnknownFilesError.
    """
    location = (function.get("Code") or {}).get("Location")
    if not location:
        raise UnknownFilesError("Lambda gives no place to download its code from")
    folder = _CODE / (environment_of(function["Configuration"]).get("TABLES_DIR") or _TABLES)
    with tempfile.TemporaryDirectory() as unpacked:
        try:
            with zipfile.ZipFile(io.BytesIO(fetch(location))) as archive:
                names = [name for name in archive.namelist() if (_CODE / name).is_relative_to(folder)]
                archive.extractall(unpacked, names)
            if not names:
                raise UnknownFilesError(f"its code has no folder {folder}")
            return hashes(Path(unpacked) / folder.relative_to(_CODE))
        except TableError as error:  # which is a ValueError
            raise UnknownFilesError(f"its tables cannot be read: {error}") from None
        except (ValueError, OSError, zipfile.BadZipFile):
            raise UnknownFilesError(f"its code has no folder {folder}") from None
