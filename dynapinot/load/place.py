"""Where a load's files are, and what is deployed: by a stack's outputs, or as the operator names them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from dynapinot.aws import Aws, refusals
from dynapinot.defaults import TABLES
from dynapinot.doctor import deployed
from dynapinot.doctor.finding import Diagnosis
from dynapinot.errors import CommandError
from dynapinot.load.machine import OUTPUT
from dynapinot.load.state import files_errors, newest_load
from load.files import LoadFiles
from load.plan import Plan

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BUCKET: Final = "DeadLetterBucketName"  # outputs of template.yaml
_FUNCTION: Final = "FunctionName"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the operator names. ``trusts_live_path`` is for a place where no function can be looked at."""

    aws: Aws
    stack: str | None = None
    bucket: str | None = None
    function: str | None = None
    trusts_live_path: bool = False
    tables: Path = TABLES
    only: Sequence[str] = ()

    def command(self, name: str, load: str) -> str:
        """Write a command for a load, with the options that find it."""
        words = ["dynapinot", "load", name, load]
        for option, value in (
            ("--stack", self.stack),
            ("--bucket", self.bucket),
            ("--region", self.aws.region),
            ("--endpoint-url", self.aws.endpoint_url),
        ):
            words += [option, value] if value else []
        if name in ("resume", "sweep"):
            words += ["--function", self.function] if self.function else []
            words += ["--trust-live-path"] if self.trusts_live_path else []
            words += ["--tables", str(self.tables)] if self.tables != TABLES else []
            words += ["--only", ",".join(self.only)] if self.only else []
        return shlex.join(words)

    def redrive(self, bucket: str) -> str:
        """Write the command that makes dead letters good."""
        words = ["dynapinot", "redrive", "--bucket", bucket]
        words += ["--tables", str(self.tables)] if self.tables != TABLES else []
        words += ["--region", self.aws.region] if self.aws.region else []
        return shlex.join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was found: the bucket, the function (None where the live path is trusted), the state machine's ARN."""

    client: S3Client
    bucket: str
    function: str | None
    machine: str | None

    def files(self, load: str) -> LoadFiles:
        """Return the files of a load."""
        return LoadFiles(client=self.client, bucket=self.bucket, id=load)

    def state_machine(self) -> str:
        """Return the state machine's ARN. Raises CommandError if there is none."""
        if self.machine is None:
            raise CommandError(
                f"--stack names no stack with the output {OUTPUT}: deploy it with Load=enabled, or give --here"
            )
        return self.machine


def find_place(named: Named) -> Place:
    """Find the bucket and what is deployed. Raises CommandError."""
    outputs = {}
    if named.stack:
        diagnosis = Diagnosis()
        outputs = dict(deployed.find_stack(diagnosis, named.aws, named.stack)[0])
        if diagnosis.refused:
            raise CommandError(diagnosis.refused[0].why)
    bucket = outputs.get(_BUCKET) or named.bucket
    if not bucket:
        raise CommandError("Give --stack, or the stack's dead letter --bucket: the load's files are there")
    client = named.aws.client("s3")
    try:
        with refusals():
            client.head_bucket(Bucket=bucket)
    except CommandError as error:
        cause = error.__context__
        if not isinstance(cause, ClientError):
            raise
        raise CommandError(
            f"The bucket {bucket} is not there, or may not be seen ({cause.response['Error']['Code']}): fix --bucket, "
            "--region or the permissions"
        ) from None
    return Place(
        client=client,
        bucket=bucket,
        function=None if named.trusts_live_path else named.function or outputs.get(_FUNCTION),
        machine=outputs.get(OUTPUT),
    )


def find_load(named: Named, load: str | None) -> tuple[Place, LoadFiles, Plan]:
    """Find a load, the newest if no id is given. Raises CommandError."""
    place = find_place(named)
    files = place.files(load or newest_load(place.client, place.bucket))
    with files_errors():
        return place, files, files.plan()
