"""Samples of what a table holds and of how it changes, as files that people have of it.

A file is a Lambda event, a change record of either stream, the answer of ``aws dynamodbstreams get-records``, an object
of the dead letter bucket, or plain items in DynamoDB's JSON: one, a list, the answer of ``aws dynamodb scan`` or
``get-item``, or JSON lines as an export to S3 has them, full or incremental; compressed with gzip or not. The file
``-`` is the standard input.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from decoder.attribute import TAGS
from decoder.change import Change, Image
from decoder.errors import path_text
from dynapinot.errors import CommandError
from pinot.table import Table

ITEM: Final = "dynapinot/item"  # the recordFormat of a record that was made of a plain item
_EXPORTED: Final = "dynapinot/export"  # and of one that was made of a line of an incremental export
_MICROSECONDS_PER_MS: Final = 1_000

_GZIP: Final = b"\x1f\x8b"
_STANDARD_INPUT: Final = Path("-")
_REMEDY: Final = "give a Lambda event, a change record, or items in DynamoDB's JSON"

# The names of a userIdentity in the API's own form, which get-records prints, and in a Lambda event.
_IDENTITY: Final = {"PrincipalId": "principalId", "Type": "type"}


def read_samples(
    file: Path, tables: Sequence[Table] = (), *, now_ms: int = 0, dynamodb_table: str | None = None
) -> Sequence[object]:
    """Read the change records of a file; a plain item is given as an INSERT of it at ``now_ms``.

    Its key is what the primary keys of ``tables`` take of it. A record that names no table, and an item, is of
    ``dynamodb_table``, which may be a Pinot table's name as well, or else of the one that ``tables`` replicate. Raises
    CommandError, which names the file and where in it.
    """
    found = list(_found_in(file))
    sources = _sources_of(tables, dynamodb_table)
    if len(sources) > 1 and any(kind != "record" for kind, _ in found):
        raise CommandError(f"Plain items do not name their table: give --table, one of {', '.join(sources)}")
    source = sources[0] if len(sources) == 1 else None
    make: Mapping[str, Callable[[Any], object]] = {
        "item": lambda item: _insert(item, tables, source, now_ms),
        "export": lambda line: _exported(line, source),
        "record": lambda record: _as_in_event(record, source),
    }
    return [make[kind](each) for kind, each in found]


def read_files(
    files: Sequence[Path], tables: Sequence[Table], *, now_ms: int, dynamodb_table: str | None
) -> dict[Path, Sequence[object]]:
    """Read the change records of each file, as :func:`read_samples` does.

    Raises CommandError, also if there is none in all of the files.
    """
    read = {file: read_samples(file, tables, now_ms=now_ms, dynamodb_table=dynamodb_table) for file in files}
    if not any(read.values()):
        names = ", ".join(map(_name, files))
        raise CommandError(f"{names}: there is no change and no item, so nothing was looked at; {_REMEDY}")
    return read


def item_key(record: object, change: Change, tables: Sequence[Table]) -> Image | None:
    """Return the primary key of a record's item, None where it is not known.

    A change has its DynamoDB key. A plain item has what the primary keys of ``tables`` take of it.
    """
    if not is_item(record):
        return change.keys
    known = {name for table in tables for name in table.key_attributes}
    return {name: value for name, value in change.keys.items() if name in known} or None


def item_name(key: Image | None, file: Path, number: int) -> str:
    """Name an item for people: by its key, or else by its file and its number there, from 1 on."""
    return f"{_name(file)}: {number}" if key is None else key_text(key)


def key_text(key: Image) -> str:
    """Write a primary key for people: ``customer=ana, order_no=1000``."""
    return ", ".join(f"{path_text((name,))}={_value(attribute)}" for name, attribute in key.items())


def _value(attribute: object) -> str:
    value = next(iter(attribute.values()), None) if isinstance(attribute, dict) else attribute
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)


def _name(file: Path) -> str:
    return "standard input" if file == _STANDARD_INPUT else str(file)


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
    elif "payload" in document and {"DDBStreamBatchInfo", "KinesisBatchInfo"} & document.keys():
        payload = document["payload"]
        payload = _parsed(payload) if isinstance(payload, str) else payload
        yield from _expand(payload, f"{where}: payload")
    elif "record" in document and "reason" in document:
        yield "record", document["record"]
    elif isinstance(document.get("Metadata"), dict) and isinstance(document.get("Keys"), dict):
        yield "export", document
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
    text, file_name = _text(file), _name(file)
    try:
        yield file_name, json.loads(text)
    except RecursionError:
        raise CommandError(f"{file_name}: it is nested too deeply to be an event or an item") from None
    except json.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        first = _parsed(lines[0][1]) if lines else None
        if len(lines) < 2 or not isinstance(first, dict):  # noqa: PLR2004  # JSON lines are several
            place = f"line {error.lineno}, column {error.colno}"
            raise CommandError(f"{file_name}: {place}: it is not JSON: {error.msg}; {_REMEDY}") from None
        for number, line in lines:
            document = _parsed(line)
            if document is None:
                raise CommandError(f"{file_name}: line {number}: it is not JSON, as the lines before are") from None
            yield f"{file_name}: line {number}", document
    except ValueError as error:  # a number of thousands of digits
        raise CommandError(f"{file_name}: {error}") from None


def _parsed(line: str) -> object:
    try:
        document: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document


def _text(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if file == _STANDARD_INPUT else file.read_bytes()
        return (gzip.decompress(data) if data.startswith(_GZIP) else data).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{_name(file)}: it is not text in UTF-8; {_REMEDY}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise CommandError(f"{_name(file)}: its gzip data cannot be read") from None
    except OSError as error:
        raise CommandError(f"{_name(file)}: it cannot be read: {error.strerror}") from None


def _sources_of(tables: Sequence[Table], dynamodb_table: str | None) -> Sequence[str]:
    """List the DynamoDB tables that changes without a table's name may be of."""
    if dynamodb_table is None:
        named = list(tables)
    elif any(table.dynamodb_table == dynamodb_table for table in tables):
        return [dynamodb_table]
    else:
        named = [table for table in tables if table.name == dynamodb_table]
    names = sorted({table.dynamodb_table for table in named if table.dynamodb_table is not None})
    return names or ([dynamodb_table] if dynamodb_table else [])


def _as_in_event(record: object, source: str | None) -> object:
    """Give a record as Lambda has it: get-records prints times as text, other names in userIdentity, and no table."""
    if not isinstance(record, dict) or not isinstance(record.get("dynamodb"), dict):
        return record
    inner, identity = record["dynamodb"], record.get("userIdentity")
    record = {**record, "dynamodb": {**inner, **_time_of(inner)}}
    if isinstance(identity, dict):
        record["userIdentity"] = {_IDENTITY.get(name, name): value for name, value in identity.items()}
    if source and not ({"eventSourceARN", "tableName"} & record.keys()):
        record["tableName"] = source
    return record


def _time_of(inner: Mapping[str, Any]) -> Mapping[str, float]:
    """Read a change's time that is text, as AWS CLI v2 and the SDKs print it; nothing where it is none."""
    text = inner.get("ApproximateCreationDateTime")
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return {"ApproximateCreationDateTime": moment.timestamp()} if moment and moment.tzinfo else {}


def _exported(line: Mapping[str, Any], source: str | None) -> Mapping[str, Any]:
    """Make the change of a line of an incremental export: the item before and after the export's period.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
    """
    written = line["Metadata"].get("WriteTimestampMicros")
    micros = str(written.get("N")) if isinstance(written, dict) else ""
    images = {name: line[name] for name in ("OldImage", "NewImage") if line.get(name)}
    event_name = "REMOVE" if "NewImage" not in images else "MODIFY" if "OldImage" in images else "INSERT"
    return {
        "eventName": event_name,
        "eventSource": "aws:dynamodb",
        "recordFormat": _EXPORTED,
        "tableName": source,
        "dynamodb": {
            "ApproximateCreationDateTime": int(micros) // _MICROSECONDS_PER_MS if micros.isdecimal() else None,
            "Keys": line["Keys"],
            **images,
        },
    }


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
