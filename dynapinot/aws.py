"""The commands' AWS clients, and AWS's errors as one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from dynapinot.errors import CommandError

_CONFIG: Final = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """The region and the endpoint of AWS; None is what the SDK finds in its own variables and files."""

    region: str | None = None
    endpoint_url: str | None = None

    def client(self, service: str, region: str | None = None) -> Any:  # noqa: ANN401  # the service decides
        """Connect a service, in another region than the usual one if it is given. Raises CommandError."""
        with refusals():
            return boto3.Session().client(  # type: ignore[call-overload]  # any service
                service, region_name=region or self.region, endpoint_url=self.endpoint_url, config=_CONFIG
            )

    @contextmanager
    def for_all(self) -> Iterator[None]:
        """Make it known to every client that is made inside of the block, by the SDK's own variables."""
        before = dict(os.environ)
        if self.region:
            os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"] = self.region
        if self.endpoint_url:
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint_url
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def refusals() -> Iterator[None]:
    """Raise CommandError for what AWS refuses inside of the block, and for credentials and regions there are not."""
    try:
        yield
    except NoCredentialsError:
        raise CommandError(
            "There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except NoRegionError:
        raise CommandError("There is no AWS region: give --region, or set AWS_DEFAULT_REGION") from None
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        raise CommandError(_one_line(f"AWS refused {error.operation_name}: {code}: {message}")) from None
    except BotoCoreError as error:
        raise CommandError(_one_line(str(error))) from None
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint"):  # as the SDK says it
            raise
        raise CommandError(f"{_one_line(str(error))}: write it as http://host:port") from None


def _one_line(text: str) -> str:
    return " ".join(text.split())
