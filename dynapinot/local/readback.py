"""The values that Pinot 1.5.1 reads from a row's JSON, by column type. Those it would drop or garble are refused."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

INT32: Final = range(-(2**31), 2**31)
INT64: Final = range(-(2**63), 2**63)


class RowError(ValueError):
    """A row that Pinot would drop, or of which it would keep another value than was sent."""


def read_value(data_type: str, value: object) -> Any:  # noqa: ANN401  # by the type
    """Read a column's value: INT, LONG and TIMESTAMP (epoch ms) int, FLOAT (rounded to 32 bits) and DOUBLE float,
    BIG_DECIMAL Decimal, BOOLEAN bool, STRING str, JSON its parsed document, BYTES bytes; several values as a list.

    Raises RowError.
    """
    if isinstance(value, list):
        return [_read_single(data_type, member) for member in value]
    return _read_single(data_type, value)


def read_shown(data_type: str, value: object) -> Any:  # noqa: ANN401  # by the type
    """Read what a query shows of a column, as :func:`read_value` does. TIMESTAMP is to be asked for as a LONG."""
    return read_value("LONG" if data_type == "TIMESTAMP" else data_type, value)


def is_true(value: object) -> bool:
    """Return whether a delete column of whatever type is set, as Pinot's ``BooleanUtils.toBoolean`` does."""
    if isinstance(value, str):
        return value.lower() == "true" or value == "1"
    return value is True or (isinstance(value, int | float) and int(value) == 1)


def _read_single(data_type: str, value: object) -> Any:  # noqa: ANN401
    try:
        return _READERS[data_type](value)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise RowError(f"{value!r} is no {data_type}: {error}") from None


def float32(value: float) -> float:
    """Round to the nearest number that 32 bits hold."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _whole(numbers: range) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value not in numbers:
            raise ValueError(f"Pinot takes a whole number from {numbers.start} to {numbers.stop - 1}")
        return value

    return read


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Pinot takes a number")  # noqa: TRY004  # refused like any other wrong value
    return float(value)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Pinot reads anything but true and false its own way")  # noqa: TRY004
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Pinot takes text")  # noqa: TRY004
    return value


def _timestamp(value: object) -> int:
    if isinstance(value, str):
        return int(value)
    milliseconds = _whole(INT64)(value)
    if milliseconds in INT32:
        raise ValueError("Pinot drops a row whose TIMESTAMP is a number of 32 bits")
    return milliseconds


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "INT": _whole(INT32),
    "LONG": _whole(INT64),
    "FLOAT": lambda value: float32(_number(value)),
    "DOUBLE": _number,
    "BIG_DECIMAL": lambda value: Decimal(_text(value)),
    "BOOLEAN": _boolean,
    "TIMESTAMP": _timestamp,
    "STRING": _text,
    "JSON": lambda value: json.loads(_text(value), parse_int=Decimal, parse_float=Decimal),
    "BYTES": lambda value: bytes.fromhex(_text(value)),
}
