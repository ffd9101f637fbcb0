"""The function on this machine: imported and invoked as the Lambda runtime does it, and what Lambda gives up kept."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from dynapinot.errors import CommandError
from dynapinot.local.services import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Handler: TypeAlias = Callable[[dict[str, Any], Any], object]

BUCKET: Final = "dead-letters"
FUNCTION: Final = "dynapinot"
FUNCTION_ARN: Final = f"arn:aws:lambda:{REGION}:123456789012:function:{FUNCTION}"
TIMEOUT_SECONDS: Final = 60
_MAPPING_ID: Final = str(uuid.uuid5(uuid.NAMESPACE_DNS, FUNCTION))


@dataclass(frozen=True, slots=True)
class Context:
    """The context that the Lambda runtime gives a function.

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
        """Return how long the function may still run."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def load_handler(tables: Path) -> Handler:
    """Import the function as the Lambda runtime does, once: it reads the environment while it is imported.

    What a function prints on stdout while it is imported and when it is called is its log. Raises CommandError when it
    was imported before, with another environment.
    """
    name = "handlers.stream"
    if name in sys.modules:
        raise CommandError(f"{name} is imported already, with the environment of then")
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
