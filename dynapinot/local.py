"""Everything the function needs, on this machine: embedded DynamoDB, Kinesis and S3, and the function itself.

The services are moto's: https://docs.getmoto.org/en/latest/docs/server_mode.html
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import boto3

from dynapinot.errors import CommandError
from dynapinot.replica import UpsertTable, read_upsert_table
from handlers.catalog import CONFIG, SCHEMA
from handlers.settings import SHIPPED_TABLES
from pinot.config import read_config
from pinot.errors import Findings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client

Handler: TypeAlias = Callable[[dict[str, Any], Any], object]

LOOPBACK: Final = "127.0.0.1"
REGION: Final = "us-east-1"
BUCKET: Final = "dead-letters"
PINOT_TABLE: Final = "pinot_dynamo_ingestion"  # the seed's, one of the tables that are shipped
TOPIC: Final = "stream.kinesis.topic.name"
SHARDS: Final = 2
FUNCTION: Final = "dynapinot"
FUNCTION_ARN: Final = f"arn:aws:lambda:{REGION}:123456789012:function:{FUNCTION}"
TIMEOUT_SECONDS: Final = 60
_MAPPING_ID: Final = str(uuid.uuid5(uuid.NAMESPACE_DNS, FUNCTION))


class LocalError(CommandError):
    """The local parts cannot be set up; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The embedded services, and the environment in which the SDK finds them."""

    environment: Mapping[str, str]
    dynamodb: DynamoDBClient
    streams: DynamoDBStreamsClient
    kinesis: KinesisClient
    s3: S3Client


@dataclass(frozen=True, slots=True)
class Context:
    """What the Lambda runtime tells a function of its invocation.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    function_name: str = FUNCTION
    function_version: str = "$LATEST"
    invoked_function_arn: str = FUNCTION_ARN
    memory_limit_in_mb: str = "256"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    log_group_name: str = f"/aws/lambda/{FUNCTION}"
    log_stream_name: str = "local"
    deadline: float = field(default_factory=lambda: time.monotonic() + TIMEOUT_SECONDS)

    def get_remaining_time_in_millis(self) -> int:
        """Tell how long the function may still run."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


@contextmanager
def embedded_services(
    kinesis_region: str = REGION, elsewhere: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Services]:
    """Run the services on a free port of this machine; they start empty, and all they hold goes with them.

    ``elsewhere`` has further variables of the SDK: ``AWS_ENDPOINT_URL_KINESIS`` for a Kinesis that runs already, say.
    """
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # takes a second that only the demo has

    werkzeug = logging.getLogger("werkzeug")
    level = werkzeug.level
    werkzeug.setLevel(logging.ERROR)  # it logs every request
    server = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        _empty(port)
        variables = {**sdk_variables(f"http://{LOOPBACK}:{port}"), **elsewhere}
        with records_in_turn(), replaced_environment(variables), ExitStack() as clients:
            session = boto3.Session()
            services = Services(
                environment=variables,
                dynamodb=session.client("dynamodb"),
                streams=session.client("dynamodbstreams"),
                kinesis=session.client("kinesis", region_name=kinesis_region),
                s3=session.client("s3"),
            )
            for client in (services.dynamodb, services.streams, services.kinesis, services.s3):
                clients.callback(client.close)
            yield services
    finally:
        server.stop()
        werkzeug.setLevel(level)


@contextmanager
def records_in_turn() -> Iterator[None]:
    """Let moto's Kinesis take records one after the other.

    Its ``put_record`` "is not safe for concurrency", as it says, and of requests side by side would lose some.
    """
    from moto.kinesis.models import Shard  # noqa: PLC0415

    put_record, lock = Shard.put_record, Lock()

    def put_in_turn(shard: Shard, *arguments: Any) -> str:  # noqa: ANN401  # moto's own
        with lock:
            return put_record(shard, *arguments)

    Shard.put_record = put_in_turn  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        Shard.put_record = put_record  # type: ignore[method-assign]


def _empty(port: int) -> None:
    """Make the services forget what another server in this process was told: moto's memory is the process's."""
    with closing(HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()


def sdk_variables(endpoint: str) -> dict[str, str]:
    """Give the variables by which the SDK finds an endpoint of this machine and nothing else."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": LOOPBACK,
        "no_proxy": LOOPBACK,
    }


@contextmanager
def replaced_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the length of the block, without any other that the SDK reads."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def create_meetups_table(client: DynamoDBClient, name: str) -> str:
    """Make the seed's DynamoDB table, with the stream that a replica needs; return the stream's ARN."""
    description = client.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "meetup_id", "AttributeType": "S"},
            {"AttributeName": "mtime", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "meetup_id", "KeyType": "HASH"},
            {"AttributeName": "mtime", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    return description["LatestStreamArn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinotFiles:
    """The seed's Pinot table: how it upserts, the stream it consumes, and the folder that holds its files alone."""

    upsert_table: UpsertTable
    stream: str
    region: str
    folder: Path


@contextmanager
def seed_tables(shipped: Path = SHIPPED_TABLES, suffix: str = "") -> Iterator[PinotFiles]:
    """Copy the seed's table out of the shipped ones: others among them want other items. Raises LocalError.

    A suffix gives the table, its schema and its stream names of their own: ``…_suffix``, and the stream ``…-suffix``.
    """
    source = shipped / PINOT_TABLE
    if not source.is_dir():
        raise LocalError(f"The demo replicates to the Pinot table {PINOT_TABLE}, and there is no folder {source}")
    try:
        schema, config = (json.loads((source / name).read_text(encoding="utf-8")) for name in (SCHEMA, CONFIG))
        read_config(config, Findings(CONFIG))
        if suffix:
            schema["schemaName"] = config["tableName"] = f"{PINOT_TABLE}_{suffix}"
            stream_config(config)[TOPIC] += f"-{suffix}"
        upsert_table, consumed = read_upsert_table(schema, config), read_config(config, Findings(CONFIG))
    except (OSError, ValueError) as error:
        raise LocalError(f"The demo cannot use the table in {source}: {error}") from None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PINOT_TABLE
        shutil.copytree(source, copy)
        if suffix:
            for name, document in ((SCHEMA, schema), (CONFIG, config)):
                (copy / name).write_text(json.dumps(document), encoding="utf-8")
        yield PinotFiles(
            upsert_table=upsert_table,
            stream=consumed.stream,
            region=consumed.region or REGION,
            folder=Path(folder),
        )


def stream_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Find the settings of the stream in a table config that ``pinot.config.read_config`` takes."""
    maps = config.get("ingestionConfig", {}).get("streamIngestionConfig", {}).get("streamConfigMaps")
    found: dict[str, Any] = maps[0] if maps else config["tableIndexConfig"]["streamConfigs"]
    return found


def load_handler(tables: Path) -> Handler:
    """Import the function as the Lambda runtime does, once: it reads the environment while it is imported.

    What a function prints on stdout while it is imported and when it is called is its log. Raises LocalError when it
    was imported before, with another environment.
    """
    name = "handlers.stream"
    if name in sys.modules:
        raise LocalError(f"{name} is imported already, with the environment of then")
    os.environ.update({"DEAD_LETTER_BUCKET": BUCKET, "TABLES_DIR": str(tables)})
    handler: Handler = importlib.import_module(name).handler
    return handler


def invoke(handler: Handler, event: dict[str, Any]) -> object:
    """Call a function as the runtime does: with JSON, and a context of its own."""
    return json.loads(json.dumps(handler(json.loads(json.dumps(event)), Context())))


def failure_keeper(client: S3Client) -> Callable[[dict[str, Any]], None]:
    """Give the function that keeps records which were given up, as Lambda does in an S3 bucket.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """

    def keep(document: dict[str, Any]) -> None:
        moment = datetime.fromisoformat(document["timestamp"]).astimezone(UTC)
        shard = document["DDBStreamBatchInfo"]["shardId"]
        name = f"{moment:%Y-%m-%dT%H.%M.%S}-{document['requestContext']['requestId']}"
        key = f"aws/lambda/{_MAPPING_ID}/{shard}/{moment:%Y/%m/%d}/{name}"
        client.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())

    return keep
