"""The AWS clients, made in one place, with their timeouts and retries."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import orjson
from botocore.config import Config
from botocore.loaders import JSONFileLoader, Loader

from pinot.table import Table, Target
from publisher.concurrency import Workers, publish_concurrently, worker_threads
from publisher.entry import Entry
from publisher.kinesis import Sender
from publisher.order import Limits, Published

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client

# Well below the function's timeout: a request takes at most 2 x (1 + 4) s and a short pause.
_CONFIG: Final = Config(
    connect_timeout=1,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=16,
    tcp_keepalive=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The streams of some tables, ready for publishing."""

    senders: Mapping[Target, Sender]
    workers: Mapping[Target, Workers]
    limits: Limits

    def publish_within(self, remaining: Callable[[], float]) -> Callable[[Target, Iterable[Entry]], Published]:
        """Return the function that publishes to one of the streams until ``remaining`` returns no seconds."""

        def publish_to(target: Target, entries: Iterable[Entry]) -> Published:
            sender = self.senders[target]
            return publish_concurrently(
                entries,
                sender,
                self.workers[target],
                shards=lambda: sender.shards,
                remaining=remaining,
                sleep=time.sleep,
                jitter=random.random,
                limits=self.limits,
            )

        return publish_to


def streams(tables: Sequence[Table], limits: Limits) -> Streams:
    """Connect the stream of each table, in the table's own region."""
    return Streams(
        senders={
            # Without the validation of each record; see publisher.sdk_hooks.
            table.target: Sender(_client("kinesis", table.region, parameter_validation=False), table.stream)
            for table in tables
        },
        workers={table.target: worker_threads() for table in tables},
        limits=limits,
    )


def kinesis_for_reading(region: str | None) -> KinesisClient:
    """Connect Kinesis for reads that the caller repeats: Pinot shares the five reads a second of each shard."""
    client: KinesisClient = _client("kinesis", region, retries={"mode": "standard", "total_max_attempts": 1})
    return client


def s3() -> S3Client:
    """Connect S3."""
    client: S3Client = _client("s3")
    return client


def dynamodb() -> DynamoDBClient:
    """Connect DynamoDB."""
    client: DynamoDBClient = _client("dynamodb")
    return client


def cloudwatch() -> CloudWatchClient:
    """Connect CloudWatch."""
    client: CloudWatchClient = _client("cloudwatch")
    return client


def _client(service: str, region: str | None = None, **options: Any) -> Any:  # noqa: ANN401  # by the service's name
    return session().create_client(service, region_name=region, config=Config(**options))


@cache
def session() -> botocore.session.Session:
    """Make the SDK's session, once.

    It is botocore's. boto3's session makes the same clients, but its import takes half as long again. The user agent
    is the SDK's own, made once; without that the SDK makes it twice for each request.
    """
    made = botocore.session.get_session()
    made.set_default_client_config(_CONFIG.merge(Config(user_agent=made.user_agent())))
    paths = made.get_component("data_loader").search_paths
    models = _Models(extra_search_paths=paths, file_loader=_ModelFiles(), include_default_search_paths=False)
    made.register_component("data_loader", models)
    return made


class _Models(Loader):
    """The SDK's models. https://botocore.amazonaws.com/v1/documentation/api/latest/reference/loaders.html"""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002  # a service without it fails later
        """List the services by their folders, without opening each of the hundreds."""
        folders = [Path(path) for path in self.search_paths]
        return sorted({each.name for folder in folders if folder.is_dir() for each in folder.iterdir()})


class _ModelFiles(JSONFileLoader):
    """The files of the SDK's models, parsed by orjson."""

    def load_file(self, file_path: str) -> Any:  # noqa: ANN401  # JSON
        """Read a file by its path without the suffix; let the SDK read a file of an unknown kind."""
        for path in (Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")):
            if path.is_file():
                content = path.read_bytes()
                return orjson.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
        return super().load_file(file_path)
