"""DynamoDB, Kinesis and S3 on this machine, embedded.

The services are moto's: https://docs.getmoto.org/en/latest/docs/server_mode.html
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import boto3

from dynapinot.aws import check_answers
from dynapinot.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client

LOOPBACK: Final = "127.0.0.1"
REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The embedded services, and the environment in which the SDK finds them."""

    environment: Mapping[str, str]
    dynamodb: DynamoDBClient
    streams: DynamoDBStreamsClient
    kinesis: KinesisClient
    s3: S3Client


@contextmanager
def embedded_services(
    kinesis_region: str = REGION, elsewhere: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Services]:
    """Run the services on a free port of this machine; they start empty, and all they hold goes with them.

    ``elsewhere`` has further variables of the SDK: ``AWS_ENDPOINT_URL_KINESIS`` for a Kinesis that runs already, say.
    Raises CommandError where moto is not installed.
    """
    try:
        from moto.server import ThreadedMotoServer  # noqa: PLC0415  # takes a second that only the demo has
    except ImportError as error:
        raise CommandError(
            f"The embedded DynamoDB and Kinesis are moto's server, which is not installed ({error}). Install"
            " dynapinot[demo], or run make setup in a checkout"
        ) from None

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
            check_answers(session.events)
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
    """Make the services forget what another server in this process was sent: moto's memory is the process's."""
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
