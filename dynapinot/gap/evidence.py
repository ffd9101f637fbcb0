"""``dynapinot gap --find``: ask CloudWatch, Lambda, the bucket and Pinot when changes were lost, and say what to do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from rich.console import Console

from dynapinot.aws import Aws, refusals
from dynapinot.doctor import deployed
from dynapinot.doctor.deployed import Deployed
from dynapinot.doctor.finding import Diagnosis
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.folders import read_tables
from dynapinot.gap.finding import Evidence, Found, GivenUp, find, iso
from dynapinot.load.place import Named, find_place
from dynapinot.pinot_server import Broker, partition_of
from pinot.table import Table
from redrive.bucket import ARCHIVE, PREFIXES

PERIOD: Final = 300  # seconds; CloudWatch keeps periods of one minute for 15 days only
KEPT_SECONDS: Final = 24 * 3_600  # by a DynamoDB stream
_MAPPINGS_PREFIX: Final = PREFIXES[1]

# aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random>
# https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
_KEY_TIME: Final = re.compile(r"/([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}\.[0-9]{2}\.[0-9]{2})-[^/]*$")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where to look, and how many days back. Without a broker, Pinot is not asked."""

    named: Named
    table: str | None
    broker: Broker | None
    days: int
    as_json: bool


def run(console: Console, options: Options) -> int:
    """Look for gaps, and propose what to do; return the exit code: 0 if nothing is missing, else 1.

    Raises CommandError.
    """
    found = find(look(options, now=int(time.time())))
    if options.as_json:
        gaps = [
            {"from": iso(begin), "to": None if end is None else iso(end), "why": why} for begin, end, why in found.gaps
        ]
        console.out(json.dumps({"gaps": gaps, "notes": found.notes, "known": found.is_known}), highlight=False)
    else:
        for line in _lines(found, options):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    return OK if found.is_known and not found.gaps else FOUND


def look(options: Options, *, now: int) -> Evidence:
    """Ask whoever may know; what cannot be asked is said in the evidence. Raises CommandError for a wrong name."""
    named, unseen = options.named, list[str]()
    place = find_place(named)
    if place.function is None:
        raise CommandError("Give --stack, or the --function that replicates the table's changes")
    there = deployed.look(Diagnosis(), named.aws, place.function)
    if there is None:
        raise CommandError(
            f"The function {place.function} is not there, or may not be seen: fix --function or --region"
        )
    mapping = _mapping_of(there, options.table)
    arn = str(mapping["EventSourceArn"]) if mapping else ""
    kept = _try(unseen, "The stream's retention", lambda: _kept_seconds(named.aws, arn)) or KEPT_SECONDS
    series = _try(
        unseen,
        "CloudWatch",
        lambda: _series(named.aws, place.function or "", mapping["UUID"] if mapping else None, now, options.days),
    )
    objects = _try(unseen, f"The bucket {place.bucket}", lambda: list(_given_up(place.client, place.bucket, kept)))
    newest: dict[str, Mapping[int, int]] = {}
    if options.broker:
        for table in read_tables(named.tables, named.only)[0]:
            seen = _try(unseen, f"Pinot's table {table.name}", partial(_newest, options.broker, table))
            newest |= {table.name: seen} if seen is not None else {}
    return Evidence(
        now=now,
        period=PERIOD,
        kept=kept,
        ages=None if series is None else {at: age / 1_000 for at, age in series["ages"].items()},
        polls=None if series is None or "polls" not in series else list(series["polls"]),
        undelivered=[] if series is None else [at for at, count in series["undelivered"].items() if count],
        given_up=objects or (),
        mapping=(mapping["State"], int(mapping["LastModified"].timestamp())) if mapping else None,
        newest=newest,
        unseen=unseen,
    )


def _try(unseen: list[str], what: str, ask: Callable[[], _T]) -> _T | None:
    try:
        with refusals():
            return ask()
    except CommandError as error:
        unseen.append(f"{what} could not be looked at: {error}")
        return None


def _mapping_of(there: Deployed, table: str | None) -> Mapping[str, Any] | None:
    """Return the mapping of a table's stream, or the only one. Raises CommandError if there are several."""
    mappings = [each for each in there.mappings if table is None or deployed.table_of(each["EventSourceArn"]) == table]
    mappings = mappings or list(there.mappings)
    if len(mappings) > 1:
        raise CommandError(f"{there.function} reads several streams: give the DynamoDB --table")
    return mappings[0] if mappings else None


def _kept_seconds(aws: Aws, arn: str) -> int:
    if ":kinesis:" not in arn:
        return KEPT_SECONDS
    answer = aws.client("kinesis", arn.split(":")[3]).describe_stream_summary(StreamARN=arn)
    return int(answer["StreamDescriptionSummary"]["RetentionPeriodHours"]) * 3_600


def _series(aws: Aws, function: str, mapping: str | None, now: int, days: int) -> Mapping[str, Mapping[int, float]]:
    """Ask CloudWatch for the periods' values, by their beginnings in epoch seconds."""
    wanted = [("ages", "IteratorAge", "FunctionName", function, "Maximum")]
    wanted += [("undelivered", "DestinationDeliveryFailures", "FunctionName", function, "Sum")]
    wanted += [("polls", "PolledEventCount", "EventSourceMappingUUID", mapping, "SampleCount")] if mapping else []
    queries = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": metric,
                    "Dimensions": [{"Name": dimension, "Value": value}],
                },
                "Period": PERIOD,
                "Stat": statistic,
            },
        }
        for name, metric, dimension, value, statistic in wanted
    ]
    end = datetime.fromtimestamp(now, UTC)
    pages = (
        aws.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(MetricDataQueries=queries, StartTime=end - timedelta(days=days), EndTime=end)
    )
    found: dict[str, dict[int, float]] = {name: {} for name, *_ in wanted}
    for page in pages:
        for result in page["MetricDataResults"]:
            times = (int(each.timestamp()) for each in result["Timestamps"])
            found[result["Id"]] |= dict(zip(times, result["Values"], strict=True))
    if not found.get("polls"):  # the mapping has no metrics: MetricsConfig
        found.pop("polls", None)
    return found


def _given_up(client: Any, bucket: str, kept: int) -> Iterator[GivenUp]:  # noqa: ANN401  # a boto3 client
    """List the batches that Lambda gave up, those too that were deleted, by the bucket's versions."""
    redriven = {key.removeprefix(ARCHIVE) for key in _keys(client, bucket, f"{ARCHIVE}{_MAPPINGS_PREFIX}")}
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=_MAPPINGS_PREFIX)
    versions: dict[str, str] = {}
    latest: dict[str, bool] = {}  # by key, whether the object is there
    for page in pages:
        for each in page.get("Versions", ()):
            versions.setdefault(each["Key"], each["VersionId"])  # the newest comes first
            latest[each["Key"]] = latest.get(each["Key"], False) or each["IsLatest"]
        for each in page.get("DeleteMarkers", ()):
            latest.setdefault(each["Key"], False)
    for key, is_there in sorted(latest.items()):
        if not is_there and key in redriven:
            continue
        body = None
        if key in versions:
            body = client.get_object(Bucket=bucket, Key=key, VersionId=versions[key])["Body"].read()
        times = _arrivals(body) or _times_of_key(key, kept)
        if times:
            yield GivenUp(key, *times, is_there=is_there)


def _keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:  # noqa: ANN401
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (each["Key"] for each in page.get("Contents", ()))


def _arrivals(body: bytes | None) -> tuple[int, int] | None:
    """Read when a batch's first and last change arrived, as Lambda's object says."""
    try:
        document = json.loads(body or b"")
        info = document.get("DDBStreamBatchInfo") or document["KinesisBatchInfo"]
        names = ("approximateArrivalOfFirstRecord", "approximateArrivalOfLastRecord")
        first, last = (int(datetime.fromisoformat(info[name]).timestamp()) for name in names)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return first, last


def _times_of_key(key: str, kept: int) -> tuple[int, int] | None:
    """Return what a batch's changes may be from by when it was given up, which its key tells."""
    match = _KEY_TIME.search(key)
    if match is None:
        return None
    given_up = int(datetime.strptime(f"{match[1]}+0000", "%Y-%m-%dT%H.%M.%S%z").timestamp())
    return given_up - kept, given_up


def _newest(broker: Broker, table: Table) -> Mapping[int, int]:
    """Ask Pinot for the newest change of each partition, by a column that has its time."""
    timed = [each for each in table.columns if each.origin == "$timestamp" and each.field and each.field.unit_ms]
    if not timed:
        raise CommandError("no column has the time of a change as a number")
    name, unit_ms = timed[0].name, timed[0].field and timed[0].field.unit_ms
    answer = broker.query(
        f'SELECT $segmentName, MAX("{name}") FROM "{table.name}" GROUP BY $segmentName LIMIT 100000'  # noqa: S608
    )
    newest: dict[int, int] = {}
    for segment, value in answer.rows:
        partition = partition_of(segment)
        if partition is not None:
            second = int(float(value) * float(unit_ms or 1) // 1_000)
            newest[partition] = max(newest.get(partition, second), second)
    return newest


def _lines(found: Found, options: Options) -> Iterator[str]:
    for begin, end, why in found.gaps:
        if end is None:
            yield f"Changes since {iso(begin)} are being lost: {why}. Enable the mapping, and look again"
        else:
            yield f"Changes from {iso(begin)} to {iso(end)} may be lost: {why}"
            yield f"  dynapinot gap --from {iso(begin)} --to {iso(end)} {_place(options.named)} --broker …"
    if not found.gaps:
        yield (
            "Nothing is missing, by what was seen" if found.is_known else "It cannot be known whether changes were lost"
        )
    yield from found.notes
    if not found.is_known and not found.gaps:
        yield "To be sure, load the whole table and sweep: dynapinot load"


def _place(named: Named) -> str:
    return f"--stack {named.stack}" if named.stack else f"--bucket {named.bucket} --function {named.function} --here"
