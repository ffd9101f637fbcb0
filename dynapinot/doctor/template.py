"""The template and ``samconfig.toml``: whether the stack they make fits the tables' files."""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from dynapinot.doctor.cloudformation import Resource, Template, read_template
from dynapinot.doctor.dynamodb import rows_shared, view_type_findings
from dynapinot.doctor.event_source_mapping import Place, setting_findings
from dynapinot.doctor.finding import UNKNOWN, Diagnosis, Finding, error, warning
from dynapinot.doctor.function import HANDLER
from dynapinot.doctor.kinesis import mode_findings, retention_findings
from dynapinot.doctor.table_creation import flush_ms, stream_settings
from dynapinot.doctor.tables import Folder
from dynapinot.errors import CommandError
from pinot.table import Table

PART: Final = "Template"
SAMCONFIG: Final = "samconfig.toml"

_EVENTS: Final = ("DynamoDB", "Kinesis")
_DEFAULT_RETENTION_HOURS: Final = 24  # AWS::Kinesis::Stream
_DEFAULT_TIMEOUT_S: Final = 3  # AWS::Lambda::Function


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The parameters of a deployment, and its region, None if it is not configured.

    ``given`` are those of them that this template is going to be given, not those that a stack has.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)


def read_samconfig(file: Path) -> Deployment:
    """Read the settings of ``sam deploy``; there are none without a file. Raises CommandError.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-config.html
    """
    if not file.exists():
        return Deployment()
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as mistake:
        raise CommandError(f"{file}: it cannot be read as TOML: {' '.join(str(mistake).split())}") from None
    settings: dict[str, Any] = {}
    for command in ("global", "deploy"):
        parameters = ((document.get("default") or {}).get(command) or {}).get("parameters")
        settings |= parameters if isinstance(parameters, dict) else {}
    return Deployment(parameters=overrides(settings.get("parameter_overrides")), region=settings.get("region"))


def overrides(value: object) -> dict[str, str]:
    """Read parameter overrides: a text or a list of ``Name=value``, or of ``ParameterKey=…,ParameterValue=…``."""
    try:
        words = shlex.split(value) if isinstance(value, str) else list(value) if isinstance(value, list) else []
    except ValueError:
        raise CommandError(f"{SAMCONFIG}: the quotes in parameter_overrides do not match") from None
    found = {}
    for word in map(str, words):
        if word.startswith("ParameterKey="):
            name, _, text = word.removeprefix("ParameterKey=").partition(",ParameterValue=")
        else:
            name, equals, text = word.partition("=")
            if not equals:
                raise CommandError(f"The parameter {word} has no value: write {word}=…")
        found[name] = text
    return found


def look(diagnosis: Diagnosis, file: Path, folders: Sequence[Folder], deployment: Deployment) -> None:
    """Read a template and check it against the tables. Raises CommandError if it cannot be read."""
    document = read_template(file)
    template = Template(document, deployment.parameters, deployment.region)
    diagnosis.saw(str(file))
    diagnosis.add(PART, _parameter_findings(document.get("Parameters") or {}, deployment.given, file.name))
    diagnosis.add(PART, template_findings(template, file.name, folders))


def _parameter_findings(declared: Mapping[str, Any], given: Mapping[str, str], file: str) -> Iterator[Finding]:
    """Find what CloudFormation would refuse of the parameters that a deployment is given."""
    for name, value in given.items():
        where = f"{file}: parameter {name}"
        rule = declared.get(name)
        if rule is None:
            close = difflib.get_close_matches(name, declared, n=1)
            remedy = f"Did you mean {close[0]}?" if close else f"Use {', '.join(sorted(declared))}"
            yield error("parameter_unknown", where, "the template has no such parameter", remedy, about=name)
        elif problem := _refusal(rule, value):
            allowed = rule.get("ConstraintDescription") or rule.get("AllowedPattern") or "see its description"
            yield error("parameter_refused", where, problem, f"It must be: {allowed}", about=name)


def _refusal(rule: Mapping[str, Any], value: str) -> str | None:
    """Say why CloudFormation refuses a parameter's value, None if it does not."""
    if rule.get("Type") == "Number":
        try:
            number = float(value)
        except ValueError:
            return "it is no number"
        lowest, highest = rule.get("MinValue", number), rule.get("MaxValue", number)
        if not lowest <= number <= highest:
            return f"it is not between {lowest} and {highest}"
    each = value.split(",") if rule.get("Type") == "CommaDelimitedList" else [value]
    if not all(re.fullmatch(str(rule.get("AllowedPattern", ".*")), part.strip(), re.DOTALL) for part in each):
        return "it has not the form that it must have"
    allowed = [str(choice) for choice in rule.get("AllowedValues", ())]
    return "it is not one of those that may be" if allowed and value not in allowed else None


def template_findings(template: Template, file: str, folders: Sequence[Folder]) -> Iterator[Finding]:
    """Check what a stack would be made of against the tables that it is to feed."""
    tables = [folder.table for folder in folders if folder.table]
    unmatched = list(_unmatched(template, file, folders))
    yield from unmatched
    for stream in template.resources("AWS::Kinesis::Stream"):
        yield from _stream_findings(stream, file, folders)
        name = stream.properties.get("Name")
        if not unmatched and isinstance(name, str) and tables and name not in [table.stream for table in tables]:
            problem = f"it makes the stream {name}, which no table.json names"
            remedy = "Fix KinesisStreamName, or give the existing stream as KinesisStreamArn"
            yield warning("stream_unused", f"{file}: {stream.name}", problem, remedy, about=name)
    for place, settings, timeout in _mappings(template, file):
        yield from setting_findings(settings, place, timeout_s=timeout, bucket=None)
    for table in template.resources("AWS::DynamoDB::Table"):
        yield from _table_findings(table, tables)


def _unmatched(template: Template, file: str, folders: Sequence[Folder]) -> Iterator[Finding]:
    """Find the tables whose stream the function may not publish to."""
    patterns = list(_publishable(template))
    if UNKNOWN in patterns or not patterns:
        return
    names = sorted({pattern.rpartition("stream/")[2] for pattern in patterns})
    tables = {folder.path.name: folder.table for folder in folders if folder.table}
    matched = [name for name, table in tables.items() if any(_matches(pattern, table) for pattern in patterns)]
    for name, table in tables.items():
        if name in matched:
            continue
        where = f"{file}: {table.name}"
        if table.stream in names:
            regions = sorted({pattern.split(":")[3] for pattern in patterns if pattern.endswith(f"/{table.stream}")})
            problem = f"the stream {table.stream} is in {' and '.join(regions)}, and table.json says {table.region}"
            remedy = "Fix region in table.json, or deploy to that region"
        else:
            problem = f"table.json names the stream {table.stream}, and the function may publish to {', '.join(names)}"
            remedy = "Fix stream.kinesis.topic.name, or KinesisStreamName, or add its ARN (OtherKinesisStreamArns)"
            if matched:
                remedy = (
                    f"If this stack is not for it, deploy with Tables={','.join(matched)}, or write its DynamoDB table"
                    " as dynamodb_table in its source.toml. If it is, add the stream's ARN (OtherKinesisStreamArns)"
                )
        yield error("stream_unmatched", where, problem, remedy, about=table.name)


def _publishable(template: Template) -> Iterator[Any]:
    """Give the ARNs that roles of the template may put records to, UNKNOWN among them where that is not known."""
    for role in template.resources("AWS::IAM::Role"):
        for policy in role.properties.get("Policies") or ():
            document = policy.get("PolicyDocument") if isinstance(policy, Mapping) else {}
            for statement in (document or {}).get("Statement") or ():
                if not isinstance(statement, Mapping):
                    continue
                actions = statement.get("Action")
                if "kinesis:PutRecords" in (actions if isinstance(actions, list) else [actions]):
                    resources = statement.get("Resource")
                    yield from (resources if isinstance(resources, list) else [resources])


def _matches(pattern: Any, table: Table) -> bool:  # noqa: ANN401
    parts = str(pattern).split(":", 5)
    if len(parts) < 6:  # noqa: PLR2004  # an ARN has six
        return str(pattern) == "*"
    stream = parts[5].removeprefix("stream/")
    return fnmatchcase(table.stream, stream) and (table.region is None or fnmatchcase(table.region, parts[3]))


def _stream_findings(stream: Resource, file: str, folders: Sequence[Folder]) -> Iterator[Finding]:
    properties = stream.properties
    name = str(properties.get("Name", stream.name))
    where = f"{file}: {stream.name}"
    details = properties.get("StreamModeDetails")
    mode = details.get("StreamMode") if isinstance(details, Mapping) else None
    yield from mode_findings(name, where, None if mode is UNKNOWN else mode)
    hours = properties.get("RetentionPeriodHours", _DEFAULT_RETENTION_HOURS)
    for folder in folders:
        if folder.table and folder.table.stream == name and str(hours).isdecimal():
            yield from retention_findings(name, where, int(hours), flush_ms(stream_settings(folder.config)[1]))


def _mappings(template: Template, file: str) -> Iterator[tuple[Place, Mapping[str, Any], int | None]]:
    """Give the settings of the replicating function's mappings, as resources of their own or as SAM's events."""
    functions = [
        each
        for each in template.resources("AWS::Serverless::Function", "AWS::Lambda::Function")
        if each.properties.get("Handler") == HANDLER
    ]
    timeouts = [_timeout(template, function) for function in functions]
    timeout = timeouts[0] if timeouts else None
    found = [(each.name, each.properties) for each in template.resources("AWS::Lambda::EventSourceMapping")]
    for function in functions:
        for name, event in (function.properties.get("Events") or {}).items():
            if isinstance(event, Mapping) and event.get("Type") in _EVENTS:
                found.append((f"{function.name}.{name}", event.get("Properties") or {}))
    for name, settings in found:
        place = Place(f"{file}: {name}", "" if len(found) == 1 else name)
        yield place, settings, timeout


def _timeout(template: Template, function: Resource) -> int | None:
    given = function.properties.get("Timeout", template.globals("Function").get("Timeout", _DEFAULT_TIMEOUT_S))
    return int(given) if str(given).isdecimal() else None


def _table_findings(table: Resource, tables: Sequence[Table]) -> Iterator[Finding]:
    """Check a DynamoDB table that the stack makes. Its name is usually CloudFormation's choice."""
    properties = table.properties
    name = properties.get("TableName")
    ours = [each for each in tables if each.dynamodb_table in (None, name)]
    keys = [each["AttributeName"] for each in properties.get("KeySchema") or () if isinstance(each, Mapping)]
    stream = properties.get("StreamSpecification")
    view_type = stream.get("StreamViewType") if isinstance(stream, Mapping) else None
    if isinstance(view_type, str):
        yield from view_type_findings(table.name, view_type, keys, ours)
    for each in ours:
        yield from rows_shared(each, keys)
