"""The deployed function, of a stack or of a name, and what it reads from and writes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from dynapinot.aws import Aws
from dynapinot.doctor import cloudwatch, event_source_mapping, function, kinesis
from dynapinot.doctor.finding import AbsentError, Diagnosis, error
from dynapinot.doctor.template import Deployment
from dynapinot.errors import CommandError
from handlers.settings import SERVICE, Settings

_ABSENT: Final = ("ResourceNotFoundException",)
_NO_BUCKET: Final = ("404", "NoSuchBucket", "NotFound")
_DYNAMODB_STREAM_PARTS: Final = 4  # table/<name>/stream/<when>


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The deployed function; ``settings`` is None if the function could not read them.

    ``configuration`` is GetFunctionConfiguration's answer. ``mappings`` are the event source mappings that send streams
    to the function.
    """

    function: str
    configuration: Mapping[str, Any]
    settings: Settings | None
    mappings: Sequence[Mapping[str, Any]]

    @property
    def sources(self) -> Sequence[str]:
        """The ARNs of the streams that are sent to the function, each once."""
        return sorted({each["EventSourceArn"] for each in self.mappings})


def find_stack(diagnosis: Diagnosis, aws: Aws, name: str) -> tuple[Mapping[str, str], Deployment]:
    """Ask CloudFormation for a stack's outputs and the parameters it was deployed with."""
    client = aws.client("cloudformation")
    try:
        answer = diagnosis.ask(
            f"CloudFormation: stack {name}", lambda: client.describe_stacks(StackName=name), ("ValidationError",)
        )
    except AbsentError:
        raise CommandError(f"There is no stack {name} in {client.meta.region_name}: fix --stack or --region") from None
    if answer is None:
        return {}, Deployment()
    stack = answer["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])}
    if "FunctionName" not in outputs:
        diagnosis.miss("Lambda: the stack's function", f"the stack {name} has no output FunctionName: give --function")
    return outputs, Deployment(parameters=parameters, region=client.meta.region_name)


def look(diagnosis: Diagnosis, aws: Aws, name: str) -> Deployed | None:
    """Ask Lambda about a function and its event source mappings, S3 about its bucket."""
    client = aws.client("lambda")
    what = f"Lambda: function {name}"
    try:
        configuration = diagnosis.ask(what, lambda: client.get_function_configuration(FunctionName=name), _ABSENT)
    except AbsentError:
        problem = f"there is none in {client.meta.region_name}"
        absent = error("function_absent", f"function {name}", problem, "Fix its name or the region", about=name)
        diagnosis.add(function.PART, [absent])
        return None
    if configuration is None:
        return None
    diagnosis.add(function.PART, function.function_findings(configuration))
    hidden = function.hidden_environment(configuration)
    if hidden:
        diagnosis.miss(f"{what}: variables", hidden)
    concurrency = diagnosis.ask(f"{what}: concurrency", lambda: client.get_function_concurrency(FunctionName=name))
    if concurrency is not None:
        diagnosis.add(function.PART, function.concurrency_findings(name, concurrency))
    settings = function.settings_of(configuration)
    bucket = settings.dead_letter_bucket if settings else None
    mappings = _look_at_mappings(diagnosis, client, name, configuration, bucket)
    if bucket:
        _look_at_bucket(diagnosis, aws, bucket)
    return Deployed(function=name, configuration=configuration, settings=settings, mappings=mappings)


def look_at_metrics(diagnosis: Diagnosis, aws: Aws, there: Deployed, *, now_ms: int) -> None:
    """Ask CloudWatch about the function's last day."""
    service = function.environment_of(there.configuration).get("POWERTOOLS_SERVICE_NAME") or SERVICE
    cloudwatch.look(diagnosis, aws, function=there.configuration["FunctionName"], service=service, now_ms=now_ms)


def _look_at_mappings(
    diagnosis: Diagnosis,
    client: Any,  # noqa: ANN401  # boto3's client
    name: str,
    configuration: Mapping[str, Any],
    bucket: str | None,
) -> list[Mapping[str, Any]]:
    """Check each mapping of the function, and give them."""
    arn = configuration["FunctionArn"]
    found = diagnosis.ask(f"Lambda: event source mappings of {name}", lambda: _mappings(client, FunctionName=name))
    if found is None:
        return []
    # A deployment leaves mappings that are being deleted.
    mappings = [each for each in found if each.get("State") != "Deleting" and _is_stream(each.get("EventSourceArn"))]
    if not mappings:
        problem = "no stream is connected to it, so no change is replicated"
        none = error("mapping_absent", f"function {name}", problem, "Deploy with TableStreamArn", about=name)
        diagnosis.add(event_source_mapping.PART, [none])
    for each in mappings:
        uuid = each["UUID"]
        place = event_source_mapping.Place(f"event source mapping {uuid}", "" if len(mappings) == 1 else uuid)
        timeout = configuration.get("Timeout")
        diagnosis.add(event_source_mapping.PART, event_source_mapping.state_findings(each, place))
        diagnosis.add(
            event_source_mapping.PART,
            event_source_mapping.setting_findings(each, place, timeout_s=timeout, bucket=bucket),
        )
    for source in sorted({each["EventSourceArn"] for each in mappings}):
        read = partial(_mappings, client, EventSourceArn=source)
        every = diagnosis.ask(f"Lambda: event source mappings of {source}", read)
        if every is not None:
            diagnosis.add(event_source_mapping.PART, event_source_mapping.shared_source_findings(arn, source, every))
    return mappings


def _mappings(client: Any, **of: str) -> list[Mapping[str, Any]]:  # noqa: ANN401
    pages = client.get_paginator("list_event_source_mappings").paginate(**of)
    return [each for page in pages for each in page["EventSourceMappings"]]


def _look_at_bucket(diagnosis: Diagnosis, aws: Aws, bucket: str) -> None:
    client = aws.client("s3")
    try:
        diagnosis.ask(f"S3: bucket {bucket}", lambda: client.head_bucket(Bucket=bucket), _NO_BUCKET)
    except AbsentError:
        problem = "there is no such bucket, and a change that cannot be a row holds up its shard"
        remedy = "Deploy again, or make the bucket that DEAD_LETTER_BUCKET names"
        absent = error("bucket_absent", f"bucket {bucket}", problem, remedy, about=bucket)
        diagnosis.add(function.PART, [absent])


def look_at_change_stream(diagnosis: Diagnosis, aws: Aws, source_arn: str) -> None:
    """Ask Kinesis about the stream that changes come from, where it is one of Kinesis."""
    region, name = source_arn.split(":")[3], source_arn.rpartition("/")[2]
    client = aws.client("kinesis", region)
    try:
        diagnosis.ask(
            f"Kinesis: stream {name} of changes", lambda: client.describe_stream_summary(StreamARN=source_arn), _ABSENT
        )
    except AbsentError:
        remedy = "Deploy with the stream that the table's changes go to (TableStreamArn)"
        absent = error("change_stream_absent", f"stream {name}", "there is no such stream", remedy, about=source_arn)
        diagnosis.add(kinesis.PART, [absent])


def table_of(source_arn: str) -> str | None:
    """Return the DynamoDB table of a stream's ARN, None for a Kinesis stream, whose ARN does not name the table."""
    parts = source_arn.split(":", 5)[-1].split("/")
    return parts[1] if len(parts) >= _DYNAMODB_STREAM_PARTS and parts[0] == "table" else None


def _is_stream(arn: object) -> bool:
    return isinstance(arn, str) and arn.split(":")[2] in ("dynamodb", "kinesis")
