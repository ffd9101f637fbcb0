"""The function: its configuration, and whether it can work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dynapinot.doctor.finding import Finding, error, note, warning
from handlers.settings import Settings, SettingsError

PART: Final = "Function"

HANDLER: Final = "handlers.stream.handler"
LEAST_TIMEOUT_S: Final = 45  # a request takes at most 10 s and begins in the first three quarters (handlers/clients.py)
LEAST_MEMORY_MB: Final = 256  # template.yaml's MinValue


def environment_of(configuration: Mapping[str, Any]) -> Mapping[str, str]:
    """Take the variables out of GetFunctionConfiguration's answer."""
    variables: Mapping[str, str] = (configuration.get("Environment") or {}).get("Variables") or {}
    return variables


def hidden_environment(configuration: Mapping[str, Any]) -> str | None:
    """Return why the variables cannot be seen (no access to the key they are encrypted with), None if they can."""
    failure = (configuration.get("Environment") or {}).get("Error")
    return f"{failure.get('ErrorCode')}: {failure.get('Message')}" if failure else None


def settings_of(configuration: Mapping[str, Any]) -> Settings | None:
    """Read the function's settings as it would itself, None where it could not start or they cannot be seen."""
    try:
        return Settings.from_mapping(environment_of(configuration))
    except SettingsError:
        return None


def function_findings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """Check GetFunctionConfiguration's answer."""
    name = configuration.get("FunctionName", "")
    where = f"function {name}"
    if configuration.get("Handler") != HANDLER:
        problem = f"its handler is {configuration.get('Handler')}, so it is not the one that replicates"
        yield error("function_handler", where, problem, "Name the function that the stack's output FunctionName has")
        return
    state = configuration.get("State", "Active")
    if state not in ("Active", "Inactive"):  # Inactive is one that was idle: the next invocation wakes it
        problem = f"its state is {state}: {configuration.get('StateReason', 'Lambda does not say why')}"
        yield error("function_state", where, problem, "Deploy again, or see why it does not start")
    if configuration.get("LastUpdateStatus", "Successful") == "Failed":
        problem = f"its last update failed: {configuration.get('LastUpdateStatusReason', 'Lambda does not say why')}"
        yield error("function_update", where, problem, "Deploy again")
    try:
        if not hidden_environment(configuration):
            Settings.from_mapping(environment_of(configuration))
    except SettingsError as mistake:
        variable, _, rest = str(mistake).partition(" ")
        yield error("function_environment", f"{where}: {variable}", f"it {rest}", "Set it, and deploy again")
    timeout = configuration.get("Timeout", LEAST_TIMEOUT_S)
    if timeout < LEAST_TIMEOUT_S:
        problem = (
            f"{timeout} s may be over before the last request to Kinesis is, and the batch is retried again and again"
        )
        yield warning(
            "function_timeout", f"{where}: Timeout", problem, f"Set TimeoutSeconds to {LEAST_TIMEOUT_S} or more"
        )
    memory = configuration.get("MemorySize", LEAST_MEMORY_MB)
    if memory < LEAST_MEMORY_MB:
        problem = f"{memory} MB do not hold a batch of 6 MB and its rows"
        yield warning(
            "function_memory", f"{where}: MemorySize", problem, f"Set MemoryMegabytes to {LEAST_MEMORY_MB} or more"
        )


def concurrency_findings(name: str, concurrency: Mapping[str, Any]) -> Iterator[Finding]:
    """Check GetFunctionConcurrency's answer."""
    reserved = concurrency.get("ReservedConcurrentExecutions")
    where = f"function {name}: reserved concurrency"
    if reserved == 0:
        remedy = f"Run aws lambda delete-function-concurrency --function-name {name}"
        yield error("function_throttled", where, "it is 0, so the function never runs", remedy)
    elif reserved is not None:
        problem = f"it is {reserved}, and there are as many batches at a time as the source has shards"
        yield note(
            "function_throttled", where, problem, "Reserve as many as shards, times ParallelizationFactor, or none"
        )


def record_limit_findings(settings: Settings, stream: str, largest_bytes: int) -> Iterator[Finding]:
    """Check the function's largest row against the largest record that its stream takes."""
    limit = settings.kinesis_max_record_bytes
    where = "function: KINESIS_MAX_RECORD_BYTES"
    if limit > largest_bytes:
        problem = f"it is {limit}, and the stream {stream} refuses any request with a record of over {largest_bytes}"
        remedy = f"Set KinesisMaxRecordBytes to {largest_bytes}, or raise the stream's limit"
        yield error("record_limit", where, problem, remedy, about=stream)
    elif limit < largest_bytes:
        problem = f"it is {limit}, and larger rows are dead letters, while the stream {stream} takes {largest_bytes}"
        yield note(
            "record_limit",
            where,
            problem,
            f"Set KinesisMaxRecordBytes to {largest_bytes}, if they are to go",
            about=stream,
        )
