"""The AWS clients, made in one place: their time-outs, their retries, and what is made of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.kinesis import sender
from publisher.order import Limits, Published, Send, publish

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client

# Well inside the function's timeout: a request takes at most 2 x (1 + 4) s and a short pause.
_CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=16,
    tcp_keepalive=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The streams of some tables, ready to be published to."""

    senders: Mapping[Target, Send]
    limits: Limits

    def publish_within(self, remaining: Callable[[], float]) -> Callable[[Target, Sequence[Entry]], Published]:
        """Give the function that publishes to one of the streams while ``remaining`` tells of seconds left."""

        def publish_to(target: Target, entries: Sequence[Entry]) -> Published:
            return publish(
                entries,
                self.senders[target],
                remaining=remaining,
                sleep=time.sleep,
                jitter=random.random,
                limits=self.limits,
            )

        return publish_to


def streams(tables: Iterable[Table], limits: Limits) -> Streams:
    """Connect each table's stream, in the table's own region."""
    config = _CONFIG.merge(Config(parameter_validation=False))  # of records, one by one; see publisher.shortcut
    return Streams(
        senders={
            table.target: sender(boto3.client("kinesis", region_name=table.region, config=config), table.stream)
            for table in tables
        },
        limits=limits,
    )


def kinesis_for_reading(region: str | None) -> KinesisClient:
    """Connect Kinesis for reads that are repeated anyway: a shard's five reads a second are Pinot's too."""
    once = _CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    return boto3.client("kinesis", region_name=region, config=once)


def s3() -> S3Client:
    """Connect S3."""
    return boto3.client("s3", config=_CONFIG)


def dynamodb() -> DynamoDBClient:
    """Connect DynamoDB."""
    return boto3.client("dynamodb", config=_CONFIG)
