"""The next steps, as commands, and notes about the table."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dynapinot.defaults import TABLES
from dynapinot.init.capacity import MAX_SHARDS, SHARD_BYTES, Shards
from dynapinot.init.files import Naming
from dynapinot.init.table_description import NEW_AND_OLD, TableDescription

RETENTION_HOURS: Final = 168  # KinesisRetentionHours of template.yaml: longer than Pinot's flush and worst outage
SAMCONFIG_REGION: Final = "us-east-1"
_PINOT: Final = "--controller http://<controller>:9000 --broker http://<broker>:8099"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do: what, the commands for it, and what to know."""

    title: str
    commands: tuple[str, ...] = ()
    note: str = ""


def next_steps(
    described: TableDescription,
    naming: Naming,
    shards: Shards,
    *,
    tables: str,
    is_alone: bool,
    endpoint_url: str | None = None,
) -> tuple[Step, ...]:
    """List how to use the proposal.

    ``tables`` is the folder of tables, where the proposal may be alone. ``endpoint_url`` is where the table was found,
    None at AWS.
    """
    at = f"--region {naming.region}" + (f" --endpoint-url {shlex.quote(endpoint_url)}" if endpoint_url else "")
    this = f"--tables {shlex.quote(tables)}" + ("" if is_alone else f" --only {naming.pinot_table}")
    return (
        _look(naming, at, this),
        *_stream(described, at),
        _deploy(described, naming, shards, at, tables),
        _own_stream(naming, shards, at),
        _pinot(naming, tables),
        _check(naming, at, this),
    )


def _look(naming: Naming, at: str, this: str) -> Step:
    scan = f"aws dynamodb scan --table-name {naming.dynamodb_table} {at} --max-items 20"
    return Step(
        title="See what items become",
        commands=(
            f"{scan} > items.json",
            f"dynapinot explain items.json {this} --table {naming.dynamodb_table} --verbose",
        ),
        note="Change in the three files what you know better: a primary key or a type is hard to change later.",
    )


def _stream(described: TableDescription, at: str) -> Iterator[Step]:
    if described.view_type == NEW_AND_OLD:
        return
    update = f"aws dynamodb update-table --table-name {described.name} {at}"
    enable = f"{update} --stream-specification StreamEnabled=true,StreamViewType={NEW_AND_OLD}"
    if described.view_type is None:
        yield Step(title="Switch the table's stream on", commands=(enable,))
        return
    lacks = (
        "a delete has no last values then"
        if described.view_type == "NEW_IMAGE"
        else "a row is made of the new image, so nothing could be replicated"
    )
    yield Step(
        title=f"Give the table's stream the view type {NEW_AND_OLD}; it is {described.view_type}, and {lacks}",
        commands=(
            f"{update} --stream-specification StreamEnabled=false",
            f"aws dynamodb wait table-exists --table-name {described.name} {at}",
            enable,
        ),
        note="The stream gets another ARN: whatever else reads it must be connected again.",
    )


def _stack(naming: Naming) -> str:
    return f"dynapinot-{naming.pinot_table.replace('_', '-')}"


def _deploy(described: TableDescription, naming: Naming, shards: Shards, at: str, tables: str) -> Step:
    arn = (
        f"$(aws dynamodb describe-table --table-name {described.name} {at} --query Table.LatestStreamArn --output text)"
    )
    stack = _stack(naming)
    region = "" if naming.region == SAMCONFIG_REGION else f" --region {naming.region}"
    parameters = [
        f"Tables={naming.pinot_table}",
        f"TableStreamArn={arn}",
        f"KinesisStreamName={naming.stream}",
        f"KinesisShardCount={shards.count}",
    ]
    if described.key_arn:
        parameters.append(f"TableKeyArn={described.key_arn}")
    lines = [f".venv-sam/bin/sam deploy --stack-name {stack}{region} --parameter-overrides \\"]
    lines += [f"  {parameter} \\" for parameter in parameters]
    build = "make build" if Path(tables) == TABLES else f"make build TABLES={shlex.quote(str(Path(tables).absolute()))}"
    notes = []
    if described.key_arn:
        notes.append("TableKeyArn is only for a key of your own: leave it out if AWS manages that key.")
    if shards.count > MAX_SHARDS:
        notes.append(f"The template makes {MAX_SHARDS} shards at most: make the stream yourself, as below.")
    return Step(
        title="Deploy the function and its Kinesis stream",
        commands=(build, "\n".join(lines).removesuffix(" \\")),
        note=" ".join(notes),
    )


def _own_stream(naming: Naming, shards: Shards, at: str) -> Step:
    where = f"--stream-name {naming.stream} {at}"
    mode = "--stream-mode-details StreamMode=PROVISIONED"
    return Step(
        title="Or make the stream yourself before, and deploy with its KinesisStreamArn=… in place of KinesisStreamName"
        " and KinesisShardCount",
        commands=(
            f"aws kinesis create-stream {where} --shard-count {shards.count} {mode}",
            f"aws kinesis wait stream-exists {where}",
            f"aws kinesis increase-stream-retention-period {where} --retention-period-hours {RETENTION_HOURS}",
        ),
        note="It serves this Pinot table alone, and its shard count never changes.",
    )


def _pinot(naming: Naming, tables: str) -> Step:
    folder = shlex.quote(f"{tables}/{naming.pinot_table}")
    return Step(
        title="Make the Pinot table",
        commands=(f"dynapinot add-table {folder} --controller http://<controller>:9000",),
        note="The stream has changes from now on: an item that is there already is a row once it changes, or after a"
        " backfill.",
    )


def _check(naming: Naming, at: str, this: str) -> Step:
    return Step(
        title="Check the whole path",
        commands=(f"dynapinot doctor {this} {at} --stack {_stack(naming)} {_PINOT}",),
    )


def notes_on(described: TableDescription, *, whole: bool, largest_row: int, shards: Shards) -> Iterator[str]:
    """Say what else matters about a table that is to be replicated; ``whole`` is whether all items were read."""
    if described.status != "ACTIVE":
        yield f"The table is {described.status}, not ACTIVE."
    if described.on_demand:
        yield "The table's capacity is on demand: its writes may grow beyond what was seen, its shards may not."
    else:
        yield f"{described.write_units:,} write units a second are provisioned."
    if described.ttl_attribute is not None:
        yield 'Time to Live is on: what it deletes is deleted in Pinot, unless source.toml says ttl_deletes = "keep".'
    if described.ttl_unknown:
        yield f"DynamoDB did not report whether Time to Live is on ({described.ttl_unknown})."
    if described.replicas:
        yield (
            f"It is a global table, with {', '.join(described.replicas)}: writes there are changes here and need shards"
            " too, and what Time to Live deletes there is no TTL delete here but any delete."
        )
    if described.key_arn:
        yield "It is encrypted with a KMS key: if that is your own, the function must be let use it (TableKeyArn)."
    if largest_row > SHARD_BYTES // 2:
        yield (
            f"The largest row that was seen is about {largest_row:,} bytes; one over {SHARD_BYTES:,} is a dead letter,"
            " unless its stream is configured for more (docs/limits.md)."
        )
    if not whole:
        yield "A sample misses what is rare: --all reads every item, and dynapinot drift shows later what was missed."
    if shards.rate.guessed:
        yield "How often the table is written is not known, so the shard count is the least: never change it later."


def neighbours(names: Sequence[str], pinot_table: str) -> str | None:
    """Warn of tables that would take this one's changes too, because they do not say whose they are."""
    if not names:
        return None
    return (
        f"In the same folder, {', '.join(names)} would take this table's changes too: deploy with Tables={pinot_table},"
        " or write dynamodb_table in the source.toml of each."
    )
