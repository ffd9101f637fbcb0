"""The tables' folders as the commands read them: by the function's own reader, and refused in their words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dynapinot.errors import CommandError
from dynapinot.pinot_server import Document
from handlers.catalog import CONFIG, SCHEMA, load_tables
from pinot.errors import Finding, TableError
from pinot.table import Table


def read_tables(folder: Path, only: Sequence[str]) -> tuple[tuple[Table, ...], tuple[Finding, ...]]:
    """Read the tables of a folder, ``only`` those of these names if there are any, and the warnings about them.

    Raises CommandError, with a line for each mistake.
    """
    try:
        return load_tables(folder, only)
    except TableError as error:
        raise CommandError(str(error)) from None


def read_documents(folder: Path) -> tuple[Document, Document]:
    """Read a table folder's schema and config, without what Pinot's REST API wraps them in. Raises CommandError."""
    documents = []
    for name, wrappers in ((SCHEMA, ("schema",)), (CONFIG, ("REALTIME", "realtime"))):
        file = folder / name
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CommandError(f"{file}: it cannot be read as JSON: {error}") from None
        inner = [
            document[key] for key in wrappers if isinstance(document, dict) and isinstance(document.get(key), dict)
        ]
        documents.append(inner[0] if inner else document)
        if not isinstance(documents[-1], dict):
            raise CommandError(f"{file}: it is no JSON object")
    return documents[0], documents[1]
