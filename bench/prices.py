"""AWS prices in US dollars, of the file that ``dynapinot load`` uses too."""

from __future__ import annotations

from typing import Final

from dynapinot.prices import Prices, read_prices

_FILE: Final = read_prices()

AS_OF: Final = _FILE.as_of
REGION: Final = _FILE.region
LAMBDA_PAGE: Final = _FILE.pages.lambda_
KINESIS_PAGE: Final = _FILE.pages.kinesis
PRICES: Final[Prices] = _FILE.prices
