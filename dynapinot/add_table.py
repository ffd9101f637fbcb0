"""``dynapinot add-table``: create a folder's table in Pinot."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from dynapinot.errors import OK
from dynapinot.folders import read_documents
from dynapinot.pinot_server import Controller


def add_table(console: Console, controller: Controller, folder: Path) -> int:
    """Make a folder's table in Pinot: ``dynapinot add-table``. Raises CommandError."""
    schema, config = read_documents(folder)
    for each in controller.add_table(schema, config):
        console.print(Text(f"Pinot does not know {each}", "yellow"), soft_wrap=True)
    console.print(Text(f"Made {config.get('tableName')} at {controller.url}"), soft_wrap=True)
    return OK
