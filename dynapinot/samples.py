"""Samples of what a table holds and of how it changes, as files that people have of it.

A file is a Lambda event, a change record of either stream, or plain items in DynamoDB's JSON: one, a list, the answer
of ``aws dynamodb scan`` or ``get-item``, or JSON lines as an export to S3 has them; compressed with gzip or not.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from decoder.attribute import TAGS
from dynapinot.errors import CommandError
from pinot.table import Table

ITEM: Final = "dynapinot/item"  # the recordFormat of a record that was made of a plain item

_GZIP: Final = b"\x1f\x8b"
_REMEDY: Final = "give a Lambda event, a change record, or items in DynamoDB's JSON"


def read_samples(
    file: Path, tables: Sequence[Table] = (), *, now_ms: int = 0, dynamodb_table: str | None = None
) -> Sequence[object]:
    """Read the change records of a file; a plain item is given as an INSERT of it at ``now_ms``.

    Its key is what the primary keys of ``tables`` take of it, its table ``dynamodb_table`` or else the one that
    ``tables`` replicate. Raises CommandError, which names the file and where in it.
    """
    found = list(_found_in(file))
    if any(kind == "item" for kind, _ in found):
        source = dynamodb_table or _source_of(tables)
        return [_insert(each, tables, source, now_ms) if kind == "item" else each for kind, each in found]
    return [each for _, each in found]


def is_item(record: object) -> bool:
    """Return whether a record was made from a plain item, for which the table's key is not known."""
    return isinstance(record, dict) and record.get("recordFormat") == ITEM


def _found_in(file: Path) -> Iterator[tuple[str, Any]]:
    for where, document in _documents(file):
        yield from _expand(document, where)


def _expand(document: object, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(document, list):
        for index, each in enumerate(document):
            yield from _expand(each, f"{where}[{index}]")
    elif not isinstance(document, dict):
        raise CommandError(f"{where}: it is no JSON object; {_REMEDY}")
    elif isinstance(document.get("Records"), list):
        yield from (("record", each) for each in document["Records"])
    elif isinstance(document.get("Items"), list):
        yield from _expand(document["Items"], f"{where}: Items")
    elif "dynamodb" in document or "eventSource" in document:
        yield "record", document
    elif isinstance(document.get("Item"), dict) and not _is_attribute(document["Item"]):
        yield "item", document["Item"]
    elif document and all(map(_is_attribute, document.values())):
        yield "item", document
    else:
        raise CommandError(f"{where}: it is neither an event, with its list Records, nor an item; {_REMEDY}")


def _is_attribute(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in TAGS


def _documents(file: Path) -> Iterator[tuple[str, object]]:
    """Give the JSON documents of a file, each with how to name it: one, or one a line."""
    text = _text(file)
    try:
        yield str(file), json.loads(text)
    except RecursionError:
        raise CommandError(f"{file}: it is nested too deeply to be an event or an item") from None
    except json.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        first = _parsed(lines[0][1]) if lines else None
        if len(lines) < 2 or not isinstance(first, dict):  # noqa: PLR2004  # JSON lines are several
            place = f"line {error.lineno}, column {error.colno}"
            raise CommandError(f"{file}: {place}: it is not JSON: {error.msg}; {_REMEDY}") from None
        for number, line in lines:
            document = _parsed(line)
            if document is None:
                raise CommandError(f"{file}: line {number}: it is not JSON, as the lines before are") from None
            yield f"{file}: line {number}", document
    except ValueError as error:  # a number of thousands of digits
        raise CommandError(f"{file}: {error}") from None


def _parsed(line: str) -> object:
    try:
        document: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
        return (gzip.decompress(data) if data.startswith(_GZIP) else data).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{file}: it is not text in UTF-8; {_REMEDY}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise CommandError(f"{file}: its gzip data cannot be read") from None
    except OSError as error:
        raise CommandError(f"{file}: it cannot be read: {error.strerror}") from None


def _source_of(tables: Sequence[Table]) -> str | None:
    names = sorted({table.dynamodb_table for table in tables if table.dynamodb_table is not None})
    if len(names) > 1:
        raise CommandError(f"Plain items do not name their table: give --table, one of {', '.join(names)}")
    return names[0] if names else None


def _insert(item: Mapping[str, Any], tables: Sequence[Table], source: str | None, now_ms: int) -> Mapping[str, Any]:
    key = {name for table in tables for name in table.key_attributes if name in item}
    return {
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "recordFormat": ITEM,
        "tableName": source,
        "dynamodb": {
            "ApproximateCreationDateTime": now_ms,
            "Keys": {name: item[name] for name in item if name in key} or item,
            "NewImage": item,
        },
    }
