"""AWS prices in US dollars: us-east-1, on demand, without free tiers and discounts.

Copied by hand from copies of the pages named here. Prices change, and regions differ: look them up before a decision
depends on them, and give the model others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AS_OF: Final = "2025, by copies of these pages; not looked up since"
LAMBDA_PAGE: Final = "https://aws.amazon.com/lambda/pricing/"
KINESIS_PAGE: Final = "https://aws.amazon.com/kinesis/data-streams/pricing/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Lambda's first tier for arm64, and a provisioned Kinesis stream's.

    ``extended_shard_hour`` is added to a shard's hour if the stream keeps rows for more than 24 hours, up to 7 days.
    The template keeps them for 7.
    """

    gb_second: float = 0.0000133334
    million_requests: float = 0.20
    million_put_units: float = 0.014
    shard_hour: float = 0.015
    extended_shard_hour: float = 0.020


PRICES: Final = Prices()
