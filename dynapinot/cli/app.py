"""The ``dynapinot`` command: its commands, their options and their help; what they do is in the other modules."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer
from rich.console import Console

from dynapinot import add_table, drift, pinot_server, query, redrive
from dynapinot.aws import Aws
from dynapinot.demo import embedded as demo
from dynapinot.demo import live, meetups
from dynapinot.demo import options as demo_options
from dynapinot.demo.screen import PLAIN_WIDTH
from dynapinot.doctor import run as doctor
from dynapinot.errors import UNUSABLE, CommandError
from dynapinot.explain import run as explain
from dynapinot.init import run as init
from handlers.settings import REDRIVE_ITEMS_PER_SECOND, SHIPPED_TABLES
from handlers.version import VERSION
from publisher.order import MAX_RECORD_BYTES

app = typer.Typer(
    help="DynamoDB tables replicated to Apache Pinot in real time: set a table up, look into it, see it work.",
    epilog="Exit codes: 0 is well, 1 is something found that wants looking at, 2 is not done. Only doctor tells "
    "warnings (1) from errors (2).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

_HOURS: Final = 10 * 366 * 24  # longer than CloudWatch keeps logs

SET_UP, LOOK, RUN, TRY = "Set a table up", "Look into changes", "Look after it", "See it work"

Region: TypeAlias = Annotated[
    str | None, typer.Option("--region", help="The AWS region; by default what the SDK finds: AWS_DEFAULT_REGION, …")
]
EndpointUrl: TypeAlias = Annotated[
    str | None, typer.Option("--endpoint-url", help="Where AWS is, if not at AWS: http://localhost:8000, say.")
]
Tables: TypeAlias = Annotated[
    Path,
    typer.Option("--tables", envvar="TABLES_DIR", help="The folder of tables.", show_default="the shipped src/tables"),
]
Only: TypeAlias = Annotated[
    str | None,
    typer.Option("--only", envvar="TABLES", help="Names of the tables' folders to take, with commas; all by default."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON, for scripts.")]

_SAMPLES: Final = typer.Argument(
    metavar="FILE…",
    help="Lambda events, change records, or items in DynamoDB's JSON: one, a list, the output of `aws dynamodb scan`, "
    "or JSON lines; gzipped or not.",
    show_default=False,
)
Samples: TypeAlias = Annotated[list[Path], _SAMPLES]
MaybeSamples: TypeAlias = Annotated[list[Path] | None, _SAMPLES]
ItemsTable: TypeAlias = Annotated[
    str | None, typer.Option("--table", help="The DynamoDB table of plain items, where several are replicated.")
]
Shards: TypeAlias = Annotated[
    int | None, typer.Option("--shards", min=1, help="The stream's shard count: tell which one each row goes to.")
]
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="For each attribute, where it goes and why.")]
Hours: TypeAlias = Annotated[
    int, typer.Option("--hours", min=1, max=_HOURS, help="With --log-group: how far back to look.")
]
LogGroup: TypeAlias = Annotated[
    str | None,
    typer.Option("--log-group", help="Look at what the function told; its log group is /aws/lambda/<stack>."),
]

_CONTROLLER: Final = typer.Option("--controller", help="Pinot's controller.")
_BROKER: Final = typer.Option("--broker", help="Pinot's broker.")
Controller: TypeAlias = Annotated[str | None, _CONTROLLER]
Broker: TypeAlias = Annotated[str | None, _BROKER]
PinotAuth: TypeAlias = Annotated[
    str, typer.Option("--auth", help="The environment variable that has Pinot's token, or user:password.")
]

TableName: TypeAlias = Annotated[str, typer.Option("--table", help="The DynamoDB table.")]
Count: TypeAlias = Annotated[int, typer.Option("--count", min=1, help="How many meetups to put.")]
MeetupId: TypeAlias = Annotated[str, typer.Option("--meetup_id", "--meetup-id", help="The meetup, as published.")]
Mtime: TypeAlias = Annotated[int, typer.Option("--mtime", help="Its time, as published: epoch milliseconds.")]

BucketName: TypeAlias = Annotated[
    str, typer.Option("--bucket", envvar="DEAD_LETTER_BUCKET", help="The dead letter bucket; an output of the stack.")
]
Prefix: TypeAlias = Annotated[
    str | None, typer.Option("--prefix", help="Only objects whose keys begin so, dead-letters/my-table/ for example.")
]
Rate: TypeAlias = Annotated[
    int, typer.Option("--items-per-second", min=1, help="How many items to read a second at the most.")
]
MaxRecordBytes: TypeAlias = Annotated[
    int, typer.Option("--max-record-bytes", min=1, help="The largest row, with its key, that the stream takes.")
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Count what the bucket holds and change nothing.")]

_MS_PER_HOUR: Final = 3_600_000


def _say_version(asked: bool) -> None:  # noqa: FBT001  # typer's callback
    if asked:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[  # the callback has said it
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and exit.")
    ] = False,
) -> None:
    """Take the options that come before any command."""


@contextmanager
def _errors_in_a_line() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(UNUSABLE) from None


def _examples(*lines: str) -> str:
    return "\n\n".join(("**Examples:**", *(f"`{line}`" for line in lines)))


def _console() -> Console:
    """Make the console of the standard output: without colours, and not narrow, where that is no terminal."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, PLAIN_WIDTH)
    return console


def _names(only: str | None) -> list[str]:
    return [each.strip() for each in (only or "").split(",") if each.strip()]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@app.command(
    "init",
    rich_help_panel=SET_UP,
    epilog=_examples(
        "dynapinot init --table app",
        "dynapinot init --table app --all --paths --leave-out password_hash",
        "dynapinot init --table app --endpoint-url http://localhost:8000 --dry-run",
    ),
)
def init_command(
    *,
    table: Annotated[str, typer.Option("--table", help="The DynamoDB table.", show_default=False)],
    tables: Tables = SHIPPED_TABLES,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The Pinot table and its folder; by default made of the DynamoDB table's name."),
    ] = None,
    stream: Annotated[
        str | None, typer.Option("--stream", help="The Kinesis stream; by default <name>-stream.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="How many items to read, from all over the table.", show_default="10000"),
    ] = None,
    read_all: Annotated[bool, typer.Option("--all", help="Read every item, rather than a sample.")] = False,
    read_capacity: Annotated[
        float | None,
        typer.Option(
            "--read-capacity",
            min=0.5,
            help="Read units a second to spend; by default a quarter of what is provisioned, 1,000 on demand.",
        ),
    ] = None,
    writes_per_second: Annotated[
        float | None,
        typer.Option(
            "--writes-per-second",
            min=0.001,
            help="Items written in a busy second, for the shard count; by default by CloudWatch's busiest minute.",
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option("--leave-out", help="An attribute not to replicate; may be given several times.")
    ] = None,
    paths: Annotated[
        bool,
        typer.Option("--paths", help="Columns for the paths of maps with few, stable keys, beside the JSON."),
    ] = False,
    replication: Annotated[int, typer.Option("--replication", min=1, help="Copies Pinot keeps of each segment.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and write none.")] = False,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    as_json: AsJson = False,
) -> None:
    """Propose schema.json, table.json and source.toml for a DynamoDB table, by what its items really hold.

    Reads a sample, or every item with `--all`; shows for each attribute what was seen, which column it becomes and why;
    and says how to go on. Never writes over a file without `--force`.

    Exits 0 if all is clear, 1 if something wants a decision (types that conflict, an empty table), 2 if it could not be
    done.
    """
    with _errors_in_a_line():
        if read_all and sample:
            raise CommandError("Give either --sample or --all")
        options = init.Options(
            table=table,
            tables=tables,
            name=name,
            stream=stream,
            sample=None if read_all else sample or init.SAMPLE,
            read_capacity=read_capacity,
            writes_per_second=writes_per_second,
            leave_out=tuple(leave_out or ()),
            paths=paths,
            replication=replication,
            force=force,
            dry_run=dry_run,
            as_json=as_json,
        )
        aws = Aws(region=region, endpoint_url=endpoint_url)
        raise typer.Exit(init.run(_console(), aws, options, progress=Console(stderr=True)))


@app.command(
    "doctor",
    rich_help_panel=SET_UP,
    epilog=_examples(
        "dynapinot doctor",
        "dynapinot doctor --events items.json --parameter KinesisStreamName=my-stream",
        "dynapinot doctor --stack dynapinot --controller http://localhost:9000 --broker http://localhost:8099",
        "dynapinot doctor --aws --json | jq .findings",
    ),
)
def doctor_command(
    *,
    tables: Tables = SHIPPED_TABLES,
    only: Only = None,
    events: Annotated[
        list[Path] | None,
        typer.Option("--events", help="Samples of changes or items to try on the tables; may be repeated."),
    ] = None,
    table: ItemsTable = None,
    template: Annotated[
        Path | None, typer.Option("--template", help="The SAM template; for the shipped tables the project's own.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="Name=value that sam deploy is going to be given; may be repeated."),
    ] = None,
    stack: Annotated[str | None, typer.Option("--stack", help="Look at what this stack deployed.")] = None,
    function: Annotated[
        str | None, typer.Option("--function", help="Look at this function, where there is no stack.")
    ] = None,
    aws: Annotated[bool, typer.Option("--aws", help="Look at the table and the streams that the files name.")] = False,
    controller: Controller = None,
    broker: Broker = None,
    auth: PinotAuth = pinot_server.AUTH_VARIABLE,
    metrics_url: Annotated[
        list[str] | None,
        typer.Option("--metrics-url", help="Prometheus text of a Pinot server, for rows it dropped; may be repeated."),
    ] = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole path before and after it runs: a line for each fault, with its remedy.

    Looks at the tables' files and the template; at samples of changes; at DynamoDB, the event source mapping, the
    function and Kinesis; at Pinot. Each only where it is told that it may, and it says what it did not look at.

    Exits 0 if nothing is wrong, 1 for warnings, 2 for errors.
    """
    with _errors_in_a_line():
        places = doctor.Places(
            template=template,
            parameters=parameter or (),
            only=_names(only),
            events=events or (),
            dynamodb_table=table,
            aws=aws,
            function=function,
            stack=stack,
            region=region,
            endpoint_url=endpoint_url,
            controller=controller,
            broker=broker,
            auth_variable=auth,
            metrics_urls=metrics_url or (),
        )
        raise typer.Exit(doctor.run(_console(), tables, places, now_ms=_now_ms(), as_json=as_json))


@app.command(
    "add-table",
    rich_help_panel=SET_UP,
    epilog=_examples("dynapinot add-table src/tables/pinot_dynamo_ingestion --controller http://localhost:9000"),
)
def add_table_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The table's folder, in the folder of tables.")],
    controller: Annotated[str, _CONTROLLER] = pinot_server.CONTROLLER,
    auth: PinotAuth = pinot_server.AUTH_VARIABLE,
) -> None:
    """Make a table in Pinot, with its schema, out of a table's folder.

    Exits 0 if it was made, 2 if Pinot refused.
    """
    with _errors_in_a_line():
        raise typer.Exit(
            add_table.add_table(_console(), pinot_server.Controller(controller, os.environ.get(auth)), folder)
        )


@app.command(
    "query",
    rich_help_panel=LOOK,
    epilog=_examples(
        'dynapinot query "SELECT count(*) FROM pinot_dynamo_ingestion" --broker http://localhost:8099',
        'dynapinot query "SET skipUpsert=true; SELECT * FROM app WHERE pk = 1" --json',
    ),
)
def query_command(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="What to ask Pinot.")],
    *,
    broker: Annotated[str, _BROKER] = pinot_server.BROKER,
    auth: PinotAuth = pinot_server.AUTH_VARIABLE,
    as_json: AsJson = False,
) -> None:
    """Ask Pinot.

    Exits 0 if it answered, 2 if it refused or answered in part.
    """
    with _errors_in_a_line():
        asked = pinot_server.Broker(broker, os.environ.get(auth))
        raise typer.Exit(query.query(_console(), asked, sql, as_json=as_json))


@app.command(
    "explain",
    rich_help_panel=LOOK,
    epilog=_examples(
        "dynapinot explain events/insert.json",
        "dynapinot explain events/insert.json --verbose --shards 4",
        "aws dynamodb scan --table-name app --max-items 20 > items.json; dynapinot explain items.json --table app",
        "dynapinot explain events/*.json --json | jq .row",
    ),
)
def explain_command(
    *,
    samples: Samples,
    tables: Tables = SHIPPED_TABLES,
    only: Only = None,
    table: ItemsTable = None,
    shards: Shards = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Show what changes or items would become: each row, and each dead letter with its reason. Sends nothing.

    It is the function's own code that decides. With `--json`, a line for each row and each dead letter.

    Exits 0 if all became rows, 1 if there are dead letters, 2 if a file or a table cannot be used.
    """
    with _errors_in_a_line():
        code = explain.run(
            _console(),
            samples,
            tables,
            partial(typer.echo, err=True),
            explain.Options(shards=shards, verbose=verbose, as_json=as_json),
            now_ms=_now_ms(),
            only=_names(only),
            dynamodb_table=table,
        )
        raise typer.Exit(code)


@app.command(
    "drift",
    rich_help_panel=LOOK,
    epilog=_examples(
        "dynapinot drift events/*.json",
        "aws dynamodb scan --table-name app --max-items 1000 > items.json; dynapinot drift items.json --table app",
        "dynapinot drift --log-group /aws/lambda/dynapinot --hours 168",
    ),
)
def drift_command(
    *,
    samples: MaybeSamples = None,
    tables: Tables = SHIPPED_TABLES,
    only: Only = None,
    table: ItemsTable = None,
    log_group: LogGroup = None,
    hours: Hours = 24,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    as_json: AsJson = False,
) -> None:
    """Find attributes that no column takes, and values that do not fit their column: in samples, or as the function saw
    them.

    Exits 0 if there are none, 1 if there are, 2 if a file, a table or the log cannot be used.
    """
    with _errors_in_a_line():
        if bool(samples) == bool(log_group):
            raise CommandError("Give either files to look at or --log-group")
        if log_group:
            aws = Aws(region=region, endpoint_url=endpoint_url)
            since_ms = _now_ms() - hours * _MS_PER_HOUR
            raise typer.Exit(drift.run_on_logs(_console(), aws, log_group, since_ms=since_ms, as_json=as_json))
        raise typer.Exit(
            drift.run_on_samples(
                _console(),
                samples or [],
                tables,
                partial(typer.echo, err=True),
                now_ms=_now_ms(),
                only=_names(only),
                dynamodb_table=table,
                as_json=as_json,
            )
        )


@app.command(
    "redrive",
    rich_help_panel=RUN,
    epilog=_examples(
        "dynapinot redrive --bucket dynapinot-deadletterbucket-1abc --dry-run",
        "dynapinot redrive --bucket dynapinot-deadletterbucket-1abc --prefix dead-letters/app/orders/",
    ),
)
def redrive_command(
    *,
    bucket: BucketName,
    tables: Tables = SHIPPED_TABLES,
    only: Only = None,
    prefix: Prefix = None,
    items_per_second: Rate = REDRIVE_ITEMS_PER_SECOND,
    max_record_bytes: MaxRecordBytes = MAX_RECORD_BYTES,
    dry_run: DryRun = False,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring the items of dead letters up to date: read each one as it is now, and send its row.

    Takes the function's own dead letters and the batches that the event source mapping gave up. A redriven row never
    wins over a newer change. What is done moves below redriven/, so a run that was cut short just goes on.

    Exits 0 when nothing is left, 1 when some still fail, 2 when it could not be done.
    """
    with _errors_in_a_line(), Aws(region=region, endpoint_url=endpoint_url).for_all():
        code = redrive.run(
            _console(),
            bucket,
            tables,
            only=_names(only),
            prefix=prefix,
            items_per_second=items_per_second,
            max_record_bytes=max_record_bytes,
            dry_run=dry_run,
            as_json=as_json,
        )
        raise typer.Exit(code)


@app.command(
    "demo",
    rich_help_panel=TRY,
    epilog=_examples(
        "dynapinot demo", "dynapinot demo --controller http://localhost:9000 --broker http://localhost:8099"
    ),
)
def demo_command(
    *,
    controller: Controller = None,
    broker: Broker = None,
    auth: PinotAuth = pinot_server.AUTH_VARIABLE,
    dynamodb_endpoint: Annotated[
        str | None, typer.Option("--dynamodb-endpoint", help="A DynamoDB emulator; by default one is embedded.")
    ] = None,
    kinesis_endpoint: Annotated[
        str | None,
        typer.Option(
            "--kinesis-endpoint",
            help="A Kinesis emulator that Pinot reaches; by default one is embedded, for a Pinot on this machine.",
        ),
    ] = None,
    kinesis_endpoint_of_pinot: Annotated[
        str | None, typer.Option("--kinesis-endpoint-of-pinot", help="The same Kinesis, as Pinot has to call it.")
    ] = None,
    table_suffix: Annotated[
        str, typer.Option("--table-suffix", help="A suffix for the names of both tables and the stream.")
    ] = "",
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds to wait for Pinot after each step.")
    ] = demo_options.TIMEOUT_SECONDS,
    clean: Annotated[bool, typer.Option("--clean", help="Take away at the end what the demo made.")] = False,
) -> None:
    """Replicate the seed's table, and show what Pinot would show; with `--controller` and `--broker`, what it does.

    Publishes ten meetups, updates one and deletes it. Everything but Pinot is embedded, unless endpoints are given.

    Exits 0 only if Pinot shows, after each step, exactly what the table holds.
    """
    with _errors_in_a_line():
        if not (controller or broker):
            if any((dynamodb_endpoint, kinesis_endpoint, kinesis_endpoint_of_pinot, table_suffix, clean)):
                raise CommandError("Without a Pinot everything is embedded: give --controller and --broker too")
            raise typer.Exit(demo.run(_console()))
        options = demo_options.Options(
            controller=controller or pinot_server.CONTROLLER,
            broker=broker or pinot_server.BROKER,
            secret=os.environ.get(auth),
            dynamodb_endpoint=dynamodb_endpoint,
            kinesis_endpoint=kinesis_endpoint,
            kinesis_endpoint_of_pinot=kinesis_endpoint_of_pinot,
            table_suffix=table_suffix,
            timeout=timeout,
            clean=clean,
        )
        raise typer.Exit(live.run(_console(), options))


@app.command(rich_help_panel=TRY, epilog=_examples("dynapinot publish --count 3"))
def publish(
    table: TableName = meetups.TABLE,
    count: Count = meetups.COUNT,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Put meetups, made up at random, into a DynamoDB table."""
    with _meetups(table, region, endpoint_url) as connected:
        meetups.publish(connected, count, typer.echo)


_KEY: Final = "--meetup_id cc3fbaca-445c-4ebb-8f60-7b2a5eab3530 --mtime 1719124016204"


@app.command(rich_help_panel=TRY, epilog=_examples(f"dynapinot update {_KEY}"))
def update(
    meetup_id: MeetupId,
    mtime: Mtime,
    table: TableName = meetups.TABLE,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Move a meetup to another venue."""
    with _meetups(table, region, endpoint_url) as connected:
        meetups.update(connected, meetup_id, mtime, typer.echo)


@app.command(rich_help_panel=TRY, epilog=_examples(f"dynapinot delete {_KEY}"))
def delete(
    meetup_id: MeetupId,
    mtime: Mtime,
    table: TableName = meetups.TABLE,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Delete a meetup."""
    with _meetups(table, region, endpoint_url) as connected:
        meetups.delete(connected, meetup_id, mtime, typer.echo)


@contextmanager
def _meetups(table: str, region: str | None, endpoint_url: str | None) -> Iterator[Any]:
    aws = Aws(region=region, endpoint_url=endpoint_url)
    with _errors_in_a_line(), aws.for_all(), meetups.meetups_table(table) as connected:
        yield connected
