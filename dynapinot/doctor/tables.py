"""The tables' files: everything there is to say of them, errors and warnings together."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from dynapinot.doctor import pinot_validators, table_creation
from dynapinot.doctor.finding import Diagnosis, Finding
from handlers.catalog import CONFIG, SCHEMA, SOURCE, load_tables, table_folders
from pinot import errors
from pinot.compile import Files, compile_table
from pinot.errors import Findings, TableError
from pinot.table import Table

PART: Final = "Tables' files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A table's folder as it was read. ``table`` is None where its files have errors; the documents are unwrapped."""

    path: Path
    schema: Mapping[str, Any]
    config: Mapping[str, Any]
    table: Table | None

    @property
    def name(self) -> str:
        """The name of the Pinot table."""
        name = str(self.config.get("tableName") or self.path.name)
        return name.removesuffix("_REALTIME")


def look(diagnosis: Diagnosis, tables_dir: Path, names: Collection[str] = ()) -> Sequence[Folder]:
    """Read the tables' folders, of which ``names`` are those to read, none for all; errors in one hide no other."""
    folders: list[Folder] = []
    found: list[errors.Finding] = []
    try:
        found += load_tables(tables_dir, names)[1]
    except TableError as error:
        found += error.findings
    for path in table_folders(tables_dir):
        if not names or path.name in names:
            documents = _documents(path)
            if documents:
                folder, said = _examine(path, *documents)
                folders.append(folder)
                found += said
            diagnosis.saw(f"{path}")
    diagnosis.add(PART, map(_finding, dict.fromkeys(found)))
    for folder in folders:
        diagnosis.add(PART, _notes(folder))
    return folders


def _documents(folder: Path) -> tuple[Any, Any, dict[str, Any]] | None:
    """Parse a folder's files, None if one of them cannot be read, which is reported already."""
    try:
        schema, config = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (SCHEMA, CONFIG))
        source = folder / SOURCE
        text = source.read_text(encoding="utf-8") if source.exists() else ""
        return schema, config, tomllib.loads(text, parse_float=Decimal)
    except (OSError, ValueError, RecursionError):
        return None


def _examine(path: Path, schema: Any, config: Any, source: dict[str, Any]) -> tuple[Folder, list[errors.Finding]]:  # noqa: ANN401  # any JSON
    files = Files(schema=str(path / SCHEMA), config=str(path / CONFIG), source=str(path / SOURCE))
    table, found = compile_table(schema, config, source, files)
    folder = Folder(
        path=path,
        schema=_unwrapped(schema, "schema"),
        config=_unwrapped(config, "REALTIME", "realtime"),
        table=table,
    )
    in_schema, in_config = Findings(files.schema), Findings(files.config)
    pinot_validators.look_at_schema(folder.schema, in_schema)
    if folder.config:
        table_creation.look_at_config(folder.config, in_config)
        pinot_validators.look_at_config(folder.schema, folder.config, in_config)
    return folder, [*found, *in_schema.found, *in_config.found]


def _unwrapped(document: Any, *wrappers: str) -> Mapping[str, Any]:  # noqa: ANN401  # any JSON
    if not isinstance(document, dict):
        return {}
    return next((document[key] for key in wrappers if isinstance(document.get(key), dict)), document)


def _finding(found: errors.Finding) -> Finding:
    return Finding(
        level=found.level,
        code=found.where,
        about=f"{found.file}: {found.problem}",
        where=f"{found.file}: {found.where}",
        problem=found.problem,
        remedy=found.remedy,
    )


def _notes(folder: Folder) -> Iterator[Finding]:
    for name, where, problem, remedy in table_creation.notes(folder.schema, folder.config):
        file = folder.path / name
        about = f"{file}: {problem}"
        yield Finding(level="note", code=where, about=about, where=f"{file}: {where}", problem=problem, remedy=remedy)
