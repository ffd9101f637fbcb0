"""The DynamoDB table, its stream, and its streaming destinations, as DynamoDB describes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from decoder.change import Image
from dynapinot.aws import Aws
from dynapinot.doctor.finding import AbsentError, Diagnosis, Finding, error, note, warning
from handlers.planner import plan
from pinot.table import Table
from publisher.order import MAX_RECORD_BYTES

PART: Final = "DynamoDB"

VIEW_TYPE, OLD_IMAGES = "view_type", "old_images"

_BOTH: Final = "NEW_AND_OLD_IMAGES"
_WITH_NEW: Final = ("NEW_IMAGE", _BOTH)
_SAMPLE_KEYS: Final = {"S": {"S": "a"}, "N": {"N": "1"}, "B": {"B": "AA=="}}
_A_TIME_S: Final = 1_700_000_000


def look(diagnosis: Diagnosis, aws: Aws, name: str, tables: Sequence[Table], *, source_arn: str | None) -> None:
    """Ask DynamoDB about a table; ``source_arn`` is what the event source mapping reads, None if it is not known."""
    client = aws.client("dynamodb")
    what = f"DynamoDB: table {name}"
    try:
        answer = diagnosis.ask(what, lambda: client.describe_table(TableName=name), ("ResourceNotFoundException",))
    except AbsentError:
        diagnosis.add(PART, [absent(name)])
        return
    if answer is None:
        return
    ours = [table for table in tables if table.replicates(name)]
    diagnosis.add(PART, table_findings(answer["Table"], ours, source_arn=source_arn))
    ttl = diagnosis.ask(f"{what}: Time to Live", lambda: client.describe_time_to_live(TableName=name))
    if ttl is not None:
        diagnosis.add(PART, ttl_findings(name, ttl["TimeToLiveDescription"], answer["Table"], ours))
    backups = diagnosis.ask(f"{what}: backups", lambda: client.describe_continuous_backups(TableName=name))
    if backups is not None:
        diagnosis.add(PART, backup_findings(name, backups["ContinuousBackupsDescription"]))
    if source_arn and ":kinesis:" in source_arn:
        destinations = diagnosis.ask(
            f"{what}: streaming destinations", lambda: client.describe_kinesis_streaming_destination(TableName=name)
        )
        if destinations is not None:
            found = destination_findings(name, destinations["KinesisDataStreamDestinations"], source_arn, ours)
            diagnosis.add(PART, found)


def absent(name: str) -> Finding:
    """Report that there is no such table."""
    return error("table_absent", f"table {name}", "there is no such table", "Fix its name or the region", about=name)


def table_findings(table: Mapping[str, Any], ours: Sequence[Table], *, source_arn: str | None) -> Iterator[Finding]:
    """Check DescribeTable's answer against the Pinot tables that replicate the table."""
    name = table["TableName"]
    where = f"table {name}"
    keys = {each["AttributeName"]: each["KeyType"] for each in table.get("KeySchema", [])}
    types = {each["AttributeName"]: each["AttributeType"] for each in table.get("AttributeDefinitions", [])}
    if not ours:
        problem = "no folder of tables replicates it"
        yield error("no_table", where, problem, "Add one, or fix dynamodb_table in source.toml", about=name)
    if table.get("TableStatus", "ACTIVE") not in ("ACTIVE", "UPDATING"):
        problem = f"its state is {table['TableStatus']}"
        yield error("table_state", where, problem, "Wait until it is ACTIVE, or fix it", about=name)
    if not (source_arn and ":kinesis:" in source_arn):
        yield from _stream(table, keys, ours, source_arn)
    for each in ours:
        yield from rows_shared(each, keys)
        yield from _key_types(each, name, {key: types.get(key, "S") for key in keys})


def _stream(
    table: Mapping[str, Any], keys: Collection[str], ours: Sequence[Table], source_arn: str | None
) -> Iterator[Finding]:
    name = table["TableName"]
    where = f"table {name}: stream"
    stream = table.get("StreamSpecification") or {}
    if not stream.get("StreamEnabled"):
        remedy = f"Enable it with the view type {_BOTH}, and deploy with its new ARN (TableStreamArn)"
        yield error("stream_off", where, "it is not enabled, so no change is replicated", remedy, about=name)
        return
    yield from view_type_findings(name, stream.get("StreamViewType", ""), keys, ours)
    latest = table.get("LatestStreamArn")
    if source_arn and latest and latest != source_arn:
        problem = (
            f"the event source mapping reads another: it was enabled again, and {latest.rpartition('/')[2]} is its name"
        )
        remedy = f"Deploy with TableStreamArn={latest}; what was written without a stream must be written again"
        yield error("stream_arn", where, problem, remedy, about=name)


def view_type_findings(source: str, view_type: str, keys: Collection[str], ours: Sequence[Table]) -> Iterator[Finding]:
    """Check what images the stream of a DynamoDB table carries. ``keys`` are the attributes of the table's key."""
    where = f"table {source}: stream"
    remedy = f"Set the view type to {_BOTH}: disable the stream, enable it again, deploy with its new ARN"
    if view_type not in _WITH_NEW:
        problem = f"its view type is {view_type}, and a row is made of the new image"
        yield error(VIEW_TYPE, where, problem, remedy, about=source)
    elif view_type != _BOTH:
        needing = sorted(table.name for table in ours if _needs_old_images(table, keys))
        if needing:
            problem = (
                f"its view type is {view_type}, and only old images show which rows of {', '.join(needing)} to delete"
            )
            yield error(OLD_IMAGES, where, problem, remedy, about=source)
        else:
            problem = f"its view type is {view_type}, so a deleted row keeps its key alone"
            yield note(OLD_IMAGES, where, problem, f"Set it to {_BOTH}, if deletes are to show more", about=source)


def rows_shared(table: Table, keys: Collection[str]) -> Iterator[Finding]:
    """Check that the primary key has every attribute of the DynamoDB table's key, ``keys``."""
    missing = table.not_in_key(dict.fromkeys(keys))
    if missing:
        left_out = ", ".join(missing)
        yield warning(
            "rows_shared",
            f"{table.name}: primaryKeyColumns",
            f"it leaves out {left_out} of the DynamoDB key, so items share a row, and deleting one hides the other",
            f"Add {left_out} to primaryKeyColumns in the schema",
            about=table.name,
        )


def _needs_old_images(table: Table, keys: Collection[str]) -> bool:
    filtered = {name for name, uses in table.uses.items() if any(use.how == "filter" for use in uses)}
    return not table.is_keyed_by(dict.fromkeys(keys)) or not filtered <= set(keys)


def _key_types(table: Table, source: str, types: Mapping[str, str]) -> Iterator[Finding]:
    """Check that the columns of the primary key can hold the key's types at all, by deleting a made-up item."""
    keys: Image = {name: _SAMPLE_KEYS.get(data_type, {}) for name, data_type in types.items()}
    record = {
        "eventName": "REMOVE",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{source}/stream/x",
        "dynamodb": {
            "ApproximateCreationDateTime": _A_TIME_S,
            "SequenceNumber": "1",
            "Keys": keys,
            "OldImage": keys,
        },
    }
    for dead_letter in plan([record], [table], max_record_bytes=MAX_RECORD_BYTES).dead_letters:
        path = dead_letter.error.path
        if dead_letter.error.reason == "type_mismatch" and path in types:
            problem = (
                f"it is a DynamoDB {types[path]}, which the column does not take: every change would be a dead letter"
            )
            where = f"{table.name}: key attribute {path}"
            remedy = "Change the column's type in the schema"
            yield error("dead_letter.type_mismatch", where, problem, remedy, about=f"{table.name} {path}")


def ttl_findings(
    name: str, ttl: Mapping[str, Any], table: Mapping[str, Any], ours: Sequence[Table]
) -> Iterator[Finding]:
    """Report what happens to deletes by Time to Live."""
    if ttl.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        return
    keeping = sorted(each.name for each in ours if each.keep_ttl_deletes)
    where = f"table {name}: Time to Live"
    what = f"it is on, by {ttl.get('AttributeName')}"
    if keeping and table.get("Replicas"):
        shown = ", ".join(keeping)
        problem = f"{what}, and what it deletes in another region comes as a plain delete, which {shown} does not keep"
        remedy = 'Replicate from the region whose Time to Live deletes, or write ttl_deletes = "delete"'
        yield warning("ttl_replicas", where, problem, remedy, about=name)
    elif keeping:
        problem = f"{what}, and what it deletes stays in {', '.join(keeping)}"
        yield note("ttl", where, problem, "Nothing, if source.toml means it so", about=name)
    else:
        problem = f"{what}, and what it deletes is deleted in Pinot"
        yield note("ttl", where, problem, 'Write ttl_deletes = "keep" in source.toml to keep it', about=name)


def backup_findings(name: str, backups: Mapping[str, Any]) -> Iterator[Finding]:
    """Report that a gap of more than 24 hours could not be repaired."""
    recovery = backups.get("PointInTimeRecoveryDescription") or {}
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        problem = "it is off, and after an outage of over 24 hours nothing shows what was deleted meanwhile"
        yield note("recovery_off", f"table {name}: point in time recovery", problem, "Switch it on", about=name)


def destination_findings(
    name: str, destinations: Sequence[Mapping[str, Any]], source_arn: str, ours: Sequence[Table]
) -> Iterator[Finding]:
    """Check that the table's changes go to the Kinesis stream that the function reads, and how they count time."""
    where = f"table {name}: streaming destination"
    here = [each for each in destinations if each.get("StreamArn") == source_arn]
    status = here[0].get("DestinationStatus") if here else "not there"
    if status not in ("ACTIVE", "ENABLING", "UPDATING"):
        problem = f"the changes do not go to the stream that the function reads: it is {status}"
        remedy = f"Run aws dynamodb enable-kinesis-streaming-destination --table-name {name} --stream-arn {source_arn}"
        yield error("destination", where, problem, remedy, about=name)
        return
    precision = here[0].get("ApproximateCreationDateTimePrecision")
    if precision == "MICROSECOND":
        problem = "it counts microseconds, and a row's time is floored to milliseconds"
        yield note("microseconds", where, problem, "Leave it, or set the precision to MILLISECOND")
    versioned = sorted(
        each.name
        for each in ours
        for column in each.columns
        if column.role == "comparison" and column.origin == "$version"
    )
    if versioned:
        problem = f"its changes have no sequence number, so $version is no exact order in {', '.join(versioned)}"
        yield warning("no_version", where, problem, "Read the table's own stream, or compare by $timestamp", about=name)
