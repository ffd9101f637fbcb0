"""The tables' folders as the commands read them: by the function's own reader, and refused in their words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynapinot.errors import CommandError
from handlers.catalog import load_tables
from pinot.errors import Finding, TableError
from pinot.table import Table


def read_folders(folder: Path, only: Sequence[str]) -> tuple[tuple[Table, ...], tuple[Finding, ...]]:
    """Read the tables of a folder, ``only`` those of these names if there are any, and the warnings about them.

    Raises CommandError, with a line for each mistake.
    """
    try:
        return load_tables(folder, only)
    except TableError as error:
        raise CommandError(str(error)) from None
