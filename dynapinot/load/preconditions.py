"""What must be true before a load reads anything, each with its remedy. The doctor's own checks, where it has them.

A load is right only if the live path carries every change from a time on that is before the load's first read: see
``snapshot.version``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from dynapinot.aws import Aws, refusals
from dynapinot.defaults import MAX_RECORD_BYTES
from dynapinot.doctor import deployed, dynamodb, kinesis, pinot, tables
from dynapinot.doctor.deployed import Deployed, table_of
from dynapinot.doctor.finding import Diagnosis, Finding, error
from dynapinot.doctor.tables import Folder
from dynapinot.errors import CommandError
from dynapinot.init.table_description import TableDescription, describe
from dynapinot.load.deployed_files import Fetch, UnknownFilesError, deployed_hashes, fetch_code
from dynapinot.pinot_server import Controller
from handlers.catalog import hashes
from load.plan import PlannedTable
from pinot.config_checks import at
from pinot.schema import is_true
from pinot.table import Table
from publisher.order import Limits
from snapshot.version import comparison_unit_ms

# What is a warning or a note to the doctor, and makes a load wrong: changes that never come.
_STRICT: Final = frozenset({"mapping_position", "mapping_filter", "mapping_state"})
# What a load can do without.
_OPTIONAL: Final = (": Time to Live", ": backups", ": concurrency", ": validation", ": other tables")

_MS_PER_SECOND: Final = 1_000
_LEAST_FORGETTING_S: Final = 86_400  # what the live path may be late, see pinot.validation


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the operator names. ``function`` None trusts that something else replicates the changes.

    ``table`` is the DynamoDB table, None where the files or the function name a single one. ``only`` names the folders
    of tables, none for those of the function.
    """

    tables: Path
    only: Sequence[str] = ()
    table: str | None = None
    function: str | None = None
    controller: Controller | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What was found where nothing is wrong.

    ``since`` is the first second, in epoch seconds, from which on the live path carries every change by the code that
    is deployed, as far as can be known; ``assumed`` has a sentence for each thing that could not be. ``stream_since``
    is when the stream began, None where nothing tells. ``configs`` has each Pinot table's configs, of the file and of
    Pinot, with where it stands. ``there`` is None where the live path is trusted.
    """

    described: TableDescription
    tables: Sequence[Table]
    planned: Mapping[str, PlannedTable]
    configs: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]
    since: int
    stream_since: int | None
    assumed: Sequence[str]
    there: Deployed | None

    @property
    def max_record_bytes(self) -> int:
        """The most bytes that a stream takes in a row and its key: the function's setting."""
        settings = self.there.settings if self.there else None
        return settings.kinesis_max_record_bytes if settings else MAX_RECORD_BYTES

    @property
    def limits(self) -> Limits:
        """How the function sends rows."""
        settings = self.there.settings if self.there else None
        return settings.limits if settings else Limits()


def check(aws: Aws, where: Where, *, fetch: Fetch = fetch_code) -> Ready:
    """Look at everything that a load depends on. Raises CommandError with a line for each thing that is wrong."""
    diagnosis = Diagnosis()
    there = deployed.look(diagnosis, aws, where.function) if where.function else None
    if where.function and there is None:
        refuse(_wrong(diagnosis))
    settings = there.settings if there else None
    folders = tables.look(diagnosis, where.tables, where.only or (settings.tables if settings else ()))
    refuse(_wrong(diagnosis))
    name = where.table or _only_source(folders, there)
    used = [(folder, folder.table) for folder in folders if folder.table and folder.table.replicates(name)]
    replicas = [table for _, table in used]
    source = _source_of(there, name)
    dynamodb.look(diagnosis, aws, name, replicas, source_arn=source)
    refuse(_wrong(diagnosis))
    own: list[Finding] = []
    if there and source is None:
        remedy = "Deploy the function with the table's stream (TableStreamArn), or name its --function"
        problem = f"no event source mapping of the function {there.function} reads its changes"
        own.append(error("load_source", f"table {name}", problem, remedy))
    files, assumed = hashes(where.tables, [folder.path.name for folder, _ in used]), []
    if there:
        try:
            client = aws.client("lambda")
            with refusals():
                code = client.get_function(FunctionName=there.function)
            own += _file_findings(files, deployed_hashes(code, fetch), there.function)
        except (UnknownFilesError, CommandError) as unknown:
            assumed.append(f"The function {there.function} has the same tables' files: {unknown}")
    planned, configs = {}, {}
    for folder, table in used:
        seen = kinesis.look(diagnosis, aws, folder)
        shards = seen[1] if seen else ()
        here = [(str(folder.path / "table.json"), folder.config)]
        if where.controller:
            pinot.look(diagnosis, where.controller, folder, shards=shards)
            in_pinot = where.controller.table(table.name)
            here += [(f"Pinot's table {table.name}", in_pinot)] if in_pinot else []
        own += [finding for place, config in here for finding in _upsert_findings(place, config)]
        planned[table.name] = PlannedTable(
            files=files[table.name], shards=sum(not kinesis.is_closed(shard) for shard in shards)
        )
        configs[table.name] = here
    refuse([*_wrong(diagnosis), *own])
    described = describe(aws.client("dynamodb"), name)
    stream_since = _stream_began(described, source)
    if stream_since is None:
        assumed.append("The stream has carried all changes only since now: nothing tells when it began to")
    if there is None:
        assumed.append("Something replicates every change since the stream was enabled: no function was looked at")
    since = dynamodb_time(aws, name) + 1 if stream_since is None else stream_since
    return Ready(
        described=described,
        tables=replicas,
        planned=planned,
        configs=configs,
        since=max(since, _deployed_at(there)) if there else since,
        stream_since=stream_since,
        assumed=assumed,
        there=there,
    )


def check_deleted_keys(ready: Ready, seconds: float) -> None:
    """Refuse a table that forgets deletes before a load of so many seconds is consumed. Raises CommandError."""
    found: list[Finding] = []
    for table in ready.tables:
        unit = float(comparison_unit_ms(table))
        for where, config in ready.configs[table.name]:
            found += deleted_keys_findings(where, config, seconds=seconds, unit_ms=unit)
    refuse(found)


def deleted_keys_findings(
    where: str, config: Mapping[str, Any], *, seconds: float, unit_ms: float
) -> Iterator[Finding]:
    """Check that an item which was deleted does not come back by a row of the load.

    PartialUpsertHandler's map of Pinot 1.5.1 forgets tombstones that are older than deletedKeysTTL; a row that comes
    then is taken for a new key. After a restart it is too if the tombstone was compacted away, unless
    enableDeletedKeysCompactionConsistency is on.
    """
    setting = "upsertConfig.deletedKeysTTL"
    try:
        forgets = float(str(at(config, setting) or 0)) * unit_ms / _MS_PER_SECOND
    except ValueError:
        return  # which the doctor reports
    if not forgets:
        return
    least = max(_LEAST_FORGETTING_S, 2 * seconds)
    if forgets < least:
        problem = f"Pinot forgets deletes after {forgets:,.0f} s, and rows of the load may come {least:,.0f} s later"
        value = math.ceil(least * _MS_PER_SECOND / unit_ms)
        remedy = f"Write {value} or more, or leave it out, until the load is consumed"
        yield error("load_forgets", f"{where}: {setting}", problem, remedy)
    consistent = "upsertConfig.enableDeletedKeysCompactionConsistency"
    if not is_true(at(config, consistent)):
        problem = "Pinot compacts tombstones while older rows of their keys are stored, which a restart brings back"
        remedy = "Write true, without preload, or leave deletedKeysTTL out"
        yield error("load_compaction", f"{where}: {consistent}", problem, remedy)


def dynamodb_time(aws: Aws, table: str) -> int:
    """Return the time by DynamoDB's clock, in epoch seconds: the Date of a response."""
    client = aws.client("dynamodb")
    with refusals():
        headers = client.describe_table(TableName=table)["ResponseMetadata"]["HTTPHeaders"]
    return int(parsedate_to_datetime(headers["date"]).timestamp())


def refuse(findings: Sequence[Finding]) -> None:
    """Raise CommandError if there are findings, with a line for each."""
    if findings:
        lines = [f"  {each.where}: {each.problem}. {each.remedy}." for each in findings]
        raise CommandError("\n".join(("nothing was read, because of:", *lines)))


def _wrong(diagnosis: Diagnosis) -> list[Finding]:
    """List what makes a load wrong, and what it depends on and could not be seen."""
    wrong = [each for each in diagnosis.findings if each.level == "error" or each.code in _STRICT]
    return wrong + [
        error("load_unseen", missed.what, f"it cannot be looked at: {missed.why}", "Allow it, and try again")
        for missed in diagnosis.refused
        if not missed.what.endswith(_OPTIONAL)
    ]


def _only_source(folders: Sequence[Folder], there: Deployed | None) -> str:
    """Return the only DynamoDB table that the files or the function's sources name. Raises CommandError."""
    named = {table_of(arn) for arn in there.sources} if there else set()
    named |= {folder.table.dynamodb_table for folder in folders if folder.table}
    names = sorted(name for name in named if name)
    if len(names) != 1:
        raise CommandError(
            f"Give the DynamoDB --table: {', '.join(names) or 'neither the files nor a function name it'}"
        )
    return names[0]


def _source_of(there: Deployed | None, name: str) -> str | None:
    """Return the stream that the table's changes come from: its own, or one of Kinesis; None if it is not known."""
    sources = there.sources if there else ()
    own = [arn for arn in sources if table_of(arn) == name]
    return next(iter([*own, *(arn for arn in sources if table_of(arn) is None)]), None)


def _file_findings(here: Mapping[str, str], there: Mapping[str, str], function: str) -> Iterator[Finding]:
    for name, files in here.items():
        if there.get(name) != files:
            problem = "they are not" if name in there else "it is not among"
            yield error(
                "load_files",
                f"table {name}: its files",
                f"{problem} those of the deployed function {function}, so live changes become other rows",
                "Deploy the function from these files, or give the --tables that it was deployed with",
            )


def _upsert_findings(where: str, config: Mapping[str, Any]) -> Iterator[Finding]:
    mode = at(config, "upsertConfig.mode")
    if str(mode).upper() != "FULL":
        problem = f"it is {mode}, and an attribute that an item no longer has would keep its value"
        yield error("load_upsert", f"{where}: upsertConfig.mode", problem, "Write FULL, in a new table")


def _stream_began(described: TableDescription, source: str | None) -> int | None:
    """Return the first second whose changes are all on the stream, None where nothing tells.

    DynamoDB names a stream by the time at which it was enabled. It does not tell when a destination in Kinesis became
    active.
    """
    try:
        began = datetime.fromisoformat(described.stream_label or "").replace(tzinfo=UTC)
    except ValueError:
        return None
    return None if source and ":kinesis:" in source else math.ceil(began.timestamp())


def _deployed_at(there: Deployed) -> int:
    """Return the first second without the code before the last deployment, by which changes may be other rows."""
    return math.ceil(datetime.fromisoformat(there.configuration["LastModified"]).timestamp())
