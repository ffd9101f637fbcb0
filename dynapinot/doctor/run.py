"""``dynapinot doctor``: looks where it may, and says where it did not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from dynapinot.aws import Aws
from dynapinot.defaults import AUTH_VARIABLE, TABLES
from dynapinot.doctor import (
    deployed,
    dynamodb,
    function,
    kinesis,
    pinot,
    pinot_metrics,
    report,
    samples,
    tables,
    template,
)
from dynapinot.doctor.deployed import Deployed
from dynapinot.doctor.finding import Diagnosis
from dynapinot.doctor.tables import Folder
from dynapinot.doctor.template import Deployment
from dynapinot.errors import CommandError
from dynapinot.pinot_server import Broker, Controller
from pinot.table import Table

TEMPLATE = Path("template.yaml")  # what the tables of a checkout are deployed with

Shards = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look beside the tables' files; what is None or empty is not looked at.

    ``only`` names the folders to look at, none for those that are replicated. ``dynamodb_table`` is that of plain items
    among ``events``. ``template`` None is the working directory's own, for its ``src/tables``. ``parameters`` are
    ``Name=value`` that a deployment is given, before samconfig.toml's. ``aws`` looks at what the files name, without a
    ``function`` or a ``stack``. ``auth_variable`` names the environment variable that has Pinot's token or
    user:password.
    """

    template: Path | None = None
    parameters: Sequence[str] = ()
    only: Sequence[str] = ()
    events: Sequence[Path] = ()
    dynamodb_table: str | None = None
    aws: bool = False
    function: str | None = None
    stack: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    controller: str | None = None
    broker: str | None = None
    auth_variable: str = AUTH_VARIABLE
    metrics_urls: Sequence[str] = ()


def run(console: Console, tables_dir: Path, places: Places, *, now_ms: int, as_json: bool = False) -> int:
    """Look, and write what was found; return the exit code: 0 nothing wrong, 1 warnings, 2 errors.

    Raises CommandError for a file, a stack or a URL that was given and cannot be used.
    """
    diagnosis = diagnose(tables_dir, places, now_ms=now_ms)
    (report.write_json if as_json else report.write)(console, diagnosis)
    return diagnosis.exit_code


def diagnose(tables_dir: Path, places: Places, *, now_ms: int) -> Diagnosis:
    """Look at everything that may be looked at. Raises CommandError."""
    diagnosis = Diagnosis()
    aws = Aws(region=places.region, endpoint_url=places.endpoint_url)
    name, deployment = places.function, Deployment()
    if places.stack:
        outputs, deployment = deployed.find_stack(diagnosis, aws, places.stack)
        name = name or outputs.get("FunctionName")
    there = deployed.look(diagnosis, aws, name) if name else None
    if there:
        deployed.look_at_metrics(diagnosis, aws, there, now_ms=now_ms)
    folders = tables.look(diagnosis, tables_dir, _names(tables_dir, places, deployment, there))
    _look_at_template(diagnosis, tables_dir, places, folders, deployment)
    replicas = [folder.table for folder in folders if folder.table]
    for folder in folders:
        if folder.table is None:
            diagnosis.miss(f"{folder.path}: what depends on its files", "they have errors: fix these first")
    if places.events:
        samples.look(diagnosis, places.events, replicas, now_ms=now_ms, dynamodb_table=places.dynamodb_table)
    else:
        diagnosis.miss("samples of changes or items", "give --events FILE")
    streams = _look_at_aws(diagnosis, aws, places, folders, there)
    _look_at_pinot(diagnosis, places, folders, streams, now_ms)
    return diagnosis


def _names(tables_dir: Path, places: Places, deployment: Deployment, there: Deployed | None) -> Sequence[str]:
    """Return which folders are replicated: the deployed function knows, or else the deployment to be; none for all."""
    if places.only:
        return places.only
    if there and there.settings:
        return there.settings.tables
    parameters = _deployment(tables_dir, places, deployment).parameters
    return [each.strip() for each in parameters.get("Tables", "").split(",") if each.strip()]


def _deployment(tables_dir: Path, places: Places, known: Deployment) -> Deployment:
    """Put together the parameters of a deployment: samconfig.toml, what a stack was given, and what is given here."""
    file = _template(tables_dir, places)
    configured = template.read_samconfig(file.parent / template.SAMCONFIG) if file else Deployment()
    given = {**configured.parameters, **template.overrides(list(places.parameters))}
    return Deployment(
        parameters={**configured.parameters, **known.parameters, **given},
        given=given,
        region=places.region or known.region or configured.region,
    )


def _template(tables_dir: Path, places: Places) -> Path | None:
    if places.template is not None:
        return places.template
    return TEMPLATE if tables_dir.resolve() == TABLES.resolve() and TEMPLATE.exists() else None


def _look_at_template(
    diagnosis: Diagnosis, tables_dir: Path, places: Places, folders: Sequence[Folder], known: Deployment
) -> None:
    file = _template(tables_dir, places)
    if file is None:
        ignored = [name for name in template.overrides(list(places.parameters)) if name != "Tables"]
        if ignored:
            raise CommandError(
                f"--parameter {ignored[0]}: nothing checks it without the template: give --template FILE"
            )
        diagnosis.miss("the template these tables are deployed with", "give --template FILE")
        return
    template.look(diagnosis, file, folders, _deployment(tables_dir, places, known))


def _look_at_aws(
    diagnosis: Diagnosis, aws: Aws, places: Places, folders: Sequence[Folder], there: Deployed | None
) -> dict[str, Shards]:
    """Look at the sources and the streams; give the shards of each stream that could be seen, by its Pinot table."""
    if not (places.aws or places.function or places.stack):
        diagnosis.miss("AWS: the function, its source and the streams", "give --stack, --function or --aws")
        return {}
    if not (places.function or places.stack):
        diagnosis.miss("Lambda: the function and its event source mapping", "give --stack or --function")
    diagnosis.miss("IAM: what the function and Pinot's servers may do", "AWS reports it only when something is denied")
    replicas = [folder.table for folder in folders if folder.table]
    _look_at_sources(diagnosis, aws, replicas, there.sources if there else ())
    shards: dict[str, Shards] = {}
    arns: dict[str, str] = {}
    for folder in folders:
        seen = kinesis.look(diagnosis, aws, folder)
        if seen is None or folder.table is None:
            continue
        summary, shards[folder.name] = seen
        arns[str(summary.get("StreamARN"))] = folder.name
        largest = kinesis.largest_record_bytes(summary)
        if there and there.settings and largest is not None:
            found = function.record_limit_findings(there.settings, folder.table.stream, largest)
            diagnosis.add(function.PART, found)
    for arn in there.sources if there else ():
        diagnosis.add(kinesis.PART, kinesis.own_source_findings(arn, arns))
    return shards


def _look_at_sources(diagnosis: Diagnosis, aws: Aws, replicas: Sequence[Table], arns: Sequence[str]) -> None:
    """Look at the DynamoDB tables: those of the mappings' streams, and those that source.toml names."""
    sources: dict[str, str | None] = {table.dynamodb_table: None for table in replicas if table.dynamodb_table}
    for arn in arns:
        name = deployed.table_of(arn)
        if name is not None:
            sources[name] = arn
        else:
            deployed.look_at_change_stream(diagnosis, aws, arn)
            sources = {each: known or arn for each, known in sources.items()}
    for name, known in sources.items():
        dynamodb.look(diagnosis, aws, name, replicas, source_arn=known)
    if not sources:
        why = "nothing names it: give --stack or --function, or say dynamodb_table in source.toml"
        diagnosis.miss("DynamoDB: the table that is replicated", why)


def _look_at_pinot(
    diagnosis: Diagnosis, places: Places, folders: Sequence[Folder], shards: Mapping[str, Shards], now_ms: int
) -> None:
    secret = os.environ.get(places.auth_variable)
    broker = Broker(places.broker, secret) if places.broker else None
    if places.controller:
        controller = Controller(places.controller, secret)
        if _is_well(diagnosis, controller):
            for folder in folders:
                pinot.look(diagnosis, controller, folder, shards=shards.get(folder.name))
    else:
        diagnosis.miss("Pinot: the tables and their segments", "give --controller URL")
    if broker:
        for folder in folders:
            pinot.look_by_query(diagnosis, broker, folder, now_ms)
    else:
        diagnosis.miss("Pinot: what queries see", "give --broker URL")
    for url in places.metrics_urls:
        pinot_metrics.look(diagnosis, url, [folder.name for folder in folders])
    if not places.metrics_urls:
        diagnosis.miss("Pinot: rows that servers dropped", "give --metrics-url of each server's Prometheus exporter")


def _is_well(diagnosis: Diagnosis, controller: Controller) -> bool:
    what = f"Pinot: controller {controller.url}"
    try:
        controller.check_health()
    except CommandError as mistake:
        diagnosis.add(pinot.PART, [pinot.unwell(controller.url, str(mistake))])
        diagnosis.saw(what)
        return False
    diagnosis.saw(what)
    return True
