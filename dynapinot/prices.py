"""AWS prices, of the one dated file ``prices.toml`` or of another in its form."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from dynapinot.errors import CommandError

FILE: Final = Path(__file__).parent / "prices.toml"


class Pages(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the prices were read."""

    lambda_: str = msgspec.field(name="lambda")
    kinesis: str
    dynamodb: str
    step_functions: str


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices in US dollars, of what ``prices.toml`` says beside each."""

    gb_second: float
    million_requests: float
    million_put_units: float
    shard_hour: float
    extended_shard_hour: float
    million_read_units: float
    exported_gb: float
    million_transitions: float


class PriceFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of prices: of which date, of which region, from where."""

    as_of: str
    region: str
    pages: Pages
    prices: Prices


def read_prices(file: Path = FILE) -> PriceFile:
    """Read a file of prices. Raises CommandError."""
    try:
        return msgspec.toml.decode(file.read_bytes(), type=PriceFile)
    except OSError as error:
        raise CommandError(f"{file}: the prices cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise CommandError(f"{file}: it is no file of prices: {error}. Write it like {FILE}") from None
