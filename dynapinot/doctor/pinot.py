"""A running Pinot: whether it has the table of these files, and consumes each shard of its stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dynapinot.doctor.finding import Diagnosis, Finding, error, note, warning
from dynapinot.doctor.kinesis import is_closed, shard_number
from dynapinot.doctor.pinot_differences import deployed_findings, read_files
from dynapinot.doctor.tables import Folder
from dynapinot.errors import CommandError
from dynapinot.pinot_server import (
    BEHIND_SECONDS,
    Answer,
    Broker,
    Controller,
    QueryError,
    Validation,
    View,
    partition_of,
)
from pinot.config import read_config
from pinot.errors import Findings, TableError

PART: Final = "Pinot"

CONSUMING: Final = "CONSUMING"
_REMEDY: Final = "Make sure that the broker is up, and that servers serve the table"

# QueryErrorCode of Pinot 1.5.1
_NO_TABLE, _DISABLED, _UNAVAILABLE = 190, 191, 305


def look(
    diagnosis: Diagnosis, controller: Controller, folder: Folder, *, shards: Sequence[Mapping[str, Any]] | None
) -> None:
    """Ask the controller about a table. ``shards`` are those of its stream, None if they are not known."""
    name = folder.name
    what = f"Pinot: table {name}"
    validation = diagnosis.ask(f"{what}: validation", lambda: controller.validate(folder.schema, folder.config))
    if validation is not None:
        diagnosis.add(PART, validation_findings(folder, validation))
    config = diagnosis.ask(what, lambda: (controller.table(name),))
    if config is None:
        return
    if config[0] is None:
        remedy = f"Make it: dynapinot add-table {folder.path}"
        diagnosis.add(PART, [error("pinot_absent", f"table {name}", "Pinot has no such table", remedy, about=name)])
        return
    schema = diagnosis.ask(f"{what}: schema", lambda: (controller.schema(name),))
    if schema is not None:
        diagnosis.add(PART, deployed_findings(folder, schema[0], config[0]))
    state = diagnosis.ask(f"{what}: state", lambda: _state(controller, name))
    if state is not None:
        diagnosis.add(PART, state_findings(name, enabled=state[0], paused=state[1]))
    views = diagnosis.ask(f"{what}: segments", lambda: (controller.ideal_state(name), controller.external_view(name)))
    if views is not None and state == (True, False):  # of a table that is off, nothing consumes
        diagnosis.add(PART, segment_findings(name, *views))
    if views is not None and shards is not None:
        diagnosis.add(PART, partition_findings(name, views[0], shards))
    others = diagnosis.ask(f"{what}: other tables", lambda: _streams_of_others(controller, name))
    if others is not None and folder.table:
        diagnosis.add(PART, shared_stream_findings(name, folder.table.stream, folder.table.region, others))


def _state(controller: Controller, name: str) -> tuple[bool, bool]:
    """Ask whether a table is enabled and whether it is paused; of a disabled one Pinot answers 400 to the latter."""
    enabled = controller.is_enabled(name)
    return enabled, enabled and controller.is_paused(name)


def unwell(url: str, why: str) -> Finding:
    """Say that the controller cannot be asked."""
    return error("pinot_unwell", f"controller {url}", why, "Start it, or fix --controller", about=url)


def look_by_query(diagnosis: Diagnosis, broker: Broker, folder: Folder, now_ms: int) -> None:
    """Ask the broker what queries see of a table."""
    table = folder.table
    if table is None:
        return
    time = next((each for each in table.columns if each.origin == "$timestamp"), None)
    newest = f', MAX("{time.name}")' if time else ""
    # skipUpsert: deletes count as well, since the newest change may be one.
    sql = f'SET skipUpsert=true; SELECT COUNT(*){newest} FROM "{table.name}"'  # noqa: S608  # a name of the user's own
    what = f"Pinot: rows of {table.name}"
    try:
        answer = broker.query(sql)
    except CommandError as mistake:
        diagnosis.add(PART, [query_finding(folder, mistake)])
        diagnosis.saw(what)
        return
    diagnosis.saw(what)
    unit = _unit_ms(folder, time.name) if time else 1
    diagnosis.add(PART, row_findings(table.name, answer, now_ms, unit_ms=unit))
    diagnosis.add(PART, freshness_findings(table.name, answer, now_ms))


def query_finding(folder: Folder, mistake: CommandError) -> Finding:
    """Report a query that failed. What the controller has told already has its code."""
    name = folder.name
    where = f"table {name}: a query"
    code = mistake.code if isinstance(mistake, QueryError) else None
    if code == _DISABLED:
        return error("pinot_disabled", where, str(mistake), _enable(name), about=name)
    if code == _NO_TABLE:
        remedy = f"Make it: dynapinot add-table {folder.path}; if the controller has it, restart the broker"
        return error("pinot_absent", where, str(mistake), remedy, about=name)
    if code == _UNAVAILABLE:
        remedy = "A server that was restarted loads its segments: look again in a minute, then see its log"
        return error("pinot_query", where, str(mistake), remedy, about=name)
    return error("pinot_query", where, str(mistake), _REMEDY, about=name)


def _enable(name: str) -> str:
    return f"Enable it: PUT /tables/{name}/state?type=realtime&state=enable"


def _unit_ms(folder: Folder, column: str) -> float:
    """Return how many milliseconds a step of a column is."""
    schema, _ = read_files(folder.schema, folder.config)
    field = schema.field(column) if schema else None
    return float(field.unit_ms) if field and field.unit_ms else 1


def _streams_of_others(controller: Controller, name: str) -> dict[str, tuple[str, str | None]]:
    """Find the Kinesis stream, and its region, of every other realtime table."""
    found = {}
    for other in controller.table_names():
        config = controller.table(other) if other != name else None
        if config is not None:
            try:
                read = read_config(config, Findings(other))
            except TableError:  # one that is no replica, which has nothing to do with this
                continue
            found[other] = (read.stream, read.region)
    return found


def validation_findings(folder: Folder, validation: Validation) -> Iterator[Finding]:
    """Report what Pinot says about the files."""
    where = str(folder.path)
    if validation.refusal is not None:
        problem = f"Pinot refuses them: {validation.refusal}"
        yield error("pinot_refuses", where, problem, "Fix the files", about=folder.name)
    for path in validation.unrecognized:
        document, _, setting = path.partition(".")
        file = "schema.json" if document == "schema" else "table.json"
        if not setting.endswith(_REPORTED):
            where = f"{folder.path / file}: {setting}"
            problem = "Pinot does not know this property, and ignores it"
            yield warning(
                "pinot_unrecognized", where, problem, "Fix its name, or remove it", about=f"{folder.name} {path}"
            )


_REPORTED: Final = ("segmentsConfig.schemaName",)  # by ``table_creation.notes``


def state_findings(name: str, *, enabled: bool, paused: bool) -> Iterator[Finding]:
    """Check that the table is on."""
    if not enabled:
        yield error("pinot_disabled", f"table {name}", "it is disabled", _enable(name), about=name)
    if paused:
        remedy = f"Resume it: POST /tables/{name}/resumeConsumption"
        yield error("pinot_paused", f"table {name}", "its consumption is paused", remedy, about=name)


def segment_findings(name: str, ideal: View, actual: View) -> Iterator[Finding]:
    """Check that each partition has a segment that consumes, and that servers have it so.

    ``consumingSegmentsInfo`` and ``/debug`` call every table that reads Kinesis unhealthy; the views do not.
    """
    partitions: defaultdict[int, set[str]] = defaultdict(set)
    for segment, servers in ideal.items():
        partition = partition_of(segment)
        if partition is not None:
            partitions[partition] |= {segment} if CONSUMING in servers.values() else set()
    if not partitions:
        problem = "it has no segment, so no server consumes its stream"
        remedy = "See the controller's log: it makes them when it reaches the stream with its credentials"
        yield error("pinot_segments", f"table {name}", problem, remedy, about=name)
    resume = f"POST /tables/{name}/resumeConsumption, and see the server's log"
    for partition, segments in sorted(partitions.items()):
        where = f"table {name}: partition {partition}"
        about = f"{name} {partition}"
        if not segments:
            yield error("pinot_consuming", where, "no segment of it consumes", f"Resume it: {resume}", about=about)
        for segment in sorted(segments):
            states = set((actual.get(segment) or {}).values())
            if CONSUMING not in states:
                state = ", ".join(sorted(states)) or "on no server"
                problem = f"the segment that is to consume is {state}, and its rows are gone from queries"
                yield error("pinot_consuming", where, problem, f"Resume it: {resume}", about=about)
            elif states != {CONSUMING}:
                problem = f"a replica of the segment that consumes is {', '.join(sorted(states - {CONSUMING}))}"
                yield warning("pinot_consuming", where, problem, "See that server's log", about=about)
    broken = sorted(segment for segment, servers in actual.items() if "ERROR" in servers.values())
    if broken:
        problem = f"{len(broken)} segments are in ERROR, {broken[0]} among them, and their rows are gone from queries"
        yield error("pinot_error", f"table {name}", problem, f"POST /segments/{name}_REALTIME/reset", about=name)


def partition_findings(name: str, ideal: View, shards: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Compare Pinot's partitions with the stream's open shards; a partition is a shard's number."""
    partitions = {partition_of(segment) for segment in ideal} - {None}
    missing = sorted({shard_number(shard) for shard in shards if not is_closed(shard)} - partitions)
    if missing and partitions:
        numbers = ", ".join(map(str, missing))
        problem = f"no server consumes the shards {numbers} of its stream"
        remedy = "Run the controller's task RealtimeSegmentValidationManager; after a split see docs/operations.md"
        yield error("pinot_shards", f"table {name}", problem, remedy, about=name)
    strange = sorted(each for each in partitions - {shard_number(shard) for shard in shards} if each is not None)
    if strange:
        numbers = ", ".join(map(str, strange))
        problem = f"it has partitions {numbers}, and the stream has no such shards: it is another stream, or resharded"
        remedy = "Make a new Pinot table for this stream, and fill it again"
        yield error("pinot_partitions", f"table {name}", problem, remedy, about=name)


def row_findings(name: str, answer: Answer, now_ms: int, *, unit_ms: float = 1) -> Iterator[Finding]:
    """Say what a query sees: COUNT(*), and the newest change's time in steps of ``unit_ms``."""
    count, *times = answer.rows[0] if answer.rows else (0,)
    newest = times[0] if times else None
    where = f"table {name}: rows"
    if not count:
        yield note("pinot_rows", where, "there is none yet", "Change an item, and look again", about=name)
    elif isinstance(newest, int | float) and newest > 0:
        seconds = max(0, now_ms - int(newest * unit_ms)) // 1_000
        yield note(
            "pinot_rows",
            where,
            f"{count}, deletes included; the newest change is {_age(seconds)} old",
            "Nothing",
            about=name,
        )


def freshness_findings(name: str, answer: Answer, now_ms: int) -> Iterator[Finding]:
    """Say so if some partition is behind its shard: queries answer without any sign of it."""
    behind = answer.seconds_behind(now_ms)
    if behind is not None and behind > BEHIND_SECONDS:
        where = f"table {name}: freshness"
        problem = f"Pinot has consumed its stream up to {_age(behind)} ago only: queries miss newer changes and deletes"
        remedy = "After a restart wait, and look again; if it does not fall, see the servers' log"
        yield warning("pinot_behind", where, problem, remedy, about=name)


def _age(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def shared_stream_findings(
    name: str, stream: str, region: str | None, others: Mapping[str, tuple[str, str | None]]
) -> Iterator[Finding]:
    """Check that no other table reads the same stream: it would ingest these rows, and this table its."""
    sharing = sorted(
        other for other, place in others.items() if place[0] == stream and (region is None or place[1] == region)
    )
    if sharing:
        problem = f"{', '.join(sharing)} consumes the stream {stream} too, and has these rows"
        yield error("pinot_shared_stream", f"table {name}", problem, "Give each table a stream of its own", about=name)
