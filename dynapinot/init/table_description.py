"""What DynamoDB reports about a table: its key, its stream, Time to Live, capacity, encryption, replicas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from dynapinot.aws import refusals
from dynapinot.errors import CommandError
from dynapinot.init.columns import KeyAttribute

NEW_AND_OLD: Final = "NEW_AND_OLD_IMAGES"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDescription:
    """A DynamoDB table as it is described.

    ``items`` and ``bytes`` are DynamoDB's own counts, which it brings up to date about every six hours.
    ``view_type`` is that of the stream, None without one. ``ttl_attribute`` is None where Time to Live is off, and
    ``ttl_unknown`` is why it could not be asked. ``read_units`` and ``write_units`` are provisioned, 0 on demand.
    ``key_arn`` is the KMS key's, if it is not DynamoDB's own. ``replicas`` are the regions of a global table.
    ``stream_label`` is the time in UTC at which the newest stream was enabled.
    """

    name: str
    region: str
    status: str
    key: tuple[KeyAttribute, ...]
    items: int
    bytes: int
    view_type: str | None
    ttl_attribute: str | None
    ttl_unknown: str | None
    read_units: int
    write_units: int
    key_arn: str | None
    replicas: tuple[str, ...]
    arn: str = ""
    stream_label: str | None = None

    @property
    def on_demand(self) -> bool:
        """Whether capacity is paid by request."""
        return not self.write_units

    @property
    def item_bytes(self) -> int:
        """The average size of an item, 0 if it is not known."""
        return self.bytes // self.items if self.items else 0


def describe(client: Any, table: str) -> TableDescription:  # noqa: ANN401  # a boto3 client
    """Ask DynamoDB about a table. Raises CommandError."""
    with refusals():
        try:
            description = client.describe_table(TableName=table)["Table"]
        except client.exceptions.ResourceNotFoundException:
            where = f"in {client.meta.region_name} at {client.meta.endpoint_url}"
            raise CommandError(f"There is no DynamoDB table {table} {where}: see --table and --region") from None
    ttl_attribute, ttl_unknown = _time_to_live(client, table)
    return read_description(
        description, region=client.meta.region_name, ttl_attribute=ttl_attribute, ttl_unknown=ttl_unknown
    )


def _time_to_live(client: Any, table: str) -> tuple[str | None, str | None]:  # noqa: ANN401
    try:
        ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    except ClientError as error:  # a permission of its own, that a proposal can do without
        return None, error.response["Error"]["Code"]
    return (ttl["AttributeName"], None) if ttl["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else (None, None)


def read_description(
    description: Mapping[str, Any], *, region: str, ttl_attribute: str | None = None, ttl_unknown: str | None = None
) -> TableDescription:
    """Read the ``Table`` of a DescribeTable answer.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TableDescription.html
    """
    tags = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
    stream = description.get("StreamSpecification") or {}
    throughput = description.get("ProvisionedThroughput") or {}
    replicas = [each["RegionName"] for each in description.get("Replicas") or () if each["RegionName"] != region]
    by_kind = {each["KeyType"]: each["AttributeName"] for each in description["KeySchema"]}
    key = [KeyAttribute(name=by_kind["HASH"], kind="partition key", tag=tags[by_kind["HASH"]])]
    if "RANGE" in by_kind:
        key.append(KeyAttribute(name=by_kind["RANGE"], kind="sort key", tag=tags[by_kind["RANGE"]]))
    return TableDescription(
        name=description["TableName"],
        region=region,
        status=description["TableStatus"],
        key=tuple(key),
        items=description.get("ItemCount", 0),
        bytes=description.get("TableSizeBytes", 0),
        view_type=stream.get("StreamViewType") if stream.get("StreamEnabled") else None,
        ttl_attribute=ttl_attribute,
        ttl_unknown=ttl_unknown,
        read_units=throughput.get("ReadCapacityUnits", 0),
        write_units=throughput.get("WriteCapacityUnits", 0),
        key_arn=(description.get("SSEDescription") or {}).get("KMSMasterKeyArn"),
        replicas=tuple(sorted(replicas)),
        arn=description.get("TableArn", ""),
        stream_label=description.get("LatestStreamLabel"),
    )
