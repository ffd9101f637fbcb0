"""``dynapinot add-table``: create a folder's table in Pinot."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from dynapinot.errors import OK, CommandError
from dynapinot.folders import read_documents
from dynapinot.pinot_server import Controller

NO_STREAM: Final = "ResourceNotFoundException"  # Pinot reads the stream's shards when it makes the table


def add_table(console: Console, controller: Controller, folder: Path) -> int:
    """Make a folder's table in Pinot: ``dynapinot add-table``. Raises CommandError."""
    schema, config = read_documents(folder)
    try:
        unknown = controller.add_table(schema, config)
    except CommandError as error:
        if NO_STREAM not in str(error):
            raise
        remedy = "Make the stream first, in the region that table.json names, and let Pinot's servers reach it"
        raise CommandError(f"{str(error).rstrip('.')}. {remedy}") from None
    for each in unknown:
        console.print(Text(f"Pinot does not know {each}", "yellow"), soft_wrap=True)
    console.print(Text(f"Made {config.get('tableName')} at {controller.url}"), soft_wrap=True)
    return OK
