"""The demo against a Pinot that runs: the seed's walk, and what Pinot itself shows of it.

Pinot has to reach the Kinesis it is told of; all else is between this command and the services. Facts about Pinot are
of 1.5.1: a Kinesis table's health is told by queries alone (consumingSegmentsInfo and /debug call every one unhealthy),
so the demo asks until Pinot shows what DynamoDB holds, or for as long as it was told to wait.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dynapinot import local
from dynapinot.aws import refusals
from dynapinot.comparison import differences
from dynapinot.demo import HISTORY, LIVE, LoadHandler, Replication, items, walk
from dynapinot.errors import FOUND, WELL, CommandError
from dynapinot.meetups import TABLE, meetups_table
from dynapinot.pinot_server import BROKER, CONTROLLER, Broker, Controller, Document, read_folder
from dynapinot.readback import RowError
from dynapinot.replica import Row, UpsertTable
from dynapinot.screen import Screen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from rich.console import Console

TIMEOUT_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.5
POLLS_OF_PINOT: Final = 10  # requests a second and shard, rather than one: an emulator allows more than Kinesis' five

_SUFFIX: Final = re.compile(r"[A-Za-z0-9_]{1,40}")
_MOST_ROWS: Final = 1000  # Pinot's own limit is 10
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where everything is, None for what this command embeds; ``timeout`` in seconds is for each step of the walk.

    ``kinesis_endpoint_of_pinot`` is the same Kinesis as Pinot has to call it, from inside of a container for example.
    ``table_suffix`` goes behind the names of the two tables and the stream; ``clean`` takes away what the demo made.
    """

    controller: str = CONTROLLER
    broker: str = BROKER
    secret: str | None = None
    dynamodb_endpoint: str | None = None
    kinesis_endpoint: str | None = None
    kinesis_endpoint_of_pinot: str | None = None
    table_suffix: str = ""
    timeout: float = TIMEOUT_SECONDS
    clean: bool = False


def run(console: Console, options: Options, load_handler: LoadHandler = local.load_handler) -> int:
    """Walk, and return the exit code: WELL only if Pinot showed, after every step, what the table holds.

    What was made stays, unless the options say otherwise or not all of it could be made. Raises CommandError for a
    Pinot that is not there or refuses the table, for tables and streams that exist, and for what an emulator refuses.
    """
    if options.table_suffix and not _SUFFIX.fullmatch(options.table_suffix):
        raise CommandError("--table-suffix takes up to 40 letters, digits and underscores")
    if options.kinesis_endpoint_of_pinot and not options.kinesis_endpoint:
        raise CommandError("--kinesis-endpoint-of-pinot says what Pinot calls a Kinesis: give --kinesis-endpoint too")
    screen = Screen(console)
    controller = Controller(options.controller, options.secret)
    broker = Broker(options.broker, options.secret)
    screen.title(f"DynamoDB to Apache Pinot: the Pinot at {controller.url}")
    controller.check_health()
    broker.check_health()
    left: list[str] = []
    with ExitStack() as parts:
        files = parts.enter_context(local.seed_tables(suffix=options.table_suffix))
        parts.enter_context(refusals())
        services = parts.enter_context(local.embedded_services(files.region, _elsewhere(options)))
        made = parts.enter_context(ExitStack())
        setting = _Setting(
            screen=screen, options=options, controller=controller, services=services, files=files, made=made, left=left
        )
        log = io.StringIO()
        with redirect_stdout(log):
            handler = load_handler(files.folder)
        services.s3.create_bucket(Bucket=local.BUCKET)
        with screen.waiting("Making the tables and the stream"):
            stream_arn = setting.make()
        if not options.clean:
            made.pop_all()
            parts.callback(setting.say_what_stays)
        replication = Replication(
            screen=screen, handler=handler, services=services, files=files, stream_arn=stream_arn, log=log
        )
        table = parts.enter_context(meetups_table(setting.dynamodb_table))
        pinot = _Shown(
            screen=screen,
            replication=replication,
            table=table,
            controller=controller,
            broker=broker,
            patience=options.timeout,
        )
        key, is_equal = walk(screen, table, replication.run, pinot.compare)
        if is_equal:
            is_equal = pinot.show(key)
        else:
            screen.title("What the function logged")
            screen.say(log.getvalue())
    return WELL if is_equal and not left else FOUND


def _elsewhere(options: Options) -> dict[str, str]:
    """Give the SDK's variables for what is not embedded; a proxy is not between this machine and itself."""
    variables = {"NO_PROXY": ",".join(filter(None, (local.LOOPBACK, "localhost", os.environ.get("NO_PROXY"))))}
    variables["no_proxy"] = variables["NO_PROXY"]
    if options.dynamodb_endpoint:
        variables["AWS_ENDPOINT_URL_DYNAMODB"] = options.dynamodb_endpoint
        variables["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"] = options.dynamodb_endpoint
    if options.kinesis_endpoint:
        variables["AWS_ENDPOINT_URL_KINESIS"] = options.kinesis_endpoint
    return variables


def pinot_documents(files: local.PinotFiles, endpoint: str, secret: tuple[str, str]) -> tuple[Document, Document]:
    """Give the schema and the config for Pinot: with the Kinesis as Pinot calls it, and an emulator's made-up keys."""
    schema, config = read_folder(files.folder / local.PINOT_TABLE)
    local.stream_config(config).update(
        endpoint=endpoint,
        region=files.region,
        accessKey=secret[0],
        secretKey=secret[1],
        requests_per_second_limit=str(POLLS_OF_PINOT),
    )
    return schema, config


@dataclass(kw_only=True)
class _Setting:
    """The two tables and the stream: all of them made here, or none. ``left`` names what could not be removed."""

    screen: Screen
    options: Options
    controller: Controller
    services: local.Services
    files: local.PinotFiles
    made: ExitStack
    left: list[str]

    @property
    def dynamodb_table(self) -> str:
        return "-".join(filter(None, (TABLE, self.options.table_suffix)))

    @property
    def _pinot_table(self) -> str:
        return self.files.upsert_table.name

    def make(self) -> str:
        """Make everything, Pinot's table at last, since it reads the stream at once; return the stream's ARN."""
        if found := list(self._existing()):
            raise CommandError(
                f"There is already {', and '.join(found)}; the demo makes its own and touches no other: "
                "give --table-suffix for other names, or remove it"
            )
        dynamodb, kinesis = self.services.dynamodb, self.services.kinesis
        arn = local.create_meetups_table(dynamodb, self.dynamodb_table)
        self._own(
            f"the DynamoDB table {self.dynamodb_table}", lambda: dynamodb.delete_table(TableName=self.dynamodb_table)
        )
        kinesis.create_stream(StreamName=self.files.stream, ShardCount=local.SHARDS)
        self._own(
            f"the Kinesis stream {self.files.stream}", lambda: kinesis.delete_stream(StreamName=self.files.stream)
        )
        waiting = {"Delay": 1, "MaxAttempts": 60}
        dynamodb.get_waiter("table_exists").wait(TableName=self.dynamodb_table, WaiterConfig=waiting)  # type: ignore[arg-type]
        kinesis.get_waiter("stream_exists").wait(StreamName=self.files.stream, WaiterConfig=waiting)  # type: ignore[arg-type]
        self._add_to_pinot(kinesis.meta.endpoint_url)
        return arn

    def say_what_stays(self) -> None:
        """Say what is left behind, and how to be rid of it."""
        self.screen.title("What stays")
        self.screen.say(f"Pinot's table {self._pinot_table}: {self.controller.url}/#/query")
        if not self.options.kinesis_endpoint:
            self.screen.say(
                "Its Kinesis was embedded and is gone now: Pinot keeps the rows for a while and reads no more."
            )
        remove = f"curl -X DELETE {self.controller.url}/tableConfigs/{self._pinot_table}"
        self.screen.say(f"To remove it: {remove}; or run the demo with --clean, which takes away what it made.")

    def _existing(self) -> Iterator[str]:
        name = self._pinot_table
        if self.controller.table(name) is not None or self.controller.schema(name) is not None:
            yield f"a table or schema {name} in the Pinot at {self.controller.url}"
        dynamodb, kinesis = self.services.dynamodb, self.services.kinesis
        try:
            dynamodb.describe_table(TableName=self.dynamodb_table)
            yield f"a DynamoDB table {self.dynamodb_table} at {dynamodb.meta.endpoint_url}"
        except dynamodb.exceptions.ResourceNotFoundException:
            pass
        try:
            kinesis.describe_stream_summary(StreamName=self.files.stream)
            yield f"a Kinesis stream {self.files.stream} at {kinesis.meta.endpoint_url}"
        except kinesis.exceptions.ResourceNotFoundException:
            pass

    def _add_to_pinot(self, endpoint: str) -> None:
        endpoint = self.options.kinesis_endpoint_of_pinot or endpoint
        environment = self.services.environment
        secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        schema, config = pinot_documents(self.files, endpoint, secret)
        try:
            unknown = self.controller.add_table(schema, config)
        except CommandError as error:  # it looks at the stream's shards before it answers
            raise CommandError(f"{error}. Can Pinot reach the Kinesis at {endpoint}?") from None
        self._own(f"Pinot's table {self._pinot_table}", lambda: self.controller.remove_table(self._pinot_table))
        self.screen.say(
            f"Made Pinot's table {self._pinot_table}, which reads the stream {self.files.stream} at {endpoint}"
        )
        for each in unknown:
            self.screen.say(f"Pinot does not know {each}")

    def _own(self, what: str, remove: Callable[[], object]) -> None:
        def try_to_remove() -> None:
            try:
                with refusals():
                    remove()
            except CommandError as error:  # what else was made is to go all the same
                self.left.append(what)
                self.screen.say(f"Not removed: {what}: {error}")

        self.made.callback(try_to_remove)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What both sides were seen to have: ``rows`` is None when Pinot did not answer."""

    items: int
    rows: int | None
    different: Sequence[str]


@dataclass(kw_only=True)
class _Shown:
    """What Pinot shows of the table, once it is what DynamoDB holds or patience (seconds) has ended."""

    screen: Screen
    replication: Replication
    table: Table
    controller: Controller
    broker: Broker
    patience: float

    @property
    def _upsert_table(self) -> UpsertTable:
        return self.replication.replica.table

    def compare(self) -> bool:
        """Ask until both sides are equal, or the time is over; what did not come once is not waited for again."""
        began = time.monotonic()
        with self.screen.waiting("Waiting for Pinot"):
            look = self._look()
            while look.different and not self.replication.problems and time.monotonic() - began < self.patience:
                time.sleep(POLL_SECONDS)
                look = self._look()
        seconds = time.monotonic() - began
        has = f"DynamoDB has {look.items} items"
        if not look.different:
            equal = (
                f"{has}, Pinot shows {look.rows} rows, equal in every value that has a column, after {seconds:.1f} s"
            )
            self.screen.verdict(equal, ())
            return True
        self.patience = 0
        shows = "Pinot gives no answer" if look.rows is None else f"Pinot shows {look.rows} rows"
        last = f"{has}, {shows}, not equal after {seconds:.1f} s; what was seen last:"
        self.screen.verdict(last, [*look.different, *self._segments()])
        return False

    def show(self, deleted: dict[str, Any]) -> bool:
        """Show the seed's queries with their results; tell whether the history has every row that was sent."""
        name = self._upsert_table.name
        self.screen.title("What Pinot shows")
        for column, expression in self._upsert_table.computed.items():
            self.screen.say(f"Column {column} is in no row: Pinot computes it, {expression}")
        columns = (*LIVE, "ST_AsText(location)")
        self._table(f"SELECT {', '.join(columns)} FROM {name} ORDER BY mtime LIMIT {_MOST_ROWS}", columns)  # noqa: S608
        # $docId: of equal times the row that Pinot read later comes first.
        where = f"WHERE meetup_id = '{deleted['meetup_id']}' ORDER BY {self._upsert_table.comparison} DESC, $docId DESC"
        options = "SET enableNullHandling=true; SET skipUpsert=true"
        query = f"{options}; SELECT {', '.join(HISTORY)} FROM {name} {where} LIMIT {_MOST_ROWS}"  # noqa: S608
        seen = Counter(row["eventName"] for row in self._table(query, HISTORY))
        replica = self.replication.replica
        sent = Counter(row["eventName"] for row in replica.history(replica.table.key(deleted)))
        different = [] if seen == sent else [f"sent were {_count(sent)}, Pinot has {_count(seen)}"]
        self.screen.verdict(f"The history of {deleted['meetup_id']} in Pinot: {_count(seen)}", different)
        return not different

    def _table(self, query: str, columns: Sequence[str]) -> list[Row]:
        rows: list[Row] = [dict(zip(columns, row, strict=True)) for row in self.broker.query(query).rows]
        self.screen.table(query, columns, rows)
        return rows

    def _look(self) -> _Look:
        self.replication.run()
        held = list(items(self.table))
        try:
            rows = self._rows()
        except CommandError as error:  # until its segments are assigned a new table is no table to the broker
            return _Look(items=len(held), rows=None, different=[*self.replication.problems, str(error)])
        try:
            different = [*differences(held, rows, self._upsert_table), *self._not_computed(rows)]
        except RowError as error:
            different = [f"a row of Pinot cannot be read: {error}"]
        return _Look(items=len(held), rows=len(rows), different=[*self.replication.problems, *different])

    def _rows(self) -> list[Row]:
        """Ask for every row; TIMESTAMP as a number, since Pinot writes it as text in its own time zone."""
        columns = self._upsert_table.columns
        selected = ", ".join(
            f'CAST("{name}" AS LONG)' if kind == "TIMESTAMP" else f'"{name}"' for name, kind in columns.items()
        )
        query = f"SET enableNullHandling=true; SELECT {selected} FROM {self._upsert_table.name} LIMIT {_MOST_ROWS}"  # noqa: S608
        return [dict(zip(columns, row, strict=True)) for row in self.broker.query(query).rows]

    def _not_computed(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            for name in self._upsert_table.computed:
                if not row[name]:
                    yield f"{' / '.join(map(str, self._upsert_table.key(row)))}: Pinot computed nothing for {name}"

    def _segments(self) -> list[str]:
        """Count the states of the table's segments: ERROR and OFFLINE say that Pinot cannot read the stream."""
        try:
            view = self.controller.external_view(self._upsert_table.name)
        except CommandError as error:
            return [str(error)]
        states = Counter(state for servers in view.values() for state in servers.values())
        return [f"Pinot's segments of the table: {_count(states) or 'none yet'}"]


def _count(what: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(what.items()))
