"""The Kinesis streams that Pinot reads: one for each table, provisioned, never resharded, with a long retention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dynapinot.aws import Aws
from dynapinot.doctor.finding import AbsentError, Diagnosis, Finding, error, note, warning
from dynapinot.doctor.table_creation import flush_ms, stream_settings
from dynapinot.doctor.tables import Folder
from dynapinot.local.kinesis_stream import all_shards

PART: Final = "Kinesis"

OUTAGE_HOURS: Final = 24  # of Pinot, that rows should outlast
_MS_PER_HOUR: Final = 3_600_000
_KIB: Final = 1_024
_AWS_KEY: Final = "alias/aws/kinesis"


def look(
    diagnosis: Diagnosis, aws: Aws, folder: Folder
) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]] | None:
    """Ask Kinesis about a table's stream; give its summary and its shards, None if they cannot be seen."""
    table = folder.table
    if table is None:
        return None
    client = aws.client("kinesis", table.region)
    what = f"Kinesis: stream {table.stream}"
    try:
        answer = diagnosis.ask(
            what,
            lambda: client.describe_stream_summary(StreamName=table.stream),
            ("ResourceNotFoundException",),
        )
    except AbsentError:
        region = table.region or "the region"
        remedy = "Create it, or fix stream.kinesis.topic.name and region in table.json"
        absent = error(
            "stream_absent", f"stream {table.stream}", f"there is none in {region}", remedy, about=table.stream
        )
        diagnosis.add(PART, [absent])
        return None
    if answer is None:
        return None
    summary = answer["StreamDescriptionSummary"]
    diagnosis.add(PART, summary_findings(summary, flush_ms(stream_settings(folder.config)[1])))
    shards = diagnosis.ask(f"{what}: shards", lambda: all_shards(client, table.stream))
    if shards is None:
        return None
    diagnosis.add(PART, shard_findings(table.stream, shards))
    return summary, shards


def summary_findings(summary: Mapping[str, Any], flush: int | None) -> Iterator[Finding]:
    """Check DescribeStreamSummary's answer; ``flush`` is how long Pinot gathers rows, in ms, None if unknown."""
    name = summary["StreamName"]
    where = f"stream {name}"
    status = summary.get("StreamStatus", "ACTIVE")
    if status not in ("ACTIVE", "UPDATING"):
        yield error("stream_state", where, f"its state is {status}", "Wait until it is ACTIVE, or make it", about=name)
    yield from mode_findings(name, where, (summary.get("StreamModeDetails") or {}).get("StreamMode"))
    yield from retention_findings(name, where, summary.get("RetentionPeriodHours"), flush)
    key = summary.get("KeyId")
    if summary.get("EncryptionType") == "KMS" and key and not str(key).endswith(_AWS_KEY):
        problem = f"it is encrypted with a key of your own, {key}"
        remedy = "Let Pinot's servers do kms:Decrypt with it, and the function kms:GenerateDataKey (KinesisKeyArn)"
        yield note("stream_key", where, problem, remedy, about=name)
    if summary.get("ConsumerCount"):
        problem = f"{summary['ConsumerCount']} consumers with enhanced fan-out read it too"
        yield note("stream_consumers", where, problem, "Nothing, if they are known: Pinot has none", about=name)


def mode_findings(name: str, where: str, mode: object) -> Iterator[Finding]:
    """Check that the stream does not split its shards by itself."""
    if mode not in (None, "PROVISIONED"):
        problem = f"its mode is {mode}: it splits shards by itself, and after a split old rows stay beside the new"
        remedy = "Make a PROVISIONED stream with more shards than will be needed, a new Pinot table, and switch"
        yield error("stream_mode", where, problem, remedy, about=name)


def retention_findings(name: str, where: str, hours: int | None, flush: int | None) -> Iterator[Finding]:
    """Check that the stream keeps rows for as long as a restarted Pinot server, or one that was away, needs them."""
    if hours is None or flush is None:
        return
    flush_hours = flush / _MS_PER_HOUR
    needed = int(flush_hours) + 1 + OUTAGE_HOURS
    remedy = f"Keep them {max(needed, 168)} h (KinesisRetentionHours)"
    if hours <= flush_hours:
        problem = (
            f"it keeps rows {hours} h, and a restarted Pinot server reads those of the last {flush_hours:g} h again"
        )
        yield error("stream_retention", where, problem, remedy, about=name)
    elif hours < flush_hours + OUTAGE_HOURS:
        problem = f"it keeps rows {hours} h: {flush_hours:g} h of Pinot's gathering and an outage of a day are more"
        yield warning("stream_retention", where, problem, remedy, about=name)


def shard_findings(name: str, shards: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Check that the stream was never resharded, as far as Kinesis remembers."""
    changed = [shard["ShardId"] for shard in shards if is_closed(shard) or shard.get("ParentShardId")]
    if changed:
        problem = (
            "its shards were split or merged: keys have old rows in one partition of Pinot and new ones in another"
        )
        remedy = "See docs/operations.md, Shard count change: a new stream, a new Pinot table, a backfill, a switch"
        yield error("stream_resharded", f"stream {name}", problem, remedy, about=name)


def is_closed(shard: Mapping[str, Any]) -> bool:
    """Return whether a shard takes no more records."""
    return "EndingSequenceNumber" in shard.get("SequenceNumberRange", {})


def shard_number(shard: Mapping[str, Any]) -> int:
    """Return the number in a shard's name, which is Pinot's number of the partition."""
    return int(str(shard["ShardId"]).rpartition("-")[2])


def largest_record_bytes(summary: Mapping[str, Any]) -> int | None:
    """Return the largest record that a stream takes, None if Kinesis does not report it."""
    kib = summary.get("MaxRecordSizeInKiB")
    return None if kib is None else int(kib) * _KIB


def own_source_findings(source_arn: str, streams: Mapping[str, str]) -> Iterator[Finding]:
    """Check that the function does not read its own rows. ``streams`` has each stream's ARN and its Pinot table."""
    if source_arn in streams:
        problem = f"it is what the function reads changes from, and what {streams[source_arn]} is to read rows from"
        remedy = "Give the rows a stream of their own"
        yield error("stream_loop", f"stream {source_arn}", problem, remedy, about=source_arn)
