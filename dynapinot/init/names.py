"""Names of columns, tables and streams that Pinot takes, and takes unquoted in its SQL."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

# SchemaUtils.validate of Pinot 1.5.1 refuses blanks alone, but an index is a file of its column's name, metadata lists
# columns with commas, and unquoted SQL takes words: https://calcite.apache.org/docs/reference.html#identifiers
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_COLUMN_NAME: Final = 128  # with the index's ending it must be a file name
MAX_TABLE_NAME: Final = 120  # a segment's name adds partition, sequence and time; a stream's takes 128

# FunctionEvaluatorFactory computes columns of these endings from a map; StreamDataDecoderImpl fills the name itself.
_COMPUTED_ENDINGS: Final = ("__KEYS", "__VALUES")
_FILLED: Final = ("__key",)

# The keywords that pinot-common/src/main/codegen/config.fmpp of Pinot 1.5.1 leaves reserved, and its literals.
SQL_WORDS: Final = frozenset(
    (
        *("any", "call", "case", "create", "cross", "current", "cursor", "date", "default", "define", "delete"),
        *("describe", "distinct", "drop", "except", "explain", "false", "fetch", "from", "full", "grant"),
        *("group", "grouping", "having", "in", "inner", "insert", "intersect", "interval", "into", "join"),
        *("lateral", "left", "limit", "match_recognize", "merge", "minus", "natural", "new", "next", "null"),
        *("offset", "on", "order", "outer", "over", "partition", "pattern", "range", "right", "rollup", "row"),
        *("rows", "select", "set", "sets", "skip", "some", "stream", "table", "tablesample", "then", "time"),
        *("timestamp", "true", "union", "unnest", "update", "using", "values", "when", "where", "window", "with"),
    )
)

_STREAM: Final = re.compile(r"[a-zA-Z0-9_.-]{1,128}")  # API_CreateStream.html of Kinesis
_TABLE_TYPES: Final = ("_REALTIME", "_OFFLINE")  # TableNameBuilder takes them off a name


def safe_name(name: str) -> str:
    """Make a column name of an attribute's: the same one where Pinot takes it."""
    word = (name if _WORD.fullmatch(name) else _word(name) or "attribute")[:MAX_COLUMN_NAME]
    while word in _FILLED or word.endswith(_COMPUTED_ENDINGS):
        word = word.removeprefix("__") if word in _FILLED else word.replace("__", "_")
    return word


def _word(text: str) -> str:
    """Make a word of any text: letters without their accents, anything else an underscore; empty if nothing is left."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    word = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")
    return f"_{word}" if word[:1].isdigit() else word


class Names:
    """The names in use. Pinot ignores the case of column names, unless it is configured otherwise."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in taken}

    def is_free(self, name: str) -> bool:
        """Return whether nothing has the name."""
        return name.lower() not in self._taken

    def claim(self, name: str) -> str:
        """Give a name, or the next one of that beginning which is free."""
        free, number = name, 1
        while not self.is_free(free):
            number += 1
            ending = f"_{number}"
            free = name[: MAX_COLUMN_NAME - len(ending)] + ending
        self._taken.add(free.lower())
        return free

    def block(self, names: Iterable[str]) -> None:
        """Keep names from being given."""
        self._taken |= {name.lower() for name in names}


def table_name(dynamodb_table: str) -> str:
    """Make a Pinot table's name of a DynamoDB table's."""
    word = _word(dynamodb_table)[:MAX_TABLE_NAME].strip("_")
    while word.endswith(_TABLE_TYPES):
        word = word.removesuffix("_REALTIME").removesuffix("_OFFLINE").strip("_")
    return f"table_{word}"[:MAX_TABLE_NAME].strip("_") if not word or word[0].isdigit() else word


def is_table_name(name: str) -> bool:
    """Return whether Pinot and the folder of tables take a name as it is, and SQL takes it unquoted."""
    is_word = bool(_WORD.fullmatch(name)) and not name.startswith("_")  # a folder _… is passed over
    return is_word and len(name) <= MAX_TABLE_NAME and not name.endswith(_TABLE_TYPES)


def is_stream_name(name: str) -> bool:
    """Return whether Kinesis takes a stream's name."""
    return bool(_STREAM.fullmatch(name))


def needs_quotes(name: str) -> bool:
    """Return whether a column's name is a word of SQL."""
    return name.lower() in SQL_WORDS
