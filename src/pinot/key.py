"""The Kinesis partition key of a row: a pure function of its Pinot primary key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, TypeAlias

MAX_KEY_BYTES: Final = 256  # Kinesis takes 256 characters; bytes are never fewer


Scalar: TypeAlias = str | int | float | bool


def partition_key(values: Iterable[Scalar]) -> str:
    """Encode a primary key's row values, each before its length: ``("a", 12)`` is ``1:a2:12``.

    No two keys of a table share an encoding: the lengths show where each part ends, and a row's value has one text. An
    encoding that is too long for Kinesis is replaced by its SHA-256, which no encoding can look like: those start with
    a digit.
    """
    encoded = ""
    for value in values:
        part = value if isinstance(value, str) else _text(value)
        encoded += f"{len(part)}:{part}"
    if len(encoded) <= MAX_KEY_BYTES and encoded.isascii():
        return encoded
    data = encoded.encode()
    return encoded if len(data) <= MAX_KEY_BYTES else f"sha256:{hashlib.sha256(data).hexdigest()}"


def _text(value: float | bool) -> str:  # noqa: FBT001
    return str(value) if value is not True and value is not False else "true" if value else "false"
