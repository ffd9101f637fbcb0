"""What a running Pinot has: the same table as these files, and somebody who consumes each of its shards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from dynapinot.doctor.finding import Diagnosis, Finding, error, note, warning
from dynapinot.doctor.stream import is_closed, shard_number
from dynapinot.doctor.tables import Folder
from dynapinot.errors import CommandError
from dynapinot.pinot_server import Answer, Broker, Controller, Validation, View, partition_of
from pinot import errors
from pinot.assembly import Files, examine
from pinot.config import TableConfig, read_config
from pinot.errors import Findings, TableError
from pinot.schema import Field, Schema, read_schema

PART: Final = "Pinot"

CONSUMING: Final = "CONSUMING"
_MEND: Final = "Make sure that the broker is up, and that servers serve the table"

# What of a table config decides which rows come and which are shown, by the names of both sides.
_SETTINGS: Final = {
    "stream": "stream.kinesis.topic.name",
    "region": "region",
    "mode": "upsertConfig.mode",
    "delete_column": "upsertConfig.deleteRecordColumn",
    "comparison_column": "upsertConfig.comparisonColumns",
    "time_column": "segmentsConfig.timeColumnName",
    "transforms": "ingestionConfig.transformConfigs",
    "filter_function": "ingestionConfig.filterConfig.filterFunction",
    "handles_nulls": "tableIndexConfig.nullHandlingEnabled",
    "forgets_deletes_after": "upsertConfig.deletedKeysTTL",
}
_OF_COLUMNS: Final = {
    "data_type": "dataType",
    "single_value": "singleValueField",
    "max_length": "maxLength, or what becomes of longer ones",
    "unit_ms": "format",
    "transform": "transformFunction",
    "is_date_time": "kind of field",
}


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
    state = diagnosis.ask(f"{what}: state", lambda: (controller.is_enabled(name), controller.is_paused(name)))
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


def unwell(url: str, why: str) -> Finding:
    """Say that the controller cannot be asked."""
    return error("pinot_unwell", f"controller {url}", why, "Start it, or mend --controller", about=url)


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
        diagnosis.add(
            PART, [error("pinot_query", f"table {table.name}: a query", str(mistake), _MEND, about=table.name)]
        )
        diagnosis.saw(what)
        return
    diagnosis.saw(what)
    unit = _unit_ms(folder, time.name) if time else 1
    diagnosis.add(PART, row_findings(table.name, answer, now_ms, unit_ms=unit))


def _unit_ms(folder: Folder, column: str) -> float:
    """Tell how many milliseconds a step of a column is."""
    schema, _ = _read(folder.schema, folder.config)
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
    """Tell what Pinot says of the files."""
    where = str(folder.path)
    if validation.refusal is not None:
        problem = f"Pinot refuses them: {validation.refusal}"
        yield error("pinot_refuses", where, problem, "Mend the files", about=folder.name)
    for path in validation.unrecognized:
        document, _, setting = path.partition(".")
        file = "schema.json" if document == "schema" else "table.json"
        if not setting.endswith(_TOLD):
            where = f"{folder.path / file}: {setting}"
            problem = "Pinot does not know this property, and ignores it"
            yield warning(
                "pinot_unrecognized", where, problem, "Mend its name, or remove it", about=f"{folder.name} {path}"
            )


_TOLD: Final = ("segmentsConfig.schemaName",)  # by ``creation.notes``


def deployed_findings(folder: Folder, schema: Mapping[str, Any] | None, config: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare what Pinot has with the files: column by column, and setting by setting where it matters."""
    name = folder.name
    if schema is None:
        problem = "Pinot has no schema of the table's name"
        yield error("pinot_schema", f"table {name}", problem, f"Add {folder.path / 'schema.json'}", about=name)
        return
    worse = list(_worse_there(folder, schema, config))
    yield from worse
    told = [finding.where for finding in worse]
    local_schema, local_config = _read(folder.schema, folder.config)
    there_schema, there_config = _read(schema, config)
    differences: list[Finding] = []
    if local_schema and there_schema:
        differences += _schema_differences(name, local_schema, there_schema)
    if local_config and there_config:
        differences += _config_differences(name, local_config, there_config)
    yield from (each for each in differences if not any(where.startswith(each.where) for where in told))


def _read(schema: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Schema | None, TableConfig | None]:
    """Read both documents as the function would; what cannot be read is told of the files, or by ``_worse_there``."""
    read_there, config_there = None, None
    with suppress(TableError):
        read_there = read_schema(schema, Findings("schema"))
    with suppress(TableError):
        config_there = read_config(config, Findings("config"))
    return read_there, config_there


def _schema_differences(name: str, here: Schema, there: Schema) -> Iterator[Finding]:
    remedy = "Deploy the function from the files that Pinot was given, or give Pinot these"
    here_fields, there_fields = ({field.name: field for field in schema.fields} for schema in (here, there))
    for column in sorted(here_fields.keys() | there_fields.keys()):
        where = f"table {name}: column {column}"
        difference = _field_difference(here_fields.get(column), there_fields.get(column))
        if difference:
            yield error("pinot_schema", where, difference, remedy, about=f"{name} {column}")
    if here.primary_key != there.primary_key:
        problem = f"Pinot has {', '.join(there.primary_key)}, schema.json {', '.join(here.primary_key)}"
        remedy = "Make a new stream and a new table: a primary key cannot be changed"
        yield error("pinot_schema", f"table {name}: primaryKeyColumns", problem, remedy, about=f"{name} primary key")


def _field_difference(here: Field | None, there: Field | None) -> str | None:
    if there is None:
        return "Pinot does not have it, and ignores its values"
    if here is None:
        return "only Pinot has it, and it stays empty"
    different = [words for name, words in _OF_COLUMNS.items() if getattr(here, name) != getattr(there, name)]
    return f"Pinot has another {' and another '.join(different)} than schema.json" if different else None


def _config_differences(name: str, here: TableConfig, there: TableConfig) -> Iterator[Finding]:
    for attribute, setting in _SETTINGS.items():
        if getattr(here, attribute) != getattr(there, attribute):
            problem = "Pinot has another value than table.json"
            remedy = "Give Pinot this table config, or deploy the function from the one that Pinot has"
            yield error("pinot_config", f"table {name}: {setting}", problem, remedy, about=f"{name} {attribute}")


def _worse_there(folder: Folder, schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what is wrong with what Pinot has and right in the files: a retention that somebody added, for example."""
    known = {(_last(finding.where), finding.problem) for finding in _said(folder.schema, folder.config)}
    for finding in _said(schema, config):
        if (_last(finding.where), finding.problem) not in known:
            where = f"table {folder.name}: {finding.where}"
            about = f"{folder.name} {finding.where} {finding.problem}"
            make = error if finding.level == "error" else warning
            yield make("pinot_there", where, finding.problem, f"In Pinot: {finding.remedy}", about=about)


def _last(where: str) -> str:
    return where.rpartition(".")[2]


def _said(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Collection[errors.Finding]:
    return examine(schema, config, {}, Files())[1]


def state_findings(name: str, *, enabled: bool, paused: bool) -> Iterator[Finding]:
    """Check that the table is on."""
    if not enabled:
        remedy = f"Enable it: PUT /tables/{name}/state?type=realtime&state=enable"
        yield error("pinot_disabled", f"table {name}", "it is disabled", remedy, about=name)
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
        problem = "it has no segment, so nobody consumes its stream"
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
        problem = f"nobody consumes the shards {numbers} of its stream"
        remedy = "Run the controller's task RealtimeSegmentValidationManager; after a split see docs/operations.md"
        yield error("pinot_shards", f"table {name}", problem, remedy, about=name)
    strange = sorted(each for each in partitions - {shard_number(shard) for shard in shards} if each is not None)
    if strange:
        numbers = ", ".join(map(str, strange))
        problem = f"it has partitions {numbers}, and the stream has no such shards: it is another stream, or resharded"
        remedy = "Make a new Pinot table for this stream, and fill it anew"
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
