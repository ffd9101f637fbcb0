"""``dynapinot explain``: what events would become, offline, by the very code that runs in the function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import orjson

from handlers.catalog import load_tables
from handlers.letter import Letter
from handlers.relay import EventError, Plan, plan, records_of
from pinot.errors import TableError
from pinot.table import Table
from publisher.entry import Entry
from publisher.order import MAX_RECORD_BYTES

Say: TypeAlias = Callable[[str], None]


class InputError(ValueError):
    """A file that cannot be used; the message names it and says what to do."""


def read_event(file: Path) -> Sequence[object]:
    """Read the records of an event file. Raises InputError."""
    try:
        event = json.loads(file.read_text(encoding="utf-8"))
        return records_of(event)
    except EventError:
        raise InputError(f'{file}: it has no list "Records"; give the JSON of a Lambda event') from None
    except OSError as error:
        raise InputError(f"{file}: it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: it is not text in UTF-8; give the JSON of a Lambda event") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{file}: {place}: it is not JSON: {error.msg}; give the JSON of a Lambda event") from None
    except RecursionError:
        raise InputError(f"{file}: it is nested too deeply to be an event") from None
    except ValueError as error:  # no list of records, or a number of thousands of digits
        raise InputError(f"{file}: {error}") from None


def explain(records: Sequence[object], tables: Sequence[Table]) -> Iterator[str]:
    """Give a line of JSON for each row and each dead letter, in the order of the records.

    ``{"table", "stream", "partition_key", "row"}``, or ``{"dead_letter": {"reason", "path", "sequence_number", …}}``.
    """
    return _lines(plan(records, tables, max_record_bytes=MAX_RECORD_BYTES), tables)


def _lines(batch: Plan, tables: Sequence[Table]) -> Iterator[str]:
    names = {table.target: table.name for table in tables}
    lines = [
        (entry.position, _row_line(names[target], target.stream, entry))
        for target, entries in batch.rows.items()
        for entry in entries
    ]
    lines += [(letter.position, _letter_line(letter)) for letter in batch.letters]
    lines.sort(key=lambda line: line[0])
    return (line for _, line in lines)


def _row_line(table: str, stream: str, entry: Entry) -> str:
    row = orjson.Fragment(entry.data)
    return orjson.dumps({"table": table, "stream": stream, "partition_key": entry.key, "row": row}).decode()


def _letter_line(letter: Letter) -> str:
    dead_letter = {
        "reason": letter.error.reason,
        "path": letter.error.path,
        "sequence_number": letter.sequence_number,
        "table": letter.table,
        "detail": letter.error.detail,
    }
    # The standard library's writer takes any name an event can hold, half a surrogate pair too.
    return json.dumps({"dead_letter": dead_letter})


def run(files: Sequence[Path], tables_dir: Path, write: Say, warn: Say) -> int:
    """Explain event files; return the exit code: 0 all rows, 1 dead letters among them, 2 unusable input."""
    try:
        tables, warnings = load_tables(tables_dir)
        events = [read_event(file) for file in files]
    except (TableError, InputError) as error:
        warn(str(error))
        return 2
    for warning in warnings:
        warn(f"warning: {warning}")
    exit_code = 0
    for records in events:
        batch = plan(records, tables, max_record_bytes=MAX_RECORD_BYTES)
        for table, attributes in batch.shared.items():
            if attributes:
                left_out = ", ".join(attributes)
                problem = f"its primary key leaves out {left_out} of the DynamoDB key: items may share a row"
                warn(f"warning: {table}: {problem}")
        for line in _lines(batch, tables):
            write(line)
        if batch.ignored:
            warn(f"{batch.ignored} times a change makes no row of a table, by the table's own source.toml")
        exit_code = exit_code or int(bool(batch.letters))
    return exit_code
