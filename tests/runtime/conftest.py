"""The artefact, built once for all test processes; its functions, and the services that they use."""

from __future__ import annotations

import itertools
from contextlib import ExitStack, closing

import pytest

from dynapinot.demo.pinot_table import PINOT_TABLE, SHARDS, seed_tables
from dynapinot.local.function import BUCKET, FUNCTION
from dynapinot.local.services import embedded_services
from engines.pinot_engine import MissingToolError
from runtime.artefact import build
from runtime.emulator import Emulator
from runtime.gate import Gate
from runtime.path import Path


@pytest.fixture(scope="session")
def artefact():
    """The artefact for this machine. Without the tools to build and run it, a test fails; it is never skipped."""
    try:
        return build()
    except MissingToolError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def files():
    """The shipped table that the tests replicate to."""
    with seed_tables() as files:
        yield files


@pytest.fixture
def services(files):
    """The embedded services, with the stream and the bucket that the function needs; empty for each test."""
    with embedded_services(files.region) as services:
        services.kinesis.create_stream(StreamName=files.stream, ShardCount=SHARDS)
        services.s3.create_bucket(Bucket=BUCKET)
        yield services


@pytest.fixture
def start(artefact, tmp_path):
    """Starts functions by their names in the template, with the given variables."""
    numbers = itertools.count(1)
    with ExitStack() as running:

        def start(name, variables, **options):
            folder = tmp_path / f"{name}-{next(numbers)}"
            folder.mkdir()
            return running.enter_context(closing(Emulator(artefact, name, folder, variables, **options)))

        yield start


@pytest.fixture
def variables(services):
    """The template's variables of the replicating function, for the shipped table alone, and the endpoints."""
    return {
        **services.environment,
        "DEAD_LETTER_BUCKET": BUCKET,
        "EVENT_PARSER": "orjson",
        "KINESIS_MAX_RECORD_BYTES": "1048576",
        "POWERTOOLS_SERVICE_NAME": FUNCTION,
        "TABLES": PINOT_TABLE,
    }


@pytest.fixture
def gate(services):
    """A gate to put between a function and one of its services."""
    gate = Gate(services.environment["AWS_ENDPOINT_URL"])
    yield gate
    gate.close()


@pytest.fixture
def path(services, files):
    """The rest of a change's path: the poller before the function, and the model of Pinot after it."""
    return Path(services, files)
