"""The event source mapping between the changes and the function: its settings, and its state.

A template and Lambda's API name the settings alike, so one set of checks is for both. Defaults are those of
https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dynapinot.doctor.finding import UNKNOWN, Finding, error, note, warning
from handlers.deadline import TIME_FOR_WORK

PART: Final = "Event source mapping"

NO_LIMIT: Final = -1
STREAM_HOURS: Final = 24  # what a DynamoDB stream keeps, and a Kinesis stream at the least
LEAST_AGE_S: Final = 3_600
MOST_AGE_S: Final = 23 * 3_600  # which leaves Lambda an hour to bring what it gives up to the bucket

_GOOD_STATES: Final = ("Enabled",)
_USUAL_REASONS: Final = ("User action", "User initiated", "USER_INITIATED")
_PASSING_STATES: Final = ("Creating", "Enabling", "Updating")


class Place(NamedTuple):
    """A place that has settings: its name in messages, and what distinguishes them ("" for the only mapping)."""

    where: str
    about: str = ""


def setting_findings(
    settings: Mapping[str, Any], place: Place, *, timeout_s: int | None, bucket: object
) -> Iterator[Finding]:
    """Check a mapping's settings. ``bucket`` is where the function puts dead letters, None if that is not known."""
    yield from _reporting(settings, place)
    yield from _destination(settings, place, bucket)
    yield from _limits(settings, place, timeout_s)
    if settings.get("StartingPosition", "TRIM_HORIZON") == "LATEST":
        problem = "LATEST can miss changes that are made while the mapping starts"
        yield _warning("position", place, "StartingPosition", problem, "Write TRIM_HORIZON, and make the mapping again")
    filters = settings.get("FilterCriteria")
    if isinstance(filters, Mapping) and filters.get("Filters"):
        problem = "Lambda drops changes before the function sees them, deletes among them"
        yield _warning("filter", place, "FilterCriteria", problem, "Remove it: say when in source.toml")
    if settings.get("TumblingWindowInSeconds"):
        problem = "a window passes on a state, and the function has none"
        yield _warning("window", place, "TumblingWindowInSeconds", problem, "Remove it")
    metrics = settings.get("MetricsConfig")
    if metrics is not UNKNOWN and "EventCount" not in ((metrics or {}).get("Metrics") or ()):
        problem = "it does not count events, so nothing shows when Lambda does not poll"
        where = f"{place.where}: MetricsConfig"
        yield note("mapping_metrics", where, problem, 'Write {"Metrics": ["EventCount"]}', about=place.about)


def _reporting(settings: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    types = settings.get("FunctionResponseTypes")
    if types is not UNKNOWN and "ReportBatchItemFailures" not in (types or ()):
        problem = "Lambda takes a batch for done that the function reports as failed, and its changes are lost"
        yield _error("response", place, "FunctionResponseTypes", problem, "Write [ReportBatchItemFailures]")
    if settings.get("BisectBatchOnFunctionError", False) in (False, "false"):
        problem = "one change that makes the function fail holds up, and gives up, its whole batch"
        yield _warning("bisect", place, "BisectBatchOnFunctionError", problem, "Write true")


def _destination(settings: Mapping[str, Any], place: Place, bucket: object) -> Iterator[Finding]:
    config = settings.get("DestinationConfig")
    on_failure = config.get("OnFailure") if isinstance(config, Mapping) else config
    arn = on_failure.get("Destination") if isinstance(on_failure, Mapping) else on_failure
    name = "DestinationConfig.OnFailure"
    if arn is UNKNOWN:
        return
    if not arn:
        problem = "changes that Lambda gives up are lost"
        yield _error("destination", place, name, problem, "Name the dead letter bucket's ARN")
    elif ":s3:" not in str(arn):
        problem = "only S3 gets the changes themselves; this gets where they stood, which is good for 24 h"
        yield _warning("destination", place, name, problem, "Name the dead letter bucket's ARN")
    elif isinstance(bucket, str) and str(arn).rpartition(":")[2] != bucket:
        problem = f"it is not the function's own bucket {bucket}, which a redrive looks into"
        yield _warning("destination", place, name, problem, "Name that bucket's ARN")


def _limits(settings: Mapping[str, Any], place: Place, timeout_s: int | None) -> Iterator[Finding]:
    age = _number(settings.get("MaximumRecordAgeInSeconds"))
    attempts = _number(settings.get("MaximumRetryAttempts"))
    name = "MaximumRecordAgeInSeconds"
    if age == NO_LIMIT or (age is not None and age > MOST_AGE_S):
        problem = f"the stream forgets a change after {STREAM_HOURS} h, before Lambda has brought it to the bucket"
        yield _warning("age", place, name, problem, f"Write {MOST_AGE_S - LEAST_AGE_S * 3}, which leaves it 4 h")
    elif age is not None and age < LEAST_AGE_S:
        problem = f"an outage of {age} s makes Lambda give changes up, and Pinot is wrong until they are redriven"
        yield _warning("age", place, name, problem, f"Write {MOST_AGE_S - LEAST_AGE_S * 3}: late is better than wrong")
    if attempts is None or attempts == NO_LIMIT or timeout_s is None or age is None:
        return
    # An attempt that fails takes as long as publishing may, unless it is refused at once.
    seconds = int(attempts * timeout_s * TIME_FOR_WORK)
    limit = STREAM_HOURS * 3_600 if age == NO_LIMIT else min(age, STREAM_HOURS * 3_600)
    if seconds < limit:
        problem = f"{attempts} attempts are over after {_span(seconds)}, before the age of {_span(limit)} is"
        yield _warning("attempts", place, "MaximumRetryAttempts", problem, "Write 10000, and let the age end it")


def state_findings(mapping: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    """Check the state of a mapping, by GetEventSourceMapping's answer."""
    state = mapping.get("State", "")
    reason = mapping.get("StateTransitionReason")
    why = f" ({reason})" if reason and reason not in _USUAL_REASONS else ""
    if state in _PASSING_STATES:
        yield note("mapping_state", f"{place.where}: State", f"it is {state}{why}", "Look again", about=place.about)
    elif state not in _GOOD_STATES:
        remedy = f"Run aws lambda update-event-source-mapping --uuid {mapping.get('UUID')} --enabled"
        problem = f"it is {state}{why}, so no change is replicated"
        yield _error("state", place, "State", problem, remedy)
    result = str(mapping.get("LastProcessingResult") or "")
    if result.upper().startswith("PROBLEM"):
        problem = f"Lambda says: {' '.join(result.split())}"
        remedy = "See docs/operations.md, Not polling and Errors"
        yield _error("result", place, "LastProcessingResult", problem, remedy)


def shared_source_findings(
    function_arn: str, source_arn: str, mappings: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    """Check who else reads the same source. ``mappings`` are all those of the source."""
    active = [each for each in mappings if each.get("State") not in ("Disabled", "Deleting")]
    own = [each for each in active if _same_function(each.get("FunctionArn", ""), function_arn)]
    others = sorted({str(each.get("FunctionArn")).rpartition(":")[2] for each in active if each not in own})
    where = f"source {source_arn}"
    if len(own) > 1:
        problem = (
            f"{len(own)} mappings send it to the same function, which publishes each change as many times, in any order"
        )
        remedy = f"Keep one, and delete the others: {', '.join(str(each.get('UUID')) for each in own[1:])}"
        yield warning("mapping_twice", where, problem, remedy, about=source_arn)
    if others:
        problem = f"other functions read it too: {', '.join(others)}"
        remedy = "Know that a shard of a DynamoDB stream has at most two readers"
        yield note("mapping_others", where, problem, remedy, about=source_arn)


def _same_function(arn: str, other: str) -> bool:
    """Compare functions without their versions and aliases."""
    return arn.split(":")[:7] == other.split(":")[:7]


def _number(value: object) -> int | None:
    """Read a number that a template may have as text; None is not known, and what is not set has no limit."""
    if value is UNKNOWN:
        return None
    if value is None:
        return NO_LIMIT
    try:
        return int(str(value))
    except ValueError:
        return None


def _span(seconds: int) -> str:
    return f"{seconds / 3_600:.1f} h" if seconds >= LEAST_AGE_S else f"{seconds} s"


def _error(code: str, place: Place, setting: str, problem: str, remedy: str) -> Finding:
    return error(f"mapping_{code}", f"{place.where}: {setting}", problem, remedy, about=place.about)


def _warning(code: str, place: Place, setting: str, problem: str, remedy: str) -> Finding:
    return warning(f"mapping_{code}", f"{place.where}: {setting}", problem, remedy, about=place.about)
