"""Structured logs and metrics. They never contain a value of an item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from decoder.record import sequence_number_of
from handlers.relay import Report
from pinot.errors import Finding

if TYPE_CHECKING:  # code of the other functions, which the stream function need not load
    from heartbeat.run import ProbeResult
    from redrive.run import Summary

NAMESPACE: Final = "dynapinot"
MAX_LOGGED: Final = 1_000  # the number of different attribute names is unlimited
MAX_NAME: Final = 255  # characters of such a name; DynamoDB's may have 64 KB, and a line of CloudWatch Logs 256 KB
MAX_NAMES: Final = 100  # of attributes in a metric's log record, which may have 1 MiB
MAX_LAGS: Final = 25  # each takes Powertools as long as a whole change takes; it flushes at the hundredth value

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html


def log_tables(logger: Logger, names: Sequence[str], warnings: Iterable[Finding]) -> None:
    """Log, at start, which tables are replicated and the warnings about their files."""
    for warning in warnings:
        logger.warning(
            "table warning",
            file=warning.file,
            where=warning.where,
            problem=warning.problem,
            remedy=warning.remedy,
        )
    logger.info("tables loaded", tables=list(names))


def log_parser(logger: Logger, parser: str, wanted: str) -> None:
    """Log, at start, which parser parses the events, and which one was configured."""
    logger.info("event parser", parser=parser, wanted=wanted)


def log_report(logger: Logger, report: Report, already_logged: set[tuple[str, ...]]) -> None:
    """Log what was unusual. A batch without anything unusual is in the metrics only.

    ``already_logged`` holds what is logged only once: the tables of which items may share rows, and the attributes
    that are not mapped.
    """
    for table, attributes in report.account.shared.items():
        if attributes and (table,) not in already_logged:
            logger.warning("items may share a row", table=table, not_in_primary_key=list(attributes))
            already_logged.add((table,))
    for table, attribute in _unmapped(report):
        if (table, attribute) not in already_logged and len(already_logged) < MAX_LOGGED:
            logger.info("attribute not mapped", table=table, attribute=attribute)
            already_logged.add((table, attribute))
    for dead_letter in report.account.dead_letters:
        logger.warning(
            "change dead-lettered",
            reason=dead_letter.error.reason,
            table=dead_letter.table,
            column=dead_letter.error.column,
            dynamodb_table=dead_letter.change.table if dead_letter.change else None,
            event_id=dead_letter.change.event_id if dead_letter.change else None,
            sequence_number=dead_letter.sequence_number,
        )
    for (table, column, reason), count in report.account.left_out.items():
        logger.warning("deletes sent without a last value", table=table, column=column, reason=reason, count=count)
    for position in report.account.differences:
        number = sequence_number_of(report.account.records[position])
        logger.error("row differs between paths", sequence_number=number)
    for target, published in report.published.items():
        if published.errors:
            logger.warning("stream rejected rows", stream=target.stream, errors=published.errors)
    if report.store_error:
        logger.error("dead letters not stored", error=report.store_error)
    if report.first_unpublished is not None:
        logger.error(
            "batch stopped early",
            sequence_number=report.response()["batchItemFailures"][0]["itemIdentifier"],
            position=report.first_unpublished,
            changes=len(report.account.records),
        )


def measure(metrics: Metrics, report: Report, now_ms: int) -> None:
    """Add a batch's metrics: counts, and the age of its published changes in ms."""
    reasons = Counter(dead_letter.error.reason for dead_letter in report.account.dead_letters)
    metrics.add_metric(name="ChangesReceived", unit=MetricUnit.Count, value=len(report.account.records))
    metrics.add_metric(name="RowsPublished", unit=MetricUnit.Count, value=report.rows)
    metrics.add_metric(name="RowsResent", unit=MetricUnit.Count, value=report.resent)
    metrics.add_metric(name="ChangesIgnored", unit=MetricUnit.Count, value=report.account.ignored)
    metrics.add_metric(name="DeadLetters", unit=MetricUnit.Count, value=reasons.total())
    metrics.add_metric(name="RowDifferences", unit=MetricUnit.Count, value=len(report.account.differences))
    unmapped = _unmapped(report)
    metrics.add_metric(name="UnmappedAttributes", unit=MetricUnit.Count, value=len(unmapped))
    if unmapped:
        shortened = [(table, name[:MAX_NAME]) for table, name in unmapped[:MAX_NAMES]]
        metrics.add_metadata(key="unmapped_attributes", value=shortened)
    metrics.add_metric(name="BatchesStoppedEarly", unit=MetricUnit.Count, value=report.first_unpublished is not None)
    for lag in _sample(_lags(report, now_ms)):
        metrics.add_metric(name="ReplicationLag", unit=MetricUnit.Milliseconds, value=lag)
    for reason, count in sorted(reasons.items()):
        with single_metric(
            name="DeadLetters",
            unit=MetricUnit.Count,
            value=count,
            namespace=NAMESPACE,
            default_dimensions={"service": metrics.service},
        ) as metric:
            metric.add_dimension(name="reason", value=reason)


def measure_redrive(metrics: Metrics, summary: Summary) -> None:
    """Emit how many changes a scheduled redrive has redriven, and how many still fail."""
    metrics.add_metric(name="RedrivenChanges", unit=MetricUnit.Count, value=summary.redriven)
    metrics.add_metric(name="RedriveFailures", unit=MetricUnit.Count, value=summary.failed)
    metrics.flush_metrics()


def measure_heartbeat(metrics: Metrics, results: Sequence[ProbeResult]) -> None:
    """Emit how many rows of heartbeat items are missing, and the lags of those that arrived, in ms.

    Powertools begins another record at the hundredth value.
    """
    lags = [result.lag_ms for result in results if result.lag_ms is not None]
    metrics.add_metric(name="HeartbeatsMissing", unit=MetricUnit.Count, value=len(results) - len(lags))
    for lag in lags:
        metrics.add_metric(name="HeartbeatLag", unit=MetricUnit.Milliseconds, value=lag)
    if metrics.metric_set:
        metrics.flush_metrics()


def measure_load(metrics: Metrics, *, rows: int, failures: int, is_progress: bool) -> None:
    """Emit what an invocation of a load did for its unit: rows, dead letters, and whether it is further than before."""
    metrics.add_metric(name="LoadedRows", unit=MetricUnit.Count, value=rows)
    metrics.add_metric(name="LoadFailures", unit=MetricUnit.Count, value=failures)
    metrics.add_metric(name="LoadProgress", unit=MetricUnit.Count, value=is_progress)
    metrics.flush_metrics()


def log_redrive(logger: Logger, result: Mapping[str, object]) -> None:
    """Log how a scheduled redrive ended."""
    logger.info("redrive ended", result=result)


def log_load_step(logger: Logger, step: str, result: Mapping[str, object]) -> None:
    """Log how a step of a load ended."""
    logger.info("load step ended", step=step, result=result)


def log_missing_heartbeats(logger: Logger, results: Iterable[ProbeResult]) -> None:
    """Log each heartbeat item whose row did not arrive, by its stream and shard."""
    for result in results:
        if result.lag_ms is None:
            logger.error(
                "heartbeat missing", table=result.probe.table, error=result.error, **result.probe.location._asdict()
            )


def _unmapped(report: Report) -> list[tuple[str, str]]:
    """List the attributes of items that nothing uses, each with its table."""
    return sorted((table, name) for table, names in report.account.unmapped.items() for name in names)


def _lags(report: Report, now_ms: int) -> list[int]:
    return sorted(now_ms - time_ms for time_ms in report.account.times_ms[: report.first_unpublished] if time_ms)


def _sample(lags: Sequence[int]) -> list[int]:
    """Reduce to what a metric can hold, evenly and with the longest, so that percentiles do not change."""
    if len(lags) <= MAX_LAGS:
        return list(lags)
    last = len(lags) - 1
    return [lags[last * index // (MAX_LAGS - 1)] for index in range(MAX_LAGS)]
