"""The tables' folders: ``<folder>/schema.json``, ``<folder>/table.json`` and, where there is one, ``source.toml``."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from pinot.compile import Files, read_table
from pinot.errors import Finding, TableError
from pinot.table import Table

SCHEMA, CONFIG, SOURCE = "schema.json", "table.json", "source.toml"


def load_tables(folder: Path, names: Collection[str] = ()) -> tuple[tuple[Table, ...], tuple[Finding, ...]]:
    """Read all tables of a folder, sorted by name, and the warnings about them.

    ``names`` are the tables' own folders to read, none for all; errors in the other folders then do not matter. Raises
    TableError with the findings of all tables. Each finding has its file, its column or setting, and a remedy.
    """
    if not folder.is_dir():
        _refuse(folder, "the folder of tables", "it does not exist", "Create it, or set TABLES_DIR to the right one")
    folders = table_folders(folder)
    if not folders:
        remedy = (
            f"Add <table>/{SCHEMA} and <table>/{CONFIG}, as dynapinot init proposes them, or name another folder:"
            " --tables, TABLES_DIR, or make build TABLES=…"
        )
        _refuse(folder, "the folder of tables", "it has no table", remedy)
    tables: list[Table] = []
    warnings: list[Finding] = []
    errors = _unknown(folder, names, [each.name for each in folders])
    for each in folders:
        if names and each.name not in names:
            continue
        try:
            table, found = _load_table(each)
        except TableError as error:
            errors.extend(error.findings)
        else:
            warnings.extend(found)
            errors.extend(_clashes(each, table, tables))
            tables.append(table)
    if errors:
        raise TableError(errors)
    return tuple(tables), tuple(warnings)


def hashes(folder: Path, names: Collection[str] = ()) -> dict[str, str]:
    """Return a hash of each table's files, by the table's name, for tables that :func:`load_tables` can read."""
    found = {}
    for each in table_folders(folder):
        if not names or each.name in names:
            files = [(each / name).read_bytes() for name in (SCHEMA, CONFIG, SOURCE) if (each / name).exists()]
            found[_load_table(each)[0].name] = hashlib.sha256(b"\0".join(files)).hexdigest()
    return found


def table_folders(folder: Path) -> list[Path]:
    """Find the folders of tables in a folder, sorted by name; none if it does not exist. Files in it are not for it."""
    inside = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in inside if path.is_dir() and not path.name.startswith((".", "_")))


def _load_table(folder: Path) -> tuple[Table, tuple[Finding, ...]]:
    files = {name: folder / name for name in (SCHEMA, CONFIG, SOURCE)}
    source: dict[str, Any] = {}
    if files[SOURCE].exists():
        try:
            source = tomllib.loads(_text(files[SOURCE]), parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            _refuse(files[SOURCE], "the file", f"it is not TOML: {error}", "Fix it there")
        except RecursionError:
            _refuse(files[SOURCE], "the file", "it is nested too deeply", "Write the settings of a table")
    table, warnings = read_table(
        _json(files[SCHEMA]),
        _json(files[CONFIG]),
        source,
        Files(schema=str(files[SCHEMA]), config=str(files[CONFIG]), source=str(files[SOURCE])),
    )
    return table, (*warnings, *_misnamed(folder))


def _misnamed(folder: Path) -> Iterator[Finding]:
    """Find files that may be meant as the table's settings but are not read: every item would be a row."""
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in (".toml", ".tml") and file.name != SOURCE:
            problem = f"the settings of a table are read from {SOURCE} only, and not from this file"
            yield Finding(
                level="warning", file=str(file), where="the file", problem=problem, remedy=f"Name it {SOURCE}"
            )


def _json(file: Path) -> object:
    try:
        return json.loads(_text(file))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _refuse(file, place, f"it is not JSON: {error.msg}", "Fix it there")
    except RecursionError:
        _refuse(file, "the file", "it is nested too deeply", "Write the JSON of a Pinot schema or table config")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        _refuse(file, "the file", "it is missing", f"A table's folder needs {SCHEMA} and {CONFIG}")
    except (OSError, UnicodeDecodeError) as error:
        _refuse(file, "the file", f"it cannot be read: {error}", "Make it a readable file in UTF-8")


def _unknown(folder: Path, names: Collection[str], known: list[str]) -> list[Finding]:
    remedy = f"Name some of {', '.join(known)}, or none for all"
    return [
        Finding(level="error", file=str(folder), where="TABLES", problem=f"there is no folder {name}", remedy=remedy)
        for name in dict.fromkeys(names)
        if name not in known
    ]


def _clashes(folder: Path, table: Table, others: list[Table]) -> list[Finding]:
    clashes = []
    for other in others:
        if other.name == table.name:
            clashes.append(("tableName", f"another folder has the table {table.name} too", "Give each its own name"))
        same_region = other.region == table.region or None in (other.region, table.region)  # None: the function's own
        if other.stream == table.stream and same_region:
            problem = f"the table {other.name} consumes the stream {table.stream} too, and would ingest these rows"
            clashes.append(("stream.kinesis.topic.name", problem, "Give each table a stream of its own"))
    return [
        Finding(level="error", file=str(folder / CONFIG), where=where, problem=problem, remedy=remedy)
        for where, problem, remedy in clashes
    ]


def _refuse(file: Path, where: str, problem: str, remedy: str) -> NoReturn:
    raise TableError([Finding(level="error", file=str(file), where=where, problem=problem, remedy=remedy)])
